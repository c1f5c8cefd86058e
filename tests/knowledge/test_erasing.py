"""Erasing: nothing of the person is left in any table, and everything that was proven still is."""

from __future__ import annotations

import json

import pytest
from tests.knowledge.graph_builder import START, GraphBuilder, Put

from remit.errors import BadInput, Conflict, NotFound
from remit.knowledge.context import ContextAsk, read_context
from remit.knowledge.context_query import FactRow
from remit.knowledge.entity import find_entity, merge_entities, split_entity
from remit.knowledge.erasing import erase_entity
from remit.knowledge.fact_standing import contradicted_facts
from remit.knowledge.integrity import check_knowledge
from remit.knowledge.pepper import erased_hash, make_pepper, read_pepper
from remit.knowledge.receipt import record_context, replay_receipt
from remit.knowledge.search import index_text
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.store.tables import TABLES

TYPES = {"crm.account": "Customer", "billing.customer": "Customer", "shop.order": "Order"}
SEE = ("s/i",)
SAID = {"why": "asked to be forgotten", "actor": "ana"}


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    """Zoe, known to two systems, with an older name, an order and a row that was held back; and Ben."""
    graph = GraphBuilder(journal, TYPES)
    load = graph.begin_load("crm.account", START)
    graph.put(Put("crm.account", "zoe@x.io", {"name": ("Zoe Old", "s/i")}))
    graph.put(Put("crm.account", "zoe@x.io", {"name": ("Zoe Newly", "s/i"), "city": ("Zurich", "s/i")}))
    graph.put(Put("billing.customer", "zoe-7", {"name": ("Zoe Billing", "s/i")}))
    graph.put(Put("shop.order", "O1", {"state": ("due", "s/i")}, {"of": ("crm.account", "zoe@x.io", "s/i")}))
    graph.put(Put("crm.account", "ben@x.io", {"name": ("Ben", "s/i")}))
    graph.end_load(load)
    graph.hold_back("crm.account", "zoe@x.io", "zoe has no such tier", json.dumps({"name": "Zoe Held"}))
    with journal.store.transaction() as transaction:
        transaction.insert_many("blocking", TABLES["blocking"], [(1, "zoe", 1), (1, "ben", 4)])
    merge_entities(journal, [1, 2], how="rule", score_bp=9_000, why="same mail", actor="er")
    index_text(journal.store)
    return graph


def everything(store: Store) -> str:
    """All that any table holds, as one text."""
    tables = {**TABLES, "search_term": "term,fid,size"}
    rows = [store.read(f"select {columns} from {table}") for table, columns in tables.items()]
    return str(rows)


def erase(graph: GraphBuilder, name: str) -> int:
    with graph.journal.store.snapshot() as reader:
        entity = find_entity(reader, name)
    return erase_entity(graph.journal, entity, **SAID).facts


def test_nothing_of_the_person_is_left_in_any_table(graph: GraphBuilder, store: Store) -> None:
    before = everything(store)
    for trace in ("Zoe Old", "Zoe Newly", "Zurich", "Zoe Billing", "zoe@x.io", "zoe-7", "Zoe Held", "zoe has", "'zoe'"):
        assert trace in before
    assert erase(graph, "crm.account/zoe@x.io") == 4
    assert "zoe" not in everything(store).lower() and "zurich" not in everything(store).lower()
    for trace in ("Ben", "ben@x.io", "'ben'", "O1", "due"):
        assert trace in everything(store)


def test_everything_that_was_proven_still_is(graph: GraphBuilder, store: Store) -> None:
    def shown(rid: int) -> str:
        with store.snapshot() as reader:
            context = read_context(reader, ContextAsk("a", rid, SEE, graph.size, START, START))
        return record_context(graph.journal, context)

    of_zoe, of_order, of_ben = shown(1), shown(3), shown(4)
    assert check_knowledge(store).holds
    erase(graph, "crm.account/zoe@x.io")
    assert check_knowledge(store).holds
    with store.snapshot() as reader:
        states = {name: replay_receipt(reader, digest) for name, digest in
                  (("zoe", of_zoe), ("order", of_order), ("ben", of_ben))}  # fmt: skip
    assert {name: (one.state, one.erased) for name, one in states.items()} == {
        "zoe": ("same, erased", 3), "order": ("same, erased", 3), "ben": ("same", 0),
    }  # fmt: skip
    assert b"Z" not in states["zoe"].data and b"zoe" not in states["zoe"].data


