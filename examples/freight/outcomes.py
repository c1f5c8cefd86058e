"""What became of a booking, and whether it was right: the one definition, for the agent's training and for
its judging.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from .story import Shipment

__all__ = ["Judgement", "judge", "within_half"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of one order, known from ``matured_on``. ``right`` None means that it cannot be told, and
    ``why``.

    ``cost_minor`` is the shipment's bill in US cents, None when the history has no number for it.
    """

    order: str
    right: bool | None
    why: str
    cost_minor: int | None
    late: bool
    days_late: int
    matured_on: date


def judge(shipment: Shipment, mode: str, expected_cost_minor: int) -> Judgement:
    """Compare a booking with the recorded delivery: right is within 50 % of what was expected, and not late.

    Without a bill the answer is unknown even when the delivery was late: else shipments without a bill
    could be found wrong but never right, and the share of right ones would be too low. A mode other than
    the one that was really used is unknown too: what it would have cost nobody ever saw. The invented
    carrier plays no part.
    """
    order, delivery = shipment.order, shipment.delivery
    right, why = _verdict(shipment, mode, expected_cost_minor)
    return Judgement(
        order=order.id,
        right=right,
        why=why,
        cost_minor=delivery.freight.value,
        late=shipment.late,
        days_late=max(0, (delivery.delivered - order.scheduled).days),
        # Some shipments came before the day on which the story books them; nothing is known before it is
        # booked.
        matured_on=max(delivery.recorded, order.booked_on + timedelta(days=1)),
    )


def within_half(cost_minor: int, expected_minor: int) -> bool:
    """Return whether a bill is within 50 % of what was expected."""
    return 2 * abs(cost_minor - expected_minor) <= expected_minor


def _verdict(shipment: Shipment, mode: str, expected_cost_minor: int) -> tuple[bool | None, str]:
    delivery = shipment.delivery
    if delivery.freight.value is None:
        return None, f"no bill: {delivery.freight.problem}"
    if delivery.mode is None:
        return None, "the mode was not recorded"
    if delivery.mode != mode:
        return None, f"went by {delivery.mode}, not {mode}"
    if not within_half(delivery.freight.value, expected_cost_minor):
        return False, "the bill was more than 50 % off"
    if shipment.late:
        return False, "late"
    return True, "within 50 % and in time"
