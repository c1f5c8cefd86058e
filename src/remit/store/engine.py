"""What a store promises, and the one way to open one.

Callers may rely on: a write transaction holds the head lock from its first statement to its end, so write transactions
of all processes stand in one order; a commit that returned is on disk; readers see whole commits only; statements use
``?`` for parameters; the lock is waited for `LOCK_WAIT_SECONDS_MAX` and no longer, whoever holds it. What may differ:
how rows are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from remit.errors import BadInput

__all__ = [
    "LOCK_WAIT_SECONDS_MAX",
    "Cells",
    "Cycle",
    "Dialect",
    "Held",
    "Packed",
    "Reader",
    "Row",
    "Store",
    "Transaction",
    "Wanted",
    "open_store",
]

LOCK_WAIT_SECONDS_MAX: Final = 30.0
"""How long a write transaction waits for its turn: a process that was stopped while it had its own fails the others."""

Dialect = Literal["sqlite", "postgresql"]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """The cells of a column where the same few whole numbers come again and again."""

    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The cells of a column where each stands in so many rows one after the other."""

    cells: Sequence[Any]
    rows: int


@dataclass(frozen=True, slots=True)
class Packed:
    """The cells of a column of bytes, one after the other, each of them of ``width`` bytes."""

    cells: bytes
    width: int


Cells = Sequence[Any] | Cycle | Held | Packed | int | str
"""What `Transaction.insert_columns` takes for one column: a cell for each row, or one whole number or text for all.

A `range`, a `Cycle`, a `Held` and a `Packed` say what a list of cells would, and need not be sent cell by cell. The
cycles and holds of one call go on for the same number of rows, of which the count is a multiple.
"""
Wanted = tuple[str, str, str, Iterable[object], str]
"""What `Reader.fetch_in` takes: table, columns (no spaces), key, keys, also."""


class Reader(Protocol):
    """Reads one consistent state."""

    @property
    def dialect(self) -> Dialect:
        """Which database answers; for the few statements that cannot be the same text for both."""
        ...

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a SELECT."""
        ...

    def fetch_in(self, table: str, columns: str, key: str, keys: Iterable[object], also: str = "") -> list[Row]:
        """Return ``columns`` of the rows of ``table`` whose ``key`` is among ``keys`` and that fulfil ``also``."""
        ...

    def fetch_each(self, table: str, columns: str, key: str, keys: Iterable[object], also: str) -> list[Row]:
        """The same as `fetch_in`, where ``key`` and ``also`` together name at most one row.

        Each is looked up on its own, whatever a server believes about how many there are: its count of a data set is
        always behind while that is being loaded, and a plan made for none is hopeless for a hundred thousand.
        """
        ...

    def fetch_several(self, wanted: Sequence[Wanted]) -> list[list[Row]]:
        """Do several `fetch_in` at once; columns are text or whole numbers."""
        ...

    def fetch_together(self, asked: Sequence[tuple[str, Sequence[object]]]) -> list[list[Row]]:
        """Return all rows of several SELECTs with their parameters; a server is asked once for all of them."""
        ...

    def stream(self, statement: str, parameters: Sequence[object] = ()) -> Iterable[Row]:
        """Yield the rows of a SELECT without holding them all in memory."""
        ...


class Transaction(Reader, Protocol):
    """One write transaction, under the head lock."""

    @property
    def head(self) -> tuple[int, int]:
        """How many events there are, and the epoch, both under the lock."""
        ...

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement; return how many rows it touched."""
        ...

    def insert_many(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        """Insert ``rows`` whole; any clash fails the transaction."""
        ...

    def insert_columns(self, table: str, cells: Mapping[str, Cells], count: int) -> None:
        """Insert ``count`` rows given column by column, the fastest way there is; any clash fails the transaction.

        ``cells`` maps each column to its ``count`` cells in the order of the rows; see `Cells`.
        """
        ...

    def update_in(
        self, table: str, column: str, value: int | str, key: str, keys: Iterable[object], also: str = ""
    ) -> int:
        """Set ``column`` in the rows whose ``key`` is among ``keys`` and that fulfil ``also``; return how many."""
        ...

    def upsert_many(self, table: str, key: str, columns: str, rows: Sequence[Row]) -> None:
        """Insert ``rows``, replacing those whose ``key`` (the first of ``columns``) is there already."""
        ...

    def delete_in(self, table: str, key: str, keys: Iterable[object]) -> None:
        """Delete the rows of ``table`` whose ``key`` is among ``keys``."""
        ...


class Store(Protocol):
    """One SQLite file or one PostgreSQL database that holds a company's ledger and its views."""

    url: str
    dialect: Dialect
    torn_bytes: int
    """How many bytes of a commit that never became whole were found when it was opened; a server tells of none."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a write transaction; leaving the block commits, an exception rolls back.

        Raises:
            StoreUnavailable: the lock or the server cannot be had, or the commit failed.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Open a reader that sees one state throughout."""
        ...

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of one SELECT, as of now."""
        ...

    def grown(self, tables: Sequence[str]) -> None:
        """Take note that ``tables`` have grown much, so that statements on them are planned for what they are now."""
        ...

    def close(self) -> None:
        """Give back all connections."""
        ...


def open_store(url: str, folder: Path | None = None) -> Store:
    """Open the store at ``url``, bringing its schema up to date.

    ``url`` is ``sqlite:PATH`` (relative to ``folder``) or ``postgresql://...``.

    Raises:
        BadInput: another kind of URL, or PostgreSQL without its driver installed.
        StoreUnavailable: the file or server cannot be opened.
    """
    kind, _, rest = url.partition(":")
    if kind == "sqlite" and rest:
        from remit.store.sqlite_store import SqliteStore

        path = Path(rest.removeprefix("///")).expanduser()
        return SqliteStore(path if path.is_absolute() else (folder or Path.cwd()) / path)
    if kind in {"postgresql", "postgres"}:
        from remit.store.postgres_store import PostgresStore

        return PostgresStore("postgresql:" + rest)
    raise BadInput(f"store: got {url!r:.80}, expected sqlite:PATH or postgresql://USER@HOST/DATABASE")
