# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The carriers' booking system: REST with an API key in ``X-Api-Key``, idempotency keys, and faults as real
ones have.

``GET /rates?country=&mode=&carrier=``; ``POST /bookings``, ``GET /bookings?key=``; ``POST
/bookings/cancel``, ``GET /cancellations?key=``; ``GET /records``. One key in 200 is answered 503 after the
booking was made, one in 50 slowly; which ones is a draw by key. The same key sent again gets the answer the
first one should have got.

``cost_minor`` of a booking is the carrier's quote (rate times weight), null when the weight was not sent.
It is not the bill: that comes with the delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..chance import draw
from ..clock import moment_text, read_day
from ..prices import CARRIERS, LanePrices, carrier_rate_minor, quarter_start
from ..story import read_shipments
from .booking_record import BookingRecord, KeyReused, NotBooked
from .serving import Endpoint, problem, read_object, same, secret_of, serve

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

__all__ = ["application", "drops_answer", "slow_milliseconds"]

DROP_ONE_IN: Final = 200
SLOW_ONE_IN: Final = 50
KEY_LENGTH_MAX: Final = 200
WEIGHT_KG_MAX: Final = 10_000_000


def drops_answer(key: str) -> bool:
    """Return whether the first answer to this key is lost: 503 although the work was done."""
    return draw(DROP_ONE_IN, "drop", key) == 0


def slow_milliseconds(key: str) -> int:
    """Return how long the first answer to this key is held back: 0, or 50 to 149."""
    return 50 + draw(100, "slow-by", key) if draw(SLOW_ONE_IN, "slow", key) == 0 else 0


class CarrierService:
    """The endpoints."""

    def __init__(self, directory: Path, prices: LanePrices, record: BookingRecord) -> None:
        self._directory, self._prices, self._record = directory, prices, record
        self._key = secret_of("CARRIER_KEY")

    async def rates(self, request: Request) -> JSONResponse:
        """Show one carrier's rate on a lane, or all of them when no carrier is named."""
        from starlette.responses import JSONResponse

        country, mode, carrier = (request.query_params.get(name, "") for name in ("country", "mode", "carrier"))
        offered = [name for name in CARRIERS.get(mode, ()) if carrier in ("", name)]
        rates = [rate for name in offered if (rate := self._rate(country, mode, name)) is not None]
        if not carrier:
            return JSONResponse({"rates": rates})
        return JSONResponse(rates[0]) if rates else problem(404, "this carrier has no rate there")

    def _rate(self, country: str, mode: str, carrier: str) -> dict[str, Any] | None:
        since = quarter_start(read_day(self._directory))
        lane = self._prices.lane_minor(country, mode, since) or self._prices.mode_minor(mode, since)
        if lane is None:
            return None
        return {
            "id": f"{carrier} {country} {since}",
            "carrier": carrier,
            "mode": mode,
            "usd_minor": carrier_rate_minor(lane, carrier, country, "list"),
            "as_of": moment_text(since),
        }

    async def book(self, request: Request) -> JSONResponse:
        """Book, once per key."""
        body = await read_object(request)
        if body is None or not _is_booking(body):
            return problem(422, "a booking needs order, country, carrier and mode, and the carrier must carry so")
        rate = self._rate(body["country"], body["mode"], body["carrier"])
        weight = body.get("weight_kg")
        quote = rate["usd_minor"] * weight if rate is not None and weight is not None else None
        return await self._once(request, lambda key: self._record.book(key, body, quote))

    async def cancel(self, request: Request) -> JSONResponse:
        """Cancel the booking of an order, once per key."""
        body = await read_object(request)
        if body is None or not _is_text(body.get("order")):
            return problem(422, "a cancellation needs the order")
        return await self._once(request, lambda key: self._record.cancel(key, body))

    async def _once(self, request: Request, do: Callable[[str], tuple[dict[str, Any], int]]) -> JSONResponse:
        from starlette.responses import JSONResponse

        key = request.headers.get("idempotency-key", "")
        if not 1 <= len(key) <= KEY_LENGTH_MAX:
            return problem(400, f"Idempotency-Key: expected 1 to {KEY_LENGTH_MAX} characters, got {len(key)}")
        try:
            answer, times = do(key)
        except KeyReused:
            return problem(422, "this key came before with another body")
        except NotBooked:
            return problem(404, "no booking of this order stands")
        if times == 1:
            await asyncio.sleep(slow_milliseconds(key) / 1000)
            if drops_answer(key):
                return problem(503, "try again later")
        return JSONResponse(answer, 201)

    async def bookings(self, request: Request) -> JSONResponse:
        """Show what was booked under a key."""
        return self._found(request, "booking", "bookings")

    async def cancellations(self, request: Request) -> JSONResponse:
        """Show what was cancelled under a key."""
        return self._found(request, "cancellation", "cancellations")

    def _found(self, request: Request, table: str, name: str) -> JSONResponse:
        from starlette.responses import JSONResponse

        key = request.query_params.get("key", "")
        if not key:
            return problem(400, "which key")
        return JSONResponse({name: self._record.found(table, key)})

    async def records(self, request: Request) -> JSONResponse:
        """Show the counts that prove or disprove a double."""
        from starlette.responses import JSONResponse

        return JSONResponse(self._record.counts())

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Let only the key through."""

        async def answer(request: Request) -> JSONResponse:
            if not same(request.headers.get("x-api-key", ""), self._key):
                return problem(401, "no valid key")
            return await endpoint(request)

        return answer


def _is_booking(body: dict[str, Any]) -> bool:
    texts = all(_is_text(body.get(name)) for name in ("order", "country", "carrier", "mode"))
    weight = body.get("weight_kg")
    whole = weight is None or (type(weight) is int and 0 <= weight <= WEIGHT_KG_MAX)
    return texts and whole and body["carrier"] in CARRIERS.get(body["mode"], ())


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 80


def application(directory: Path) -> Starlette:
    """Make the service; its record is ``carrier.db`` in the directory."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    service = CarrierService(directory, LanePrices(read_shipments()), BookingRecord(directory / "carrier.db"))
    return Starlette(
        routes=[
            Route("/rates", service.guarded(service.rates)),
            Route("/bookings", service.guarded(service.book), methods=["POST"]),
            Route("/bookings", service.guarded(service.bookings), methods=["GET"]),
            Route("/bookings/cancel", service.guarded(service.cancel), methods=["POST"]),
            Route("/cancellations", service.guarded(service.cancellations)),
            Route("/records", service.guarded(service.records)),
        ]
    )


if __name__ == "__main__":
    serve("carrier", application)
