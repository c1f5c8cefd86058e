"""The special functions that the other modules stand on: log beta, incomplete beta, binomial tails, means of logs.

All results are natural logarithms, because the tails that matter underflow. Log beta is right to 1e-14 of its value;
tails are right to 1e-12 of theirs for parameters up to ten thousand, and lose one digit for each digit more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from remit.errors import RemitError

__all__ = [
    "beta_fraction",
    "log_beta",
    "log_beta_cdf",
    "log_beta_sf",
    "log_binomial_cdf",
    "log_binomial_sf",
    "log_mean_exp",
]

_STIRLING_FROM: Final = 10.0
_HALF_LOG_TWO_PI: Final = 0.5 * math.log(2 * math.pi)
_STEPS_MAX: Final = 200_000
_CLOSE: Final = 1e-15
_TINY: Final = 1e-300


def log_beta(a: float, b: float) -> float:
    """Return the log of the beta function of ``a`` and ``b``, both above 0.

    Differences of log-gamma lose as many digits as the parameters have; from 10 on Stirling's series is subtracted
    by hand instead. Source: Didonato and Morris 1992, ACM TOMS 708.
    """
    if a > b:
        a, b = b, a
    if b < _STIRLING_FROM:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    total = a + b
    rest = (b - 0.5) * -math.log1p(a / b) + _stirling_rest(b) - _stirling_rest(total)
    if a < _STIRLING_FROM:
        return math.lgamma(a) + rest + a - a * math.log(total)
    ratio = a / total
    return _HALF_LOG_TWO_PI + (a - 0.5) * math.log(ratio) - 0.5 * math.log(total) + _stirling_rest(a) + rest


def _stirling_rest(x: float) -> float:
    """Log-gamma of ``x`` less its leading terms, from 10 on to 1e-16."""
    s = 1.0 / (x * x)
    return (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * 691 / 360360))))) / x


def log_beta_cdf(x: float, a: float, b: float) -> float:
    """Return the log of the regularised incomplete beta function, the chance that Beta(``a``, ``b``) is at most ``x``.

    ``a`` and ``b`` are above 0. Source: Press et al. 2007, section 6.4 (continued fraction of Lentz).
    """
    if x <= 0.0:
        return -math.inf
    if x >= 1.0:
        return 0.0
    return _log_cdf(a, b, x, 1.0 - x, math.log(x), math.log1p(-x))


def log_beta_sf(x: float, a: float, b: float) -> float:
    """Return the log of the chance that Beta(``a``, ``b``) is above ``x``."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return -math.inf
    return _log_cdf(b, a, 1.0 - x, x, math.log1p(-x), math.log(x))


def _log_cdf(a: float, b: float, x: float, y: float, log_x: float, log_y: float) -> float:
    """The same with ``y = 1 - x`` and both logarithms given, so that none is rounded away."""
    front = a * log_x + b * log_y - log_beta(a, b)
    if x <= (a + 1.0) / (a + b + 2.0):
        return min(0.0, front - math.log(a) + math.log(beta_fraction(a, b, x)))
    other = math.exp(front - math.log(b)) * beta_fraction(b, a, y)
    return math.log1p(-other) if other < 1.0 else -math.inf


def beta_fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction F with I_x(a, b) = x^a (1-x)^b F / (a B(a, b)).

    It converges fast only up to ``x <= (a + 1) / (a + b + 2)``; beyond, swap the sides. It takes about
    the square root of the larger parameter in steps.

    Raises:
        RemitError: it does not converge, which for parameters up to a thousand million it does.
    """
    total, c = a + b, 1.0
    d = 1.0 / _away_from_zero(1.0 - total * x / (a + 1.0))
    result = d
    for m in range(1, _STEPS_MAX):
        at = a + 2 * m
        step = m * (b - m) * x / ((at - 1.0) * at)
        d = 1.0 / _away_from_zero(1.0 + step * d)
        c = _away_from_zero(1.0 + step / c)
        result *= c * d
        step = -(a + m) * (total + m) * x / (at * (at + 1.0))
        d = 1.0 / _away_from_zero(1.0 + step * d)
        c = _away_from_zero(1.0 + step / c)
        change = c * d
        result *= change
        if -_CLOSE < change - 1.0 < _CLOSE:
            return result
    raise RemitError(f"incomplete beta does not converge: a={a!r}, b={b!r}, x={x!r}")


def _away_from_zero(value: float) -> float:
    return value if value > _TINY or value < -_TINY else _TINY


def log_binomial_cdf(errors: int, trials: int, rate: float) -> float:
    """Return the log of the chance of at most ``errors`` in ``trials`` independent outcomes at ``rate``."""
    if errors < 0:
        return -math.inf
    if errors >= trials:
        return 0.0
    return log_beta_sf(rate, errors + 1.0, float(trials - errors))


def log_binomial_sf(errors: int, trials: int, rate: float) -> float:
    """Return the log of the chance of at least ``errors`` in ``trials`` independent outcomes at ``rate``."""
    if errors <= 0:
        return 0.0
    if errors > trials:
        return -math.inf
    return log_beta_cdf(rate, float(errors), trials - errors + 1.0)


def log_mean_exp(logs: Iterable[float]) -> float:
    """Return the log of the mean of the numbers whose logs are given, at least one of them finite."""
    values = tuple(logs)
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values) / len(values))
