"""Facts of the graph at the gate: within the scope, as old as their source was read, refreshed where it says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.run.conftest import Open, with_source

from remit.app import Control
from remit.ledger.query import EventFilter, find_events

SOURCE = """\
source: erp
department: logistics
connect: {kind: sql, url: "sqlite:///%s"}
tables:
  order:
    is: Order
    key: id
    fresh: 4h
    facts:
      paid: {kind: integer}
      margin: {see: restricted}
    links:
      customer: {to: erp.customer, by: customer}
  customer:
    is: Customer
    key: id
    facts:
      tier: {one_of: [gold, silver]}
  hold:
    is: Hold
    key: id
    fresh: 24h
    facts:
      reason: {required: true}
    links:
      stops: {to: erp.order, by: order_id}
"""
FACTS = """
    facts:
      paid: {about: "Order/$order", get: paid, type: integer, fresh: 1h, stale: refresh}
      tier: {about: "Order/$order", get: customer.tier, type: text, missing: deny}
      hold: {about: "Order/$order", get: stops.reason, type: text, fresh: 24h, absent: {in: erp.hold, means: none}}
      margin: {about: "Order/$order", get: margin, type: text, missing: allow}
"""


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The ERP's own database."""
    with closing(sqlite3.connect(tmp_path / "erp.db", isolation_level=None)) as connection:
        connection.executescript(
            """
            create table "order" (id text, paid integer, margin text, customer text);
            create table customer (id text, tier text);
            create table hold (id text, order_id text, reason text);
            insert into "order" values ('A1', 40000, 'x', 'C1'), ('A2', 9000, 'y', 'C1'), ('A3', 9000, 'y', 'C9');
            insert into customer values ('C1', 'gold');
            insert into hold values ('H1', 'A2', 'recall');
            """
        )
        yield connection


@pytest.fixture
def folder(folder: Path, erp: sqlite3.Connection, tmp_path: Path) -> Path:
    """The small company, whose refund desk asks the graph; its clock is set by hand."""
    head, rest = with_source(folder, SOURCE % (tmp_path / "erp.db"), "refund-desk")
    (folder / "agents" / "refund-desk.yaml").write_text(
        head.replace("actions:\n", "knowledge: {see: [logistics/internal]}\nactions:\n", 1)
        + FACTS.lstrip("\n")
        + rest[rest.index("    limits:") :]
    )
    return folder


@pytest.fixture
def control(opened: Open) -> Control:
    """The company with everything loaded once."""
    control = opened()
    control.set_now(datetime(2026, 3, 1, 12, tzinfo=UTC))
    for table in ("customer", "order", "hold"):
        assert control.desk and control.knowledge.load("erp", table).state == "ok"
    return control


def facts(control: Control, order: str, later: timedelta = timedelta()) -> tuple[str, dict[str, Any]]:
    control.set_now(control.now() + later)
    journey = control.propose("refund-desk", "refund.create", f"c-{order}", {"order": order, "amount_minor": 5}, "0.9")
    return journey.progress, {fact["name"]: fact for fact in control.facts(journey)}


def test_facts_come_from_the_graph_within_the_scope(control: Control) -> None:
    progress, known = facts(control, "A1")
    assert progress == "finished"
    assert [known[name]["value"] for name in ("paid", "tier", "hold")] == [40_000, "gold", "none"]
    assert (known["paid"]["source"], known["paid"]["record"]) == ("erp.order", "erp.order/A1")
    assert known["paid"]["id"].startswith("f") and known["paid"]["trust"] == "normal"
    assert known["hold"]["flags"] == ["unmentioned"] and known["hold"]["observed_at"] == "2026-03-01T12:00:00.000000Z"
    assert known["margin"]["value"] is None  # restricted: not in the agent's scope
    assert facts(control, "A2")[1]["hold"]["value"] == "recall"


def test_silence_about_what_is_not_known_means_nothing(control: Control) -> None:
    progress, known = facts(control, "Z9")
    assert progress == "denied"
    assert {name: fact["value"] for name, fact in known.items()} == dict.fromkeys(known)
    progress, known = facts(control, "A3")  # its customer was never loaded
    assert (progress, known["tier"]["value"]) == ("denied", None)


def test_what_is_stale_is_loaded_again_and_judged_by_what_it_says_now(
    control: Control, erp: sqlite3.Connection
) -> None:
    erp.execute("update \"order\" set paid = 3 where id = 'A1'")
    progress, known = facts(control, "A1", timedelta(hours=2))
    assert (progress, known["paid"]["value"]) == ("denied", 3)  # less was paid than is to be given back
    assert known["paid"]["flags"] == ["refreshed"]
    loads = [found.event.data["dataset"] for found in find_events(control.store, EventFilter(kind="source.loaded"), 9)]
    assert loads[0] == "erp.order"  # loaded once more, and nothing else was
    assert len(loads) == 4


def test_what_cannot_be_refreshed_denies_with_its_age(control: Control, erp: sqlite3.Connection) -> None:
    erp.execute('drop table "order"')
    progress, known = facts(control, "A1", timedelta(hours=2))
    assert (progress, known["paid"]["value"], known["paid"]["flags"]) == ("denied", 40_000, ["not refreshed"])
    said = control.explain("c-A1")
    assert "paid is 7200 s old, more than 3600 s; it is not refreshed" in said


def test_silence_grows_old_too(control: Control) -> None:
    progress, known = facts(control, "A1", timedelta(hours=25))
    assert (progress, known["hold"]["value"]) == ("denied", "none")
    assert "hold is 90000 s old" in control.explain("c-A1")
