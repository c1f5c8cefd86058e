"""Entities: merging, splitting and undoing move records and nothing else, and a clash is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.knowledge.graph_builder import START, GraphBuilder, Put, dump

from remit.canonical import INTEGER_MAX as OPEN
from remit.errors import BadInput, Conflict, NotFound, RemitError
from remit.knowledge.entity import (
    find_entity,
    memberships_of,
    merge_entities,
    move_records,
    split_entity,
    undo_move,
)
from remit.ledger.event import RecordedEvent
from remit.ledger.journal import Journal
from remit.store.engine import Store

SOME: dict[str, Any] = {"why": "they are", "actor": "ana"}
RIDS = range(1, 7)


def records(journal: Journal, count: int = 6) -> GraphBuilder:
    graph = GraphBuilder(journal, {"crm.account": "Customer"})
    graph.begin_load("crm.account", START)
    graph.put(*(Put("crm.account", f"A{rid}", {"name": ("x", "s/i")}) for rid in range(1, count + 1)))
    return graph


def merge(journal: Journal, *rids: int, **more: Any) -> int:
    return merge_entities(journal, rids, how="rule", score_bp=9_000, **SOME, **more).seq


def move(journal: Journal, *moves: tuple[int, int, int]) -> None:
    move_seq(journal, *moves)


def move_seq(journal: Journal, *moves: tuple[int, int, int]) -> int:
    return move_records(journal, moves, how="model", score_bp=9_500, **SOME).seq


def groups(store: Store, as_of: int | None = None) -> set[frozenset[int]]:
    """Which records are together, as `find_entity` tells."""
    with store.snapshot() as reader:
        return {frozenset(find_entity(reader, f"e{rid}", as_of).records) for rid in RIDS}


Move = tuple[str, tuple[int, ...]]
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(tuple)),
        st.tuples(st.just("split"), st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(tuple)),
        st.tuples(st.just("undo"), st.integers(0, 8).map(lambda place: (place,))),
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip


@settings(max_examples=8, deadline=None, database=None)
@given(MOVES)
def test_moves_are_what_a_plain_partition_says(tmp_path_factory: pytest.TempPathFactory, moves: list[Move]) -> None:
    """Also as of every earlier size of the ledger; and what cannot be done changes nothing."""
    from remit.store.engine import open_store

    store = open_store(f"sqlite:{tmp_path_factory.mktemp('entity') / 's.db'}")
    journal = Journal(store)
    try:
        _compare(store, journal, moves)
    finally:
        journal.close()
        store.close()


@settings(max_examples=2, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.just([("merge", (1, 2)), ("merge", (2, 3)), ("split", (1,)), ("undo", (0,)), ("undo", (2,)), ("split", (2, 3))])
)
def test_the_same_on_the_store_under_test(store: Store, journal: Journal, moves: list[Move]) -> None:
    if not store.read("select rid from record limit 1"):
        _compare(store, journal, moves)


def _compare(store: Store, journal: Journal, moves: list[Move]) -> None:
    graph = records(journal)
    plain = [{rid} for rid in RIDS]
    done: list[tuple[int, list[set[int]]]] = []
    history = {graph.size: {frozenset(group) for group in plain}}
    for kind, rids in moves:
        before = [set(group) for group in plain]
        size = graph.size
        seq: int | None = None
        try:
            if kind == "merge":
                seq = merge(journal, *rids)
                touched = [group for group in plain if group & set(rids)]
                plain = [group for group in plain if not group & set(rids)] + [set().union(*touched)]
            elif kind == "split":
                seq = split_entity(journal, rids, **SOME).seq
                plain = [group - set(rids) for group in plain] + [set(rids)]
            elif rids[0] < len(done):
                wanted, was = done[rids[0]]
                seq = undo_move(journal, wanted, **SOME).seq
                plain = _undone(plain, was, moved_by(store, wanted))
        except Conflict:
            assert graph.size == size, "refused, and yet something was written"
            if kind == "merge":
                assert any(set(rids) <= group for group in plain)
            elif kind == "split":
                assert not any(set(rids) < group for group in plain)
        if seq is not None:
            done.append((seq, before))
        history[graph.size] = {frozenset(group) for group in plain}
        assert groups(store) == history[graph.size]
    for size, then in history.items():
        assert groups(store, size) == then
    eids = store.read("select eid, count(distinct rid) from member where tx_to = ? group by eid", (OPEN,))
    assert sorted(count for _, count in eids) == sorted(map(len, plain))


def moved_by(store: Store, seq: int) -> set[int]:
    """The records that event ``seq`` moved."""
    event = RecordedEvent.read(*store.read("select seq, body from event where seq = ?", (seq,))[0]).event
    moves: Any = event.data["moves"]
    return {rid for rid, _, _ in moves}


def _undone(now: list[set[int]], was: list[set[int]], moved: set[int]) -> list[set[int]]:
    """The records that moved are back with whom they were; those that stayed there are still there."""
    result = [group - moved for group in now]
    for group in was:
        if group & moved:
            stayed = group - moved
            assert not stayed or stayed in result, "undone although it had moved on"
            result = [other for other in result if other != stayed] + [group]
    return [group for group in result if group]


def test_undoing_right_away_always_works(store: Store, journal: Journal) -> None:
    records(journal)
    was = groups(store)
    one = merge(journal, 1, 2, 3)
    merged = groups(store)
    two = split_entity(journal, [1], **SOME).seq
    assert frozenset({1}) in groups(store)
    undo_move(journal, two, **SOME)
    assert groups(store) == merged
    later = merge(journal, 3, 4)
    with pytest.raises(Conflict, match=f"record 1 has moved again since event {two}"):
        undo_move(journal, two, **SOME)
    undo_move(journal, later, **SOME)
    undo_move(journal, one, **SOME)
    assert groups(store) == was


def test_what_has_moved_on_is_not_undone(store: Store, journal: Journal) -> None:
    records(journal)
    one = merge(journal, 1, 2)
    split_entity(journal, [2], **SOME)
    with pytest.raises(Conflict, match=f"record 2 has moved again since event {one}"):
        undo_move(journal, one, **SOME)
    two = move_seq(journal, (3, 3, 4))
    move_seq(journal, (5, 5, 3))  # the number that record 3 left is in use again
    with pytest.raises(Conflict, match="came from has changed since"):
        undo_move(journal, two, **SOME)


def test_a_merge_is_an_event_that_lists_its_moves(store: Store, journal: Journal) -> None:
    records(journal)
    merge(journal, 1, 2)
    seq = merge(journal, 2, 3)
    event = RecordedEvent.read(*store.read("select seq, body from event where seq = ?", (seq,))[0]).event
    assert (event.kind, event.actor) == ("entity.merged", "ana")
    assert event.data == {"moves": [[3, 3, 1]], "how": "rule", "score_bp": 9_000, "why": "they are"}
    undone = undo_move(journal, seq, **SOME).seq
    event = RecordedEvent.read(*store.read("select seq, body from event where seq = ?", (undone,))[0]).event
    assert event.kind == "entity.split" and event.data["moves"] == [[3, 1, 3]] and event.data["undoes"] == seq
    with store.snapshot() as reader:
        history = [(item.eid, item.since, item.until, item.how) for item in memberships_of(reader, 3)]
    assert [item[0] for item in history] == [3, 1, 3] and [item[3] for item in history] == ["self", "rule", "undo"]
    assert [item[2] for item in history] == [seq, undone, None]


def test_no_fact_is_touched(store: Store, journal: Journal) -> None:
    records(journal)
    before = dump(journal, ("fact", "link", "version", "record"))
    merge(journal, 1, 2, 3)
    split_entity(journal, [2], **SOME)
    assert dump(journal, ("fact", "link", "version", "record")) == before


def test_what_changed_since_one_looked_is_refused(store: Store, journal: Journal) -> None:
    graph = records(journal)
    looked = graph.size
    merge(journal, 1, 2)
    for work in (
        lambda: merge(journal, 2, 3, as_of=looked),
        lambda: split_entity(journal, [1], **SOME, as_of=looked),
    ):
        with pytest.raises(Conflict, match="changed since ledger size"):
            work()
    merge(journal, 4, 5, as_of=looked)
    merge(journal, 2, 3, as_of=graph.size)


def test_of_two_that_move_a_record_at_once_one_is_refused(store: Store, journal: Journal) -> None:
    graph = records(journal)
    looked = graph.size

    def attempt(rid: int) -> bool:
        try:
            merge(journal, 1, rid, as_of=looked)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(attempt, (2, 3, 4, 5, 6))) == 1


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (lambda journal: merge(journal, 1), Conflict, "are one entity already"),
        (lambda journal: merge(journal, 1, 99), NotFound, "no record 99"),
        (lambda journal: split_entity(journal, [1], **SOME), Conflict, "nothing would be left"),
        (lambda journal: split_entity(journal, [1, 2], **SOME), Conflict, "belong to 2 entities"),
        (lambda journal: undo_move(journal, 0, **SOME), NotFound, "event 0 is neither"),
        (lambda journal: undo_move(journal, 10**9, **SOME), NotFound, "is neither"),
        (lambda journal: merge_entities(journal, [1, 2], how=" ", score_bp=1, **SOME), BadInput, "how"),
        (lambda journal: merge_entities(journal, [1, 2], how="self", score_bp=1, **SOME), BadInput, "how"),
        (lambda journal: merge_entities(journal, [1, 2], how="x", score_bp=10_001, **SOME), BadInput, "score_bp"),
        (lambda journal: merge_entities(journal, [1, 2], how="x", score_bp=1, why="", actor="a"), BadInput, "why"),
        (move, BadInput, "moves: got 0"),
        (lambda journal: move(journal, (1, 1, 1)), BadInput, "would stay"),
        (lambda journal: move(journal, (1, 2, 3)), Conflict, "belongs to entity 1, not to 2"),
        (lambda journal: move(journal, (1, 1, 2), (1, 1, 3)), BadInput, "each of another record"),
    ],
)
def test_what_cannot_be_moved_is_refused(
    store: Store, journal: Journal, work: Callable[[Journal], object], error: type[RemitError], words: str
) -> None:
    graph = records(journal)
    size, before = graph.size, dump(journal, ("member",))
    with pytest.raises(error, match=words):
        work(journal)
    assert graph.size == size and dump(journal, ("member",)) == before


def test_many_moves_are_one_event(store: Store, journal: Journal) -> None:
    graph = records(journal)
    size = graph.size
    move(journal, (2, 2, 1), (3, 3, 1), (5, 5, 4))
    assert graph.size == size + 1
    assert groups(store) == {frozenset({1, 2, 3}), frozenset({4, 5}), frozenset({6})}


def test_find_by_name_looks_past_scopes(store: Store, journal: Journal) -> None:
    records(journal)
    merge(journal, 1, 2)
    with store.snapshot() as reader:
        assert find_entity(reader, "Customer/A2") == find_entity(reader, "crm.account/A1") == find_entity(reader, "e1")
        with pytest.raises(NotFound, match="no entity 'Customer/A99'"):
            find_entity(reader, "Customer/A99")
