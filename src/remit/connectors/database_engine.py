"""Blocking work on one database; the only file of this room that knows the SQL library."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from remit.canonical import canonical
from remit.connectors.answer import plain
from remit.connectors.credentials import Secret, redact
from remit.connectors.placeholder import conceal
from remit.errors import BadInput, CannotTell, Refused, Unreachable
from remit.vocabulary import Json

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Executable, Transaction

__all__ = ["COUNTED_MAX", "Change", "DatabaseEngine", "recorded"]

BYTES_MAX: Final = 1_048_576
CHUNK_RECORDS: Final = 1_000
COUNTED_MAX: Final = 10
T = TypeVar("T")
Password = Callable[[], Secret]


def recorded(value: Any) -> Json:
    """Turn what the driver gave into what may be recorded.

    Raises:
        BadInput: it has no such form, or is larger than 1 MiB.
    """
    result = plain(value)
    if len(canonical(result)) > BYTES_MAX:
        raise BadInput(f"larger than {BYTES_MAX} bytes")
    return result


@dataclass(frozen=True, slots=True)
class Change:
    """One effect: what changes rows, and the look-up that finds it again by its key."""

    execute: str
    bound: Mapping[str, Json]
    lookup: str | None
    lookup_bound: Mapping[str, Json]


class DatabaseEngine:
    """One database and its connections. Methods block and may be called from several threads.

    ``password`` is fetched for each new connection and set beside the address.
    """

    def __init__(self, url: str, connections_max: int, timeout_seconds: float, password: Password | None):
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            self._url: URL = make_url(url)
            if self._url.drivername == "postgresql":
                self._url = self._url.set(drivername="postgresql+psycopg")
            self._backend = self._url.get_backend_name()
        except (ArgumentError, ValueError):
            raise BadInput("not a database address") from None
        self._connections_max = connections_max
        self._timeout_seconds = timeout_seconds
        self._password = password
        self._engine: Engine | None = None
        self._one_at_a_time = threading.Lock()
        self._secrets = (Secret(str(self._url.password)),) if self._url.password else ()

    def _connect(self) -> Connection:
        with self._one_at_a_time:
            if self._engine is None:
                self._engine = self._created()
        return self._engine.connect()

    def _created(self) -> Engine:
        from sqlalchemy import create_engine, event

        database = self._url.database or ""
        # SQLite would make an empty database of a mistyped name.
        if self._backend == "sqlite" and not Path(database).exists():
            raise Unreachable(f"no database file {Path(database).name!r}")
        engine = create_engine(
            self._url,
            pool_size=self._connections_max,
            max_overflow=0,
            pool_timeout=self._timeout_seconds,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=_connect_arguments(self._url, self._timeout_seconds),
        )
        if self._password is not None:
            fetch = self._password

            @event.listens_for(engine, "do_connect")
            def with_password(dialect: Any, record: Any, arguments: Any, keywords: dict[str, Any]) -> None:
                secret = fetch()
                self._secrets = (secret,)
                keywords["password"] = secret.reveal()

        return engine

    @contextlib.contextmanager
    def _read_only(self) -> Iterator[Connection]:
        with self._connect() as connection:
            if self._backend == "postgresql":
                connection.execution_options(postgresql_readonly=True)
            if self._backend != "sqlite":
                yield connection
                return
            connection.exec_driver_sql("pragma query_only = on")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("pragma query_only = off")

    def first_rows(self, select: str, bound: Mapping[str, Json]) -> list[dict[str, Any]]:
        """The first rows, enough to say how many there are too many."""
        from sqlalchemy import text

        with self._read_only() as connection:
            rows = connection.execute(text(select), dict(bound)).mappings().fetchmany(COUNTED_MAX + 1)
            return [dict(row) for row in rows]

    def chunks(self, select: str, bound: Mapping[str, Json]) -> Generator[list[dict[str, Any]]]:
        """All rows, some at a time, in one transaction."""
        from sqlalchemy import text

        for columns, rows in self.stream(text(select), bound, CHUNK_RECORDS):
            if rows:
                yield [dict(zip(columns, row, strict=True)) for row in rows]

    def stream(
        self, statement: Executable, bound: Mapping[str, Json], rows_max: int
    ) -> Generator[tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
        """All rows with the names of their columns, ``rows_max`` at a time, in one transaction.

        There is at least one part, of no rows when the statement gives none.
        """
        with self._read_only() as connection:
            options = {"stream_results": True, "max_row_buffer": rows_max}
            result = connection.execution_options(**options).execute(statement, dict(bound))
            with contextlib.closing(result):
                columns = tuple(result.keys())
                rows = result.fetchmany(rows_max)
                yield columns, [tuple(row) for row in rows]
                while rows := result.fetchmany(rows_max):
                    yield columns, [tuple(row) for row in rows]

    def change(self, change: Change) -> dict[str, Any]:
        """Change rows and commit; return the row that says so.

        Raises:
            CannotTell: the commit itself failed, or another attempt may have come first.
                Whatever else is raised, nothing was changed.
        """
        from sqlalchemy.exc import IntegrityError

        with self._connect() as connection:
            transaction = connection.begin()
            try:
                row = self._looked_up(connection, change) or self._execute(connection, change)
            except IntegrityError:
                meanwhile = self._done_meanwhile(connection, transaction, change)
                if meanwhile is None:
                    raise
                return meanwhile
            except BaseException:
                try:
                    transaction.rollback()
                except Exception:  # a lost connection was rolled back by the server
                    connection.invalidate()
                raise
            try:
                transaction.commit()
            except Exception as error:
                # Given back to the pool it would still hold the transaction, and a look-up on it would find there
                # what nobody else can see.
                with contextlib.suppress(Exception):
                    connection.invalidate()
                raise CannotTell(f"the commit failed ({type(error).__name__})") from None
            return row

    def _done_meanwhile(
        self, connection: Connection, transaction: Transaction, change: Change
    ) -> dict[str, Any] | None:
        """Look whether the row that is in the way is that of another attempt with the same key."""
        try:
            transaction.rollback()
            return self._looked_up(connection, change)
        except Exception as error:
            raise CannotTell(f"refused, then its lookup failed ({type(error).__name__})") from None

    def _looked_up(self, connection: Connection, change: Change) -> dict[str, Any] | None:
        from sqlalchemy import text

        if change.lookup is None:
            return None
        rows = connection.execute(text(change.lookup), dict(change.lookup_bound)).mappings().fetchmany(2)
        if len(rows) > 1:
            raise CannotTell("2 records under one key")
        return dict(rows[0]) if rows else None

    def _execute(self, connection: Connection, change: Change) -> dict[str, Any]:
        from sqlalchemy import text

        result = connection.execute(text(change.execute), dict(change.bound))
        returned = dict(result.mappings().fetchmany(1)[0]) if result.returns_rows else None
        if result.rowcount == 0 and not returned:
            raise Refused("it changed no row")
        counted = returned or {"rows": max(result.rowcount, 0)}
        row = counted if change.lookup is None else self._looked_up(connection, change)
        if row is None:
            raise Refused("its lookup does not find what execute wrote; nothing was kept")
        try:
            recorded(row)
        except BadInput as error:
            raise Refused(f"what it gives cannot be recorded, nothing was kept: {error}") from None
        return row

    def told(self, work: Callable[[], T], what: str, sent: Mapping[str, Json]) -> T:
        """Do ``work`` and tell what goes wrong in the room's three errors, without parameters and passwords.

        Raises:
            Refused, Unreachable, CannotTell: as `Connector` says.
        """
        from sqlalchemy.exc import DBAPIError, DisconnectionError, NoSuchModuleError, OperationalError, SQLAlchemyError
        from sqlalchemy.exc import TimeoutError as NoConnection

        try:
            return work()
        except (Refused, Unreachable, CannotTell) as error:
            raise type(error)(f"{what}: {error}") from None
        except BadInput as error:  # the password cannot be fetched
            raise Unreachable(f"{what}: {error}") from None
        except (NoConnection, DisconnectionError) as error:
            raise Unreachable(f"{what}: no connection ({type(error).__name__})") from None
        except DBAPIError as error:
            lines = str(error.orig).splitlines() or [""]
            said = conceal(redact(lines[0], self._secrets), sent)[:200]
            text = f"{what}: {said} ({type(error.orig).__name__})"
            # OperationalError is how drivers say that the server, a lock or the network is in the way.
            again = isinstance(error, OperationalError) or error.connection_invalidated
            raise (Unreachable(text) if again else Refused(text)) from None
        except ImportError as error:
            raise Refused(f"{what}: the driver is not installed: no module {error.name!r:.80}") from None
        except NoSuchModuleError:
            raise Refused(f"{what}: no driver for addresses of this kind is installed") from None
        except SQLAlchemyError as error:
            raise Refused(f"{what}: {type(error).__name__}") from None

    def close(self) -> None:
        """Close the connections that are not in use; the others close when they are done."""
        if self._engine is not None:
            self._engine.dispose()


def _connect_arguments(url: URL, timeout_seconds: float) -> dict[str, Any]:
    """Have the database itself give up before the caller does, where it can be told: that is a certain answer."""
    timeout_seconds *= 0.8
    backend = url.get_backend_name()
    if backend == "sqlite":
        return {"timeout": timeout_seconds}
    if backend == "postgresql":
        given = url.query.get("options", "")
        options = f"{given if isinstance(given, str) else ' '.join(given)} -c statement_timeout="
        return {
            "connect_timeout": max(2, int(timeout_seconds)),
            "options": options.lstrip() + str(int(timeout_seconds * 1000)),
        }
    return {}
