"""A source that is a database: one table or select at a time, streamed, in a transaction that only reads."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from remit.connectors.cells import as_cells
from remit.connectors.credentials import read_secret
from remit.connectors.database_engine import DatabaseEngine
from remit.connectors.pace import Timing
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk, add_note
from remit.connectors.sql_select import SqlSelect, sql_select
from remit.connectors.statement import bound_names, what_is_wrong_with_select
from remit.connectors.threads import NotStarted, StillRunning, Threads
from remit.document import Document, duration_seconds, expand_environment
from remit.errors import BadInput, Finding, Unreachable

__all__ = ["SQL_SOURCE", "SqlSource"]

AT_ONCE: Final = 4
T = TypeVar("T")

_CONNECT_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "minLength": 1, "maxLength": 1000},
        "secret": {"type": "string", "minLength": 1, "maxLength": 1000},
        "timeout": {"type": "string", "pattern": "^[1-9][0-9]{0,5}[smh]$"},
    },
}
"""``url`` is a SQLAlchemy URL; ``secret`` names the password when it does not stand in the environment's URL.
``timeout`` (5m) is for the database to answer with the next 2,000 rows.
"""

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_TABLE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "table": _NAME,
        "schema": _NAME,
        "query": {"type": "string", "minLength": 1, "maxLength": 20_000},
        "overlap": {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{1,6}[smhdw]$"},
                {"type": "integer", "minimum": 0, "maximum": 1_000_000_000},
            ]
        },
    },
}
"""``table`` is the table's name in the database, by default its name in the file; or ``query`` is a select. ``overlap``
(10m) is how much is read again before the cursor, for rows whose transaction committed late: a length of time, or a
count where the cursor is a number.
"""


class SqlSource:
    """Reads the tables of one database. Implements `SourceReader`; its work is done in a thread of its own."""

    def __init__(self, name: str, database: DatabaseEngine, timeout_seconds: float):
        self.notes: list[str] = []
        self._name = name
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._threads = Threads(name, AT_ONCE)

    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one table in one transaction; see `SourceReader.read`."""
        what = f"{self._name}.{ask.table}"
        plan = await self._in_thread(lambda: self._plan(ask), what)
        for note in plan.notes:
            add_note(self.notes, note)
        parts = self._database.stream(plan.statement, {}, BATCH_ROWS_MAX)
        first = 1
        try:
            # Not tried again: rows already handed out would come twice, or the rest would be lost.
            while (part := await self._in_thread(lambda: next(parts, None), what)) is not None:
                columns, rows = part
                yield SourceRows(columns, as_cells(rows), ask.table, first, unread=plan.unread)
                first += len(rows)
        finally:
            # A part that is still being fetched keeps its connection until it is done.
            with contextlib.suppress(ValueError, NotStarted, StillRunning):
                await self._threads.run(parts.close, self._timeout_seconds)

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: a database does not need to know."""

    async def close(self) -> None:
        """Close the connections."""
        self._threads.close()
        self._database.close()

    def _plan(self, ask: TableAsk) -> SqlSelect:
        def fetch(statement: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
            with contextlib.closing(self._database.stream(statement, {}, 2)) as parts:
                return next(parts)

        return sql_select(ask, fetch)

    async def _in_thread(self, work: Callable[[], T], what: str) -> T:
        try:
            return await self._threads.run(lambda: self._database.told(work, what, {}), self._timeout_seconds)
        except (NotStarted, StillRunning) as error:
            raise Unreachable(f"{what}: {error}") from None


def _check(document: Document) -> tuple[Finding, ...]:
    found = []
    for name, table in document.value["tables"].items():
        if "query" not in table:
            continue
        path = ("tables", name, "query")
        for other in ("table", "schema"):
            if other in table:
                found.append(
                    document.finding(("tables", name, other), f"{name}: {other}: and query: exclude each other")
                )
        problem = what_is_wrong_with_select(table["query"])
        if problem:
            found.append(document.finding(path, f"{name}: query: {problem}"))
        for bound in sorted(bound_names(table["query"])):
            what = f"{name}: query: nothing is bound to :{bound}"
            found.append(document.finding(path, what, "the condition on the cursor is added by itself"))
    return tuple(found)


def _open(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: object,
) -> SqlSource:
    url = expand_environment(connect["url"], environment)
    password = None
    if "secret" in connect:
        reference = expand_environment(connect["secret"], environment)
        read_secret(reference, environment)  # that it is there is seen now

        def password() -> Any:
            return read_secret(reference, environment)

    timeout_seconds = float(duration_seconds(connect.get("timeout", "5m")))
    try:
        database = DatabaseEngine(url, AT_ONCE, timeout_seconds, password)
    except BadInput as error:
        raise BadInput(f"url: {error}; expected like postgresql://host/name or sqlite:///path") from None
    return SqlSource(name, database, timeout_seconds)


SQL_SOURCE: Final = SourceKind(_CONNECT_SCHEMA, _TABLE_SCHEMA, _check, _open)
"""The kind ``sql``."""
