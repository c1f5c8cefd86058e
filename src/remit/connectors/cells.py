"""Bringing what a source gave into cells of the kinds that every reader promises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Final

__all__ = ["as_cells", "kinds_of_cells"]

_KINDS: Final = frozenset({type(None), bool, int, float, Decimal, str, date, datetime})


def as_cells(rows: Sequence[Sequence[object]]) -> Sequence[Sequence[object]]:
    """Return the rows with every cell None, a truth value, a number, text, a date or a moment.

    Anything else becomes text: bytes in hexadecimal, lists and objects as JSON, the rest as it shows itself.
    """
    if kinds_of_cells(rows) <= _KINDS:
        return rows
    return [[cell if type(cell) in _KINDS else _text(cell) for cell in row] for row in rows]


def kinds_of_cells(rows: Sequence[Sequence[object]]) -> set[type]:
    """Return the types of all cells."""
    return set(map(type, chain.from_iterable(rows)))


def _text(cell: object) -> object:
    for kind in (datetime, date, str):  # a driver's own subclasses
        if isinstance(cell, kind):
            return str(cell) if kind is str else cell
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell).hex()
    if isinstance(cell, time):
        return cell.isoformat()
    if isinstance(cell, Mapping | list | tuple | set | frozenset):
        plain = dict(cell) if isinstance(cell, Mapping) else list(cell)
        return json.dumps(plain, default=str, ensure_ascii=False)
    return str(cell)
