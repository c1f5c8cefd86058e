"""The store that grows: one PostgreSQL database, any number of processes (extra ``postgres``)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, cycle, islice, repeat
from typing import Any, Final

from remit.errors import BadInput, StoreUnavailable
from remit.store.engine import LOCK_WAIT_SECONDS_MAX, Cells, Cycle, Dialect, Held, Packed, Row, Wanted
from remit.store.migrate import migrate, schema_is_current

__all__ = ["PostgresStore"]

READ_ROWS: Final = 1024
_GROWN: Final = (
    "select relname from pg_class where relnamespace = current_schema()::text::regnamespace and relname = any(%s) "
    "and 2 * pg_relation_size(oid) > 3 * relpages::bigint * current_setting('block_size')::bigint"
)


@cache
def _native(statement: str) -> str:
    # ``?!`` is a parameter sent in binary: as text, every quotation mark of a body in an array would be escaped.
    return statement.replace("%", "%%").replace("?!", "%b").replace("?", "%s")


class _PostgresReader:
    dialect: Dialect = "postgresql"

    def __init__(self, connection: Any, types: dict[str, dict[str, str]]):
        self._connection = connection
        self._types = types

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        rows: list[Row] = self._connection.execute(_native(statement), parameters).fetchall()
        return rows

    def fetch_in(self, table: str, columns: str, key: str, keys: Iterable[object], also: str = "") -> list[Row]:
        condition = f"{key} = any(?!::{self._types[table][key]}[])" + (f" and {also}" if also else "")
        return self.fetch(f"select {columns} from {table} where {condition}", (list(keys),))  # noqa: S608

    def fetch_each(self, table: str, columns: str, key: str, keys: Iterable[object], also: str) -> list[Row]:
        one = f"select {columns} from {table} where {key} = k.value and {also} limit 1"  # noqa: S608
        values = f"unnest(?!::{self._types[table][key]}[]) k(value)"
        return self.fetch(f"select x.* from {values} cross join lateral ({one}) x", (list(keys),))  # noqa: S608

    def fetch_several(self, wanted: Sequence[Wanted]) -> list[list[Row]]:
        parts, parameters = [], []
        for number, (table, columns, key, keys, also) in enumerate(wanted):
            condition = f"{key} = any(?!::{self._types[table][key]}[])" + (f" and {also}" if also else "")
            parts.append(f"select {number}, to_jsonb(t) from (select {columns} from {table} where {condition}) t")  # noqa: S608
            parameters.append(list(keys))
        results: list[list[Row]] = [[] for _ in wanted]
        names = [columns.split(",") for _, columns, _, _, _ in wanted]
        for number, row in self.fetch(" union all ".join(parts), parameters):
            results[number].append(tuple(row[name] for name in names[number]))
        return results

    def fetch_together(self, asked: Sequence[tuple[str, Sequence[object]]]) -> list[list[Row]]:
        with self._connection.pipeline():
            cursors = [self._connection.execute(_native(statement), parameters) for statement, parameters in asked]
            return [cursor.fetchall() for cursor in cursors]

    def stream(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        with self._connection.cursor(name="stream") as cursor:
            cursor.itersize = READ_ROWS
            cursor.execute(_native(statement), parameters)
            yield from cursor


class _PostgresTransaction(_PostgresReader):
    """Writes that need no answer wait for each other and go as one statement: fewer round trips under the lock."""

    def __init__(self, connection: Any, types: dict[str, dict[str, str]]):
        super().__init__(connection, types)
        self.head = (0, 0)
        self._waiting: list[tuple[str, Sequence[object]]] = []

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        self.flush()
        return super().fetch(statement, parameters)

    def stream(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        self.flush()
        return super().stream(statement, parameters)

    def fetch_together(self, asked: Sequence[tuple[str, Sequence[object]]]) -> list[list[Row]]:
        self.flush()
        return super().fetch_together(asked)

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        self.flush()
        count: int = self._connection.execute(_native(statement), parameters).rowcount
        return count

    def flush(self) -> None:
        """Send the writes that wait. Two of one table would not see each other's rows, so they go one after another."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            self._connection.execute(_native(waiting[0][0]), waiting[0][1])
        elif waiting:
            parts = ", ".join(f"w{number} as ({statement})" for number, (statement, _) in enumerate(waiting))
            parameters = [parameter for _, given in waiting for parameter in given]
            self._connection.execute(_native(f"with {parts} select 1"), parameters)

    def _send(self, table: str, statement: str, parameters: Sequence[object]) -> None:
        words = f" {table} "
        if any(words in waiting for waiting, _ in self._waiting):
            self.flush()
        self._waiting.append((statement, parameters))

    def _unnest(self, table: str, columns: str, rows: Sequence[Row]) -> tuple[str, list[list[object]]]:
        names = columns.replace(" ", "").split(",")
        arrays = ",".join(f"?!::{self._types[table][name]}[]" for name in names)
        statement = f"insert into {table} ({columns}) select * from unnest({arrays})"  # noqa: S608
        return statement, [list(column) for column in zip(*rows, strict=True)]

    def insert_many(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        if rows:
            self._send(table, *self._unnest(table, columns, rows))

    def insert_columns(self, table: str, cells: Mapping[str, Cells], count: int) -> None:
        self.flush()
        kinds = [self._types[table][name] for name in cells]
        columns = [_whole_column(cell, count) for cell in cells.values()]
        statement = f"copy {table} ({','.join(cells)}) from stdin (format binary)"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(kinds)
            for row in zip(*columns, strict=True):
                copy.write_row(row)

    def update_in(
        self, table: str, column: str, value: int | str, key: str, keys: Iterable[object], also: str = ""
    ) -> int:
        condition = f"{key} = any(?!::{self._types[table][key]}[])" + (f" and {also}" if also else "")
        return self.execute(f"update {table} set {column} = ? where {condition}", (value, list(keys)))  # noqa: S608

    def upsert_many(self, table: str, key: str, columns: str, rows: Sequence[Row]) -> None:
        if rows:
            changes = ",".join(f"{name}=excluded.{name}" for name in columns.replace(" ", "").split(",")[1:])
            statement, arrays = self._unnest(table, columns, rows)
            self._send(table, f"{statement} on conflict ({key}) do update set {changes}", arrays)

    def delete_in(self, table: str, key: str, keys: Iterable[object]) -> None:
        kind = self._types[table][key]
        self._send(table, f"delete from {table} where {key} = any(?!::{kind}[])", (list(keys),))  # noqa: S608


def _whole_column(cells: Cells, count: int) -> Iterable[object]:
    if isinstance(cells, int | str):
        return repeat(cells, count)
    if isinstance(cells, Cycle):
        return islice(cycle(cells.cells), count)
    if isinstance(cells, Held):
        return chain.from_iterable(map(repeat, cells.cells, repeat(cells.rows)))
    if isinstance(cells, Packed):
        return [cells.cells[start : start + cells.width] for start in range(0, len(cells.cells), cells.width)]
    return cells


def _send_quickly(connection: Any) -> None:
    """Have parameters go as what nearly all columns are."""
    from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
    from psycopg.types.string import BytesBinaryDumper

    # By default a number goes as the smallest type that holds it: each mixture would be a statement of its own.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    # Found by the type of the column, the dumper for bytes is one in Python, unless the fast one is put in last.
    connection.adapters.register_dumper(bytes, BytesBinaryDumper)


class PostgresStore:
    """A store in one PostgreSQL database. The row lock on ``head`` puts all writers in one order."""

    dialect: Dialect = "postgresql"
    lock_wait_seconds_max = LOCK_WAIT_SECONDS_MAX

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
        self._idle: list[Any] = []
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
        _send_quickly(connection)
        # What is streamed is read to its end: a plan whose first row comes soon would take hundreds of times as long.
        # Compiling a statement, begun on a guess of how many rows there are, takes longer than running any of ours.
        wait = f"set lock_timeout = {round(self.lock_wait_seconds_max * 1000)}"
        connection.execute(f"set cursor_tuple_fraction = 1; set jit = off; {wait}")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[_PostgresTransaction]:
        """Open a write transaction; see `Store.transaction`."""
        with self._writing:
            if self._writer.closed:
                self._writer = self._connect()
            try:
                with self._writer.transaction():
                    row = self._writer.execute("select size, epoch from head for update").fetchone()
                    transaction = _PostgresTransaction(self._writer, self._types)
                    transaction.head = (row[0], row[1])
                    yield transaction
                    transaction.flush()
            except self._psycopg.OperationalError as error:
                raise StoreUnavailable(f"PostgreSQL: {str(error).splitlines()[0]}") from None

    @contextmanager
    def snapshot(self) -> Iterator[_PostgresReader]:
        """Open a reader that sees one state; see `Store.snapshot`."""
        connection = self._snapshot_connection()
        try:
            yield _PostgresReader(connection, self._types)
        finally:
            if not connection.closed:  # a new connection costs more than most questions
                connection.commit()  # a rollback would have the driver forget, and plan anew, all that it prepared
                self._idle.append(connection)

    def _snapshot_connection(self) -> Any:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if not connection.closed:
                return connection
        connection = self._connect()
        # What is asked often is planned once: planning anew each time takes ten times as long as the answer.
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.autocommit = False
        connection.isolation_level = self._psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

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

    def grown(self, tables: Sequence[str]) -> None:
        """Have the server look at tables that are half as large again as when it looked: by itself it does so late."""
        try:
            with self._writing:
                for (table,) in self._writer.execute(_GROWN, (list(tables),)).fetchall():
                    self._writer.execute(f"analyze {table}")
        except self._psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL: {str(error).splitlines()[0]}") from None

    def close(self) -> None:
        """Give back all connections."""
        self._idle.clear()
        while self._opened:
            self._opened.pop().close()
