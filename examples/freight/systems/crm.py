# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The CRM: REST with an API key and pages by number. ``GET /accounts?page=&updated_after=``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..chance import draw
from ..clock import moment_text
from ..customers import Account, accounts, consignees
from ..story import CUT_DAY, read_shipments, story_shipments
from .serving import problem, same, secret_of, serve

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

__all__ = ["account_record", "application"]

PAGE: Final = 200


def account_record(account: Account) -> dict[str, str | None]:
    """Return an account as the CRM shows it; what is not known is null."""
    updated = CUT_DAY - timedelta(days=draw(700, "updated", account.id))
    return {
        "id": account.id,
        "name": account.name,
        "city": account.city,
        "country": account.country,
        "postcode": account.postcode or None,
        "phone": account.phone or None,
        "email": account.email or None,
        "updated_at": moment_text(updated),
    }


class CrmService:
    """The endpoint."""

    def __init__(self, records: list[dict[str, str | None]]) -> None:
        self._records = sorted(records, key=lambda record: (str(record["updated_at"]), str(record["id"])))
        self._key = secret_of("CRM_KEY")

    async def accounts(self, request: Request) -> JSONResponse:
        """List one page."""
        from starlette.responses import JSONResponse

        if not same(request.headers.get("x-api-key", ""), self._key):
            return problem(401, "no valid key")
        after = request.query_params.get("updated_after", "")
        page = request.query_params.get("page", "1")
        if not page.isdecimal() or not 1 <= int(page) <= 10_000:
            return problem(400, f"page: got {page!r:.20}, expected a number from 1")
        found = [record for record in self._records if str(record["updated_at"]) >= after]
        first = (int(page) - 1) * PAGE
        return JSONResponse({"accounts": found[first : first + PAGE], "total": len(found)})


def application(_directory: Path) -> Starlette:
    """Make the service."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    countries = sorted({shipment.order.country for shipment in story_shipments(read_shipments())})
    service = CrmService([account_record(account) for account in accounts(consignees(countries))])
    return Starlette(routes=[Route("/accounts", service.accounts)])


if __name__ == "__main__":
    serve("crm", application)
