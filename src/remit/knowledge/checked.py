"""What checking rows against their contract gives: what is kept of a row, or the first rule that it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

__all__ = ["Broken", "Checked", "CheckedColumns", "Marks"]

Marks = tuple[int | None, int | None, int | None, str | None]
"""The last four cells of `Checked`: ``observed``, ``valid_from``, ``valid_to``, ``changed``."""


class Checked(NamedTuple):
    """What is kept of a row that holds.

    ``values`` are canonical JSON texts in the order of the table's facts, ``links`` keys in the order of its links;
    None is missing. ``observed``, ``valid_from`` and ``valid_to`` are whole seconds since 1970; ``observed`` is the
    row's own column for it, else the moment at which it changed, None when it tells neither. ``changed`` is the
    cursor cell as text. A row that is ``deleted`` has no values and no links.
    """

    key: str
    deleted: bool
    values: Sequence[str | None]
    links: Sequence[str | None]
    observed: int | None
    valid_from: int | None
    valid_to: int | None
    changed: str | None


class Broken(NamedTuple):
    """The first rule that a row breaks. ``key`` is empty when it has none; ``reason`` has at most 200 characters."""

    key: str
    rule: str
    column: str
    reason: str


class CheckedColumns(NamedTuple):
    """Rows that all hold and none of which is deleted: what is kept of them, column by column.

    ``marks`` is None where the table has no columns for such, so that nothing is known of any row.
    """

    keys: Sequence[str]
    values: list[Sequence[str | None]]
    links: list[Sequence[str | None]]
    marks: list[Marks] | None

    def rows(self) -> list[Checked]:
        """The same row by row."""
        count = len(self.keys)
        values = zip(*self.values, strict=True) if self.values else repeat((), count)
        links = zip(*self.links, strict=True) if self.links else repeat((), count)
        marks = zip(*self.marks, strict=True) if self.marks else repeat(repeat(None), 4)
        return list(map(Checked, self.keys, repeat(False), values, links, *marks))
