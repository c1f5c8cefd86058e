"""Records that a load brings are compared at once: joined, asked about or left alone, and found by the next."""

from __future__ import annotations

from itertools import combinations

import pytest
from tests.knowledge.generated_people import Person, people
from tests.knowledge.graph_builder import Put
from tests.knowledge.people_world import NOW, SOURCES, WORDS, World, doubtful_person, facts, stranger

from remit.canonical import INTEGER_MAX as OPEN
from remit.knowledge.arrived import MATCHED_MAX, Arrived, match_arrived
from remit.knowledge.arriving import current_matcher, match_one
from remit.knowledge.entity import MERGED, merge_entities, split_entity
from remit.knowledge.integrity import check_knowledge
from remit.knowledge.resolve_type import resolve_type
from remit.ledger.event import RecordedEvent
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.store.engine import Store
from remit.vocabulary import Event


@pytest.fixture
def world(journal: Journal) -> World:
    """A world whose model is trained."""
    world = World(journal)
    world.resolve()
    return world


def put(world: World, key: str, person: Person, dataset: str = "crm.person") -> int:
    world.graph.put(Put(dataset, key, facts({name: person[name] for name in WORDS if name in person})))
    return world.graph.rids[dataset, key]


def arrive(world: World, most: int = MATCHED_MAX) -> Arrived:
    found = match_arrived(world.journal, world.store, "Person", most=most)
    assert found is not None
    return found


def whole(world: World) -> tuple[int, Person]:
    """A record that says everything, and what it says."""
    return next((rid, row) for rid, row in world.rows.items() if all(row.get(name) for name in WORDS))


def events(store: Store, kind: str) -> list[RecordedEvent]:
    with store.snapshot() as reader:
        return list(all_events(reader, (kind,)))


def test_a_new_record_is_joined_to_whom_it_is_and_a_stranger_stays_alone(world: World) -> None:
    known, person = whole(world)
    before = world.entities()
    merged = len(events(world.store, MERGED))
    double = put(world, "n1", person | {"zip": None})
    alone = put(world, "n2", stranger(0))
    found = arrive(world)
    assert (found.indexed, found.joined, found.left, found.doubtful) == (2, 1, 0, ())
    now = world.entities()
    assert now == before | {double: before[known], alone: alone}
    (event,) = events(world.store, MERGED)[merged:]
    matcher = current_matcher(world.store, "Person")
    assert matcher is not None
    assert event.event.data["moves"] == [[double, double, before[known]]]
    assert event.event.data["how"] == f"splink model {matcher.digest[:12]}"
    assert 9_000 <= int(str(event.event.data["score_bp"])) <= 10_000

    # The stranger is in the index: who comes next finds it. And what is done is not done again.
    second = put(world, "n3", stranger(0), "erp.client")
    found = arrive(world)
    assert (found.indexed, found.joined) == (1, 1)
    assert world.entities()[second] == alone
    assert arrive(world).indexed == 0
    assert check_knowledge(world.store).problems == ()


def test_the_batch_would_have_said_the_same(world: World) -> None:
    """Forty doubles come one by one; training on all of them at once groups them alike, but for very few."""
    rows, labels = people(40, doubled=1.0, seed=31, wrong=0.1)
    truth = {
        put(world, f"late{place}", row): label for place, (row, label) in enumerate(zip(rows, labels, strict=True))
    }
    arrive(world)
    online = {rid: eid for rid, eid in world.entities().items() if rid in truth}
    joined = [(one, two) for one, two in combinations(sorted(truth), 2) if online[one] == online[two]]
    true = [(one, two) for one, two in combinations(sorted(truth), 2) if truth[one] == truth[two]]
    assert len(set(joined) - set(true)) <= 1
    assert len(set(true) - set(joined)) <= 0.2 * len(true)
    world.resolve()
    batch = {rid: eid for rid, eid in world.entities().items() if rid in truth}
    assert sum(online[rid] != batch[rid] for rid in truth) <= 0.15 * len(truth)


def test_of_two_that_a_person_has_parted_a_third_joins_the_likelier(world: World) -> None:
    known, person = whole(world)
    twin = person | {"zip": None, "last": f"{person['last']}x"}
    parted = put(world, "n1", twin)
    assert arrive(world).joined == 1
    split_entity(world.journal, [parted], why="two people", actor="person:ana")
    before = world.entities()
    assert before[parted] != before[known]
    third = put(world, "n2", twin)
    assert arrive(world).joined == 1
    assert world.entities() == before | {third: before[parted]}


