"""Is an error rate below, or above, what was promised? Evidence that may be looked at after every outcome.

The evidence is a one-sided mixture: the likelihood of what was seen, averaged over a Beta(1/2, 1/2) prior cut off at
the bound, divided by its likelihood at the bound. While the promise is broken its expectation never exceeds 1, so
the chance that it *ever* reaches ``1 / delta`` is at most ``delta``, however often and whenever somebody looks, and
whatever made them stop. It is a function of two counts: no order, no state, no running maximum; whoever has the counts
can work the certificate out again.

Assumes: the outcomes of one agent, version and action class, one for each case, each wrong with the same chance
whatever came before (at least the bound, under the hypothesis that is tested); under drift a certificate speaks of the
past. A missing outcome counts as an error before it comes here.

Sources: Ville 1939; Robbins 1970 (mixtures); Howard, Ramdas, McAuliffe and Sekhon 2021; Ramdas, Grunwald, Vovk and
Shafer 2023 (safe testing). Rates, bounds and ``delta`` are fractions of 1.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from remit.errors import BadInput
from remit.stats.special import beta_fraction, log_beta

__all__ = [
    "TRIALS_MAX",
    "Boundary",
    "ReviewPlan",
    "boundary",
    "certified",
    "check_counts",
    "check_probability",
    "first_enough",
    "labels_missing",
    "log_evidence_above",
    "log_evidence_below",
    "lower_bound",
    "next_look",
    "plan",
    "trials_needed",
    "upper_bound",
]

TRIALS_MAX: Final = 1_000_000_000
"""More outcomes than this are refused: the evidence would be worked out from rounding errors."""
_TABLE_MAX: Final = 1_000_000
_PLANNED_MAX: Final = 50_000
_MEDIAN_ERRORS_MAX: Final = 400
_CLOSE: Final = 1e-9
_SETTLED: Final = 0.9999


def check_counts(trials: int, errors: int) -> None:
    """Raise unless these are counts.

    Raises:
        BadInput: not whole numbers, negative, more errors than trials, or more than `TRIALS_MAX` trials.
    """
    if type(trials) is not int or type(errors) is not int or not 0 <= errors <= trials <= TRIALS_MAX:
        raise BadInput(
            f"counts: got {errors!r:.40} errors in {trials!r:.40} trials, expected whole numbers with "
            f"0 <= errors <= trials <= {TRIALS_MAX}"
        )


def check_probability(name: str, value: float) -> None:
    """Raise unless ``value`` lies strictly between 0 and 1.

    Raises:
        BadInput: it does not, or it is no number; ``name`` is what the message calls it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < 1.0:
        raise BadInput(f"{name}: got {value!r:.40}, expected a fraction above 0 and below 1")


def log_evidence_below(trials: int, errors: int, bound: float) -> float:
    """Return the log e-value against "the error rate is ``bound`` or more": large speaks for a rate below it.

    Raises:
        BadInput: impossible counts, or a bound outside (0, 1).
    """
    check_counts(trials, errors)
    check_probability("bound", bound)
    return _log_below(trials, errors, bound)


def log_evidence_above(trials: int, errors: int, bound: float) -> float:
    """Return the log e-value against "the error rate is ``bound`` or less": large speaks for a rate above it.

    Raises:
        BadInput: impossible counts, or a bound outside (0, 1).
    """
    check_counts(trials, errors)
    check_probability("bound", bound)
    return _log_above(trials, errors, bound)


def _log_below(trials: float, errors: float, bound: float) -> float:
    return _log_mixture(errors, trials - errors, bound, 1.0 - bound, math.log(bound), math.log1p(-bound))


def _log_above(trials: float, errors: float, bound: float) -> float:
    # The same question about the right answers: is their rate below 1 - bound?
    return _log_mixture(trials - errors, errors, 1.0 - bound, bound, math.log1p(-bound), math.log(bound))


