"""What a kilogram cost on a lane (country and mode), as known on a day; and who carries on it.

The history names no carriers: these are invented, and so is the small difference between them. The level of
the prices is real: the median bill per kilogram of the lane's deliveries recorded before the day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from statistics import median
from typing import Final

from .chance import draw
from .story import Shipment

__all__ = ["CARRIERS", "MODES", "LanePrices", "carrier_rate_minor", "quarter_start"]

CARRIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Air": ("Swiftline Air", "Meridian Air", "Harmattan Air"),
    "Air Charter": ("Condor Charter", "Equator Charter"),
    "Ocean": ("Blue Strait Lines", "Cape Star Lines"),
    "Truck": ("Savanna Road", "Copperbelt Haulage", "Lakes Transport"),
}
MODES: Final = tuple(CARRIERS)
LANE_COUNT_MIN: Final = 3
_YEAR: Final = timedelta(days=365)


class LanePrices:
    """Prices per kilogram in US cents, by lane, from deliveries with a bill, a weight and a mode."""

    def __init__(self, shipments: Iterable[Shipment]) -> None:
        self._lanes: dict[tuple[str, str], list[tuple[date, int]]] = {}
        for shipment in shipments:
            delivery, weight = shipment.delivery, shipment.order.weight.value
            if delivery.mode is None or delivery.freight.value is None or not weight:
                continue
            point = (delivery.recorded, delivery.freight.value // weight)
            for country in (shipment.order.country, ""):
                self._lanes.setdefault((country, delivery.mode), []).append(point)
        for lane in self._lanes.values():
            lane.sort()

    def lane_minor(self, country: str, mode: str, day: date) -> int | None:
        """Return the median of the year before ``day``; None with fewer than three deliveries in it."""
        lane = self._lanes.get((country, mode), [])
        prices = [price for _, price in lane[bisect_left(lane, (day - _YEAR, 0)) : bisect_left(lane, (day, 0))]]
        return max(1, int(median(prices))) if len(prices) >= LANE_COUNT_MIN else None

    def mode_minor(self, mode: str, day: date) -> int | None:
        """Return the median over all countries and all time before ``day``; None when there is nothing."""
        lane = self._lanes.get(("", mode), [])
        prices = [price for _, price in lane[: bisect_left(lane, (day, 0))]]
        return max(1, int(median(prices))) if prices else None


def carrier_rate_minor(lane_minor: int, carrier: str, country: str, sort: str) -> int:
    """Return this carrier's price on a lane: up to 12 % below or above the lane's, by a draw; ``sort``
    names the list.
    """
    return max(1, lane_minor * (88 + draw(25, "rate", sort, carrier, country)) // 100)


def quarter_start(day: date) -> date:
    """Return the first day of the quarter that ``day`` is in."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
