"""The trust tax as it was really paid: people's time on an agent's cases, against doing them by hand.

A fold of the ledger: how many cases there were, how many the agent handled, how many of those a person looked at, and
for how long. Times that nobody measured are not zero: they are taken at the mean of those measured, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.evidence.fold import up_to_date
from remit.evidence.track_record import TrackRecord
from remit.ledger.event import RecordedEvent
from remit.stats.tax import CaseTimes, OperatingPoint, TaxStep, TrustTax, measured_tax, next_reductions
from remit.store.engine import Store

__all__ = ["PaidTax", "TaxTerms", "paid_tax"]

_VERSION: Final = 2
_WHOLE_BP: Final = 10_000
_Open = list[Any]
"""What people were asked about: agent and action, whether it was escalated, whether anybody has answered."""
_KINDS: Final = (
    "action.decided", "approval.asked", "approval.answered", "approval.expired", "review.answered",
)  # fmt: skip
_COUNTS: Final = (
    "cases", "handled", "reviewed", "measured", "seconds", "reworks", "escalated", "escalated_answers",
    "escalated_seen", "escalated_wrong",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaxTerms:
    """Seconds of a person's time, as the remit says: a case done by hand, and putting a wrong one right."""

    manual_seconds: int
    rework_seconds: int
    promise_bp: int
    sure_bp: int
    maintenance_bp: int


@dataclass(frozen=True, slots=True)
class PaidTax:
    """One agent's action. Shares are basis points, times seconds of people.

    ``cases`` came; the agent ``handled`` those that it was let do or ask about; ``reviews`` were made, ``measured`` of
    them with a time, ``review_seconds`` in all (those not measured at the mean of the others), and ``reworks`` of the
    handled ones were wrong and done by hand. ``escalated`` of the handled ones were put before a person for another
    reason than what was earned: a confidence below the threshold, a rule, a limit. ``manual_seconds`` is what all cases
    would have taken by hand. ``tax`` is None where that is not known, or no review was ever measured. ``step`` is the
    next way to review less.
    """

    agent: str
    action: str
    cases: int
    handled: int
    reviews: int
    reviewed_bp: int | None
    measured: int
    review_seconds: int | None
    reworks: int
    escalated: int
    manual_seconds: int | None
    tax: TrustTax | None
    step: TaxStep | None


