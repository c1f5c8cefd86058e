"""A type is resolved in the store, people's word stands, and one arriving record finds who it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.conftest import _postgres
from tests.knowledge.generated_people import Person, people
from tests.knowledge.graph_builder import GraphBuilder, Put
from tests.knowledge.people_world import NOW, SOURCES, WORDS, World, facts

from remit.canonical import INTEGER_MAX as OPEN
from remit.errors import BadInput
from remit.knowledge.arriving import current_matcher, index_records, match_one
from remit.knowledge.decided_pairs import DecidedPairs, decided_pairs, record_named
from remit.knowledge.doubtful import DoubtfulPair, doubtful_actions
from remit.knowledge.entity import merge_entities, split_entity, undo_move
from remit.knowledge.pepper import read_pepper
from remit.knowledge.resolve_type import resolve_type
from remit.knowledge.source_file import SourceFile
from remit.ledger.event import RecordedEvent
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.store.engine import Store, open_store
from remit.testing.knowledge_stand_ins import a_fact, a_source, a_table
from remit.testing.postgres import own_schema
from remit.vocabulary import Event


@pytest.fixture
def world(journal: Journal) -> World:
    return World(journal)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def resolved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of each engine that is resolved; tests only read it, or add what others do not look at."""
    with ExitStack() as stack:
        url = f"sqlite:{tmp_path_factory.mktemp('resolved') / 'store.db'}"
        if request.param == "postgresql":
            url = stack.enter_context(own_schema(_postgres()))
        store = open_store(url)
        stack.callback(store.close)
        journal = Journal(store)
        stack.callback(journal.close)
        made = World(journal)
        made.gone = next(rid for rid in made.rows if rid % 7 == 0)
        with store.transaction() as transaction:  # as erasing leaves it
            transaction.execute("update record set salt = null where rid = ?", (made.gone,))
        made.done = made.resolve()
        yield made


def events(store: Store, *kinds: str) -> list[Event]:
    with store.snapshot() as reader:
        return [one.event for one in all_events(reader, kinds)]


def moves_of(event: Event) -> list[tuple[int, int, int]]:
    listed: Any = event.data["moves"]
    return [(rid, left, entered) for rid, left, entered in listed]


def test_a_type_is_resolved_and_recorded(resolved: World) -> None:
    done, now = resolved.done, resolved.entities()
    wrong = [
        (one, two)
        for one in now
        for two in now
        if one < two and (now[one] == now[two]) != (resolved.people[one] == resolved.people[two])
    ]
    assert len(wrong) <= 5
    assert (done.records, done.entities) == (len(now), len(set(now.values())))
    merged = events(resolved.store, "entity.merged")
    assert done.moved == sum(len(moves_of(one)) for one in merged)
    assert done.moved > 20
    assert len(merged) == len({moves_of(one)[0][2] for one in merged})  # one for each entity that gains
    assert {one.data["how"] for one in merged} == {f"splink model {done.model[:12]}"}
    assert all(9_000 <= int(str(one.data["score_bp"])) <= 10_000 for one in merged)
    (trained,) = events(resolved.store, "resolution.trained")
    assert (trained.data["type"], trained.data["digest"], trained.data["records"]) == ("Person", done.model, len(now))


def test_one_arriving_record_finds_who_it_is(resolved: World) -> None:
    matcher = current_matcher(resolved.store, "Person")
    assert matcher is not None
    assert matcher.digest == resolved.done.model
    right = asked = 0
    for rid, row in resolved.rows.items():
        twins = {other for other, label in resolved.people.items() if label == resolved.people[rid]}
        found = match_one(resolved.store, matcher, row, but=rid)
        assert rid not in {one.rid for one in found}
        assert [one.probability_bp for one in found] == sorted((one.probability_bp for one in found), reverse=True)
        if twins - {rid, resolved.gone}:
            asked += 1
            right += bool(found) and found[0].rid in twins
        elif rid != resolved.gone:
            assert not [one for one in found if one.probability_bp > 9_900]
    assert asked > 40
    assert right >= 0.95 * asked

    # It weighs as the batch does, and what is said of it names no value.
    rid, row = next((rid, row) for rid, row in resolved.rows.items() if all(row.values()) and rid != resolved.gone)
    itself = match_one(resolved.store, matcher, row)[0]
    assert (itself.rid, itself.probability_bp) == (rid, 10_000)
    assert itself.why.startswith("born: the same; email: the same; first: the same")
    assert str(row["last"]) not in itself.why


