"""Facts for the gate: which of several counts, what is flagged, and that what may not be seen is as if it were not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.knowledge.graph_builder import START, GraphBuilder, Put

from remit.canonical import INTEGER_MAX as OPEN
from remit.errors import BadInput
from remit.gate.record import facts_data, read_facts
from remit.knowledge.commitment import value_commitment
from remit.knowledge.entity import merge_entities
from remit.knowledge.fact_reading import GraphNeed, read_graph_facts
from remit.knowledge.sealed_facts import open_facts
from remit.ledger.journal import Journal
from remit.vocabulary import Fact

TYPES = {
    "shop.order": "Order", "erp.order": "Order", "geo.country": "Country", "geo.region": "Region", "web.form": "Order",
}  # fmt: skip
NOW = datetime.fromtimestamp(START + 1_000, UTC)
SEE = ("s/i", "g/i")


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    """An order known to two systems, its country and the country's region."""
    graph = GraphBuilder(journal, TYPES)
    load = graph.begin_load("shop.order", START + 900, 300, "normal")
    graph.put(
        Put(
            "shop.order",
            "O1",
            {"hold": (True, "s/i"), "total": (900, "s/i")},
            {"country": ("geo.country", "FR", "s/i")},
        )
    )
    graph.end_load(load)
    load = graph.begin_load("geo.country", START, -1, "high")
    graph.put(
        Put(
            "geo.country",
            "FR",
            {"budget": (50_000, "g/i"), "secret": ("x", "g/hidden")},
            {"in": ("geo.region", "EU", "g/i")},
        )
    )
    graph.put(Put("geo.region", "EU", {"name": ("Europe", "g/i")}))
    graph.end_load(load)
    return graph


def get(graph: GraphBuilder, what: str, about: str = "Order/O1", scopes: tuple[str, ...] = SEE, **changes: Any) -> Fact:
    need = GraphNeed("it", about, what, 60)
    with graph.journal.store.snapshot() as reader:
        return read_graph_facts(reader, [need], scopes, changes.get("as_of", graph.size), changes.get("now", NOW))["it"]


def test_a_fact_says_where_it_is_from(graph: GraphBuilder) -> None:
    seen = datetime.fromtimestamp(START + 900, UTC)
    ((salt,),) = graph.journal.store.read("select salt from record where skey = 'O1'")
    commitment = value_commitment(bytes(salt), "true").hex()
    expected = Fact("it", True, "shop.order", "shop.order/O1", seen, 60, id="f1", trust="normal", commitment=commitment)
    assert get(graph, "hold") == get(graph, "hold", "shop.order/O1") == get(graph, "hold", "e1") == expected
    (recorded,) = facts_data({"it": expected})
    with graph.journal.store.snapshot() as reader:
        assert read_facts([*open_facts(reader, [recorded])]) == {"it": expected}  # type: ignore[list-item]


def test_links_are_followed_in_either_direction(graph: GraphBuilder) -> None:
    for what, about, value in (
        ("country.budget", "Order/O1", 50_000),
        ("country.in.name", "Order/O1", "Europe"),
        ("in.budget", "Region/EU", 50_000),
        ("in.country.total", "Region/EU", 900),
    ):
        assert get(graph, what, about).value == value


def test_what_is_missing_and_what_may_not_be_seen_have_the_same_problem(graph: GraphBuilder) -> None:
    hidden = get(graph, "country.secret")
    assert hidden.value is None and hidden.id == "" and hidden.trust == ""
    absent = get(graph, "country.nothing")
    assert absent.problem.replace("nothing", "secret", 1) != "" and absent.problem == hidden.problem.replace(
        "secret", "nothing"
    )
    assert get(graph, "hold", scopes=("g/i",)).problem == get(graph, "hold", "Order/O9").problem
    assert get(graph, "country.budget", scopes=("s/i",)) == get(graph, "country.budget", scopes=())
    assert get(graph, "country.budget", scopes=("s/i", "g/hidden")).value is None


def test_what_is_no_path_or_no_entity_is_missing_and_says_so(graph: GraphBuilder) -> None:
    for what in ("", ".", "a.", ".a", "a..b", "a.b.c.d"):
        fact = get(graph, what)
        assert fact.value is None and "expected a property" in fact.problem
    for about in ("", "Order", "Order/", "x y", "Order/\0"):
        assert "not an entity" in get(graph, "hold", about).problem


