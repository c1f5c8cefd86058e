"""The evidence is fair at the bound, its certificates are as rare as promised, and its shortcuts skip nothing."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.stats.rate import (
    TRIALS_MAX,
    ReviewPlan,
    boundary,
    certified,
    first_enough,
    labels_missing,
    log_evidence_above,
    log_evidence_below,
    lower_bound,
    next_look,
    plan,
    trials_needed,
    upper_bound,
)

BOUNDS = (0.05, 0.02, 0.01)
DELTA = 0.05
bounds = st.sampled_from([0.001, 0.01, 0.02, 0.05, 0.2, 0.5, 0.9])
deltas = st.sampled_from([0.001, 0.01, 0.05, 0.2])


@st.composite
def counts(draw: st.DrawFn, most: int = 5_000) -> tuple[int, int]:
    trials = draw(st.integers(0, most))
    share = draw(st.one_of(st.floats(0.0, 0.1), st.floats(0.0, 1.0)))
    return trials, min(trials, int(share * trials))


def plain_evidence(trials: int, errors: int, low: float, high: float, bound: float) -> float:
    """The mixture as it is defined, in forty digits: prior from ``low`` to ``high``, against ``bound``."""
    with mpmath.workdps(40):
        half = mpmath.mpf(1) / 2
        if high == 1:  # the same, mirrored, so that a small rest is not the difference of large parts
            wrong, right, end = trials - errors, errors, 1 - mpmath.mpf(low)
        else:
            wrong, right, end = errors, trials - errors, mpmath.mpf(high)
        seen = mpmath.betainc(wrong + half, right + half, 0, end)
        prior = mpmath.betainc(half, half, 0, end)
        at_bound = mpmath.mpf(bound) ** errors * (1 - mpmath.mpf(bound)) ** (trials - errors)
        return float(mpmath.log(seen / prior / at_bound))


@given(counts(), bounds)
def test_evidence_equals_its_definition_in_forty_digits(case: tuple[int, int], bound: float) -> None:
    trials, errors = case
    for got, low, high in ((log_evidence_below, 0, bound), (log_evidence_above, bound, 1)):
        expected = plain_evidence(trials, errors, low, high, bound)
        assert abs(got(trials, errors, bound) - expected) <= 1e-10 * max(1.0, abs(expected))


@pytest.mark.parametrize("bound", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("evidence", [log_evidence_below, log_evidence_above])
def test_over_all_paths_the_evidence_is_one_on_average_at_the_bound_and_less_beyond(
    evidence: Callable[[int, int, float], float], bound: float
) -> None:
    def mean(rate: float, length: int) -> float:
        paths = itertools.product((0, 1), repeat=length)
        return math.fsum(
            rate ** sum(path) * (1 - rate) ** (length - sum(path)) * math.exp(evidence(length, sum(path), bound))
            for path in paths
        )

    worse = (1 + bound) / 2 if evidence is log_evidence_below else bound / 2
    for length in range(10):
        assert mean(bound, length) == pytest.approx(1.0, abs=1e-11)
        assert mean(worse, length) <= 1.0 + 1e-11


@given(counts(100_000), bounds)
def test_one_more_outcome_leaves_the_evidence_where_it_is_on_average(case: tuple[int, int], bound: float) -> None:
    trials, errors = case
    for evidence in (log_evidence_below, log_evidence_above):
        now = evidence(trials, errors, bound)
        wrong = math.exp(evidence(trials + 1, errors + 1, bound) - now)
        right = math.exp(evidence(trials + 1, errors, bound) - now)
        assert bound * wrong + (1 - bound) * right == pytest.approx(1.0, abs=1e-8)


@given(counts(), bounds)
def test_right_outcomes_speak_for_the_agent_and_wrong_ones_against(case: tuple[int, int], bound: float) -> None:
    trials, errors = case
    below, above = log_evidence_below(trials, errors, bound), log_evidence_above(trials, errors, bound)
    assert log_evidence_below(trials + 1, errors + 1, bound) < below < log_evidence_below(trials + 1, errors, bound)
    assert log_evidence_above(trials + 1, errors, bound) < above < log_evidence_above(trials + 1, errors + 1, bound)


def chance_ever_certified(bound: float, rate: float, horizon: int) -> tuple[float, npt.NDArray[np.float64]]:
    """Follow the chances of all error counts, outcome by outcome, taking out what is certified; the plain way."""
    most = [-1] * (horizon + 1)
    for trials in range(1, horizon + 1):
        most[trials] = most[trials - 1]
        if log_evidence_below(trials, most[trials] + 1, bound) >= -math.log(DELTA):
            most[trials] += 1
    width = int(horizon * bound + 12 * math.sqrt(horizon * bound)) + 60
    alive = np.zeros(width)
    alive[0] = 1.0
    taken = np.zeros(horizon + 1)
    for trials in range(1, horizon + 1):
        moved = alive * (1 - rate)
        moved[1:] += alive[:-1] * rate
        taken[trials] = moved[: most[trials] + 1].sum()
        moved[: most[trials] + 1] = 0.0
        alive = moved
    return float(taken.sum()), taken


@lru_cache
def followed(bound: float, rate: float, horizon: int) -> tuple[float, npt.NDArray[np.float64]]:
    return chance_ever_certified(bound, rate, horizon)


@pytest.mark.parametrize(("bound", "measured"), [(0.05, 0.042), (0.02, 0.045), (0.01, 0.043)])
def test_looking_after_each_of_10_000_outcomes_hardly_ever_certifies_falsely(bound: float, measured: float) -> None:
    chance, _ = followed(bound, bound, 10_000)
    assert chance <= DELTA
    assert chance == pytest.approx(measured, abs=0.0064)  # simulated with 4,000 runs: two standard errors
    assert plan(bound, bound, DELTA).certified_share == pytest.approx(chance, abs=1e-9)


def test_an_agent_twice_as_bad_as_promised_is_certified_once_in_a_thousand_at_most() -> None:
    assert followed(0.05, 0.1, 2_000)[0] <= 0.001


@pytest.mark.parametrize(("bound", "clean"), [(0.05, 74), (0.02, 188), (0.01, 377)])
def test_the_fewest_outcomes_that_certify_when_none_is_wrong(bound: float, clean: int) -> None:
    assert trials_needed(0, bound, DELTA) == clean
    assert certified(clean, 0, bound, DELTA)
    assert not certified(clean - 1, 0, bound, DELTA)
    assert not certified(clean, 1, bound, DELTA)


@given(counts(), deltas)
def test_the_upper_bound_is_the_smallest_that_is_certified(case: tuple[int, int], delta: float) -> None:
    trials, errors = case
    upper = upper_bound(trials, errors, delta)
    assert upper >= (errors / trials if trials else 0)
    if upper < 1.0:
        assert certified(trials, errors, upper, delta)
        assert not certified(trials, errors, upper * (1 - 1e-8), delta)
        assert all(certified(trials, errors, upper + step * (1 - upper), delta) for step in (0.01, 0.1, 0.5, 0.99))
        assert not any(certified(trials, errors, upper * step, delta) for step in (0.99, 0.9, 0.5, 0.01))
    else:
        assert not certified(trials, errors, 1 - 1e-9, delta)


@given(counts(), deltas)
def test_the_lower_bound_is_the_largest_that_is_exceeded(case: tuple[int, int], delta: float) -> None:
    trials, errors = case
    lower = lower_bound(trials, errors, delta)
    level = -math.log(delta)
    assert 0.0 <= lower <= (errors / trials if trials else 0)
    if lower > 0.0:
        assert log_evidence_above(trials, errors, lower) >= level
        assert log_evidence_above(trials, errors, min(1 - 1e-15, lower * (1 + 1e-8))) < level
        assert lower == pytest.approx(1 - upper_bound(trials, trials - errors, delta), abs=1e-8)
    else:
        assert trials == 0 or errors == 0 or log_evidence_above(trials, errors, 1e-15) < level


def test_bounds_of_the_study() -> None:
    assert upper_bound(5_000, 60, DELTA) == pytest.approx(0.0175451, abs=2e-7)
    assert lower_bound(5_000, 60, DELTA) == pytest.approx(0.0069935, abs=2e-7)
    assert upper_bound(0, 0, DELTA) == upper_bound(7, 7, DELTA) == 1.0
    assert lower_bound(0, 0, DELTA) == lower_bound(500, 0, DELTA) == 0.0
    assert lower_bound(1, 1, DELTA) > 0.0


@given(st.sampled_from([0.05, 0.2, 0.6]), deltas, st.integers(0, 400))
def test_the_table_equals_asking_for_each_count(bound: float, delta: float, trials_max: int) -> None:
    table = boundary(bound, delta, trials_max)
    for trials in range(0, trials_max + 1, max(1, trials_max // 40)):
        allowed = [errors for errors in range(trials + 1) if certified(trials, errors, bound, delta)]
        assert allowed == list(range(len(allowed)))
        assert table.errors_max(trials) == len(allowed) - 1
        assert table.certified(trials, len(allowed)) is False if len(allowed) <= trials else True
        assert not allowed or table.certified(trials, allowed[-1])
    assert all(needed == trials_needed(errors, bound, delta) for errors, needed in enumerate(table.needs))
    assert all(later > earlier for earlier, later in itertools.pairwise(table.needs))
    with pytest.raises(BadInput, match="at most"):
        table.errors_max(trials_max + 1)


@given(st.sampled_from([0.05, 0.2]), st.floats(0.0, 0.3), st.randoms(use_true_random=False))
def test_looking_only_when_the_next_look_is_due_misses_no_certificate(
    bound: float, rate: float, chance: random.Random
) -> None:
    errors, due, looks = 0, 0, 0
    for trials in range(1, 601):
        errors += chance.random() < rate
        if trials >= due:
            looks += 1
            due = next_look(trials, errors, bound, DELTA)
        assert (due == trials) is certified(trials, errors, bound, DELTA)
        if due == trials:
            break
    assert looks <= 60


def test_a_million_outcomes_at_the_bound_are_looked_at_a_few_thousand_times() -> None:
    errors, due, looks, trials = 0, 0, 0, 0
    chance = np.random.default_rng(11).random(1_000_000) < 0.0205
    at_errors = [*(np.flatnonzero(chance) + 1).tolist(), 1_000_001]
    for following in at_errors:  # between two errors nothing happens until the next look is due
        while trials < due < following:
            trials = due
            looks += 1
            due = next_look(trials, errors, 0.02, DELTA)
            assert due > trials
        trials, errors = following, errors + 1
        if due <= trials <= 1_000_000:
            looks += 1
            due = next_look(trials, errors, 0.02, DELTA)
    assert errors > 20_000
    assert looks < 3_000


@pytest.mark.parametrize(
    ("bound", "rate", "mean"),
    [
        (0.05, 0.03, 750),
        (0.05, 0.01, 135),
        (0.02, 0.01, 1_139),
        (0.02, 0.001, 215),
        (0.01, 0.005, 2_286),
        (0.01, 0.001, 502),
    ],
)
def test_planned_reviews_are_those_of_the_study(bound: float, rate: float, mean: int) -> None:
    assert plan(bound, rate, DELTA).reviews_expected == pytest.approx(mean, rel=0.05)  # 400 runs each


@pytest.mark.parametrize(
    ("bound", "rate", "reviews_max"), [(0.05, 0.03, 3_000), (0.2, 0.1, 900), (0.05, 0.0, 200), (0.5, 1.0, 50)]
)
def test_the_plan_equals_following_every_chance(bound: float, rate: float, reviews_max: int) -> None:
    share, taken = chance_ever_certified(bound, rate, reviews_max)
    got = plan(bound, rate, DELTA, reviews_max)
    along = np.cumsum(taken)
    assert got.certified_share == pytest.approx(share, abs=2e-4)
    expected = float((np.arange(reviews_max + 1) * taken).sum() + (1 - share) * reviews_max)
    assert got.reviews_expected == pytest.approx(expected, rel=2e-3, abs=0.51)
    for figure, part in ((got.reviews_median, 0.5), (got.reviews_ninety, 0.9)):
        assert figure == (int(np.argmax(along >= part)) if share >= part else None)


def test_a_plan_that_cannot_be_finished_says_so() -> None:
    assert plan(0.01, 0.005, DELTA, 300) == ReviewPlan(300, None, None, 0.0, 300)


@pytest.mark.parametrize(
    ("trials", "errors", "bound", "guess"), [(0, 0, 0.05, 0.01), (100, 3, 0.05, 0.02), (500, 45, 0.1, 0.05)]
)
def test_half_of_the_agents_need_no_more_labels_than_are_said_to_be_missing(
    trials: int, errors: int, bound: float, guess: float
) -> None:
    missing = labels_missing(trials, errors, bound, DELTA, guess)
    assert missing is not None
    chance = np.random.default_rng(5)
    needed = []
    for _ in range(1_000):
        steps = (errors + (chance.random(missing) < guess).cumsum()).tolist()
        needed.append(next((n + 1 for n, k in enumerate(steps) if trials + n + 1 >= trials_needed(k, bound, DELTA)), 0))
    assert sum(0 < more < missing for more in needed) <= 560  # four standard errors around a half
    assert sum(more > 0 for more in needed) >= 440


def test_missing_labels_at_the_ends() -> None:
    assert labels_missing(74, 0, 0.05, DELTA, 0.9) == 0
    assert labels_missing(70, 0, 0.05, DELTA, 0.0) == 4
    assert labels_missing(70, 0, 0.05, DELTA, 0.05) is None
    assert labels_missing(70, 0, 0.05, DELTA, 1.0) is None
    far = labels_missing(0, 0, 0.02, DELTA, 0.0185)  # so far that the straight line is followed
    assert far is not None
    assert certified(far, int(0.0185 * far), 0.02, DELTA)
    assert not certified(far // 2, math.ceil(0.0185 * far / 2), 0.02, DELTA)
    assert labels_missing(TRIALS_MAX, TRIALS_MAX, 0.02, DELTA, 0.01) is None


@given(st.integers(0, 500), st.integers(1, 50), st.integers(1, 600))
def test_the_first_that_is_enough_is_found(first: int, step: int, most: int) -> None:
    found = first_enough(lambda number: number >= first, 0, step, most)
    assert found == (max(1, first) if max(1, first) <= most else None)


@pytest.mark.parametrize(
    ("trials", "errors"), [(-1, 0), (0, 1), (3, -1), (3, 4), (TRIALS_MAX + 1, 0), (1.0, 0), (True, False), ("9", "1")]
)
def test_impossible_counts_are_refused(trials: int, errors: int) -> None:
    for ask in (log_evidence_below, log_evidence_above, upper_bound, lower_bound):
        with pytest.raises(BadInput, match="counts"):
            ask(trials, errors, 0.05)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.1, math.nan, math.inf, "0.05", None, True])
def test_a_bound_or_delta_that_is_no_fraction_is_refused(value: float) -> None:
    for call in (
        lambda: log_evidence_below(10, 1, value),
        lambda: log_evidence_above(10, 1, value),
        lambda: certified(10, 1, 0.05, value),
        lambda: certified(10, 1, value, 0.05),
        lambda: upper_bound(10, 1, value),
        lambda: lower_bound(10, 1, value),
        lambda: trials_needed(1, 0.05, value),
        lambda: next_look(10, 1, value, 0.05),
        lambda: boundary(value, 0.05, 100),
        lambda: plan(value, 0.01, 0.05),
        lambda: labels_missing(10, 1, value, 0.05, 0.01),
    ):
        with pytest.raises(BadInput, match="expected a fraction"):
            call()


def test_other_impossible_questions_are_refused() -> None:
    rates: list[Any] = [-0.1, 1.1, math.nan, "0", True]
    for rate in rates:
        with pytest.raises(BadInput, match="rate"):
            plan(0.05, rate, 0.05)
        with pytest.raises(BadInput, match="rate"):
            labels_missing(10, 1, 0.05, 0.05, rate)
    numbers: list[Any] = [-1, 1_000_001, 1.5]
    for number in numbers:
        with pytest.raises(BadInput, match="reviews"):
            plan(0.05, 0.01, 0.05, number)
        with pytest.raises(BadInput, match="boundary"):
            boundary(0.05, 0.05, number)
    with pytest.raises(BadInput, match="cannot be certified"):
        trials_needed(0, 1e-12, 0.05)
    with pytest.raises(BadInput, match="counts"):
        trials_needed(-1, 0.05, 0.05)


def test_the_largest_counts_are_weighed() -> None:
    assert math.isfinite(log_evidence_below(TRIALS_MAX, TRIALS_MAX // 50, 0.02))
    assert log_evidence_below(TRIALS_MAX, 0, 0.02) > 1e7
    assert log_evidence_above(TRIALS_MAX, TRIALS_MAX, 0.02) > 1e9
