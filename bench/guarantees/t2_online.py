"""T2: a threshold that is asked after every outcome, learning from what it lets through; is it ever wrong?"""

from __future__ import annotations

from typing import Final

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_least, at_most, not_possible
from bench.guarantees.monte_carlo import mean_row, share_row
from bench.guarantees.pool import ROWS_MIN, DecisionPool

from remit.stats.threshold import WHOLE_BP, online_threshold

__all__ = ["ONLINE", "t2"]

ONLINE: Final = ((0.05, 0.90), (0.02, None))
"""Promise, and the least share of the oracle's coverage after 10,000 decisions; none is set for 2 %."""
_DELTA: Final = 0.05
_AUDIT_BP: Final = 1_000
_DECISIONS: Final = 20_000
_HALF: Final = 10_000


def t2(pool: DecisionPool, promise: float, coverage: float | None, runs: int = 200) -> list[Guarantee]:
    """Return how often an online threshold was ever below what keeps ``promise``, and its coverage at 10,000."""
    what = f"{pool.name}: {promise:.0%} online, 10 % audit"
    if len(pool) < ROWS_MIN:
        return [not_possible("T2", what, f"needs {ROWS_MIN} rows to stand for a population: got {len(pool)}")]
    random = np.random.default_rng([2, round(promise * WHOLE_BP)])
    found = [_one(pool, promise, random) for _ in range(runs)]
    rows = [
        share_row("T2", f"{what}, ever broken in {_DECISIONS:,}", sum(one[0] for one in found), runs, at_most(0.05))
    ]
    best = pool.oracle(promise)[1]
    said = f"{what}, coverage of the oracle's at {_HALF:,}"
    if not best:
        return [*rows, not_possible("T2", said, f"no confidence keeps {promise:.0%}: even an oracle lets nothing pass")]
    shares = np.array([one[1] for one in found]) / best
    return [*rows, mean_row("T2", said, shares, at_least(coverage) if coverage else None)]


def _one(pool: DecisionPool, promise: float, random: np.random.Generator) -> tuple[bool, float]:
    """Follow one threshold; what it escalates is labelled, of what it lets through a tenth, by a recorded chance."""
    state = online_threshold(pool.confidence_bp[random.integers(len(pool), size=2_000)].tolist(), promise, _DELTA)
    places = random.integers(len(pool), size=_DECISIONS)
    confidences, wrongs = pool.confidence_bp[places].tolist(), pool.wrong[places].tolist()
    audited = (random.integers(WHOLE_BP, size=_DECISIONS) < _AUDIT_BP).tolist()
    threshold, broken, half = None, False, 0.0
    for number, (confidence, wrong, drawn) in enumerate(zip(confidences, wrongs, audited, strict=True)):
        if number == _HALF:
            half = pool.above(threshold)[1]
        alone = threshold is not None and confidence >= threshold
        if alone and not drawn:
            continue
        least = WHOLE_BP if threshold is None else _AUDIT_BP
        state = state.after(confidence, wrong, _AUDIT_BP if alone else WHOLE_BP, least)
        if state.confidence_bp != threshold:
            threshold = state.confidence_bp
            broken |= pool.above(threshold)[0] > promise
    return broken, half
