"""The trust tax: the known cases, exactness, and what is the next safe reduction."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.stats.rate import certified
from remit.stats.tax import (
    CaseTimes,
    GateOption,
    OperatingPoint,
    measured_tax,
    next_reductions,
    seconds_of_minutes,
    trust_tax,
)

TIMES = CaseTimes(manual_seconds=600, review_seconds=360, rework_seconds=600)


@pytest.mark.parametrize(
    ("coverage", "review", "error", "net"),
    [
        (6_000, 8_000, 1_510, 13_150),  # four in five of six in ten cases are checked, at 60 % of the manual time
        (10_000, 10_000, 1_510, 13_316),  # everything is checked
        (6_000, 1_850, 100, 21_381),  # the gate at 2 %, stopped when certified
        (10_000, 0, 1_510, None),  # nothing is checked: what a demonstration shows
        (0, 0, 0, 10_000),  # no agent
        (10_000, 10_000, 10_000, 6_250),  # an agent that is always wrong costs more than none
    ],
)
def test_known_cases(coverage: int, review: int, error: int, net: int | None) -> None:
    assert trust_tax(TIMES, OperatingPoint(coverage, review, error)).net_productivity_bp == net


@pytest.mark.parametrize(
    ("coverage", "proposed", "wrong", "net"),
    [
        (6_000, 4_000, 2_500, 26_553),  # six minutes and a quarter of ten for ten: worth reading
        (6_000, 4_000, 4_000, 22_904),  # two in five wrong: reading and redoing costs as much as doing
        (6_000, 4_000, 9_000, 22_904),  # so bad a proposal is not read
        (6_000, 0, 0, 22_904),  # done by hand
        (6_000, 2_000, 0, 28_043),  # half of the rest is proposed, always rightly; the other half done by hand
    ],
)
def test_what_is_proposed_costs_a_review_or_the_work_itself(coverage: int, proposed: int, wrong: int, net: int) -> None:
    point = OperatingPoint(coverage, 1_000, 100, proposed, wrong)
    assert trust_tax(TIMES, point).net_productivity_bp == net


def test_reviewing_everything_is_the_same_said_either_way() -> None:
    handled, proposed = OperatingPoint(10_000, 10_000, 1_510), OperatingPoint(0, 0, 0, 10_000, 1_510)
    assert trust_tax(TIMES, handled).human_seconds == trust_tax(TIMES, proposed).human_seconds == 450_600


def test_the_parts_of_the_tax() -> None:
    tax = trust_tax(TIMES, OperatingPoint(6_000, 8_000, 1_510))
    assert tax.human_seconds == 456_288, "1,000 cases: 240,000 by hand, 172,800 of review, 43,488 of rework"
    assert tax.overhead_bp == 4_800
    assert tax.without_review_bp == 25_000
    assert tax.escaped_bp == 181


BP = st.integers(0, 10_000)
SECONDS = st.integers(0, 10_000)


@settings(deadline=None)
@given(st.integers(1, 10_000), SECONDS, SECONDS, BP, BP, BP, BP, BP)
def test_it_is_the_formula_exactly(
    manual: int, review: int, rework: int, coverage: int, reviewed: int, error: int, proposed: int, refused: int
) -> None:
    """Against ten thousand cases, each with what it costs."""
    proposed = min(proposed, 10_000 - coverage)
    point = OperatingPoint(coverage, reviewed, error, proposed, refused)
    tax = trust_tax(CaseTimes(manual, review, rework), point)
    r, e, y = (Fraction(share, 10_000) for share in (reviewed, error, refused))
    costs = {
        "handled": (coverage, r * review + r * e * rework),
        "proposed": (proposed, min(Fraction(manual), review + y * rework)),
        "by hand": (10_000 - coverage - proposed, Fraction(manual)),
    }
    spent = sum((cases * cost for cases, cost in costs.values()), Fraction(0)) / 10_000
    below = spent - Fraction(coverage, 10_000) * costs["handled"][1]
    assert tax.human_seconds == round(1_000 * spent)
    assert tax.net_productivity_bp == (round(10_000 * manual / spent) if spent else None)
    assert tax.overhead_bp == round(10_000 * r * review / manual)
    assert tax.without_review_bp == (round(10_000 * manual / below) if below else None)
    assert tax.escaped_bp == round(coverage * (1 - r) * e)


@settings(deadline=None)
@given(BP, BP, BP, BP)
def test_a_proposal_never_costs_more_than_doing_it_by_hand(coverage: int, review: int, error: int, wrong: int) -> None:
    by_hand = trust_tax(TIMES, OperatingPoint(coverage, review, error))
    proposed = trust_tax(TIMES, OperatingPoint(coverage, review, error, 10_000 - coverage, wrong))
    assert proposed.human_seconds <= by_hand.human_seconds
    assert proposed.escaped_bp == by_hand.escaped_bp, "a person sees every one, or does it"


@settings(deadline=None)
@given(st.integers(1, 1_000), st.integers(1, 500), st.data())
def test_what_was_measured_agrees_with_what_is_planned(manual: int, cases: int, data: st.DataObject) -> None:
    handled = data.draw(st.integers(0, cases))
    reviews, reworks = data.draw(SECONDS), data.draw(SECONDS)
    tax = measured_tax(manual, cases, handled, reviews, reworks)
    assert tax is not None
    total = (cases - handled) * manual + reviews + reworks
    assert tax.human_seconds == round(Fraction(1_000 * total, cases))
    assert tax.net_productivity_bp == (round(Fraction(10_000 * cases * manual, total)) if total else None)
    assert tax.overhead_bp == (round(Fraction(10_000 * reviews, handled * manual)) if handled else 0)
    assert tax.escaped_bp is None
    assert measured_tax(manual, 0, 0, 0, 0) is None


def test_a_certified_gate_is_reviewed_less_next() -> None:
    today = OperatingPoint(6_000, 10_000, 50)
    steps = next_reductions(TIMES, today, 1_000, 5, bound_bp=200)
    assert certified(1_000, 5, 0.02, 0.05)
    (step,) = steps
    assert (step.kind, step.safe, step.labels_missing, step.review_bp) == ("review", True, 0, 100)
    assert step.tax == trust_tax(TIMES, OperatingPoint(6_000, 100, 50))
    assert step.saved_seconds == trust_tax(TIMES, today).human_seconds - step.tax.human_seconds > 200_000
    assert "1000 labels with 5 errors" in step.reason


def test_what_is_not_certified_says_how_many_labels_are_missing() -> None:
    today = OperatingPoint(6_000, 10_000, 50)
    (step,) = next_reductions(TIMES, today, 100, 0, bound_bp=200)
    assert not step.safe
    assert step.labels_missing == 88, "188 clean ones certify 2 %"
    assert step.review_bp == 187, "88 of 10,000 in full, one in a hundred of the rest"
    (never,) = next_reductions(TIMES, today, 1_000, 20, bound_bp=200)
    assert (never.safe, never.labels_missing, never.review_bp) == (False, None, 10_000)
    (late,) = next_reductions(TIMES, today, 100, 0, bound_bp=200, horizon=88)
    assert (late.labels_missing, late.review_bp) == (None, 10_000)


def test_the_safe_step_that_saves_most_comes_first() -> None:
    today = OperatingPoint(5_000, 2_000, 60)
    options = [
        GateOption(9_900, 3_000, 2_000, 4),  # stricter: certified, but more by hand
        GateOption(8_000, 6_000, 3_000, 30),  # certified, and more is handled
        GateOption(7_000, 7_500, 3_000, 59),  # not certified
        GateOption(6_000, 9_000, 3_000, 90),  # above the promise
        GateOption(5_000, 9_500, 0, 0),  # nothing known
    ]
    steps = next_reductions(TIMES, today, 2_000, 12, options, bound_bp=200)
    assert [step.threshold_bp for step in steps if step.safe] == [8_000, None, 9_900]
    assert steps[0].threshold_bp == 8_000 and steps[1].kind == "review"
    assert steps[-1].safe is False or steps[-1].saved_seconds < 0
    unsafe = [step for step in steps if not step.safe]
    assert unsafe == sorted(unsafe, key=lambda step: -step.saved_seconds)
    unknown = next(step for step in steps if step.threshold_bp == 5_000)
    assert unknown.tax == trust_tax(TIMES, OperatingPoint(9_500, unknown.review_bp, 100)), (
        "nothing known is not no errors"
    )
    for step in steps:
        assert step.saved_seconds == trust_tax(TIMES, today).human_seconds - step.tax.human_seconds
        assert step.safe is certified(*_counts(step.threshold_bp, options), 0.02, 0.05)


def test_what_an_option_does_not_handle_is_proposed_or_done_by_hand() -> None:
    today = OperatingPoint(7_000, 10_000, 300, 2_000, 3_000)
    options = [GateOption(8_000, 5_000, 3_000, 15, 2_500), GateOption(7_900, 5_100, 3_000, 15)]
    options.append(GateOption(10, 9_500, 3_000, 15, 2_500))
    found = {step.threshold_bp: step for step in next_reductions(TIMES, today, 100, 3, options, bound_bp=200)}
    assert found[8_000].tax == trust_tax(TIMES, OperatingPoint(5_000, 100, 50, 4_000, 2_500)), "a tenth is not its case"
    assert found[7_900].tax == trust_tax(TIMES, OperatingPoint(5_100, 100, 50))
    assert found[10].tax == trust_tax(TIMES, OperatingPoint(9_500, 100, 50)), "it handles all that is proposed today"
    review = found[None]
    assert review.tax == trust_tax(TIMES, OperatingPoint(7_000, review.review_bp, 300, 2_000, 3_000))


def _counts(threshold_bp: int | None, options: list[GateOption]) -> tuple[int, int]:
    return next(((one.labels, one.errors) for one in options if one.threshold_bp == threshold_bp), (2_000, 12))


@settings(deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 100), BP, BP, st.integers(1, 20_000), BP)
def test_a_reduction_is_consistent(
    labels: int, errors: int, coverage: int, review: int, horizon: int, maintenance: int
) -> None:
    errors = min(errors, labels)
    today = OperatingPoint(coverage, review, 100)
    (step,) = next_reductions(TIMES, today, labels, errors, bound_bp=500, horizon=horizon, maintenance_bp=maintenance)
    assert step.safe is certified(labels, errors, 0.05, 0.05)
    assert maintenance <= step.review_bp <= 10_000
    if step.labels_missing is None:
        assert step.review_bp == 10_000
    else:
        assert step.labels_missing < horizon


@pytest.mark.parametrize(
    ("text", "seconds"), [("7.5", 450), ("0", 0), ("10", 600), ("0.05", 3), ("1e1", 600), (" 2 ", 120)]
)
def test_minutes_are_read_exactly(text: str, seconds: int) -> None:
    assert seconds_of_minutes(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "NaN", "Infinity", "0.01", "1e999999", "9" * 41, "16666667", 5, None, "sNaN"]
)
def test_what_is_no_time_is_refused(text: Any) -> None:
    with pytest.raises(BadInput, match="minutes must"):
        seconds_of_minutes(text)


def test_negative_times_are_named() -> None:
    for text in ("-1", "-0.5"):
        with pytest.raises(BadInput, match="cannot be negative"):
            seconds_of_minutes(text)
    for name in ("manual_seconds", "review_seconds", "rework_seconds"):
        with pytest.raises(BadInput, match=f"{name} cannot be negative: got -1"):
            replace(TIMES, **{name: -1})


@pytest.mark.parametrize(
    "make",
    [
        lambda: CaseTimes(0, 1, 1),
        lambda: CaseTimes(1.0, 1, 1),  # type: ignore[arg-type]
        lambda: CaseTimes(1, 1, 10**10),
        lambda: OperatingPoint(10_001, 0, 0),
        lambda: OperatingPoint(0, -1, 0),
        lambda: OperatingPoint(0, 0, 0.5),  # type: ignore[arg-type]
        lambda: OperatingPoint(6_000, 0, 0, 4_001),
        lambda: OperatingPoint(0, 0, 0, -1),
        lambda: OperatingPoint(0, 0, 0, 0, 10_001),
        lambda: GateOption(0, 0, 1, 2),
        lambda: GateOption(0, 0, 1, 1, 10_001),
        lambda: GateOption(0, 10_001, 1, 1),
        lambda: measured_tax(0, 1, 1, 1, 1),
        lambda: measured_tax(1, 1, 2, 1, 1),
        lambda: measured_tax(1, 1, 1, -1, 1),
        lambda: measured_tax(1, 1, 1, 1, -1),
        lambda: next_reductions(TIMES, OperatingPoint(0, 0, 0), 1, 2, bound_bp=200),
        lambda: next_reductions(TIMES, OperatingPoint(0, 0, 0), 1, 1, bound_bp=0),
        lambda: next_reductions(TIMES, OperatingPoint(0, 0, 0), 1, 1, bound_bp=200, delta_bp=10_000),
        lambda: next_reductions(TIMES, OperatingPoint(0, 0, 0), 1, 1, bound_bp=200, horizon=0),
        lambda: next_reductions(TIMES, OperatingPoint(0, 0, 0), 1, 1, bound_bp=200, maintenance_bp=-1),
    ],
)
def test_what_cannot_be_is_refused(make: Any) -> None:
    with pytest.raises(BadInput):
        make()
