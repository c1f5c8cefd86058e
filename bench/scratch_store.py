"""Empty stores to measure on: a SQLite file on the checkout's own disk, a PostgreSQL database of our own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from bench.environments import ENVIRONMENTS
from bench.probe import NotMeasured

__all__ = ["DEFAULT_SERVER", "scratch_store"]

DEFAULT_SERVER = "postgresql://postgres@127.0.0.1:5432/test"


@contextmanager
def scratch_store(kind: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the URL of an empty ``sqlite`` or ``postgresql`` store and what it needs from the environment.

    The SQLite file lies beside the environments, because the system's temporary folder may be memory, where
    a sync costs nothing. The PostgreSQL server is REMIT_TEST_POSTGRES, else the local default.

    Raises:
        NotMeasured: no server answers, or it does not let us make a database.
    """
    if kind == "postgresql":
        with _scratch_database() as opened:
            yield opened
        return
    ENVIRONMENTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=ENVIRONMENTS, ignore_cleanup_errors=True) as folder:
        yield f"sqlite:{folder}/store.db", {}


@contextmanager
def _scratch_database() -> Iterator[tuple[str, dict[str, str]]]:
    try:
        import psycopg
        from psycopg import sql
    except ImportError:
        raise NotMeasured("PostgreSQL needs psycopg: install remit[postgres]") from None
    server = os.environ.get("REMIT_TEST_POSTGRES") or DEFAULT_SERVER
    name = sql.Identifier(f"remit_bench_{os.getpid()}")
    drop = sql.SQL("drop database if exists {} with (force)").format(name)
    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
            connection.execute(drop)
            connection.execute(sql.SQL("create database {}").format(name))
    except psycopg.Error as error:
        raise NotMeasured(
            f"no PostgreSQL to measure on (REMIT_TEST_POSTGRES): {str(error).splitlines()[0]:.120}"
        ) from None
    try:
        yield _named(server, f"remit_bench_{os.getpid()}")
    finally:
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(server, autocommit=True, connect_timeout=5) as connection,
        ):
            connection.execute(drop)


def _named(server: str, database: str) -> tuple[str, dict[str, str]]:
    """Point ``server`` at ``database``; a password goes by environment, which other users cannot read."""
    parts = urlsplit(server)
    user, _, place = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{place}" if user else place
    password = {"PGPASSWORD": parts.password} if parts.password else {}
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}")), password
