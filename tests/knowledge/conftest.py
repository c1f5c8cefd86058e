"""Fixtures for knowledge: a journal on the store under test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.conftest import _postgres

from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store
from remit.store.tables import TABLES
from remit.testing.postgres import own_schema


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    """The journal of the store under test (fixture ``store``, once for each engine)."""
    opened = Journal(store)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of each kind for all tests of a module; making the tables anew for each would take most of their time."""
    with ExitStack() as stack:
        url = f"sqlite:{tmp_path_factory.mktemp('kept') / 'store.db'}"
        opened = open_store(url if request.param == "sqlite" else stack.enter_context(own_schema(_postgres())))
        stack.callback(opened.close)
        yield opened


@pytest.fixture
def emptied_store(kept_store: Store) -> Store:
    """The store of the module, emptied. A module that wants it has a fixture ``store`` that returns it."""
    empty(kept_store)
    return kept_store


def empty(store: Store) -> None:
    """Take everything out of a store."""
    with store.transaction() as transaction:
        for table in TABLES:
            transaction.execute(f"delete from {table}")
        transaction.execute("update head set size = 0, epoch = 0")
