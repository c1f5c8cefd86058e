"""Contexts: what may be seen and nothing else, as of any moment, with what is odd about it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.knowledge.graph_builder import START, GraphBuilder, Put
from tests.knowledge.leak_trial import TYPES, RandomWorld, compare, leak_trial

from remit.errors import BadInput, NotFound
from remit.knowledge.context import Context, ContextAsk, read_context, visible_entity
from remit.knowledge.entity import merge_entities
from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store

NOW = START + 1_000
SALES, PII, FINANCE = "sales/internal", "sales/pii", "finance/internal"


@contextmanager
def sqlite_journal() -> Iterator[Journal]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:{Path(folder) / 'store.db'}")
        journal = Journal(store)
        yield journal
        journal.close()
        store.close()


@settings(max_examples=8, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_contexts_are_what_a_reader_gives_that_never_sees_what_is_not_visible(seed: int) -> None:
    """2,000 contexts of 8 random histories."""
    trial = leak_trial(sqlite_journal, 250, seed)
    assert trial.contexts == 250 and trial.differing == []


@settings(max_examples=1, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_the_same_on_the_store_under_test(journal: Journal, seed: int) -> None:
    trial = compare(RandomWorld(journal, seed, rounds=25), 150)
    assert trial.contexts == 150 and trial.differing == []


def test_the_random_worlds_have_what_the_comparison_is_about() -> None:
    trial = leak_trial(sqlite_journal, 600, 100)
    assert trial.contexts - trial.nothing > 150
    wanted = ("late", "corrected", "ahead", "untrusted", "quarantined", "contradicted", "stale True", "stale False")
    for word in (
        *wanted,
        "stale None",
        "links",
        "neighbours",
        "of several records",
        "cut facts",
        "cut entities",
        "cut links",
    ):
        assert trial.words[word] > 3, (word, trial.words)


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    return GraphBuilder(journal, TYPES)


def read(graph: GraphBuilder, dataset: str, key: str, *scopes: str, **changes: Any) -> Context:
    ask = ContextAsk("a", graph.rids[dataset, key], scopes, graph.size, NOW, NOW)
    with graph.journal.store.snapshot() as reader:
        return read_context(reader, replace(ask, **changes))


def refused(graph: GraphBuilder, dataset: str, key: str, *scopes: str, **changes: Any) -> str:
    with pytest.raises(NotFound) as caught:
        read(graph, dataset, key, *scopes, **changes)
    return str(caught.value)


def an_account(graph: GraphBuilder, key: str = "A1", **facts: Any) -> None:
    said = {name: (value, SALES) for name, value in (facts or {"name": "Acme"}).items()}
    graph.put(Put("crm.account", key, said))


def test_what_is_not_there_and_what_may_not_be_seen_are_answered_alike(graph: GraphBuilder, store: Store) -> None:
    graph.begin_load("crm.account", START)
    an_account(graph)
    unseen = refused(graph, "crm.account", "A1", FINANCE)
    absent = refused(graph, "crm.account", "A1", SALES, entity=77)
    assert unseen.replace("e1", "e77") == absent
    for text in ("Customer/A1", "crm.account/A1", "e1"):
        with store.snapshot() as reader:
            assert visible_entity(reader, text, [SALES], graph.size, NOW) == 1
            with pytest.raises(NotFound) as unseen_by_name:
                visible_entity(reader, text, [FINANCE], graph.size, NOW)
            with pytest.raises(NotFound) as absent_by_name:
                visible_entity(reader, text.replace("1", "9"), [SALES], graph.size, NOW)
        assert str(unseen_by_name.value).replace("1", "9") == str(absent_by_name.value)


def test_a_merge_with_what_may_not_be_seen_does_not_show(graph: GraphBuilder) -> None:
    """Not in the name, not in records, links or contradictions; not by whose number the entity is kept under."""
    graph.begin_load("billing.customer", START)
    link = {"of": ("shop.order", "O1", SALES)}
    graph.put(Put("billing.customer", "B1", {"name": ("Other", FINANCE)}, link))
    graph.begin_load("crm.account", START)
    an_account(graph)
    graph.put(Put("shop.order", "O1", {"state": ("due", SALES)}))
    before = read(graph, "crm.account", "A1", SALES)
    merge_entities(graph.journal, [1, 3], how="rule", score_bp=9_900, why="same", actor="er")
    after = read(graph, "crm.account", "A1", SALES)
    assert after.as_json() | {"digest": "", "ask": 0} == before.as_json() | {"digest": "", "ask": 0}
    assert refused(graph, "billing.customer", "B1", SALES) == refused(graph, "billing.customer", "B1")
    whole = read(graph, "crm.account", "A1", SALES, FINANCE).as_json()
    assert [fact["flags"] for fact in whole["facts"] if fact["name"] == "name"] == [["contradicted"]] * 2
    assert [link["name"] for link in whole["links"]] == ["of"]


def test_a_link_to_what_may_not_be_seen_is_not_counted_either(graph: GraphBuilder) -> None:
    graph.begin_load("crm.account", START)
    an_account(graph)
    for number in range(5):
        graph.put(Put("shop.order", f"O{number}", {"state": ("due", FINANCE)}, {"of": ("crm.account", "A1", SALES)}))
    seen = read(graph, "crm.account", "A1", SALES, cap=2).as_json()
    assert (seen["links"], seen["cut"], len(seen["entities"])) == ([], {"facts": 0, "entities": 0, "links": []}, 1)
    both = read(graph, "crm.account", "A1", SALES, FINANCE, cap=2).as_json()
    assert len(both["links"]) == 2
    assert both["cut"]["links"] == [{"record": "crm.account/A1", "side": "in"}]


def ages(context: Context) -> list[tuple[Any, ...]]:
    return [
        (fact["age_seconds"], fact["fresh_seconds"], fact["stale"], fact["trust"]) for fact in context.data["facts"]
    ]


def test_age_counts_from_the_last_whole_load_known_then(graph: GraphBuilder) -> None:
    one = graph.begin_load("crm.account", START, 500, "high")
    an_account(graph)
    running = graph.size
    graph.end_load(one)
    first = graph.size
    two = graph.begin_load("crm.account", START + 900, 500, "low")
    graph.end_load(two, "failed")
    after_failure = graph.size
    three = graph.begin_load("crm.account", START + 950, 500, "low")
    graph.end_load(three)
    read_at = {
        size: ages(read(graph, "crm.account", "A1", SALES, as_of=size)) for size in (running, first, after_failure)
    }
    assert set(map(str, read_at.values())) == {"[(1000, 500, True, 'high')]"}
    assert ages(read(graph, "crm.account", "A1", SALES)) == [(50, 500, False, "low")]


def test_what_a_running_load_has_brought_is_as_old_as_that_load(graph: GraphBuilder) -> None:
    graph.end_load(graph.begin_load("crm.account", START, 10, "high"))
    graph.begin_load("crm.account", START + 990, 100, "low")
    an_account(graph)
    assert ages(read(graph, "crm.account", "A1", SALES)) == [(10, 100, False, "low")]


def test_age_counts_from_the_rows_own_moment_where_its_table_names_one(graph: GraphBuilder) -> None:
    load = graph.begin_load("crm.account", START, 500, by_observed=True)
    graph.put(Put("crm.account", "A1", {"name": ("Acme", SALES)}, observed=START + 100))
    graph.put(Put("crm.account", "A2", {"name": ("Acme", SALES)}, observed=NOW + 301))
    graph.end_load(load)
    assert ages(read(graph, "crm.account", "A1", SALES)) == [(900, 500, True, "normal")]
    assert ages(read(graph, "crm.account", "A2", SALES)) == [(-301, 500, None, "normal")]


def test_bounds_are_checked(graph: GraphBuilder) -> None:
    graph.begin_load("crm.account", START)
    an_account(graph)
    wrong = {
        "hops": (-1, 3, True), "cap": (0, 101), "entities_max": (0, 1_001), "facts_max": (0, 5_001),
        "valid_at": (-1, 2**53), "now": (-1,), "entity": (-1, 2**53), "as_of": (-1, 10**6),
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(BadInput, match=name.replace("_of", " of")):
                read(graph, "crm.account", "A1", SALES, **{name: value})


@pytest.mark.parametrize("text", ["", "/", "x", "Customer/", "/A1", "e", "e-1", "e1.5", "Customer/\0", "e" + "9" * 16])
def test_texts_that_are_no_names_of_entities_are_the_users_fault(store: Store, text: str) -> None:
    with store.snapshot() as reader, pytest.raises(BadInput, match="not an entity"):
        visible_entity(reader, text, [SALES], 0, NOW)


def test_a_name_that_means_several_visible_entities_is_said_so(graph: GraphBuilder, store: Store) -> None:
    graph.begin_load("crm.account", START)
    an_account(graph, "X")
    graph.put(Put("billing.customer", "X", {"name": ("Other", FINANCE)}))
    with store.snapshot() as reader:
        assert visible_entity(reader, "Customer/X", [SALES], graph.size, NOW) == 1
        with pytest.raises(BadInput, match="several entities are called 'Customer/X': e1, e2"):
            visible_entity(reader, "Customer/X", [SALES, FINANCE], graph.size, NOW)


def test_the_digest_covers_all_that_is_shown(graph: GraphBuilder) -> None:
    """Whatever differs in what is shown, differs in the digest."""
    load = graph.begin_load("crm.account", START, 500)
    an_account(graph, name="Acme", tier="gold")
    graph.put(Put("shop.order", "O1", {"state": ("due", SALES)}, {"of": ("crm.account", "A1", SALES)}))
    graph.end_load(load)
    base = read(graph, "crm.account", "A1", SALES)
    assert read(graph, "crm.account", "A1", SALES) == base
    changes: list[dict[str, Any]] = [
        {"agent": "b"}, {"now": NOW + 1}, {"hops": 0}, {"facts_max": 1}, {"cap": 1}, {"valid_at": NOW - 1},
    ]  # fmt: skip
    digests = {base.digest, *(read(graph, "crm.account", "A1", SALES, **change).digest for change in changes)}
    edits: list[tuple[str, tuple[Any, ...]]] = [
        ("update property set name = 'x' where name = 'tier'", ()),
        ("update property set type = 'x' where name = 'name'", ()),
        *((f"update fact set {column} = 9999999999 where fid = 1", ()) for column in ("valid_to", "observed")),
        ("update fact set valid_from = 5 where fid = 1", ()),
        ("update fact set flags = 1 where fid = 1", ()),
        ("update fact set vh = ? where fid = 1", (b"x" * 16,)),
        ("update fact set pid = 2 where fid = 1", ()),
        *((f"update load set {column} = 5", ()) for column in ("fresh_seconds", "started")),
        ("update load set trust = 'low'", ()),
        ("update link set valid_to = 9999999999", ()),
        ("update link set flags = 1", ()),
        ("update link set src = dst, dst = src", ()),
        ("update record set kh = ? where rid = 1", (b"x" * 16,)),
        ("update dataset set name = 'crm.other' where did = 1", ()),
        ("update member set tx_to = 1 where rid = 2", ()),
    ]
    ask = base.ask
    for statement, values in edits:
        with suppress(_Back), graph.journal.store.transaction() as transaction:
            assert transaction.execute(statement, values) >= 1, statement
            digests.add(read_context(transaction, ask).digest)
            raise _Back
    assert len(digests) == 1 + len(changes) + len(edits)


class _Back(Exception):
    """Rolls back."""
