"""Reviews and probes: who may look, what they see first, a word counts once, and probes look alike."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.app import Control
from remit.errors import BadInput, Conflict, NotAllowed, NotFound
from remit.evidence.review_quality import corrected_rates, review_quality
from remit.ledger.query import EventFilter, find_events
from remit.oversight.probes import is_due, probes_of
from remit.vocabulary import Event, Outcome

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PERSON = "ada.owner"


@pytest.fixture
def terms() -> str:
    return "blind: true"


@pytest.fixture
def folder(folder: Path, terms: str) -> Path:
    """The small company, whose refund desk earns and was built by somebody who may otherwise supervise."""
    manifest = folder / "agents" / "refund-desk.yaml"
    earned = f"    oversight: earned\n    ask: supervisor\n    autonomy: {{promise: 0.05, matures: 1d, {terms}}}\n"
    text = manifest.read_text().replace("    oversight: on_the_loop\n", earned)
    text = text.replace("confidence: {at_least: 0.80, ask: supervisor}\n", "promotion: {ask: owner}\n")
    text = text.replace("built_by: []", "built_by: [dan.builder]").replace("at_most: 60}", "at_most: 9999}")
    manifest.write_text(text)
    people = folder / "people.yaml"
    builder = "  - {name: dan.builder, roles: [supervisor], departments: [support]}\n"
    people.write_text(people.read_text() + builder)
    return folder


def stage(control: Control, stage: str, threshold_bp: int = 9000, review_bp: int = 10_000) -> None:
    data: dict[str, Any] = {
        "agent": "refund-desk", "version": control.law.manifest("refund-desk").version, "action": "refund.create",
        "class": "", "stage": stage, "before": "shadow", "cause": "promoted", "why": "a test", "certificate": "c" * 64,
        "threshold_bp": threshold_bp, "review_bp": review_bp, "expires_at": None,
    }  # fmt: skip
    control.journal.append_now(Event("stage.changed", "remit", data))


def drawn(control: Control, order: str = "A1", confidence: str = "0.95") -> str:
    """One action that is done and drawn for review."""
    _ = control.desk
    stage(control, "autonomous")
    arguments = {"order": order, "amount_minor": 5, "reason": "late"}
    journey = control.propose("refund-desk", "refund.create", f"c-{order}", arguments, confidence, ("it says so",))
    assert journey.progress == "finished"
    return journey.action


def answers(control: Control) -> list[dict[str, Any]]:
    found = find_events(control.store, EventFilter(kind="review.answered"), 1_000)
    return [dict(one.event.data) for one in reversed(found)]


def test_a_blind_reviewer_answers_before_the_agent_is_seen(control: Control) -> None:
    action = drawn(control)
    reviews = control.autonomy.reviews
    case = reviews.next_case(PERSON)
    assert case is not None
    assert (case.action, case.kind, case.answer, dict(case.arguments)) == (action, "drawn", None, {"order": "A1"})
    assert [fact["value"] for fact in case.facts] == [40_000]
    with pytest.raises(BadInput, match="your own answer first"):
        control.autonomy.answer_review(action, PERSON, True)
    with pytest.raises(BadInput, match="expected values for amount_minor, reason"):
        reviews.commit(action, PERSON, {"order": "A1"})
    seen = reviews.commit(action[:12], PERSON, {"amount_minor": 7})
    assert seen.answer == {
        "arguments": {"amount_minor": 5, "reason": "late"}, "confidence_bp": 9_500, "reasons": ["it says so"],
    }  # fmt: skip
    assert reviews.commit(action, PERSON, {"amount_minor": 5}).own_answer == {"amount_minor": 7}, "once said stays said"
    control.autonomy.answer_review(action, PERSON, False, "too little")
    (said,) = answers(control)
    assert (said["right"], said["own_answer"], said["blind"]) == (False, {"amount_minor": 7}, True)
    assert said["shown_digest"] == seen.shown_digest
    assert 0 <= said["seconds"] < 600, "measured from showing on"
    assert reviews.cases(PERSON) == ()
    assert control.store.read("select name from setting where name like 'review/%'") == []


def test_what_one_person_may_not_review(control: Control) -> None:
    action = drawn(control)
    for person, words in (
        ("dan.builder", "built agent"),
        ("cleo.finance", "role asked: supervisor"),
        ("nobody", "role"),
    ):
        assert control.autonomy.reviews.cases(person) == ()
        with pytest.raises(NotAllowed, match=words):
            control.autonomy.answer_review(action, person, True, own={"amount_minor": 5})
    with pytest.raises(NotFound, match="review` lists what does"):
        control.autonomy.reviews.show("f" * 12, PERSON)
    assert answers(control) == []


@pytest.mark.parametrize("terms", ["blind: false"])
@pytest.mark.parametrize(
    ("right", "why", "seconds", "words"),
    [
        (False, " ", 5, "wrong needs a reason"),
        (True, "", -1, "seconds taken: got -1"),
        (True, "", 604_801, "seconds taken: got 604801"),
        (True, "x" * 2_001, 1, "at most 2000"),
    ],
)
def test_what_cannot_be_said(control: Control, right: bool, why: str, seconds: int, words: str) -> None:
    action = drawn(control)
    with pytest.raises(BadInput, match=words):
        control.autonomy.answer_review(action, PERSON, right, why, seconds)
    assert answers(control) == []
    control.autonomy.answer_review(action, PERSON, None, "", 0)
    assert [said["seconds"] for said in answers(control)] == [0]


@pytest.mark.parametrize("terms", ["blind: false"])
def test_of_two_at_once_one_reviews(control: Control) -> None:
    action = drawn(control)
    ended: list[str] = []
    barrier = threading.Barrier(2, timeout=60)

    def say(person: str) -> None:
        control.autonomy.reviews.show(action, person)
        barrier.wait()
        try:
            control.autonomy.answer_review(action, person, True, seconds=3)
            ended.append("said")
        except (Conflict, NotFound):
            ended.append("late")

    threads = [threading.Thread(target=say, args=(person,)) for person in (PERSON, "ben.deputy")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["late", "said"]
    assert len(answers(control)) == 1


@pytest.mark.parametrize("terms", ["blind: false"])
def test_a_question_is_answered_through_the_same_queue(control: Control) -> None:
    _ = control.desk
    stage(control, "supervised")
    for order in ("B1", "B2"):
        control.propose("refund-desk", "refund.create", f"c-{order}", {"order": order, "amount_minor": 5}, "0.95")
    assert [case.kind for case in control.autonomy.reviews.cases(PERSON)] == ["asked", "asked"]
    with pytest.raises(BadInput, match="a yes or a no"):
        control.autonomy.answer_review("c-B1", PERSON, None)
    control.autonomy.answer_review("c-B1", PERSON, True, seconds=60)
    control.autonomy.answer_review("c-B2", PERSON, False, "no", 30)
    assert (control.journey("c-B1").progress, control.journey("c-B2").progress) == ("approved", "rejected")
    found = find_events(control.store, EventFilter(kind="approval.answered"), 10)
    assert sorted(int(str(one.event.data["seconds"])) for one in found) == [30, 60]


def wrong_case(control: Control, order: str) -> str:
    """A case that turned out wrong by a source of record; nobody's review of it waits."""
    action = drawn(control, order)
    control.record_outcome(Outcome(f"c-{order}", action, False, "source:erp", NOW))
    control.autonomy.answer_review(action, "ben.deputy", False, "seen later", 5)
    return action


