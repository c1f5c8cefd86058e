"""The trust tax through the whole fold: what was paid comes out of the ledger, and what nobody measured is not zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.evidence.written_ledger import AGENT, NAME

from remit.evidence.trust_tax import PaidTax, TaxTerms, paid_tax
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.vocabulary import Event

TERMS = TaxTerms(600, 600, 200, 9_500, 100)


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    journal = Journal(store)
    yield journal
    journal.close()


def decided(number: int, verdict: str, rule: str = "earned", replaces: str | None = None) -> Event:
    action: dict[str, Any] = {"agent": AGENT, "name": NAME, "replaces": replaces}
    decision: dict[str, Any] = {"verdict": verdict, "checks": [{"rule": rule, "verdict": verdict}]}
    data: dict[str, Any] = {"attempt": 1, "action": action, "decision": decision}
    return Event("action.decided", f"agent:{AGENT}", data, f"c-{number}", f"{number:064x}", "decided:1")


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
    expired: dict[str, Any] = {"agent": AGENT, "number": 1, "why": "late"}
    events += [decided(3, "deny", "per-hour"), decided(4, "escalate"), asked(4)]
    events.append(Event("approval.expired", "remit", dict(expired), "c-4", f"{4:064x}", "expired:1"))
    journal.append_now(*events)
    found = paid(store)
    assert (found.cases, found.handled, found.reviews, found.reworks) == (2, 1, 1, 1), "edited once, denied, expired"
