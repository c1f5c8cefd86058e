"""Rows from a system that lists its records over HTTP and JSON, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from remit.canonical import from_moment
from remit.connectors.answer import as_moment, zone
from remit.connectors.authentication import AUTHENTICATION_SCHEMA
from remit.connectors.http import HttpConnector, open_http
from remit.connectors.http_schema import LIST_SCHEMA, check_asking
from remit.connectors.pace import PACE_SCHEMA, Timing
from remit.connectors.record_rows import RECORDS_MAX_SCHEMA, in_batches, parse_records
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import SourceRows, TableAsk, add_note
from remit.connectors.system_file import NAMES, SystemFile
from remit.connectors.systems import load_system
from remit.document import Document, duration_seconds
from remit.errors import BadInput, Finding, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["REST_SOURCE", "RestSource"]

ANSWER_BYTES_MAX: Final = 33_554_432
PAGES_MAX: Final = 1_000_000
PAGE_TRIES: Final = 3
_SINCE: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["parameter"],
    "properties": {
        "parameter": {"type": "string", "minLength": 1, "maxLength": 60},
        "form": {"enum": ["text", "moment", "date", "epoch", "epoch_ms"]},
        "overlap": {"type": "string", "pattern": "^[0-9]{1,6}[smhdw]$"},
    },
}
_SHARED: Final[Mapping[str, Any]] = {
    **{key: LIST_SCHEMA["properties"][key] for key in ("headers", "items", "paging")},
    "since": _SINCE,
    "records_max": RECORDS_MAX_SCHEMA,
}


class RestSource:
    """Reads tables as `HttpConnector` reads lists. Implements `SourceReader`.

    A page that came before, or whose body is cut or is no list, is asked for up to three times; then the reading
    fails, for going on could leave records out.
    """

    def __init__(self, name: str, system: SystemFile, environment: Mapping[str, str] | None, timing: Timing):
        """Raises BadSystem as `open_http` does."""
        self.notes: list[str] = []
        self._name = name
        self._system = system
        self._environment = environment
        self._timing = timing
        self._closed = False
        self._open()

    def _open(self) -> HttpConnector:
        def told(why: str) -> None:
            add_note(self.notes, why)

        return open_http(self._system, self._environment, self._timing, ANSWER_BYTES_MAX, told)

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one table's rows; see `SourceReader.read`."""
        return in_batches(self._pages(ask), ask, ask.table)

    async def _pages(self, ask: TableAsk) -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
        what = f"{self._name}.{ask.table}"
        if self._closed:
            raise Unreachable(f"{what}: the reader is closed")
        asking, since = self._asking(ask), self._since(ask)
        borders, patience = _Borders(ask), _Patience(self.notes)
        parameters: Mapping[str, Json] = {} if since is None else {"since": since}
        # Connections belong to the event loop of this reading; the next one may run in another.
        connector = self._open()
        pages = connector.pages(asking, what, parameters, parse=parse_records, again=patience.again)
        try:
            async with aclosing(pages):
                async for page in pages:
                    patience.renew()
                    borders.look(page.items)
                    yield page.items  # type: ignore[misc]
        finally:
            await connector.close()
        if borders.count:
            add_note(self.notes, f"{what}: {borders.count} records stood on two pages, one after the other")

    def _asking(self, ask: TableAsk) -> Mapping[str, Any]:
        options = ask.options
        if "list" in options:
            lists: Mapping[str, Mapping[str, Any]] = self._system.value.get("lists", {})
            if options["list"] not in lists:
                raise Refused(f"{self._name}.{ask.table}: its system has no list {options['list']!r:.80}")
            asking = dict(lists[options["list"]])
        else:
            asking = {key: options[key] for key in LIST_SCHEMA["properties"] if key in options}
        if "since" in options:
            asking["query"] = {**asking.get("query", {}), options["since"]["parameter"]: "$since"}
        asking["paging"] = {"pages_max": PAGES_MAX, **asking.get("paging", {"kind": "none"})}
        return asking

    def _since(self, ask: TableAsk) -> str | None:
        how: Mapping[str, Any] = ask.options.get("since", {})
        form, overlap_seconds = how.get("form", "text"), duration_seconds(how.get("overlap", "0s"))
        if ask.since is None or (form == "text" and not overlap_seconds):
            return ask.since
        moment = _moment_of(ask.since, form, ask.zone, overlap_seconds)
        if moment is None:
            text = "the cursor is no moment that can be read, so everything is asked for"
            add_note(self.notes, f"{self._name}.{ask.table}: {text}")
            return None
        return _written(moment, form)

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: the source keeps no account of what was read."""

    async def close(self) -> None:
        """Read nothing more."""
        self._closed = True


class _Patience:
    """How often a page that is of no use is asked for again."""

    def __init__(self, notes: list[str]):
        self._notes = notes
        self._left = PAGE_TRIES - 1

    def renew(self) -> None:
        self._left = PAGE_TRIES - 1

    def again(self, why: str) -> bool:
        self._left -= 1
        if self._left < 0:
            return False
        add_note(self._notes, f"{why}; asked for that page again")
        return True


class _Borders:
    """Counts records that stand on a page and on the one before it, as happens when others are added meanwhile."""

    def __init__(self, ask: TableAsk):
        self._columns = ask.key
        self._before: set[tuple[object, ...]] = set()
        self.count = 0

    def look(self, items: list[Any]) -> None:
        now = set()
        for item in items:
            key = tuple(item.get(column) for column in self._columns)
            if all(isinstance(part, str | int) for part in key):
                now.add(key)
        self.count += len(now & self._before) if self._columns else 0
        self._before = now


def _moment_of(text: str, form: str, local: str, earlier_seconds: int) -> datetime | None:
    """Read a cursor and go back that far; None when it is no moment."""
    try:
        if text.isdecimal() and text.isascii() and form in {"epoch", "epoch_ms"}:
            seconds = int(text[:20]) // (1_000 if form == "epoch_ms" else 1)
            moment: datetime | None = datetime.fromtimestamp(seconds, UTC)
        else:
            moment = as_moment(text, zone(local))
        return None if moment is None else moment - timedelta(seconds=earlier_seconds)
    except (BadInput, OverflowError, ValueError, OSError):
        return None


def _written(moment: datetime, form: str) -> str:
    if form in {"epoch", "epoch_ms"}:
        return str(int(moment.timestamp()) * (1_000 if form == "epoch_ms" else 1))
    if form == "date":  # the source's day may begin half a day after ours
        return (moment - timedelta(days=1)).date().isoformat()
    return from_moment(moment.replace(microsecond=0))


def _check(document: Document) -> tuple[Finding, ...]:
    found: list[Finding] = []
    connect = document.value["connect"]
    if ("url" in connect) == ("system" in connect):
        found.append(document.finding(("connect",), "expected one of url: and system:", "url: https://host/path"))
    if "system" in connect:
        found += [
            document.finding(("connect", key), f"{key}: stands in the system's own description")
            for key in ("auth", "pace", "unencrypted")
            if key in connect
        ]
    for name, table in document.value["tables"].items():
        if "list" not in table:
            found += check_asking(document, ("tables", name), table)
        elif "system" not in connect:
            found.append(document.finding(("tables", name, "list"), "list: names a list of a system; there is none"))
        if "since" in table and "changed" not in table:
            place = ("tables", name, "since")
            found.append(document.finding(place, "since: without changed: there is nothing to ask since"))
    return tuple(found)


def _open(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: object,
) -> RestSource:
    del inbox
    if "system" in connect:
        system = load_system(folder.parent / "systems" / f"{connect['system']}.yaml")
        if system.kind != "http":
            raise BadInput(f"{name}: system {system.name} is of kind {system.kind}, expected http")
    else:
        keys = ("url", "auth", "pace", "unencrypted")
        value = {"system": name, "kind": "http", **{key: connect[key] for key in keys if key in connect}}
        # Where things stand in the source's file is not known here; what is wrong is told of the whole.
        system = SystemFile(name, "http", Document(f"source {name}", "", value, {(): (0, 0)}))
    return RestSource(name, system, environment, timing)


REST_SOURCE: Final = SourceKind(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "url": {"type": "string", "minLength": 1, "maxLength": 1000},
            "system": {"type": "string", **NAMES},
            "unencrypted": {"type": "boolean"},
            "auth": AUTHENTICATION_SCHEMA,
            "pace": PACE_SCHEMA,
            **_SHARED,
        },
    },
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {**LIST_SCHEMA["properties"], "list": {"type": "string", **NAMES}, **_SHARED},
    },
    _check,
    _open,
)
"""The kind ``rest``.

``connect`` describes the system as a file of ``systems/`` does, or names one (``system: carrier``), whose lists a
table may then take by name (``list: orders``). A table says what is asked as a list does. ``since`` puts the cursor
into a query parameter, as ``form`` says (moment: RFC 3339; date: the day before; epoch, in seconds or milliseconds;
text: as the source wrote it), earlier by ``overlap``, for systems that let a change be seen late. Columns are paths
in a record.
"""
