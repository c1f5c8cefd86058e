"""The tree against RFC 9162's own recursive definitions, read out literally and slowly."""

from __future__ import annotations

import random
from functools import cache
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadInput, LedgerBroken
from remit.ledger.tree import (
    TILE_WIDTH,
    Frontier,
    Tiles,
    consistency_proof,
    frontier_from_bytes,
    frontier_to_bytes,
    inclusion_proof,
    tree_root,
)
from remit.ledger.verify import (
    EMPTY_ROOT,
    RootsAt,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

LEAVES = [sha256(b"\0event %d" % number).digest() for number in range(70_000)]


def plain_split(width: int) -> int:
    k = 1
    while k * 2 < width:
        k *= 2
    return k


@cache
def plain_root(start: int, end: int) -> bytes:
    if start == end:
        return sha256(b"").digest()
    if end - start == 1:
        return LEAVES[start]
    k = plain_split(end - start)
    return sha256(b"\1" + plain_root(start, start + k) + plain_root(start + k, end)).digest()


def plain_path(index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    k = plain_split(end - start)
    if index < k:
        return [*plain_path(index, start, start + k), plain_root(start + k, end)]
    return [*plain_path(index - k, start + k, end), plain_root(start, start + k)]


def plain_subproof(old: int, start: int, end: int, whole: bool) -> list[bytes]:
    if old == end - start:
        return [] if whole else [plain_root(start, end)]
    k = plain_split(end - start)
    if old <= k:
        return [*plain_subproof(old, start, start + k, whole), plain_root(start + k, end)]
    return [*plain_subproof(old - k, start + k, end, False), plain_root(start, start + k)]


def tiles_over(size: int, kept: dict[tuple[int, int], bytes] | None = None) -> Tiles:
    store = {} if kept is None else kept

    def put(level: int, index: int, data: bytes) -> None:
        assert (level, index) not in store, "a tile is written once"
        store[level, index] = data

    return Tiles(lambda level, index: store.get((level, index)), put, lambda start, end: LEAVES[start : min(end, size)])


def test_roots_of_all_small_trees() -> None:
    frontier = Frontier()
    for size in range(301):
        assert frontier.root() == plain_root(0, size)
        assert frontier.size == size
        frontier.append(LEAVES[size])
    assert plain_root(0, 0) == EMPTY_ROOT


@given(st.lists(st.integers(0, 700), max_size=6))
@settings(max_examples=60, deadline=None)
def test_batches_of_any_size_make_the_same_tree(steps: list[int]) -> None:
    frontier, size = Frontier(), 0
    for step in steps:
        frontier.extend(LEAVES[size : size + step])
        size += step
        assert (frontier.size, frontier.root()) == (size, plain_root(0, size))


@given(st.integers(0, 5000), st.integers(0, 600))
@settings(max_examples=60, deadline=None)
def test_a_stored_frontier_grows_on_as_if_it_had_not_been_stored(size: int, more: int) -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:size])
    restored = frontier_from_bytes(frontier_to_bytes(frontier))
    copied = frontier.copy()
    restored.extend(LEAVES[size : size + more])
    assert restored.root() == plain_root(0, size + more)
    assert (copied.size, copied.root()) == (size, plain_root(0, size)), "a copy does not grow along"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        (1).to_bytes(8, "big"),
        bytes(8) + bytes(32),
        (3).to_bytes(8, "big") + bytes(63),
        b"\xff" * 8,
    ],
)
def test_bytes_that_are_no_frontier_are_refused(data: bytes) -> None:
    with pytest.raises(LedgerBroken):
        frontier_from_bytes(data)


def test_a_frontier_beyond_what_a_note_can_say_is_refused() -> None:
    with pytest.raises(LedgerBroken):
        frontier_from_bytes((2**63).to_bytes(8, "big") + bytes(32))


def test_roots_at_finds_exactly_the_wrong_and_the_missing() -> None:
    expected = {size: plain_root(0, size) for size in (0, 1, 255, 256, 300, 900)}
    expected[256] = plain_root(0, 255)
    tree = RootsAt(expected)
    for start in range(0, 600, 100):
        tree.extend(LEAVES[start : start + 100])
    assert (tree.wrong, tree.missing) == ([256], [900])
    assert RootsAt({0: plain_root(0, 1)}).wrong == [0]


def test_proofs_of_all_small_trees_are_those_of_the_definition_and_verify() -> None:
    for size in range(1, 301):
        read = tiles_over(size).node
        indices = range(size) if size <= 40 else random.Random(size).sample(range(size), 12)
        for index in indices:
            proof = inclusion_proof(index, size, read)
            assert proof == plain_path(index, 0, size)
            assert verify_inclusion(index, size, LEAVES[index], proof, plain_root(0, size))
        olds = range(1, size + 1) if size <= 40 else random.Random(size).sample(range(1, size + 1), 12)
        for old in olds:
            proof = consistency_proof(old, size, read)
            assert proof == plain_subproof(old, 0, size, True)
            assert verify_consistency(old, size, proof, plain_root(0, old), plain_root(0, size))


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_proofs_of_larger_trees_from_tiles(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 66_500) | st.sampled_from([256, 257, 65_536, 65_537]))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    read = LARGE.node if size <= LARGE_SIZE else tiles_over(size).node
    assert tree_root(size, read) == plain_root(0, size)
    inclusion = inclusion_proof(index, size, read)
    assert inclusion == plain_path(index, 0, size)
    assert verify_inclusion(index, size, LEAVES[index], inclusion, plain_root(0, size))
    consistency = consistency_proof(old, size, read)
    assert consistency == plain_subproof(old, 0, size, True)
    assert verify_consistency(old, size, consistency, plain_root(0, old), plain_root(0, size))