def test_a_record_is_found_once_it_is_indexed(resolved: World) -> None:
    matcher = current_matcher(resolved.store, "Person")
    assert matcher is not None
    person: Person = {**people(1, seed=99)[0][0], "last": "vandenplas", "email": "q.vandenplas@x.org"}
    assert match_one(resolved.store, matcher, person, least_bp=5_000) == ()
    graph = GraphBuilder(resolved.journal, {"late.person": "Late"})  # its type is not resolved, so nobody else sees it
    graph._next = {"rid": 9_001, "fid": 90_001, "lid": 1, "qid": 1}
    graph._numbers = {"scope": {"sales/internal": 1}, "dataset": {"crm.person": 1, "erp.client": 2}, "property": {}}
    graph._numbers["property"] = {
        ("Late", name): pid for pid, name in resolved.store.read("select pid, name from property")
    }
    graph.load = 1
    graph.put(Put("late.person", "new", facts({name: person[name] for name in WORDS})))
    rid = graph.rids["late.person", "new"]
    index_records(resolved.store, matcher, {rid: person})
    index_records(resolved.store, matcher, {rid: person})
    assert [one.rid for one in match_one(resolved.store, matcher, person, least_bp=5_000)] == [rid]
    assert match_one(resolved.store, matcher, {}) == ()
    assert match_one(resolved.store, matcher, {"other": "x", "first": None}) == ()


def test_keys_and_model_name_nobody_and_the_erased_have_no_keys(resolved: World) -> None:
    keys = resolved.store.read("select key, rid from blocking")
    assert all(len(key) == 24 and set(key) <= set("0123456789abcdef") for key, _ in keys)
    assert {rid for _, rid in keys} >= set(resolved.rows) - {resolved.gone}
    assert resolved.gone not in {rid for _, rid in keys}
    with resolved.store.snapshot() as reader:
        assert read_pepper(reader) is not None
    text = str(events(resolved.store, "resolution.trained")[0].data["text"])
    assert not [row["last"] for row in resolved.rows.values() if row["last"] and row["last"] in text]


def test_a_second_run_moves_only_who_changed_and_the_keys_of_the_earlier_model_go(world: World) -> None:
    first = world.resolve()
    before = world.entities()
    with world.store.snapshot() as reader:
        assert decided_pairs(reader) == DecidedPairs()  # what resolution did binds nobody
    one, two = world.pair(same=True)
    place = next(place for place, rid in world.graph.rids.items() if rid == two)
    person, other = people(2, doubled=0.0, seed=98)[0]
    world.graph.put(
        Put("crm.person", "new", facts({name: person[name] for name in WORDS})),
        Put(*place, facts({name: other[name] for name in WORDS})),
    )
    second = world.resolve()
    now = world.entities()
    assert (second.clashed, second.records) == (0, first.records + 1)
    assert now[one] != now[two]
    changed = {rid for rid, eid in before.items() if now[rid] != eid}
    assert {before[rid] for rid in changed} == {before[two]}
    assert second.moved == len(changed)
    assert first.model != second.model
    matcher = current_matcher(world.store, "Person")
    assert matcher is not None
    assert matcher.digest == second.model
    assert {rule for (rule,) in world.store.read("select distinct rule from blocking")} <= set(matcher.numbers)
    assert world.store.read("select count(distinct rid) from blocking") == [(len(now),)]
    assert current_matcher(world.store, "Order") is None


def recorded(store: Store) -> list[RecordedEvent]:
    with store.snapshot() as reader:
        return list(all_events(reader, ("entity.merged", "entity.split")))


def test_what_people_said_stands(world: World) -> None:
    """A split, an undone merge and a refusal are not merged again; a merge by hand is not taken apart."""
    world.resolve()
    one, two = world.pair(same=True)
    by_model = recorded(world.store)
    split_entity(world.journal, [two], why="two people", actor="person:ana")
    wrong = next(found for found in by_model if not {one, two} & {move[0] for move in moves_of(found.event)})
    undo_move(world.journal, wrong.seq, why="wrong", actor="person:ana")
    refused = [(rid, entered) for rid, _, entered in moves_of(wrong.event)]
    stayed = {rid: eid for rid, eid in world.entities().items() if eid in {entered for _, entered in refused}}
    strangers = world.pair(same=False)
    merge_entities(world.journal, strangers, how="by hand", score_bp=10_000, why="known", actor="person:ana")

    again = world.resolve()
    now = world.entities()
    assert now[one] != now[two]
    assert now[strangers[0]] == now[strangers[1]]
    for rid, entered in refused:
        assert not {now[other] for other, eid in stayed.items() if eid == entered} & {now[rid]}
    assert again.clashed == 0
    assert (one, two) not in {tuple(sorted((pair.left, pair.right))) for pair in again.doubtful}

    merge_entities(world.journal, [one, two], how="by hand", score_bp=10_000, why="one after all", actor="person:bo")
    with world.store.snapshot() as reader:
        said = decided_pairs(reader)
    assert (one, two) in said.same
    assert (one, two) not in said.apart


def test_who_was_moved_meanwhile_is_left_for_the_next_run(world: World) -> None:
    """Between looking and moving somebody else may move a record: what was worked out no longer counts."""
    merged: list[tuple[int, int]] = []

    class Hasty(Journal):
        def append_now(self, *events: Event, **also: Any) -> Any:
            refs = super().append_now(*events, **also)
            if events[0].kind == "resolution.trained":  # the moment before it moves
                two = max(rid for rid in world.rows if list(world.people.values()).count(world.people[rid]) == 2)
                one = min(rid for rid in world.rows if world.people[rid] != world.people[two])
                merged.append((one, two))
                merge_entities(world.journal, [one, two], how="by hand", score_bp=1, why="x", actor="person:ana")
            return refs

    hasty = Hasty(world.store)
    done = resolve_type(hasty, world.store, "Person", SOURCES, now=NOW, single=frozenset())
    hasty.close()
    now = world.entities()
    assert merged
    assert now[merged[0][0]] == now[merged[0][1]]
    assert done.clashed >= 1
    assert done.moved > 20