@pytest.mark.parametrize("terms", ["blind: false, probes: 0.5"])
def test_a_probe_looks_like_any_other_and_is_revealed_by_the_quality(control: Control) -> None:
    wrong = wrong_case(control, "W1")
    real = drawn(control, "A1")
    seen = control.autonomy.reviews.cases(PERSON)
    assert [case.case for case in seen] == ["c-W1", "c-A1"]
    assert [case.kind for case in seen] == ["drawn", "drawn"]
    probe = seen[0].action
    assert len(probe) == len(real)
    assert probe not in (wrong, real)
    assert control.autonomy.reviews.cases(PERSON) == seen, "looking again plants nothing"
    planted = find_events(control.store, EventFilter(kind="probe.planted"), 10)
    (event,) = [one.event for one in planted]
    assert probe not in str(event), "the ledger does not say which it is"
    assert wrong not in str(event)
    assert "c-W1" not in str(event)
    control.autonomy.answer_review(probe, PERSON, True, seconds=4)
    control.autonomy.answer_review(real, PERSON, True, seconds=4)
    with pytest.raises(NotFound):
        control.autonomy.answer_review(probe, PERSON, False, "again")
    quality = review_quality(control.store)
    everybody, ada, ben = quality.reviewers
    assert (quality.planted, quality.broken, ada.person, ben.person) == (1, 0, PERSON, "ben.deputy")
    assert (ada.probes, ada.missed, ben.probes, everybody.missed) == (1, 1, 0, 1)
    assert (ben.matured, ben.confirmed, ada.matured) == (1, 1, 0)
    assert quality.missed == {("refund-desk", "refund.create"): 1}
    (rate,) = corrected_rates(quality, control.autonomy.in_force())
    assert rate.corrected == 1.0, "who missed the only probe may miss everything"


