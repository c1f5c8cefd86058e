"""Repetitions: their intervals, and the one shortcut that is taken instead of a loop over every outcome.

A rule that certifies by counts is a table: ``needs[k]`` outcomes certify with k errors. Errors of a stream come after
geometric waits, and the rule certifies first at the smallest ``needs[k]`` that is reached before error k + 1. That is
the same as asking `remit.stats.rate.certified` after every outcome; `check_against_rule` asks it, in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bench.guarantees.guarantee import Guarantee
from bench.guarantees.pool import Ints
from bench.rows import Budget
from numpy.typing import NDArray
from scipy import stats

from remit.errors import RemitError

__all__ = ["check_against_rule", "error_times", "first_certified", "likelihood_needs", "mean_row", "median_row",
           "share_row"]  # fmt: skip

Floats = NDArray[np.float64]


def share_row(
    number: str, what: str, hits: int, runs: int, target: Budget | None = None, **more: Any
) -> Guarantee:  # fmt: skip
    """Return the row of a share of runs, with the interval of Clopper and Pearson."""
    low = 0.0 if hits == 0 else float(stats.beta.ppf(0.025, hits, runs - hits + 1))
    high = 1.0 if hits == runs else float(stats.beta.ppf(0.975, hits + 1, runs - hits))
    return Guarantee(number, what, hits / runs, target, low, high, runs, **more)


def mean_row(
    number: str, what: str, values: Sequence[float] | Floats, target: Budget | None = None, **more: Any
) -> Guarantee:
    """Return the row of a mean, with its normal interval."""
    found = np.asarray(values, dtype=np.float64)
    middle = float(found.mean())
    spread = 1.96 * float(found.std(ddof=1)) / math.sqrt(len(found)) if len(found) > 1 else 0.0
    return Guarantee(number, what, middle, target, middle - spread, middle + spread, len(found), **more)


def median_row(
    number: str, what: str, values: Sequence[float] | Floats, target: Budget | None = None, **more: Any
) -> Guarantee:
    """Return the row of a median, with its interval by order statistics. Infinite values are runs that never ended; a
    median among them is None.
    """
    found = np.sort(np.asarray(values, dtype=np.float64))
    if not len(found):
        return Guarantee(number, what, None, target, **more)
    first = max(0, int(stats.binom.ppf(0.025, len(found), 0.5)) - 1)
    ends = (float(np.median(found)), float(found[first]), float(found[len(found) - 1 - first]))
    middle, low, high = (value if math.isfinite(value) else None for value in ends)
    return Guarantee(number, what, middle, target, low, high, len(found), **more)


def error_times(random: np.random.Generator, rate: float, runs: int, errors: int) -> Ints:
    """Return, for each run, after how many outcomes its first, second, ... error comes: (runs, errors), growing."""
    if rate <= 0.0:
        return np.full((runs, errors), np.iinfo(np.int64).max // 2)
    return np.cumsum(random.geometric(rate, (runs, errors)), axis=1)


def first_certified(needs: Sequence[int], times: Ints) -> Floats:
    """Return the first number of outcomes at which each run is certified, looking after every one; infinite if never.

    ``times`` has at least as many errors as ``needs`` has entries.
    """
    table = np.asarray(needs, dtype=np.float64)
    reached = np.where(times[:, : len(table)] > table, table, np.inf)
    return np.asarray(reached.min(axis=1, initial=np.inf), dtype=np.float64)


def likelihood_needs(bound: float, true_rate: float, delta: float, errors: int) -> list[int]:
    """Return the table of Wald's test that knows the true rate: it stops at a likelihood ratio of 1 / delta."""
    for_right = math.log((1 - true_rate) / (1 - bound))
    for_wrong = math.log(true_rate / bound)
    return [k + math.ceil((-math.log(delta) - k * for_wrong) / for_right) for k in range(errors)]


def check_against_rule(needs: Sequence[int], times: Ints, rule: Callable[[int, int], bool], looks: int) -> None:
    """Ask ``rule(trials, errors)`` after each of the first ``looks`` outcomes of each run, and compare.

    Raises:
        RemitError: the shortcut and the rule differ; then no figure of this run is to be believed.
    """
    quick = first_certified(needs, times)
    for run, found in zip(times, quick, strict=True):
        plain = next((n for n in range(1, looks + 1) if rule(n, int((run <= n).sum()))), math.inf)
        if plain != (found if found <= looks else math.inf):
            raise RemitError(f"the shortcut certifies at {found}, the rule at {plain}; run {run[:5].tolist()}")
