"""Fixed-width exports: where a file's header, rows and trailer are, and whether the file is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from remit.connectors.answer import as_moment
from remit.errors import BadInput

__all__ = ["LAYOUT_SCHEMA", "FixedWidthFile", "Layout"]

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
        observed_at = None
        if self._observed is not None and head:
            observed_at = as_moment(head[0][self._observed[0] - 1 : self._observed[1]], self._local)
        return FixedWidthFile(tuple(rows), observed_at, self._header)

    def _without_trailer(self, rows: list[str]) -> list[str]:
        last = rows[-1].rstrip() if rows else ""
        count = last.removeprefix(self._trailer or "").strip()
        if not last.startswith(self._trailer or "") or not (count.isdecimal() and count.isascii()):
            raise BadInput(f"no trailer {self._trailer!r} with the number of rows in the last line")
        if len(count) > 18 or int(count) != len(rows) - 1:
            raise BadInput(f"the trailer says {count[:18]} rows, there are {len(rows) - 1}")
        return rows[:-1]
