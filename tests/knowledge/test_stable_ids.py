"""Entities keep their numbers as far as their records do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.knowledge.stable_ids import Move, plan_moves


@st.composite
def regroupings(draw: st.DrawFn) -> tuple[list[list[int]], dict[int, int]]:
    """Records in entities named by records, and another grouping of the same records."""
    rids = draw(st.lists(st.integers(1, 40), min_size=1, max_size=16, unique=True))
    before: dict[int, list[int]] = {}
    for rid in rids:
        before.setdefault(draw(st.integers(0, 5)), []).append(rid)
    names = draw(st.permutations(rids))
    current = {rid: names[place] for place, group in enumerate(before.values()) for rid in group}
    after: dict[int, list[int]] = {}
    for rid in rids:
        after.setdefault(draw(st.integers(0, 5)), []).append(rid)
    return list(after.values()), current


def apply(moves: tuple[Move, ...], current: dict[int, int]) -> dict[int, int]:
    now = dict(current)
    for move in moves:
        assert now[move.rid] == move.left
        now[move.rid] = move.entered
    return now


@given(regroupings())
def test_the_moves_make_the_clusters_and_nobody_shares_a_number(case: tuple[list[list[int]], dict[int, int]]) -> None:
    clusters, current = case
    now = apply(plan_moves(clusters, current), current)
    numbers = [{now[rid] for rid in cluster} for cluster in clusters]
    assert all(len(number) == 1 for number in numbers)
    assert len(set.union(*numbers)) == len(clusters)
    assert set(now.values()) <= set(current.values()) | set(current)  # only numbers of records or of entities


@given(regroupings())
def test_what_stays_together_as_it_was_does_not_move(case: tuple[list[list[int]], dict[int, int]]) -> None:
    clusters, current = case
    moved = {move.rid for move in plan_moves(clusters, current)}
    groups: dict[int, set[int]] = {}
    for rid, eid in current.items():
        groups.setdefault(eid, set()).add(rid)
    for cluster in clusters:
        if set(cluster) in groups.values():
            assert not moved & set(cluster)


@given(regroupings())
def test_moving_twice_moves_nothing(case: tuple[list[list[int]], dict[int, int]]) -> None:
    clusters, current = case
    now = apply(plan_moves(clusters, current), current)
    assert plan_moves(clusters, now) == ()


@given(regroupings())
def test_the_largest_share_keeps_the_number(case: tuple[list[list[int]], dict[int, int]]) -> None:
    """No cluster goes without a number that it has a larger share in than the cluster that got it."""
    clusters, current = case
    now = apply(plan_moves(clusters, current), current)
    share = {
        (place, eid): sum(current[rid] == eid for rid in cluster)
        for place, cluster in enumerate(clusters)
        for eid in set(current.values())
    }
    got = {now[cluster[0]]: place for place, cluster in enumerate(clusters)}
    for place, cluster in enumerate(clusters):
        mine = now[cluster[0]]
        for eid in set(current.values()):
            holder = got.get(eid)
            if share[place, eid] > share.get((place, mine), 0):
                assert holder is not None and share[holder, eid] >= share[place, eid]


def test_new_numbers_are_free_ones() -> None:
    # Entity 1 has all; the part without record 1 gets a number of its own, but not one that is taken elsewhere.
    assert plan_moves([[1, 2, 3], [4, 5]], dict.fromkeys(range(1, 6), 1)) == (Move(4, 1, 4), Move(5, 1, 4))
    assert plan_moves([[1, 2, 3], [4, 5]], dict.fromkeys(range(1, 6), 1), taken=[4]) == (Move(4, 1, 5), Move(5, 1, 5))
    # The part that is record 1 alone cannot be called 1, as the larger part goes on being entity 1.
    assert plan_moves([[1], [2, 3]], dict.fromkeys((1, 2, 3), 1)) == (Move(1, 1, 2),)


def test_the_number_of_an_entity_that_dissolves_is_not_anothers_at_once() -> None:
    # Entity 5, which was record 1, goes into entity 2; record 5, parted from that, is not called 5 in the same breath.
    moves = plan_moves([[1, 2, 3, 4], [5]], {1: 5, 2: 2, 3: 2, 4: 2, 5: 2})
    assert moves == (Move(1, 5, 2), Move(5, 2, 1))


def test_a_record_in_two_clusters_is_refused() -> None:
    with pytest.raises(ValueError, match="two clusters"):
        plan_moves([[1, 2], [2]], {1: 1, 2: 2})
