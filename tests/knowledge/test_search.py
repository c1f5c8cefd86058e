"""Searching: the same hits on both stores, nothing that may not be seen, and nothing by which it shows."""

from __future__ import annotations

import random

import pytest
from tests.knowledge.graph_builder import START, GraphBuilder, Put

from remit.errors import BadInput
from remit.knowledge.search import SearchAsk, SearchResult, index_text, search
from remit.ledger.journal import Journal
from remit.store.engine import Store

SALES, FINANCE = "s/i", "f/i"
SALT = b"0" * 32


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    graph = GraphBuilder(journal, {"crm.account": "Customer", "desk.note": "Note"})
    graph.begin_load("crm.account", START)
    names = ("Müller Maschinenbau", "Miller & Sons", "Acme Corp", "ACME Holding", "Zeta")
    graph.put(
        *(Put("crm.account", f"A{n}", {"name": (name, SALES), "tier": ("gold", SALES)}) for n, name in enumerate(names))
    )
    note = "The pump of Acme leaks; the pump was sent back."
    graph.put(Put("desk.note", "N1", {"text": (note, SALES), "pages": (3, SALES)}))
    graph.put(Put("desk.note", "N2", {"text": ("Acme pump secret", FINANCE)}))
    return graph


def find(graph: GraphBuilder, text: str, *scopes: str, limit: int = 20, as_of: int | None = None) -> SearchResult:
    index_text(graph.journal.store)
    size = graph.size if as_of is None else as_of
    with graph.journal.store.snapshot() as reader:
        return search(reader, SearchAsk("a", text, scopes, size, START, START, limit, SALT))


def values(found: SearchResult) -> list[object]:
    return [fact["value"] for fact in found.as_json()["facts"]]


def test_words_are_found_whatever_their_case_and_accents(graph: GraphBuilder) -> None:
    assert values(find(graph, "acme", SALES))[:2] == ["Acme Corp", "ACME Holding"]
    assert values(find(graph, "MULLER", SALES))[0] == "Müller Maschinenbau"
    assert values(find(graph, "pump leaks", SALES)) == ["The pump of Acme leaks; the pump was sent back."]
    assert values(find(graph, "nowhere", SALES)) == []
    assert values(find(graph, "?!", SALES)) == []


def test_a_misspelt_name_is_found(graph: GraphBuilder) -> None:
    assert values(find(graph, "Maschinenbaux", SALES)) == ["Müller Maschinenbau"]
    assert "Acme Corp" in values(find(graph, "Akme Corpp", SALES))


def test_more_words_are_better_then_the_shorter_text(graph: GraphBuilder) -> None:
    found = values(find(graph, "acme pump", SALES, FINANCE))
    assert found[:2] == ["Acme pump secret", "The pump of Acme leaks; the pump was sent back."]


def test_what_may_not_be_seen_takes_no_place(graph: GraphBuilder) -> None:
    """A hit that would be first does not push out what comes after it, and leaves no trace."""
    before = find(graph, "acme pump", SALES, limit=1)
    assert values(before) == ["The pump of Acme leaks; the pump was sent back."]
    graph.put(*(Put("desk.note", f"X{n}", {"text": ("acme pump", FINANCE)}) for n in range(30)))
    after = find(graph, "acme pump", SALES, limit=1)
    assert after.as_json()["facts"] == before.as_json()["facts"]
    assert find(graph, "acme pump").facts == ()


def test_as_of_an_earlier_size_it_finds_what_was_known(graph: GraphBuilder) -> None:
    size = graph.size
    graph.put(Put("crm.account", "A4", {"name": ("Omega", SALES)}))
    assert values(find(graph, "zeta", SALES)) == [] and values(find(graph, "omega", SALES)) == ["Omega"]
    assert values(find(graph, "zeta", SALES, as_of=size)) == ["Zeta"]
    assert values(find(graph, "omega", SALES, as_of=size)) == []


def test_it_says_when_it_does_not_know_everything_yet(graph: GraphBuilder, store: Store) -> None:
    ask = SearchAsk("a", "zeta", (SALES,), graph.size, START, START)
    with store.snapshot() as reader:
        assert not search(reader, ask).complete
    assert index_text(store) == 13
    with store.snapshot() as reader:
        assert search(reader, ask).complete
    graph.put(Put("crm.account", "A9", {"name": ("Zeta Two", SALES)}))
    later = SearchAsk("a", "zeta", (SALES,), graph.size, START, START)
    with store.snapshot() as reader:
        assert search(reader, ask).complete, "nothing that was known then is missing"
        assert not search(reader, later).complete
    assert index_text(store) == 1 and index_text(store) == 0


def test_a_fact_found_is_shown_as_in_a_context(graph: GraphBuilder) -> None:
    (fact,) = find(graph, "zeta", SALES).as_json()["facts"]
    assert fact["entity"] == "e5" and fact["record"] == "crm.account/A4" and fact["name"] == "name"
    assert set(fact) >= {"id", "valid_from", "valid_to", "observed", "load", "age_seconds", "stale", "trust", "flags"}


def test_random_texts_against_looking_at_each(graph: GraphBuilder) -> None:
    """A word is found exactly where it stands and may be seen."""
    chance = random.Random(3)
    words = ["red", "green", "blue", "tall", "small"]
    rows = {
        f"R{n}": (" ".join(chance.sample(words, chance.randint(1, 4))), chance.choice((SALES, FINANCE)))
        for n in range(60)
    }
    graph.put(*(Put("desk.note", key, {"text": row}) for key, row in rows.items()))
    for word in words:
        for scopes in ((SALES,), (FINANCE,), (SALES, FINANCE)):
            found = find(graph, word, *scopes, limit=100).as_json()["facts"]
            expected = {
                f"desk.note/{key}" for key, (text, scope) in rows.items() if word in text.split() and scope in scopes
            }
            assert {fact["record"] for fact in found} == expected


@pytest.mark.parametrize(("text", "limit"), [("", 5), ("x" * 501, 5), ("x", 0), ("x", 101)])
def test_bounds(text: str, limit: int) -> None:
    class NoReader:
        dialect = "sqlite"

    with pytest.raises(BadInput, match="expected 1 to"):
        search(NoReader(), SearchAsk("a", text, (), 0, 0, 0, limit))  # type: ignore[arg-type]
