"""Sorting a source's rows before anything is locked: those known to be unchanged cost one hash, others are checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import tzinfo
from hashlib import blake2b
from operator import itemgetter, ne
from typing import Any, Final

import orjson

from remit.canonical import INTEGER_MAX, canonical_sound
from remit.connectors.source_reader import SourceRows
from remit.errors import BadInput, Refused
from remit.knowledge.cell_kinds import cell_text, moment_seconds
from remit.knowledge.checked import Broken, Checked
from remit.knowledge.commitment import SALT_BYTES, draw_salts
from remit.knowledge.contract import Contract
from remit.knowledge.fresh_rows import FreshRows, fresh_rows
from remit.knowledge.known_blocks import KnownBlocks, block_digest
from remit.knowledge.load_plan import TakenRow, new_record, row_hasher
from remit.knowledge.recordable import recordable
from remit.knowledge.source_file import TableSpec
from remit.knowledge.timeline import OPEN
from remit.store.engine import Reader, Store

__all__ = ["KNOWN_ROWS_MAX", "KnownRows", "RowSorter", "raw_row"]

KNOWN_ROWS_MAX: Final = 2_000_000
"""Up to so many current rows of a data set are held in memory for a full load, about 200 bytes each."""
RAW_BYTES_MAX: Final = 16_384
_CELL_LENGTH_MAX: Final = 1_000
POSITION_LENGTH_MAX: Final = 300
FRESH_ROWS_MIN: Final = 32
"""Fewer rows than this are taken one by one."""
_BETWEEN_KEYS: Final = "\0"
_BETWEEN_ROWS: Final = b"],["
_OF_CURRENT: Final = "from record r join version v on v.rid = r.rid where r.did = ? and v.tx_to = ?"
_CURRENT: Final = f"select r.rid, r.skey {_OF_CURRENT}"
_CURRENT_HASHES: Final = {
    "sqlite": f"select r.skey, cast(r.salt || v.hash as blob) {_OF_CURRENT}",
    "postgresql": f"select r.skey, r.salt || v.hash {_OF_CURRENT}",
}


class KnownRows:
    """The current rows of a data set for one full load, and which of them it has not seen.

    Where they are few they are read once, else those of each batch are looked up together; and not before a batch
    comes that is none of ``blocks``. A key of which something is held in quarantine is never taken as known, so that a
    good row closes its entry.
    """

    def __init__(self, store: Store, did: int, blocks: KnownBlocks | None = None):
        self._store, self._did = store, did
        self._rows: dict[str, bytes] | None = None
        self._seen = bytearray()
        held = store.read("select distinct skey from quarantine where did = ? and tx_to = ?", (did, OPEN))
        self._held = {key for (key,) in held}
        self._blocks = None if held else blocks
        self._seen_blocks: dict[bytes, str] = {}
        """Those that came, with the keys of their rows, joined, as long as the current rows are not read."""
        self._read = False
        self.count: int | None = None
        """How many current rows there were, where somebody counted."""
        if self._blocks is None:
            self._read_rows()
        else:
            self.count = self._blocks.rows

    def _read_rows(self) -> None:
        self._read = True
        with self._store.snapshot() as reader:
            if reader.fetch("select count(*) from record where did = ?", (self._did,))[0][0] <= KNOWN_ROWS_MAX:
                self._rows = dict(reader.stream(_CURRENT_HASHES[reader.dialect], (self._did, OPEN)))
                self.count = len(self._rows)
                self._rows.update((key, b"") for key in self._held & self._rows.keys())
            else:
                self._seen = bytearray(reader.fetch("select max(rid) + 1 from record")[0][0])
        for digest, keys in self._seen_blocks.items():
            self._see(keys.split(_BETWEEN_KEYS))
            self._seen_blocks[digest] = ""

    def takes_block(self, digest: bytes, keys: list[str]) -> bool:
        """Whether a block of rows is known, all of it; its ``keys`` count as seen then."""
        if self._blocks is None or digest not in self._blocks.digests:
            return False
        if self._read and not self._see(keys):
            return False  # one of them came before, as something else: the last row of a key counts
        self._seen_blocks[digest] = "" if self._read else _BETWEEN_KEYS.join(keys)
        return True

    def _see(self, keys: list[str]) -> bool:
        """Count ``keys`` as seen, where each of them is current and none was seen before."""
        if self._rows is not None:
            known = all(map(self._rows.__contains__, keys))
            if known:
                self.take_out(keys)
            return known
        with self._store.snapshot() as reader:
            rids = [rid for rid, _, _ in self._records(reader, keys)]
        known = len(rids) == len(keys) and not any(rid >= len(self._seen) or self._seen[rid] for rid in rids)
        if known:
            self.mark(rids)
        return known

    def among(self, keys: Iterable[str], waiting: Collection[str]) -> dict[str, bytes]:
        """Return salt and hash of rows, those of ``keys`` among them; what is taken out of it counts as seen.

        ``waiting`` are keys of which a row waits to be written, so that what is stored is not how they are.
        """
        if not self._read:
            self._read_rows()
        if self._rows is not None:
            return self._rows
        with self._store.snapshot() as reader:
            found = {rid: (skey, salt) for rid, skey, salt in self._records(reader, keys)}
            versions = reader.fetch_in("version", "rid,hash", "rid", list(found), f"tx_to = {OPEN}") if found else []
        self.mark(found)
        known = {found[rid][0]: found[rid][1] + row_hashed for rid, row_hashed in versions}
        return {key: value for key, value in known.items() if key not in self._held and key not in waiting}

    def _records(self, reader: Reader, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        return reader.fetch_each("record", "rid,skey,salt", "skey", list(keys), f"did = {self._did}")

    def take_out(self, keys: Iterable[str]) -> None:
        """Count ``keys`` as seen."""
        if self._rows:
            for key in keys:
                self._rows.pop(key, None)

    def mark(self, rids: Iterable[int]) -> None:
        """Count records as seen."""
        for rid in rids:
            if rid < len(self._seen):
                self._seen[rid] = 1

    def unseen(self, size: int) -> Iterator[list[str]]:
        """Yield the keys of current rows that were not seen, ``size`` at a time, in an order that does not vary."""
        if not self._read:
            if self._blocks is not None and self._seen_blocks.keys() == self._blocks.digests:
                return
            self._read_rows()
        if self._rows is not None:
            keys = sorted(self._rows)
            yield from (keys[start : start + size] for start in range(0, len(keys), size))
            return
        some: list[str] = []
        with self._store.snapshot() as reader:
            for rid, skey in reader.stream(f"{_CURRENT} order by r.rid", (self._did, OPEN)):
                if rid < len(self._seen) and not self._seen[rid]:
                    some.append(skey)
                    if len(some) == size:
                        yield some
                        some = []
        if some:
            yield some


class RowSorter:
    """Sorts the rows of one load: `sort` returns those that must be looked at under the lock."""

    def __init__(
        self,
        spec: TableSpec,
        contract: Contract,
        zone: tzinfo,
        fingerprint: bytes,
        known: KnownRows | None = None,
        random: Callable[[int], bytes] | None = None,
    ):
        self._spec, self._contract, self._zone, self._known, self._random = spec, contract, zone, known, random
        self._whole = fingerprint
        self._columns: tuple[str, ...] | None = None
        self._pick: Callable[[Sequence[object]], object] = _one(0)
        self._keys: list[int] = []
        self._fingerprint = fingerprint
        self._absent: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self.unchanged = 0
        self.blocks: list[bytes] | None = []
        """Digests of the blocks so far; None once there was something that they cannot stand for."""

    def bind(self, rows: SourceRows) -> None:
        """Get ready for the columns that rows come in.

        Raises:
            Refused: a mapped column that must be there is missing, or stands twice.
        """
        if rows.columns == self._columns:
            return
        missing = [column for column in self._spec.columns if column not in rows.columns]
        needed = sorted({*self._spec.needed_columns}.intersection(missing))
        if needed:
            names = ", ".join(repr(column)[:80] for column in needed[:10])
            raise Refused(f"{rows.where}: has no column {names}, which every row of {self._spec.dataset} needs")
        try:
            self._contract.positions(rows.columns)
        except BadInput as error:
            raise Refused(f"{rows.where}: {error}") from None
        self._columns = rows.columns
        places = [rows.columns.index(column) for column in self._spec.columns if column not in missing]
        self._pick = itemgetter(*places) if len(places) > 1 else _one(places[0])
        self._keys = [rows.columns.index(column) for column in self._spec.key]
        # What a row was read without is part of how it was read: with the column back, it is read anew.
        person = self._whole + repr(missing).encode() if missing else b""
        self._fingerprint = blake2b(person, digest_size=16).digest() if missing else self._whole
        self._absent = (
            frozenset(at for at, fact in enumerate(self._spec.facts) if fact.column in missing),
            frozenset(at for at, link in enumerate(self._spec.links) if link.column in missing),
        )

    def sort(self, batch: SourceRows, waiting: Collection[str]) -> list[TakenRow] | FreshRows:
        """Return the rows of ``batch`` that are not known to be unchanged, checked; count the others."""
        self.bind(batch)
        keys = self._quick_keys(batch.rows)
        together = _bytes_together(self._pick, batch.rows)
        if self._is_known_block(batch, together, keys):
            self.unchanged += len(keys)
            return []
        known = {} if self._known is None else self._known.among(filter(None, keys), waiting)
        odd: dict[int, TakenRow] = {}
        fresh: dict[int, bytes] = {}
        unknown: list[int] = []
        skipped = {*batch.problems, *(index for index, op in enumerate(batch.ops or ()) if op == "d")}
        look_up, begin = known.pop, row_hasher(self._fingerprint)
        for index, (data, key) in enumerate(zip(_row_bytes(together, self._pick, batch.rows), keys, strict=True)):
            if skipped and index in skipped:
                odd[index] = self._odd(batch, index)
                continue
            entry = look_up(key, None)
            if entry:  # the same as `row_hash`, written out: this is most of what reloading an unchanged row costs
                hashed = begin()
                hashed.update(entry[:SALT_BYTES] + data)
                if hashed.digest() == entry[SALT_BYTES:]:
                    continue
            fresh[index] = data
            if entry is None:
                unknown.append(index)
        self.unchanged += len(keys) - len(fresh) - len(odd)
        salts = draw_salts(self._random, len(unknown)) if self._random is not None else []
        rows = self._fresh(batch, list(fresh.values()), salts) if len(salts) == len(keys) else None
        taken = self._row_by_row(batch, fresh, dict(zip(unknown, salts, strict=False)), odd) if rows is None else []
        found = [row.key for row in taken] if rows is None else rows.checked.keys
        if len(fresh) != len(found) or any(map(ne, found, map(keys.__getitem__, fresh))):
            self.blocks = None  # rows go by other keys than it seemed
        if self._known is not None:
            self._known.take_out(found)
        return taken if rows is None else rows

    def _is_known_block(self, batch: SourceRows, together: bytes | None, keys: list[str]) -> bool:
        """Whether all rows of a batch are known, just so; remember its digest, for the next load."""
        if self._known is None or together is None or batch.ops is not None or batch.problems:
            self.blocks = None
            return False
        digest = block_digest(together, self._fingerprint)
        if self.blocks is not None:
            self.blocks.append(digest)
        return self._known.takes_block(digest, keys)

    def _fresh(self, batch: SourceRows, data: list[bytes], salts: list[bytes]) -> FreshRows | None:
        """All rows of a batch of which nothing is known, where every one of them holds."""
        if len(data) < FRESH_ROWS_MIN:
            return None
        checked = self._contract.check_columns(batch.rows)
        return None if checked is None else fresh_rows(checked, data, self._fingerprint, self._absent, salts)

    def _row_by_row(
        self, batch: SourceRows, fresh: dict[int, bytes], salts: dict[int, bytes], odd: dict[int, TakenRow]
    ) -> list[TakenRow]:
        results = self._contract.check_all([batch.rows[index] for index in fresh])
        found = {
            index: self._taken(batch, index, data, result, salts.get(index))
            for (index, data), result in zip(fresh.items(), results, strict=True)
        } | odd
        return [found[index] for index in sorted(found)] if odd else list(found.values())

    def _quick_keys(self, rows: Sequence[Sequence[object]]) -> list[str]:
        """Keys that are most likely those of the contract; where one is not, the row is checked and found then."""
        if len(self._keys) == 1:
            place = self._keys[0]
            return [str(row[place]) if place < len(row) else "" for row in rows]
        return ["|".join([str(row[place]) for place in self._keys if place < len(row)]) for row in rows]

    def _taken(
        self, batch: SourceRows, index: int, data: bytes, result: Checked | Broken, salt: bytes | None
    ) -> TakenRow:
        """What is taken of a row; ``salt`` is there for a record of which nothing is known."""
        if isinstance(result, Broken):
            position = recordable(batch.position(index), POSITION_LENGTH_MAX)
            raw = raw_row(batch.columns, batch.rows[index], self._spec.columns)
            return TakenRow(result.key, None, data, self._fingerprint, self._absent, position, result, raw)
        if result.deleted:
            return TakenRow(result.key, None, data, self._fingerprint, self._absent, gone=True, moment=result.observed)
        new = None if salt is None else new_record(salt, result, data, self._fingerprint)
        return TakenRow(result.key, result, data, self._fingerprint, self._absent, new=new)

    def _odd(self, batch: SourceRows, index: int) -> TakenRow:
        """A row that could not be read as one, or one that says that its record is gone."""
        row, problem = batch.rows[index], batch.problems.get(index)
        key = self._contract.key_of([*row, *[None] * (len(batch.columns) - len(row))])
        name = key if isinstance(key, str) else ""
        if problem is None and isinstance(key, str):
            # Whatever else of the row that is gone may be broken, when it went counts.
            column = self._spec.observed or self._spec.changed
            place = batch.columns.index(column) if column in batch.columns else len(row)
            moment = moment_seconds(row[place], self._zone) if place < len(row) else None
            return TakenRow(key, None, b"", self._fingerprint, self._absent, gone=True, moment=moment)
        broken = (
            key
            if problem is None and isinstance(key, Broken)
            else Broken(name, "row", "", recordable(problem or "", 200))
        )
        position = recordable(batch.position(index), POSITION_LENGTH_MAX)
        raw = raw_row(batch.columns, row, self._spec.columns, batch.raw.get(index))
        return TakenRow(name, None, b"", self._fingerprint, self._absent, position, broken, raw)


def _one(place: int) -> Callable[[Sequence[object]], object]:
    return lambda row: (row[place],)


def _bytes_together(pick: Callable[[Sequence[object]], object], rows: Sequence[Sequence[object]]) -> bytes | None:
    """The mapped cells of all rows as bytes; None where a row is cut short or has a cell that is not plain."""
    try:
        return orjson.dumps(list(map(pick, rows)), default=str)
    except (IndexError, TypeError):
        return None


def _row_bytes(
    together: bytes | None, pick: Callable[[Sequence[object]], object], rows: Sequence[Sequence[object]]
) -> Iterable[bytes]:
    """The mapped cells of each row as bytes: equal rows give equal bytes, others do not."""
    parts = together[2:-2].split(_BETWEEN_ROWS) if together is not None else []
    if len(parts) != len(rows):  # it also stands in a cell
        return [_one_row_bytes(pick, row) for row in rows]
    return [b"[%b]" % part for part in parts]


def _one_row_bytes(pick: Callable[[Sequence[object]], object], row: Sequence[object]) -> bytes:
    try:
        cells = pick(row)
    except IndexError:  # cut short: whatever there is
        cells = tuple(row)
    try:
        return orjson.dumps(cells, default=str)
    except TypeError:  # a lone surrogate, or a number of more than 64 bits
        return b"\xff" + ascii(cells).encode()


def raw_row(columns: Sequence[str], row: Sequence[object], mapped: Sequence[str], written: str | None = None) -> str:
    """Return a row that is held back as canonical JSON, at most 16 kB: ``columns`` and ``cells`` side by side.

    ``written`` is the row as its source wrote it, where it could not be read as one. What is too long is cut, which
    ``cut`` says: first columns that are not mapped go, then the ends of long cells.
    """
    names = [_plain(column) for column in columns[: len(row)]]
    names += [f"+{place}" for place in range(len(names), len(row))]
    whole: dict[str, object] = {"cells": [_plain(cell) for cell in row], "columns": names}
    if written is not None:
        whole["written"] = _plain(written)
    data = canonical_sound(whole)
    if len(data) <= RAW_BYTES_MAX:
        return data.decode()
    pairs = [(name, cell) for name, cell in zip(names, row, strict=True) if name in mapped]
    length = _CELL_LENGTH_MAX
    while True:
        cut: dict[str, object] = {"columns": [name for name, _ in pairs], "cut": True}
        cut["cells"] = [cell[:length] if isinstance(cell, str) else cell for cell in map(_plain, (c for _, c in pairs))]
        if written is not None:
            cut["written"] = _plain(written[:length])
        data = canonical_sound(cut)
        if len(data) <= RAW_BYTES_MAX or not pairs:
            return data.decode()
        length //= 2
        if not length:
            pairs = pairs[: len(pairs) // 2]


def _plain(cell: object) -> bool | int | str | None:
    if cell is None or isinstance(cell, bool) or (type(cell) is int and abs(cell) <= INTEGER_MAX):
        return cell
    text = cell_text(cell)
    text = repr(cell)[:_CELL_LENGTH_MAX] if text is None else text
    return recordable(text, RAW_BYTES_MAX)
