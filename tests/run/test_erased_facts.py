"""Facts of the graph are recorded sealed: what they say is seen while it is kept, and is nowhere once it is erased."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.run.conftest import Open, with_source

from remit.app import Control
from remit.canonical import canonical
from remit.faces.as_json import question_json, spend_json
from remit.gate.record import facts_digest, read_facts
from remit.ledger.query import EventFilter, find_events
from remit.run.replay import Journey
from remit.vocabulary import Fact

SOURCE = """\
source: erp
department: support
connect: {kind: sql, url: "sqlite:///%s"}
tables:
  order:
    is: Order
    key: id
    facts:
      paid: {kind: integer}
    links:
      customer: {to: erp.customer, by: customer}
  customer:
    is: Customer
    key: id
    facts:
      name: {}
      credit: {kind: integer}
      mail: {}
"""
FACTS = """\
    personal: {customer: "client/$order"}
    facts:
      paid: {about: "Order/$order", get: paid, type: integer}
      who: {about: "Order/$order", get: customer.name, type: text, missing: deny}
      credit: {about: "Order/$order", get: customer.credit, type: integer}
      mail: {about: "Customer/$customer", get: mail, type: text, missing: allow}
    limits:
      - {name: credit-line, of: amount, every: ever, per: [order], at_most: $credit, over: escalate, ask: finance}
      - {name: per-day, of: amount, every: day, at_most: 50000000, over: escalate, ask: finance}
"""
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHY = {"why": "asked to be forgotten", "by": "ada.owner"}


def customers(random: Random, count: int = 4) -> list[tuple[str, str, int, str]]:
    """Keys, names, credits and mail addresses that stand nowhere else by chance."""
    rows = []
    for _ in range(count):
        token = f"{random.getrandbits(64):016x}"
        rows.append(
            (f"KEY{token}", f"Name {token} Ünlü", 70_000_000_000_000 + random.getrandbits(40), f"m{token}@x.io")
        )
    return rows


@pytest.fixture
def seed() -> int:
    return 1


@pytest.fixture
def people(seed: int) -> list[tuple[str, str, int, str]]:
    return customers(Random(seed))


@pytest.fixture
def erp(tmp_path: Path, people: list[tuple[str, str, int, str]]) -> Iterator[sqlite3.Connection]:
    """The ERP's own database: each customer has one order, O0 and so on; of two the credit is small."""
    with closing(sqlite3.connect(tmp_path / "erp.db", isolation_level=None)) as connection:
        connection.execute('create table "order" (id text, paid integer, customer text)')
        connection.execute("create table customer (id text, name text, credit integer, mail text)")
        connection.executemany("insert into customer values (?, ?, ?, ?)", people)
        orders = [(f"O{place}", 40_000, person[0]) for place, person in enumerate(people)]
        connection.executemany('insert into "order" values (?, ?, ?)', orders)
        yield connection


@pytest.fixture
def folder(folder: Path, erp: sqlite3.Connection, tmp_path: Path) -> Path:
    """The small company, whose refund desk asks the graph about the customer of an order."""
    head, rest = with_source(folder, SOURCE % (tmp_path / "erp.db"), "refund-desk")
    head = head.replace("    once: [order]\n", "")
    head = head.replace("actions:\n", "knowledge: {see: [support/internal]}\nactions:\n", 1)
    head = head.replace("    properties:\n", "    properties:\n        customer: {type: string}\n", 1)
    (folder / "agents" / "refund-desk.yaml").write_text(head + FACTS + rest[rest.index("    oversight:") :])
    return folder


@pytest.fixture
def control(opened: Open) -> Control:
    """The company with everything loaded once."""
    control = opened()
    control.set_now(NOW)
    load(control)
    return control


def load(control: Control) -> None:
    for table in ("customer", "order"):
        assert control.desk and control.knowledge.load("erp", table).state == "ok"


def propose(control: Control, order: int, amount: int, confidence: str = "0.93", **more: Any) -> Journey:
    arguments = {"order": f"O{order}", "amount_minor": amount, **more}
    return control.propose("refund-desk", "refund.create", f"c-{order}-{amount}", arguments, confidence)


def values(control: Control, journey: Journey) -> dict[str, Any]:
    return {fact["name"]: fact["value"] for fact in control.facts(journey)}


