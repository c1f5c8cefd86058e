"""Reading the cells of one column all at once, where every one of them is in the plainest form of its kind.

Most columns of most sources are so, and what then holds of all can be asked of them joined, several times cheaper than
cell by cell. What is read here is what the cell's own reader would have read; where that is in doubt, nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from remit.canonical import INTEGER_MAX
from remit.knowledge.cell_kinds import KEY_LENGTH_MAX, TEXT_LENGTH_MAX

__all__ = ["ReadColumn", "column_reader", "no_short_way", "plain_keys"]

ReadColumn = Callable[[Sequence[Any]], "Sequence[str | None] | None"]
"""Takes the cells of a column; returns what is kept of each, None when they must be read one by one."""

_TEXT: Final = {str}
_TEXT_OR_NONE: Final = {str, type(None)}
_WHOLE: Final = {int}
_WHOLE_DIGITS_MAX: Final = 15


def column_reader(kind: str, *, minor_digits: int, required: bool) -> ReadColumn:
    """Return the short way for columns of ``kind`` on which no rule but ``required`` lies.

    ``minor_digits`` is as in `remit.knowledge.cell_kinds.converter`.
    """
    if kind == "text":
        return _required_texts if required else _texts
    if kind == "integer" or (kind == "money" and not minor_digits):
        return _whole_numbers
    return no_short_way


def plain_keys(cells: Sequence[Any]) -> Sequence[str] | None:
    """Return the cells of a column as keys, when each of them is one as it stands."""
    if set(map(type, cells)) != _TEXT or not _are_plain("".join(cells)):
        return None
    lengths = set(map(len, cells))
    if min(lengths) == 0 or max(lengths) > KEY_LENGTH_MAX or list(map(str.strip, cells)) != list(cells):
        return None
    return cells


def _are_plain(joined: str) -> bool:
    """Whether text is its own JSON between quotes, and so is every part of it."""
    return joined.isascii() and joined.isprintable() and '"' not in joined and "\\" not in joined


def _required_texts(cells: Sequence[Any]) -> Sequence[str] | None:
    if set(map(type, cells)) != _TEXT:
        return None
    joined = "".join(cells)
    if len(joined) > TEXT_LENGTH_MAX or not _are_plain(joined) or not all(map(str.strip, cells)):
        return None
    return [f'"{cell}"' for cell in cells]


def _texts(cells: Sequence[Any]) -> Sequence[str | None] | None:
    if not set(map(type, cells)) <= _TEXT_OR_NONE:
        return None
    there = list(filter(None, cells))  # empty text is missing
    found = _required_texts(there) if there else []
    if found is None or len(there) == len(cells):
        return found
    return [f'"{cell}"' if cell else None for cell in cells]


def _whole_numbers(cells: Sequence[Any]) -> Sequence[str] | None:
    kinds = set(map(type, cells))
    if kinds == _WHOLE:
        return list(map(str, cells)) if min(cells) >= -INTEGER_MAX and max(cells) <= INTEGER_MAX else None
    if kinds != _TEXT:
        return None
    joined, lengths = "".join(cells), set(map(len, cells))
    if min(lengths) == 0 or max(lengths) > _WHOLE_DIGITS_MAX or not (joined.isascii() and joined.isdecimal()):
        return None
    return None if any(cell[0] == "0" for cell in cells) else cells


def no_short_way(_cells: Sequence[Any]) -> None:
    """Have every cell be read on its own."""
    return
