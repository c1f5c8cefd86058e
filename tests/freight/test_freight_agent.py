"""The agent learns from the past alone, takes missing as missing, and says what it chose and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from examples.freight.agent import CarrierChoice, Rate, Term
from examples.freight.model import Forecast, FreightModel, past
from examples.freight.outcomes import judge
from examples.freight.prices import CARRIERS, MODES, LanePrices
from examples.freight.shipments import Amount
from examples.freight.story import CUT_DAY, Order, Shipment, story_shipments
from examples.freight.systems.finance import Budgets

from remit.errors import BadInput

EARLY_CUT = date(2009, 1, 1)


@pytest.fixture(scope="module")
def model(shipments: tuple[Shipment, ...]) -> FreightModel:
    return FreightModel.fit(shipments, CUT_DAY)


def _spoilt(shipments: Sequence[Shipment], cut: date) -> list[Shipment]:
    """Return the history with everything from ``cut`` on made up: a model that looked would differ."""
    return [
        shipment
        if shipment.delivery.recorded < cut
        else replace(shipment, delivery=replace(shipment.delivery, mode="Ocean", freight=Amount(1, record="x")))
        for shipment in shipments
    ]


def test_the_future_does_not_leak_into_the_model(
    shipments: tuple[Shipment, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.freight.model.ROUNDS", 2)
    orders = [shipment.order for shipment in story_shipments(shipments)[:300]]
    honest = FreightModel.fit(shipments, EARLY_CUT).forecast(orders)
    assert FreightModel.fit(_spoilt(shipments, EARLY_CUT), EARLY_CUT).forecast(orders) == honest
    # The test can fail: what was recorded before the cut does matter.
    earlier = EARLY_CUT - timedelta(days=200)
    assert FreightModel.fit(_spoilt(shipments, earlier), EARLY_CUT).forecast(orders) != honest


def test_the_future_does_not_leak_into_prices_and_budgets(shipments: tuple[Shipment, ...]) -> None:
    day = date(2012, 5, 1)
    spoilt = _spoilt(shipments, day)
    for country in ("Nigeria", "Vietnam", "Zambia"):
        assert Budgets(spoilt).budget_minor(country, day) == Budgets(shipments).budget_minor(country, day)
        for mode in MODES:
            assert LanePrices(spoilt).lane_minor(country, mode, day) == LanePrices(shipments).lane_minor(
                country, mode, day
            )
    later = date(2012, 8, 1)
    assert LanePrices(spoilt).mode_minor("Ocean", later) != LanePrices(shipments).mode_minor("Ocean", later)


def test_past_is_strictly_before(shipments: tuple[Shipment, ...]) -> None:
    assert all(shipment.delivery.recorded < CUT_DAY for shipment in past(shipments, CUT_DAY))
    on_the_day = next(s for s in shipments if s.delivery.recorded >= CUT_DAY)
    assert past([replace(on_the_day, delivery=replace(on_the_day.delivery, recorded=CUT_DAY))], CUT_DAY) == ()


def test_one_by_one_and_all_at_once_agree(shipments: tuple[Shipment, ...], model: FreightModel) -> None:
    orders = [shipment.order for shipment in story_shipments(shipments)[:20]]
    assert model.forecast(orders) == [model.forecast([order])[0] for order in orders]


def test_forecasts_are_well_formed(shipments: tuple[Shipment, ...], model: FreightModel) -> None:
    orders = [shipment.order for shipment in story_shipments(shipments)]
    forecasts = model.forecast(orders)
    assert len(forecasts) == len(orders)
    for each in forecasts:
        assert {forecast.mode for forecast in each} == set(MODES)
        assert abs(sum(forecast.share_bp for forecast in each) - 10_000) <= len(MODES)
        for forecast in each:
            assert type(forecast.expected_cost_minor) is int
            assert forecast.expected_cost_minor > 0
            assert 0 <= forecast.confidence_bp <= 10_000


def test_confidence_means_something(shipments: tuple[Shipment, ...], model: FreightModel) -> None:
    story = story_shipments(shipments)
    judged: list[tuple[int, bool]] = []
    for shipment, forecasts in zip(story, model.forecast([s.order for s in story]), strict=True):
        right = judge(shipment, forecasts[0].mode, forecasts[0].expected_cost_minor).right
        if right is not None:
            judged.append((forecasts[0].confidence_bp, right))
    judged.sort()
    third = len(judged) // 3
    low, high = ([right for _, right in part] for part in (judged[:third], judged[-third:]))
    assert len(judged) > 2_500
    assert sum(high) / len(high) > sum(low) / len(low) + 0.08


def test_missing_weight_is_not_zero_weight(shipments: tuple[Shipment, ...], model: FreightModel) -> None:
    orders = [s.order for s in story_shipments(shipments) if s.order.weight.value is not None][:200]
    missing = [replace(order, weight=Amount(None, "Weight Captured Separately")) for order in orders]
    zero = [replace(order, weight=Amount(0)) for order in orders]
    assert model.forecast(missing) != model.forecast(zero)


def test_too_little_to_learn_from(shipments: tuple[Shipment, ...]) -> None:
    with pytest.raises(BadInput, match="too little"):
        FreightModel.fit(shipments, date(2006, 9, 1))


class _Market:
    def __init__(self, term: Term | None = None, modes: Sequence[str] = MODES) -> None:
        self.current, self.modes = term, modes

    def rates(self, country: str, mode: str, day: date) -> list[Rate]:
        return [Rate(name, 100 - i) for i, name in enumerate(CARRIERS[mode])] if mode in self.modes else []

    def term(self, country: str, carrier: str) -> Term | None:
        return self.current


class _Model(FreightModel):
    def __init__(self, *forecasts: Forecast) -> None:
        self._told = forecasts

    def forecast(self, orders: Sequence[Order]) -> list[tuple[Forecast, ...]]:
        return [self._told for _ in orders]


AIR = Forecast("Air", 6_000, 500_000, 6_100)
OCEAN = Forecast("Ocean", 3_000, 200_000, 5_200)
RARE = Forecast("Truck", 1_000, 10_000, 9_900)


@pytest.fixture
def order(shipments: tuple[Shipment, ...]) -> Order:
    return replace(story_shipments(shipments)[0].order, weight=Amount(100, record="1"))


def test_it_takes_the_cheapest_plausible_mode_and_the_lowest_rate(order: Order) -> None:
    (proposal,) = CarrierChoice(_Model(AIR, OCEAN, RARE), _Market()).propose(order)
    assert proposal.action == "booking.create"
    assert proposal.arguments == {
        "order": order.id, "country": order.country, "carrier": CARRIERS["Ocean"][-1], "mode": "Ocean",
        "expected_cost_minor": 200_000, "weight_kg": 100,
    }  # fmt: skip
    assert proposal.confidence_bp == 5_200
    assert any("2,000.00 USD" in reason for reason in proposal.reasons)
    assert any("Air would be expected to cost 5,000.00 USD" in reason for reason in proposal.reasons)


def test_a_mode_nobody_offers_is_passed_over(order: Order) -> None:
    (proposal,) = CarrierChoice(_Model(AIR, OCEAN, RARE), _Market(modes=["Air"])).propose(order)
    assert proposal.arguments["mode"] == "Air"
    with pytest.raises(BadInput, match=order.id):
        CarrierChoice(_Model(AIR, OCEAN, RARE), _Market(modes=[])).propose(order)


def test_an_unknown_weight_is_left_out_and_said(order: Order) -> None:
    unweighed = replace(order, weight=Amount(None, "Weight Captured Separately"))
    (proposal,) = CarrierChoice(_Model(AIR), _Market(Term("t", 10**6, "2011"))).propose(unweighed)
    assert "weight_kg" not in proposal.arguments
    assert any("Weight Captured Separately" in reason for reason in proposal.reasons)


def test_it_asks_to_renegotiate_once_per_term(order: Order) -> None:
    market = _Market(Term("t", 10_001, "2011-01-01"))
    agent = CarrierChoice(_Model(AIR), market)
    assert [proposal.action for proposal in agent.propose(order)] == [
        "contract.renegotiate",
        "booking.create",
    ]
    assert [proposal.action for proposal in agent.propose(order)] == ["booking.create"]
    market.current = Term("t", 10_001, "2011-04-01")
    assert [proposal.action for proposal in agent.proposals([order, order])] == [
        "contract.renegotiate", "booking.create", "booking.create"
    ]  # fmt: skip
    market.current = Term("t", 10_000, "2011-08-01")
    assert [proposal.action for proposal in agent.propose(order)] == ["booking.create"]
