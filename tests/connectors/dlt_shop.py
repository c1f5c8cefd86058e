"""A dlt source as somebody else would write one, with the faults that a test asks for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

__all__ = ["NO_SOURCE", "lone", "over_http", "shop"]

NO_SOURCE = 7
FUTURE = "2099-01-01T00:00:00Z"


@dlt.source
def shop(rows: int = 5, fault: str = "", at: int = 0, since: str | None = None, token: str = "") -> Any:
    """Orders and customers; ``fault`` happens before row ``at``."""

    @dlt.resource(name="order", primary_key="id")
    def order() -> Iterator[Any]:
        for number in range(rows):
            if fault and number == at:
                if fault == "raise":
                    raise OSError(f"no connection for {token}")
                if fault == "hang":
                    time.sleep(5)
                if fault == "number":
                    yield 17
            if since is None or number >= int(since):
                changed = FUTURE if fault == "future" and number == at else f"2026-02-{1 + number % 28:02d}T00:00:00Z"
                yield {"id": number, "name": f"n{number}", "address": {"city": "Porto"}, "lines": [1], "at": changed}

    @dlt.resource(name="customer")
    def customer() -> Iterator[Any]:
        yield [{"id": number, "name": f"c{number}"} for number in range(rows)]
        yield {"id": "telemetry", "name": os.environ["RUNTIME__DLTHUB_TELEMETRY"]}

    return order, customer


@dlt.resource
def lone(rows: int = 3) -> Iterator[Any]:
    """One resource, as Arrow tables."""
    import pyarrow

    yield pyarrow.table({"id": list(range(rows)), "name": [f"n{number}" for number in range(rows)]})


def over_http(url: str) -> Any:
    """Records that dlt itself reads over HTTP, page by page."""
    paging = {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": None}
    endpoint = {"path": "accounts", "data_selector": "data", "paginator": paging}
    config: Any = {"client": {"base_url": url}, "resources": [{"name": "order", "endpoint": endpoint}]}
    return rest_api_source(config)
