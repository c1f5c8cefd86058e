"""T6: errors surface after a week and half of them never do. Is an agent that is no better than promised promoted?

Twenty cases a day, looked at daily. An error looks right at first and is corrected after a wait of seven days on
average, or, in half of the cases, nobody ever says a word about it. Cases mature after 28 days; after 35 a case
without a word counts as wrong (`remit.stats.label`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_most, not_possible
from bench.guarantees.monte_carlo import share_row
from numpy.typing import NDArray

from remit.errors import RemitError
from remit.stats.label import LabelledCase, MaturityClock, Word, promotion_counts
from remit.stats.rate import boundary

__all__ = ["DAYS", "PER_DAY", "LateLabels", "late_labels", "t6"]

PER_DAY: Final = 20
DAYS: Final = 120
_DELAY_DAYS: Final = 7.0
_MATURE: Final = 28
_DEADLINE: Final = 35
_DAY_SECONDS: Final = 86_400
_DELTA: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class LateLabels:
    """Runs of cases: the day each was decided; whether it is wrong; the day on which that is said, infinite if never.

    ``silent`` are those of which nobody ever says a word; of all others it is said at once that they are right.
    """

    day: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    said_wrong: NDArray[np.float64]


def late_labels(random: np.random.Generator, rate: float, runs: int) -> LateLabels:
    """Draw ``runs`` agents that are wrong at ``rate``."""
    day = np.arange(PER_DAY * DAYS) // PER_DAY
    wrong = random.random((runs, len(day))) < rate
    silent = wrong & (random.random(wrong.shape) < 0.5)
    said = day + np.ceil(random.exponential(_DELAY_DAYS, wrong.shape))  # whole days, as people look daily
    return LateLabels(day, wrong, silent, np.where(wrong & ~silent, said, np.inf))


def _counted(labels: LateLabels, today: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return trials and errors on which a promotion may rest today: up to the first case still awaited."""
    age = today - labels.day
    settled = np.where(labels.silent, age >= _DEADLINE, age >= _MATURE)
    counts = settled.cumprod(axis=1).astype(np.bool_)
    bad = labels.silent | (labels.said_wrong <= today)
    return counts.sum(1), (counts & bad).sum(1)


def t6(rate: float, what: str, runs: int = 4_000) -> list[Guarantee]:
    """Return the share of agents wrong at ``rate`` that are promoted for a bound of ``rate``."""
    said = f"{what}, labels 7 days late, half of the errors never labelled: false promotion"
    if not 0.0 < rate < 1.0:
        return [not_possible("T6", said, f"its error rate is {rate:g}: there is nothing to promise too much")]
    random = np.random.default_rng([6, round(rate * 10**6)])
    table = np.array(boundary(rate, _DELTA, PER_DAY * DAYS).needs)
    promoted = 0
    for part in range(-(-runs // 500)):
        labels = late_labels(random, rate, 500)
        hit = np.zeros(500, np.bool_)
        for today in range(_MATURE, DAYS + 1):
            trials, errors = _counted(labels, today)
            hit |= errors < np.searchsorted(table, trials, side="right")
            if part == 0 and today % 30 == 0:
                _check(labels, today, trials, errors)
        promoted += int(hit.sum())
    return [share_row("T6", said, promoted, 500 * -(-runs // 500), at_most(0.05))]


def _check(labels: LateLabels, today: int, trials: NDArray[np.int64], errors: NDArray[np.int64]) -> None:
    """Count two runs by `promotion_counts`, case by case, and compare."""
    clock = MaturityClock(_MATURE * _DAY_SECONDS, _DEADLINE * _DAY_SECONDS)
    for run in range(2):
        cases = []
        for number, day in enumerate(labels.day.tolist()):
            if day > today:
                break
            words: tuple[Word, ...] = () if labels.silent[run, number] else (Word("erp", True, day * _DAY_SECONDS),)
            if np.isfinite(labels.said_wrong[run, number]):
                words += (Word("erp", False, int(labels.said_wrong[run, number]) * _DAY_SECONDS),)
            cases.append(LabelledCase(str(number), day * _DAY_SECONDS, words))
        plain = promotion_counts(cases, today * _DAY_SECONDS, clock)
        if (plain.trials, plain.errors) != (int(trials[run]), int(errors[run])):
            raise RemitError(
                f"day {today}: the shortcut counts {errors[run]} in {trials[run]}, promotion_counts {plain}"
            )
