"""A PostgreSQL for tests: the server that the environment names, and a schema of its own for each use."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["own_schema", "server_url"]

_DEFAULT: Final = "postgresql://postgres@127.0.0.1:5432/test"
_DROP_WAIT_SECONDS_MAX: Final = 5


def server_url() -> str | None:
    """Return the URL of the server to test against; None when there is none.

    ``REMIT_TEST_POSTGRES`` names one; otherwise one that answers on 127.0.0.1:5432 is taken.
    """
    try:
        import psycopg
    except ImportError:
        return None
    url = os.environ.get("REMIT_TEST_POSTGRES", _DEFAULT)
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        if "REMIT_TEST_POSTGRES" in os.environ:
            raise
        return None
    return url


@contextmanager
def own_schema(url: str) -> Iterator[str]:
    """Yield a URL whose connections live in a schema of their own, which is dropped afterwards.

    What a failed test has left open would hold the schema for ever: it is cut off, so that the next test can run.
    """
    import psycopg
    from psycopg import sql

    name = f"remit_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))
    try:
        yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}%20-capplication_name%3D{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            _drop(connection, sql.SQL("drop schema {} cascade").format(sql.Identifier(name)), name)


def _drop(connection: Any, statement: Any, name: str) -> None:
    from psycopg.errors import DeadlockDetected, LockNotAvailable

    connection.execute(f"set lock_timeout = {_DROP_WAIT_SECONDS_MAX * 1000}")
    try:
        connection.execute(statement)
    except (LockNotAvailable, DeadlockDetected):
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s", (name,)
        )
        connection.execute(statement)
