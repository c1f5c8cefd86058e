"""Which of an agent's actions does a person look at? Many until the bound is certified, then a few.

Sequential stop, then maintenance: at an error rate of half the promise, one review in eight of 10,000 actions does
what a review of every action did. Chances may be higher where a verifier raises a flag; never by the agent's own
confidence, because what is wrong inside the gate is confidently wrong (measured: it costs more reviews than it saves).
Each action has a positive chance, known before its draw and recorded with it, so that the sample stays honest.

Stark 2008, Lindeman and Stark 2012 (risk-limiting audits); Shekhar, Xu, Lipton, Liang and Ramdas 2023 (weighted
sampling); Wald 1945 (stopping).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log
from typing import Any, Final

from remit.errors import BadInput
from remit.stats.rate import certified, check_counts, upper_bound
from remit.stats.threshold import WHOLE_BP
from remit.stats.weighted import WeightedTally, check_chances, log_weighted_evidence, weighted_upper_bound
from remit.vocabulary import Json

__all__ = [
    "WEIGHTED_OPENING",
    "AuditPlan",
    "AuditState",
    "ReviewDraw",
    "ReviewRates",
    "audit_upper_bound",
    "audited",
    "draw_review",
    "reopened",
    "review_probability",
]

_TALLIES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class ReviewRates:
    """The chance of review of an action without and with a verifier's flag, in basis points.

    What no verifier looked at is treated as flagged.
    """

    unflagged_bp: int
    flagged_bp: int

    def __post_init__(self) -> None:
        whole = type(self.unflagged_bp) is int and type(self.flagged_bp) is int
        if not whole or not 0 < self.unflagged_bp <= self.flagged_bp <= WHOLE_BP:
            raise BadInput(
                f"chances of review must be whole basis points with 0 < unflagged <= flagged <= {WHOLE_BP}: got "
                f"{self.unflagged_bp!r:.40} and {self.flagged_bp!r:.40}"
            )


WEIGHTED_OPENING: Final = ReviewRates(4_000, WHOLE_BP)
"""For a verifier that flags four errors in five and one good action in ten: a fifth to a third fewer reviews."""


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What is to be certified, and how much is reviewed before and after.

    ``bound_bp`` is the promised error rate, ``delta_bp`` the chance that a certificate may be false. Where the
    ``opening`` rates are equal, the evidence is the mixture of `remit.stats.rate`; else that of
    `remit.stats.weighted`. All of it is fixed before the first draw.
    """

    bound_bp: int
    delta_bp: int = 500
    opening: ReviewRates = ReviewRates(WHOLE_BP, WHOLE_BP)
    maintenance: ReviewRates = ReviewRates(100, 100)

    def __post_init__(self) -> None:
        for name in ("bound_bp", "delta_bp"):
            value = getattr(self, name)
            if type(value) is not int or not 0 < value < WHOLE_BP:
                raise BadInput(f"{name} must be from 1 to {WHOLE_BP - 1} basis points: got {value!r:.40}")

    @property
    def weighted(self) -> bool:
        """Whether a verifier's flag raises the chance of review before the bound is certified."""
        return self.opening.unflagged_bp != self.opening.flagged_bp


@dataclass(frozen=True, slots=True)
class ReviewDraw:
    """One draw, to be recorded with the decision. ``draw`` is from 0 to 9,999, from a source nobody can foresee."""

    chance_bp: int
    chance_least_bp: int
    draw: int

    def __post_init__(self) -> None:
        if type(self.draw) is not int or not 0 <= self.draw < WHOLE_BP:
            raise BadInput(f"a draw must be from 0 to {WHOLE_BP - 1}: got {self.draw!r:.40}")
        check_chances(self.chance_bp, self.chance_least_bp)

    @property
    def reviewed(self) -> bool:
        """Whether a person must look."""
        return self.draw < self.chance_bp

    @property
    def fair(self) -> bool:
        """Whether it would have been drawn without a flag too: fair draws together are an even sample."""
        return self.draw < self.chance_least_bp


