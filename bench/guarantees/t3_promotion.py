"""T3: somebody looks after every outcome and promotes at the first certificate; how often wrongly, and how late?"""

from __future__ import annotations

from typing import Final

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_most, not_possible
from bench.guarantees.monte_carlo import (
    check_against_rule,
    error_times,
    first_certified,
    likelihood_needs,
    share_row,
)

from remit.stats.rate import boundary, certified, plan

__all__ = ["SPEEDS", "t3_false", "t3_speed"]

DELTA: Final = 0.05
HORIZON: Final = 10_000
SPEEDS: Final = ((0.05, 0.03), (0.05, 0.01), (0.02, 0.01), (0.02, 0.001), (0.01, 0.005), (0.01, 0.001))
"""Bound and true rate of agents that deserve promotion."""
_PATIENCE: Final = 100_000


def t3_false(bound: float, what: str, runs: int = 20_000, target: float = 0.05) -> list[Guarantee]:
    """Return the share of agents exactly at ``bound`` that are promoted within 10,000 outcomes."""
    if not 0.0 < bound < 1.0:
        why = f"its error rate is {bound:g}: there is nothing that could be promised too much"
        return [not_possible("T3", f"{what}, false promotion", why)]
    table = boundary(bound, DELTA, HORIZON)
    random = np.random.default_rng([3, round(bound * 10**6)])
    promoted = checked = 0
    while checked < runs:
        times = error_times(random, bound, min(1_000, runs - checked), max(1, len(table.needs)))
        if not checked:
            check_against_rule(table.needs, times[:3], lambda n, k: certified(n, k, bound, DELTA), 1_500)
        promoted += int((first_certified(table.needs, times) <= HORIZON).sum())
        checked += len(times)
    exact = plan(bound, bound, DELTA, HORIZON).certified_share
    note = f"worked out without chance: {exact:.4f}"
    return [share_row("T3", f"{what}, false promotion", promoted, runs, at_most(target), note=note)]


def t3_speed(bound: float, rate: float, runs: int = 2_000) -> list[Guarantee]:
    """Return the mean number of reviews as a multiple of Wald's test that knows the true rate."""
    what = f"bound {bound:.2%}, true {rate:.2%}: reviews, times those of the SPRT that knows"
    if not 0.0 < rate < bound < 1.0:
        return [not_possible("T3", what, "nothing to speed up")]
    patience = min(_PATIENCE, round(20_000 / bound))
    table = boundary(bound, DELTA, patience)
    random = np.random.default_rng([33, round(bound * 10**6), round(rate * 10**6)])
    ours, theirs = [], []
    known = likelihood_needs(bound, rate, DELTA, len(table.needs))
    for _ in range(-(-runs // 200)):
        times = error_times(random, rate, 200, len(table.needs))
        ours.append(np.minimum(first_certified(table.needs, times), patience))
        theirs.append(np.minimum(first_certified(known, times), patience))
    mine, best = np.concatenate(ours), np.concatenate(theirs)
    ratio = float(mine.mean() / best.mean())
    # Both saw the same streams: the spread of a ratio of means by the delta method.
    spread = 1.96 * float((mine - ratio * best).std(ddof=1)) / float(best.mean()) / np.sqrt(len(mine))
    note = f"{mine.mean():,.0f} reviews, {best.mean():,.0f} of the SPRT; median {np.median(mine):,.0f}"
    return [Guarantee("T3", what, ratio, at_most(1.35), ratio - spread, ratio + spread, len(mine), note=note)]