def test_a_problem_does_not_say_who_was_asked_about(graph: GraphBuilder) -> None:
    """It is recorded in clear, whatever becomes of the person."""
    for about in ("Order/zoe@x.io", "shop.order/zoe@x.io", "zoe@x.io", "zoe@x.io/", "/zoe@x.io"):
        for what in ("hold", "country.budget", "nothing"):
            for need in (GraphNeed("it", about, what, 60), GraphNeed("it", about, what, 60, "shop.order", "none")):
                with graph.journal.store.snapshot() as reader:
                    fact = read_graph_facts(reader, [need], SEE, graph.size, NOW)["it"]
                assert fact.value is None and fact.problem and "zoe" not in fact.problem
    graph.put(Put("erp.order", "O1", {"hold": (False, "s/i")}))
    assert "several entities" in get(graph, "hold").problem and "O1" not in get(graph, "hold").problem


def also_known(graph: GraphBuilder, dataset: str, trust: str, value: Any, observed: int = START, **more: Any) -> int:
    load = graph.begin_load(dataset, START + 950, 300, trust)
    graph.put(Put(dataset, "X1", {"hold": (value, more.pop("scope", "s/i"))}, observed=observed, **more))
    graph.end_load(load)
    merge_entities(graph.journal, [1, graph.rids[dataset, "X1"]], how="rule", score_bp=9_000, why="same", actor="er")
    return graph.rids[dataset, "X1"]


def test_the_most_trusted_counts_then_the_latest_then_the_first(graph: GraphBuilder) -> None:
    also_known(graph, "web.form", "low", False, observed=START + 5_000)
    assert get(graph, "hold").value is True
    also_known(graph, "erp.order", "normal", False, observed=START + 1)
    assert get(graph, "hold").value is False
    assert get(graph, "hold").flags == ("contradicted",)


def test_of_equals_the_first_counts(graph: GraphBuilder) -> None:
    also_known(graph, "erp.order", "normal", False)
    assert get(graph, "hold").id == "f1"


def test_a_contradiction_that_may_not_be_seen_is_none(graph: GraphBuilder) -> None:
    also_known(graph, "erp.order", "high", False, scope="s/hidden")
    fact = get(graph, "hold")
    assert (fact.value, fact.flags) == (True, ())
    assert get(graph, "hold", "Order/X1").value is None


def test_links_of_a_record_that_may_not_be_seen_are_not_followed(graph: GraphBuilder) -> None:
    """Though the link itself may be seen, and the record's entity too: following it would tell that they are one."""
    links = {"region": ("geo.region", "EU", "s/i")}
    also_known(graph, "erp.order", "high", False, scope="s/hidden", links=links)
    assert get(graph, "region.name").value is None
    assert get(graph, "region.name", scopes=(*SEE, "s/hidden")).value == "Europe"


def test_who_agrees_does_not_contradict(graph: GraphBuilder) -> None:
    also_known(graph, "erp.order", "normal", True)
    assert get(graph, "hold").flags == ()


def test_two_linked_entities_that_differ_contradict_each_other(graph: GraphBuilder) -> None:
    graph.begin_load("shop.order", START + 900, 300)
    graph.put(Put("shop.order", "O2", {"total": (700, "s/i")}, {"country": ("geo.country", "FR", "s/i")}))
    fact = get(graph, "country.total", "Country/FR")
    assert fact.value == 900 and fact.flags == ("contradicted",)


def test_untrusted_and_held_back_are_flagged(graph: GraphBuilder) -> None:
    load = graph.begin_load("shop.order", START + 990, 300, "untrusted")
    graph.end_load(load)
    graph.hold_back("shop.order", "O1")
    assert get(graph, "hold").flags == ("quarantined", "untrusted")
    assert get(graph, "hold").trust == "untrusted"


def test_only_what_is_valid_now_counts(graph: GraphBuilder) -> None:
    graph.put(Put("shop.order", "O1", {"hold": (False, "s/i")}, valid_from=0, valid_to=START + 1_000))
    assert get(graph, "hold").value is None
    assert get(graph, "hold", now=NOW - timedelta(seconds=1)).value is False


def test_as_of_an_earlier_size_it_is_what_it_was(graph: GraphBuilder) -> None:
    size = graph.size
    graph.put(Put("shop.order", "O1", {"hold": (False, "s/i")}, valid_to=OPEN))
    assert get(graph, "hold").value is False
    assert get(graph, "hold", as_of=size).value is True


def test_too_many_links_are_no_answer(graph: GraphBuilder) -> None:
    rows = [
        Put("shop.order", f"P{number}", {"total": (1, "s/i")}, {"country": ("geo.country", "FR", "s/i")})
        for number in range(101)
    ]
    graph.put(*rows)
    fact = get(graph, "country.total", "Country/FR")
    assert fact.value is None and "more than 100 links 'country'" in fact.problem


def test_a_moment_without_a_zone_is_refused(graph: GraphBuilder) -> None:
    with pytest.raises(BadInput, match="time zone"):
        get(graph, "hold", now=datetime(2026, 1, 1))
