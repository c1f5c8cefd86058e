"""Loading and opening the descriptions in ``systems/``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from remit.connectors.connector import Connector
from remit.connectors.pace import Timing
from remit.connectors.system_file import ConnectorKind, SystemFile, secrets_written_out
from remit.document import read_document
from remit.errors import BadSystem, Finding

__all__ = ["ENTRY_POINT_GROUP", "connector_kind", "kinds", "load_system", "load_systems", "open_connector"]

ENTRY_POINT_GROUP: Final = "remit.connectors"
FILES_MAX: Final = 1_000

_BUILT_IN: Final = ("database", "files", "http")
_HEAD: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["system", "kind"],
    "properties": {
        "system": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"},
        "kind": {"type": "string"},
    },
}


def kinds() -> tuple[str, ...]:
    """Return the kinds of system that can be described: ours and those that installed packages register."""
    return tuple(sorted({*_BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names}))


def connector_kind(name: str) -> ConnectorKind | None:
    """Return the kind of that name, None when there is none. Ours cannot be replaced by a package."""
    if name == "http":
        from remit.connectors.http import HTTP_KIND

        return HTTP_KIND
    if name == "database":
        from remit.connectors.database import DATABASE_KIND

        return DATABASE_KIND
    if name == "files":
        from remit.connectors.files import FILES_KIND

        return FILES_KIND
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        kind: object = point.load()
        if isinstance(kind, ConnectorKind):
            return kind
    return None


def load_system(path: Path | str, text: str | None = None) -> SystemFile:
    """Read one description (``text`` under that name when given). Environment variables are not looked at.

    Raises:
        BadSystem: everything that is wrong with it, with line and column.
    """
    head, found = read_document(path, _HEAD, text)
    if head is None or found:
        raise BadSystem(found)
    name = head.value["kind"]
    kind = connector_kind(name)
    if kind is None:
        close = difflib.get_close_matches(name, kinds(), 1)
        advice = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(kinds())}"
        raise BadSystem((head.finding(("kind",), f"unknown kind {name!r:.60}", advice),))
    document, found = read_document(path, kind.schema, head.text)
    # A file whose shape is wrong is not looked into further: the checks rely on the shape.
    found = (*found, *secrets_written_out(head))
    if document is not None and not found:
        found = kind.check(document)
    errors = tuple(finding for finding in found if finding.severity == "error")
    if document is None or errors:
        raise BadSystem(tuple(sorted(found, key=lambda finding: (finding.line, finding.column))))
    return SystemFile(document.value["system"], name, document, found)


def load_systems(folder: Path | str) -> dict[str, SystemFile]:
    """Read every ``*.yaml`` of a folder, by system name. A folder that is not there has no systems.

    Raises:
        BadSystem: everything that is wrong in all of them, and names that stand twice.
    """
    systems: dict[str, SystemFile] = {}
    findings: list[Finding] = []
    paths = sorted(path for path in Path(folder).glob("*.y*ml") if path.suffix in {".yaml", ".yml"})
    if len(paths) > FILES_MAX:
        raise BadSystem((Finding(str(folder), 0, 0, f"more than {FILES_MAX} files: got {len(paths)}"),))
    for path in paths:
        try:
            system = load_system(path)
        except BadSystem as error:
            findings += error.findings
            continue
        if system.name in systems:
            what = f"system {system.name!r} is also described in {systems[system.name].document.file}"
            findings.append(system.document.finding(("system",), what))
        systems[system.name] = system
    if findings:
        raise BadSystem(tuple(findings))
    return systems


def open_connector(
    description: SystemFile, environment: Mapping[str, str] | None = None, timing: Timing | None = None
) -> Connector:
    """Open a system. Nothing is sent yet; connections are made by the first call.

    ``environment`` is what ``${NAME}`` and ``env:NAME`` name, None for the process's own; ``timing`` is for
    tests.

    Raises:
        BadSystem: variables or secrets that are not set, an address or folder that cannot be one.
    """
    kind = connector_kind(description.kind)
    if kind is None:
        raise BadSystem((description.document.finding(("kind",), f"unknown kind {description.kind!r:.60}"),))
    return kind.open(description, environment, timing or Timing())