def _log_mixture(bad: float, good: float, x: float, y: float, log_x: float, log_y: float) -> float:
    """The log e-value against "the rate of ``bad`` is ``x`` or more", with ``y = 1 - x``.

    In the incomplete beta function the powers of x and y cancel against the likelihood at the bound; they are left
    out on paper, not subtracted, so nothing is lost to rounding.
    """
    a, b = bad + 0.5, good + 0.5
    prior = math.log(2.0 * math.atan2(math.sqrt(x), math.sqrt(y)))  # of Beta(1/2, 1/2) up to x, times pi
    if x <= (a + 1.0) / (a + b + 2.0):
        return 0.5 * (log_x + log_y) - math.log(a) + math.log(beta_fraction(a, b, x)) - prior
    whole = log_beta(a, b)
    cut_off = math.exp(a * log_x + b * log_y - math.log(b) - whole) * beta_fraction(b, a, y)
    return whole + math.log1p(-min(cut_off, 1.0 - 1e-16)) - bad * log_x - good * log_y - prior


def certified(trials: int, errors: int, bound: float, delta: float) -> bool:
    """Return whether the rate is certified to be below ``bound``.

    Controls: the chance that this is ever true, at any look, while the rate is ``bound`` or more, is at most ``delta``.

    Raises:
        BadInput: impossible counts, or ``bound`` or ``delta`` outside (0, 1).
    """
    check_probability("delta", delta)
    return log_evidence_below(trials, errors, bound) >= -math.log(delta)


def upper_bound(trials: int, errors: int, delta: float) -> float:
    """Return the smallest certified bound, to 1e-9 of itself and never below it; 1.0 when none is certified.

    Controls: the chance that the true rate is ever above what this returns, at any look, is at most ``delta``, which is
    a half or less.

    Raises:
        BadInput: impossible counts, or ``delta`` outside (0, 1).
    """
    check_counts(trials, errors)
    check_probability("delta", delta)
    level = -math.log(delta)
    return _outermost(trials, errors, lambda bound: _log_below(trials, errors, bound) >= level)


def lower_bound(trials: int, errors: int, delta: float) -> float:
    """Return the largest bound that the rate is certified to exceed, never above it; 0.0 when there is none.

    Controls: the chance that the true rate is ever below what this returns, at any look, is at most ``delta``, which is
    a half or less.

    Raises:
        BadInput: impossible counts, or ``delta`` outside (0, 1).
    """
    check_counts(trials, errors)
    check_probability("delta", delta)
    level = -math.log(delta)
    low, high = 1e-15, errors / trials if trials else 0.0
    if high <= low or not _log_above(trials, errors, low) >= level:
        return 0.0
    while high - low > _CLOSE * low:
        # Halves the digits first, then the distance: the answer may be of any size.
        middle = math.sqrt(low * high) if high > 2.0 * low else (low + high) / 2
        if _log_above(trials, errors, middle) >= level:
            low = middle
        else:
            high = middle
    return low


