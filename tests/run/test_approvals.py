"""Approvals: durable, bound to exactly what was asked, used once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.run.conftest import Open

from remit.app import Control
from remit.connectors.connector import Reading
from remit.errors import BadInput, Conflict, NotAllowed, NotFound, RemitError
from remit.run.replay import Journey
from remit.testing.stand_ins import StandInConnector


def ask(control: Control, order: str = "A1", amount: int = 12_500, confidence: str = "0.93") -> Journey:
    """Propose a refund that finance must approve."""
    arguments = {"order": order, "amount_minor": amount}
    journey = control.propose("refund-desk", "refund.create", f"case-{order}", arguments, confidence, ["broken cup"])
    assert journey.progress == "waiting"
    return journey


def rules(journey: Journey) -> set[str]:
    return {check["rule"] for check in journey.decided["decision"]["checks"] if check["verdict"] != "allow"}


def test_an_approved_action_is_done_by_a_worker(control: Control, shop: StandInConnector) -> None:
    journey = ask(control)
    assert shop.attempts == []
    assert control.approve(journey.action, "cleo.finance", seconds=40).progress == "approved"
    assert control.work() == 1
    assert control.journey(journey.action).progress == "finished"
    assert control.work() == 0 and len(shop.attempts) == 1, "an approval is used once"


def test_approvals_survive_a_restart_at_every_stage(opened: Open, shop: StandInConnector) -> None:
    first = opened()
    journey = ask(first)
    first.close()
    second = opened()
    assert [item.action for item in second.inbox()] == [journey.action]
    second.approve(journey.action, "cleo.finance")
    second.close()
    third = opened()
    third.work()
    assert third.journey(journey.action).progress == "finished"


def test_changed_arguments_are_another_action(control: Control, shop: StandInConnector) -> None:
    journey = ask(control, amount=12_500)
    control.approve(journey.action, "cleo.finance")
    other = ask(control, amount=12_501)
    assert other.action != journey.action
    control.work()
    assert control.journey(other.action).progress == "waiting", "the approval does not count for it"


def test_a_changed_policy_voids_the_approval(folder: Path, opened: Open, shop: StandInConnector) -> None:
    first = opened()
    journey = ask(first)
    first.approve(journey.action, "cleo.finance")
    rule = folder / "policies" / "refunds.cedar"
    rule.write_text(rule.read_text().replace("> 10000", "> 9000"))
    second = opened("second")
    second.work()
    after = second.journey(journey.action)
    assert (after.progress, after.ask) == ("waiting", 2), "it is asked again, under the policy as it is now"
    assert "the policies changed since people were asked" in second.explain(journey.action)
    assert shop.attempts == []
    assert after.grants == ()


def test_a_changed_manifest_voids_the_approval(folder: Path, opened: Open, shop: StandInConnector) -> None:
    first = opened()
    journey = ask(first)
    first.approve(journey.action, "cleo.finance")
    manifest = folder / "agents" / "refund-desk.yaml"
    manifest.write_text(manifest.read_text().replace("model: none-yet", "model: another"))
    second = opened("second")
    second.work()
    after = second.journey(journey.action)
    assert after.progress == "denied", "another version of the agent did not propose it"
    assert "the manifest changed since people were asked" in second.explain(journey.action)
    assert shop.attempts == []


def test_changed_facts_void_the_approval(control: Control, shop: StandInConnector) -> None:
    journey = ask(control)
    control.approve(journey.action, "cleo.finance")
    shop.facts["paid"] = Reading(39_000, "o-A1", datetime.now(UTC))
    control.work()
    after = control.journey(journey.action)
    assert (after.progress, after.ask) == ("waiting", 2)
    assert "fact paid changed since people were asked: was 40000, is 39000" in control.explain(journey.action)


def test_facts_gone_stale_stop_an_approved_action(control: Control, shop: StandInConnector) -> None:
    journey = ask(control)
    control.approve(journey.action, "cleo.finance")
    shop.facts["paid"] = Reading(40_000, "o-A1", datetime.now(UTC) - timedelta(hours=5))
    control.work()
    after = control.journey(journey.action)
    assert after.progress == "denied"
    assert "paid" in rules(after)
    assert shop.attempts == []


def test_an_approval_cannot_lift_a_hard_forbid(control: Control, shop: StandInConnector) -> None:
    journey = ask(control, amount=12_500)
    control.approve(journey.action, "cleo.finance")
    shop.facts["paid"] = Reading(100, "o-A1", datetime.now(UTC))
    control.work()
    assert control.journey(journey.action).progress == "denied"
    assert shop.attempts == []


def test_two_reviewers_at_once_one_wins(opened: Open, folder: Path) -> None:
    (folder / "people.yaml").write_text(
        (folder / "people.yaml").read_text() + '  - {name: dora.finance, roles: [finance], departments: ["*"]}\n'
    )
    controls = [opened(), opened()]
    journey = ask(controls[0])
    results: list[str] = []
    gate = threading.Barrier(2, timeout=60)

    def say(control: Control, person: str) -> None:
        gate.wait()
        try:
            control.approve(journey.action, person)
            results.append("approved")
        except (Conflict, NotFound) as error:
            results.append(str(error))

    people = ["cleo.finance", "dora.finance"]
    threads = [threading.Thread(target=say, args=pair) for pair in zip(controls, people, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("approved") == 1
    loser = next(result for result in results if result != "approved")
    assert "somebody else was quicker" in loser or "nothing waits" in loser


def test_nobody_answers_twice_and_answers_need_a_role(control: Control) -> None:
    journey = ask(control, confidence="0.10")  # finance for the amount, a supervisor for the confidence
    with pytest.raises(NotAllowed, match="holds none of the roles asked: finance, supervisor"):
        control.approve(journey.action, "mallory")
    with pytest.raises(NotAllowed, match="role 'owner' is not asked"):
        control.approve(journey.action, "ada.owner", "owner")
    with pytest.raises(BadInput, match="needs a reason"):
        control.reject(journey.action, "cleo.finance", "  ")
    with pytest.raises(BadInput, match="seconds taken"):
        control.approve(journey.action, "cleo.finance", seconds=-1)
    assert control.approve(journey.action, "cleo.finance").progress == "waiting"
    with pytest.raises(Conflict, match="already answered"):
        control.approve(journey.action, "cleo.finance")
    assert control.approve(journey.action, "ada.owner").progress == "approved"
    with pytest.raises(NotFound, match="nothing waits"):
        control.approve(journey.action, "ben.deputy")


def test_quorum_needs_different_people(folder: Path, opened: Open) -> None:
    rule = folder / "policies" / "refunds.cedar"
    rule.write_text(rule.read_text().replace('@approvers("finance")', '@approvers("finance:2")'))
    (folder / "people.yaml").write_text(
        (folder / "people.yaml").read_text() + '  - {name: dora.finance, roles: [finance], departments: ["*"]}\n'
    )
    control = opened()
    journey = ask(control)
    assert control.inbox()[0].roles == ("finance x2",)
    assert control.approve(journey.action, "cleo.finance").progress == "waiting"
    with pytest.raises(Conflict, match="already answered"):
        control.approve(journey.action, "cleo.finance")
    assert control.approve(journey.action, "dora.finance").progress == "approved"
    control.work()
    assert control.journey(journey.action).progress == "finished"


def test_one_no_ends_it(control: Control, shop: StandInConnector) -> None:
    journey = ask(control, confidence="0.10")
    control.approve(journey.action, "ada.owner")
    assert control.reject(journey.action, "cleo.finance", "too dear").progress == "rejected"
    assert control.work() == 0
    assert control.inbox() == () and shop.attempts == []


def test_who_built_the_agent_may_not_approve(folder: Path, opened: Open) -> None:
    manifest = folder / "agents" / "refund-desk.yaml"
    manifest.write_text(manifest.read_text().replace("built_by: []", "built_by: [cleo.finance]"))
    control = opened()
    journey = ask(control)
    with pytest.raises(NotAllowed, match="built agent refund-desk"):
        control.approve(journey.action, "cleo.finance")


def test_an_edit_is_a_new_action_judged_anew_and_its_editor_may_not_approve_it(
    control: Control, shop: StandInConnector
) -> None:
    journey = ask(control, amount=20_000)
    edited = control.edit(journey.action, "cleo.finance", {"amount_minor": 15_000}, "only the cup")
    assert edited.progress == "waiting" and edited.action != journey.action
    assert edited.decided["action"]["replaces"] == journey.action
    assert control.journey(journey.action).progress == "rejected"
    with pytest.raises(NotAllowed, match="proposed this action"):
        control.approve(edited.action, "cleo.finance")
    small = control.propose("refund-desk", "refund.create", "case-B", {"order": "B", "amount_minor": 20_000}, "0.9")
    done = control.edit(small.action, "cleo.finance", {"amount_minor": 900}, "a small one will do")
    assert done.progress == "finished", "what the gate allows needs nobody's approval"
    assert [deed.arguments["amount_minor"] for deed in shop.deeds.values()] == [900]
    with pytest.raises(NotFound):
        control.edit(small.action, "cleo.finance", {"amount_minor": 800}, "again")


def test_expiry_follows_the_escalation_chain(folder: Path, opened: Open, shop: StandInConnector) -> None:
    (folder / "remit.yaml").write_text((folder / "remit.yaml").read_text() + "clock: story\n")
    start = datetime.now(UTC)
    control = opened()
    control.set_now(start)
    shop.facts["paid"] = Reading(40_000, "o", start)
    first, second = ask(control, "A1"), ask(control, "A2")
    control.set_now(start + timedelta(hours=3, minutes=59))
    control.work()
    assert {item.roles for item in control.inbox()} == {("finance",)}
    with pytest.raises(NotAllowed):
        control.approve(first.action, "ben.deputy")
    control.set_now(start + timedelta(hours=4, minutes=1))
    control.work()
    assert {item.roles for item in control.inbox()} == {("finance", "supervisor")}
    assert control.approve(first.action, "ben.deputy").progress == "approved", "a supervisor may stand in now"
    control.set_now(start + timedelta(days=1, hours=5))
    control.work()
    assert {item.roles for item in control.inbox()} == {("finance", "supervisor", "owner")}
    control.set_now(start + timedelta(days=2, hours=6))
    control.work()
    assert control.journey(second.action).progress == "expired"
    assert control.inbox() == ()
    with pytest.raises(RemitError):
        control.approve(second.action, "cleo.finance")
    assert "nobody answered by" in control.explain(second.action)


def test_a_halt_stops_what_was_approved_before_it(control: Control, shop: StandInConnector) -> None:
    journey = ask(control)
    control.approve(journey.action, "cleo.finance")
    control.halt("agent:refund-desk", "it pays twice", "ada.owner")
    control.work()
    assert control.journey(journey.action).progress == "denied"
    assert shop.attempts == []


def test_a_limit_reached_meanwhile_stops_what_was_approved(control: Control, shop: StandInConnector) -> None:
    """500.00 a day: 125.00 waits, 450.00 is drawn meanwhile; the limit's own question is asked anew."""
    journey = ask(control, "A1", 12_500)
    for number in range(5):
        control.propose(
            "refund-desk", "refund.create", f"c{number}", {"order": f"B{number}", "amount_minor": 9_000}, "0.9"
        )
    control.approve(journey.action, "cleo.finance")
    control.work()
    after = control.journey(journey.action)
    assert after.progress == "finished", "finance may lift the limit and has said yes to this very action"
    day = next(item for item in control.spend() if "per-day" in item.key)
    assert day.used == 57_500 and day.refused == 0
