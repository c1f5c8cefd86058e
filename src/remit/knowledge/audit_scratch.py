"""Where an audit keeps the rows that it must look at together: a database of SQLite's own on disk, gone when closed.

Rules about one row need no memory; rules about many (unique, depends, references) need all of them. They are kept
here, not in memory, so that two million rows cost disk: about as much as the columns concerned hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final

from remit.errors import StoreUnavailable

__all__ = ["AuditScratch"]

_CACHE_KIBIBYTES: Final = 32_768


class AuditScratch:
    """A database that only this audit sees. Rows of a table are ``t{number}`` with columns row, line, place, key, v0...

    SQLite unlinks the file as it makes it, so nothing is left behind when the process dies. One thread may use it.
    """

    def __init__(self) -> None:
        try:
            self._connection = sqlite3.connect("", isolation_level=None)
            for statement in (
                "pragma journal_mode = off",
                "pragma synchronous = off",
                "pragma temp_store = file",
                f"pragma cache_size = -{_CACHE_KIBIBYTES}",
                "begin",
                "create table flag(t integer, row integer, col integer, rule text)",
            ):
                self._connection.execute(statement)
        except sqlite3.Error as error:
            raise _unavailable(error) from None
        self._tables = 0

    def __enter__(self) -> AuditScratch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add_table(self, columns: int) -> int:
        """Make room for a table of which ``columns`` cells a row are kept; return its number."""
        number, self._tables = self._tables, self._tables + 1
        cells = "".join(f", v{column} text" for column in range(columns))
        self.run(f"create table t{number}(row integer primary key, place integer, line integer, key text{cells})")
        return number

    def add_rows(self, number: int, rows: Sequence[Sequence[object]]) -> None:
        """Keep rows: their number, place, line, key and cells."""
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._many(f"insert into t{number} values ({marks})", rows)  # noqa: S608 - numbers of our own

    def add_flags(self, flags: Iterable[tuple[int, int, int, str]]) -> None:
        """Keep what was found: table, row, column, rule."""
        self._many("insert into flag values (?, ?, ?, ?)", flags)

    def run(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement; return how many rows it touched.

        Raises:
            StoreUnavailable: there is no room left for it.
        """
        try:
            return self._connection.execute(statement, parameters).rowcount
        except sqlite3.Error as error:
            raise _unavailable(error) from None

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT, one by one; raises what `run` raises."""
        try:
            yield from self._connection.execute(statement, parameters)
        except sqlite3.Error as error:
            raise _unavailable(error) from None

    def first(self, statement: str, parameters: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a SELECT, None when there is none; raises what `run` raises."""
        try:
            row: tuple[Any, ...] | None = self._connection.execute(statement, parameters).fetchone()
        except sqlite3.Error as error:
            raise _unavailable(error) from None
        return row

    def count(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Return the one whole number of a SELECT; raises what `run` raises."""
        return int((self.first(statement, parameters) or (0,))[0])

    def insert(self, table: str, rows: Iterable[Sequence[object]], width: int) -> None:
        """Insert rows into a table that `run` made."""
        self._many(f"insert into {table} values ({', '.join('?' * width)})", rows)  # noqa: S608 - names of our own

    def correct(self, number: int, place: int, rows: Iterable[tuple[str | None, int]]) -> None:
        """Put other values into one cell of rows of a table: each value, or None to take it out, and its row."""
        self._many(f"update t{number} set v{place} = ? where row = ?", rows)  # noqa: S608 - numbers of our own

    def close(self) -> None:
        """Let go of it and of what it holds."""
        self._connection.close()

    def _many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise _unavailable(error) from None


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(f"the audit's own file cannot be written: {error}; make room for temporary files")
