"""The root of a batch: one digest over all that a batch wrote and closed, which can be computed again from the tables.

It covers every cell that never changes: facts, links, versions, the members and records that began with them, and the
numbers of what was closed. Values and keys stand in it by their commitments, so erasing leaves it as it was. A root
stands in the event of its batch, as ``data.root``; kinds that have one are ``source.batch`` and ``quarantine.moved``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from remit.knowledge.timeline import OPEN
from remit.store.engine import Cells, Cycle, Held, Packed, Reader

__all__ = ["Columns", "batch_root", "batch_roots", "root_of"]

Columns = Sequence[Cells]

_TORN: Final = b"\xff" * 32


class _Section(NamedTuple):
    """``columns`` by name with their kind: n a whole number, b bytes, t text. ``tx`` is the column of its batch."""

    columns: str
    kinds: str
    tx: str
    table: str
    order: str
    only: str = ""


_SECTIONS: Final[Mapping[str, _Section]] = {
    "fact": _Section(
        "fid,rid,pid,valid_from,valid_to,observed,load,sc,flags,vh", "nnnnnnnnnb", "tx_from", "fact", "fid"
    ),
    "link": _Section(
        "lid,src,pid,dst,valid_from,valid_to,observed,load,sc,flags", "nnnnnnnnnn", "tx_from", "link", "lid"
    ),
    "version": _Section(
        "v.rid,v.load,v.hash,v.observed,r.did,r.type", "nnbnnt", "v.tx_from",
        "version v join record r on r.rid = v.rid", "v.tx_from,v.rid",
    ),
    "record": _Section(
        "m.rid,m.eid,m.score_bp,r.did,r.kh", "nnnnb", "m.tx_from",
        "member m join record r on r.rid = m.rid", "m.tx_from,m.rid", "m.how = 'self'",
    ),
    "closed fact": _Section("fid", "n", "tx_to", "fact", "tx_to,fid"),
    "closed link": _Section("lid", "n", "tx_to", "link", "tx_to,lid"),
    "closed version": _Section("rid,tx_from", "nn", "tx_to", "version", "tx_to,rid"),
}  # fmt: skip


def root_of(seq: int, cells: Mapping[str, Columns]) -> str:
    """Return the root, 64 hexadecimal digits, of the batch at ``seq`` from the columns of its sections.

    A section that is missing has no rows. Rows stand in the order of their number; a column after the first may say its
    cells shortly.
    """
    return _root(seq, {name: _digest(name, columns) for name, columns in cells.items()})


def batch_root(reader: Reader, seq: int) -> str:
    """Compute the root of the batch at ``seq`` again from the tables; reads through all of them."""
    return _root(
        seq,
        {
            name: _digest(name, list(zip(*(row[1:] for row in rows), strict=True)))
            for name in _SECTIONS
            if (rows := reader.fetch(_statement(name, f"{_SECTIONS[name].tx} = ?"), (seq,)))
        },
    )


def batch_roots(reader: Reader, start: int = 0) -> Iterator[tuple[int, str]]:
    """Yield sequence number and root of every batch from ``start`` on, in order; each table is read through once.

    A sequence number that no event with a root has is one at which something was written past the loader.
    """
    found: dict[int, dict[str, bytes]] = {}
    for name, section in _SECTIONS.items():
        condition = f"{section.tx} >= ?" + (f" and {section.tx} < {OPEN}" if section.tx.endswith("tx_to") else "")
        for seq, rows in groupby(reader.stream(_statement(name, condition), (start,)), key=itemgetter(0)):
            sections = found.setdefault(seq, {})
            digest = _digest(name, list(zip(*(row[1:] for row in rows), strict=True)))
            # Numbers grow with the ledger, so a batch's rows follow each other unless one was moved to another batch.
            sections[name] = _TORN if name in sections else digest
    for seq in sorted(found):
        yield seq, _root(seq, found[seq])


def _statement(name: str, condition: str) -> str:
    section = _SECTIONS[name]
    only = f" and {section.only}" if section.only else ""
    return (
        f"select {section.tx},{section.columns} from {section.table} where {condition}{only} "  # noqa: S608
        f"order by {section.order}"
    )


def _root(seq: int, digests: Mapping[str, bytes]) -> str:
    whole = blake2b(seq.to_bytes(8, "little"), digest_size=32, person=b"remit.batch")
    for name in _SECTIONS:
        whole.update(digests.get(name, bytes(32)))
    return whole.hexdigest()


def _digest(name: str, columns: Columns) -> bytes:
    """The digest of a section, of no rows: 32 zeros. Column by column, because that is much cheaper than by rows."""
    first = columns[0] if columns else ()
    if not isinstance(first, Sequence) or not len(first):
        return bytes(32)
    count = len(first)
    result = blake2b(count.to_bytes(8, "little"), digest_size=32, person=name.encode())
    for kind, column in zip(_SECTIONS[name].kinds, columns, strict=True):
        if isinstance(column, Packed):
            result.update(_listed(column.width, count))
            result.update(column.cells)
        elif kind == "n":
            result.update(_listed(column, count))
        else:
            assert isinstance(column, Sequence)
            cells: list[Any] = (
                list(column) if kind == "b" else [None if cell is None else cell.encode() for cell in column]
            )
            if None in cells:
                missing = [at for at, cell in enumerate(cells) if cell is None]
                result.update(b"none" + _listed(missing, len(missing)))
                cells = [cell or b"" for cell in cells]
            result.update(_listed(list(map(len, cells)), count))
            result.update(b"".join(cells))
    return result.digest()


def _listed(column: Cells, count: int) -> bytes:
    """Whole numbers as a JSON list; as one number where all of several are the same, as many columns are."""
    if isinstance(column, int):
        return orjson.dumps(column if count > 1 else [column])
    few: Any = column.cells if isinstance(column, Cycle | Held) else column
    if count > 1 and few.count(few[0]) == len(few):
        return orjson.dumps(few[0])
    if isinstance(column, Cycle):
        return b"[" + b",".join([orjson.dumps(few)[1:-1]] * (count // len(few))) + b"]"
    if isinstance(column, Held):
        return b"[" + b"".join([(b"%d," % cell) * column.rows for cell in few])[:-1] + b"]"
    return orjson.dumps(list(few) if isinstance(few, range) else few)
