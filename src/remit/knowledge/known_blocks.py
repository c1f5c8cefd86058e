"""Blocks of rows as the last whole load found them: where one comes again just so, one hash says that it is known.

A block is the rows that a reader hands out together. Its digest is kept when the load that read it was clean (every
row held, no key came twice), and only while nothing else is written to the data set: who begins a load, releases a row
or erases a record forgets the blocks in the same commit. So what is kept is true, and nothing erased is left in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson

from remit.canonical import canonical
from remit.store.engine import Transaction

__all__ = ["KnownBlocks", "block_digest", "forget_blocks", "keep_blocks", "take_blocks"]

_SETTING: Final = "knowledge/blocks/"
_DIGEST_BYTES: Final = 16


class KnownBlocks(NamedTuple):
    """The blocks of a data set. ``rows`` is how many rows they have, which are all that are current, each once."""

    rows: int
    digests: frozenset[bytes]


def block_digest(rows: bytes, fingerprint: bytes) -> bytes:
    """The digest of a block: unkeyed BLAKE2b (RFC 7693) over its rows' mapped cells, read in one certain way."""
    return blake2b(rows, digest_size=_DIGEST_BYTES, person=fingerprint).digest()


def take_blocks(transaction: Transaction, did: int, load: int) -> KnownBlocks | None:
    """Return the blocks of a data set, if they are known, and forget them, because ``load`` begins."""
    rows = transaction.fetch("select value from setting where name = ?", (f"{_SETTING}{did}",))
    _put(transaction, did, {"load": load})
    kept = orjson.loads(rows[0][0]) if rows else {}
    if "rows" not in kept:
        return None
    joined = bytes.fromhex(kept["digests"])
    digests = (joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES))
    return KnownBlocks(kept["rows"], frozenset(digests))


def keep_blocks(transaction: Transaction, did: int, load: int, blocks: KnownBlocks) -> None:
    """Keep what ``load`` found, unless its blocks were to be forgotten while it ran."""
    rows = transaction.fetch("select value from setting where name = ?", (f"{_SETTING}{did}",))
    if rows and orjson.loads(rows[0][0]).get("load") == load:
        _put(transaction, did, {"rows": blocks.rows, "digests": b"".join(sorted(blocks.digests)).hex()})


def forget_blocks(transaction: Transaction, dids: Iterable[int]) -> None:
    """Forget the blocks of data sets in which something else is changed now."""
    transaction.delete_in("setting", "name", sorted({f"{_SETTING}{did}" for did in dids}))


def _put(transaction: Transaction, did: int, value: dict[str, int | str]) -> None:
    transaction.upsert_many("setting", "name", "name,value", [(f"{_SETTING}{did}", canonical(value).decode())])
