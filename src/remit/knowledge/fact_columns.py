"""Facts, or links, that one batch writes and closes. They are kept column by column: building, inserting and digesting
them so is several times cheaper than by rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, compress, repeat
from typing import Final, Literal, NamedTuple

from remit.knowledge.commitment import COMMITMENT_BYTES, commitments, value_commitment
from remit.knowledge.fact_flags import CORRECTED
from remit.knowledge.roots import Columns
from remit.knowledge.timeline import OPEN, Piece, Segment, place
from remit.store.engine import Cells, Cycle, Held, Packed, Row, Transaction

__all__ = ["FactColumns", "Said"]

_NAMES: Final = {"fact": ("fid", "rid", "value", ",vh"), "link": ("lid", "src", "dst", "")}
_CYCLE_LENGTH_MAX: Final = 1_000
_Columns = tuple[Cells, Cells, list[Cells], list[Cells]]
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
        self._even: tuple[Sequence[int], Sequence[Said]] | None = None
        """Records that came first, with all of their properties: only values and commitments stand in the columns."""

    def __len__(self) -> int:
        return len(self.value)

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
        worked_out: Sequence[bytes] | None = None,
    ) -> None:
        """Write what a row says of a record of which nothing is known; ``worked_out`` are its commitments."""
        if self.table == "fact" and worked_out is None:
            worked_out = commitments([salt], [values])  # type: ignore[list-item]
        self.add_rows([rid], [values], [said], worked_out or ())

    def add_rows(
        self,
        rids: Sequence[int],
        rows: Sequence[Sequence[str | int | None]],
        said: Sequence[Said],
        worked_out: Sequence[bytes] = (),
    ) -> None:
        """`add_all` of several records, with one `Said` for each, all at once."""
        if not self.pids:
            return
        values = list(chain.from_iterable(rows))
        if not self.value and None not in values:
            self._even = rids, said
        else:
            self._spread()
            values = self._add_cells(rids, values, said)
        self.value += values  # type: ignore[arg-type]
        self.vh += worked_out

    def _add_cells(
        self, rids: Sequence[int], values: list[str | int | None], said: Sequence[Said]
    ) -> list[str | int | None]:
        """Add all cells but values and commitments; return the values that are there."""
        width = len(self.pids)
        times = [_each(column, width) for column in list(zip(*said, strict=True))[:4]]
        columns = [*times, _each(rids, width), list(self.pids) * len(rids), list(self.scopes) * len(rids)]
        if None in values:
            there = [value is not None for value in values]
            columns = [list(compress(column, there)) for column in columns]
            values = [value for value in values if value is not None]
        own = (self.valid_from, self.valid_to, self.observed, self.flags, self.rid, self.pid, self.sc)
        for cells, more in zip(own, columns, strict=True):
            cells.extend(more)
        return values

    def _spread(self) -> None:
        """Give each value of what came first its cells in all columns, as others follow."""
        if self._even is not None:
            (rids, said), self._even = self._even, None
            self._add_cells(rids, list(self.value), said)

    def compare(
        self, rid: int, values: Sequence[str | int | None], said: Said, absent: frozenset[int], salt: bytes
    ) -> bool:
        """Bring what is known of a record to what its row says; return whether anything is written or closed.

        Properties at places ``absent`` are left as they are.
        """
        self._spread()
        before = len(self.value), len(self.closed)
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
        return before != (len(self.value), len(self.closed))

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

    def write(self, transaction: Transaction, first: int, seq: int, load: int) -> Columns:
        """Close and insert, numbered from ``first`` on; return the columns that a root covers."""
        if self.closed:
            transaction.update_in(self.table, "tx_to", seq, self.number, self.closed)
        count = len(self)
        if not count:
            return []
        numbers = range(first, first + count)
        if self._even is not None and len(self.pids) > _CYCLE_LENGTH_MAX:
            self._spread()
        owner, pid, times, marks = self._cell_by_cell() if self._even is None else self._shortly(*self._even)
        cells: dict[str, Cells] = {
            self.number: numbers, self.owner: owner, "pid": pid, self.value_name: self.value, "tx_from": seq,
            "tx_to": OPEN, "load": load, **dict(zip(("valid_from", "valid_to", "observed"), times, strict=True)),
            **dict(zip(("sc", "flags"), marks, strict=True)),
        }  # fmt: skip
        if self.table == "fact":  # what was read may have been edited, so that it is of another length
            cells["vh"] = self.vh if self._known else Packed(b"".join(self.vh), COMMITMENT_BYTES)
        transaction.insert_columns(self.table, cells, count)
        told: list[Cells] = [] if self.table == "fact" else [self.value]
        kept = [cells["vh"]] if self.table == "fact" else []
        return [numbers, owner, pid, *told, *times, load, *marks, *kept]

    def _cell_by_cell(self) -> _Columns:
        """Owners, properties, times, and scopes with flags. What all rows share is sent, and digested, once."""
        times: list[Cells] = [_one_if_same(column) for column in (self.valid_from, self.valid_to, self.observed)]
        return self.rid, self.pid, times, [_one_if_same(self.sc), _one_if_same(self.flags)]

    def _shortly(self, rids: Sequence[int], said: Sequence[Said]) -> _Columns:
        """`_cell_by_cell` of records that came with all of their properties, not cell by cell."""
        width = len(self.pids)
        once = [_one_if_same(column) for column in list(zip(*said, strict=True))[:4]]
        begin, end, observed, flags = (cell if isinstance(cell, int) else Held(cell, width) for cell in once)
        scopes = _one_if_same(self.scopes)
        sc = scopes if isinstance(scopes, int) else Cycle(tuple(self.scopes))
        return Held(rids, width), Cycle(tuple(self.pids)), [begin, end, observed], [sc, flags]


def _one_if_same(cells: Sequence[int]) -> Sequence[int] | int:
    return cells[0] if cells.count(cells[0]) == len(cells) else cells


def _each(cells: Sequence[int], times: int) -> list[int]:
    """Each cell so many times over."""
    return list(chain.from_iterable(map(repeat, cells, repeat(times))))
