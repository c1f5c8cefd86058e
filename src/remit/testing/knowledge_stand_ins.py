"""A source in memory, whose reader fails where a test wants it to, and short ways to describe tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from remit.connectors.source_reader import SourceRows, TableAsk
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, TableSpec

__all__ = ["ListReader", "a_fact", "a_link", "a_source", "a_table"]

Row = Sequence[object]


class ListReader:
    """Implements `SourceReader` over rows in memory.

    ``tables`` maps a table's name to its columns and rows. With ``ops`` (one letter a row) the rows are change events.
    An ask with ``since`` gets the rows whose cursor column is at least that. After ``fail_after`` rows ``failure`` is
    raised. ``asked`` and ``taken_asks`` keep what was asked and what was said to be loaded.
    """

    def __init__(
        self,
        tables: Mapping[str, tuple[Sequence[str], Sequence[Row]]],
        *,
        ops: Mapping[str, str] | None = None,
        batch: int = 1_000,
        fail_after: int | None = None,
        failure: Exception | None = None,
    ):
        self.tables = dict(tables)
        self.ops = dict(ops or {})
        self.batch = batch
        self.fail_after, self.failure = fail_after, failure
        self.notes: list[str] = []
        self.asked: list[TableAsk] = []
        self.taken_asks: list[TableAsk] = []
        self.closed = False

    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Yield the rows of the table, in batches."""
        self.asked.append(ask)
        columns, rows = self.tables[ask.table]
        columns, ops = tuple(columns), self.ops.get(ask.table)
        if ask.since is not None and ask.cursor_column is not None and ops is None:
            place = columns.index(ask.cursor_column)
            rows = [row for row in rows if row[place] is not None and str(row[place]) >= ask.since]
        for first in range(0, max(len(rows), 1), self.batch):
            some = rows[first : first + self.batch]
            if self.failure is not None and self.fail_after is not None and first + len(some) > self.fail_after:
                some = some[: self.fail_after - first]
                if some:
                    yield self._batch(ask, columns, some, first, ops)
                raise self.failure
            yield self._batch(ask, columns, some, first, ops)

    def _batch(
        self, ask: TableAsk, columns: tuple[str, ...], rows: Sequence[Row], first: int, ops: str | None
    ) -> SourceRows:
        letters = None if ops is None else list(ops[first : first + len(rows)])
        return SourceRows(columns, rows, ask.table, first + 1, letters)

    async def taken(self, ask: TableAsk) -> None:
        """Keep that it was loaded."""
        self.taken_asks.append(ask)

    async def close(self) -> None:
        """Keep that it was closed."""
        self.closed = True


def a_fact(name: str, kind: str = "text", **changes: Any) -> FactSpec:
    """Return a column's fact under its own name; ``changes`` are fields of `FactSpec`."""
    fields: dict[str, Any] = {
        "column": name, "currency": None, "required": False, "see": "internal", "match": None, "pattern": None,
        "one_of": None, "low": None, "high": None, "unique": False, "about": "",
    } | changes  # fmt: skip
    for bound in ("low", "high"):
        if fields[bound] is not None:
            fields[bound] = Decimal(fields[bound])
    return FactSpec(name=name, kind=kind, **fields)


def a_link(name: str, to: str, column: str = "", **changes: Any) -> LinkSpec:
    """Return a link ``name`` to data set ``to`` by ``column`` (default: the name and ``_id``)."""
    fields: dict[str, Any] = {"see": "internal", "required": False} | changes
    return LinkSpec(name=name, to=to, column=column or f"{name}_id", **fields)


def a_table(dataset: str, type_name: str, facts: Sequence[FactSpec | str], **changes: Any) -> TableSpec:
    """Return a table keyed by column ``id``; a text stands for a text column. ``changes``: fields of `TableSpec`."""
    fields: dict[str, Any] = {
        "key": ("id",), "changed": None, "deleted": None, "observed": None, "valid_from": None, "valid_to": None,
        "fresh_seconds": None, "links": (), "depends": {}, "volume": (None, None), "documents": (), "options": {},
    } | changes  # fmt: skip
    made = tuple(a_fact(fact) if isinstance(fact, str) else fact for fact in facts)
    return TableSpec(dataset=dataset, type=type_name, facts=made, **fields)


def a_source(name: str, department: str, *tables: TableSpec, **changes: Any) -> SourceFile:
    """Return source ``name`` with ``tables``, of kind ``list``; ``changes`` are fields of `SourceFile`."""
    fields: dict[str, Any] = {
        "kind": "list", "connect": {}, "trust": "normal", "zone": "UTC", "digest": "0" * 64, "text": "",
        "file": f"sources/{name}.yaml", "warnings": (),
    } | changes  # fmt: skip
    by_name = {table.dataset.partition(".")[2]: table for table in tables}
    return SourceFile(name=name, department=department, tables=by_name, **fields)
