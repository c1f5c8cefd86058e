"""The ledger's tree: its growing edge, its stored tiles, and the proofs read from them.

The hashes and the edge itself are defined in `verify.py`; here is what only the keeper of a ledger needs. A
node is named by (level, index): the complete subtree of ``2**level`` leaves that begins at leaf ``index *
2**level``. Sources: RFC 9162 section 2.1, C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from remit.errors import BadInput, LedgerBroken
from remit.ledger.verify import EMPTY_ROOT, Frontier, node_hash

__all__ = [
    "TILE_WIDTH",
    "Frontier",
    "Tiles",
    "consistency_proof",
    "frontier_from_bytes",
    "frontier_to_bytes",
    "inclusion_proof",
    "tree_root",
]

TILE_WIDTH: Final = 256
_TILE_LEVELS: Final = 8
_HASH_BYTES: Final = 32
_CACHED_MAX: Final = 4096

ReadNode = Callable[[int, int], bytes]


def frontier_to_bytes(frontier: Frontier) -> bytes:
    """Write a frontier: its size in 8 bytes, big-endian, then its roots, the largest subtree first."""
    return frontier.size.to_bytes(8, "big") + b"".join(frontier.roots)


def frontier_from_bytes(data: bytes) -> Frontier:
    """Read a frontier as `frontier_to_bytes` wrote it.

    Raises:
        LedgerBroken: the bytes are not a frontier.
    """
    size, hashes = int.from_bytes(data[:8], "big"), data[8:]
    if len(data) < 8 or len(hashes) != size.bit_count() * _HASH_BYTES:
        raise LedgerBroken(f"frontier: {len(data)} bytes do not fit size {size}")
    try:
        return Frontier(size, _split(hashes))
    except ValueError as error:
        raise LedgerBroken(f"frontier: {error}") from None


def inclusion_proof(index: int, size: int, read: ReadNode) -> list[bytes]:
    """Return the proof that leaf ``index`` (from 0) is in the tree of ``size`` leaves (RFC 9162 2.1.3.1).

    ``read(level, index)`` returns a node; `Tiles.node` is one such reader.

    Raises:
        BadInput: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise BadInput(f"inclusion proof: got leaf {index}, expected one below {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split_at(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    proof.reverse()
    return proof


def consistency_proof(old_size: int, new_size: int, read: ReadNode) -> list[bytes]:
    """Return the proof that the first ``old_size`` of ``new_size`` leaves are the old tree.

    From an empty old tree there is nothing to prove: the proof is empty. Source: RFC 9162 2.1.4.1.

    Raises:
        BadInput: the old tree is larger than the new one.
    """
    if not 0 <= old_size <= new_size:
        raise BadInput(f"consistency proof: got sizes {old_size} and {new_size}, expected them to grow")
    proof: list[bytes] = []
    start, end = 0, new_size
    while 0 < old_size != end:
        middle = start + _split_at(end - start)
        if old_size <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    # The old root itself is known to whoever asks; any smaller part of it is not.
    if start:
        proof.append(_range_root(start, end, read))
    proof.reverse()
    return proof


def tree_root(size: int, read: ReadNode) -> bytes:
    """Return the root over the first ``size`` leaves."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def _split_at(width: int) -> int:
    """Return the largest power of two below ``width``, which is at least 2."""
    return 1 << (width - 1).bit_length() - 1


def _range_root(start: int, end: int, read: ReadNode) -> bytes:
    """Return the root over [``start``, ``end``), which must be a subtree that RFC 9162 would split off."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split_at(width)
    return node_hash(_range_root(start, middle, read), _range_root(middle, end, read))


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + _HASH_BYTES] for at in range(0, len(hashes), _HASH_BYTES)]


class Tiles:
    """The tree's complete tiles, kept by ``put`` and found by ``get``; the rest comes from ``leaves``.

    A tile is 256 hashes (8,192 bytes): tile n of level l holds the roots of the complete subtrees of
    ``256**l`` leaves with indices from ``n * 256`` on. ``get(level, n)`` returns its bytes, None where it is
    not kept; ``put(level, n, bytes)`` keeps it; ``leaves(start, end)`` returns leaf hashes. A complete tile
    never changes. Nothing here locks.
    """

    def __init__(
        self,
        get: Callable[[int, int], bytes | None],
        put: Callable[[int, int, bytes], None],
        leaves: Callable[[int, int], Sequence[bytes]],
    ):
        self._get, self._put, self._leaves = get, put, leaves
        self._roots: dict[tuple[int, int], bytes] = {}

    def complete(self, old_size: int, new_size: int) -> int:
        """Keep every tile that became complete while the tree grew; return how many there were."""
        count, level = 0, 0
        while new_size >> _TILE_LEVELS * (level + 1):
            shift = _TILE_LEVELS * (level + 1)
            for index in range(old_size >> shift, new_size >> shift):
                self._put(level, index, b"".join(self._hashes(level, index * TILE_WIDTH, TILE_WIDTH)))
                count += 1
            level += 1
        return count

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of one node, which must be complete.

        Raises:
            LedgerBroken: a tile or leaf below it is missing or not of its size.
        """
        tile_level, within = divmod(level, _TILE_LEVELS)
        if within == 0:
            return self._hashes(tile_level, index, 1)[0]
        return _root(self._hashes(tile_level, index << within, 1 << within))

    def _hashes(self, level: int, start: int, count: int) -> list[bytes]:
        """Return hashes that stand side by side in one tile of ``level``."""
        tile, offset = divmod(start, TILE_WIDTH)
        data = self._get(level, tile)
        if data is not None:
            if len(data) != TILE_WIDTH * _HASH_BYTES:
                raise LedgerBroken(f"tile {level}/{tile}: {len(data)} bytes, expected {TILE_WIDTH * _HASH_BYTES}")
            return _split(data[offset * _HASH_BYTES : (offset + count) * _HASH_BYTES])
        if level:
            return [self._tile_root(level - 1, index) for index in range(start, start + count)]
        found = list(self._leaves(start, start + count))
        if len(found) != count or any(len(leaf) != _HASH_BYTES for leaf in found):
            raise LedgerBroken(f"leaves {start} to {start + count}: got {len(found)} hashes, expected {count}")
        return found

    def _tile_root(self, level: int, index: int) -> bytes:
        root = self._roots.get((level, index))
        if root is None:
            root = _root(self._hashes(level, index * TILE_WIDTH, TILE_WIDTH))
            if len(self._roots) >= _CACHED_MAX:
                self._roots.clear()
            self._roots[level, index] = root
        return root


def _root(hashes: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.root()
