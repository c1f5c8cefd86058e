"""What every reader of a source promises, whatever kind of source stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable

__all__ = [
    "BATCH_ROWS_MAX",
    "FILE_COLUMN",
    "WRITTEN_COLUMN",
    "SourceReader",
    "SourceRows",
    "TableAsk",
    "add_note",
]

BATCH_ROWS_MAX: Final = 2_000
"""How many rows a reader hands out at once, at most."""

FILE_COLUMN: Final = "_file"
"""The name of the file a row stands in, as a column of sources that are files. As a cursor it is no moment."""
WRITTEN_COLUMN: Final = "_written"
"""When the file a row stands in was written, as a column of sources that are files."""

NOTES_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class TableAsk:
    """What a reader is asked for: one table's rows.

    ``columns`` are the source's columns that are mapped, in the mapping's order; ``options`` the keys of the
    reader's kind. ``since`` is the cursor of the last whole load, as text: the greatest cell of
    ``cursor_column`` then; None asks for everything. A reader may hand out rows older than that, never leave out
    one that is not. ``key`` names the columns that identify a row and ``zone`` the time zone of moments that name
    none; a reader uses both only to ask its source well.
    """

    table: str
    options: Mapping[str, Any]
    columns: tuple[str, ...]
    cursor_column: str | None = None
    since: str | None = None
    key: tuple[str, ...] = ()
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Some rows, as long as their source gave them in this order.

    ``columns`` names the cells of each row; it holds the mapped columns that the source has, perhaps others, and
    may differ from one batch to the next. ``unread`` names columns that the source has and the reader left there.
    ``ops`` says of each row "u" (it is now so) or "d" (it is gone); None when these are no change events.

    ``problems`` says, by index, what is wrong with rows that could not be read as rows (more cells than columns,
    no JSON, bytes that are no text). Such a row must never be loaded: it goes to quarantine under rule "row".
    Its key cells are as read where they could be, so that the key counts as seen; the others are not to be
    believed. ``raw`` is such a row as it was written.

    ``by_record`` says that the source names no columns, its records do: ``columns`` are then those that any of these
    records has, and one that is missing may be one that they lack.

    ``as_of`` is when the source says that all of this was so, for an export that is dated; None: it is so now.

    ``where`` and ``first`` say where the first row stands (a file and its line, a table and a number); ``lines``
    says it of each row where they do not follow each other.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    where: str
    first: int
    ops: Sequence[str] | None = None
    problems: Mapping[int, str] = field(default_factory=dict)
    raw: Mapping[int, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    lines: Sequence[int] | None = None
    as_of: datetime | None = None
    by_record: bool = False

    def position(self, index: int) -> str:
        """Return where the row at ``index`` stands, such as ``accounts.csv:17``."""
        return f"{self.where}:{self.first + index if self.lines is None else self.lines[index]}"


@runtime_checkable
class SourceReader(Protocol):
    """One source, read in one way.

    Callers may rely on this:

    - Nothing but `Refused`, `Unreachable` and `CannotTell` is raised, and no text shows a secret. Refused: asking
      again will not help before somebody changes something. Unreachable: try again later.
    - Only an iteration that ends without an error has seen every row.
    - There is at least one batch, perhaps of no rows, so that the columns are known; none has more than about
      `BATCH_ROWS_MAX` rows. Memory stays bounded, however many rows there are.
    - Cells are None, bool, int, float, Decimal, str, date or datetime; what the source gave as anything else is text.

    This may differ: whether the source can tell what changed since, whether rows come twice (at the borders of
    pages, or where reading overlaps), in which order they come, whether reading blocks the event loop for the
    time of one batch.
    """

    notes: list[str]
    """What was odd and did not stop it, for the report; at most about 200 lines."""

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one table's rows.

        Raises:
            Refused: no such table or column to go by, or the source will not answer this.
            Unreachable: it could not be asked, or its answer is not whole.
            CannotTell: whether what was read is everything is not known.
        """
        ...

    async def taken(self, ask: TableAsk) -> None:
        """Take note that what was read for ``ask`` is loaded and committed. May do nothing.

        Raises:
            Unreachable: it could not be noted; the same rows will be handed out again.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Closing twice is harmless."""
        ...


def add_note(notes: list[str], note: str) -> None:
    """Add to a reader's notes what is not there yet, while there is room."""
    if note not in notes and len(notes) <= NOTES_MAX:
        notes.append(note[:500] if len(notes) < NOTES_MAX else "more was odd than is noted here")
