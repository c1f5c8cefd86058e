"""Does an agent now meet what it was tried on? Two sets of rows compared, field by field and together.

All tests are permutation tests: if both sets come from one source, which row is in which is as good as drawn, so the
share of random splits that look at least as different as the real one is an exact p-value, ties, missing values and
small counts included. Half of the stated chance of a false alarm goes to the fields (Holm), a quarter to pairs of
fields (the largest of all, Westfall and Young), a quarter to nearest neighbours. Rows must be independent of each
other: several rows of one case are one row too many.

A category is compared by chi-square over its values, a number by the largest standardised difference of the two
distribution functions at 31 cuts. A pair is compared by the chi-square of its cells beyond that of its two fields:
what changed *between* them. Neighbours see what is left: rows that lie closest to each other should be mixed.

Holm 1979; Westfall and Young 1993 (max-T); Phipson and Smyth 2010 (p = (b + 1) / (m + 1)); Schilling 1986 and Henze
1988 (nearest neighbours). Splits are drawn by a recorded seed: the same input gives the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations
from math import ceil, sqrt
from random import Random
from typing import Final

from remit.errors import BadInput
from remit.stats.field_code import FieldCode, FieldKind, Value, code_field, kind_of, row_set
from remit.stats.threshold import WHOLE_BP
from remit.stats.unseen import PAIRED_MAX, UnseenSegment, unseen_segments

__all__ = ["FieldShift", "NeighbourShift", "PairShift", "TwoSample", "compare_samples", "draw_subset"]

ROWS_MAX: Final = 200_000
TESTED_MAX: Final = 5_000
FIELDS_MAX: Final = 200
_NEAR_ROWS: Final = 1_500
_NEAR: Final = 5
_DRAWS_MIN: Final = 999
_DRAWS_MAX: Final = 9_999
_CELL_MIN: Final = 5
_CLOSE: Final = 1e-9
_PAIRS_SHOWN: Final = 50
_PROBABILITY_BITS: Final = 16

_Weighed = tuple[tuple[int, float, float], ...]
"""Sets of rows, each with how many of it a split should have and with one over what that varies by."""


@dataclass(frozen=True, slots=True)
class FieldShift:
    """One field. Of ``draws`` random splits, ``extreme`` differed at least as much: p = (extreme + 1) / (draws + 1).

    ``alarm`` after Holm over all fields. ``where`` is the value or cut with the largest difference, with its share
    before and now in basis points.
    """

    name: str
    kind: FieldKind
    extreme: int
    draws: int
    alarm: bool
    where: str
    share_before_bp: int
    share_now_bp: int


@dataclass(frozen=True, slots=True)
class PairShift:
    """Two fields that go together otherwise than before. In ``extreme`` of ``draws`` splits, some pair did as much."""

    names: tuple[str, str]
    extreme: int
    draws: int


@dataclass(frozen=True, slots=True)
class NeighbourShift:
    """Of the ``rows`` looked at, nearest neighbours are of the same set more often than chance explains, or not."""

    extreme: int
    draws: int
    alarm: bool
    rows: int


@dataclass(frozen=True, slots=True)
class TwoSample:
    """What the comparison found. Any alarm at all is false with a chance of at most ``false_alarm_bp``.

    ``tested_before`` and ``tested_now`` rows went into the tests (an even sample where there are more), all of them
    into ``segments``: combinations of values that are met now and were never tried, largest first.
    ``pairs`` are those that alarm, of ``pairs_tested``.
    """

    rows_before: int
    rows_now: int
    tested_before: int
    tested_now: int
    false_alarm_bp: int
    seed: int
    fields: tuple[FieldShift, ...]
    pairs: tuple[PairShift, ...]
    pairs_tested: int
    neighbours: NeighbourShift
    segments: tuple[UnseenSegment, ...]

    @property
    def alarm(self) -> bool:
        """Whether any test found that the rows do not come from where they came from before."""
        return bool(self.pairs) or self.neighbours.alarm or any(field.alarm for field in self.fields)


def compare_samples(
    before: Sequence[Mapping[str, Value]],
    now: Sequence[Mapping[str, Value]],
    *,
    seed: int,
    false_alarm_bp: int = 500,
    kinds: Mapping[str, FieldKind] | None = None,
    segment_rows_min: int = 5,
) -> TwoSample:
    """Compare the rows of the pilot with those of now. 5,000 rows of 20 fields each take some 10 seconds.

    A field that a row lacks is missing there. ``kinds`` may say which fields are categories and which numbers; else
    the values do. Of more than 40 fields, pairs are made among the first 40 by name.

    Raises:
        BadInput: no rows, more than 200,000, more than 200 fields, a value that is neither text, number, boolean nor
            missing, a kind that is none, or a chance of false alarms so small that no test could ever alarm.
    """
    kinds = kinds or {}
    names = _check(before, now, seed, false_alarm_bp, kinds, segment_rows_min)
    columns = {name: [row.get(name) for row in (*before, *now)] for name in names}
    found = {name: kinds.get(name) or kind_of(name, columns[name]) for name in names}
    random = Random(seed)  # noqa: S311  repeatable on purpose
    was, is_now = _tested(random, 0, len(before)), _tested(random, len(before), len(now))
    order = sorted(was + is_now, key=lambda _: random.random())
    fields = [code_field(name, [columns[name][row] for row in order], found[name]) for name in names]
    split = row_set((place for place, row in enumerate(order) if row >= len(before)), len(order))

    share = false_alarm_bp / WHOLE_BP
    draws_joint = _draws(share / 4)
    draws = max(draws_joint, _draws(share / 2 / len(names)))
    splits = [draw_subset(random, len(order), len(is_now)) for _ in range(draws)]
    pairs, pairs_tested = _pairs(fields[:PAIRED_MAX], len(order), split, splits[:draws_joint], share / 4)
    return TwoSample(
        len(before), len(now), len(was), len(is_now), false_alarm_bp, seed,
        _fields(fields, len(order), split, splits, share / 2),
        pairs, pairs_tested,
        _neighbours(fields, len(order), split, splits[:draws_joint], share / 4),
        unseen_segments({name: (found[name], columns[name]) for name in names}, len(before), segment_rows_min),
    )  # fmt: skip


def draw_subset(random: Random, count: int, chosen: int) -> int:
    """Return a set of ``chosen`` of ``count`` rows, each such set equally likely.

    Each row is in by its own coin at first; then rows drawn at random go in or out until the number is right. Nothing
    in it prefers a row.
    """
    odds = round(chosen / count * (1 << _PROBABILITY_BITS))
    rows = (1 << count) - 1 if odds >> _PROBABILITY_BITS else 0
    for bit in range(_PROBABILITY_BITS if rows == 0 else 0):
        coins = random.getrandbits(count)
        rows = rows | coins if odds >> bit & 1 else rows & coins
    left = chosen - rows.bit_count()
    while left:
        row = 1 << int(random.random() * count)
        if bool(rows & row) is (left < 0):
            rows ^= row
            left += 1 if left < 0 else -1
    return rows


def _check(
    before: Sequence[Mapping[str, Value]],
    now: Sequence[Mapping[str, Value]],
    seed: int,
    false_alarm_bp: int,
    kinds: Mapping[str, FieldKind],
    segment_rows_min: int,
) -> list[str]:
    """The names of the fields, sorted."""
    for called, rows in (("before", before), ("now", now)):
        if not 0 < len(rows) <= ROWS_MAX:
            raise BadInput(f"the rows of {called!r} must be from 1 to {ROWS_MAX}: got {len(rows)}")
    for called, value, least in (
        ("false_alarm_bp", false_alarm_bp, 1), ("segment_rows_min", segment_rows_min, 1), ("seed", seed, 0),
    ):  # fmt: skip
        if type(value) is not int or value < least:
            raise BadInput(f"{called} must be a whole number from {least}: got {value!r:.40}")
    for field, kind in kinds.items():
        if kind not in {"category", "number"}:
            raise BadInput(f"field {field!r:.80} is a category or a number: got {kind!r:.40}")
    names: set[str] = set()
    for row in (*before, *now):
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise BadInput(f"a row must have named fields: got {row!r:.80}")
        names.update(row)
        if len(names) > FIELDS_MAX:
            break
    if not 0 < len(names) <= FIELDS_MAX:
        raise BadInput(f"rows must have from 1 to {FIELDS_MAX} fields: got {len(names)}")
    if false_alarm_bp >= WHOLE_BP or _draws_least(false_alarm_bp / WHOLE_BP / 2 / max(2, len(names))) > _DRAWS_MAX:
        raise BadInput(f"with {len(names)} fields, a chance of false alarms of {false_alarm_bp} bp cannot be tested")
    return sorted(names)


def _draws_least(chance: float) -> int:
    """So many splits are needed for a p-value as small as ``chance``."""
    return ceil(1 / chance) - 1


def _draws(chance: float) -> int:
    return min(_DRAWS_MAX, max(_DRAWS_MIN, 2 * _draws_least(chance)))


def _tested(random: Random, first: int, count: int) -> list[int]:
    rows = range(first, first + count)
    return list(rows) if count <= TESTED_MAX else sorted(rows, key=lambda _: random.random())[:TESTED_MAX]


def _weigh(sets: Sequence[int], count: int, chosen: int) -> _Weighed:
    """Each set with its expected number in a split and one over the standard deviation of that (hypergeometric)."""
    weighed = []
    for rows in sets:
        size = rows.bit_count()
        spread = sqrt(chosen * (count - chosen) / max(1, count - 1) * size / count * (1 - size / count))
        weighed.append((rows, chosen * size / count, 1 / spread if spread else 0.0))
    return tuple(weighed)


def _distance(kind: FieldKind, weighed: _Weighed, split: int) -> float:
    if kind == "number":
        return max((abs((rows & split).bit_count() - mean) * weight for rows, mean, weight in weighed), default=0.0)
    return _chi_square(weighed, split)


def _chi_square(weighed: _Weighed, split: int) -> float:
    return sum(((rows & split).bit_count() - mean) ** 2 / mean for rows, mean, _ in weighed if mean)


def _fields(
    fields: Sequence[FieldCode], count: int, split: int, splits: Sequence[int], chance: float
) -> tuple[FieldShift, ...]:
    extremes = []
    for field in fields:
        weighed = _weigh(field.sets, count, split.bit_count())
        seen = _distance(field.kind, weighed, split) - _CLOSE
        extremes.append(sum(_distance(field.kind, weighed, other) >= seen for other in splits))
    alarms = _holm(extremes, len(splits), chance)
    return tuple(
        FieldShift(field.name, field.kind, extreme, len(splits), alarm, *_where(field, count, split))
        for field, extreme, alarm in zip(fields, extremes, alarms, strict=True)
    )


def _holm(extremes: Sequence[int], draws: int, chance: float) -> list[bool]:
    """Which are rejected, going from the smallest p-value until one is too large for those that are left."""
    alarms = [False] * len(extremes)
    for done, place in enumerate(sorted(range(len(extremes)), key=lambda place: (extremes[place], place))):
        if (extremes[place] + 1) / (draws + 1) > chance / (len(extremes) - done):
            break
        alarms[place] = True
    return alarms


def _where(field: FieldCode, count: int, split: int) -> tuple[str, int, int]:
    now = split.bit_count()
    shares = [(0.0, "", 0, 0)]
    for name, rows, (_, mean, weight) in zip(field.names, field.sets, _weigh(field.sets, count, now), strict=True):
        met = (rows & split).bit_count()
        earlier = (rows.bit_count() - met) * WHOLE_BP // (count - now)
        shares.append((abs(met - mean) * weight, name, earlier, met * WHOLE_BP // now))
    _, name, earlier, later = max(shares, key=lambda share: share[0])
    return name, earlier, later


def _pairs(
    fields: Sequence[FieldCode], count: int, split: int, splits: Sequence[int], chance: float
) -> tuple[tuple[PairShift, ...], int]:
    """Each pair's statistic is standardised by its own mean and spread over all splits, the real one among them."""
    chosen = split.bit_count()
    every = (split, *splits)
    alone = [[_chi_square(_weigh(field.cells, count, chosen), one) for one in every] for field in fields]
    largest = [float("-inf")] * len(every)
    seen = []
    for first, second in combinations(range(len(fields)), 2):
        crossed = [a & b for a in fields[first].cells for b in fields[second].cells]
        cells = _weigh([cell for cell in crossed if cell.bit_count() >= _CELL_MIN], count, chosen)
        beyond = [
            _chi_square(cells, one) - of_first - of_second
            for one, of_first, of_second in zip(every, alone[first], alone[second], strict=True)
        ]
        mean = sum(beyond) / len(beyond)
        spread = sqrt(sum((value - mean) ** 2 for value in beyond) / len(beyond))
        if spread > _CLOSE:
            standard = [(value - mean) / spread for value in beyond]
            largest = [max(a, b) for a, b in zip(largest, standard, strict=True)]
            seen.append((standard[0], (fields[first].name, fields[second].name)))
    found = []
    for value, names in sorted(seen, key=lambda one: (-one[0], one[1]))[:_PAIRS_SHOWN]:
        extreme = sum(most >= value - _CLOSE for most in largest[1:])
        if (extreme + 1) / len(every) <= chance:
            found.append(PairShift(names, extreme, len(splits)))
    return tuple(found), len(seen)