def test_a_contradiction_that_was_shown_is_still_told_when_one_side_of_it_is_erased(
    graph: GraphBuilder, store: Store
) -> None:
    """Values cannot be compared any more; the receipt remembers what was said of them."""
    merge_entities(graph.journal, [1, 4], how="rule", score_bp=9_000, why="wrongly", actor="er")
    with store.snapshot() as reader:
        context = read_context(reader, ContextAsk("a", 1, SEE, graph.size, START, START))
    digest = record_context(graph.journal, context)
    contradicted = [fact["name"] for fact in context.as_json()["facts"] if "contradicted" in fact["flags"]]
    assert contradicted == ["name"] * 3
    split_entity(graph.journal, [4], why="two people", actor="ana")
    erase(graph, "crm.account/ben@x.io")
    with store.snapshot() as reader:
        replayed = replay_receipt(reader, digest)
    assert (replayed.state, replayed.erased) == ("same, erased", 1)


def test_contradictions_are_between_records_and_need_values() -> None:
    def fact(fid: int, rid: int, value: str | None, eid: int = 1, pid: int = 1) -> FactRow:
        return FactRow(eid, rid, pid, 0, fid, value, 0, 1, 0, 1, 1, 0, b"")

    assert contradicted_facts([fact(1, 1, "a"), fact(2, 1, "b")]) == set()
    assert contradicted_facts([fact(1, 1, "a"), fact(2, 2, "b"), fact(3, 2, "a")]) == {1, 2}
    assert contradicted_facts([fact(1, 1, "a"), fact(2, 2, "b", pid=2), fact(3, 3, "b", eid=2)]) == set()
    group = [fact(1, 1, "a"), fact(2, 2, None), fact(3, 3, "b")]
    assert contradicted_facts(group) == set()
    assert contradicted_facts(group, {1, 2, 9}) == {1, 2}


def test_nothing_shows_now_that_there_was_anybody(graph: GraphBuilder, store: Store) -> None:
    erase(graph, "crm.account/zoe@x.io")
    with store.snapshot() as reader:
        for text in ("Customer/zoe@x.io", "crm.account/zoe@x.io"):
            with pytest.raises(NotFound):
                find_entity(reader, text)
        with pytest.raises(NotFound):
            read_context(reader, ContextAsk("a", 1, SEE, graph.size, START, START))
        order = read_context(reader, ContextAsk("a", 3, SEE, graph.size, START, START)).as_json()
    assert (order["links"], len(order["entities"]), order["cut"]["entities"]) == ([], 1, 0)


def test_the_key_is_known_again_and_no_other_is(graph: GraphBuilder, store: Store) -> None:
    erase(graph, "crm.account/zoe@x.io")
    with store.snapshot() as reader:
        pepper = read_pepper(reader)
        did: dict[str, int] = dict(reader.fetch("select name, did from dataset"))
    assert pepper is not None
    kept = {row[0] for row in store.read("select hash from erased_key")}
    assert kept == {
        erased_hash(pepper, did["crm.account"], "zoe@x.io"), erased_hash(pepper, did["billing.customer"], "zoe-7"),
    }  # fmt: skip
    assert erased_hash(pepper, did["billing.customer"], "zoe@x.io") not in kept


def test_erasing_again_or_what_has_changed_is_refused(graph: GraphBuilder, store: Store) -> None:
    with store.snapshot() as reader:
        zoe, ben = find_entity(reader, "e1"), find_entity(reader, "e4")
    with pytest.raises(BadInput, match="needs a reason"):
        erase_entity(graph.journal, zoe, why=" ", actor="ana")
    erase_entity(graph.journal, zoe, **SAID)
    size = graph.size
    with pytest.raises(Conflict, match="was erased before"):
        erase_entity(graph.journal, zoe, **SAID)
    merge_entities(graph.journal, [3, 4], how="x", score_bp=1, why="y", actor="er")
    with pytest.raises(Conflict, match="has other records by now"):
        erase_entity(graph.journal, ben, **SAID)
    assert graph.size == size + 1
    # Of an entity with an erased record, the others can still be erased.
    merge_entities(graph.journal, [1, 4], how="x", score_bp=1, why="y", actor="er")
    with store.snapshot() as reader:
        both = find_entity(reader, "e4")
    assert erase_entity(graph.journal, both, **SAID).records == (3, 4)
    assert check_knowledge(store).holds


def test_there_is_one_pepper(store: Store) -> None:
    with store.snapshot() as reader:
        assert read_pepper(reader) is None
    with store.transaction() as transaction:
        first = make_pepper(transaction)
        assert make_pepper(transaction) == first and len(first) == 32
    with store.snapshot() as reader:
        assert read_pepper(reader) == first
