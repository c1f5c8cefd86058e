"""The agent: for each order it chooses mode and carrier, says what it expects to pay, how sure it is, and
why.

Mode: of the modes by which at least one in five such orders goes, the one expected to cost least. Carrier:
the one with the lowest rate on that lane. It also asks to renegotiate a contract when the contract would
cost more than twice what it expects; that is not in its remit, and it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from remit.errors import BadInput

from .model import Forecast, FreightModel
from .story import Order

__all__ = ["AGENT", "CarrierChoice", "Market", "Proposal", "Rate", "Term"]

AGENT: Final = "carrier-choice"
PLAUSIBLE_SHARE_BP: Final = 2_000
RENEGOTIATE_FACTOR: Final = 2


@dataclass(frozen=True, slots=True)
class Rate:
    """A carrier's list price on a lane, in US cents per kilogram."""

    carrier: str
    rate_minor: int


@dataclass(frozen=True, slots=True)
class Term:
    """What the contract with a carrier says for a country, in US cents per kilogram."""

    id: str
    rate_minor: int
    updated_at: str


class Market(Protocol):
    """What the agent asks the systems. Answers may change from day to day."""

    def rates(self, country: str, mode: str, day: date) -> Sequence[Rate]:
        """Return every carrier's rate on the lane; empty when none carries there."""
        ...

    def term(self, country: str, carrier: str) -> Term | None:
        """Return the contract's term; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """One action the agent wants to take on the order's day of booking."""

    order: Order
    action: str
    arguments: dict[str, str | int]
    confidence_bp: int
    reasons: tuple[str, ...]


class CarrierChoice:
    """Proposes one booking for each order, and now and then a new contract."""

    def __init__(self, model: FreightModel, market: Market) -> None:
        self._model, self._market = model, market
        self._foreseen: dict[str, tuple[Forecast, ...]] = {}
        self._complained: set[str] = set()

    def foresee(self, orders: Sequence[Order]) -> None:
        """Forecast many orders at once, which is much quicker than one by one; no system is asked yet."""
        for order, forecasts in zip(orders, self._model.forecast(orders), strict=True):
            self._foreseen[order.id] = forecasts

    def propose(self, order: Order) -> tuple[Proposal, ...]:
        """Return what it wants to do about an order; rates and terms are read now, as they stand.

        Raises:
            BadInput: no carrier has a rate for any plausible mode of the order.
        """
        if order.id not in self._foreseen:
            self.foresee([order])
        forecasts = self._foreseen[order.id]
        forecast, rate = self._choose(order, forecasts)
        booking = self._booking(order, forecast, rate, forecasts)
        term = self._market.term(order.country, rate.carrier)
        if term is not None and self._too_dear(order, forecast, term):
            return self._renegotiation(order, forecast, rate, term), booking
        return (booking,)

    def proposals(self, orders: Sequence[Order]) -> Iterator[Proposal]:
        """Yield what it wants to do, order by order; an order's turn comes when the one before is taken."""
        self.foresee(orders)
        for order in orders:
            yield from self.propose(order)

    def _choose(self, order: Order, forecasts: Sequence[Forecast]) -> tuple[Forecast, Rate]:
        plausible = [forecast for forecast in forecasts if forecast.share_bp >= PLAUSIBLE_SHARE_BP]
        for forecast in sorted(plausible or forecasts[:1], key=lambda item: (item.expected_cost_minor, item.mode)):
            rates = self._market.rates(order.country, forecast.mode, order.booked_on)
            if rates:
                return forecast, min(rates, key=lambda rate: (rate.rate_minor, rate.carrier))
        raise BadInput(f"no carrier has a rate for order {order.id} to {order.country}")

    def _too_dear(self, order: Order, forecast: Forecast, term: Term) -> bool:
        if order.weight.value is None or f"{term.id} {term.updated_at}" in self._complained:
            return False
        return term.rate_minor * order.weight.value > RENEGOTIATE_FACTOR * forecast.expected_cost_minor

    def _renegotiation(self, order: Order, forecast: Forecast, rate: Rate, term: Term) -> Proposal:
        self._complained.add(f"{term.id} {term.updated_at}")
        weight = order.weight.value or 1
        wanted = max(1, forecast.expected_cost_minor // weight)
        return Proposal(
            order,
            "contract.renegotiate",
            {"country": order.country, "carrier": rate.carrier, "rate_minor": wanted},
            forecast.confidence_bp,
            (f"the contract says {_money(term.rate_minor)} a kilogram, I expect to pay {_money(wanted)}",),
        )

    def _booking(self, order: Order, forecast: Forecast, rate: Rate, forecasts: Sequence[Forecast]) -> Proposal:
        arguments: dict[str, str | int] = {
            "order": order.id,
            "country": order.country,
            "carrier": rate.carrier,
            "mode": forecast.mode,
            "expected_cost_minor": forecast.expected_cost_minor,
        }
        if order.weight.value is not None:
            arguments["weight_kg"] = order.weight.value
        return Proposal(
            order,
            "booking.create",
            arguments,
            forecast.confidence_bp,
            _reasons(order, forecast, rate, forecasts),
        )


def _reasons(order: Order, forecast: Forecast, rate: Rate, forecasts: Sequence[Forecast]) -> tuple[str, ...]:
    reasons = [
        f"{forecast.share_bp // 100} % of orders like this one to {order.country} go by {forecast.mode}",
        f"expected to cost {_money(forecast.expected_cost_minor)}",
    ]
    reasons += [
        f"{other.mode} would be expected to cost {_money(other.expected_cost_minor)}"
        for other in forecasts
        if other.mode != forecast.mode and other.share_bp >= PLAUSIBLE_SHARE_BP
    ]
    reasons.append(f"{rate.carrier} has the lowest rate: {_money(rate.rate_minor)} a kilogram")
    if order.weight.value is None:
        reasons.append(f"the weight is not known: {order.weight.problem}")
    return tuple(reasons)


def _money(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02d} USD"
