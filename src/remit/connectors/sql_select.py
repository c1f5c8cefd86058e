"""The select that reads one table of a database, and which rows may have changed since the last load.

What is asked of a cursor must never leave out a row that changed: rows without a cursor cell are always read again;
where what the column holds cannot be compared soundly, everything is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from remit.connectors.answer import as_moment, zone
from remit.connectors.source_reader import TableAsk
from remit.document import duration_seconds
from remit.errors import Refused

if TYPE_CHECKING:
    from sqlalchemy import Executable, FromClause

__all__ = ["DATED_LIKE", "OVERLAP_DEFAULT", "SqlSelect", "lower_bound", "sql_select"]

OVERLAP_DEFAULT: Final = "10m"
"""How much is read again: a row's moment is taken before its transaction commits."""

_DAY: Final = timedelta(days=1)
DATED_LIKE: Final = "____-__-__%"
"""How texts look whose order is that of their days; others are always read again."""
Fetch = Callable[["Executable"], tuple[tuple[str, ...], list[tuple[Any, ...]]]]


@dataclass(frozen=True, slots=True)
class SqlSelect:
    """A select, what the source has besides the columns it reads, and what is to be noted about it."""

    statement: Executable
    unread: tuple[str, ...]
    notes: tuple[str, ...]


def sql_select(ask: TableAsk, fetch: Fetch) -> SqlSelect:
    """Make the select for what is asked. ``fetch`` executes a statement and returns its columns and first rows.

    Raises:
        Refused: the source has no such column, or two of one name; and whatever ``fetch`` raises.
    """
    from sqlalchemy import String, column, literal_column, or_, select, text

    everything, _ = fetch(select(literal_column("*")).select_from(_from(ask, ())).where(text("1 = 0")))
    # SQLite calls the second of two columns of one name "name:1".
    doubled = sorted({name for name in ask.columns if everything.count(name) > 1 or f"{name}:1" in everything})
    if doubled:
        raise Refused(f"{len(doubled)} columns stand twice, such as {doubled[0]!r:.80}; give them names with `as`")
    present = [name for name in ask.columns if name in everything]
    if not present:
        raise Refused(f"none of the mapped columns is there: got {', '.join(everything)!r:.200}")
    notes = []
    rows = _from(ask, everything)
    statement: Any = select(*(column(name) for name in present)).select_from(rows)
    cursor = ask.cursor_column
    if cursor is not None and cursor in everything:
        if ask.since is not None:
            bound = _since(ask, rows, cursor, fetch)
            if bound is None:
                notes.append(f"{ask.table}: {cursor} cannot be compared with the last load's; everything was read")
            else:
                at: Any = column(cursor)
                odd = [column(cursor, String).notlike(DATED_LIKE)] if isinstance(bound, str) else []
                statement = statement.where(or_(at >= bound, at.is_(None), *odd))
        keys = [name for name in ask.key if name in everything and name != cursor]
        statement = statement.order_by(column(cursor), *(column(name) for name in keys))
    return SqlSelect(statement, tuple(name for name in everything if name not in present), tuple(notes))


def _from(ask: TableAsk, columns: tuple[str, ...]) -> FromClause:
    from sqlalchemy import TextClause, column, table, text

    query = ask.options.get("query")
    if query is None:
        name = ask.options.get("table", ask.table)
        return table(name, *(column(one) for one in columns), schema=ask.options.get("schema"))
    inner = query.strip().removesuffix(";")
    rows: TextClause = text(f"(\n{inner}\n) source_rows")
    return rows  # type: ignore[return-value]  # a text may stand after FROM


def _since(ask: TableAsk, rows: FromClause, cursor: str, fetch: Fetch) -> Any:
    """What the cursor column is compared with; None when no comparison would be sound."""
    from sqlalchemy import DateTime, column, func, literal, select

    _, found = fetch(select(func.min(column(cursor)), func.max(column(cursor))).select_from(rows))
    low, high = found[0]
    overlap = ask.options.get("overlap", OVERLAP_DEFAULT)
    bound = lower_bound(ask.since or "", low, high, zone(ask.zone), overlap)
    if isinstance(bound, datetime):
        return literal(bound, DateTime(timezone=bound.tzinfo is not None))
    return bound


def lower_bound(since: str, low: object, high: object, local: tzinfo, overlap: str | int) -> object:
    """Return what a cursor column that holds ``low`` to ``high`` is compared with, of its own type.

    ``overlap`` is a length of time, or for cursors that are numbers how many of them are read again. Nothing that is
    at or after ``since`` is below what is returned, in the column's own order; in a column of text that is promised
    of texts that are like `DATED_LIKE` only. None when it cannot be promised at all.
    """
    if low is None or high is None or isinstance(high, bool):
        return None
    seconds = duration_seconds(overlap) if isinstance(overlap, str) else 0
    moment = as_moment(since, local)
    early = None if moment is None or moment.year < 2 else moment - timedelta(seconds=seconds)
    if isinstance(high, datetime):
        if early is None or high.tzinfo is not None:
            return early
        # Of the hour that a zone repeats in autumn nobody knows which one a moment without zone means.
        return (early - timedelta(hours=2)).astimezone(local).replace(tzinfo=None)
    if isinstance(high, date):
        return None if early is None else (early - _DAY).date()
    if isinstance(high, int | Decimal):
        if re.fullmatch(r"-?[0-9]{1,30}", since):
            return int(since) - (overlap if isinstance(overlap, int) else 0)
        seconds_of = isinstance(low, int) and as_moment(low, local) and as_moment(high, local)
        return int(early.timestamp()) if early is not None and seconds_of else None
    if isinstance(high, str) and early is not None and early.year >= 1000:
        # A day before: moments of one day order differently as text when they name zones or write T or not.
        return (early - _DAY).strftime("%Y-%m-%d")
    return None
