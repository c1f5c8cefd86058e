"""At which statistic do ranks tell of a change? The table of what chance alone reaches.

While confidences are exchangeable their ranks are independent and uniform, whatever the population; so how high the
statistic of `bets_on_rank` gets within a number of decisions is one fixed distribution, and it can be drawn from. The
general bound, decisions / chance, is a quarter too high.
"""

from __future__ import annotations

from typing import Final

from remit.stats.threshold import WHOLE_BP

__all__ = ["CHANCES_BP", "HORIZONS", "RANK_THRESHOLDS", "rank_threshold"]

CHANCES_BP: Final = (50, 100, 200, 300, 500)
HORIZONS: Final = (1_000, 2_000, 5_000, 10_000)
RANK_THRESHOLDS: Final = {
    1_000: (125_629, 59_619, 30_398, 20_345, 12_428),
    2_000: (286_520, 142_746, 70_603, 46_583, 27_793),
    5_000: (804_178, 397_336, 197_191, 131_020, 76_830),
    10_000: (1_695_811, 821_150, 405_377, 269_801, 159_679),
}
"""For each horizon, what is reached within it with at most the chances of `CHANCES_BP`. From 200,000 lives drawn by
``python -m bench.guarantees.rank_lives``, which prints these lines: an entry whose chance is in truth larger than
stated would have come of such a draw with a probability of at most 0.0001.
"""


def rank_threshold(horizon: int, chance_bp: int) -> int:
    """Return a statistic that is reached within ``horizon`` decisions with a chance of at most ``chance_bp``.

    Where that is not in the table, the next longer horizon and the next smaller chance stand for it; the general bound
    where there is none, or where it is lower.
    """
    bound = -(-horizon * WHOLE_BP // chance_bp)
    longer = next((known for known in HORIZONS if known >= horizon), None)
    rarer = next((place for place in reversed(range(len(CHANCES_BP))) if CHANCES_BP[place] <= chance_bp), None)
    if longer is None or rarer is None:
        return bound
    return min(bound, RANK_THRESHOLDS[longer][rarer])
