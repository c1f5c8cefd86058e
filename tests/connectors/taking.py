"""Taking whole tables from a source under test, and loading them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.connectors.turned_time import TurnedTime

from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceReader, SourceRows, TableAsk
from remit.errors import CannotTell, Refused, Unreachable
from remit.knowledge.load_table import LoadMode, LoadReport, load_table
from remit.knowledge.source_file import load_source_file, open_source
from remit.ledger.journal import Journal
from remit.store.engine import Store

NOW: Final = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@dataclass
class Took:
    """What reading a table gave, up to its end or its failure."""

    rows: list[dict[str, object]] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    batches: list[SourceRows] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: Refused | Unreachable | CannotTell | None = None
    slept: list[float] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        return [row.get(name) for row in self.rows]


def take(
    text: str,
    table: str,
    *,
    environment: Mapping[str, str] | None = None,
    since: str | None = None,
    inbox: object = None,
    file: str = "sources/crm.yaml",
) -> Took:
    """Read ``table`` of the source that ``text`` describes, once, to its end."""
    source = load_source_file(file, text)
    turned = TurnedTime()

    async def go() -> Took:
        reader = open_source(source, environment or {}, turned.timing, inbox)
        try:
            took = await take_all(reader, source.tables[table].ask(since, source.zone))
        finally:
            await reader.close()
            await reader.close()
        took.slept = turned.slept
        return took

    return asyncio.run(go())


async def take_all(reader: SourceReader, ask: TableAsk) -> Took:
    """Read what ``ask`` asks for; checks what every reader promises of its batches."""
    took = Took()
    try:
        async for batch in reader.read(ask):
            assert len(batch.rows) <= BATCH_ROWS_MAX
            assert len(set(batch.columns)) == len(batch.columns)
            assert all(len(row) == len(batch.columns) for row in batch.rows)
            took.batches.append(batch)
            took.rows += [dict(zip(batch.columns, row, strict=True)) for row in batch.rows]
            took.ops += batch.ops or ()
            took.problems += batch.problems.values()
    except (Refused, Unreachable, CannotTell) as error:
        took.failure = error
    else:
        assert took.batches, "a reading that ends well gives at least one batch"
    took.notes = list(reader.notes)
    return took


def numbered(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Records as a system would list them."""
    return [{"id": number, "name": f"n{number}", "address": {"city": f"c{number % 7}"}} for number in numbers]


def load_into(
    store: Store,
    text: str,
    table: str,
    *,
    environment: Mapping[str, str] | None = None,
    inbox: object = None,
    file: str = "sources/crm.yaml",
    mode: LoadMode = "auto",
) -> LoadReport:
    """Load ``table`` of the source that ``text`` describes."""
    source = load_source_file(file, text)
    reader = open_source(source, environment or {}, TurnedTime().timing, inbox)
    journal = Journal(store)
    try:
        report = load_table(journal, store, source, table, reader, mode=mode, now=NOW)
        asyncio.run(reader.close())
    finally:
        journal.close()
    counts = report.counts
    assert counts["read"] == sum(counts[name] for name in ("new", "changed", "unchanged", "deleted", "bad"))
    return report


def known_now(store: Store, fact: str) -> dict[str, Any]:
    """The fact's value of every record that has one now, by the record's key."""
    rows = store.read(
        "select record.skey, fact.value from fact join record on record.rid = fact.rid"
        " join property on property.pid = fact.pid where property.name = ? and fact.tx_to = ?",
        (fact, 2**53 - 1),
    )
    assert len({key for key, _ in rows}) == len(rows), "a fact stands twice"
    return {key: json.loads(value) for key, value in rows}
