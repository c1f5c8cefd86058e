"""One action from proposal to end, on both stores."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.run.conftest import Open, make_shop
from tests.waiting import wait_until

from remit.app import Control
from remit.connectors.connector import Done, Reading
from remit.errors import BadInput, NotFound
from remit.run.replay import Journey
from remit.testing.stand_ins import StandInConnector
from remit.vocabulary import Outcome


def refund(control: Control, order: str = "A1", amount: int = 2_500, confidence: str | None = "0.93") -> Journey:
    arguments = {"order": order, "amount_minor": amount}
    return control.propose("refund-desk", "refund.create", f"case-{order}", arguments, confidence, ["broken cup"])


def kinds(control: Control, action: str) -> list[str]:
    return [event.event.kind for event in reversed(control.log(100, action=action))]


def test_an_allowed_action_is_done_once_and_recorded(control: Control, shop: StandInConnector) -> None:
    journey = refund(control)
    assert (journey.progress, journey.effect and journey.effect.cost_minor) == ("finished", 25)
    assert shop.attempts == [journey.action], "the action's digest is its idempotency key"
    assert kinds(control, journey.action) == ["action.decided", "action.begun", "action.finished"]


def test_the_same_proposal_again_is_the_same_action(control: Control, shop: StandInConnector) -> None:
    first, second = refund(control), refund(control)
    assert first == second
    assert len(shop.attempts) == 1


def test_the_same_proposal_64_times_at_once_is_done_once(control: Control, shop: StandInConnector) -> None:
    action = control.action("refund-desk", "refund.create", "c", {"order": "A1", "amount_minor": 5}, "0.9")
    futures = [control.submit_proposal(action) for _ in range(64)]
    assert {future.result().progress for future in futures} <= {"finished", "begun"}
    assert len(shop.attempts) == 1
    assert control.journey("c").progress == "finished"


def test_a_once_key_holds_over_different_proposals(control: Control, shop: StandInConnector) -> None:
    refund(control, amount=2_500)
    other = refund(control, amount=2_600)
    assert other.progress == "denied"
    assert len(shop.attempts) == 1


def test_a_denied_action_touches_nothing(control: Control, shop: StandInConnector) -> None:
    shop.facts["paid"] = Reading(100, "o", datetime.now(UTC))
    journey = refund(control)
    assert journey.progress == "denied"
    assert shop.attempts == []
    assert "refund-above-paid" in {check["rule"] for check in journey.decided["decision"]["checks"]}


def test_a_stale_or_missing_fact_denies(control: Control) -> None:
    shop = control.desk.connectors["shop"]
    assert isinstance(shop, StandInConnector)
    shop.facts["paid"] = Reading(40_000, "o", datetime.now(UTC) - timedelta(hours=2))
    assert refund(control, "A1").progress == "denied"
    shop.facts["paid"] = Reading(None, "o", None, "no such order")
    assert refund(control, "A2").progress == "denied"
    shop.fail("paid", "unreachable")
    assert refund(control, "A3").progress == "denied"
    shop.facts["paid"] = Reading(40_000, "o", datetime.now(UTC))
    assert refund(control, "A4").progress == "finished"


def test_a_refused_effect_gives_everything_back(control: Control, shop: StandInConnector) -> None:
    shop.fail("refund.create", "refuse")
    assert refund(control, amount=2_500).progress == "failed"
    assert {item.used for item in control.spend()} == {0}
    assert refund(control, amount=2_600).progress == "finished", "claim, once-key and budget are free again"
    assert {item.used for item in control.spend() if "per-day" in item.key} == {2_600}


@pytest.mark.parametrize("fault", ["cut_before", "cut_after"])
def test_an_unclear_effect_is_looked_up_and_done_once(control: Control, shop: StandInConnector, fault: str) -> None:
    shop.fail("refund.create", fault)  # type: ignore[arg-type]
    journey = refund(control)
    assert journey.progress == "finished"
    assert len(shop.deeds) == 1
    if fault == "cut_after":
        assert len(shop.attempts) == 1, "what look-up finds is not done again"
    else:
        assert kinds(control, journey.action)[2:] == ["action.uncertain", "action.finished"]


def test_what_nobody_can_tell_stands_in_the_inbox_until_a_person_settles_it(
    control: Control, shop: StandInConnector
) -> None:
    shop.can_look_up = False
    shop.fail("refund.create", "cut_after", "cut_after")
    first, second = refund(control, "A1"), refund(control, "A2")
    assert (first.progress, second.progress) == ("uncertain", "uncertain")
    assert [item.waits_for for item in control.inbox()] == ["settling", "settling"]
    assert control.status().uncertain == 2
    assert len(shop.attempts) == 2, "it was not repeated blindly"
    with pytest.raises(BadInput, match="reason is needed"):
        control.settle(first.action, "ada.owner", done=True, why=" ")
    with pytest.raises(BadInput, match=r"not in people\.yaml"):
        control.settle(first.action, "nobody", done=True, why="I saw it")
    assert control.settle(first.action, "ada.owner", done=True, why="the bank shows it").progress == "finished"
    assert control.settle(second.action, "ada.owner", done=False, why="the bank shows nothing").progress == "failed"
    assert control.inbox() == ()
    assert sum(item.used for item in control.spend() if "per-day" in item.key) == 2_500
    with pytest.raises(NotFound, match="not uncertain"):
        control.settle(first.action, "ada.owner", done=True, why="again")


def test_64_proposals_at_once_never_exceed_the_budget(opened: Open) -> None:
    shop = make_shop()
    controls = [opened("a", shop), opened("b", shop)]
    futures = []
    for number in range(64):  # 500.00 a day: 25 of 20.00 each
        control = controls[number % 2]
        arguments = {"order": f"B{number}", "amount_minor": 2_000}
        futures.append(
            control.submit_proposal(control.action("refund-desk", "refund.create", f"c{number}", arguments, "0.95"))
        )
    ends = [future.result().progress for future in futures]
    assert (ends.count("finished"), ends.count("waiting")) == (25, 39)
    (day,) = [item for item in controls[0].spend() if "per-day" in item.key]
    assert (day.used, day.at_most) == (50_000, 50_000)
    assert len(shop.deeds) == 25


def test_what_another_process_left_behind_is_looked_up(opened: Open, folder: Path) -> None:
    shop = make_shop()
    first = opened("gone", shop)
    shop.fail("refund.create", "slow")
    action = first.action("refund-desk", "refund.create", "c", {"order": "A1", "amount_minor": 5}, "0.9")
    first.submit_proposal(action)
    wait_until(lambda: has_begun(first), "the effect has begun")
    # The process "dies" here: its effect is begun, its entry is gone, and it never says how it ended.
    first.submit(first.pulse.leave()).result()
    second = opened("next", make_shop())  # a shop that has never heard of it: certainly not done, so it is done now
    assert second.desk.presence.role == "next"
    journey = second.journey("c")
    assert journey.progress == "finished"
    assert kinds(second, journey.action) == [
        "action.decided", "action.begun", "action.uncertain", "action.finished",
    ]  # fmt: skip
    shop.release()


def test_personal_arguments_are_sealed_and_can_be_erased(folder: Path, opened: Open) -> None:
    manifest = folder / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace(
        "    amount: amount_minor", '    personal: {reason: "customer/$order"}\n    amount: amount_minor'
    )
    manifest.write_text(text)
    shop = make_shop()
    control = opened("test", shop)
    arguments = {"order": "A1", "amount_minor": 5, "reason": "Mrs Jane Roe is ill"}
    journey = control.propose("refund-desk", "refund.create", "c", arguments, "0.9")
    assert journey.progress == "finished"
    assert shop.deeds[journey.action].arguments["reason"] == "Mrs Jane Roe is ill", "the system gets the value"
    bodies = "".join(body for (body,) in control.store.read("select body from event"))
    assert "Jane" not in bodies
    again = control.propose("refund-desk", "refund.create", "c", arguments, "0.9")
    assert again.action == journey.action, "a sealed action has the same digest when it is proposed again"
    control.keeper.checkpoint()
    before = control.verify()
    assert control.erase("customer/A1", "she asked for it", "ada.owner") == 1
    assert control.store.read("select count(*) from sealed") == [(0,)]
    control.keeper.checkpoint()
    after = control.verify()
    assert before.problems == after.problems == ()
    assert after.size == before.size + 1
    report = control.replay_decisions()
    assert (report.different, report.erased) == ((), 1)
    with pytest.raises(BadInput, match="nothing is kept"):
        control.erase("customer/A1", "again", "ada.owner")


def test_every_decision_is_judged_again_to_the_same_bytes(control: Control, shop: StandInConnector) -> None:
    refund(control, "A1")
    refund(control, "A2", confidence=None)
    refund(control, "A3", amount=12_500)
    shop.facts["paid"] = Reading(None, "o", None, "gone")
    refund(control, "A4")
    report = control.replay_decisions()
    assert (report.same, report.different, report.erased) == (4, (), 0)


def test_explain_tells_the_whole_story(control: Control) -> None:
    journey = refund(control, amount=12_500)
    control.approve(journey.action, "cleo.finance")
    control.work()
    control.record_outcome(
        Outcome("case-A1", journey.action, True, "complaints", datetime.now(UTC), {"taken_back": False})
    )
    words = control.explain(journey.action[:8])
    for expected in (
        "refund-over-100",
        "40000",
        "cleo.finance as finance approved",
        "done at 25",
        "says complaints: right",
    ):
        assert expected in words


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("case", ""),
        ("case", "x" * 201),
        ("case", "a\nb"),
        ("case", "\x1b[31m"),
        ("confidence", "1.5"),
        ("confidence", "nan"),
    ],
)
def test_impossible_proposals_are_refused_with_words(control: Control, field: str, value: str) -> None:
    given = {"case": "c", "confidence": "0.9"} | {field: value}
    with pytest.raises(BadInput, match=f"{field}: got"):
        control.propose("refund-desk", "refund.create", given["case"], {"order": "A"}, given["confidence"])
    with pytest.raises(BadInput, match="known: refund-desk"):
        control.propose("nobody", "refund.create", "c", {})


def test_an_action_outside_the_remit_is_denied_and_recorded(control: Control) -> None:
    journey = control.propose("refund-desk", "contract.sign", "c", {"order": "A"}, "0.99")
    assert journey.progress == "denied"


def test_cancelling_the_caller_does_not_lose_the_effect(control: Control, shop: StandInConnector) -> None:
    shop.fail("refund.create", "slow")
    action = control.action("refund-desk", "refund.create", "c", {"order": "A1", "amount_minor": 5}, "0.9")
    future = control.submit_proposal(action)
    wait_until(lambda: has_begun(control), "the effect has begun")
    future.cancel()

    async def release() -> None:
        shop.release()
        await asyncio.gather(*control.desk.running)

    control.submit(release()).result()
    assert control.journey("c").progress == "finished"


def has_begun(control: Control) -> bool:
    return bool(control.store.read("select 1 from open_effect"))


def test_costs_that_are_unknown_are_counted_as_unknown(control: Control, shop: StandInConnector) -> None:
    shop.operations["refund.create"] = Done({"refund": "r"}, None)
    refund(control)
    (agent,) = control.fleet()
    assert (agent.finished, agent.cost_minor, agent.costs_unknown) == (1, 0, 1)