@dataclass(frozen=True, slots=True)
class AuditState:
    """How far the audit of one agent version and action class has come.

    ``reviews`` and ``errors`` count all that was reviewed, ``fair_reviews`` and ``fair_errors`` the even sample in it.
    ``certified_at`` is the number of decisions at which the bound was certified, None while it is not. It stays: the
    chance that a false bound is *ever* certified is what delta limits.
    """

    plan: AuditPlan
    decisions: int = 0
    reviews: int = 0
    errors: int = 0
    fair_reviews: int = 0
    fair_errors: int = 0
    certified_at: int | None = None
    tallies: tuple[WeightedTally, ...] = field(default=())

    @property
    def rates(self) -> ReviewRates:
        """The chances of review that hold for the next decision."""
        return self.plan.opening if self.certified_at is None else self.plan.maintenance

    def to_json(self) -> dict[str, Json]:
        """Return the state as JSON without floats."""
        plan = self.plan
        return {
            "bound_bp": plan.bound_bp,
            "delta_bp": plan.delta_bp,
            "opening": [plan.opening.unflagged_bp, plan.opening.flagged_bp],
            "maintenance": [plan.maintenance.unflagged_bp, plan.maintenance.flagged_bp],
            "counts": [self.decisions, self.reviews, self.errors, self.fair_reviews, self.fair_errors],
            "certified_at": self.certified_at,
            "tallies": [[row.chance_least_bp, row.chance_bp, row.reviews, row.errors] for row in self.tallies],
        }

    @classmethod
    def from_json(cls, state: Json) -> AuditState:
        """Read what `to_json` wrote.

        Raises:
            BadInput: anything else, also counts that contradict each other.
        """
        given: Any = state
        try:
            opening, maintenance = ReviewRates(*given["opening"]), ReviewRates(*given["maintenance"])
            plan = AuditPlan(given["bound_bp"], given["delta_bp"], opening, maintenance)
            decisions, reviews, errors, fair_reviews, fair_errors = given["counts"]
            at = given["certified_at"]
            tallies = tuple(WeightedTally(*row) for row in given["tallies"])
        except (KeyError, TypeError, ValueError):
            raise BadInput(f"the state of an audit cannot be read: got {state!r:.200}") from None
        check_counts(decisions, reviews)
        check_counts(reviews, errors)
        check_counts(reviews, fair_reviews)
        check_counts(fair_reviews, fair_errors)
        if at is not None:
            check_counts(decisions, at)
        places = {(row.chance_least_bp, row.chance_bp) for row in tallies}
        summed = (sum(row.reviews for row in tallies), sum(row.errors for row in tallies))
        if len(places) != len(tallies) or len(tallies) > _TALLIES_MAX or summed != (reviews, errors):
            raise BadInput("the tallies of an audit do not add up to its counts")
        return cls(plan, decisions, reviews, errors, fair_reviews, fair_errors, at, tallies)


def review_probability(state: AuditState, flagged: bool | None) -> int:
    """Return the chance with which the next action must be reviewed, in basis points.

    ``flagged`` None means that no verifier looked, which is treated as a flag.
    """
    rates = state.rates
    return rates.unflagged_bp if flagged is False else rates.flagged_bp


def draw_review(state: AuditState, flagged: bool | None, draw: int) -> ReviewDraw:
    """Return whether the next action is reviewed, given a draw from 0 to 9,999 (``secrets.randbelow(10_000)``).

    Raises:
        BadInput: the draw is outside that range.
    """
    return ReviewDraw(review_probability(state, flagged), state.rates.unflagged_bp, draw)


def audited(state: AuditState, drawn: ReviewDraw, wrong: bool | None) -> AuditState:
    """Take in one decision whose review, if it was drawn, is finished.

    Decisions must come in the order in which they were made, none ahead of one whose review is still open: what is
    easy to review would come first, and look too good. ``wrong`` None is for what was not drawn. A review that was
    never done counts as wrong: hand in True.

    Raises:
        BadInput: an answer without a review, a review without an answer, or more different chances than a plan has.
    """
    if (wrong is None) is drawn.reviewed or (wrong is not None and type(wrong) is not bool):
        got = "drawn" if drawn.reviewed else "not drawn"
        raise BadInput(f"a decision that was {got} for review came with the answer {wrong!r:.40}; missing counts wrong")
    error, fair = int(wrong is True), int(drawn.fair)
    now = replace(
        state,
        decisions=state.decisions + 1,
        reviews=state.reviews + drawn.reviewed,
        errors=state.errors + error,
        fair_reviews=state.fair_reviews + fair,
        fair_errors=state.fair_errors + error * fair,
        tallies=_with(state.tallies, drawn, error) if drawn.reviewed else state.tallies,
    )
    if now.certified_at is None and _certified(now):
        return replace(now, certified_at=now.decisions)
    return now


def reopened(state: AuditState) -> AuditState:
    """Begin again with nothing counted, as after an alarm: what was certified was the past.

    Each new beginning may falsely certify with chance delta again.
    """
    return AuditState(state.plan)


def audit_upper_bound(state: AuditState) -> float:
    """Return the bound that the audit supports now, as a fraction; 1.0 when it supports none.

    Controls: the chance that the true rate is ever above what this returns is at most delta. Costs a millisecond.
    """
    delta = state.plan.delta_bp / WHOLE_BP
    if state.plan.weighted:
        return weighted_upper_bound(state.tallies, delta)
    return upper_bound(state.fair_reviews, state.fair_errors, delta)


def _certified(state: AuditState) -> bool:
    bound, delta = state.plan.bound_bp / WHOLE_BP, state.plan.delta_bp / WHOLE_BP
    if state.plan.weighted:
        return log_weighted_evidence(state.tallies, bound) >= -log(delta)
    return certified(state.fair_reviews, state.fair_errors, bound, delta)


def _with(tallies: tuple[WeightedTally, ...], drawn: ReviewDraw, error: int) -> tuple[WeightedTally, ...]:
    for place, row in enumerate(tallies):
        if (row.chance_least_bp, row.chance_bp) == (drawn.chance_least_bp, drawn.chance_bp):
            added = replace(row, reviews=row.reviews + 1, errors=row.errors + error)
            return (*tallies[:place], added, *tallies[place + 1 :])
    if len(tallies) >= _TALLIES_MAX:
        raise BadInput(f"more than {_TALLIES_MAX} different chances of review in one audit; its plan has at most four")
    return tuple(
        sorted(
            (*tallies, WeightedTally(drawn.chance_least_bp, drawn.chance_bp, 1, error)),
            key=lambda row: (row.chance_least_bp, row.chance_bp),
        )
    )
