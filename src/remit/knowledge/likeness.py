"""How alike two texts are: Jaro-Winkler, Damerau-Levenshtein, Jaccard; in plain Python, as DuckDB does it.

DuckDB compares bytes of UTF-8, so these do too: a model that was trained there gives the same weights here, but for
the last bits of a fraction. What was computed last is kept, as the levels of one comparison ask about the same two
texts several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

__all__ = ["damerau_within", "jaccard", "jaro_winkler"]

_TAKEN: Final = 0xFF
"""A byte that stands nowhere in UTF-8."""


@lru_cache(maxsize=8_192)
def jaro_winkler(left: str, right: str) -> float:
    """Return the likeness of two texts, 0.0 to 1.0 (Winkler 1990; prefix weight 0.1 over at most 4, from 0.7 up).

    Two empty texts are not alike at all, as nothing is known of either.
    """
    if left == right:
        return 1.0 if left else 0.0
    one, two = left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    jaro = _jaro(one, two)
    if jaro <= 0.7:
        return jaro
    prefix = 0
    for first, second in zip(one[:4], two[:4], strict=False):
        if first != second:
            break
        prefix += 1
    return jaro + prefix * 0.1 * (1.0 - jaro)


def _jaro(one: bytes, two: bytes) -> float:
    """Count what both have near the same place, less half of what stands in another order (Jaro 1989)."""
    size_one, size_two = len(one), len(two)
    if not size_one or not size_two:
        return 0.0
    reach = max(max(size_one, size_two) // 2 - 1, 0)
    left = bytearray(two)
    find = left.find
    met: list[int] = []
    places: list[int] = []
    for place, unit in enumerate(one):
        other = find(unit, place - reach if place > reach else 0, place + reach + 1)
        if other >= 0:
            left[other] = _TAKEN
            met.append(unit)
            places.append(other)
    if not met:
        return 0.0
    count = len(met)
    places.sort()
    moved = sum(unit != two[other] for unit, other in zip(met, places, strict=True))
    return (count / size_one + count / size_two + (count - moved // 2) / count) / 3.0


def damerau_within(left: str, right: str, most: int) -> bool:
    """Is it at most ``most`` insertions, deletions, changes or swaps of neighbours from one text to the other?

    The distance without the restriction that a part is edited once (Lowrance and Wagner 1975).
    """
    if left == right:
        return True
    if left.isascii() and right.isascii() and abs(len(left) - len(right)) > most:
        return False
    return _distance(left, right) <= most


@lru_cache(maxsize=8_192)
def _distance(left: str, right: str) -> int:
    one, two = left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    start, limit = 0, min(len(one), len(two))
    while start < limit and one[start] == two[start]:
        start += 1
    end = 0
    while end < limit - start and one[-1 - end] == two[-1 - end]:
        end += 1
    one, two = one[start : len(one) - end], two[start : len(two) - end]
    if not one or not two or len(one) == len(two) == 1:  # one side has more, or one byte is changed
        return max(len(one), len(two))
    return _damerau(one, two)


def _damerau(one: bytes, two: bytes) -> int:
    far = len(one) + len(two)
    table = [[far] * (len(two) + 2) for _ in range(len(one) + 2)]
    for row in range(len(one) + 1):
        table[row + 1][1] = row
    for column in range(len(two) + 1):
        table[1][column + 1] = column
    last_row: dict[int, int] = {}
    for row, unit in enumerate(one, 1):
        last_column = 0
        here, above = table[row + 1], table[row]
        for column, other in enumerate(two, 1):
            same_row, same_column = last_row.get(other, 0), last_column
            cost = 1
            if unit == other:
                cost = 0
                last_column = column
            swapped = table[same_row][same_column] + (row - same_row - 1) + 1 + (column - same_column - 1)
            here[column + 1] = min(above[column] + cost, here[column] + 1, above[column + 1] + 1, swapped)
        last_row[unit] = row
    return table[len(one) + 1][len(two) + 1]


def jaccard(left: Sequence[str], right: Sequence[str]) -> float:
    """Return the share of what both hold in what either holds; 0.0 when both are empty. Nothing stands twice in one."""
    both = len(set(left) & set(right))
    either = len(left) + len(right) - both
    return both / either if either else 0.0
