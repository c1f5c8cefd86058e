"""The table of what chance reaches: its order, its bounds, and lives drawn anew."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from bench.guarantees.rank_lives import LIVES, SEED, highest, table_row
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from remit.stats.conformal import RANK_WEIGHTS, bets_on_rank
from remit.stats.rank_threshold import CHANCES_BP, HORIZONS, RANK_THRESHOLDS, rank_threshold


def test_a_longer_horizon_and_a_smaller_chance_ask_for_more() -> None:
    assert tuple(RANK_THRESHOLDS) == HORIZONS
    for row in RANK_THRESHOLDS.values():
        assert len(row) == len(CHANCES_BP)
        assert all(rare > common for rare, common in pairwise(row))
    for shorter, longer in pairwise(RANK_THRESHOLDS.values()):
        assert all(less < more for less, more in zip(shorter, longer, strict=True))


def test_at_the_default_it_is_lower_than_the_general_bound() -> None:
    assert rank_threshold(10_000, 300) == RANK_THRESHOLDS[10_000][3] == 269_801 < 10_000 * 10_000 / 300
    assert rank_threshold(10_001, 300) == 333_367, "a longer horizon than any in the table"
    assert rank_threshold(10_000, 49) == 2_040_817, "a smaller chance than any in the table"
    assert rank_threshold(7, 300) == 234, "where the general bound is lower"
    assert rank_threshold(6_000, 400) == min(RANK_THRESHOLDS[10_000][3], 150_000)


@given(st.integers(1, 10**9), st.integers(1, 9_999))
def test_it_never_asks_for_more_than_the_general_bound_nor_less_than_the_table(horizon: int, chance_bp: int) -> None:
    got, bound = rank_threshold(horizon, chance_bp), -(-horizon * 10_000 // chance_bp)
    assert got <= bound
    if got < bound:
        known = [
            value
            for longer, row in RANK_THRESHOLDS.items()
            for rarer, value in zip(CHANCES_BP, row, strict=True)
            if longer >= horizon and rarer <= chance_bp
        ]
        assert got == min(known)


def test_lives_are_those_of_the_watch() -> None:
    """The arrays against the plain recursion, on the same draws."""
    (highs,) = highest([200], 3, 11)
    draws = np.random.default_rng([11, 0])
    sums, high = np.zeros((3, len(RANK_WEIGHTS))), np.zeros(3)
    for _ in range(200):
        for life, rank in enumerate((1.0 - draws.random(3)).tolist()):
            sums[life] = [(total + 1) * paid for total, paid in zip(sums[life], bets_on_rank(rank), strict=True)]
            mean = sum(weight * total for weight, total in zip(RANK_WEIGHTS, sums[life], strict=True))
            high[life] = max(high[life], mean)
    assert highs == pytest.approx(high)


def test_the_first_row_is_drawn_again() -> None:
    """A twentieth of the lives, other draws: within five standard deviations of what is stated, and not far below."""
    lives = LIVES // 20
    (highs,) = highest(HORIZONS[:1], lives, SEED + 1)
    for chance_bp, value in zip(CHANCES_BP, RANK_THRESHOLDS[HORIZONS[0]], strict=True):
        reached = int((highs >= value).sum())
        assert stats.binom.sf(reached - 1, lives, chance_bp / 10_000) > 1e-6
        assert stats.binom.cdf(reached, lives, 0.6 * chance_bp / 10_000) > 1e-6


def test_an_entry_is_far_enough_out() -> None:
    """Of known values: what is passed with a tenth must lie so far out that 10,000 draws show it beyond doubt."""
    (value,) = table_row(np.arange(10_000.0), [1_000])
    assert 9_000 < value < 9_150
    above = 10_000 - value
    assert stats.binom.cdf(above, 10_000, 0.1) < 1e-4 < stats.binom.cdf(above + 3, 10_000, 0.1)
