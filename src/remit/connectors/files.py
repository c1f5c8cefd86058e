"""A system that drops fixed-width files into a folder. It is read, never written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from remit.connectors.connector import Done, Reading
from remit.connectors.drop_folder import DropFolder, DroppedFile
from remit.connectors.fixed_width import LAYOUT_SCHEMA, Layout, layout_findings
from remit.connectors.pace import PACE_SCHEMA, Pace, PaceLimits, Timing
from remit.connectors.placeholder import as_text, fill
from remit.connectors.system_file import NAMES, ConnectorKind, Opening, SystemFile
from remit.connectors.threads import NotStarted, StillRunning, Threads
from remit.document import Document
from remit.errors import BadInput, CannotTell, Finding, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["FILES_KIND", "FilesConnector", "check_files"]

T = TypeVar("T")
_COLUMN: Final = {"type": "string", "minLength": 1, "maxLength": 64}
_WHERE: Final = {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}}

FILES_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["system", "kind", "folder", "pattern", "layout"],
    "properties": {
        "system": {"type": "string"},
        "kind": {"const": "files"},
        "folder": {"type": "string", "minLength": 1, "maxLength": 1000},
        "pattern": {"type": "string", "pattern": "^[^/\\\\]+$", "maxLength": 200},
        "layout": LAYOUT_SCHEMA,
        "zone": {"type": "string", "maxLength": 60},
        "pace": PACE_SCHEMA,
        "reads": {
            "type": "object",
            "propertyNames": NAMES,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["where", "value"],
                "properties": {
                    "where": {**_WHERE, "minProperties": 1},
                    "value": _COLUMN,
                    "type": {"enum": ["text", "integer"]},
                    "record": _COLUMN,
                    "absent": {"type": ["string", "integer", "boolean"]},
                },
            },
        },
        "lists": {
            "type": "object",
            "propertyNames": NAMES,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"where": _WHERE},
            },
        },
    },
}
"""``folder`` may be relative to the folder of the description. ``absent`` is the value when a whole file has
no such row: without it that is a missing fact. ``zone`` is the time zone of the moments in the files (UTC).
"""


class FilesConnector:
    """Reads facts and records from the newest whole file. Implements `Connector`; it has no effects."""

    def __init__(self, system: SystemFile, folder: DropFolder, layout: Layout, pace: Pace):
        self.name = system.name
        self._value = system.value
        self._folder = folder
        self._layout = layout
        self._pace = pace
        self._threads = Threads(system.name, pace.limits.at_once)

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        """Read one fact; see `Connector.read`. It was observed when the file says it was."""
        asking, what = self._asking("reads", name)
        where = _wanted(what, asking["where"], parameters)
        file, found = await self._in_thread(lambda: self._found(where), what)
        observed_at = file.content.observed_at
        if not found:
            problem = "" if "absent" in asking else "no such record"
            return Reading(asking.get("absent"), file.name, observed_at, problem)
        if len(found) > 1:
            return Reading(None, file.name, observed_at, f"{len(found)} records")
        row = file.content.rows[found[0]]
        record = f"{file.name}:{file.content.line(found[0])}"
        if "record" in asking:
            record = self._layout.cell(row, asking["record"]) or record
        value, problem = _value(self._layout.cell(row, asking["value"]), asking.get("type", "text"))
        return Reading(value, record, observed_at, problem)

    async def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        """List the rows of the newest whole file; see `Connector.records`."""
        asking, what = self._asking("lists", name)
        where = _wanted(what, asking.get("where", {}), parameters)
        file, found = await self._in_thread(lambda: self._found(where), what)
        for index in found:
            row = file.content.rows[index]
            yield {column: self._layout.cell(row, column) for column in self._layout.columns}

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        """Refuse: a drop folder has no effects."""
        raise Refused(f"{self.name}: files are only read; there is no operation {operation!r:.80}")

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        """Say that nothing can be said: a drop folder has no effects."""
        raise CannotTell(f"{self.name}: files are only read; there is no operation {operation!r:.80}")

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    def _asking(self, section: str, name: str) -> tuple[Mapping[str, Any], str]:
        asking = self._value.get(section, {}).get(name)
        if asking is None:
            raise Refused(f"{self.name}: its description has no {name!r:.80} under {section}")
        return asking, f"{self.name}.{name}"

    def _found(self, where: dict[str, str]) -> tuple[DroppedFile, list[int]]:
        file = self._folder.newest()
        return file, file.find(where)

    async def _in_thread(self, work: Callable[[], T], what: str) -> T:
        try:
            async with self._pace.turn() as turn:
                turn.well = False
                result = await self._threads.run(work, self._pace.limits.timeout_seconds)
                turn.well = True
                return result
        except (NotStarted, StillRunning, Unreachable) as error:
            raise Unreachable(f"{what}: {error}") from None


def _wanted(what: str, where: Mapping[str, Any], parameters: Mapping[str, Json]) -> dict[str, str]:
    """Fill in what rows are compared with.

    Raises:
        Refused: a parameter is missing or empty: an empty one would find the rows that have nothing there.
    """
    wanted = {}
    for column, item in where.items():
        try:
            wanted[column] = as_text(fill(item, parameters)).strip()
        except BadInput as error:
            raise Refused(f"{what}: {column}: {error}") from None
        if not wanted[column]:
            raise Refused(f"{what}: {column}: the parameter is empty")
    return wanted


def _value(cell: str, kind: str) -> tuple[Json, str]:
    if not cell:
        return None, "the record has no value"
    if kind == "text":
        return cell, ""
    if re.fullmatch(r"[+-]?[0-9]{1,15}", cell):
        return int(cell), ""
    return None, "the value is not a whole number"


def check_files(document: Document) -> tuple[Finding, ...]:
    """Find what the schema cannot say."""
    layout = document.value["layout"]
    found = layout_findings(document, ("layout",), layout)
    for section in ("reads", "lists"):
        for name, asking in document.value.get(section, {}).items():
            used = {("where", column): column for column in asking.get("where", {})}
            used |= {(key, ""): asking[key] for key in ("value", "record") if key in asking}
            known = ", ".join(sorted(layout["columns"]))
            for at, column in used.items():
                if column not in layout["columns"]:
                    place = (section, name, *at)
                    found.append(document.finding(place, f"{name}: no column {column!r}", f"known: {known}"))
    return tuple(found)


def _open(system: SystemFile, environment: Mapping[str, str] | None, timing: Timing) -> FilesConnector:
    opening = Opening(system, environment)
    limits = PaceLimits.from_description(system.value)
    folder = Path(system.document.file).parent / Path(opening.text("folder")).expanduser()
    local = opening.zone()
    opening.finish()
    layout = Layout(system.value["layout"], local)
    drop = DropFolder(folder, system.value["pattern"], layout)
    return FilesConnector(system, drop, layout, Pace(system.name, limits, timing))


FILES_KIND: Final = ConnectorKind(FILES_SCHEMA, check_files, _open)
"""The kind ``files``."""
