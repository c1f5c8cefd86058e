"""Ranks against the plain definition, bets against exact sums."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.errors import BadInput
from remit.stats.conformal import RANK_WEIGHTS, ConformalRanks, bets_on_level, bets_on_rank, tie_number

TIES = st.integers(1, 2**53)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), TIES), max_size=60))
def test_a_rank_is_the_share_of_those_below_and_a_drawn_share_of_the_equals(values: list[tuple[int, int]]) -> None:
    ranks = ConformalRanks(13)
    before: list[int] = []
    for value, tie in values:
        less = sum(other < value for other in before)
        equal = sum(other == value for other in before) + 1
        exact = (less + Fraction(tie, 2**53) * equal) / (len(before) + 1)
        placed = ranks.place(value, tie)
        before.append(value)
        assert placed == pytest.approx(float(exact), rel=1e-12)
        assert 0 < placed <= 1
        assert ranks.total == len(before)
        assert ranks.count(value) == before.count(value)


def test_in_any_order_of_any_values_the_ranks_are_uniform() -> None:
    """Over all orders of four values with a tie, and all quarters of the tie number, each rank is uniform."""
    steps = 12
    last: list[float] = []
    for order in permutations([3, 3, 1, 7]):
        for step in range(1, steps + 1):
            ranks = ConformalRanks(8, order[:3])
            last.append(ranks.place(order[3], 2**53 * step // steps))
    # The ties are two wide, so the ranks lie on multiples of 1/48 or of 1/24: they are even at each of the latter.
    for k in range(1, 2 * steps + 1):
        assert sum(rank <= k / (2 * steps) + 1e-9 for rank in last) / len(last) == pytest.approx(k / (2 * steps))


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_001), max_size=200), st.integers(0, 10_001), TIES)
def test_the_state_goes_through_json_and_forgets_the_order(values: list[int], value: int, tie: int) -> None:
    ranks = ConformalRanks(10_002, values)
    text = canonical(ranks.to_json())
    assert text == canonical(ConformalRanks(10_002, reversed(values)).to_json())
    again = ConformalRanks.from_json(10_002, json.loads(text))
    assert again.total == len(values)
    assert again.place(value, tie) == ranks.place(value, tie)


@pytest.mark.parametrize(
    "counts",
    [
        None,
        {"1": 2},
        [[1]],
        [[1, 0]],
        [[1, -1]],
        [[5, 1]],
        [[-1, 1]],
        [[1, 1], [1, 1]],
        [[True, 1]],
        [[1, 2.0]],
        [["1", 1]],
        [[0, 2**53]],
        [[0, 1], [1, 2**53 - 1]],
        [1],
        [[0, 1]] * 9,
    ],
)
def test_what_is_no_state_is_refused(counts: object) -> None:
    with pytest.raises(BadInput):
        ConformalRanks.from_json(5, counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "tie"), [(5, 1), (-1, 1), (True, 1), (1, 0), (1, 2**53 + 1), (1.0, 1), (1, 0.5)])
def test_what_is_no_value_is_refused_and_not_learnt(value: int, tie: int) -> None:
    ranks = ConformalRanks(5)
    with pytest.raises(BadInput):
        ranks.place(value, tie)
    assert ranks.total == 0
    with pytest.raises(BadInput):
        ConformalRanks(0)


def test_ties_are_broken_by_seed_and_key_alone_and_evenly() -> None:
    assert tie_number("s", "case-1") == tie_number("s", "case-1") == 6160055988530683
    assert tie_number("s", "xcase") != tie_number("sx", "case")
    drawn = [tie_number("seed", f"case-{number}") for number in range(8_000)]
    assert min(drawn) >= 1 and max(drawn) <= 2**53
    for eighth in range(8):
        inside = sum(eighth * 2**50 < number <= (eighth + 1) * 2**50 for number in drawn)
        assert abs(inside - 1_000) < 5 * 30  # 5 standard deviations; the hash is fixed, so this holds or never does


def test_each_bet_on_the_rank_is_fair() -> None:
    """The integral over (0, 1] is one, exactly: Boole's rule on 256 parts, in fractions, errs by less than 1e-9 for
    polynomials of degree seven; the bets are plain arithmetic, so fractions go through them.
    """
    parts = 256
    sums = [Fraction(0)] * len(RANK_WEIGHTS)
    for step in range(parts + 1):
        weight = Fraction(2, 45) * (7 if step in (0, parts) else (14, 32, 12, 32)[step % 4]) / parts
        for place, paid in enumerate(bets_on_rank(Fraction(step, parts))):  # type: ignore[arg-type]
            assert paid >= 0
            sums[place] += weight * Fraction(paid)
    assert [float(total) for total in sums] == pytest.approx([1.0] * 4, abs=1e-9)
    assert sum(RANK_WEIGHTS) == 1.0


def test_the_bets_pay_for_few_lower_values_for_all_lower_and_for_higher() -> None:
    assert bets_on_rank(0.0) == (1.4375, 2.75, 2.0, 0.75)
    assert bets_on_rank(0.5) == (0.94140625, 0.765625, 1.0, 0.875)
    assert bets_on_rank(1.0) == (0.9375, 0.75, 0.0, 1.75)
    assert bets_on_level(0.1, 0.2) == pytest.approx((1.25, 1.5, 2.0, 4.0))
    assert bets_on_level(0.3, 0.2) == pytest.approx((0.75 / 0.8, 0.7 / 0.8, 0.6 / 0.8, 0.2 / 0.8))
    assert bets_on_level(0.6, 0.6)[-1] == pytest.approx(0.9 / 0.6), "four times six tenths is more than all"


@settings(deadline=None)
@given(st.fractions(Fraction(1, 10_000), Fraction(9_999, 10_000)))
def test_each_bet_on_the_level_is_fair_and_pays_below_it(level: Fraction) -> None:
    at = float(level)
    below, above = bets_on_level(at, at), bets_on_level((at + 1) / 2, at)
    for paid, lost in zip(below, above, strict=True):
        assert paid > 1 > lost > 0
        assert paid * at + lost * (1 - at) == pytest.approx(1.0, abs=1e-12)
