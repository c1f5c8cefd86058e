"""Lineage: where a fact comes from, and every decision and receipt that rests on it, no more and no fewer."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.knowledge.graph_builder import START, GraphBuilder, Put

from remit.canonical import digest_bytes
from remit.errors import BadInput, NotFound
from remit.knowledge.context import ContextAsk, read_context
from remit.knowledge.entity import merge_entities
from remit.knowledge.lineage import fact_number, lineage_of
from remit.knowledge.receipt import record_context
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.vocabulary import Event


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    """An account with three versions, described by a text that the ledger has."""
    text = "source: crm\n"
    kept = {"sort": "sources", "name": "crm", "digest": "0" * 64, "text": text}
    journal.append_now(Event("document.kept", "ana", kept))
    graph = GraphBuilder(journal, {"crm.account": "Customer"})
    load = graph.begin_load("crm.account", START, 300, "high")
    graph.put(Put("crm.account", "A1", {"tier": ("gold", "s/i"), "city": ("Rome", "s/i")}, flags=2))
    graph.end_load(load)
    load = graph.begin_load("crm.account", START + 10, 300, "low")
    graph.put(Put("crm.account", "A1", {"tier": ("silver", "s/i"), "city": ("Rome", "s/i")}))
    graph.put(Put("crm.account", "A2", {"tier": ("iron", "s/i")}))
    graph.end_load(load)
    return graph


def decide(journal: Journal, case: str, facts: list[str], context: str | None = None) -> int:
    """Record a decision that rests on ``facts``."""
    action = {"agent": "agent-1", "context_digest": context}
    data: dict[str, Any] = {
        "action": action, "attempt": 1, "facts": [{"id": fact} for fact in facts], "decision": {"verdict": "deny"},
    }  # fmt: skip
    event = Event("action.decided", "agent:agent-1", data, case, digest_bytes(case.encode()), "decided:1")
    return journal.append_now(event)[0].seq


def receipt(graph: GraphBuilder, rid: int, as_of: int) -> str:
    with graph.journal.store.snapshot() as reader:
        context = read_context(reader, ContextAsk("agent-1", rid, ("s/i",), as_of, START + 20, START + 20))
    return record_context(graph.journal, context)


def test_a_fact_comes_from_a_row_of_a_load_of_a_described_source(graph: GraphBuilder, store: Store) -> None:
    merged = merge_entities(graph.journal, [1, 2], how="rule", score_bp=9_000, why="same", actor="er").seq
    with store.snapshot() as reader:
        found = lineage_of(reader, 1)
    fact, load = found.fact, found.load
    assert (fact.id, fact.record, fact.name, fact.type, fact.value) == (
        "f1",
        "crm.account/A1",
        "tier",
        "Customer",
        "gold",
    )
    assert (fact.scope, fact.flags, fact.since, fact.valid_to) == ("s/i", ("corrected",), 2, None)
    assert fact.until is not None and found.versions == ((2, fact.until, 1), (fact.until, None, 2))
    assert (load.load, load.mode, load.state, load.started, load.trust) == (1, "full", "ok", START, "high")
    assert load.text == "source: crm\n" and load.source_digest == "0" * 64
    assert [(item.eid, item.since, item.until, item.how) for item in found.memberships] == [(1, 2, None, "self")]
    assert found.values == (1, 3) and found.complete
    with store.snapshot() as reader:
        assert [item.how for item in lineage_of(reader, 5).memberships] == ["self", "rule"]
        assert lineage_of(reader, 5).memberships[1].since == merged


def test_everything_that_rests_on_it_is_found(graph: GraphBuilder, store: Store) -> None:
    old = receipt(graph, 1, 4)
    new = receipt(graph, 1, graph.size)
    other = receipt(graph, 2, graph.size)
    made = {
        "cites": decide(graph.journal, "cites", ["f1", "f99"]),
        "cites later": decide(graph.journal, "later", ["f3"]),
        "saw": decide(graph.journal, "saw", [], old),
        "saw later": decide(graph.journal, "sawlater", [], new),
        "both": decide(graph.journal, "both", ["f1"], old),
    }
    for case, facts, context in (("no", ["f11", "f2", "f5"], None), ("no2", [], other), ("no3", [], "f" * 64)):
        decide(graph.journal, case, facts, context)
    with store.snapshot() as reader:
        uses = lineage_of(reader, 1).uses
    assert [use.seq for use in uses] == sorted(use.seq for use in uses)
    receipts = {use.digest: use.how for use in uses if use.kind == "receipt"}
    assert receipts == {old: "shown", new: "shown, another value"}
    decisions = {(use.seq, use.how) for use in uses if use.kind == "decision"}
    assert decisions == {
        (made["cites"], "fact"),
        (made["cites later"], "fact, another value"),
        (made["saw"], "context"),
        (made["saw later"], "context, another value"),
        (made["both"], "fact"),
        (made["both"], "context"),
    }
    cited = next(use for use in uses if use.how == "fact")
    assert (cited.agent, cited.case, cited.digest) == ("agent-1", "cites", digest_bytes(b"cites"))


def test_many_values_of_one_field_and_many_decisions(graph: GraphBuilder, store: Store) -> None:
    """Against counting by hand, with more values than fit into one statement."""
    for number in range(45):
        graph.put(Put("crm.account", "A1", {"tier": (f"t{number}", "s/i")}))
    tiers = [row[0] for row in store.read("select fid from fact where rid = 1 and pid = 1 order by fid")]
    chance = random.Random(4)
    cited = {
        decide(graph.journal, f"c{n}", [f"f{fid}" for fid in chance.sample(range(1, 60), 4)]): n for n in range(40)
    }
    expected = set()
    for seq in cited:
        body = store.read("select body from event where seq = ?", (seq,))[0][0]
        if any(f'"id":"f{fid}"' in body for fid in tiers):
            expected.add(seq)
    with store.snapshot() as reader:
        found = [use.seq for use in lineage_of(reader, tiers[7]).uses]
        few = lineage_of(reader, tiers[7], events_max=10)
    assert sorted(expected) == found
    assert not few.complete and [use.seq for use in few.uses] == [
        seq for seq in sorted(expected) if seq >= graph.size - 10
    ]


def test_what_is_no_fact_is_said_so(store: Store) -> None:
    with store.snapshot() as reader, pytest.raises(NotFound, match="no fact f7"):
        lineage_of(reader, 7)
    assert fact_number("f120") == 120
    for text in ("", "f", "7", "e7", "f-1", "f1.0", "f" + "1" * 20, "f²"):
        with pytest.raises(BadInput, match="not a fact"):
            fact_number(text)