def test_what_is_not_sure_is_asked_in_the_words_of_the_batch(world: World) -> None:
    person, other = doubtful_person(world.store, world.rows.values())
    rid = put(world, "n1", person)
    found = arrive(world)
    (pair,) = found.doubtful
    assert {pair.left, pair.right} == {rid, other.rid}
    assert (pair.score_bp, pair.why, pair.compared) == (
        other.probability_bp, "not sure enough to do it unasked", other.why,
    )  # fmt: skip
    assert found.joined == 0 and world.entities()[rid] == rid


def test_a_record_that_changed_is_found_by_its_new_words_and_stays_where_it_is(world: World) -> None:
    """What it was joined to, or parted from, somebody may have decided: only the batch, which knows, moves it."""
    known, person = whole(world)
    rid = put(world, "n1", stranger(3))
    arrive(world)
    before = world.entities()
    assert put(world, "n1", person | {"zip": None}) == rid
    found = arrive(world)
    assert (found.indexed, found.joined, found.doubtful) == (1, 0, ())
    assert world.entities() == before
    matcher = current_matcher(world.store, "Person")
    assert matcher is not None
    assert {known, rid} <= {one.rid for one in match_one(world.store, matcher, person, least_bp=9_000)}


def test_a_source_that_holds_each_thing_once_gets_no_second(journal: Journal) -> None:
    world = World(journal)
    resolve_type(journal, world.store, "Person", SOURCES, now=NOW, single=frozenset({"crm.person"}))
    dataset_of = {rid: dataset for (dataset, _), rid in world.graph.rids.items()}
    known = next(
        rid for rid, row in world.rows.items() if dataset_of[rid] == "crm.person" and all(row[name] for name in WORDS)
    )
    again = put(world, "n1", world.rows[known])
    assert arrive(world).joined == 0
    assert world.entities()[again] == again
    elsewhere = put(world, "n2", world.rows[known], "erp.client")
    assert arrive(world).joined == 1
    assert world.entities()[elsewhere] in (world.entities()[known], again)


def test_very_many_at_once_are_only_indexed(world: World) -> None:
    _, person = whole(world)
    rids = [put(world, f"n{number}", person) for number in range(3)]
    found = arrive(world, most=2)
    assert (found.indexed, found.joined, found.left) == (3, 0, 3)
    assert set(rids) <= {rid for (rid,) in world.store.read("select rid from blocking")}
    assert all(world.entities()[rid] == rid for rid in rids)


def test_a_model_of_before_only_indexes(world: World) -> None:
    (trained,) = events(world.store, "resolution.trained")
    old = {name: value for name, value in trained.event.data.items() if name not in ("single", "as_of")}
    world.journal.append_now(Event("resolution.trained", "resolution", old, trained.event.case))
    rid = put(world, "n1", whole(world)[1])
    found = arrive(world)
    assert (found.indexed, found.joined, found.left) == (1, 0, 1)
    assert world.entities()[rid] == rid


def test_who_was_erased_gets_no_keys_and_a_type_without_a_model_costs_nothing(world: World) -> None:
    rid = put(world, "n1", whole(world)[1])
    with world.store.transaction() as transaction:
        transaction.execute("update record set salt = null where rid = ?", (rid,))
    assert arrive(world).indexed == 0
    assert world.store.read("select count(*) from blocking where rid = ?", (rid,)) == [(0,)]
    settings = world.store.read("select name from setting order by name")
    assert match_arrived(world.journal, world.store, "Order") is None
    assert world.store.read("select name from setting order by name") == settings


def test_what_a_person_joined_by_hand_meanwhile_stays(world: World) -> None:
    _, person = whole(world)
    rid, other = put(world, "n1", person), put(world, "n2", stranger(4))
    merge_entities(world.journal, [rid, other], how="by hand", score_bp=10_000, why="known", actor="person:ana")
    arrive(world)
    now = world.entities()
    assert now[rid] == now[other]
    assert {one for one, eid in now.items() if eid == now[rid]} == {rid, other}
    assert world.store.read("select count(*) from member where rid = ? and tx_to = ?", (rid, OPEN)) == [(1,)]
