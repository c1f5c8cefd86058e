"""Facts, or links, that one batch writes and closes. They are kept column by column: building, inserting and digesting
them so is several times cheaper than by rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from remit.knowledge.commitment import value_commitment, value_commitments
from remit.knowledge.fact_flags import CORRECTED
from remit.knowledge.timeline import OPEN, Piece, Segment, place
from remit.store.engine import Cells, Row, Transaction

__all__ = ["FactColumns", "Said"]

_NAMES: Final = {"fact": ("fid", "rid", "value", ",vh"), "link": ("lid", "src", "dst", "")}
_OWNER, _PID, _VALUE, _FROM, _TO, _OBSERVED, _SC, _FLAGS, _VH = range(1, 10)


class Said(NamedTuple):
    """When what a row says holds: from ``begin`` to before ``end``, and with which flags it is written.

    ``late`` and ``until`` are as in `remit.knowledge.timeline.place`.
    """

    begin: int
    end: int
    observed: int
    flags: int
    late: bool = False
    until: int | None = None


class FactColumns:
    """The facts (or links) of one batch. ``pids`` and ``scopes`` are those of the table's facts (or links), in order.

    A value is the canonical JSON text of a fact, or the number of the record that a link leads to. ``closed`` are the
    numbers of those to close.
    """

    def __init__(self, table: Literal["fact", "link"], pids: Sequence[int], scopes: Sequence[int]):
        self.table, self.pids, self.scopes = table, pids, scopes
        self.number, self.owner, self.value_name, more = _NAMES[table]
        self._columns = f"{self.number},{self.owner},pid,{self.value_name},valid_from,valid_to,observed,sc,flags{more}"
        self.rid: list[int] = []
        self.pid: list[int] = []
        self.value: list[str | int] = []
        self.valid_from: list[int] = []
        self.valid_to: list[int] = []
        self.observed: list[int] = []
        self.sc: list[int] = []
        self.flags: list[int] = []
        self.vh: list[bytes] = []
        self.closed: list[int] = []
        self._known: dict[int, list[Row]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self.rid)

    def read_known(self, transaction: Transaction, rids: Sequence[int], since: int) -> None:
        """Read what is known now of the records that may change: what holds after ``since``, seconds since 1970."""
        also = f"tx_to = {OPEN} and valid_to > {since}"
        for row in transaction.fetch_in(self.table, self._columns, self.owner, rids, also):
            self._known[row[_OWNER]].append(row)

    def known_values(self, rid: int) -> list[tuple[int, str | int]]:
        """Return property and value of everything known of a record that was read."""
        return [(row[_PID], row[_VALUE]) for row in self._known[rid]]

    def close_all(self, transaction: Transaction, rids: Sequence[int]) -> None:
        """Close everything known of these records."""
        rows = transaction.fetch_in(self.table, self.number, self.owner, rids, f"tx_to = {OPEN}")
        self.closed += [number for (number,) in rows]

    def add_all(
        self,
        rid: int,
        values: Sequence[str | int | None],
        said: Said,
        salt: bytes,
        commitments: Sequence[bytes] | None = None,
    ) -> None:
        """Write what a row says of a record of which nothing is known; ``commitments`` where they were worked out."""
        pids, scopes = self.pids, self.scopes
        if not pids:
            return
        if None in values:
            there = [number for number, value in enumerate(values) if value is not None]
            pids, scopes = [pids[number] for number in there], [scopes[number] for number in there]
            values = [values[number] for number in there]
        count = len(values)
        self.rid += [rid] * count
        self.pid += pids
        self.value += values  # type: ignore[arg-type]
        self.valid_from += [said.begin] * count
        self.valid_to += [said.end] * count
        self.observed += [said.observed] * count
        self.sc += scopes
        self.flags += [said.flags] * count
        if self.table == "fact":
            self.vh += value_commitments(salt, values) if commitments is None else commitments  # type: ignore[arg-type]

    def compare(
        self, rid: int, values: Sequence[str | int | None], said: Said, absent: frozenset[int], salt: bytes
    ) -> bool:
        """Bring what is known of a record to what its row says; return whether anything is written or closed.

        Properties at places ``absent`` are left as they are.
        """
        before = len(self.rid), len(self.closed)
        by_pid: dict[int, list[Row]] = defaultdict(list)
        for row in self._known[rid]:
            by_pid[row[_PID]].append(row)
        for at, (pid, sc, value) in enumerate(zip(self.pids, self.scopes, values, strict=True)):
            rows = by_pid.pop(pid, [])
            if at in absent:
                continue
            if len(rows) == 1:  # most are as they were, and saying so here is several times cheaper
                row = rows[0]
                if row[_VALUE] == value and row[_SC] == sc and row[_FROM] <= said.begin and row[_TO] == said.end:
                    continue
            segments = [Segment(row[0], row[_FROM], row[_TO], row[_VALUE], row[_SC]) for row in rows]
            pieces, closed = place(segments, said.begin, said.end, value, sc, late=said.late, until=said.until)
            self.closed += [segment.row for segment in closed]
            known = {row[0]: row for row in rows}
            for piece in pieces:
                self._put(rid, pid, sc, value, piece, known, said, salt)
        if not said.late:  # what is no longer mapped would never be looked after again
            self.closed += [row[0] for rows in by_pid.values() for row in rows]
        return before != (len(self.rid), len(self.closed))

    def _put(
        self,
        rid: int,
        pid: int,
        sc: int,
        value: str | int | None,
        piece: Piece,
        known: dict[int, Row],
        said: Said,
        salt: bytes,
    ) -> None:
        of = None if piece.of is None else known[piece.of.row]
        if of is not None:
            value = of[_VALUE]
        assert value is not None
        self.rid.append(rid)
        self.pid.append(pid)
        self.value.append(value)
        self.valid_from.append(piece.valid_from)
        self.valid_to.append(piece.valid_to)
        self.observed.append(said.observed if of is None else of[_OBSERVED])
        self.sc.append(sc)
        self.flags.append(said.flags if of is None else of[_FLAGS] | (CORRECTED if piece.corrected else 0))
        if self.table == "fact":
            self.vh.append(value_commitment(salt, str(value)) if of is None else of[_VH])

    def write(self, transaction: Transaction, first: int, seq: int, load: int) -> list[Sequence[Any]]:
        """Close and insert, numbered from ``first`` on; return the columns that a root covers."""
        if self.closed:
            transaction.update_in(self.table, "tx_to", seq, self.number, self.closed)
        count = len(self)
        if not count:
            return []
        numbers = list(range(first, first + count))
        spans = {"valid_from": self.valid_from, "valid_to": self.valid_to, "observed": self.observed}
        ends = {"sc": self.sc, "flags": self.flags}
        # Most batches have one moment and no flags: what all rows share is sent once.
        shared = {name: cells[0] for name, cells in (spans | ends).items() if cells.count(cells[0]) == count}
        cells: dict[str, Cells] = {
            self.number: numbers, self.owner: self.rid, "pid": self.pid, self.value_name: self.value, "tx_from": seq,
            "tx_to": OPEN, "load": load, **spans, **ends, **shared,
        }  # fmt: skip
        if self.table == "fact":
            cells["vh"] = self.vh
        transaction.insert_columns(self.table, cells, count)
        values = [] if self.table == "fact" else [self.value]
        commitments = [self.vh] if self.table == "fact" else []
        return [numbers, self.rid, self.pid, *values, *spans.values(), [load] * count, *ends.values(), *commitments]
