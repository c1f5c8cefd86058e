"""T1: a threshold is learned from labels, 1,000 times over; how often does the promise not hold above it?"""

from __future__ import annotations

from typing import Final

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_least, at_most, not_possible
from bench.guarantees.monte_carlo import mean_row, share_row
from bench.guarantees.pool import ROWS_MIN, DecisionPool

from remit.stats.threshold import Threshold, learn_threshold

__all__ = ["PROMISES", "t1"]

PROMISES: Final = ((0.05, 2_000, 0.94), (0.02, 5_000, 0.88), (0.01, 10_000, None))
"""Promise, labels, and the least share of the oracle's coverage; none is set for 1 %."""
_DELTA: Final = 0.05
_UNLABELLED: Final = 2_000


def t1(pool: DecisionPool, promise: float, labels: int, coverage: float | None, runs: int = 1_000) -> list[Guarantee]:
    """Return how often ``promise`` is broken by what `learn_threshold` gives, and its coverage."""
    what = f"{pool.name}: {promise:.0%} at {labels:,} labels"
    if len(pool) < ROWS_MIN:
        return [not_possible("T1", what, f"needs {ROWS_MIN} rows to stand for a population: got {len(pool)}")]
    random = np.random.default_rng([1, labels])
    broken, coverages = 0, []
    for _ in range(runs):
        unlabelled = pool.confidence_bp[random.integers(len(pool), size=_UNLABELLED)].tolist()
        found = learn_threshold(unlabelled, pool.labelled(random.integers(len(pool), size=labels)), promise, _DELTA)
        error, share = pool.above(found.confidence_bp if isinstance(found, Threshold) else None)
        broken += error > promise
        coverages.append(share)
    rows = [share_row("T1", f"{what}, promise broken", broken, runs, at_most(0.05))]
    best = pool.oracle(promise)[1]
    said = f"{what}, coverage of the oracle's"
    if not best:
        return [*rows, not_possible("T1", said, f"no confidence keeps {promise:.0%}: even an oracle lets nothing pass")]
    return [
        *rows,
        mean_row(
            "T1", said, np.array(coverages) / best, at_least(coverage) if coverage else None,
            note=f"coverage {np.mean(coverages):.3f}, the oracle's {best:.3f}; not yet in "
            f"{coverages.count(0.0) / runs:.0%} of the runs",
        ),
    ]  # fmt: skip
