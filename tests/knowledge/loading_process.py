"""A process that loads the same rows each time and dies where it is told: `python loading_process.py URL [FAULT]`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from remit.connectors.source_reader import SourceRows, TableAsk
from remit.knowledge.load_table import LoadReport, load_table
from remit.knowledge.source_file import SourceFile
from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store
from remit.testing.knowledge_stand_ins import a_fact, a_link, a_source, a_table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
COLUMNS = ("id", "name", "amount", "boss_id")
ROWS, BATCH = 60, 6


class Staff:
    """A source whose second day differs from its first: a third is gone, a third changed, some are bad or doubled."""

    def __init__(self, day: int):
        self.day, self.notes = day, list[str]()

    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Yield the rows of the day."""
        rows = [self._row(number) for number in range(ROWS) if not (self.day and number % 3 == 0)]
        rows += rows[:5]
        for first in range(0, len(rows), BATCH):
            yield SourceRows(COLUMNS, rows[first : first + BATCH], "staff", first + 1)

    def _row(self, number: int) -> list[object]:
        amount = "many" if number % 10 == 7 else str(number + (self.day if number % 3 == 1 else 0))
        boss = f"k{number // 2 + self.day}" if number % 4 else f"x{number % 9}"  # here by now, or never
        return [f"k{number}", f"name {number}", amount, boss]

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


def staff() -> SourceFile:
    """The description of the source."""
    facts = [a_fact("name"), a_fact("amount", "integer")]
    return a_source("hr", "hr", a_table("hr.person", "Person", facts, links=(a_link("boss", "hr.person"),)))


def load_days(store: Store, days: tuple[int, ...] = (0, 1)) -> list[LoadReport]:
    """Load the two days; few rows are taken together already, where nothing is known of them and all hold."""
    journal = Journal(store)
    try:
        with patch("remit.knowledge.load_rows.FRESH_ROWS_MIN", 2):
            return [
                load_table(
                    journal, store, staff(), "person", Staff(day), now=NOW + timedelta(days=day), batch_rows=BATCH
                )
                for day in days
            ]
    finally:
        journal.close()


if __name__ == "__main__":
    from remit.testing.faults import Fault, plant

    moment, number = sys.argv[2].split(":")
    plant(Fault("commit", moment, int(number)))  # type: ignore[arg-type]
    load_days(open_store(sys.argv[1]))
