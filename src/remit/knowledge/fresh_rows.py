"""Rows of which most likely nothing is known, column by column: what a first load consists of.

All that is kept of them is worked out before anything is locked, and a row costs no object of its own on its way.
Where it turns out under the lock that something links to one of them, its record is there, with another salt; where
more is known of one of them, they are taken row by row like any others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat

from remit.knowledge.checked import CheckedColumns
from remit.knowledge.commitment import commitments, key_commitment
from remit.knowledge.load_plan import NewRecord, TakenRow, row_hash

__all__ = ["FreshRows", "fresh_rows"]


@dataclass(frozen=True, slots=True)
class FreshRows:
    """Rows with different keys, none of them deleted, and the `NewRecord` of each by its parts.

    ``values`` are those of each row, in the order of the table's facts. ``data``, ``fingerprint`` and ``absent`` are
    as in `TakenRow`; ``commitments`` are those of all values that are not missing, one after the other.
    """

    checked: CheckedColumns
    values: Sequence[Sequence[str | None]]
    data: Sequence[bytes]
    fingerprint: bytes
    absent: tuple[frozenset[int], frozenset[int]]
    salts: Sequence[bytes]
    key_commitments: Sequence[bytes]
    row_hashes: Sequence[bytes]
    commitments: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.data)

    def under(self, salts: Mapping[str, bytes]) -> FreshRows:
        """The same, with ``salts`` of records that are there already, by their keys, instead of those drawn."""
        own, row_hashes, by_row = list(self.salts), list(self.row_hashes), self._commitments_by_row()
        for place, key in enumerate(self.checked.keys):
            salt = salts.get(key)
            if salt is not None:
                own[place], by_row[place] = salt, commitments([salt], [self.values[place]])
                row_hashes[place] = row_hash(salt, self.data[place], self.fingerprint)
        together = list(chain.from_iterable(by_row))
        return replace(self, salts=own, row_hashes=row_hashes, commitments=together)

    def _commitments_by_row(self) -> list[list[bytes]]:
        rest = iter(self.commitments)
        return [list(islice(rest, len(row) - row.count(None))) for row in self.values]

    def taken(self) -> list[TakenRow]:
        """The same row by row."""
        new = map(NewRecord, self.salts, self.key_commitments, self.row_hashes, self._commitments_by_row())
        return [
            TakenRow(row.key, row, data, self.fingerprint, self.absent, new=record)
            for row, data, record in zip(self.checked.rows(), self.data, new, strict=True)
        ]


def fresh_rows(
    checked: CheckedColumns,
    data: Sequence[bytes],
    fingerprint: bytes,
    absent: tuple[frozenset[int], frozenset[int]],
    salts: Sequence[bytes],
) -> FreshRows | None:
    """Work out what is kept of rows that hold; None where a key stands twice among them."""
    if len(set(checked.keys)) < len(checked.keys):
        return None
    values = list(zip(*checked.values, strict=True)) if checked.values else [()] * len(data)
    return FreshRows(
        checked,
        values,
        data,
        fingerprint,
        absent,
        salts,
        list(map(key_commitment, salts, checked.keys)),
        list(map(row_hash, salts, data, repeat(fingerprint))),
        commitments(salts, values),
    )
