"""Brings a store's schema up to date, with Alembic, by whoever opens it first."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from remit.errors import StoreUnavailable

__all__ = ["SCHEMA_VERSION", "migrate", "schema_is_current"]

SCHEMA_VERSION: Final = "0004"
"""The newest revision in ``migrations/versions``; a test holds them equal, so that opening need not load Alembic."""


def schema_is_current(fetch: Callable[[str], list[Any]]) -> bool:
    """Tell whether the store's schema is the one this code was written for.

    Raises:
        StoreUnavailable: the schema is newer than this code knows.
    """
    try:
        rows = fetch("select version_num from alembic_version")
    except Exception:  # each driver has its own error for a table that is not there
        return False
    if rows and rows[0][0] > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"the store's schema is {rows[0][0]}, newer than {SCHEMA_VERSION} that this remit knows; upgrade remit"
        )
    return bool(rows) and rows[0][0] == SCHEMA_VERSION


def migrate(url: str, path: Path | None) -> None:
    """Run the migrations that the store at SQLAlchemy ``url`` has not had; ``path`` is the file to lock, if any."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event, text

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(url)
    if path is not None:  # else the driver commits before each change of the schema, and a crash leaves half of it
        event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin immediate"))
    try:
        with _alone(path), engine.connect() as connection:
            if path is None:  # two processes that open a new database at once: one migrates, the other waits
                connection.execute(text("select pg_advisory_lock(7236948)"))
                connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            if path is None:
                connection.execute(text("select pg_advisory_unlock(7236948)"))
                connection.commit()
    finally:
        engine.dispose()


@contextmanager
def _alone(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
