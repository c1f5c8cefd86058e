"""What does checking the agent cost, and what is the next thing that can safely be checked less?

With manual time m for a case, the share c of cases that the agent handles on its own, the share r of those that a
person reviews, the time v of a review, the error rate e among them and the time w to put one right, and the share x of
cases that are put before a person as proposals, a share y of them wrong, people spend

    (1 - c - x) m + x min(m, v + y w) + c r (v + e w)

for a case: what is proposed is read and put right, or done by hand where that costs less; the rest is done by hand. m
divided by that is the net productivity. All is exact arithmetic on whole seconds and basis points;
results are rounded once, at the end, half to even.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, Literal

from remit.errors import BadInput
from remit.stats.rate import certified, check_counts, labels_missing
from remit.stats.threshold import WHOLE_BP

__all__ = [
    "CaseTimes",
    "GateOption",
    "OperatingPoint",
    "TaxStep",
    "TrustTax",
    "measured_tax",
    "next_reductions",
    "seconds_of_minutes",
    "trust_tax",
]

SECONDS_MAX: Final = 10**9


@dataclass(frozen=True, slots=True)
class CaseTimes:
    """Seconds of a person's time: a case done by hand, a review of the agent's, putting an error right."""

    manual_seconds: int
    review_seconds: int
    rework_seconds: int

    def __post_init__(self) -> None:
        for name in ("manual_seconds", "review_seconds", "rework_seconds"):
            _seconds(name, getattr(self, name))
        if self.manual_seconds == 0:
            raise BadInput("manual_seconds must be more than 0: without it nothing can be saved")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """How the agent works: the share of cases it handles alone, the share of those reviewed, and their error rate.

    ``escalated_bp`` of all cases it proposes to a person, ``escalated_error_bp`` of those wrongly. What it neither
    handles nor proposes is done by hand: everything else, as it stands.
    """

    coverage_bp: int
    review_bp: int
    error_bp: int
    escalated_bp: int = 0
    escalated_error_bp: int = 0

    def __post_init__(self) -> None:
        for name in ("coverage_bp", "review_bp", "error_bp", "escalated_bp", "escalated_error_bp"):
            _share(name, getattr(self, name))
        if self.coverage_bp + self.escalated_bp > WHOLE_BP:
            both = f"{self.coverage_bp} and {self.escalated_bp}"
            raise BadInput(f"coverage_bp and escalated_bp together must be at most {WHOLE_BP}: got {both}")


@dataclass(frozen=True, slots=True)
class TrustTax:
    """What people spend. ``net_productivity_bp`` 13,300 means 1.33 times as many cases in the same time.

    ``human_seconds`` is for 1,000 cases. ``overhead_bp`` is review time as a share of manual time, for a case the agent
    handled. ``without_review_bp`` is the net productivity that a demonstration shows, where nothing that it handles is
    checked. Both productivities are None where nobody spends any time. ``escaped_bp`` is the share of all cases that
    are wrong and reviewed by nobody; None where it is not known.
    """

    human_seconds: int
    net_productivity_bp: int | None
    overhead_bp: int
    without_review_bp: int | None
    escaped_bp: int | None


def trust_tax(times: CaseTimes, point: OperatingPoint) -> TrustTax:
    """Return what people spend at ``point``."""
    handled, reviewed = Fraction(point.coverage_bp, WHOLE_BP), Fraction(point.review_bp, WHOLE_BP)
    error = Fraction(point.error_bp, WHOLE_BP)
    proposed = Fraction(point.escalated_bp, WHOLE_BP)
    proposal = times.review_seconds + Fraction(point.escalated_error_bp, WHOLE_BP) * times.rework_seconds
    by_hand = (1 - handled - proposed) * times.manual_seconds + proposed * min(Fraction(times.manual_seconds), proposal)
    spent = by_hand + handled * reviewed * (times.review_seconds + error * times.rework_seconds)
    overhead = reviewed * times.review_seconds / times.manual_seconds
    escaped = round(handled * (1 - reviewed) * error * WHOLE_BP)
    return _tax(times.manual_seconds, spent, by_hand, overhead, escaped)


def measured_tax(
    manual_seconds: int, cases: int, handled: int, reviews_seconds: int, reworks_seconds: int
) -> TrustTax | None:
    """Return what people really spent: of ``cases``, ``handled`` by the agent, and the summed times; None without any.

    What escaped is not known from this.

    Raises:
        BadInput: negative times, or more cases handled than there were.
    """
    CaseTimes(manual_seconds, 0, 0)
    check_counts(cases, handled)
    _seconds("reviews_seconds", reviews_seconds)
    _seconds("reworks_seconds", reworks_seconds)
    if not cases:
        return None
    by_hand = Fraction((cases - handled) * manual_seconds, cases)
    spent = by_hand + Fraction(reviews_seconds + reworks_seconds, cases)
    overhead = Fraction(reviews_seconds, handled * manual_seconds) if handled else Fraction(0)
    return _tax(manual_seconds, spent, by_hand, overhead, None)


@dataclass(frozen=True, slots=True)
class GateOption:
    """A threshold the agent could act at, and what is known of it: of ``labels`` outcomes drawn above it, ``errors``.

    The labels must be an even sample of what the agent would handle there. ``threshold_bp`` is the least confidence.
    ``escalated_error_bp`` is the error rate of what it would propose instead; None where that would be done by hand.
    """

    threshold_bp: int
    coverage_bp: int
    labels: int
    errors: int
    escalated_error_bp: int | None = None

    def __post_init__(self) -> None:
        _share("threshold_bp", self.threshold_bp)
        _share("coverage_bp", self.coverage_bp)
        if self.escalated_error_bp is not None:
            _share("escalated_error_bp", self.escalated_error_bp)
        check_counts(self.labels, self.errors)


@dataclass(frozen=True, slots=True)
class TaxStep:
    """One way to spend less. ``safe`` means certified now; else ``labels_missing`` says about how many more reviews,
    None when no number will do at the rate seen, or none within the horizon.

    ``review_bp`` is the share reviewed on average over the horizon, ``saved_seconds`` what it saves in 1,000 cases
    against today, negative when it costs more; ``tax`` all of what people would spend.
    """

    kind: Literal["review", "gate"]
    threshold_bp: int | None
    coverage_bp: int
    review_bp: int
    safe: bool
    labels_missing: int | None
    saved_seconds: int
    tax: TrustTax
    reason: str


@dataclass(frozen=True, slots=True)
class _Certificate:
    bound_bp: int
    delta_bp: int
    horizon: int
    maintenance_bp: int


def next_reductions(
    times: CaseTimes,
    today: OperatingPoint,
    labels: int,
    errors: int,
    options: Iterable[GateOption] = (),
    *,
    bound_bp: int,
    delta_bp: int = 500,
    horizon: int = 10_000,
    maintenance_bp: int = 100,
) -> tuple[TaxStep, ...]:
    """Return the ways to spend less, the safe ones first, each kind by what it saves; the first is the next step.

    ``labels`` and ``errors`` are the even sample at today's gate. The first way is to review less there; the others are
    the ``options``, each reviewed in full until certified and then at ``maintenance_bp``, over ``horizon`` cases
    handled; what is handled or proposed today and would not be handled there is proposed. Safe is what is certified to
    be below ``bound_bp``; each step is tested at ``delta_bp`` alone, so choose the options before looking.

    Raises:
        BadInput: impossible counts or shares.
    """
    for name, value in (("bound_bp", bound_bp), ("delta_bp", delta_bp)):
        _share(name, value)
        if value in {0, WHOLE_BP}:
            raise BadInput(f"{name} must be above 0 and below {WHOLE_BP}: got {value}")
    _share("maintenance_bp", maintenance_bp)
    if type(horizon) is not int or not 0 < horizon <= 10**9:
        raise BadInput(f"horizon must be from 1 to 1,000,000,000 cases: got {horizon!r:.40}")
    check_counts(labels, errors)
    terms = _Certificate(bound_bp, delta_bp, horizon, maintenance_bp)
    spent = trust_tax(times, today).human_seconds
    steps = [_step(times, terms, spent, None, today, labels, errors)]
    steps += [
        _step(times, terms, spent, option.threshold_bp, _point_at(option, today), option.labels, option.errors)
        for option in options
    ]
    return tuple(sorted(steps, key=lambda step: (not (step.safe and step.saved_seconds > 0), -step.saved_seconds)))


def seconds_of_minutes(minutes: str) -> int:
    """Read minutes as somebody writes them (``7.5``) as whole seconds.

    Raises:
        BadInput: no number, negative, not whole seconds, or beyond 1,000,000,000 seconds.
    """
    try:
        value = Decimal(minutes) if isinstance(minutes, str) and len(minutes) <= 40 else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise BadInput(f"minutes must be a number like 7.5: got {minutes!r:.60}")
    if value < 0:
        raise BadInput(f"minutes cannot be negative: got {minutes!r:.60}")
    if value > SECONDS_MAX // 60 or value * 60 != int(value * 60):
        raise BadInput(f"minutes must come to whole seconds, at most {SECONDS_MAX}: got {minutes!r:.60}")
    return int(value * 60)


def _point_at(option: GateOption, today: OperatingPoint) -> OperatingPoint:
    """How the agent would work at ``option``, but for its reviews and errors."""
    proposed = today.coverage_bp + today.escalated_bp - option.coverage_bp
    if option.escalated_error_bp is None or proposed <= 0:
        return OperatingPoint(option.coverage_bp, 0, 0)
    return OperatingPoint(option.coverage_bp, 0, 0, proposed, option.escalated_error_bp)


def _step(
    times: CaseTimes,
    terms: _Certificate,
    spent_today: int,
    threshold_bp: int | None,
    point: OperatingPoint,
    labels: int,
    errors: int,
) -> TaxStep:
    bound, delta = terms.bound_bp / WHOLE_BP, terms.delta_bp / WHOLE_BP
    safe = certified(labels, errors, bound, delta)
    seen = errors / labels if labels else bound / 2  # nothing seen is not no errors: half of the bound is assumed
    missing = 0 if safe else labels_missing(labels, errors, bound, delta, seen)
    share = Fraction(1)
    if missing is not None and missing < terms.horizon:
        share = Fraction(missing, terms.horizon)
        share += (1 - share) * Fraction(terms.maintenance_bp, WHOLE_BP)
    else:
        missing = None
    review_bp = round(share * WHOLE_BP)
    tax = trust_tax(times, replace(point, review_bp=review_bp, error_bp=round(seen * WHOLE_BP)))
    bound_text = f"{terms.bound_bp / 100:g} %"
    if safe:
        reason = f"certified below {bound_text} by {labels} labels with {errors} errors"
    elif missing is None:
        reason = f"not within {terms.horizon} cases: {errors} errors in {labels} labels, and {bound_text} is promised"
    else:
        reason = f"not yet: about {missing} more labels, {errors} errors in {labels} so far"
    saved = spent_today - tax.human_seconds
    kind: Literal["review", "gate"] = "review" if threshold_bp is None else "gate"
    return TaxStep(kind, threshold_bp, point.coverage_bp, review_bp, safe, missing, saved, tax, reason)


def _tax(manual: int, spent: Fraction, by_hand: Fraction, overhead: Fraction, escaped: int | None) -> TrustTax:
    return TrustTax(
        round(spent * 1_000),
        round(manual / spent * WHOLE_BP) if spent else None,
        round(overhead * WHOLE_BP),
        round(manual / by_hand * WHOLE_BP) if by_hand else None,
        escaped,
    )


def _seconds(name: str, value: int) -> None:
    if type(value) is not int:
        raise BadInput(f"{name} must be whole seconds: got {value!r:.40}")
    if value < 0:
        raise BadInput(f"{name} cannot be negative: got {value}")
    if value > SECONDS_MAX:
        raise BadInput(f"{name} must be at most {SECONDS_MAX}: got {value}")


def _share(name: str, value: int) -> None:
    if type(value) is not int or not 0 <= value <= WHOLE_BP:
        raise BadInput(f"{name} must be from 0 to {WHOLE_BP} basis points: got {value!r:.40}")
