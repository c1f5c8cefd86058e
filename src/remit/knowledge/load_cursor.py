"""How far a load came: the greatest cell of the column that says when a row changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from remit.connectors.answer import as_moment
from remit.knowledge.cell_kinds import cell_text, is_missing

__all__ = ["LoadCursor"]


class LoadCursor:
    """Takes cells as they are read and remembers the greatest as text.

    Cells are whole numbers, or moments of which those after ``latest`` do not count: a row from the future would have
    every later load begin there. Anything else does not count either; its row is held back. With ``names`` cells are
    names of files, in the order of their text.
    """

    def __init__(self, zone: tzinfo, latest: datetime, names: bool = False):
        self._zone, self._latest, self._names = zone, latest, names
        self._name = ""
        self._number: int | None = None
        self._moment: datetime | None = None
        self._texts = {"number": "", "moment": ""}

    @property
    def text(self) -> str:
        """The greatest cell as text; empty when there was none."""
        return self._name or self._texts["number" if self._moment is None else "moment"]

    def take(self, cells: Iterable[object]) -> None:
        """Take some more cells."""
        for cell in set(cells):
            if self._names:
                self._name = max(self._name, cell if isinstance(cell, str) else "")
                continue
            if is_missing(cell) or isinstance(cell, bool):
                continue
            text = (cell_text(cell) or "").strip()
            if text.isascii() and text.isdecimal() and len(text) < 40:
                if self._number is None or int(text) > self._number:
                    self._number, self._texts["number"] = int(text), text
                continue
            moment = as_moment(cell, self._zone)
            if moment is not None and moment <= self._latest and (self._moment is None or moment > self._moment):
                self._moment, self._texts["moment"] = moment, text
