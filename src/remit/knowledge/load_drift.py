"""How a source looks from load to load: its columns, what kind of thing stands in them, how much is empty.

Cells are sampled, a few rows of each batch, so that looking costs little. What differs from the last load is drift.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from remit.knowledge.cell_kinds import is_missing
from remit.knowledge.recordable import recordable
from remit.vocabulary import Json

__all__ = ["SourceLook", "drift_between"]

SAMPLE_ROWS: Final = 40
"""Rows looked at in each batch, at most."""
COLUMNS_MAX: Final = 500
NAME_LENGTH_MAX: Final = 120
EMPTIES_JUMP_BP: Final = 2_000
SAMPLES_MIN: Final = 20
_MAIN_SHARE: Final = 0.9
_SPREAD: Final = 618_033_989

_NUMBER: Final = re.compile(r"\s*[-+]?[0-9][0-9.,]*\s*").fullmatch
_MOMENT: Final = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,40}").fullmatch


class SourceLook:
    """Collects how the source looks in one load."""

    def __init__(self, mapped: Sequence[str]):
        self._mapped = frozenset(mapped)
        self._kinds: dict[str, Counter[str]] = defaultdict(Counter)
        self._columns: dict[str, None] = {}
        self._missing: dict[str, None] = {}

    def see_columns(self, columns: Sequence[str], unread: Sequence[str]) -> None:
        """Take the columns of a batch; ``unread`` are those that the reader left where they are."""
        for column in (*columns, *unread):
            if len(self._columns) < COLUMNS_MAX:
                self._columns.setdefault(recordable(column, NAME_LENGTH_MAX))
        self._missing |= dict.fromkeys(sorted(self._mapped.difference(columns)))

    def see_rows(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Look at some of the rows of a batch."""
        if not rows:
            return
        if len(rows) > SAMPLE_ROWS:  # spread so that no pattern of the rows, such as every other one, is taken for all
            rows = [rows[number * _SPREAD % len(rows)] for number in range(SAMPLE_ROWS)]
        for place, column in enumerate(columns):
            if column in self._mapped:
                kinds = self._kinds[column]
                for row in rows:
                    kinds[_kind(row[place]) if place < len(row) else "empty"] += 1

    def as_json(self) -> dict[str, Json]:
        """Return what was seen: the columns, and of mapped ones the kind, share of empties and number of samples."""
        mapped: dict[str, Json] = {}
        for column, kinds in sorted(self._kinds.items()):
            samples = kinds.total()
            mapped[column] = [_main_kind(kinds), kinds["empty"] * 10_000 // samples, samples]
        columns: list[Json] = list(self._columns)
        return {"columns": columns, "missing": list(self._missing), "mapped": [[k, v] for k, v in mapped.items()]}


def drift_between(
    before: Mapping[str, Any] | None, now: Mapping[str, Any], mapped: Sequence[str]
) -> list[dict[str, Json]]:
    """Return what differs between the looks of two loads; ``before`` None: there was no load before.

    Each is an object with ``what`` and ``column``: "new column" (not mapped), "missing column" (mapped), "gone column"
    (not mapped), "kind changed" and "emptier" (with ``was`` and ``now``; shares in basis points).
    """
    drift: list[dict[str, Json]] = [{"what": "missing column", "column": column} for column in now["missing"]]
    known = set(mapped) | set(before["columns"] if before else ())
    drift += [{"what": "new column", "column": column} for column in now["columns"] if column not in known]
    if before is None:
        return drift
    left = set(now["columns"]) | set(mapped)
    drift += [{"what": "gone column", "column": column} for column in before["columns"] if column not in left]
    earlier = dict(before["mapped"])
    for column, (kind, empties, samples) in now["mapped"]:
        if column not in earlier:
            continue
        old_kind, old_empties, old_samples = earlier[column]
        if min(samples, old_samples) < SAMPLES_MIN:
            continue
        if kind != old_kind and "empty" not in (kind, old_kind):
            drift.append({"what": "kind changed", "column": column, "was": old_kind, "now": kind})
        if empties - old_empties >= EMPTIES_JUMP_BP:
            drift.append({"what": "emptier", "column": column, "was": old_empties, "now": empties})
    return drift


def _kind(cell: object) -> str:
    if type(cell) is str:
        if not cell or cell.isspace():
            return "empty"
        if _NUMBER(cell):
            return "number"
        return "moment" if _MOMENT(cell) else "text"
    if is_missing(cell):
        return "empty"
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int | float | Decimal):
        return "number"
    return "moment" if isinstance(cell, date) else "text"


def _main_kind(kinds: Counter[str]) -> str:
    filled = Counter({kind: count for kind, count in kinds.items() if kind != "empty"})
    if not filled:
        return "empty"
    kind, count = filled.most_common(1)[0]
    return kind if count >= _MAIN_SHARE * filled.total() else "mixed"
