"""Rows that are held back: listed, released after being checked again, dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from tests.knowledge.plain_load import OPEN

from remit.errors import BadInput, Conflict, NotFound
from remit.knowledge.fact_flags import RELEASED
from remit.knowledge.integrity import check_knowledge
from remit.knowledge.load_table import LoadReport, load_table
from remit.knowledge.openlineage import run_event
from remit.knowledge.quarantine import drop_held, held_entry, list_held, release_held
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.testing.knowledge_stand_ins import ListReader, a_fact, a_link, a_source, a_table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
COLUMNS = ("id", "name", "amount", "owner_id")
SOURCE = a_source(
    "crm", "sales",
    a_table("crm.account", "Customer", ["name", a_fact("amount", "integer")], links=(a_link("owner", "hr.person"),)),
)  # fmt: skip
GOOD, BAD, OTHER = ["A1", "Acme", "1", "p1"], ["A2", "Bolt", "two", "p1"], ["A3", "Cart", "three", ""]


@pytest.fixture
def store(emptied_store: Store) -> Store:
    return emptied_store


def load(journal: Journal, store: Store, rows: Sequence[Sequence[object]], hour: int = 0) -> LoadReport:
    reader = ListReader({"account": (COLUMNS, rows)})
    return load_table(journal, store, SOURCE, "account", reader, now=NOW + timedelta(hours=hour))


def amounts(store: Store) -> dict[str, tuple[object, ...]]:
    rows = store.read(
        "select r.skey, f.value, f.valid_from, f.load, f.flags from fact f join record r on r.rid = f.rid "
        f"join property p on p.pid = f.pid where p.name = 'amount' and f.tx_to = {OPEN}"
    )
    return {row[0]: tuple(row[1:]) for row in rows}


def test_a_repaired_row_is_loaded_as_of_the_load_that_brought_it(journal: Journal, store: Store) -> None:
    load(journal, store, [GOOD, BAD, OTHER])
    with store.snapshot() as reader:
        entries = list_held(reader)
        assert [(entry.qid, entry.key, entry.rule, entry.state, entry.until) for entry in entries] == [
            (2, "A3", "type", "open", None), (1, "A2", "type", "open", None)
        ]  # fmt: skip
        assert list_held(reader, key="A2") == list_held(reader, before=2) == entries[1:]
        assert list_held(reader, rule="range") == list_held(reader, dataset="hr.person") == ()
        assert dict(held_entry(reader, 1).raw or {}) == {"cells": BAD, "columns": list(COLUMNS)}
    with pytest.raises(BadInput, match=r"amount: .*\(type\)"):
        release_held(journal, store, SOURCE, 1, by="ann")
    with pytest.raises(BadInput, match="not a mapped column"):
        release_held(journal, store, SOURCE, 1, {"amuont": "2"}, by="ann")
    with pytest.raises(NotFound):
        release_held(journal, store, SOURCE, 9, by="ann")
    counts = release_held(journal, store, SOURCE, 1, {"amount": "2"}, by="ann", why="they said so")
    assert (counts["new"], counts["facts"], counts["links"]) == (1, 2, 1)
    assert amounts(store)["A2"] == ("2", int(NOW.timestamp()), 1, RELEASED)
    with pytest.raises(Conflict, match="is released"):
        release_held(journal, store, SOURCE, 1, {"amount": "2"}, by="ann")
    said = orjson.loads(store.read("select body from event order by seq desc limit 1")[0][0])
    assert (said["kind"], said["actor"]) == ("quarantine.moved", "ann")
    assert (said["data"]["qid"], said["data"]["to"], said["data"]["repaired"]) == (1, "released", ["amount"])
    assert check_knowledge(store).holds, "its rows stand under the root in its event"


def test_the_same_bad_row_is_not_held_again_once_a_person_dealt_with_it(journal: Journal, store: Store) -> None:
    load(journal, store, [GOOD, BAD, OTHER])
    release_held(journal, store, SOURCE, 1, {"amount": "2"}, by="ann")
    with pytest.raises(BadInput, match="reason"):
        drop_held(journal, 2, " ", by="ann")
    drop_held(journal, 2, "a test row", by="ann")
    with pytest.raises(Conflict, match="is dropped"):
        drop_held(journal, 2, "again", by="ann")
    report = load(journal, store, [GOOD, BAD, OTHER], 1)
    assert (report.counts["bad"], report.counts["closed"]) == (2, 0)
    assert amounts(store)["A2"][0] == "2", "what was released stays"
    assert store.read("select count(*) from quarantine") == [(2,)]
    report = load(journal, store, [GOOD, ["A2", "Bolt", "2", "p1"], OTHER], 2)
    assert report.counts["unchanged"] == 2, "put right at the source as it was repaired here"
    load(journal, store, [GOOD, ["A2", "Bolt", "deux", "p1"], OTHER], 3)
    assert store.read("select count(*) from quarantine where state = 'open'") == [(1,)], "bad in another way is new"


def test_releasing_ends_every_entry_of_the_key(journal: Journal, store: Store) -> None:
    load(journal, store, [BAD])
    load(journal, store, [["A2", "Bolt", "zwei", "p1"]], 1)
    release_held(journal, store, SOURCE, 2, {"amount": 2}, by="ann")
    assert store.read("select state from quarantine order by qid") == [("superseded",), ("released",)]


def test_a_row_of_which_nothing_may_be_kept_cannot_be_released(journal: Journal, store: Store) -> None:
    load(journal, store, [BAD])
    with store.transaction() as transaction:
        transaction.execute("update quarantine set raw = null")
    with pytest.raises(BadInput, match="may be kept"):
        release_held(journal, store, SOURCE, 1, {"amount": "2"}, by="ann")


def test_a_row_that_is_cut_is_released_only_when_every_column_is_given(journal: Journal, store: Store) -> None:
    load(journal, store, [["A2", "long " * 10_000, "two", "p1"]])
    with pytest.raises(BadInput, match="not held back whole"):
        release_held(journal, store, SOURCE, 1, {"amount": "2"}, by="ann")
    whole = {"id": "A2", "name": "Bolt", "amount": "2", "owner_id": None}
    assert release_held(journal, store, SOURCE, 1, whole, by="ann")["facts"] == 2


def test_a_load_in_the_words_of_openlineage(journal: Journal, store: Store) -> None:
    whole = load(journal, store, [GOOD, BAD])
    began, ended = run_event(whole, SOURCE, "acme", began=True), run_event(whole, SOURCE, "acme")
    assert (began["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert began["run"] == ended["run"] and began["eventTime"] == "2026-11-21T00:00:00.000000Z"
    assert ended["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= set(ended)
    taken, made = ended["inputs"][0], ended["outputs"][0]  # type: ignore[index]
    assert (taken["namespace"], taken["name"]) == ("list:crm", "account")  # type: ignore[index,call-overload]
    metrics = taken["inputFacets"]["dataQualityMetrics"]  # type: ignore[index,call-overload]
    assert (metrics["rowCount"], metrics["columnMetrics"]) == (2, {})  # type: ignore[index,call-overload]
    names = [field["name"] for field in made["facets"]["schema"]["fields"]]  # type: ignore[index,call-overload,union-attr]
    assert names == ["name", "amount", "owner"]
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 1  # type: ignore[index,call-overload]
    failed = LoadReport("crm.account", 2, "full", "failed", whole.counts, 1.5, problem="no answer")
    event = run_event(failed, SOURCE, "acme")
    assert event["eventType"] == "FAIL"
    assert event["run"]["facets"]["errorMessage"]["message"] == "no answer"  # type: ignore[index,call-overload]
    assert event["run"]["runId"] != ended["run"]["runId"]  # type: ignore[index,call-overload]
