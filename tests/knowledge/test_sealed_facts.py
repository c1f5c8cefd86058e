"""What recorded facts said is put back from the graph only where it is what was committed to."""

from __future__ import annotations

from typing import Any

import pytest
from tests.knowledge.graph_builder import START, GraphBuilder, Put

from remit.knowledge.entity import find_entity
from remit.knowledge.erasing import erase_entity
from remit.knowledge.sealed_facts import open_facts
from remit.ledger.journal import Journal
from remit.ledger.sealing import EDITED_FACT, ERASED_FACT, is_closed

SAID = {"why": "asked to be forgotten", "actor": "ana"}


@pytest.fixture
def graph(journal: Journal) -> GraphBuilder:
    """Zoe with a name and a number, and Ben."""
    graph = GraphBuilder(journal, {"crm.account": "Customer"})
    load = graph.begin_load("crm.account", START)
    graph.put(Put("crm.account", "zoe@x.io", {"name": ("Zoe", "s/i"), "limit": (0, "s/i")}))
    graph.put(Put("crm.account", "ben@x.io", {"name": (["Ben", "B"], "s/i")}))
    graph.end_load(load)
    return graph


def recorded(graph: GraphBuilder, fid: int, **changes: Any) -> dict[str, Any]:
    """The fact as a decision would have recorded it, by the commitment that the graph has."""
    ((vh,),) = graph.journal.store.read("select vh from fact where fid = ?", (fid,))
    return {
        "name": f"n{fid}", "id": f"f{fid}", "source": "crm.account", "problem": "", "commitment": bytes(vh).hex(),
        **changes,
    }  # fmt: skip


def opened(graph: GraphBuilder, *facts: dict[str, Any]) -> list[dict[str, Any]]:
    with graph.journal.store.snapshot() as reader:
        return open_facts(reader, facts)


def change(graph: GraphBuilder, statement: str, *given: object) -> None:
    with graph.journal.store.transaction() as transaction:
        assert transaction.execute(statement, given) == 1


def test_value_and_record_are_put_back_in_order_and_nothing_else_is_changed(graph: GraphBuilder) -> None:
    clear = {"name": "paid", "value": 5, "record": "r", "source": "shop.paid", "problem": ""}
    older = {**clear, "id": "f1"}  # recorded before facts of the graph had commitments
    facts = [recorded(graph, 3), clear, recorded(graph, 2), older, recorded(graph, 1), recorded(graph, 3)]
    before = [dict(fact) for fact in facts]
    found = opened(graph, *facts)
    assert facts == before
    assert [fact["value"] for fact in found] == [["Ben", "B"], 5, 0, 5, "Zoe", ["Ben", "B"]]
    assert [fact["record"] for fact in found] == [
        "crm.account/ben@x.io", "r", "crm.account/zoe@x.io", "r", "crm.account/zoe@x.io", "crm.account/ben@x.io",
    ]  # fmt: skip
    assert (found[1], found[3]) == (clear, older)
    assert {**found[0], "value": None, "record": None} == {**facts[0], "value": None, "record": None}
    assert not any(map(is_closed, found))
    assert opened(graph) == []


def test_what_a_record_of_a_decision_claims_does_not_count(graph: GraphBuilder) -> None:
    (found,) = opened(graph, recorded(graph, 3, value="Another", record="another"))
    assert (found["value"], found["record"]) == (["Ben", "B"], "crm.account/ben@x.io")


def test_an_erased_fact_stays_sealed_and_says_so(graph: GraphBuilder) -> None:
    facts = [recorded(graph, number) for number in (1, 2, 3)]
    with graph.journal.store.snapshot() as reader:
        entity = find_entity(reader, "crm.account/zoe@x.io")
    erase_entity(graph.journal, entity, **SAID)
    found = opened(graph, *facts)
    assert [(fact["value"], fact["problem"]) for fact in found] == [
        (None, ERASED_FACT), (None, ERASED_FACT), (["Ben", "B"], ""),
    ]  # fmt: skip
    assert found[0]["record"].startswith("crm.account/erased/") and "zoe" not in str(found)
    assert [is_closed(fact) for fact in found] == [True, True, False]


@pytest.mark.parametrize(
    "statement",
    [
        "update fact set value = '\"Zoo\"' where fid = 3",
        "update fact set value = null where fid = 3",
        "update fact set rid = 1 where fid = 3",
        "update record set skey = 'zoo@x.io' where rid = 2",
        "update record set salt = null where rid = 2",
        "delete from fact where fid = 3",
        "delete from record where rid = 2",
    ],
)
def test_what_was_changed_in_place_is_not_used_and_is_no_erasure(graph: GraphBuilder, statement: str) -> None:
    fact, other = recorded(graph, 3), recorded(graph, 1)
    change(graph, statement)
    found, left = opened(graph, fact, other)
    assert (found["value"], found["record"], found["problem"]) == (None, "", EDITED_FACT)
    assert is_closed(found) and not is_closed(left)


def test_a_change_with_a_new_commitment_is_not_what_was_recorded(graph: GraphBuilder) -> None:
    """The commitment in the ledger counts, not the one in the table beside the value."""
    fact = recorded(graph, 3)
    ((value, vh),) = graph.journal.store.read("select value, vh from fact where fid = 1")
    change(graph, "update fact set value = ?, vh = ?, rid = 1 where fid = 3", value, bytes(vh))
    (found,) = opened(graph, fact)
    assert (found["value"], found["problem"]) == (None, EDITED_FACT)


def test_what_names_no_fact_is_not_what_was_recorded(graph: GraphBuilder) -> None:
    for number in ("", "f", "f0", "f99", "3", "f1; --", "f" + "9" * 30, None, 3, "f-3"):
        (found,) = opened(graph, recorded(graph, 3, id=number))
        assert (found["value"], found["problem"]) == (None, EDITED_FACT)
    for commitment in ("0" * 32, "x", 5, True):
        (found,) = opened(graph, recorded(graph, 3, commitment=commitment))
        assert (found["value"], found["problem"]) == (None, EDITED_FACT)
