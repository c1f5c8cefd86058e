"""Records that lack what every row needs: a few odd ones are held back, a source that has it nowhere is refused.

A source that gives records names no columns. A column that a page has nowhere is missing from the source, or its few
records happen to lack it; what was read before tells which.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from remit.connectors.source_reader import SourceRows
from remit.knowledge.source_file import TableSpec

__all__ = ["ODD_ROWS_MAX", "OddRows"]

ODD_ROWS_MAX: Final = 20
"""So many records of an incremental load may all lack a column before that is the source's fault and not theirs."""


class OddRows:
    """Watches one load. ``since`` says that it reads only what changed since one that had every column."""

    def __init__(self, spec: TableSpec, *, since: bool):
        self._needed, self._since = spec.needed_columns, since
        self._seen: set[str] = set()
        self._lacking: Counter[str] = Counter()

    def settle(self, batch: SourceRows) -> SourceRows:
        """Return ``batch`` with empty cells for what only these rows lack, so that the contract holds them back.

        What the source itself does not have stays missing, and refuses the load.
        """
        self._seen.update(batch.columns)
        missing = [column for column in self._needed if column not in batch.columns] if batch.by_record else []
        few = self._since and len(batch.rows) <= ODD_ROWS_MAX
        if not missing or not all(few or column in self._seen for column in missing):
            return batch
        self._lacking.update(dict.fromkeys(missing, len(batch.rows)))
        width, empty = len(batch.columns), [None] * len(missing)
        rows = [[*row, *[None] * (width - len(row)), *empty] for row in batch.rows]
        return replace(batch, columns=(*batch.columns, *missing), rows=rows)

    @property
    def notes(self) -> list[str]:
        """What was lacking, and in how many rows."""
        return [
            f"{count} {'row lacks' if count == 1 else 'rows lack'} the column {column!r:.80}, which every row needs"
            for column, count in self._lacking.items()
            if count
        ]
