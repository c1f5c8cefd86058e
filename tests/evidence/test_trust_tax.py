"""The trust tax through the whole fold: what was paid comes out of the ledger, and what nobody measured is not zero."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.evidence.written_ledger import AGENT, NAME

from remit.evidence.track_record import TrackRecord
from remit.evidence.trust_tax import PaidTax, TaxTerms, paid_tax
from remit.ledger.journal import Journal
from remit.stats.tax import CaseTimes, OperatingPoint, next_reductions
from remit.store.engine import Store
from remit.vocabulary import Event

TERMS = TaxTerms(600, 600, 200, 9_500, 100)


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    journal = Journal(store)
    yield journal
    journal.close()


def decided(
    number: int, verdict: str, rule: str = "earned", replaces: str | None = None, check: str = "stage", attempt: int = 1
) -> Event:
    action: dict[str, Any] = {"agent": AGENT, "name": NAME, "replaces": replaces}
    decision: dict[str, Any] = {"verdict": verdict, "checks": [{"name": check, "rule": rule, "verdict": verdict}]}
    data: dict[str, Any] = {"attempt": attempt, "action": action, "decision": decision}
    return Event("action.decided", f"agent:{AGENT}", data, f"c-{number}", f"{number:064x}", f"decided:{attempt}")


def asked(number: int) -> Event:
    data: dict[str, Any] = {"agent": AGENT, "name": NAME, "number": 1, "due_at": "2030", "asks": [["supervisor", 1]]}
    return Event("approval.asked", f"agent:{AGENT}", dict(data), f"c-{number}", f"{number:064x}", "asked:1")


def answered(number: int, verdict: str, seconds: int | None) -> Event:
    data: dict[str, Any] = {
        "agent": AGENT,
        "person": "ada",
        "verdict": verdict,
        "role": "supervisor",
        "seconds": seconds,
    }
    return Event("approval.answered", "person:ada", data, f"c-{number}", f"{number:064x}", "answered:1:ada")


def reviewed(number: int, right: bool, seconds: int | None) -> Event:
    data: dict[str, Any] = {"agent": AGENT, "name": NAME, "person": "ada", "right": right, "seconds": seconds}
    return Event("review.answered", "person:ada", data, f"c-{number}", f"{number:064x}")


def paid(store: Store, terms: TaxTerms | None = TERMS) -> PaidTax:
    (found,) = paid_tax(store, lambda _agent, _action: terms)
    return found


def test_four_in_five_reviewed_at_three_fifths_of_the_time_is_a_third_more(journal: Journal, store: Store) -> None:
    """Of 1,000 cases the agent takes 600; 480 of those are reviewed, six minutes instead of ten; 72 were wrong."""
    events: list[Event] = []
    for number in range(1_000):
        if number >= 600:
            events.append(decided(number, "deny", "shadow"))
        elif number < 240:
            events += [decided(number, "escalate"), asked(number)]
            events.append(answered(number, "reject" if number < 36 else "approve", 360))
        elif number < 480:
            events += [decided(number, "allow"), reviewed(number, number >= 276, 360)]
        else:
            events.append(decided(number, "allow"))
    for start in range(0, len(events), 500):
        journal.append_now(*events[start : start + 500])
        paid(store)  # looking again and again gives the same
    found = paid(store)
    assert (found.cases, found.handled, found.reviews, found.reviewed_bp) == (1_000, 600, 480, 8_000)
    assert (found.review_seconds, found.reworks, found.manual_seconds) == (172_800, 72, 600_000)
    assert found.tax is not None
    assert found.tax.human_seconds == 400 * 600 + 480 * 360 + 72 * 600
    assert found.tax.net_productivity_bp == 13_158, "x1.3: what a pilot promised as x2.5"
    assert found.tax.without_review_bp == 25_000


def expired(number: int) -> Event:
    data: dict[str, Any] = {"agent": AGENT, "number": 1, "why": "late"}
    return Event("approval.expired", "remit", data, f"c-{number}", f"{number:064x}", "expired:1")


def track(trials: int, errors: int) -> TrackRecord:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return TrackRecord(
        AGENT, "v1", NAME, "", "autonomous", "promoted", 100, (), trials, errors, 0, 0, 0, 0, trials, errors, 0.0, 1.0,
        0.02, 0.95, 8_000, 6_000, 100, 100, "", "", None, None, 0, now,
    )  # fmt: skip


def test_what_is_escalated_goes_on_being_proposed_and_is_no_saving(journal: Journal, store: Store) -> None:
    """Of 100 cases 60 pass alone, 30 are below the threshold, 10 in shadow; of the 30 two expire, 7 are rejected."""
    events: list[Event] = []
    for number in range(60):
        events.append(decided(number, "allow"))
        if number < 30:
            events.append(reviewed(number, number > 0, 200))
    for number in range(60, 90):
        events += [decided(number, "escalate", "learned", check="confidence"), asked(number)]
        if number >= 88:
            events.append(expired(number))
            continue
        events.append(answered(number, "reject" if number < 67 else "approve", 200))
        if number >= 67:
            events.append(decided(number, "allow", "learned", check="confidence", attempt=2))
    events += [decided(number, "deny", "shadow") for number in range(90, 100)]
    journal.append_now(*events)
    (found,) = paid_tax(store, lambda _agent, _action: TERMS, [track(1_000, 5)])
    assert (found.cases, found.handled, found.escalated, found.reviews, found.reworks) == (100, 88, 28, 58, 8)
    assert found.tax is not None and found.step is not None
    assert found.tax.human_seconds == 10 * (12 * 600 + 58 * 200 + 8 * 600), "as measured"
    today = OperatingPoint(6_000, 5_000, 50, 2_800, 2_500)
    times = CaseTimes(600, 200, 600)
    (step,) = next_reductions(times, today, 1_000, 5, bound_bp=200)
    assert found.step == step
    assert step.safe and step.coverage_bp == 6_000
    assert step.saved_seconds == 600 * (200 + 3) * (5_000 - 100) // 10_000, "of those that pass alone"


def test_one_case_shown_to_two_people_or_again_is_one_proposal(journal: Journal, store: Store) -> None:
    again = decided(1, "escalate", "learned", check="confidence", attempt=2)
    once_more = Event("approval.asked", f"agent:{AGENT}", asked(1).data, "c-1", f"{1:064x}", "asked:2")
    no = answered(1, "reject", 100)
    said = Event(no.kind, "person:bob", dict(no.data) | {"person": "bob"}, no.case, no.action, "answered:2:bob")
    first = [decided(1, "escalate", "learned", check="confidence"), asked(1), answered(1, "approve", 100)]
    journal.append_now(*first, again, once_more, said, decided(2, "allow"))
    (found,) = paid_tax(store, lambda _agent, _action: TERMS, [track(100, 0)])
    assert (found.cases, found.handled, found.escalated, found.reviews, found.reworks) == (2, 2, 1, 2, 1)
    assert found.step is not None
    today = OperatingPoint(5_000, 0, 0, 5_000, 10_000)
    assert found.step == next_reductions(CaseTimes(600, 100, 600), today, 100, 0, bound_bp=200)[0]


def test_an_agent_all_of_whose_cases_are_escalated_has_nothing_to_review_less(journal: Journal, store: Store) -> None:
    journal.append_now(decided(1, "escalate", "learned", check="confidence"), asked(1), answered(1, "approve", 100))
    (found,) = paid_tax(store, lambda _agent, _action: TERMS, [track(100, 0)])
    assert found.step is None and found.escalated == found.handled == 1


def test_what_nobody_measured_is_taken_at_the_mean(journal: Journal, store: Store) -> None:
    journal.append_now(*(decided(number, "allow") for number in range(4)))
    journal.append_now(reviewed(0, True, None))
    found = paid(store)
    assert (found.reviews, found.measured, found.review_seconds, found.tax) == (1, 0, None, None)
    journal.append_now(reviewed(1, True, 100), reviewed(2, True, 300))
    found = paid(store)
    assert (found.reviews, found.measured, found.review_seconds) == (3, 2, 600)
    assert found.tax is not None
    assert found.tax.human_seconds == 150_000
    assert paid(store, None).tax is None, "without the manual time nothing can be said"


def test_what_is_no_case_of_the_agents_does_not_count(journal: Journal, store: Store) -> None:
    events = [decided(1, "escalate"), asked(1), answered(1, "reject", 10), decided(2, "allow", replaces="1")]
    events += [decided(3, "deny", "per-hour"), decided(4, "escalate"), asked(4)]
    events.append(expired(4))
    journal.append_now(*events)
    found = paid(store)
    assert (found.cases, found.handled, found.reviews, found.reworks) == (2, 1, 1, 1), "edited once, denied, expired"
