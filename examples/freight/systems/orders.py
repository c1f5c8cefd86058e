# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The order system: REST, OAuth2 client credentials with short-lived tokens, cursor paging, a rate limit.

``POST /token``; ``GET /orders?since=&cursor=&limit=``; ``GET /orders/{id}``. An order shows from its day of
booking on.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from ..clock import read_day
from ..story import Order, read_shipments
from .serving import Endpoint, basic_credentials, problem, read_body, same, secret_of, serve

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

__all__ = ["application", "order_record"]

SCOPE: Final = "orders.read"
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 500
TOKENS_MAX: Final = 1_000


def order_record(order: Order) -> dict[str, str | int | None]:
    """Return the order as the system shows it: only what is known when it is booked."""
    return {
        "order": order.id,
        "country": order.country,
        "fulfil_via": order.fulfil_via,
        "incoterm": order.incoterm,
        "product_group": order.product_group,
        "sub_classification": order.sub_classification,
        "vendor": order.vendor,
        "dosage_form": order.dosage_form,
        "lines": order.lines,
        "quantity": order.quantity,
        "value_minor": order.value_minor,
        "weight_kg": order.weight.value,
        "weight_problem": order.weight.problem,
        "scheduled": order.scheduled.isoformat(),
        "booked_on": order.booked_on.isoformat(),
    }


class Tokens:
    """Access tokens that end ``seconds`` after they were given; ``now`` is a monotonic clock in seconds."""

    def __init__(self, seconds: int, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._now = seconds, now
        self._ends: dict[str, float] = {}

    def give(self) -> str:
        """Return a new token; the oldest is forgotten when there are too many."""
        token = secrets.token_urlsafe(24)
        self._ends[token] = self._now() + self.seconds
        while len(self._ends) > TOKENS_MAX:
            del self._ends[next(iter(self._ends))]
        return token

    def holds(self, token: str) -> bool:
        """Return whether the token was given and has not ended."""
        return self._ends.get(token, 0.0) > self._now()


class Bucket:
    """At most ``per_second`` requests a second, with as many at once."""

    def __init__(self, per_second: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._now = per_second, now
        self._left, self._at = float(per_second), now()

    def take(self) -> bool:
        """Take one; False when there is none."""
        at = self._now()
        self._left = min(float(self._per_second), self._left + (at - self._at) * self._per_second)
        self._at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True


class OrderBook:
    """Orders by day of booking and number."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._orders = sorted(orders, key=_position)
        self._positions = [_position(order) for order in self._orders]
        self._by_id = {order.id: order for order in orders}

    def page(self, since: date, day: date, cursor: str, limit: int) -> tuple[list[Order], str | None]:
        """Return the orders booked from ``since`` to ``day`` after ``cursor``, and the next cursor.

        Raises:
            ValueError: a cursor that was not given by this system.
        """
        first = bisect_left(self._positions, (since, ""))
        if cursor:
            first = max(first, bisect_right(self._positions, _read_cursor(cursor)))
        end = bisect_left(self._positions, (date.fromordinal(day.toordinal() + 1), ""))
        found = self._orders[first : min(first + limit, end)]
        more = first + limit < end
        return found, _write_cursor(found[-1]) if more else None

    def find(self, number: str, day: date) -> Order | None:
        """Return the order when it is known on ``day``."""
        order = self._by_id.get(number)
        return order if order is not None and order.booked_on <= day else None


def _position(order: Order) -> tuple[date, str]:
    return order.booked_on, order.id


def _write_cursor(order: Order) -> str:
    return base64.urlsafe_b64encode(f"{order.booked_on} {order.id}".encode()).decode()


def _read_cursor(text: str) -> tuple[date, str]:
    try:
        day, _, number = base64.b64decode(text, altchars=b"-_", validate=True).decode().partition(" ")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    return date.fromisoformat(day), number


class OrderService:
    """The endpoints."""

    def __init__(self, directory: Path, book: OrderBook, tokens: Tokens, bucket: Bucket) -> None:
        self._directory, self._book, self._tokens, self._bucket = directory, book, tokens, bucket
        self._client = (os.environ.get("ORDERS_CLIENT_ID", "remit"), secret_of("ORDERS_SECRET"))

    async def token(self, request: Request) -> JSONResponse:
        """Give a token for client credentials, in the header or in the form (RFC 6749, 4.4 and 2.3.1)."""
        from starlette.responses import JSONResponse

        body = await read_body(request)
        form = {} if body is None else parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
        client, secret = basic_credentials(request) or (_one(form, "client_id"), _one(form, "client_secret"))
        if not (same(client, self._client[0]) and same(secret, self._client[1])):
            return JSONResponse({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        if _one(form, "grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if _one(form, "scope") not in ("", SCOPE):
            return JSONResponse({"error": "invalid_scope"}, 400)
        answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": self._tokens.seconds, "scope": SCOPE}
        return JSONResponse(answer | {"access_token": self._tokens.give()}, headers={"Cache-Control": "no-store"})

    async def orders(self, request: Request) -> JSONResponse:
        """List one page."""
        from starlette.responses import JSONResponse

        try:
            since = date.fromisoformat(request.query_params.get("since") or "2000-01-01")
            limit = int(request.query_params.get("limit") or PAGE_DEFAULT)
            if not 1 <= limit <= PAGE_MAX:
                raise ValueError(f"limit: got {limit}, expected 1 to {PAGE_MAX}")
            cursor = request.query_params.get("cursor", "")
            found, following = self._book.page(since, read_day(self._directory), cursor, limit)
        except ValueError as error:
            return problem(400, str(error))
        return JSONResponse({"orders": [order_record(order) for order in found], "next_cursor": following})

    async def order(self, request: Request) -> JSONResponse:
        """Show one."""
        from starlette.responses import JSONResponse

        order = self._book.find(request.path_params["id"], read_day(self._directory))
        return JSONResponse(order_record(order)) if order else problem(404, "no such order")

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Let only a valid token through, and only so many requests a second."""

        async def answer(request: Request) -> JSONResponse:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not self._tokens.holds(token):
                return problem(401, "no valid token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
            if not self._bucket.take():
                return problem(429, "too many requests", {"Retry-After": "1"})
            return await endpoint(request)

        return answer


def _one(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


def application(directory: Path) -> Starlette:
    """Make the service; ``ORDERS_TOKEN_SECONDS`` and ``ORDERS_PER_SECOND`` may set how long and how much."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    service = OrderService(
        directory,
        OrderBook([shipment.order for shipment in read_shipments()]),
        Tokens(int(os.environ.get("ORDERS_TOKEN_SECONDS", "120"))),
        Bucket(int(os.environ.get("ORDERS_PER_SECOND", "50"))),
    )
    return Starlette(
        routes=[
            Route("/token", service.token, methods=["POST"]),
            Route("/orders", service.guarded(service.orders)),
            Route("/orders/{id}", service.guarded(service.order)),
        ]
    )


if __name__ == "__main__":
    serve("orders", application)
