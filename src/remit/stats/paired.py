"""Is a new version as good as the old one? Both answer the same items; looked at after every item.

Two questions run side by side. *Pass* rejects "the new version is worse by the margin or more"; *block* rejects "the
new version is not worse". Each has a process that, while its hypothesis is true, reaches ``1 / delta`` with a chance
of at most ``delta``, whenever anybody stops. Controls: a version that is worse by the margin passes, and one that is
not worse is blocked, each with a chance of at most ``delta``. Between the two either may come, or neither.

Both are functions of three counts, so a verdict can be worked out again. Pass is a mixture of constant bets on the
difference (-1, 0, 1) of an item; block is the mixture of `remit.stats.rate` on the items on which the versions
disagree. Assumes: the items are drawn independently from the cases that matter, in an order that does not depend on
the answers; each version answers each item once.

Sources: Waudby-Smith and Ramdas 2024 (betting); Robbins 1970; McNemar 1947 (pairs that disagree).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from remit.stats.rate import TRIALS_MAX, check_counts, check_probability, first_enough, log_evidence_above
from remit.stats.special import log_mean_exp

__all__ = ["PairedVerdict", "Pairs", "items_missing", "log_evidence_as_good", "log_evidence_worse", "paired_verdict"]

PairedVerdict = Literal["pass", "block", "go on"]

_BETS: Final = (0.15, 0.25, 0.35, 0.45, 0.6, 0.97)
"""Parts of the largest bet; chosen for versions that disagree on 0 to 15 % of the items and a margin of 2 points."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What came of the items so far: ``same`` right or wrong by both; ``better`` right by the new version only;
    ``worse`` right by the old one only.

    Raises:
        BadInput: a count is negative or no whole number, or there are more than `TRIALS_MAX` items.
    """

    same: int = 0
    better: int = 0
    worse: int = 0

    def __post_init__(self) -> None:
        for count in (self.same, self.better, self.worse):
            check_counts(TRIALS_MAX, count)
        check_counts(self.items, self.items)

    @property
    def items(self) -> int:
        """How many items there were."""
        return self.same + self.better + self.worse

    def after(self, old_right: bool, new_right: bool) -> Pairs:
        """Return the counts after one more item."""
        if old_right == new_right:
            return Pairs(self.same + 1, self.better, self.worse)
        if new_right:
            return Pairs(self.same, self.better + 1, self.worse)
        return Pairs(self.same, self.better, self.worse + 1)


def paired_verdict(pairs: Pairs, margin: float, delta: float) -> PairedVerdict:
    """Return whether the new version may pass, must be blocked, or needs more items. The first that is not
    ``go on`` stands.

    ``margin``: how much worse in fractions of 1 is too much. At equal quality, with 5 % of the items answered
    differently, a margin of .02 and a delta of .05, half of the comparisons pass within about 720 items.

    Raises:
        BadInput: ``margin`` or ``delta`` outside (0, 1).
    """
    check_probability("delta", delta)
    level = -math.log(delta)
    as_good = log_evidence_as_good(pairs, margin)
    if log_evidence_worse(pairs) >= level:
        return "block"
    return "pass" if as_good >= level else "go on"


def log_evidence_as_good(pairs: Pairs, margin: float) -> float:
    """Return the log e-value against "the new version is worse by ``margin`` or more".

    Raises:
        BadInput: ``margin`` outside (0, 1).
    """
    check_probability("margin", margin)
    return _log_as_good(pairs.same, pairs.better, pairs.worse, margin)


def log_evidence_worse(pairs: Pairs) -> float:
    """Return the log e-value against "the new version is at least as good as the old one"."""
    disagree = pairs.better + pairs.worse
    return log_evidence_above(disagree, pairs.worse, 0.5)


def _log_as_good(same: float, better: float, worse: float, margin: float) -> float:
    # A bet b pays 1 + b (difference + margin) / (1 - margin), which is above 0 also for a difference of -1.
    def gain(bet: float) -> float:
        stake = bet / (1.0 - margin)
        return (
            same * math.log1p(stake * margin) + better * math.log1p(stake * (1.0 + margin)) + worse * math.log1p(-bet)
        )

    return log_mean_exp(gain(bet) for bet in _BETS)


def items_missing(pairs: Pairs, margin: float, delta: float) -> int | None:
    """Return about how many more items are needed for a pass, if the versions go on to differ as they did so far.

    0 when there is a verdict; None when they differ too much for a pass, or it would take more than `TRIALS_MAX`.

    Raises:
        BadInput: ``margin`` or ``delta`` outside (0, 1).
    """
    if paired_verdict(pairs, margin, delta) != "go on":
        return 0
    level = -math.log(delta)
    # Before anything is seen the guess is that one item in twenty is answered differently.
    whole = pairs.items + 20.0
    better, worse = (pairs.better + 0.5) / whole, (pairs.worse + 0.5) / whole
    same = 1.0 - better - worse

    # The logarithm of a sum of exponentials along a straight line is convex: one crossing.
    def enough(more: int) -> bool:
        ahead = (pairs.same + same * more, pairs.better + better * more, pairs.worse + worse * more)
        return _log_as_good(*ahead, margin) >= level

    return first_enough(enough, 0, 64, max(1, TRIALS_MAX - pairs.items))
