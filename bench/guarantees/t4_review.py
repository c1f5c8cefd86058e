"""T4: everything is reviewed until the bound is certified, then one case in a hundred; what share is that in all?"""

from __future__ import annotations

from typing import Final

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_least, at_most, not_possible
from bench.guarantees.monte_carlo import error_times, first_certified, mean_row
from bench.guarantees.pool import ROWS_MIN, DecisionPool
from numpy.typing import NDArray

from remit.errors import RemitError
from remit.stats.audit_plan import AuditPlan, AuditState, audited, draw_review
from remit.stats.rate import boundary
from remit.stats.tax import CaseTimes, GateOption, OperatingPoint, TaxStep, next_reductions, trust_tax

__all__ = [
    "REVIEWED",
    "STUDIED",
    "TIMES",
    "net_productivity",
    "review_shares",
    "t4_productivity",
    "t4_share",
    "t4_studied",
]

REVIEWED: Final = ((0.01, 0.13), (0.005, 0.06))
"""True error and the largest share of 10,000 decisions that may be reviewed."""
STUDIED: Final = (0.151, 0.57, 0.0099)
"""Error of all, coverage and error at the gate of the agent that the target was set on (CLINC150, not at hand here)."""
TIMES: Final = CaseTimes(600, 360, 600)
"""Ten minutes by hand, six a review, ten to put an error right."""
_PLAN: Final = AuditPlan(200)
_DECISIONS: Final = 10_000
_PILOT: Final = 3_000
_BELOW: Final = (
    "what does not pass the gate comes to a person as a proposal, read and put right as where everything is reviewed; "
    "were it done by hand from nothing, x{:.2f}"
)


