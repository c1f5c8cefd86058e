"""What do reviews say that were not drawn evenly? Evidence from a sample with known chances.

Each review counts with the least chance that any case then had, divided by its own: what is looked at twice as often
counts half. On average over the draws that is an even sample, whatever the chances depended on. Bets on it that the
error rate lies below a bound are fair or worse while it does not, at every moment (Ville's inequality). As a case is
right or wrong, the bets' wealth is a function of counts for each chance: anybody can work it out again.

Horvitz and Thompson 1952 (weighting); Waudby-Smith and Ramdas 2024, Waudby-Smith, Stark and Ramdas 2021 (betting,
mixture over constant bets); Shekhar, Xu, Lipton, Liang and Ramdas 2023 (weighted audits).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log, log1p
from typing import Final

from remit.errors import BadInput
from remit.stats.rate import check_counts, check_probability
from remit.stats.special import log_mean_exp
from remit.stats.threshold import WHOLE_BP

__all__ = ["WeightedTally", "check_chances", "log_weighted_evidence", "weighted_upper_bound"]

_STAKES: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""How much each bet stakes on the next review being right."""
_CLOSE: Final = 1e-9


def check_chances(chance_bp: int, chance_least_bp: int) -> None:
    """Raise unless these are chances of review, in basis points.

    Raises:
        BadInput: not whole numbers with 0 < least <= chance <= 10,000.
    """
    if (
        type(chance_bp) is not int
        or type(chance_least_bp) is not int
        or not 0 < chance_least_bp <= chance_bp <= WHOLE_BP
    ):
        raise BadInput(
            f"chances of review: got {chance_bp!r:.40} and at least {chance_least_bp!r:.40}, expected whole basis "
            f"points with 0 < least <= chance <= {WHOLE_BP}"
        )


@dataclass(frozen=True, slots=True)
class WeightedTally:
    """Reviews that were drawn with one chance, and how many found an error.

    ``chance_least_bp`` is the least chance that any case could have had at that time, fixed before the draw.
    """

    chance_least_bp: int
    chance_bp: int
    reviews: int
    errors: int

    def __post_init__(self) -> None:
        check_chances(self.chance_bp, self.chance_least_bp)
        check_counts(self.reviews, self.errors)


def log_weighted_evidence(tallies: Iterable[WeightedTally], bound: float) -> float:
    """Return the log e-value against "the error rate is ``bound`` or more": large speaks for a rate below it.

    Assumes that reviews are counted in the order of their cases, none left out and none ahead of one still to come;
    each draw was independent of what it was to find.

    Raises:
        BadInput: ``bound`` outside (0, 1).
    """
    check_probability("bound", bound)
    rows = tuple(tallies)
    return log_mean_exp(tuple(_log_wealth(rows, bound, stake) for stake in _STAKES))


def weighted_upper_bound(tallies: Iterable[WeightedTally], delta: float) -> float:
    """Return the smallest certified bound of the error rate, to 1e-9 and never below it; 1.0 when none is certified.

    Controls: the chance that the true rate is ever above what this returns, at any look, is at most ``delta``.

    Raises:
        BadInput: ``delta`` outside (0, 1).
    """
    check_probability("delta", delta)
    rows = tuple(tallies)
    level = -log(delta)
    low, high = 1e-12, 1.0 - 1e-12
    if log_weighted_evidence(rows, high) < level:
        return 1.0
    while high - low > _CLOSE:  # each bet gains more the higher the bound, so there is one crossing
        middle = (low + high) / 2
        if log_weighted_evidence(rows, middle) >= level:
            high = middle
        else:
            low = middle
    return high


def _log_wealth(rows: tuple[WeightedTally, ...], bound: float, stake: float) -> float:
    total = 0.0
    for row in rows:
        staked = stake * row.chance_least_bp / row.chance_bp
        total += row.errors * log1p(-staked)
        total += (row.reviews - row.errors) * log1p(staked * bound / (1.0 - bound))
    return total
