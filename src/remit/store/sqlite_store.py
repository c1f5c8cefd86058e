"""The embedded store: one SQLite file, WAL, every commit synced to disk."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from remit.errors import StoreUnavailable
from remit.store.engine import LOCK_WAIT_SECONDS_MAX, Cells, Cycle, Dialect, Held, Packed, Row, Wanted
from remit.store.migrate import migrate, schema_is_current
from remit.store.torn import torn_bytes

__all__ = ["SqliteStore"]

LOCK_PAUSE_SECONDS: Final = 0.002
STATEMENT_ROWS: Final = 100
PARAMETERS_MAX: Final = 32_766
MAPPED_BYTES_MAX: Final = 2**31 - 65_536
"""How much of the file readers map into memory: a page that is mapped costs no system call."""


class _SqliteReader:
    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(statement, parameters).fetchall()

    def fetch_in(self, table: str, columns: str, key: str, keys: Iterable[object], also: str = "") -> list[Row]:
        condition = f" and {also}" if also else ""
        statement = f"select {columns} from {table} where {key} in (select value from json_each(?)){condition}"  # noqa: S608
        return self._connection.execute(statement, (json.dumps(list(keys)),)).fetchall()

    def fetch_each(self, table: str, columns: str, key: str, keys: Iterable[object], also: str) -> list[Row]:
        return self.fetch_in(table, columns, key, keys, also)

    def fetch_several(self, wanted: Sequence[Wanted]) -> list[list[Row]]:
        return [self.fetch_in(*item) for item in wanted]

    def fetch_together(self, asked: Sequence[tuple[str, Sequence[object]]]) -> list[list[Row]]:
        return [self.fetch(statement, parameters) for statement, parameters in asked]

    def stream(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        return self._connection.execute(statement, parameters)


class _SqliteTransaction(_SqliteReader):
    @cached_property
    def head(self) -> tuple[int, int]:
        size, epoch = self._connection.execute("select size, epoch from head").fetchone()
        return size, epoch

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        return self._connection.execute(statement, parameters).rowcount

    def insert_many(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        marks = ",".join("?" * (columns.count(",") + 1))
        self._connection.executemany(f"insert into {table} ({columns}) values ({marks})", rows)  # noqa: S608

    def insert_columns(self, table: str, cells: Mapping[str, Cells], count: int) -> None:
        # Several rows a statement: each statement lets go of the interpreter's lock and takes it again, which is dear.
        layout = _layout(cells)
        shared = [cells[name] for name in layout.shared]
        counted: list[Any] = [cells[name] for name in layout.counted]
        packed: list[Any] = [cells[name] for name, _ in layout.packed]
        held = [cells[name].cells for name in layout.held]  # type: ignore[union-attr]
        own: list[Any] = [cells[name] for name in layout.own]
        rows = layout.rows
        step = max(1, min(STATEMENT_ROWS, PARAMETERS_MAX // max(1, len(cells))) // rows) * rows
        for start in range(0, count, step):
            size = min(step, count - start)
            parameters = [*shared, *(cell[start] for cell in counted)]
            parameters += [cell.cells[start * cell.width : (start + size) * cell.width] for cell in packed]
            for cell in held:
                parameters += cell[start // rows : (start + size) // rows]
            for cell in own:
                parameters += cell[start : start + size]
            self._connection.execute(_several(table, layout, size), parameters)

    def update_in(
        self, table: str, column: str, value: int | str, key: str, keys: Iterable[object], also: str = ""
    ) -> int:
        condition = f" and {also}" if also else ""
        statement = f"update {table} set {column} = ? where {key} in (select value from json_each(?)){condition}"  # noqa: S608
        return self._connection.execute(statement, (value, json.dumps(list(keys)))).rowcount

    def upsert_many(self, table: str, key: str, columns: str, rows: Sequence[Row]) -> None:
        marks = ",".join("?" * (columns.count(",") + 1))
        changes = ",".join(f"{name}=excluded.{name}" for name in columns.replace(" ", "").split(",")[1:])
        self._connection.executemany(
            f"insert into {table} ({columns}) values ({marks}) on conflict ({key}) do update set {changes}",  # noqa: S608
            rows,
        )

    def delete_in(self, table: str, key: str, keys: Iterable[object]) -> None:
        statement = f"delete from {table} where {key} in (select value from json_each(?))"  # noqa: S608
        self._connection.execute(statement, (json.dumps(list(keys)),))


class _Layout(NamedTuple):
    """How the parameters of an insert are laid out: those of all rows, then those of each column in turn, of which
    ``held`` have one for each group of ``rows`` rows.
    """

    shared: tuple[str, ...]
    counted: tuple[str, ...]
    packed: tuple[tuple[str, int], ...]
    cycles: tuple[tuple[str, tuple[int, ...]], ...]
    held: tuple[str, ...]
    own: tuple[str, ...]
    rows: int


def _layout(cells: Mapping[str, Cells]) -> _Layout:
    cycles = tuple((name, cell.cells) for name, cell in cells.items() if isinstance(cell, Cycle))
    held = tuple(name for name, cell in cells.items() if isinstance(cell, Held))
    shared = tuple(name for name, cell in cells.items() if isinstance(cell, int | str))
    counted = tuple(name for name, cell in cells.items() if isinstance(cell, range) and cell.step == 1)
    packed = tuple((name, cell.width) for name, cell in cells.items() if isinstance(cell, Packed))
    named = {*shared, *counted, *held, *(name for name, _ in (*cycles, *packed))}
    lengths = {len(cycle) for _, cycle in cycles} | {cell.rows for cell in cells.values() if isinstance(cell, Held)}
    if len(lengths) > 1:
        raise ValueError(f"cycles and holds go on for different numbers of rows: {sorted(lengths)}")
    own = tuple(name for name in cells if name not in named)
    return _Layout(shared, counted, packed, cycles, held, own, lengths.pop() if lengths else 1)


@lru_cache(maxsize=64)
def _several(table: str, layout: _Layout, count: int) -> str:
    """A statement that inserts ``count`` rows with their parameters laid out so."""
    fixed = [f"?{number}" for number in range(1, len(layout.shared) + 1)]
    packed = len(layout.shared) + len(layout.counted) + 1
    held = packed + len(layout.packed)
    own = held + len(layout.held) * (count // layout.rows)
    rows = []
    for row in range(count):
        group, at = divmod(row, layout.rows)
        cells = [f"?{number}+{row}" for number in range(len(fixed) + 1, packed)]
        # Bytes bound one by one are looked at for an adapter each time, which takes longer than all else about them.
        cells += [
            f"substr(?{number},{1 + row * width},{width})" for number, (_, width) in enumerate(layout.packed, packed)
        ]
        cells += [str(cycle[at]) for _, cycle in layout.cycles]
        cells += [f"?{held + place * (count // layout.rows) + group}" for place in range(len(layout.held))]
        cells += [f"?{own + place * count + row}" for place in range(len(layout.own))]
        rows.append(",".join((*fixed, *cells)))
    shortly = (name for name, _ in (*layout.packed, *layout.cycles))
    names = (*layout.shared, *layout.counted, *shortly, *layout.held, *layout.own)
    return f"insert into {table} ({','.join(names)}) values ({'),('.join(rows)})"  # noqa: S608


class SqliteStore:
    """A store in one SQLite file. Several processes may have it open; one writes at a time."""

    dialect: Dialect = "sqlite"
    lock_wait_seconds_max = LOCK_WAIT_SECONDS_MAX

    def __init__(self, path: Path):
        self.path = path
        self.url = f"sqlite:{path}"
        self._writing = threading.Lock()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []
        self.torn_bytes = torn_bytes(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._writer.execute("pragma busy_timeout=0")
            if not schema_is_current(lambda statement: self._writer.execute(statement).fetchall()):
                migrate(f"sqlite:///{path}", path)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreUnavailable(f"{path} cannot be opened as a store: {error}") from None
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        new = not self.path.exists()
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=5.0
        )
        self._opened.append(connection)
        if new:
            self.path.chmod(0o600)
        _patiently(lambda: connection.execute("pragma journal_mode=wal"), 5.0)  # SQLite does not wait here by itself
        connection.execute("pragma synchronous=full")
        connection.execute("pragma foreign_keys=on")
        connection.execute("pragma cache_size=-16000")
        return connection

    def _connect_to_read(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute(f"pragma mmap_size={MAPPED_BYTES_MAX}")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[_SqliteTransaction]:
        """Open a write transaction; see `Store.transaction`."""
        with self._writing:
            self._begin()
            try:
                yield _SqliteTransaction(self._writer)
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("rollback")
                raise
            try:
                self._writer.execute("commit")
            except sqlite3.Error as error:
                if self._writer.in_transaction:
                    self._writer.execute("rollback")
                raise StoreUnavailable(f"{self.path}: commit failed: {error}") from None

    def _begin(self) -> None:
        try:
            _patiently(lambda: self._writer.execute("begin immediate"), self.lock_wait_seconds_max)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self.path}: cannot be locked for writing: {error}") from None

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect_to_read()
        return connection

    @contextmanager
    def snapshot(self) -> Iterator[_SqliteReader]:
        """Open a reader that sees one state; see `Store.snapshot`."""
        try:
            connection = self._idle.pop()  # what it has in its cache is still there
        except IndexError:
            connection = self._connect_to_read()
        try:
            connection.execute("begin")
            yield _SqliteReader(connection)
        finally:
            with suppress(sqlite3.ProgrammingError):  # the store was closed meanwhile
                if connection.in_transaction:
                    connection.execute("rollback")
                self._idle.append(connection)

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of one SELECT, as of now; see `Store.read`."""
        try:
            return self._reader().execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from None

    def grown(self, tables: Sequence[str]) -> None:
        """Nothing to do: statements are written so that they are planned well whatever the tables hold."""

    def close(self) -> None:
        """Give back all connections."""
        self._idle.clear()
        while self._opened:
            self._opened.pop().close()


def _patiently(work: Callable[[], object], seconds_max: float) -> None:
    """Do ``work``, again and again while another connection holds the lock that it needs.

    SQLite's own waiting backs off to 100 ms, which lets a busy writer starve a halt; short random pauses do not.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.2, 1.0) * LOCK_PAUSE_SECONDS)  # noqa: S311