def _neighbours(
    fields: Sequence[FieldCode], count: int, split: int, splits: Sequence[int], chance: float
) -> NeighbourShift:
    """The rows are in random order, so the first of them are an even sample of all."""
    rows = min(count, _NEAR_ROWS)
    near = _nearest(fields, rows)
    seen = _mixed(near, split)
    extreme = sum(_mixed(near, other) >= seen for other in splits)
    return NeighbourShift(extreme, len(splits), (extreme + 1) / (len(splits) + 1) <= chance, rows)


def _nearest(fields: Sequence[FieldCode], count: int) -> list[int]:
    """For each row the set of the rows nearest to it: those that are in the same sets of rows most often."""
    sets = [rows for field in fields for rows in (field.cells if field.kind == "category" else _steps(field.cells))]
    places = [sum((rows >> row & 1) << place for place, rows in enumerate(sets)) for row in range(count)]
    near = []
    for row, own in enumerate(places):
        far = [(own ^ other).bit_count() for other in places]
        far[row] = len(sets) + 1
        near.append(row_set(nsmallest(min(_NEAR, count - 1), range(count), key=far.__getitem__), count))
    return near


def _steps(cells: Sequence[int]) -> list[int]:
    """Parts in order as the sets of all up to each: neighbouring parts differ in one set, distant ones in many."""
    steps, upto = [], 0
    for cell in cells:
        upto |= cell
        steps.append(upto)
    return steps


def _mixed(near: Sequence[int], split: int) -> int:
    """How many neighbours are on the same side of the split."""
    same = 0
    for row, others in enumerate(near):
        there = (others & split).bit_count()
        same += there if split >> row & 1 else others.bit_count() - there
    return same
