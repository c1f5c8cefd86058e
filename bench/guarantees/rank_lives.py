"""How high do the bets on ranks get by chance? Lives of a watch in which nothing ever changes.

``python -m bench.guarantees.rank_lives`` prints the table of `remit.stats.rank_threshold`. The bets are the watch's
own, applied to many lives at once. In the table of guarantees other lives are held against what was printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_most
from bench.guarantees.monte_carlo import share_row
from numpy.typing import NDArray
from scipy import stats

from remit.stats.conformal import RANK_WEIGHTS, bets_on_rank
from remit.stats.rank_threshold import CHANCES_BP, HORIZONS
from remit.stats.watch import WatchPlan

__all__ = ["LIVES", "SEED", "highest", "t5_by_chance", "table_row"]

LIVES: Final = 200_000
SEED: Final = 50_2026
_TOGETHER: Final = 2_000
_UNSURE: Final = 1e-4

Floats = NDArray[np.float64]


def highest(horizons: Sequence[int], lives: int, seed: int) -> Floats:
    """Return the highest statistic within each of ``horizons`` (growing), for each life: (horizons, lives)."""
    found = np.empty((len(horizons), lives))
    for start in range(0, lives, _TOGETHER):
        part = slice(start, min(start + _TOGETHER, lives))
        found[:, part] = _part(horizons, part.stop - start, np.random.default_rng([seed, start]))
    return found


def _part(horizons: Sequence[int], lives: int, random: np.random.Generator) -> Floats:
    sums = [np.zeros(lives) for _ in RANK_WEIGHTS]
    high, found = np.zeros(lives), []
    for decision in range(1, horizons[-1] + 1):
        ranks: Floats = 1.0 - random.random(lives)  # in (0, 1], as those of the watch
        mean = np.zeros(lives)
        for place, (paid, weight) in enumerate(zip(_paid(ranks), RANK_WEIGHTS, strict=True)):
            sums[place] = (sums[place] + 1.0) * paid
            mean += weight * sums[place]
        np.maximum(high, mean, out=high)
        if decision in horizons:
            found.append(high.copy())
    return np.stack(found)


def _paid(ranks: Floats) -> Sequence[Floats]:
    return bets_on_rank(ranks)  # type: ignore[arg-type,return-value]  # it is plain arithmetic: arrays do as well


def table_row(highs: Floats, chances_bp: Sequence[int]) -> list[int]:
    """Return what is passed with at most each chance, but for a probability of 0.0001 (Wilks 1941), rounded up."""
    ordered, lives = np.sort(highs), len(highs)
    row = []
    for chance_bp in chances_bp:
        above = int(lives * chance_bp / 10_000)
        while stats.beta.ppf(1 - _UNSURE, above + 1, lives - above) > chance_bp / 10_000:
            above -= 1
        row.append(int(np.ceil(ordered[lives - above - 1])) + 1)
    return row


def t5_by_chance(runs: int = 20_000) -> list[Guarantee]:
    """Return how often confidences of one source, whatever it is, alarm within 10,000 decisions."""
    plan = WatchPlan(200, "")
    (highs,) = highest((plan.horizon,), runs, SEED + 5)
    false = int((highs >= plan.threshold("confidence")).sum())
    what = f"confidences that never change, whatever they are: false alarm in {plan.horizon:,}"
    note = f"alarms at {plan.threshold('confidence'):,}, where {plan.horizon * 10_000 // plan.confidence_bp:,} is sure "
    note += f"without drawing; at {LIVES:,} other lives that was reached with at most the chance promised"
    return [share_row("T5", what, false, runs, at_most(plan.confidence_bp / 10_000), note=note)]


if __name__ == "__main__":
    for horizon, highs in zip(HORIZONS, highest(HORIZONS, LIVES, SEED), strict=True):
        print(f"    {horizon:_}: ({', '.join(f'{value:_}' for value in table_row(highs, CHANCES_BP))}),", flush=True)
