"""Fixtures shared by all rooms: an empty store of each kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remit.store.engine import Store, open_store
from remit.testing.postgres import own_schema, server_url


def _postgres() -> str:
    url = server_url()
    if url is None:
        if os.environ.get("CI"):
            pytest.fail(
                "CI must test PostgreSQL too: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none"
            )
        pytest.skip("no PostgreSQL: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty store."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'state' / 'store.db'}"
    else:
        with own_schema(_postgres()) as url:
            yield url


@pytest.fixture
def opener(store_url: str) -> Callable[[], Store]:
    """Opens the same store anew each time."""
    return lambda: open_store(store_url)


@pytest.fixture
def store(opener: Callable[[], Store]) -> Iterator[Store]:
    """A new, empty store."""
    opened = opener()
    yield opened
    opened.close()
