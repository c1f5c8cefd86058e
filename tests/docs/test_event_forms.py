"""The reference on events agrees with events that were really written, one of every kind."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from docs.reference.event_forms import FORMS
from tests.lifecycle.climb import Climb

from remit.app import Control, init_company, open_company, restore_company
from remit.connectors.connector import Done, Reading
from remit.ledger.event import KINDS, RecordedEvent
from remit.oversight.probes import plant
from remit.testing.stand_ins import StandInConnector
from remit.vocabulary import Json, Outcome

NEVER_WRITTEN: set[str] = set()
"""Kinds that nothing writes yet; the reference says so."""

START = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Shop(StandInConnector):
    """Stays open when a company that used it is closed."""

    async def close(self) -> None:
        """Do nothing."""


def refund(control: Control, order: str, amount: int = 2_500) -> str:
    arguments: dict[str, Json] = {"order": order, "amount_minor": amount, "reason": "my knee hurts"}
    return control.propose("refund-desk", "refund.create", f"case-{order}", arguments, "0.93").action


def live(control: Control, shop: StandInConnector) -> None:
    """Have every kind of event but those of restoring written."""
    done = refund(control, "A1")
    control.record_outcome(Outcome("case-A1", done, True, "survey", START))
    shop.fail("refund.create", "refuse")
    refund(control, "A2")
    shop.can_look_up = False
    shop.fail("refund.create", "cut_after", "cut_after")
    for order, found in (("A3", True), ("A4", False)):
        control.settle(refund(control, order), "ada.owner", done=found, why="the bank says so")
    voided, edited, expired = (refund(control, order, 12_500) for order in ("B1", "B2", "B3"))
    control.approve(voided, "cleo.finance")
    shop.facts["paid"] = Reading(39_000, "o", START)
    control.work()
    control.edit(edited, "cleo.finance", {"amount_minor": 900}, "shipping")
    for hours in (5, 30, 60):
        control.set_now(START + timedelta(hours=hours))
        control.work()
    assert control.journey(expired).progress == "expired"
    control.halt("everything", "drill", "ada.owner")
    control.desk.catch_up()
    control.submit(control.pulse.confirm()).result()
    control.resume("everything", "over", "ada.owner")
    control.erase("customer/A1", "asked to be forgotten", "ada.owner")


SOURCE = """\
source: care
department: support
connect: {kind: csv, path: %s}
tables:
  customer:
    is: Customer
    key: id
    facts:
      name: {required: true, match: name}
      mail: {match: exact}
      tier: {one_of: [gold, silver]}
"""


def know(place: Path) -> tuple[RecordedEvent, ...]:
    """The ledger of a company in which every kind of event of the knowledge graph was written."""
    home = place / "known"
    init_company(home)
    (home / "sources").mkdir()
    (home / "sources" / "care.yaml").write_text(SOURCE % (place / "care.csv"))
    names = [f"{one} {two}" for one in ("North", "South", "East", "West", "Lake") for two in ("Clinic", "Store")]
    rows = [f"C{at},{name} {at % 7},m{at}@x.example,gold" for at, name in enumerate(names * 3)]
    twins = [row.replace("C", "D", 1).replace("Clinic", "Clinik") for row in rows[:4]]
    broken = ["B1,Bad Tier,b1@x.example,tin", "B2,Bad Tier,b2@x.example,tin"]
    (place / "care.csv").write_text("\n".join(["id,name,mail,tier", *rows, *twins, *broken]) + "\n")
    with open_company(home, connectors={"shop": Shop("shop")}) as control:
        knowledge, _ = control.knowledge, control.desk
        assert knowledge.load("care", "customer").state == "ok"
        knowledge.release(1, {"tier": "gold"}, "ada.owner", "a typo")
        knowledge.drop(2, "not ours", "ada.owner")
        knowledge.resolve("Customer")
        merged = control.log(1, kind="entity.merged")[0].seq
        knowledge.undo(knowledge.undo(merged, "they are two", "ada.owner"), "they are one", "ada.owner")
        manifest = home / "agents" / "refund-desk.yaml"
        manifest.write_text(
            manifest.read_text().replace("actions:\n", "knowledge: {see: [support/internal]}\nactions:\n", 1)
        )
    with open_company(home, connectors={"shop": Shop("shop")}) as control:
        knowledge, _ = control.knowledge, control.desk
        knowledge.context("refund-desk", "Customer/C3")
        knowledge.search("refund-desk", "clinic")
        knowledge.search("refund-desk", "clinic", near=True)
        knowledge.erase("Customer/C4", "asked to", "ada.owner")
        return control.log(10_000)


def died(place: Path) -> tuple[RecordedEvent, ...]:
    """What the load after one that died says of it."""
    home = place / "known"
    with open_company(home, connectors={"shop": Shop("shop")}) as control:
        _ = control.desk
        with control.store.transaction() as transaction:
            began = {
                "by_observed": False,
                "process": [socket.gethostname(), 2**22 + 1, "0"],
                "beat": "2026-01-01T00:00:00Z",
            }
            transaction.execute("update load set state = 'running', data = ?", (json.dumps(began),))
        control.knowledge.load("care", "customer")
        return control.log(10)


TERMS = """\
    oversight: earned
    ask: supervisor
    autonomy: {promise: 0.2, sure: 0.8, matures: 1d, deadline: 9d, plan: [20, 40], review: 0.5, maintenance: 0.9,
               blind: true}
