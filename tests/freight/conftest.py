"""The history read once, a company started once, and a plain HTTP caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from examples.freight.company import Company, start_company
from examples.freight.story import Shipment, read_shipments

Answer = tuple[int, dict[str, Any], dict[str, str]]


def _call(url: str, headers: dict[str, str] | None = None, body: Any = None, method: str | None = None) -> Answer:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(url, data, headers or {}, method=method)
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except HTTPError as error:
        with error:
            text = error.read()
            value = json.loads(text) if text.startswith(b"{") else {"text": text.decode()}
            return error.code, value, {name.lower(): value for name, value in error.headers.items()}


@pytest.fixture(scope="session")
def call() -> Callable[..., Answer]:
    """Send one request; return status, JSON and headers, whatever the status."""
    return _call


@pytest.fixture(scope="session")
def shipments() -> tuple[Shipment, ...]:
    """Return the whole history."""
    return read_shipments()


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Return a running company; its tokens end after a second, its orders take 20 requests a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERS_TOKEN_SECONDS", "1")
        patch.setenv("ORDERS_PER_SECOND", "20")
        running = start_company(Path(tmp_path_factory.mktemp("company")))
    with running:
        yield running