LARGE_SIZE = 66_500
LARGE = tiles_over(LARGE_SIZE)
LARGE.complete(0, LARGE_SIZE)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_proof_does_not_verify(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    read = tiles_over(size).node
    root = plain_root(0, size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))

    def inclusion(proof: list[bytes]) -> bool:
        return verify_inclusion(index, size, LEAVES[index], proof, root)

    def consistency(proof: list[bytes]) -> bool:
        return verify_consistency(old, size, proof, plain_root(0, old), root)

    for proof, verifies in (
        (inclusion_proof(index, size, read), inclusion),
        (consistency_proof(old, size, read), consistency),
    ):
        assert verifies(proof)
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        assert not verifies([*proof[:at], flipped, *proof[at + 1 :]])
        assert not verifies(proof[:-1])
        assert not verifies([*proof, root])
        assert not verifies([*proof[:at], proof[at][:31], *proof[at + 1 :]])
    wrong = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
    assert not verify_inclusion(wrong, size, LEAVES[index], inclusion_proof(index, size, read), root)
    assert not verify_inclusion(index, size, LEAVES[wrong], inclusion_proof(index, size, read), root)


def plain_subtree_subproof(first: int, last: int, start: int, end: int, whole: bool) -> list[bytes]:
    """SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs, in absolute positions."""
    if (first, last) == (start, end):
        return [] if whole else [plain_root(start, end)]
    k = start + plain_split(end - start)
    if last <= k:
        return [*plain_subtree_subproof(first, last, start, k, whole), plain_root(k, end)]
    if k <= first:
        return [*plain_subtree_subproof(first, last, k, end, whole), plain_root(start, k)]
    return [*plain_subtree_subproof(k, last, k, end, False), plain_root(start, k)]


def test_subtree_proofs_of_all_small_trees_verify_and_fit_no_other_subtree() -> None:
    for size in range(1, 34):
        subtrees = [
            (start, end) for start in range(size) for end in range(start + 1, size + 1) if is_plain_subtree(start, end)
        ]
        for start, end in subtrees:
            proof = plain_subtree_subproof(start, end, 0, size, True)
            own, root = plain_root(start, end), plain_root(0, size)
            assert verify_subtree_consistency(start, end, size, proof, own, root)
            for other in subtrees:
                if other != (start, end):
                    assert not verify_subtree_consistency(*other, size, proof, own, root)
            index = (start + end) // 2
            path = plain_path(index - start, start, end)
            assert verify_subtree_inclusion(index, start, end, LEAVES[index], path, own)


def is_plain_subtree(start: int, end: int) -> bool:
    power = 1
    while power < end - start:
        power *= 2
    return start % power == 0


def test_tiles_are_complete_written_once_and_as_specified() -> None:
    kept: dict[tuple[int, int], bytes] = {}
    sizes = [0, 255, 256, 256, 1000, 65_535, 65_536, 66_000]
    tiles = tiles_over(66_000, kept)
    counts = [tiles.complete(old, new) for old, new in pairwise(sizes)]
    assert counts == [0, 1, 0, 2, 252, 2, 1]
    assert set(kept) == {(0, index) for index in range(257)} | {(1, 0)}
    assert kept[0, 3] == b"".join(LEAVES[768:1024])
    assert kept[1, 0] == b"".join(plain_root(at, at + 256) for at in range(0, 65_536, 256))
    assert all(len(data) == TILE_WIDTH * 32 for data in kept.values())


def test_complete_tiles_spare_the_leaves() -> None:
    kept: dict[tuple[int, int], bytes] = {}
    tiles_over(66_000, kept).complete(0, 66_000)
    asked: list[tuple[int, int]] = []

    def leaves(start: int, end: int) -> list[bytes]:
        asked.append((start, end))
        return LEAVES[start:end]

    tiles = Tiles(lambda level, index: kept.get((level, index)), lambda *_: None, leaves)
    assert inclusion_proof(70, 66_000, tiles.node) == plain_path(70, 0, 66_000)
    assert all(start >= 65_792 for start, _ in asked), "only what no complete tile holds is read as leaves"


def test_a_lost_tile_is_made_up_from_the_level_below() -> None:
    kept: dict[tuple[int, int], bytes] = {}
    tiles_over(66_000, kept).complete(0, 66_000)
    del kept[1, 0], kept[0, 7]
    assert tree_root(66_000, tiles_over(66_000, kept).node) == plain_root(0, 66_000)


@pytest.mark.parametrize("size", [0, 100, 8191, 8193])
def test_a_torn_tile_is_named(size: int) -> None:
    torn = Tiles(lambda level, index: bytes(size), lambda *_: None, lambda start, end: LEAVES[start:end])
    with pytest.raises(LedgerBroken, match=f"tile 0/0: {size} bytes"):
        torn.node(0, 0)


def test_missing_leaves_are_named() -> None:
    with pytest.raises(LedgerBroken, match="leaves 8 to 16: got 2"):
        tiles_over(10).node(3, 1)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_inclusion_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(BadInput, match="inclusion proof"):
        inclusion_proof(index, size, tiles_over(10).node)


def test_consistency_of_sizes_that_shrink() -> None:
    with pytest.raises(BadInput, match="got sizes 6 and 5"):
        consistency_proof(6, 5, tiles_over(10).node)
    assert consistency_proof(0, 5, tiles_over(10).node) == []