@pytest.mark.parametrize("terms", ["blind: false, probes: 0.5"])
def test_a_probe_changes_no_evidence(control: Control) -> None:
    wrong_case(control, "W1")
    drawn(control, "A1")
    before = control.autonomy.in_force()
    probe = control.autonomy.reviews.cases(PERSON)[0].action
    control.autonomy.answer_review(probe, PERSON, True, seconds=4)
    assert [(one.cases, one.errors, one.labelled, one.wrong) for one in control.autonomy.in_force()] == [
        (one.cases, one.errors, one.labelled, one.wrong) for one in before
    ]
    assert not control.replay_decisions().different
    assert not control.verify().problems


@pytest.mark.parametrize("terms", ["blind: false, probes: 0.5"])
def test_nobody_is_probed_with_what_they_have_judged_or_seen(control: Control) -> None:
    wrong_case(control, "W1")
    drawn(control, "A1")
    drawn(control, "A2")
    assert [case.case for case in control.autonomy.reviews.cases("ben.deputy")] == ["c-A1", "c-A2"]
    assert [case.case for case in control.autonomy.reviews.cases(PERSON)] == ["c-W1", "c-A1", "c-A2"]
    assert len(probes_of(control.store, PERSON)) == 1


@pytest.mark.parametrize("terms", ["blind: false, probes: 0.5"])
def test_a_probe_that_was_changed_is_told(control: Control) -> None:
    wrong_case(control, "W1")
    drawn(control, "A1")
    control.autonomy.reviews.cases(PERSON)
    with control.store.transaction() as transaction:
        transaction.execute("update sealed set value = replace(value, 'drawn', 'asked') where subject like 'probe/%'")
    assert review_quality(control.store).broken == 1


@given(st.binary(min_size=32, max_size=32), st.sampled_from([0, 500, 2_000, 5_000]))
def test_the_share_of_probes_is_what_was_asked_for(key: bytes, probe_bp: int) -> None:
    reviews = 2_000
    probes = sum(is_due(key, PERSON, f"{number:064x}", probe_bp) for number in range(reviews))
    share = probes / (reviews + probes)
    assert abs(share - probe_bp / 10_000) < 0.05, "six standard deviations"


def test_the_week_shows_what_is_wrong_disputed_close_and_drawn(control: Control) -> None:
    _ = control.desk
    stage(control, "autonomous", 9_400, 9_999)
    for order, confidence in (("C1", "0.95"), ("C2", "0.99"), ("C3", "0.99"), ("C4", "0.99")):
        control.propose("refund-desk", "refund.create", f"c-{order}", {"order": order, "amount_minor": 5}, confidence)
    wrong, disputed = control.journey("c-C2").action, control.journey("c-C3").action
    control.record_outcome(Outcome("c-C2", wrong, False, "source:erp", NOW))
    control.record_outcome(Outcome("c-C3", disputed, True, "source:erp", NOW))
    control.record_outcome(Outcome("c-C3", disputed, False, "person:ada.owner", NOW))
    flags = {one.case: one.flags for one in control.autonomy.flagged()}
    assert flags == {
        "c-C1": ("near the threshold", "drawn"), "c-C2": ("wrong", "drawn"),
        "c-C3": ("contradicted", "wrong", "drawn"), "c-C4": ("drawn",),
    }  # fmt: skip
    assert next(iter(flags)) == "c-C3"
    assert control.autonomy.flagged(story=True) != ()


@pytest.mark.parametrize("terms", ["blind: true, probes: 0.5"])
def test_a_probe_among_questions_looks_like_a_question(control: Control) -> None:
    _ = control.desk
    stage(control, "supervised")
    for order, person in (("W1", "ben.deputy"), ("B1", "")):
        arguments = {"order": order, "amount_minor": 5}
        action = control.propose("refund-desk", "refund.create", f"c-{order}", arguments, "0.95").action
        if person:
            control.reject(action, person, "too much")
    probe, real = control.autonomy.reviews.cases(PERSON)
    assert (probe.case, probe.kind, probe.answer, probe.blind) == ("c-W1", "asked", None, True)
    assert (real.case, real.kind, real.answer, real.blind) == ("c-B1", "asked", None, True)
    for case in (probe, real):
        with pytest.raises(BadInput, match="your own answer first"):
            control.autonomy.answer_review(case.action, PERSON, False, "no")
        with pytest.raises(BadInput, match="a yes or a no"):
            control.autonomy.answer_review(case.action, PERSON, None, own={"amount_minor": 1})
        control.autonomy.answer_review(case.action, PERSON, False, "no", 9)
    everybody = review_quality(control.store).reviewers[0]
    assert (everybody.probes, everybody.missed) == (1, 0)
    assert control.journey("c-B1").progress == "rejected"
