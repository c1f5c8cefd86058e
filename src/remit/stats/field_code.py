"""A field's values as sets of rows: one whole number for each set, with one bit for each row.

How often a set meets a sample is then one ``&`` and one ``bit_count``, so that thousands of permutations of thousands
of rows take seconds in plain Python. Missing is a category of its own, and so is what is no number among numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Final, Literal

from remit.errors import BadInput

__all__ = ["MISSING", "FieldCode", "FieldKind", "Value", "code_field", "kind_of", "row_set", "shortened", "value_key"]

FieldKind = Literal["category", "number"]
Value = None | bool | int | float | str | Decimal
"""What a field may hold; None is missing."""

MISSING: Final = "missing"
_NO_NUMBER: Final = "not a number"
_REST: Final = "any other value"
_CUTS_MAX: Final = 32
_CATEGORIES_MAX: Final = 32
_COARSE: Final = 3
_DISTINCT_MIN: Final = 10
_SHOWN_MAX: Final = 82
_SIZE_MAX: Final = 10_000
_BITS_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class FieldCode:
    """One field's rows. ``sets`` are what its own test looks at: for a category, the rows with each value; for
    a number, those at or below each cut, and those that hold none. ``cells`` split all rows into a few parts.
    ``names`` say in words what each of the ``sets`` is.
    """

    name: str
    kind: FieldKind
    names: tuple[str, ...]
    sets: tuple[int, ...]
    cells: tuple[int, ...]


def kind_of(name: str, values: Iterable[object]) -> FieldKind:
    """Return ``number`` where at least nine in ten of the values are finite numbers, more than ten different ones.

    Raises:
        BadInput: a value that is neither text, number, boolean nor missing.
    """
    numbers = others = 0
    different: set[float] = set()
    for value in values:
        if value is None:
            continue
        number = _number(name, value)
        if number is None:
            others += 1
        else:
            numbers += 1
            if len(different) <= _DISTINCT_MIN:
                different.add(number)
    return "number" if len(different) > _DISTINCT_MIN and numbers >= 9 * others else "category"


def code_field(name: str, values: Sequence[Value], kind: FieldKind) -> FieldCode:
    """Return the sets of rows of one field. They depend on the values of all rows alike, not on the sample each is in.

    Raises:
        BadInput: a value that is neither text, number, boolean nor missing.
    """
    return _code_numbers(name, values) if kind == "number" else _code_categories(name, values)


def row_set(rows: Iterable[int], count: int) -> int:
    """Return the set of ``rows``, each below ``count``, as one number: bit i for row i."""
    field = bytearray((count + 7) // 8)
    for row in rows:
        field[row >> 3] |= 1 << (row & 7)
    return int.from_bytes(field, "little")


def value_key(name: str, value: object) -> str:
    """Return a value as text, different for different values: texts in quotes, so that ``"5"`` is not ``5``.

    Raises:
        BadInput: a value that is neither text, number, boolean nor missing, or a text of more than 10,000 characters.
    """
    if value is None:
        return MISSING
    if isinstance(value, str):
        if len(value) > _SIZE_MAX:
            raise BadInput(f"field {name!r:.80} holds a text of {len(value)} characters, more than {_SIZE_MAX}")
        return f'"{value}"'
    if isinstance(value, int):
        return str(value).lower() if value.bit_length() <= _BITS_MAX else f"a number of {value.bit_length()} bits"
    number = _number(name, value)
    return str(value).lower() if number is None else f"{number:.17g}"


def shortened(key: str) -> str:
    """Return what is shown of a key: its first 82 characters."""
    return key[:_SHOWN_MAX]


def _number(name: str, value: object) -> float | None:
    """The value as a number; None for text, booleans and what is not finite."""
    if type(value) is bool or isinstance(value, str):
        return None
    if not isinstance(value, int | float | Decimal):
        raise BadInput(
            f"field {name!r:.80} holds {type(value).__name__}; only text, numbers, booleans and missing can be compared"
        )
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if isfinite(number) else None


def _code_categories(name: str, values: Sequence[Value]) -> FieldCode:
    places: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        places.setdefault(value_key(name, value), []).append(row)
    ordered = sorted(places, key=lambda key: (-len(places[key]), key))
    names, sets = [], []
    for key in ordered[:_CATEGORIES_MAX]:
        names.append(shortened(key))
        sets.append(row_set(places[key], len(values)))
    if len(ordered) > _CATEGORIES_MAX:
        names.append(_REST)
        sets.append(row_set((row for key in ordered[_CATEGORIES_MAX:] for row in places[key]), len(values)))
    rest = 0
    for rows in sets[_COARSE:]:
        rest |= rows
    return FieldCode(name, "category", tuple(names), tuple(sets), (*sets[:_COARSE], *([rest] if rest else [])))


def _code_numbers(name: str, values: Sequence[Value]) -> FieldCode:
    held: list[tuple[float, int]] = []
    absent: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        number = None if value is None else _number(name, value)
        if number is None:
            absent.setdefault(MISSING if value is None else _NO_NUMBER, []).append(row)
        else:
            held.append((number, row))
    held.sort()
    numbers = [number for number, _ in held]
    names, sets = [], []
    for cut in _cuts(numbers, _CUTS_MAX):
        names.append(f"at most {cut:.12g}")
        sets.append(row_set((row for _, row in held[: bisect_right(numbers, cut)]), len(values)))
    cells, before = [], 0
    for cut in [*_cuts(numbers, _COARSE), *numbers[-1:]]:
        upto = bisect_right(numbers, cut)
        cells.append(row_set((row for _, row in held[before:upto]), len(values)))
        before = upto
    for key, rows in sorted(absent.items()):
        names.append(key)
        sets.append(row_set(rows, len(values)))
    if absent:
        cells.append(row_set((row for rows in absent.values() for row in rows), len(values)))
    return FieldCode(name, "number", tuple(names), tuple(sets), tuple(cells))


def _cuts(numbers: list[float], parts: int) -> list[float]:
    """At most ``parts - 1`` of the sorted numbers, each with some above it, that split them as evenly as ties let."""
    found = {numbers[len(numbers) * part // parts] for part in range(1, parts)} if numbers else set()
    return [cut for cut in sorted(found) if cut < numbers[-1]]
