"""Fixed-width exports: where a file's header, rows and trailer are, and whether the file is whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from operator import itemgetter
from typing import Any, Final

from remit.connectors.answer import as_moment
from remit.document import Document, PathKey
from remit.errors import BadInput, Finding

__all__ = ["LAYOUT_SCHEMA", "FixedWidthFile", "Layout", "layout_findings", "see_trailer"]

_RANGE: Final = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 100_000},
    "minItems": 2,
    "maxItems": 2,
}

LAYOUT_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["columns"],
    "properties": {
        "encoding": {"enum": ["ascii", "utf-8", "latin-1", "cp1252", "cp437", "cp850"]},
        "header": {"type": "integer", "minimum": 0, "maximum": 100},
        "observed": _RANGE,
        "trailer": {"type": "string", "minLength": 1, "maxLength": 40},
        "columns": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]{0,63}$"},
            "additionalProperties": _RANGE,
        },
    },
}
"""The key ``layout``: columns are counted from 1 and include both ends.

``header`` is how many lines come before the rows; ``observed`` is where in the first of them the moment
stands, as YYYYMMDD, YYYYMMDDHHMM or ISO 8601. ``trailer`` is what the last line begins with, followed by the
number of rows; without it a file that is still being written cannot be told from a whole one.
"""


@dataclass(frozen=True, slots=True)
class FixedWidthFile:
    """A whole file: its rows as written, and when it was observed (None when it does not say)."""

    rows: tuple[str, ...]
    observed_at: datetime | None
    header: int

    def line(self, index: int) -> int:
        """Return the line number, from 1, of the row at ``index``."""
        return self.header + index + 1


class Layout:
    """How one kind of file is laid out."""

    def __init__(self, layout: Mapping[str, Any], local: tzinfo):
        self._encoding = layout.get("encoding", "utf-8")
        self._header = layout.get("header", 0)
        self._observed = layout.get("observed")
        self._trailer = layout.get("trailer")
        self._columns: dict[str, tuple[int, int]] = {
            name: (first - 1, last) for name, (first, last) in layout["columns"].items()
        }
        self._local = local

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    @property
    def encoding(self) -> str:
        """How the text is encoded."""
        return str(self._encoding)

    @property
    def header(self) -> int:
        """How many lines come before the rows."""
        return int(self._header)

    @property
    def trailer(self) -> str | None:
        """What the last line begins with, None when there is none."""
        return None if self._trailer is None else str(self._trailer)

    def cells(self) -> Callable[[str], tuple[str, ...]]:
        """Return what cuts a row into all its fields, in the order of `columns`, without their padding."""
        spans = [slice(first, last) for first, last in self._columns.values()]
        if len(spans) == 1:
            return lambda row: (row[spans[0]].strip(),)
        cut = itemgetter(*spans)
        return lambda row: tuple(map(str.strip, cut(row)))

    def observed(self, first_line: str) -> datetime | None:
        """Return the moment that the first line of the header names, None when it names none."""
        if self._observed is None:
            return None
        return as_moment(first_line[self._observed[0] - 1 : self._observed[1]], self._local)

    def cell(self, row: str, column: str) -> str:
        """Return one field of a row without its padding; a row cut short has empty fields at its end."""
        first, last = self._columns[column]
        return row[first:last].strip()

    def read(self, data: bytes) -> FixedWidthFile:
        """Read a file.

        Raises:
            BadInput: it is not whole: no trailer, another number of rows than the trailer says, or not in its
                encoding.
        """
        try:
            # Lines end where the system ended them; other characters that look like line ends belong to the
            # data.
            lines = [line.removesuffix("\r") for line in data.decode(self._encoding).split("\n")]
        except UnicodeDecodeError as error:
            raise BadInput(f"not {self._encoding} at byte {error.start}") from None
        while lines and not lines[-1].strip(" \x1a\x00"):  # end-of-file marks of old systems
            lines.pop()
        if len(lines) < self._header:
            raise BadInput(f"{len(lines)} lines, expected {self._header} of header")
        head, rows = lines[: self._header], lines[self._header :]
        if self._trailer is not None:
            rows = self._without_trailer(rows)
        return FixedWidthFile(tuple(rows), self.observed(head[0]) if head else None, self._header)

    def _without_trailer(self, rows: list[str]) -> list[str]:
        see_trailer(rows[-1] if rows else "", self._trailer or "", len(rows) - 1)
        return rows[:-1]


def see_trailer(line: str, trailer: str, rows: int) -> None:
    """See that a file's last line is its trailer and says how many rows there are.

    Raises:
        BadInput: no trailer, or it says another number than ``rows``.
    """
    last = line.rstrip()
    count = last.removeprefix(trailer).strip(' \t,;|"')
    if not last.startswith(trailer) or not (count.isdecimal() and count.isascii()):
        raise BadInput(f"no trailer {trailer!r} with the number of rows in the last line")
    if len(count) > 18 or int(count) != rows:
        raise BadInput(f"the trailer says {count[:18]} rows, there are {rows}")


def layout_findings(document: Document, path: PathKey, layout: Mapping[str, Any]) -> list[Finding]:
    """Find what is wrong with the layout that stands at ``path`` and the schema cannot say."""
    found = []
    ranges = {(*path, "columns", name): span for name, span in layout["columns"].items()}
    if "observed" in layout:
        ranges[*path, "observed", ""] = layout["observed"]
        if not layout.get("header"):
            what = "observed: stands in a header; there is none"
            found.append(document.finding((*path, "observed"), what))
    for place, (first, last) in ranges.items():
        if last < first:
            found.append(document.finding(place, f"columns {first} to {last}: the last comes before the first"))
    return found
