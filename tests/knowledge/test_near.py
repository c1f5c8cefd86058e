"""Searching by meaning: what goes with the words is found, what may not be seen leaves no trace, receipts replay."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
from tests.knowledge.graph_builder import START, GraphBuilder, Put

from remit.canonical import INTEGER_MAX as OPEN
from remit.errors import BadInput
from remit.knowledge import near as near_module
from remit.knowledge.entity import find_entity
from remit.knowledge.erasing import erase_entity
from remit.knowledge.integrity import check_knowledge
from remit.knowledge.near import search_near
from remit.knowledge.receipt import find_receipt, record_search, replay_receipt
from remit.knowledge.search import SearchAsk, SearchResult, search
from remit.ledger.journal import Journal

SALES, FINANCE = "s/i", "f/i"
SALT = b"0" * 32


def texts_of(words: str, twins: tuple[str, str], seed: int) -> list[str]:
    """Texts of one topic, each with one of two words that mean the same and never stand together."""
    chance = random.Random(seed)
    return sorted({" ".join([*chance.sample(words.split(), 3), chance.choice(twins)]) for _ in range(60)})


TRANSPORT = texts_of(
    "shipment parcel truck port customs driver route harbour container arrival", ("late", "delayed"), 1
)
MONEY = texts_of("invoice bill payment account booking bank refund ledger credit month", ("owed", "due"), 2)


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    graph = GraphBuilder(journal, {"desk.note": "Note"})
    graph.begin_load("desk.note", START)
    graph.put(*(note(f"N{place}", text) for place, text in enumerate([*TRANSPORT, *MONEY])))
    return graph


def note(key: str, text: str, scope: str = SALES, valid_from: int = 0, valid_to: int = OPEN) -> Put:
    said = {"text": (text, scope), "pages": (3, scope)}
    return Put("desk.note", key, said, valid_from=valid_from, valid_to=valid_to)  # type: ignore[arg-type]


def ask(graph: GraphBuilder, text: str, *scopes: str, limit: int = 20, as_of: int | None = None) -> SearchAsk:
    size = graph.size if as_of is None else as_of
    return SearchAsk("a", text, scopes or (SALES,), size, START, START, limit, SALT, near=True)


def find(graph: GraphBuilder, text: str, *scopes: str, **more: Any) -> SearchResult:
    with graph.journal.store.snapshot() as reader:
        return search_near(reader, ask(graph, text, *scopes, **more))


def values(found: SearchResult) -> list[str]:
    return [fact["value"] for fact in found.as_json()["facts"]]


def test_what_shares_no_word_is_found_by_the_company_that_words_keep(graph: GraphBuilder) -> None:
    """Late and delayed never stand in one text; they stand beside the same words."""
    found = values(find(graph, "delayed", limit=100))
    direct = [text for text in TRANSPORT if "delayed" in text]
    assert set(found[: len(direct)]) == set(direct), "the word itself comes first"
    assert set(found) == set(TRANSPORT)
    assert set(values(find(graph, "owed", limit=100))) == set(MONEY)
    with graph.journal.store.snapshot() as reader:
        words_only = search(reader, ask(graph, "delayed", limit=100))
    assert not any("late" in text.split() for text in values(words_only))


def test_the_nearest_comes_first_and_what_has_nothing_to_do_with_it_not_at_all(graph: GraphBuilder) -> None:
    wanted = TRANSPORT[7]
    assert values(find(graph, f"{wanted.upper()}, please?", limit=1)) == [wanted]
    for text in ("zebra", "?!", "7"):
        assert values(find(graph, text)) == []
    assert len(find(graph, "late", limit=3).facts) == 3


def test_what_may_not_be_seen_takes_no_place_and_moves_nothing(graph: GraphBuilder) -> None:
    """The words of other departments do not show in what is near: not by a hit, and not by the order of hits."""
    before = find(graph, "delayed parcel", limit=50).as_json()["facts"]
    graph.put(*(note(f"X{n}", f"delayed parcel invoice {n} zebra", FINANCE) for n in range(60)))
    assert find(graph, "delayed parcel", limit=50).as_json()["facts"] == before
    assert find(graph, "zebra").facts == ()
    assert len(find(graph, "zebra", FINANCE, limit=100).facts) == 60
    assert find(graph, "delayed", "no/scope").facts == ()


def test_it_looks_as_of_a_ledger_size_and_a_moment(graph: GraphBuilder) -> None:
    size = graph.size
    then = find(graph, "delayed parcel").as_json()
    graph.put(note("N0", "zebra"), note("Y1", "delayed parcel of yesterday", valid_to=START))
    graph.put(note("Y2", "delayed parcel of tomorrow", valid_from=START + 1))
    assert find(graph, "delayed parcel", as_of=size).as_json() == then
    assert "yesterday" not in str(values(find(graph, "yesterday tomorrow", limit=100)))
    assert values(find(graph, "zebra")) == ["zebra"]


def test_too_many_texts_are_cut_and_it_is_said(graph: GraphBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(graph, "delayed").complete
    monkeypatch.setattr(near_module, "TEXTS_MAX", len(MONEY))
    found = find(graph, "delayed owed", limit=100)
    assert not found.complete
    assert values(found) and set(values(found)) <= set(MONEY), "those that became known last are compared"


def test_a_receipt_replays_without_the_extra_and_after_erasing(
    graph: GraphBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = graph.journal.store
    asked = ask(graph, "delayed parcel", limit=10)
    with store.snapshot() as reader:
        found = search_near(reader, asked)
    digest = record_search(graph.journal, asked, found)
    with store.snapshot() as reader:
        data = find_receipt(reader, digest).event.data
    assert (data["near"], data["facts"], "delayed" in str(data)) == (True, list(found.facts), False)
    graph.put(*(note(f"Z{n}", f"delayed parcel {n}") for n in range(50)))  # other texts, another space

    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(BadInput, match=r"needs the extra: pip install 'remit\[embed\]'"):
        find(graph, "delayed")
    with store.snapshot() as reader:
        again = replay_receipt(reader, digest)
    assert (again.state, again.data) == ("same", found.as_bytes())

    with store.snapshot() as reader:
        entity = find_entity(reader, found.as_json()["facts"][0]["record"])
    erase_entity(graph.journal, entity, why="asked for", actor="person:ana")
    with store.snapshot() as reader:
        again = replay_receipt(reader, digest)
    assert (again.state, again.erased) == ("same, erased", 1)
    assert check_knowledge(store).receipts == ()


def test_what_was_erased_is_not_found(graph: GraphBuilder) -> None:
    graph.put(note("E1", "zebra crossing"))
    assert values(find(graph, "zebra")) == ["zebra crossing"]
    with graph.journal.store.snapshot() as reader:
        entity = find_entity(reader, "desk.note/E1")
    erase_entity(graph.journal, entity, why="asked for", actor="person:ana")
    assert find(graph, "zebra").facts == ()


def test_receipts_of_searches_by_words_keep_their_form(graph: GraphBuilder) -> None:
    plain = SearchAsk("a", "x", (SALES,), graph.size, START, START, 5, SALT)
    assert "near" not in plain.as_json()


@pytest.mark.parametrize(("text", "limit"), [("", 5), ("x" * 501, 5), ("x", 0), ("x", 101)])
def test_bounds(graph: GraphBuilder, text: str, limit: int) -> None:
    with pytest.raises(BadInput, match="expected 1 to"):
        find(graph, text, limit=limit)


@pytest.mark.parametrize("count", [0, 1, 2, 18, 19, 20])
def test_few_texts_are_compared_as_well(journal: Journal, count: int) -> None:
    graph = GraphBuilder(journal, {"desk.note": "Note"})
    graph.begin_load("desk.note", START)
    graph.put(*(note(f"N{place}", text) for place, text in enumerate(TRANSPORT[:count])), note("W", "?!"))
    assert (TRANSPORT[0] in values(find(graph, TRANSPORT[0]))) is (count > 0)
