"""approvals, halts and what is watched: every answer a person can give, and every list as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.faces.refund_shop import Shop
from tests.faces.stage import Ran, Remit, lines, proposal

FINANCE = ("--as", "cleo.finance")


@pytest.fixture
def propose(remit: Remit, tmp_path: Path) -> Any:
    """Proposes refunds through the command."""

    def run(*proposals: dict[str, Any]) -> Ran:
        source = tmp_path / "proposals.jsonl"
        source.write_bytes(lines(*proposals))
        return remit("run", str(source))

    return run


def show(remit: Remit, case: str) -> Any:
    return remit("approvals", "show", case, "--json").json


def test_an_empty_inbox_says_so(remit: Remit) -> None:
    assert remit("approvals").out == "nothing waits for a person\n"
    assert remit("approvals", "list", "--json").json == []


def test_the_inbox_shows_who_is_asked_and_why(remit: Remit, propose: Any) -> None:
    propose(proposal("A1", 12_500), proposal("A2", confidence=0.5))
    header, *rows = remit("approvals").out.splitlines()
    assert header.split()[0] == "action"
    assert sorted(row.split()[2] for row in rows) == ["finance", "supervisor"]
    items = remit("approvals", "list", "--json").json
    assert {item["case"]: item["roles"] for item in items} == {"case-A1": ["finance"], "case-A2": ["supervisor"]}
    assert {row.split()[0] for row in rows} == {item["action"][:12] for item in items}


def test_what_is_asked_is_shown_with_facts_and_rules(remit: Remit, propose: Any) -> None:
    propose(proposal("A1", 12_500, reasons=["broken \x1b]0;owned\x07"]))
    ran = remit("approvals", "show", "case-A1")
    assert "paid = 40000" in ran.out
    assert "[refund-over-100]" in ran.out
    assert "Waits until " in ran.out
    assert "\x1b" not in ran.out
    assert "\x07" not in ran.out
    found = show(remit, "case-A1")
    assert found["progress"] == "waiting"
    assert found["decision"]["verdict"] == "escalate"
    assert "refund-over-100" in found["account"]


def test_yes_is_for_the_roles_that_are_asked(remit: Remit, propose: Any) -> None:
    propose(proposal("A1", 12_500))
    refused = remit("approvals", "approve", "case-A1", "--as", "ben.deputy")
    assert refused.code == 2
    assert "holds none of the roles asked" in refused.err
    assert show(remit, "case-A1")["progress"] == "waiting"
    given = remit("approvals", "approve", "case-A1", *FINANCE, "--role", "finance", "--why", "agreed")
    assert given.code == 0
    assert given.out.startswith("approved")
    found = show(remit, "case-A1")
    assert (found["progress"], found["grants"]) == ("approved", [{"role": "finance", "person": "cleo.finance"}])
    assert remit("approvals", "approve", "case-A1", *FINANCE).code == 2


def test_no_needs_a_reason(remit: Remit, propose: Any) -> None:
    propose(proposal("A1", 12_500))
    assert remit("approvals", "reject", "case-A1", *FINANCE).code == 2
    assert remit("approvals", "reject", "case-A1", *FINANCE, "--why", " ").code == 2
    assert remit("approvals", "reject", "case-A1", *FINANCE, "--why", "too much").code == 0
    assert show(remit, "case-A1")["progress"] == "rejected"
    assert "too much" in remit("explain", "case-A1").out


def test_an_edit_is_read_as_the_manifest_declares(remit: Remit, propose: Any, shop: Shop) -> None:
    propose(proposal("1", 12_500))
    ran = remit("approvals", "edit", "case-1", *FINANCE, "--set", "amount_minor=2000", "order=2", "--why", "less")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("finished")
    (refund,) = shop.refunds.values()
    assert (refund["amount_minor"], refund["order"]) == (2000, "2")


@pytest.mark.parametrize("pair", ["amount_minor", "=5", "amount_minor=5.5", "amount_minor={", "amount_minor=NaN"])
def test_an_edit_that_cannot_be_read_changes_nothing(remit: Remit, propose: Any, pair: str) -> None:
    propose(proposal("A1", 12_500))
    ran = remit("approvals", "edit", "case-A1", *FINANCE, "--set", pair, "--why", "less")
    assert (ran.code, ran.out) == (2, "")
    assert show(remit, "case-A1")["progress"] == "waiting"


def test_what_is_uncertain_is_settled_by_a_person(remit: Remit, propose: Any, shop: Shop) -> None:
    shop.lose, shop.deaf = 100, True
    assert "1 uncertain; see `remit approvals`" in propose(proposal("A1")).out
    (item,) = remit("approvals", "--json").json
    assert (item["waits_for"], item["due_at"]) == ("settling", None)
    assert "settle" in remit("approvals", "show", "case-A1").out
    for wrong in ([], ["--done"], ["--done", "--not-done", "--why", "x"], ["--why", "x"]):
        assert remit("approvals", "settle", "case-A1", *wrong).code == 2
    ran = remit("approvals", "settle", "case-A1", "--done", "--why", "seen in the shop's books")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("finished")
    assert remit("approvals", "settle", "case-A1", "--not-done", "--why", "x").code == 2


def test_what_was_not_done_fails(remit: Remit, propose: Any, shop: Shop) -> None:
    shop.lose, shop.deaf = 100, True
    propose(proposal("A1"))
    assert remit("approvals", "settle", "case-A1", "--not-done", "--why", "not there").out.startswith("failed")


def test_a_halt_stops_until_it_is_lifted(remit: Remit, propose: Any, shop: Shop) -> None:
    assert remit("halts").out == "nothing was ever halted\n"
    assert remit("halt", "agent:refund-desk", "--why", "looks wrong").code == 0
    assert "1 denied" in propose(proposal("A1")).out
    (halt,) = remit("halts", "--json").json
    assert (halt["scope"], halt["by"], halt["lifted"]) == ("agent:refund-desk", "person:ada.owner", False)
    (confirmed,) = halt["confirmed"]
    assert confirmed["process"].startswith("run-")
    assert confirmed["delay_ms"] >= 0
    shown = remit("halts").out
    assert "in force" in shown
    assert re.search(r"confirmed +\S+ \S+Z by run-\S+, after [\d,]+ ms", shown)
    assert "agent:refund-desk since" in remit("status").out
    assert remit("resume", "agent:refund-desk", "--why", "found it").code == 0
    assert "1 finished" in propose(proposal("A2")).out
    assert len(shop.refunds) == 1
    again = remit("resume", "agent:refund-desk", "--why", "twice")
    assert again.code == 2
    assert "is not halted" in again.err


@pytest.mark.parametrize("scope", ["agents:x", "agent:", "everything:x", "", "agent:a\x1b", "x" * 500])
def test_a_scope_that_is_none_halts_nothing(remit: Remit, scope: str) -> None:
    ran = remit("halt", scope, "--why", "x")
    assert (ran.code, ran.out) == (2, "")
    assert remit("halts", "--json").json == []


@pytest.mark.parametrize("person", ["a\nb", "\x1b[2J", "x" * 101, " a"])
def test_who_acts_must_be_a_name(remit: Remit, person: str) -> None:
    assert remit("halt", "everything", "--why", "x", "--as", person).code == 2
    assert remit("halts", "--json").json == []


def test_the_log_is_filtered(remit: Remit, propose: Any) -> None:
    propose(proposal("A1"), proposal("A2", 12_500), proposal("A3", 99_999))

    def kinds(*options: str) -> list[str]:
        return [event["kind"] for event in remit("log", "--json", *options).json]

    assert kinds("--case", "case-A1") == ["action.finished", "action.begun", "action.decided"]
    assert kinds("--verdict", "deny") == ["action.decided"]
    assert kinds("--kind", "approval.asked", "--agent", "refund-desk") == ["approval.asked"]
    action = remit("approvals", "--json").json[0]["action"]
    assert kinds("--action", action[:8]) == ["approval.asked", "action.decided"]
    assert kinds("--limit", "1") == [kinds()[0]]
    assert kinds("--until", "2020-01-01T00:00:00Z") == kinds("--since", "2999-01-01T00:00:00+01:00") == []
    assert len(kinds("--since", "2020-01-01T00:00:00Z")) == len(kinds())
    header, *rows = remit("log").out.splitlines()
    assert header.split() == ["event", "at", "kind", "actor", "case", "action", "what"]
    assert len(rows) == len(kinds())
    assert len({re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", row).start() for row in rows}) == 1  # type: ignore[union-attr]
    assert remit("log", "--case", "nothing").out == "no event matches\n"


def test_status_and_spend_count_what_happened(remit: Remit, propose: Any) -> None:
    propose(proposal("A1", 1_234), proposal("A2", 12_500), proposal("A3", 99_999))
    status = remit("status", "--json").json
    (agent,) = status["agents"]
    assert [agent[name] for name in ("seen", "allowed", "escalated", "denied", "finished")] == [3, 1, 1, 1, 1]
    assert {"verdict": "deny", "rule": "refund-above-paid", "count": 1} in agent["reasons"]
    assert (status["waiting"], status["uncertain"], status["in_flight"]) == (1, 0, 0)
    assert "1 for approval, 0 to be settled" in remit("status").out
    drawn = {one["key"].split("/")[2]: (one["used"], one["at_most"]) for one in remit("spend", "--json").json}
    assert drawn == {"per-day": (1_234, 50_000), "per-hour": (1, 60)}
    assert re.search(r"per-day\S+ +1,234 +50,000 +1$", remit("spend").out, re.MULTILINE)


def test_a_cap_that_was_erased_is_not_known_and_not_zero(remit: Remit, monkeypatch: pytest.MonkeyPatch) -> None:
    from remit.app import Control, Spend

    monkeypatch.setattr(Control, "spend", lambda _: (Spend("limit/agent:a/credit/ever", 1_234, None, 2),))
    assert re.search(r"credit/ever +1,234 +not known +2$", remit("spend").out, re.MULTILINE)
    assert remit("spend", "--json").json == [
        {"key": "limit/agent:a/credit/ever", "used": 1_234, "at_most": None, "refused": 2}
    ]


@pytest.mark.parametrize(
    "arguments",
    [("check",), ("policy", "test"), ("agents",), ("status",), ("log",), ("spend",), ("approvals",), ("halts",),
     ("approvals", "list"), ("approvals", "show", "case-A2"), ("explain", "case-A1"), ("verify",),
     ("verify", "--decisions")],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("empty", [True, False])
def test_every_list_is_one_json_document_in_ascii(
    remit: Remit, propose: Any, arguments: tuple[str, ...], empty: bool
) -> None:
    if empty and arguments[-1].startswith("case-"):
        return
    if not empty:
        propose(proposal("A1", reasons=["süß \u202e \x1b[2J"]), proposal("A2", 12_500))
        remit("halt", "entity:order/Z", "--why", "🛑 \x1b")
    ran = remit(*arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    json.loads(ran.out)
    assert ran.out.isascii()
    assert all(character == "\n" or character.isprintable() for character in ran.out)


def test_unknown_actions_are_the_users_fault(remit: Remit, propose: Any) -> None:
    propose(proposal("A1"))
    for verb in (("explain",), ("approvals", "show"), ("approvals", "approve")):
        for action in ("nothing", "ffffffff", "", "../../etc/passwd", "' or 1=1 --", "%"):
            ran = remit(*verb, action)
            assert (ran.code, ran.out) == (2, ""), action
