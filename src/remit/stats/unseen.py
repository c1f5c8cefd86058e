"""Combinations of values that are met now and were never tried."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from remit.stats.field_code import FieldKind, Value, shortened, value_key

__all__ = ["PAIRED_MAX", "UnseenSegment", "unseen_segments"]

SEGMENTS_MAX: Final = 100
PAIRED_MAX: Final = 40
"""Of so many fields pairs are made, the first by name."""
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class UnseenSegment:
    """``rows`` rows of now in which the ``fields`` have these ``values`` together, and none before.

    A number's value is the quarter of its earlier range it lies in, or beyond. Values are shown as they are: leave
    fields with personal data out.
    """

    fields: tuple[str, ...]
    values: tuple[str, ...]
    rows: int


def unseen_segments(
    columns: Mapping[str, tuple[FieldKind, Sequence[Value]]], rows_before: int, rows_min: int
) -> tuple[UnseenSegment, ...]:
    """Return the segments met in at least ``rows_min`` rows of now and never before, at most 100, largest first.

    Looked at are each field, each pair of fields (of the first 40), and all categories together; where a smaller
    combination is unseen already, larger ones that contain it are left out.
    """
    texts = {name: _texts(name, kind, values, rows_before) for name, (kind, values) in columns.items()}
    new: dict[str, set[str]] = {}
    found: list[UnseenSegment] = []
    for name, column in texts.items():
        seen = set(column[:rows_before])
        counts = Counter(text for text in column[rows_before:] if text not in seen)
        new[name] = set(counts)
        found += [UnseenSegment((name,), (text,), rows) for text, rows in counts.items()]
    unseen_pairs: set[tuple[str, str, str, str]] = set()
    for first, second in combinations(sorted(texts)[:PAIRED_MAX], 2):
        met = zip(texts[first][rows_before:], texts[second][rows_before:], strict=True)
        seen_pairs = set(zip(texts[first][:rows_before], texts[second][:rows_before], strict=True))
        for (one, other), rows in Counter(pair for pair in met if pair not in seen_pairs).items():
            if one not in new[first] and other not in new[second]:
                unseen_pairs.add((first, one, second, other))
                found.append(UnseenSegment((first, second), (one, other), rows))
    found += _together(
        texts, [name for name, (kind, _) in columns.items() if kind == "category"], rows_before, unseen_pairs
    )
    kept = [segment for segment in found if segment.rows >= rows_min]
    kept.sort(key=lambda one: (-one.rows, len(one.fields), one.fields, one.values))
    return tuple(
        UnseenSegment(one.fields, tuple(shortened(text) for text in one.values), one.rows)
        for one in kept[:SEGMENTS_MAX]
    )


def _together(
    texts: Mapping[str, Sequence[str]], names: list[str], rows_before: int, pairs: set[tuple[str, str, str, str]]
) -> list[UnseenSegment]:
    if len(names) < 3:
        return []
    rows = list(zip(*(texts[name] for name in names), strict=True))
    seen = set(rows[:rows_before])
    values = [set(texts[name][:rows_before]) for name in names]
    found = []
    for row, count in Counter(row for row in rows[rows_before:] if row not in seen).items():
        named = list(zip(names, row, strict=True))
        if all(text in known for text, known in zip(row, values, strict=True)) and not any(
            (first, one, second, other) in pairs for (first, one), (second, other) in combinations(sorted(named), 2)
        ):
            found.append(UnseenSegment(tuple(names), row, count))
    return found


def _texts(name: str, kind: FieldKind, values: Sequence[Value], rows_before: int) -> list[str]:
    texts = [value_key(name, value) for value in values]
    if kind == "category":
        return texts
    numbers = [None if text[:1] not in "-0123456789" else float(text) for text in texts]
    known = sorted(number for number in numbers[:rows_before] if number is not None)
    if not known:
        return texts
    edges = sorted({known[0], *(known[len(known) * part // _PARTS] for part in range(1, _PARTS)), known[-1]})
    return [text if number is None else _part(number, edges) for text, number in zip(texts, numbers, strict=True)]


def _part(number: float, edges: Sequence[float]) -> str:
    place = bisect_left(edges, number)
    if place == 0 and number < edges[0]:
        return f"below {edges[0]:g}"
    if place == len(edges):
        return f"above {edges[-1]:g}"
    return f"up to {edges[place]:g}"