def small_credit(erp: sqlite3.Connection, control: Control, key: str, credit: int = 91_357) -> None:
    erp.execute("update customer set credit = ? where id = ?", (credit, key))
    load(control)


# Where it stands.


def everything(control: Control, folder: Path, export: Path) -> bytes:
    """Every byte that there is of the company: all tables, all files, and an export; nothing is kept open."""
    control.export(export)
    store = control.store
    parts = [path.read_bytes() for path in sorted(export.rglob("*")) if path.is_file()]
    with store.snapshot() as reader:
        if reader.dialect == "postgresql":
            tables = reader.fetch(
                "select table_name from information_schema.tables where table_schema = current_schema()"
            )
            for (table,) in sorted(tables):
                for row in reader.fetch(f"select * from {table}"):
                    parts += [
                        bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode() for cell in row
                    ]
    control.close()
    if store.url.startswith("sqlite"):
        path = store.url.removeprefix("sqlite:")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    home = folder.parent
    kept = [path for part in (home / "company", home / "state", home / "witness") for path in sorted(part.rglob("*"))]
    parts += [path.read_bytes() for path in kept if path.is_file()]
    return b"\n".join(parts)


def traces(value: Any) -> list[bytes]:
    """How a value may be written: plain, as JSON, hexadecimal and base64, and as a plain hash that can be guessed."""
    plain, json = str(value).encode(), canonical(value)
    return [
        plain, str(value).encode("unicode-escape"), json.strip(b'"'), plain.hex().encode(), base64.b64encode(plain),
        *(digest for text in (plain, json) for digest in _hashes(text)),
    ]  # fmt: skip


def _hashes(text: bytes) -> Iterator[bytes]:
    for name in ("sha256", "sha1", "md5", "blake2b"):
        digest = hashlib.new(name, text).digest()
        yield from (digest, digest.hex().encode())


@pytest.mark.parametrize("seed", [1, 2])
def test_no_byte_of_an_erased_entity_is_left_and_everything_proven_still_is(
    control: Control, folder: Path, people: list[tuple[str, str, int, str]], seed: int, tmp_path: Path,
    erp: sqlite3.Connection, opened: Open,
) -> None:  # fmt: skip
    random = Random(seed)
    live(control, people, random, erp)
    decisions = find_events(control.store, EventFilter(kind="action.decided"), 1_000)
    digests = {one.seq: one.event.data["decision"]["facts_digest"] for one in decisions}  # type: ignore[index,call-overload]
    report = control.replay_decisions()
    assert (report.same, report.different, report.erased, report.unknown) == (len(decisions), (), 0, ())
    gone, stay = people[:2], people[2:]
    for key, *_ in gone:
        control.knowledge.erase(f"Customer/{key}", **WHY)
    for place in range(2):
        control.erase(f"client/O{place}", **WHY)

    report = control.replay_decisions()
    assert (report.same + report.erased, report.different, report.unknown) == (len(decisions), (), ())
    assert report.same and report.erased >= 6
    proven(control, digests)
    control.keeper.checkpoint()
    data = everything(control, folder, tmp_path / "export")
    found = [(value, trace) for person in gone for value in person for trace in traces(value) if trace in data]
    assert found == []
    for person in stay:  # and the search finds what is there
        assert [str(value).encode() in data for value in person] == [True] * 4
    verifier = [sys.executable, "-I", str(tmp_path / "export" / "verify.py"), str(tmp_path / "export")]
    assert subprocess.run(verifier, check=False, capture_output=True).returncode == 0
    again = opened()
    assert not again.verify().problems
    assert [one.at_most for one in again.spend() if one.key.endswith(("O0", "O1"))] == [None, None]


def live(control: Control, people: list[tuple[str, str, int, str]], random: Random, erp: sqlite3.Connection) -> None:
    """Everything that happens to proposals, and everything that is shown."""
    for place, (key, *_) in enumerate(people):
        control.knowledge.context("refund-desk", f"Order/O{place}", hops=1)
        for amount in random.sample((5, 700, 12_500, 39_999, 99_999), 3):
            propose(control, place, amount, **({"customer": key} if random.random() < 0.7 else {}))
        journey = propose(control, place, 12_000 + place, customer=key)
        assert journey.progress == "waiting"
        control.approve(journey.action, "cleo.finance")
    key = people[0][0]
    erp.execute("update customer set name = ? where id = ?", (people[0][1] + " II", key))
    load(control)  # a fact changes between the yes and the deed
    control.work()
    assert "fact who changed since people were asked" in control.explain("c-0-12000")
    assert control.journey("c-1-12001").progress == "finished"
    small_credit(erp, control, key)
    assert "$credit" in checks(propose(control, 0, 39_000), "credit-line")


