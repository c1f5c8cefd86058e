"""The kinds of source that can be described: ours and those that installed packages register."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from remit.connectors.pace import Timing
from remit.connectors.source_reader import SourceReader
from remit.document import Document
from remit.errors import Finding

__all__ = ["SOURCES_GROUP", "SourceKind", "nearest_source_kind", "source_kind", "source_kinds"]

SOURCES_GROUP: Final = "remit.sources"

_BUILT_IN: Final = {
    "csv": "remit.connectors.file_source:CSV_SOURCE",
    "dlt": "remit.connectors.dlt_source:DLT_SOURCE",
    "fixed": "remit.connectors.file_source:FIXED_SOURCE",
    "imap": "remit.connectors.mail_source:IMAP_SOURCE",
    "jsonl": "remit.connectors.file_source:JSONL_SOURCE",
    "mailbox": "remit.connectors.mail_source:MAILBOX_SOURCE",
    "mcp": "remit.connectors.mcp_source:MCP_SOURCE",
    "parquet": "remit.connectors.file_source:PARQUET_SOURCE",
    "rest": "remit.connectors.rest_source:REST_SOURCE",
    "sql": "remit.connectors.sql_source:SQL_SOURCE",
    "webhook": "remit.connectors.webhook_source:WEBHOOK_SOURCE",
}
"""Where each of our kinds stands; a module is imported when its kind is asked for."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: what its description looks like and how it is opened.

    ``connect_schema`` is a JSON Schema (2020-12) of an object, closed, for ``connect`` without the key ``kind``.
    ``table_schema`` is one for the keys that the kind adds to a table; they reach the reader as `TableAsk.options`. A
    key that stands in both may be written once under ``connect`` and holds for every table that has it not.

    ``check`` is handed the whole source file, whose form is right, and finds what a schema cannot say.

    ``open`` is handed the source's name, ``connect`` as written (``${NAME}`` not yet put in: only ``open`` does that,
    with `remit.document.expand_environment`), the folder that relative paths start from, the environment (None: the
    process's own), how time passes, and where arrivals wait (None where nothing receives them). It must not touch the
    network. It raises BadInput for variables or secrets that are not set, and for values that cannot be used; the text
    never shows what a variable holds.

    ``trust`` is how far its rows are trusted where the file does not say: high, normal, low or untrusted.

    Other people's kinds register an instance as an entry point of the group ``remit.sources``, under the kind's name.
    """

    connect_schema: Mapping[str, Any]
    table_schema: Mapping[str, Any]
    check: Callable[[Document], tuple[Finding, ...]]
    open: Callable[[str, Mapping[str, Any], Path, Mapping[str, str] | None, Timing, object], SourceReader]
    trust: str = "normal"


def source_kinds() -> tuple[str, ...]:
    """Return the names of the kinds."""
    return tuple(sorted({*_BUILT_IN, *entry_points(group=SOURCES_GROUP).names}))


def source_kind(name: str) -> SourceKind | None:
    """Return the kind of that name, None when there is none. Ours cannot be replaced by a package."""
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        ours: object = getattr(import_module(module), attribute)
        assert isinstance(ours, SourceKind)
        return ours
    for point in entry_points(group=SOURCES_GROUP, name=name):
        kind: object = point.load()
        if isinstance(kind, SourceKind):
            return kind
    return None


def nearest_source_kind(name: str) -> str:
    """Return advice for a kind that does not exist."""
    close = difflib.get_close_matches(name, source_kinds(), 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(source_kinds())}"
