# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The finance system: REST with basic auth. ``GET /budgets?country=&month=``; without a month, the story's
own; without a country, all of them.

A country's freight budget for a month is the most it was billed in any of the twelve months before, rounded
up to whole thousands of dollars. One country-month in thirty is renewed only on the 11th: until then the
last month's stands, with its older date.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..chance import draw
from ..clock import moment_text, read_day
from ..story import Shipment, read_shipments
from .serving import basic_credentials, problem, same, secret_of, serve

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

__all__ = ["Budgets", "application"]

BUDGET_STEP_MINOR: Final = 100_000
LATE_ONE_IN: Final = 30
LATE_DAY: Final = 11


class Budgets:
    """Budgets from what was billed; a bill counts in the month in which its delivery was recorded."""

    def __init__(self, shipments: Iterable[Shipment]) -> None:
        self._billed: dict[tuple[str, int], int] = {}
        self._countries = set()
        for shipment in shipments:
            country, recorded = shipment.order.country, shipment.delivery.recorded
            self._countries.add(country)
            key = (country, _number(recorded))
            self._billed[key] = self._billed.get(key, 0) + (shipment.delivery.freight.value or 0)

    def knows(self, country: str) -> bool:
        """Return whether it is a country with any orders."""
        return country in self._countries

    def countries(self) -> tuple[str, ...]:
        """Return every country with any orders."""
        return tuple(sorted(self._countries))

    def budget_minor(self, country: str, month: date) -> int:
        """Return the budget in US cents, at least one step; it looks only at months before ``month``."""
        number = _number(month)
        peak = max(self._billed.get((country, number - back), 0) for back in range(1, 13))
        return max(1, -(-peak // BUDGET_STEP_MINOR)) * BUDGET_STEP_MINOR

    def in_force(self, country: str, month: date, day: date) -> date:
        """Return the month whose budget stands for ``month`` on ``day``: last month's while the new one is
        late.
        """
        late = draw(LATE_ONE_IN, "budget", country, month.strftime("%Y-%m")) == 0
        if late and day < month.replace(day=LATE_DAY):
            return _month(_number(month) - 1)
        return month


def _number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


class FinanceService:
    """The endpoint."""

    def __init__(self, directory: Path, budgets: Budgets) -> None:
        self._directory, self._budgets = directory, budgets
        self._user = (os.environ.get("FINANCE_USER", "remit"), secret_of("FINANCE_SECRET"))

    async def budget(self, request: Request) -> JSONResponse:
        """Show a country's budget for a month."""
        from starlette.responses import JSONResponse

        user, password = basic_credentials(request) or ("", "")
        if not (same(user, self._user[0]) and same(password, self._user[1])):
            return problem(401, "who are you", {"WWW-Authenticate": 'Basic realm="finance"'})
        day = read_day(self._directory)
        country, text = request.query_params.get("country", ""), request.query_params.get("month")
        try:
            month = date.fromisoformat(f"{text}-01") if text else day.replace(day=1)
        except ValueError:
            return problem(400, f"month: got {text!r:.20}, expected like 2012-03")
        if not country and not text:
            month = day.replace(day=1)
            return JSONResponse({"budgets": [self._record(name, month, day) for name in self._budgets.countries()]})
        if not self._budgets.knows(country):
            return problem(404, "no such country")
        if month > day or month.year < 2001:
            return problem(404, "no budget yet")
        return JSONResponse(self._record(country, month, day))

    def _record(self, country: str, month: date, day: date) -> dict[str, str | int]:
        stands = self._budgets.in_force(country, month, day)
        return {
            "id": f"{country} {stands:%Y-%m}",
            "country": country,
            "month": f"{month:%Y-%m}",
            "budget_minor": self._budgets.budget_minor(country, stands),
            "as_of": moment_text(stands),
        }


def application(directory: Path) -> Starlette:
    """Make the service."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    service = FinanceService(directory, Budgets(read_shipments()))
    return Starlette(routes=[Route("/budgets", service.budget)])


if __name__ == "__main__":
    serve("finance", application)
