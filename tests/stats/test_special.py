"""The special functions against forty digits, and against sums of exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import RemitError
from remit.stats.special import (
    beta_fraction,
    log_beta,
    log_beta_cdf,
    log_beta_sf,
    log_binomial_cdf,
    log_binomial_sf,
    log_mean_exp,
)

sizes = st.floats(-1.0, 7.0).map(lambda power: 10.0**power)
halves = st.integers(0, 3_000).map(lambda count: count + 0.5)
rates = st.floats(1e-6, 1.0 - 1e-6)


def exact(a: float, b: float, low: float, high: float) -> float:
    with mpmath.workdps(40):
        return float(mpmath.log(mpmath.betainc(a, b, low, high, regularized=True)))


def near(got: float, expected: float, close: float) -> bool:
    return abs(got - expected) <= close * max(1.0, abs(expected))


@given(sizes, sizes)
def test_log_beta_equals_forty_digits(a: float, b: float) -> None:
    with mpmath.workdps(40):
        whole, part = mpmath.mpf(a), mpmath.mpf(b)
        expected = float(mpmath.loggamma(whole) + mpmath.loggamma(part) - mpmath.loggamma(whole + part))
    assert near(log_beta(a, b), expected, 2e-14)


@given(halves, halves, st.floats(-6.0, 6.0))
def test_the_incomplete_beta_equals_forty_digits_around_its_mean(a: float, b: float, deviations: float) -> None:
    mean = a / (a + b)
    x = mean + deviations * math.sqrt(mean * (1.0 - mean) / (a + b + 1.0))
    x = min(1.0 - 1e-6, max(1e-6, x))
    assert near(log_beta_cdf(x, a, b), exact(a, b, 0, x), 1e-11)
    assert near(log_beta_sf(x, a, b), exact(a, b, x, 1), 1e-11)


@pytest.mark.parametrize(("a", "b", "x"), [(0.5, 5_000.5, 1e-9), (60.5, 4_940.5, 0.5), (2_000.5, 0.5, 0.1)])
def test_far_tails_are_right_where_the_plain_number_is_zero_or_one(a: float, b: float, x: float) -> None:
    assert near(log_beta_cdf(x, a, b), exact(a, b, 0, x), 1e-11)
    with mpmath.workdps(4_000):
        beyond = float(mpmath.log(mpmath.betainc(a, b, x, 1, regularized=True)))
    assert near(log_beta_sf(x, a, b), beyond, 1e-11)


def test_outside_of_zero_to_one_nothing_is_missing() -> None:
    assert log_beta_cdf(0.0, 2.0, 3.0) == log_beta_sf(1.0, 2.0, 3.0) == -math.inf
    assert log_beta_cdf(1.0, 2.0, 3.0) == log_beta_sf(0.0, 2.0, 3.0) == 0.0


@given(st.integers(0, 40), st.integers(-1, 41), rates)
def test_binomial_tails_equal_sums_of_exact_fractions(trials: int, errors: int, rate: float) -> None:
    wrong = Fraction(rate)
    chance = [math.comb(trials, k) * wrong**k * (1 - wrong) ** (trials - k) for k in range(trials + 1)]
    at_most, at_least = sum(chance[: max(0, errors + 1)]), sum(chance[max(0, errors) :])
    for got, expected in ((log_binomial_cdf, at_most), (log_binomial_sf, at_least)):
        value = got(errors, trials, rate)
        assert (value == -math.inf) is (expected == 0)
        if expected:
            assert near(value, math.log(expected.numerator) - math.log(expected.denominator), 1e-11)


def test_a_fraction_that_does_not_converge_is_an_error_not_a_number() -> None:
    with pytest.raises(RemitError, match="does not converge"):
        beta_fraction(1e15, 1e15, 0.5)


@given(st.lists(st.floats(-700.0, 700.0), min_size=1, max_size=20))
def test_the_mean_of_logs_equals_forty_digits(logs: list[float]) -> None:
    with mpmath.workdps(40):
        expected = float(mpmath.log(mpmath.fsum(mpmath.exp(value) for value in logs) / len(logs)))
    assert near(log_mean_exp(logs), expected, 1e-13)
