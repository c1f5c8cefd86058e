"""Orders are shipments in booking order; outcomes are right, wrong, or unknown with a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import date, timedelta

import pytest
from examples.freight.outcomes import judge, within_half
from examples.freight.shipments import Amount, count_problems, read_lines
from examples.freight.story import CUT_DAY, Delivery, Order, Shipment, read_shipments, story_shipments
from hypothesis import given
from hypothesis import strategies as st


def test_counts(shipments: tuple[Shipment, ...]) -> None:
    story = story_shipments(shipments)
    assert len(shipments) == 7_030
    assert len(story) == 3_962
    assert count_problems(shipment.delivery.freight for shipment in shipments) == {
        "Freight Included in Commodity Cost": 593,
        "Invoiced Separately": 239,
    }
    assert count_problems(shipment.delivery.freight for shipment in story) == {
        "Freight Included in Commodity Cost": 205,
        "Invoiced Separately": 171,
    }
    assert sum(shipment.late for shipment in story) == 599


def test_every_line_is_in_one_order_and_every_bill_counts_once(shipments: tuple[Shipment, ...]) -> None:
    lines = read_lines()
    assert sum(shipment.order.lines for shipment in shipments) == len(lines)
    assert sum(shipment.order.value_minor for shipment in shipments) == sum(line.value_minor for line in lines)
    billed = sum(shipment.delivery.freight.value or 0 for shipment in shipments)
    assert billed == sum(line.freight.value or 0 for line in lines if line.freight.record == line.id)


def test_the_order_of_the_lines_does_not_matter(shipments: tuple[Shipment, ...]) -> None:
    lines = sorted(read_lines(), key=lambda line: (line.scheduled, line.id), reverse=True)
    again = {shipment.order.id: shipment for shipment in read_shipments(lines)}
    for shipment in shipments:
        assert again[shipment.order.id].delivery == shipment.delivery
        assert again[shipment.order.id].order.weight == shipment.order.weight


def test_the_story_runs_forward(shipments: tuple[Shipment, ...]) -> None:
    story = story_shipments(shipments)
    days = [shipment.order.booked_on for shipment in story]
    assert days == sorted(days)
    assert days[0] >= CUT_DAY


def test_an_order_says_nothing_of_its_delivery() -> None:
    known = {field.name for field in fields(Order)}
    later = {field.name for field in fields(Delivery)}
    assert not known & later
    assert later == {"mode", "freight", "delivered", "recorded"}


@pytest.fixture
def shipment(shipments: tuple[Shipment, ...]) -> Shipment:
    found = next(s for s in shipments if s.delivery.mode == "Air" and s.delivery.freight.value and not s.late)
    return replace(found, delivery=replace(found.delivery, freight=Amount(10_000, record="1")))


@pytest.mark.parametrize(
    ("expected", "right"),
    [(10_000, True), (20_000, True), (20_001, False), (6_667, True), (6_666, False), (0, False)],
)
def test_right_is_within_half_of_what_was_expected(shipment: Shipment, expected: int, right: bool) -> None:
    assert judge(shipment, "Air", expected).right is right


def test_late_is_wrong_but_without_a_bill_nothing_is_known(shipment: Shipment) -> None:
    delivery = replace(shipment.delivery, delivered=shipment.order.scheduled + timedelta(days=3))
    late = replace(shipment, delivery=delivery)
    assert (judge(late, "Air", 10_000).right, judge(late, "Air", 10_000).days_late) == (False, 3)
    for changed in (late, shipment):
        unbilled = replace(changed, delivery=replace(changed.delivery, freight=Amount(None, "Invoiced Separately")))
        outcome = judge(unbilled, "Air", 10_000)
        assert (outcome.right, outcome.cost_minor) == (None, None)
        assert "Invoiced Separately" in outcome.why


def test_another_mode_is_unknown(shipment: Shipment) -> None:
    assert judge(shipment, "Ocean", 10_000).right is None
    unrecorded = replace(shipment, delivery=replace(shipment.delivery, mode=None))
    assert judge(unrecorded, "Air", 10_000).right is None


def test_no_outcome_is_known_before_the_booking(shipments: tuple[Shipment, ...]) -> None:
    story = story_shipments(shipments)
    for each in story:
        assert judge(each, "Air", 1).matured_on > each.order.booked_on
        assert judge(each, "Air", 1).matured_on >= each.delivery.recorded
    early = Counter(each.delivery.delivered < each.order.booked_on for each in story)
    assert early[True] == 140


@given(cost=st.integers(0, 10**12), expected=st.integers(0, 10**12))
def test_within_half_agrees_with_fractions(cost: int, expected: int) -> None:
    from fractions import Fraction

    plain = expected > 0 and Fraction(1, 2) <= Fraction(cost, expected) <= Fraction(3, 2)
    assert within_half(cost, expected) == (plain or cost == expected == 0)


def test_the_cut_is_a_day_of_the_history(shipments: tuple[Shipment, ...]) -> None:
    before = [shipment for shipment in shipments if shipment.delivery.recorded < CUT_DAY]
    assert len(before) == 2_951
    assert date(2010, 12, 31) >= max(shipment.delivery.recorded for shipment in before)