"""
PERMIT = """
@id("promotions") @reason("what was earned may be signed")
permit (principal, action == Remit::Action::"stage.promote", resource == Remit::System::"remit");
"""


def earn(place: Path) -> tuple[RecordedEvent, ...]:
    """The ledger of a company in which an agent climbed, was reviewed, and fell."""
    home = place / "earned"
    init_company(home)
    (home / "remit.yaml").write_text("clock: story\n")
    manifest = home / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace("    oversight: on_the_loop\n", TERMS)
    text = text.replace("confidence: {at_least: 0.80, ask: supervisor}\n", "promotion: {ask: owner}\n")
    manifest.write_text(
        text.replace("every: hour, at_most: 60}", "every: hour, at_most: 9999}").replace("fresh: 1h", "fresh: 9999d")
    )
    policies = home / "policies" / "refunds.cedar"
    policies.write_text(policies.read_text() + PERMIT)
    done = Done({"refund": "r"})
    shop = Shop("shop", facts={"paid": Reading(40_000, "o", START)}, operations={"refund.create": done})
    with open_company(home, connectors={"shop": shop}) as control:
        climb = Climb(control)
        climb.to("autonomous")
        for _ in range(200):
            drawn = control.store.read("select action from review where state = 'open'")
            if drawn:
                break
            climb.cases(1)
        own: dict[str, Json] = {"amount_minor": 2}
        control.autonomy.answer_review(drawn[0][0], "ben.deputy", False, "not that order", 40, own)
        climb.cases(1, wrong=1)
        plant(
            control.journal, b"k" * 32, "ada.owner", drawn[0][0], "review", "refund-desk", "refund.create", frozenset()
        )
        climb.cases(120, confidence="0.11")
        climb.wait(1)
        return control.log(10_000)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RecordedEvent, ...]]:
    """The ledger of a company in which everything happened, its last days lost and owned up to."""
    place = tmp_path_factory.mktemp("events")
    home = place / "company"
    init_company(home)
    (home / "remit.yaml").write_text(f"clock: story\nwitness: {place / 'witness'}\n")
    manifest = home / "agents" / "refund-desk.yaml"
    personal = '    personal: {reason: "customer/$order"}\n    amount: amount_minor'
    manifest.write_text(manifest.read_text().replace("    amount: amount_minor", personal))
    shop = Shop(
        "shop", facts={"paid": Reading(40_000, "o", START)}, operations={"refund.create": Done({"refund": "r"}, 25)}
    )
    with open_company(home, connectors={"shop": shop}) as control:
        control.set_now(START)
        _ = control.desk
        live(control, shop)
        backup = place / "backup"
    with open_company(home, connectors={"shop": shop}) as control:
        control.backup(backup)
        control.halt("everything", "lost with the disk", "ada.owner")
    for path in (home / ".remit").glob("store.db*"):
        path.unlink()
    restore_company(home, backup, "the disk burnt")
    with open_company(home, connectors={"shop": shop}) as control:
        yield (*control.log(10_000), *know(place), *died(place), *earn(place))


def test_every_kind_was_written_but_those_that_say_they_are_not(written: tuple[RecordedEvent, ...]) -> None:
    assert set(KINDS) - {recorded.event.kind for recorded in written} == NEVER_WRITTEN
    assert {kind for kind, (_, fields) in FORMS.items() if not fields} == NEVER_WRITTEN


def test_steps_and_fields_are_as_the_reference_says(written: tuple[RecordedEvent, ...]) -> None:
    met: dict[str, set[str]] = {}
    for recorded in written:
        event = recorded.event
        step, fields = FORMS[event.kind]
        pattern = step.replace("LEVEL", r"\d+").replace("PERSON", r"[\w.]+").replace(":N", r":\d+")
        assert re.fullmatch(pattern, event.step), f"{event.kind}: step {event.step!r}, the reference says {step!r}"
        always = {field for field in fields if not field.endswith("?")}
        known = {field.rstrip("?") for field in fields}
        assert always <= set(event.data) <= known, f"{event.kind}: {sorted(event.data)}"
        met.setdefault(event.kind, set()).update(event.data)
    unmet = {
        kind: {field.rstrip("?") for field in FORMS[kind][1]} - found
        for kind, found in met.items()
        if kind != "ledger.recovered"  # its other form is of crashes: below
    }
    assert not any(unmet.values()), unmet


def test_the_life_of_an_action_is_told_in_events_of_these_forms() -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/life-of-an-action.md").read_text()
    rows = re.findall(r"^\| \d+ \| `([\w.]+)` \| (?:`([\w:.-]+)` )?\|", page, re.MULTILINE)
    assert len(rows) == 7
    for kind, step in rows:
        pattern = FORMS[kind][0].replace("PERSON", r"[\w.]+").replace(":N", r":\d+")
        assert re.fullmatch(pattern, step), (kind, step)