def proven(control: Control, digests: dict[int, Any]) -> None:
    """What is recorded has the digests that it had; receipts replay; nothing of the graph is broken."""
    for one in find_events(control.store, EventFilter(kind="action.decided"), 1_000):
        assert facts_digest(read_facts(one.event.data["facts"])) == digests[one.seq]
    assert not control.verify().problems
    assert control.knowledge.check().holds
    states = [replayed.state for replayed in control.knowledge.replay_all()]
    assert set(states) == {"same", "same, erased"}


def checks(journey: Journey, rule: str) -> str:
    return next(str(check["reason"]) for check in journey.decided["decision"]["checks"] if check["rule"] == rule)


# What is seen while it is kept, and after.


def test_people_see_what_a_fact_says_while_it_is_kept_and_that_it_was_erased(
    control: Control, people: list[tuple[str, str, int, str]], erp: sqlite3.Connection
) -> None:
    key, name, _, mail = people[0]
    small_credit(erp, control, key, 10_001)
    journey = propose(control, 0, 12_500, customer=key)
    assert journey.progress == "waiting"
    assert name not in str(control.log(500)) and mail not in str(control.log(500)) and key not in str(journey.decided)
    assert checks(journey, "credit-line") == "0 drawn, 12500 more, at most $credit per ever"
    seen = question_json(control, journey.action)
    assert {fact["name"]: fact["value"] for fact in seen["facts"]} == {  # type: ignore[union-attr,index,call-overload]
        "paid": 40_000, "who": name, "credit": 10_001, "mail": mail,
    }  # fmt: skip
    assert f'who = "{name}"' in str(seen["account"]) and f"from erp.customer erp.customer/{key}" in str(seen["account"])
    assert "0 of 10001 drawn, does not fit" in str(seen["account"])
    (credit,) = [spend_json(one) for one in control.spend() if "/credit-line/" in one.key]
    assert (credit["at_most"], credit["refused"]) == (10_001, 1)

    control.knowledge.erase(f"Customer/{key}", **WHY)
    seen = question_json(control, journey.action)
    facts: Any = seen["facts"]
    assert {fact["name"]: (fact["value"], fact["problem"]) for fact in facts} == {
        "paid": (40_000, ""), "who": (None, "erased"), "credit": (None, "erased"), "mail": (None, "erased"),
    }  # fmt: skip
    assert "who: erased, from erp.customer" in str(seen["account"]) and "0 of $credit drawn" in str(seen["account"])
    assert name not in str(seen) and key not in str(seen)
    (credit,) = [spend_json(one) for one in control.spend() if "/credit-line/" in one.key]
    assert credit["at_most"] is None


def test_a_question_about_somebody_erased_is_asked_or_denied_anew(
    control: Control, people: list[tuple[str, str, int, str]]
) -> None:
    journey = propose(control, 0, 12_500)
    control.approve(journey.action, "cleo.finance")
    control.knowledge.erase(f"Customer/{people[0][0]}", **WHY)
    control.work()
    after = control.journey(journey.action)
    assert (after.progress, after.attempt) == ("denied", 2)
    assert "who is missing" in checks(after, "who") and people[0][0] not in checks(after, "who")
    assert (
        "the approval is void: fact credit changed since people were asked\n" in control.explain(journey.action) + "\n"
    )


def test_equal_values_are_no_change_and_another_value_is_one(
    control: Control, people: list[tuple[str, str, int, str]], erp: sqlite3.Connection
) -> None:
    journeys = [propose(control, place, 12_500) for place in (0, 1)]
    for journey in journeys:
        control.approve(journey.action, "cleo.finance")
    erp.execute("update customer set name = 'somebody else'")
    load(control)
    for key, name, *_ in (people[0],):  # said again as it was: another fact with the same value
        erp.execute("update customer set name = ? where id = ?", (name, key))
    load(control)
    control.work()
    assert [control.journey(journey.action).progress for journey in journeys] == ["finished", "waiting"]
    said = control.explain(journeys[1].action)
    assert "the approval is void: fact who changed since people were asked\n" in said
    assert 'who = "somebody else"' in said and f'who = "{people[1][1]}"' in said, "people see both, where each is kept"
    assert "somebody else" not in str(control.log(500))


