"""A made-up company of any size: twelve departments, one source each, ten facts a row and a link, which often leads to
one of a few hubs.

Every row follows from its numbers alone, so a million of them need no room and come out the same again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk
from remit.knowledge.source_file import SourceFile, load_source_file

__all__ = ["DEPARTMENTS", "FACTS_EACH", "CompanyRows", "company_source", "same_things"]

DEPARTMENTS: Final = 12
TYPES: Final = 4
FACTS_EACH: Final = 10
CHANGED_EACH: Final = 5
"""One row in so many is another in the next version, in two of its facts."""
_PRIME: Final = 2_654_435_761
_TOWNS: Final = ("Kampala", "Porto", "Leeds", "Turku", "Quito", "Osaka", "Perth", "Riga", "Basel", "Accra")


def company_source(department: int) -> SourceFile:
    """Return the description of the source of a department. Every seventh fact needs another grant to be seen."""
    facts = []
    for number in range(FACTS_EACH):
        kind = ("text", "integer", "money EUR", "date")[0 if number < 5 else 1 if number < 8 else number - 6]
        see = ", see: pii" if number % 7 == 0 else ""
        facts.append(f"      f{number:02d}: {{kind: {kind}{see}}}")
    links = [f"      owner: {{to: d{max(0, department - 1):02d}.item, by: owner}}"]
    text = "\n".join(
        (
            f"source: d{department:02d}", f"department: dept{department:02d}", "connect: {kind: csv, path: none.csv}",
            "tables:", "  item:", f"    is: T{department % TYPES}", "    key: id", "    fresh: 1d",
            "    facts:", *facts, "    links:", *links, "",
        )
    )  # fmt: skip
    return load_source_file(f"d{department:02d}.yaml", text)


class CompanyRows:
    """Reads the rows of one department, ``count`` of them without the ``first`` ones, in version 0 or 1."""

    def __init__(self, department: int, count: int, version: int = 0, first: int = 0):
        self.notes: list[str] = []
        self._department, self._count, self._version, self._first = department, count, version, first

    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Hand out all rows, in the order of their keys."""
        for batch in self.batches():
            yield batch

    def batches(self) -> Iterator[SourceRows]:
        """Make all rows up, some at a time."""
        columns = ("id", *(f"f{number:02d}" for number in range(FACTS_EACH)), "owner")
        for first in range(self._first, self._count, BATCH_ROWS_MAX):
            rows = [self._row(number) for number in range(first, min(first + BATCH_ROWS_MAX, self._count))]
            yield SourceRows(columns, rows, "rows", first + 1)

    async def taken(self, ask: TableAsk) -> None:
        """Nothing to be told."""

    async def close(self) -> None:
        """Nothing to let go of."""

    def _row(self, number: int) -> list[object]:
        place = number * DEPARTMENTS + self._department
        drawn = (place + 1) * _PRIME & 0xFFFFFFFF
        text = f"{drawn:08x}"
        town = _TOWNS[drawn % 10]
        cells: list[object] = [
            f"K{number:07d}", f"Name {text}", f"{town} Road {drawn % 90}", town, f"{text}@example.com",
            f"+44 {drawn % 10**9}", drawn % 100_000, drawn % 97, number, f"{drawn % 100_000}.50",
            f"2026-0{drawn % 9 + 1}-1{drawn % 10}",
        ]  # fmt: skip
        if self._version and number % CHANGED_EACH == 0:
            cells[3], cells[7] = f"{town} 2", 97 + self._version
        return [*cells, self._far(drawn)]

    def _far(self, drawn: int) -> str:
        """A key to link to: for every fifth row one of a few hubs, the first of which take the most."""
        if drawn % 5 == 0:
            share = (drawn >> 8) % 10_007 / 10_007
            return f"K{int(self._count ** (share * share * 0.7)) - 1:07d}"
        return f"K{(drawn >> 4) % self._count:07d}"


def same_things(count: int) -> list[tuple[int, int, int]]:
    """Return department, department and number of the rows that are one thing: three in five have another record."""
    pairs = []
    for department in range(DEPARTMENTS - TYPES):
        pairs += [(department, department + TYPES, number) for number in range(count) if number % 5 < 3]
    return pairs