def review_shares(rate: float, runs: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the share of 10,000 decisions that is reviewed, for each run, when a share ``rate`` is wrong."""
    table = boundary(_PLAN.bound_bp / 10_000, _PLAN.delta_bp / 10_000, _DECISIONS)
    times = error_times(random, rate, runs, len(table.needs))
    stop = np.minimum(first_certified(table.needs, times), _DECISIONS)
    kept = random.binomial((_DECISIONS - stop).astype(np.int64), _PLAN.maintenance.unflagged_bp / 10_000)
    if runs > 100:
        for run in range(3):
            _check(times[run], float(stop[run]))
    return np.asarray((stop + kept) / _DECISIONS, dtype=np.float64)


def t4_share(what: str, rate: float, limit: float, runs: int = 4_000) -> list[Guarantee]:
    """Return the mean share that is reviewed for a bound of 2 %."""
    random = np.random.default_rng([4, round(rate * 10**6)])
    said = f"{what}: share reviewed of {_DECISIONS:,} for a bound of 2 %"
    return [mean_row("T4", said, review_shares(rate, runs, random), at_most(limit))]


def _check(times: NDArray[np.int64], stop: float) -> None:
    """Follow the real audit decision by decision, and compare where it stops reviewing everything."""
    state, errors = AuditState(_PLAN), set(times.tolist())
    while state.certified_at is None and state.decisions < _DECISIONS:
        state = audited(state, draw_review(state, None, 0), state.decisions + 1 in errors)
    if (state.certified_at or _DECISIONS) != stop:
        raise RemitError(f"the shortcut stops reviewing at {stop}, the audit at {state.certified_at}")


def net_productivity(all_wrong: float, share: float, wrong: float, reviewed: float, *, proposes: bool = True) -> float:
    """Return the net productivity where a ``share`` of cases passes a gate, a share ``wrong`` of those is wrong and a
    share ``reviewed`` is reviewed. What does not pass is proposed to a person, or simply done by hand.
    """
    passing = round(share * 10_000)
    below = (all_wrong - share * wrong) / (1 - share) if share < 1 else 0.0
    rest = (10_000 - passing, round(min(1.0, max(0.0, below)) * 10_000)) if proposes else (0, 0)
    point = OperatingPoint(passing, round(reviewed * 10_000), round(wrong * 10_000), *rest)
    return (trust_tax(TIMES, point).net_productivity_bp or 0) / 10_000


def t4_studied(error: float, coverage: float, error_at_gate: float, runs: int = 2_000) -> list[Guarantee]:
    """Return the net productivity of an agent with these rates: sequential reviews for a bound of 2 %."""
    shares = review_shares(error_at_gate, runs, np.random.default_rng(444)).tolist()
    rates = (error, coverage, error_at_gate)
    gains = [net_productivity(*rates, share) for share in shares]
    by_hand = float(np.mean([net_productivity(*rates, share, proposes=False) for share in shares]))
    what = f"{error:.1%} wrong, at the gate {error_at_gate:.2%} of {coverage:.0%}: net productivity at a bound of 2 %"
    note = f"{_BELOW.format(by_hand)}; reviewing everything gives x{net_productivity(error, 1.0, error, 1.0):.2f}; a "
    note += "made-up stream with the rates of an earlier study on CLINC150, which is not at hand: they are taken over, "
    note += "not measured here"
    return [mean_row("T4", what, gains, at_least(2.0), note=note)]


def t4_productivity(pool: DecisionPool, target: float = 2.0, runs: int = 100) -> list[Guarantee]:
    """Return the net productivity of the gate that the optimiser picks from a pilot of 3,000 labelled cases.

    The pilot only picks: what the gate then lets through is audited from nothing, at its true error.
    """
    what = f"{pool.name}: net productivity at a bound of 2 %"
    if len(pool) < ROWS_MIN:
        return [not_possible("T4", what, f"needs {ROWS_MIN} rows to stand for a population: got {len(pool)}")]
    gains, coverages = _gains(pool, runs, proposes=True)
    by_hand, _ = _gains(pool, runs, proposes=False)
    note = f"{_BELOW.format(float(np.mean(by_hand)))}; reviewing everything gives "
    note += f"x{net_productivity(pool.error, 1.0, pool.error, 1.0):.2f} here; the gate picked lets "
    note += f"{np.mean(coverages):.0%} through; the best gate there is gives x{_best(pool):.2f}"
    return [mean_row("T4", what, gains, at_least(target), note=note)]


def _gains(pool: DecisionPool, runs: int, *, proposes: bool) -> tuple[list[float], list[float]]:
    """Return net productivity and coverage of the gate picked, for each run."""
    random = np.random.default_rng(44)
    gains, coverages = [], []
    for _ in range(runs):
        step = _picked(pool, random, proposes=proposes)
        error, share = pool.above(step.threshold_bp) if step.threshold_bp is not None else (pool.error, 1.0)
        reviewed = float(review_shares(error, 1, random)[0])
        gains.append(net_productivity(pool.error, share, error, reviewed, proposes=proposes))
        coverages.append(share)
    return gains, coverages


def _best(pool: DecisionPool) -> float:
    """Return the net productivity at the gate that whoever knows all answers would set."""
    random, best = np.random.default_rng(4_444), 0.0
    thresholds, errors, shares = pool.curve()
    for share in range(20, 96, 5):
        at = min(int(np.searchsorted(shares, share / 100)), len(thresholds) - 1)
        reviewed = float(review_shares(float(errors[at]), 100, random).mean())
        best = max(best, net_productivity(pool.error, float(shares[at]), float(errors[at]), reviewed))
    return best


def _picked(pool: DecisionPool, random: np.random.Generator, *, proposes: bool) -> TaxStep:
    """Take the way to spend least that the optimiser finds; gates are shares of unlabelled cases."""
    places = random.integers(len(pool), size=_PILOT)
    confidence, wrong = pool.confidence_bp[places], pool.wrong[places]
    unlabelled = np.sort(pool.confidence_bp[random.integers(len(pool), size=_PILOT)])
    options = []
    for share in range(20, 96, 5):
        threshold = int(unlabelled[-(_PILOT * share) // 100])
        chosen = confidence >= threshold
        coverage = round(float(chosen.mean()) * 10_000)
        below = round(float(wrong[~chosen].mean()) * 10_000) if proposes and not chosen.all() else None
        options.append(GateOption(threshold, coverage, int(chosen.sum()), int(wrong[chosen].sum()), below))
    today = OperatingPoint(10_000, 10_000, round(float(wrong.mean()) * 10_000))
    steps = next_reductions(TIMES, today, _PILOT, int(wrong.sum()), options, bound_bp=_PLAN.bound_bp)
    return max(steps, key=lambda step: step.saved_seconds)