def _outermost(trials: int, errors: int, holds: Callable[[float], bool]) -> float:
    """Bisect between the observed rate, where nothing is certified, and 1.

    Where the evidence is above 2 it grows with the bound (its logarithm's slope is the excess of errors expected over
    errors seen, less the prior's at most one half), so there is one crossing.
    """
    high = 1.0 - 1e-15
    if trials == 0 or not holds(high):
        return 1.0
    low = errors / trials
    while high - low > _CLOSE * high:
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=4096)
def trials_needed(errors: int, bound: float, delta: float) -> int:
    """Return the fewest outcomes with which ``bound`` is certified when ``errors`` of them are wrong.

    Grows with each error. About 0.3 ms the first time, nothing again.

    Raises:
        BadInput: negative errors, ``bound`` or ``delta`` outside (0, 1), or more than `TRIALS_MAX` would be needed.
    """
    check_counts(TRIALS_MAX, errors)
    check_probability("bound", bound)
    check_probability("delta", delta)
    return _needed_after(errors, bound, delta, errors, max(16, errors // 8))


def _needed_after(errors: int, bound: float, delta: float, low: int, step: int) -> int:
    """Return the fewest outcomes above ``low`` that certify ``bound``; ``low`` itself does not."""
    level = -math.log(delta)
    found = first_enough(lambda trials: _log_below(trials, errors, bound) >= level, low, step, TRIALS_MAX)
    if found is None:
        raise BadInput(f"bound {bound!r} cannot be certified with {errors} errors in {TRIALS_MAX} outcomes")
    return found


def first_enough(enough: Callable[[int], bool], low: int, step: int, most: int) -> int | None:
    """Return the first whole number above ``low`` that is enough, when all after it are too; None beyond ``most``.

    ``step`` is a guess of how far off it is; it is doubled until something is enough, and then halved.
    """
    high = min(low + step, most)
    while not enough(high):
        if high >= most:
            return None
        low, step = high, step * 2
        high = min(low + step, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def next_look(trials: int, errors: int, bound: float, delta: float) -> int:
    """Return the number of outcomes at which the bound is certified at the earliest, if no more errors come.

    Until then `certified` cannot become true, whatever comes, since an error only puts it off: a fold keeps this one
    number beside its counts and asks again only when its outcomes reach it. It is ``trials`` when certified now.

    Raises:
        BadInput: impossible counts, or ``bound`` or ``delta`` outside (0, 1).
    """
    check_counts(trials, errors)
    return max(trials, trials_needed(errors, bound, delta))


@dataclass(frozen=True, slots=True)
class Boundary:
    """The table of certificates for one bound: ``needs[k]`` outcomes are the fewest that certify it with k errors.

    Complete up to ``trials_max`` outcomes.
    """

    bound: float
    delta: float
    trials_max: int
    needs: tuple[int, ...]

    def errors_max(self, trials: int) -> int:
        """Return the most errors with which ``trials`` outcomes are certified; -1 when even none is too many.

        Raises:
            BadInput: the table does not reach so far.
        """
        check_counts(trials, 0)
        if trials > self.trials_max:
            raise BadInput(f"boundary: got {trials} trials, expected at most {self.trials_max}")
        return bisect_right(self.needs, trials) - 1

    def certified(self, trials: int, errors: int) -> bool:
        """Return the same as `remit.stats.rate.certified`, looked up.

        Raises:
            BadInput: impossible counts, or the table does not reach so far.
        """
        check_counts(trials, errors)
        return errors <= self.errors_max(trials)


@lru_cache(maxsize=256)
def boundary(bound: float, delta: float, trials_max: int) -> Boundary:
    """Return the most errors with which ``bound`` is certified, for every number of outcomes up to ``trials_max``.

    About 0.1 ms for each error that fits in; kept for the next caller.

    Raises:
        BadInput: ``bound`` or ``delta`` outside (0, 1), or a table for more than a million outcomes.
    """
    check_probability("bound", bound)
    check_probability("delta", delta)
    if type(trials_max) is not int or not 0 <= trials_max <= _TABLE_MAX:
        raise BadInput(f"boundary: got {trials_max!r:.40} outcomes, expected from 0 to {_TABLE_MAX}")
    level = -math.log(delta)
    needs: list[int] = []
    low, step = 0, max(1, int(-math.log(delta) / bound))
    while low < trials_max and _log_below(trials_max, len(needs), bound) >= level:
        found = _needed_after(len(needs), bound, delta, low, step)
        low, step = found, max(1, found - low)
        needs.append(found)
    return Boundary(bound, delta, trials_max, tuple(needs))


def labels_missing(trials: int, errors: int, bound: float, delta: float, rate_guess: float) -> int | None:
    """Return about how many more outcomes are needed until ``bound`` is certified, if ``rate_guess`` is the truth.

    It is the median: half of such agents need no more. Where that lies more than 400 errors away, the evidence is
    followed along the line of expected errors instead, which asks for up to half as much again. 0 when it is certified
    now; None when ``rate_guess`` is not below the bound, or it would take more than `TRIALS_MAX`.

    Raises:
        BadInput: impossible counts, ``bound`` or ``delta`` outside (0, 1), or a guess outside [0, 1].
    """
    _check_rate("rate guess", rate_guess)
    if certified(trials, errors, bound, delta):
        return 0
    if rate_guess >= bound:
        return None
    seen = 0.0
    for more, chance in _first_certified(_needs_from(trials, errors, bound, delta), rate_guess):
        seen += chance
        if seen >= 0.5:
            return more
    return _missing_on_the_line(trials, errors, bound, delta, rate_guess)


def _check_rate(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise BadInput(f"{name}: got {value!r:.40}, expected a fraction from 0 to 1")


def _needs_from(trials: int, errors: int, bound: float, delta: float) -> Iterator[int]:
    """How many outcomes more than ``trials`` are needed with no more errors, with one more, with two more, ..."""
    level = -math.log(delta)
    low, step = trials, max(16, trials // 8)
    for wrong in range(errors, errors + _MEDIAN_ERRORS_MAX):

        def enough(reached: int, wrong: int = wrong) -> bool:
            return _log_below(reached, wrong, bound) >= level

        found = first_enough(enough, low, step, TRIALS_MAX)
        if found is None:
            return
        low, step = found, max(1, found - low if wrong > errors else int(1 / bound))
        yield found - trials


def _missing_on_the_line(trials: int, errors: int, bound: float, delta: float, rate: float) -> int | None:
    level = -math.log(delta)

    # Along a straight line the evidence is a mixture of exponentials, so its logarithm is convex: one crossing.
    def enough(more: int) -> bool:
        return _log_below(trials + more, errors + rate * more, bound) >= level

    return first_enough(enough, 0, max(16, trials // 8), max(1, TRIALS_MAX - trials))


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """What certifying a bound will cost, if every outcome is reviewed until it is certified, at most ``reviews_max``.

    ``reviews_expected`` is the mean; ``reviews_median`` and ``reviews_ninety`` are what half, and nine in ten, of such
    agents need at most, None when that is beyond ``reviews_max``; ``certified_share`` is the chance that it is
    certified at all by then, from .9999 on not followed further. They are worked out, not simulated.
    """

    reviews_expected: int
    reviews_median: int | None
    reviews_ninety: int | None
    certified_share: float
    reviews_max: int


@lru_cache(maxsize=256)
def plan(bound: float, true_rate: float, delta: float, reviews_max: int = 10_000) -> ReviewPlan:
    """Return what certifying ``bound`` will cost when the agent's rate is ``true_rate``.

    With a ``true_rate`` at or above the bound, ``certified_share`` is the chance of a false certificate by then. Its
    time grows with the square of ``bound * reviews_max``: 0.1 s for 5 % of 10,000.

    Raises:
        BadInput: ``bound`` or ``delta`` outside (0, 1), a rate outside [0, 1], or ``reviews_max`` beyond 50,000.
    """
    _check_rate("true rate", true_rate)
    if type(reviews_max) is not int or not 1 <= reviews_max <= _PLANNED_MAX:
        raise BadInput(f"reviews: got at most {reviews_max!r:.40}, expected from 1 to {_PLANNED_MAX}")
    share = spent = 0.0
    median = ninety = None
    for needed, chance in _first_certified(boundary(bound, delta, reviews_max).needs, true_rate):
        share += chance
        spent += chance * needed
        median = needed if median is None and share >= 0.5 else median
        ninety = needed if ninety is None and share >= 0.9 else ninety
        if share >= _SETTLED:  # the rest changes no figure that is shown
            return ReviewPlan(round(spent / share), median, ninety, share, reviews_max)
    return ReviewPlan(round(spent + (1.0 - share) * reviews_max), median, ninety, share, reviews_max)


def _first_certified(needs: Iterable[int], rate: float) -> Iterator[tuple[int, float]]:
    """Give each number of outcomes at which certification can come, with the chance that it first comes there.

    ``needs[k]`` are the outcomes that certify with k errors. With k errors at ``needs[k]`` outcomes, either it is the
    first time, or the first was with j < k errors and the rest came since: a renewal equation, solved forward.
    """
    if rate in {0.0, 1.0}:
        yield from ((needed, 1.0 - rate) for needed in islice(needs, 1))
        return
    log_rate, log_rest = math.log(rate), math.log1p(-rate)

    def chance_of(errors: int, trials: int) -> float:
        right = trials - errors
        ways = math.lgamma(trials + 1.0) - math.lgamma(errors + 1.0) - math.lgamma(right + 1.0)
        return math.exp(ways + errors * log_rate + right * log_rest)

    before: list[tuple[int, int, float]] = []
    for errors, needed in enumerate(needs):
        again = math.fsum(first * chance_of(errors - j, needed - at) for j, at, first in before)
        first = max(0.0, chance_of(errors, needed) - again)
        before.append((errors, needed, first))
        yield needed, first
