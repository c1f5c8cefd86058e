"""The carriers' own record, in SQLite: what was asked, what was booked, what was cancelled.

Every request that arrives is one row of `attempt`, whatever becomes of it; a key is in `booking` at most
once. So the record can prove whether anything was booked twice, without trusting whoever asked.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["BookingRecord", "KeyReused", "NotBooked"]

_TABLES: Final = """
create table if not exists attempt (
    number integer primary key, kind text not null, key text not null, body_digest text not null);
create index if not exists attempt_key on attempt (key);
create table if not exists booking (
    number integer primary key, key text not null unique, body_digest text not null, order_id text not null,
    answer text not null, cancelled_by text);
create index if not exists booking_order on booking (order_id);
create table if not exists cancellation (
    number integer primary key, key text not null unique, body_digest text not null, answer text not null);
"""


class KeyReused(Exception):
    """The same key came with another body."""


class NotBooked(Exception):
    """There is no booking to cancel."""


class BookingRecord:
    """The record in one file. Each method is one transaction; what it answered is on disk."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        # Committed pages outlive the process with NORMAL; FULL would guard against a power cut as well, at
        # one more sync for each booking, and the story kills processes, not machines.
        self._database.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + _TABLES)

    def book(self, key: str, body: Mapping[str, Any], quote_minor: int | None) -> tuple[dict[str, Any], int]:
        """Book once per key; return the answer and how many times this key has come.

        Raises:
            KeyReused: the key came before with another body.
        """
        digest = _digest(body)
        with _Transaction(self._database) as database:
            times = self._attempt("book", key, digest)
            row = database.execute("select body_digest, answer from booking where key = ?", (key,)).fetchone()
            if row is not None:
                if row[0] != digest:
                    raise KeyReused(key)
                return json.loads(row[1]), times
            number = database.execute("select coalesce(max(number), 0) + 1 from booking").fetchone()[0]
            answer = {"booking": f"BK-{number:06d}", **body, "cost_minor": quote_minor}
            database.execute(
                "insert into booking values (?, ?, ?, ?, ?, null)",
                (number, key, digest, str(body["order"]), json.dumps(answer)),
            )
            return answer, times

    def cancel(self, key: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Cancel the booking of an order, once per key; answer as `book` does.

        Raises:
            KeyReused: the key came before with another body.
            NotBooked: the order has no booking that stands.
        """
        digest = _digest(body)
        with _Transaction(self._database) as database:
            times = self._attempt("cancel", key, digest)
            row = database.execute("select body_digest, answer from cancellation where key = ?", (key,)).fetchone()
            if row is not None:
                if row[0] != digest:
                    raise KeyReused(key)
                return json.loads(row[1]), times
            booked = database.execute(
                "select max(number) from booking where order_id = ? and cancelled_by is null",
                (str(body["order"]),),
            ).fetchone()
            if booked[0] is None:
                raise NotBooked(str(body["order"]))
            answer = {"cancelled": f"BK-{booked[0]:06d}", "order": body["order"]}
            database.execute("update booking set cancelled_by = ? where number = ?", (key, booked[0]))
            database.execute(
                "insert into cancellation (key, body_digest, answer) values (?, ?, ?)",
                (key, digest, json.dumps(answer)),
            )
            return answer, times

    def found(self, table: str, key: str) -> list[dict[str, Any]]:
        """Return what ``booking`` or ``cancellation`` holds under a key: nothing or one answer."""
        statement = {
            "booking": "select answer from booking where key = ?",
            "cancellation": "select answer from cancellation where key = ?",
        }[table]
        return [json.loads(row[0]) for row in self._database.execute(statement, (key,))]

    def counts(self) -> dict[str, int]:
        """Return what happened in numbers; an order is booked twice when two of its bookings stand."""
        counts = {
            "attempts": "select count(*) from attempt where kind = 'book'",
            "keys_sent_again": "select count(*) from (select key from attempt where kind = 'book' "
            "group by key having count(*) > 1)",
            "bookings": "select count(*) from booking",
            "orders": "select count(distinct order_id) from booking where cancelled_by is null",
            "orders_booked_twice": "select count(*) from (select 1 from booking where cancelled_by is null "
            "group by order_id having count(*) > 1)",
            "cancellations": "select count(*) from cancellation",
        }
        with _Transaction(self._database) as database:
            return {name: database.execute(statement).fetchone()[0] for name, statement in counts.items()}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _attempt(self, kind: str, key: str, digest: str) -> int:
        self._database.execute("insert into attempt (kind, key, body_digest) values (?, ?, ?)", (kind, key, digest))
        return int(
            self._database.execute("select count(*) from attempt where kind = ? and key = ?", (kind, key)).fetchone()[0]
        )


class _Transaction:
    """A write transaction that keeps the attempt's row also when the request is refused."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("begin immediate")
        return self._database

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        refused = kind is not None and issubclass(kind, KeyReused | NotBooked)
        self._database.execute("commit" if kind is None or refused else "rollback")


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
