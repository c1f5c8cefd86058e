"""The story: orders in the order in which they are booked, and what became of each.

An order is one shipment, all lines under one ASN or DN number, because freight is billed by shipment. No
shipment in the history has two bills; were each line an order, one bill would count as many times as it has
lines, and the outcomes of those lines would be copies of one another. `Order` is what is known when it is
booked; mode, bill and dates of delivery are in `Delivery`, so what only the future knows cannot reach the
agent by mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from .shipments import Amount, Line, read_lines

__all__ = ["BOOKING_LEAD", "CUT_DAY", "Delivery", "Order", "Shipment", "read_shipments", "story_shipments"]

CUT_DAY: Final = date(2011, 1, 1)
"""The story begins here. The agent learns only from deliveries recorded before it."""

BOOKING_LEAD: Final = timedelta(days=60)
"""An order is booked so long before its scheduled delivery.

The history has no day of booking (orders from stock have no order date at all). Half of all shipments
arrive on their scheduled day and 95 % no more than 42 days early; with 60 days, few arrive before they are
booked.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What is known on the day of booking. ``value_minor`` is US cents; ``weight`` is kilograms of the
    whole shipment.
    """

    id: str
    country: str
    fulfil_via: str
    incoterm: str
    product_group: str
    sub_classification: str
    vendor: str
    dosage_form: str
    lines: int
    quantity: int
    value_minor: int
    weight: Amount
    scheduled: date

    @property
    def booked_on(self) -> date:
        """The story day on which it is booked."""
        return self.scheduled - BOOKING_LEAD


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an order. ``freight`` is the bill of the whole shipment in US cents."""

    mode: str | None
    freight: Amount
    delivered: date
    recorded: date


@dataclass(frozen=True, slots=True)
class Shipment:
    """An order and its delivery."""

    order: Order
    delivery: Delivery

    @property
    def late(self) -> bool:
        """Whether it came after the first day on which any of its lines was due."""
        return self.delivery.delivered > self.order.scheduled


def read_shipments(lines: Iterable[Line] | None = None) -> tuple[Shipment, ...]:
    """Gather the lines of each shipment, in booking order (same day: by number)."""
    groups: dict[str, list[Line]] = {}
    for line in read_lines() if lines is None else lines:
        groups.setdefault(line.shipment, []).append(line)
    shipments = (_shipment(group) for group in groups.values())
    return tuple(sorted(shipments, key=lambda shipment: (shipment.order.booked_on, shipment.order.id)))


def story_shipments(shipments: Iterable[Shipment]) -> tuple[Shipment, ...]:
    """Keep what is booked on or after the cut day."""
    return tuple(shipment for shipment in shipments if shipment.order.booked_on >= CUT_DAY)


def _shipment(lines: Sequence[Line]) -> Shipment:
    main = max(lines, key=lambda line: line.value_minor)
    order = Order(
        id=main.shipment,
        country=main.country,
        fulfil_via=main.fulfil_via,
        incoterm=main.incoterm,
        product_group=main.product_group,
        sub_classification=main.sub_classification,
        vendor=main.vendor,
        dosage_form=main.dosage_form,
        lines=len(lines),
        quantity=sum(line.quantity for line in lines),
        value_minor=sum(line.value_minor for line in lines),
        weight=_whole([line.weight for line in lines]),
        scheduled=min(line.scheduled for line in lines),
    )
    delivery = Delivery(
        mode=main.mode,
        freight=_whole([line.freight for line in lines]),
        delivered=max(line.delivered for line in lines),
        recorded=max(line.recorded for line in lines),
    )
    return Shipment(order, delivery)


def _whole(amounts: Sequence[Amount]) -> Amount:
    """Return the shipment's number: the one that all lines share, else missing."""
    missing = [amount for amount in amounts if amount.value is None]
    if missing:
        # The shortest reason is that of the record itself; the others only refer to it.
        return min(missing, key=lambda amount: (len(amount.problem), amount.problem))
    if len({amount.record for amount in amounts}) > 1:
        return Amount(None, "several records carry a number of their own")
    return amounts[0]
