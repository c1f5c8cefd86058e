"""SQLite and PostgreSQL keep the same promises."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from tests.conftest import _postgres

from remit.errors import BadInput, StoreUnavailable
from remit.store.engine import Store, open_store
from remit.store.migrate import SCHEMA_VERSION
from remit.testing.postgres import own_schema
from remit.testing.store_contract import STORE_CHECKS


@pytest.mark.parametrize("check", STORE_CHECKS)
def test_store_keeps_its_promise(check: str, opener: Callable[[], Store]) -> None:
    STORE_CHECKS[check](opener)


def test_what_a_failed_test_left_open_does_not_hold_its_schema() -> None:
    """A snapshot that nobody closed, as a failed test may leave it, would keep the whole run from ending."""
    with ExitStack() as left_open:
        with own_schema(_postgres()) as url:
            store = open_store(url)
            left_open.callback(store.close)
            snapshot = store.snapshot()
            assert snapshot.__enter__().fetch("select size from head") == [(0,)]
        with psycopg.connect(url) as connection:
            name = url.rpartition("%3D")[2]
            assert connection.execute("select 1 from pg_namespace where nspname = %s", (name,)).fetchall() == []


def test_schema_version_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    import remit.store

    config = Config()
    config.set_main_option("script_location", str(Path(remit.store.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_VERSION]


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:", "", "store.db", "file:/etc/passwd"])
def test_unknown_urls_are_the_users_fault(url: str) -> None:
    with pytest.raises(BadInput, match="expected sqlite:PATH or postgresql"):
        open_store(url)


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreUnavailable, match=r"store\.db cannot be opened as a store"):
        open_store(f"sqlite:{path}")


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    store = open_store("sqlite:store.db", tmp_path)
    assert (tmp_path / "store.db").stat().st_mode & 0o077 == 0
    store.close()