def test_a_refused_question_is_not_asked_again(world: World) -> None:
    left, right = sorted(world.rows)[:2]
    question = {"left": f"e{right}", "right": f"e{left}", "score_bp": 9_500, "why": "x"}

    def say(kind: str, step: str, data: dict[str, Any], action: str = "ab" * 32) -> None:
        world.journal.append_now(Event(kind, "person:ana", data, "case", action, step))

    decision = {"attempt": 1, "decision": {"verdict": "escalate"}}
    asked = {"due_at": "2030-01-01T00:00:00Z", "asks": [["clerk", 1]]}
    for name, action in (("entity.merge", "ab" * 32), ("refund.create", "cd" * 32)):
        say("action.decided", "decided:1", {"action": {"name": name, "arguments": question}, **decision}, action)
        say("approval.asked", "asked:1", {"name": name, **asked}, action)
    say("approval.answered", "answered:1:ana", {"verdict": "reject"}, "cd" * 32)
    say("approval.answered", "answered:1:bo", {"verdict": "approve", "role": "head", "person": "bo"})
    with world.store.snapshot() as reader:
        assert decided_pairs(reader).apart == set()
    say("approval.answered", "answered:1:ana", {"verdict": "reject"})
    with world.store.snapshot() as reader:
        assert decided_pairs(reader).apart == {(left, right)}


@pytest.mark.parametrize("text", [None, 5, "", "e", "12", "f12", "e1x", "e٣", "e" + "9" * 40, "Person/A"])
def test_what_names_no_record(text: object) -> None:
    assert record_named(text) is None


def test_words_that_contradict_each_other_are_refused(world: World) -> None:
    other = a_source("web", "sales", a_table("web.user", "Person", [a_fact("first", match="text")]))
    with pytest.raises(BadInput, match=r"match of first: crm\.person says name, web\.user says text"):
        resolve_type(world.journal, world.store, "Person", SOURCES | {"web": other}, now=NOW)
    with pytest.raises(BadInput, match="no table of type 'Order' has a fact with match"):
        resolve_type(world.journal, world.store, "Order", SOURCES, now=NOW)


def test_words_alone_join_only_what_is_nearly_the_same(journal: Journal) -> None:
    graph = GraphBuilder(journal, {"shop.item": "Item", "feed.item": "Item"})
    graph.begin_load("shop.item", NOW)
    titles = {
        ("shop.item", "1"): "blue ceramic desk lamp 40 watt",
        ("feed.item", "1"): "desk lamp blue ceramic 40 watt",
        ("shop.item", "2"): "oak garden chair folding",
        ("feed.item", "2"): "garden chair made of teak",
        ("shop.item", "3"): "red office chair wheels",
        ("feed.item", "3"): "red office chair armrest",
        ("shop.item", "4"): "steel water kettle",
    }
    graph.put(*(Put(*place, {"title": (title, "shop/internal")}) for place, title in titles.items()))
    sources: dict[str, SourceFile] = {
        name: a_source(name, "shop", a_table(f"{name}.item", "Item", [a_fact("title", match="text")]))
        for name in ("shop", "feed")
    }
    done = resolve_type(journal, journal.store, "Item", sources, now=NOW)
    now: dict[int, int] = dict(journal.store.read("select rid, eid from member where tx_to = ?", (OPEN,)))
    rids = graph.rids
    assert now[rids["shop.item", "1"]] == now[rids["feed.item", "1"]]
    assert len(set(now.values())) == 6
    assert (done.lane, done.model, done.moved) == ("text", "", 1)
    assert [(pair.left, pair.right) for pair in done.doubtful] == [
        (rids["shop.item", number], rids["feed.item", number]) for number in "32"
    ]
    assert done.doubtful[0].score_bp > 9_000 > done.doubtful[1].score_bp
    assert events(journal.store, "entity.merged")[0].data["how"] == "words alike"


def test_questions_for_people() -> None:
    pairs = [
        DoubtfulPair(9, 4, 6_100, "not sure enough to do it unasked", "name: the same; born: different"),
        DoubtfulPair(1, 2, 8_800, "several are as likely", ""),
    ]
    first, second = doubtful_actions(pairs)
    assert (first.name, first.case) == ("entity.merge", "merge-e1-e2")
    assert dict(first.arguments) == {"left": "e1", "right": "e2", "score_bp": 8_800, "why": "several are as likely"}
    assert (second.case, second.arguments["left"], second.arguments["right"]) == ("merge-e4-e9", "e4", "e9")
    assert second.arguments["why"] == "not sure enough to do it unasked (name: the same; born: different)"
    assert doubtful_actions([DoubtfulPair(4, 9, 6_100, "x", "")])[0].case == second.case
