"""The store that grows: one PostgreSQL database, any number of processes (extra ``postgres``)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from remit.errors import BadInput, StoreUnavailable
from remit.store.engine import Dialect, Row
from remit.store.migrate import migrate, schema_is_current

__all__ = ["PostgresStore"]

READ_ROWS: Final = 1024


@cache
def _native(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


class _PostgresReader:
    def __init__(self, connection: Any, types: dict[str, dict[str, str]]):
        self._connection = connection
        self._types = types

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        rows: list[Row] = self._connection.execute(_native(statement), parameters).fetchall()
        return rows

    def fetch_in(self, table: str, columns: str, key: str, keys: Iterable[object], also: str = "") -> list[Row]:
        condition = f"{key} = any(?::{self._types[table][key]}[])" + (f" and {also}" if also else "")
        return self.fetch(f"select {columns} from {table} where {condition}", (list(keys),))  # noqa: S608

    def stream(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        with self._connection.cursor(name="stream") as cursor:
            cursor.itersize = READ_ROWS
            cursor.execute(_native(statement), parameters)
            yield from cursor


class _PostgresTransaction(_PostgresReader):
    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        count: int = self._connection.execute(_native(statement), parameters).rowcount
        return count

    def _unnest(self, table: str, columns: str, rows: Sequence[Row]) -> tuple[str, list[list[object]]]:
        names = columns.replace(" ", "").split(",")
        arrays = ",".join(f"?::{self._types[table][name]}[]" for name in names)
        statement = f"insert into {table} ({columns}) select * from unnest({arrays})"  # noqa: S608
        return statement, [list(column) for column in zip(*rows, strict=True)]

    def insert_many(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        if rows:
            self.execute(*self._unnest(table, columns, rows))

    def upsert_many(self, table: str, key: str, columns: str, rows: Sequence[Row]) -> None:
        if rows:
            changes = ",".join(f"{name}=excluded.{name}" for name in columns.replace(" ", "").split(",")[1:])
            statement, arrays = self._unnest(table, columns, rows)
            self.execute(f"{statement} on conflict ({key}) do update set {changes}", arrays)

    def delete_in(self, table: str, key: str, keys: Iterable[object]) -> None:
        self.execute(f"delete from {table} where {key} = any(?::{self._types[table][key]}[])", (list(keys),))  # noqa: S608


class PostgresStore:
    """A store in one PostgreSQL database. The row lock on ``head`` puts all writers in one order."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str):
        try:
            import psycopg
        except ImportError:
            raise BadInput("a PostgreSQL store needs the extra: pip install 'remit[postgres]'") from None
        self._psycopg = psycopg
        self.url = url
        self._writing = threading.Lock()
        self._local = threading.local()
        self._opened: list[Any] = []
        self.torn_bytes = 0
        self._types: dict[str, dict[str, str]] = {}
        self._writer = self._connect()
        try:
            self._prepare(url)
        except BaseException:
            self.close()
            raise

    def _prepare(self, url: str) -> None:
        if not schema_is_current(lambda statement: self._writer.execute(statement).fetchall()):
            migrate(url.replace("postgresql:", "postgresql+psycopg:", 1), None)
        for table, column, kind in self._writer.execute(
            "select table_name, column_name, udt_name from information_schema.columns "
            "where table_schema = current_schema()"
        ).fetchall():
            self._types.setdefault(table, {})[column] = kind

    def _connect(self) -> Any:
        try:
            connection = self._psycopg.connect(self.url, autocommit=True, connect_timeout=5, prepare_threshold=2)
        except self._psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL cannot be reached: {str(error).splitlines()[0]}") from None
        self._opened.append(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[_PostgresTransaction]:
        """Open a write transaction; see `Store.transaction`."""
        with self._writing:
            if self._writer.closed:
                self._writer = self._connect()
            try:
                with self._writer.transaction():
                    self._writer.execute("select size from head for update")
                    yield _PostgresTransaction(self._writer, self._types)
            except self._psycopg.OperationalError as error:
                raise StoreUnavailable(f"PostgreSQL: {str(error).splitlines()[0]}") from None

    @contextmanager
    def snapshot(self) -> Iterator[_PostgresReader]:
        """Open a reader that sees one state; see `Store.snapshot`."""
        connection = self._connect()
        try:
            connection.autocommit = False
            connection.isolation_level = self._psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield _PostgresReader(connection, self._types)
        finally:
            self._opened.remove(connection)
            connection.close()

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of one SELECT, as of now; see `Store.read`."""
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._local.connection = self._connect()
        try:
            rows: list[Row] = connection.execute(_native(statement), parameters).fetchall()
        except self._psycopg.OperationalError as error:
            raise StoreUnavailable(f"PostgreSQL: {str(error).splitlines()[0]}") from None
        return rows

    def close(self) -> None:
        """Give back all connections."""
        while self._opened:
            self._opened.pop().close()