EARNED = """\
    oversight: earned
    ask: supervisor
    autonomy: {promise: 0.05, matures: 1d, blind: true, starts: supervised}
"""


def test_a_reviewer_sees_it_too_and_signs_the_same_digest_before_and_after(
    folder: Path, opened: Open, people: list[tuple[str, str, int, str]]
) -> None:
    manifest = folder / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace("    oversight: on_the_loop\n", EARNED)
    (folder / "agents" / "refund-desk.yaml").write_text(
        text.replace("confidence: {at_least: 0.80, ask: supervisor}\n", "promotion: {ask: owner}\n")
    )
    control = opened()
    control.set_now(NOW)
    load(control)
    journey = propose(control, 0, 5, customer=people[0][0])
    assert journey.progress == "waiting"  # nothing is earned yet: a person sees every case
    reviews = control.autonomy.reviews
    before = reviews.show(journey.action, "ada.owner")
    assert {str(fact["name"]): fact["value"] for fact in before.facts}["who"] == people[0][1]
    control.knowledge.erase(f"Customer/{people[0][0]}", **WHY)
    control.erase("client/O0", **WHY)
    after = reviews.show(journey.action, "ada.owner")
    told = {str(fact["name"]): (fact["value"], fact["problem"]) for fact in after.facts}
    assert told["who"] == (None, "erased") and people[0][1] not in str(after) and people[0][0] not in str(after)
    assert before.shown_digest == after.shown_digest
    seen = reviews.commit(journey.action, "ada.owner", {"amount_minor": 5})
    assert seen.answer is not None and seen.shown_digest != after.shown_digest


# What is not as it was.


def test_a_value_edited_in_place_is_named_and_not_judged_by(
    control: Control, people: list[tuple[str, str, int, str]]
) -> None:
    journey = propose(control, 0, 5)
    other = propose(control, 1, 5)
    assert (journey.progress, other.progress) == ("finished", "finished")
    with control.store.transaction() as transaction:
        text = canonical(people[0][1]).decode()
        assert transaction.execute("update fact set value = '\"forged\"' where value = ?", (text,)) == 1
    report = control.replay_decisions()
    assert (report.same, report.different, report.erased) == (1, (), 0)
    (named,) = report.unknown
    assert journey.action[:12] in named and "fact who (f" in named and "not what was recorded" in named
    said = control.explain(journey.action)
    assert "forged" not in said and "who: not what was recorded" in said
    assert len(control.knowledge.check().edited) == 1


def test_decisions_recorded_in_clear_are_read_and_judged_again_as_before(
    control: Control, people: list[tuple[str, str, int, str]], monkeypatch: pytest.MonkeyPatch, erp: sqlite3.Connection
) -> None:
    """As they were written before facts of the graph had commitments; what waits is still bound to what was shown."""
    now = control.knowledge.facts

    async def as_before(*given: Any) -> dict[str, Fact]:
        return {name: replace(fact, commitment="") for name, fact in (await now(*given)).items()}

    monkeypatch.setattr(control.knowledge, "facts", as_before)
    done = propose(control, 0, 5)
    waiting = [propose(control, place, 12_500) for place in (0, 1)]
    assert {fact["name"] for fact in done.decided["facts"] if "value" in fact} == {"paid", "who", "credit", "mail"}
    assert people[0][1] in str(waiting[0].asked["shown"])
    monkeypatch.undo()
    for journey in waiting:
        control.approve(journey.action, "cleo.finance")
    erp.execute("update customer set name = 'somebody else' where id = ?", (people[1][0],))
    load(control)
    control.work()
    assert [control.journey(journey.action).progress for journey in waiting] == ["finished", "waiting"]
    said = control.explain(waiting[1].action)
    assert "fact who changed since people were asked\n" in said and "is somebody" not in said
    report = control.replay_decisions()
    assert (report.same, report.different, report.erased, report.unknown) == (5, (), 0, ())
    control.knowledge.erase(f"Customer/{people[0][0]}", **WHY)
    report = control.replay_decisions()
    assert (report.same, report.different, report.erased, report.unknown) == (4, (), 1, ())
    assert values(control, done)["who"] == people[0][1], "what was recorded in clear stays"