def paid_tax(
    store: Store, terms_of: Callable[[str, str], TaxTerms | None], tracks: Sequence[TrackRecord] = ()
) -> tuple[PaidTax, ...]:
    """Return what was paid for each agent's action as of now, by name.

    ``terms_of(agent, action)`` gives None where nobody said how long it takes by hand. ``tracks`` are the evidence that
    the next step rests on, of the versions in use.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    state = up_to_date(store, "trust_tax", _VERSION, lambda: {"paid": {}, "open": {}}, _step, _KINDS)
    found = []
    for key, counts in sorted(state["paid"].items()):
        agent, _, action = key.partition("/")
        of = [track for track in tracks if (track.agent, track.action) == (agent, action)]
        found.append(_paid(agent, action, counts, terms_of(agent, action), of))
    return tuple(found)


def _paid(
    agent: str, action: str, counts: Mapping[str, int], terms: TaxTerms | None, tracks: Sequence[TrackRecord]
) -> PaidTax:
    cases, handled, reviewed = counts["cases"], counts["handled"], counts["reviewed"]
    measured, reworks = counts["measured"], counts["reworks"]
    seconds: int | None = 0
    if reviewed:
        seconds = round(counts["seconds"] * reviewed / measured) if measured else None
    tax, step = None, None
    if terms is not None and seconds is not None and cases:
        tax = measured_tax(terms.manual_seconds, cases, handled, seconds, reworks * terms.rework_seconds)
        step = _next(counts, terms, tracks, round(seconds / reviewed) if reviewed else 0)
    return PaidTax(
        agent, action, cases, handled, reviewed, min(_WHOLE_BP, reviewed * _WHOLE_BP // handled) if handled else None,
        measured, seconds, reworks, counts["escalated"], None if terms is None else cases * terms.manual_seconds, tax,
        step,
    )  # fmt: skip


def _next(
    counts: Mapping[str, int], terms: TaxTerms, tracks: Sequence[TrackRecord], review_seconds: int
) -> TaxStep | None:
    """The next way to spend less where the agent is let do things: reviewing less, once certified. What is escalated
    for other reasons goes on being proposed.
    """
    cases, escalated, seen = counts["cases"], counts["escalated"], counts["escalated_seen"]
    handled, reviewed = counts["handled"] - escalated, counts["reviewed"] - counts["escalated_answers"]
    trials, errors = sum(track.trials for track in tracks), sum(track.errors for track in tracks)
    if not handled or not tracks:
        return None
    today = OperatingPoint(
        handled * _WHOLE_BP // cases,
        min(_WHOLE_BP, reviewed * _WHOLE_BP // handled),
        errors * _WHOLE_BP // trials if trials else 0,
        escalated * _WHOLE_BP // cases,
        counts["escalated_wrong"] * _WHOLE_BP // seen if seen else _WHOLE_BP,
    )
    times = CaseTimes(terms.manual_seconds, review_seconds, terms.rework_seconds)
    return next_reductions(
        times, today, trials, errors,
        bound_bp=terms.promise_bp, delta_bp=_WHOLE_BP - terms.sure_bp, maintenance_bp=terms.maintenance_bp,
    )[0]  # fmt: skip


def _step(state: dict[str, Any], recorded: RecordedEvent) -> None:
    event = recorded.event
    data: Mapping[str, Any] = event.data
    waiting: dict[str, _Open] = state["open"]
    if event.kind == "action.decided":
        _decided(state, event.action, data)
    elif event.kind == "approval.asked":
        waiting.setdefault(event.action, [f"{data['agent']}/{data['name']}", False, False])
    elif event.kind == "review.answered":
        counts = _counts(state, f"{data['agent']}/{data['name']}")
        _timed(counts, data["seconds"])
        counts["reworks"] += data["right"] is False
    elif event.action in waiting:
        key, escalated, seen = waiting[event.action]
        counts = _counts(state, key)
        if event.kind == "approval.answered":
            _timed(counts, data["seconds"])
            wrong = data["verdict"] == "reject"
            counts["escalated_answers"] += escalated
            counts["escalated_seen"] += escalated and not seen
            counts["escalated_wrong"] += escalated and wrong
            counts["reworks"] += wrong
            if not wrong:
                waiting[event.action] = [key, escalated, True]
                return
        elif event.kind == "approval.expired":  # nobody looked: it is done by hand
            counts["handled"] -= 1
            counts["escalated"] -= escalated
        del waiting[event.action]


def _decided(state: dict[str, Any], action: str, data: Mapping[str, Any]) -> None:
    decision, waiting = data["decision"], state["open"]
    if data["attempt"] != 1:
        if decision["verdict"] != "escalate":
            waiting.pop(action, None)
        return
    if data["action"]["replaces"] is not None:  # a person changed it: the case it replaces was counted
        return
    key = f"{data['action']['agent']}/{data['action']['name']}"
    counts = _counts(state, key)
    if decision["verdict"] != "deny":
        escalated = any(check["verdict"] == "escalate" and check["name"] != "stage" for check in decision["checks"])
        counts["cases"] += 1
        counts["handled"] += 1
        counts["escalated"] += escalated
        if escalated:
            waiting[action] = [key, True, False]
    elif all(check["rule"] == "shadow" for check in decision["checks"] if check["verdict"] == "deny"):
        counts["cases"] += 1  # a person does it; what is denied for another reason is no case


def _timed(counts: dict[str, int], seconds: int | None) -> None:
    counts["reviewed"] += 1
    if seconds is not None:
        counts["measured"] += 1
        counts["seconds"] += seconds


def _counts(state: dict[str, Any], key: str) -> dict[str, int]:
    counts: dict[str, int] = state["paid"].setdefault(key, dict.fromkeys(_COUNTS, 0))
    return counts
