"""The data cliff: p-values against full enumeration, the stated rate of false alarms, power, what was never tried."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.stats.field_code import Value, code_field, kind_of, row_set, value_key
from remit.stats.two_sample import FieldShift, TwoSample, compare_samples, draw_subset
from remit.stats.unseen import unseen_segments

Rows = list[dict[str, Value]]
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "5", 0.5, Decimal("1.5")])


def rows_of(*columns: list[Value]) -> Rows:
    return [{f"f{number}": value for number, value in enumerate(row)} for row in zip(*columns, strict=True)]


def chi_square(values: list[str], chosen: frozenset[int]) -> float:
    total = 0.0
    counts = Counter(values[row] for row in chosen)
    for name, size in Counter(values).items():
        mean = len(chosen) * size / len(values)
        total += (counts[name] - mean) ** 2 / mean
    return total


def largest_difference(values: list[Value], chosen: frozenset[int]) -> float:
    """Over all cuts and being missing, in standard deviations of a random split."""
    count, now = len(values), len(chosen)
    numbers = [value for value in values if isinstance(value, int | float)]
    groups = [[row for row, value in enumerate(values) if value is None]]
    groups += [
        [row for row, value in enumerate(values) if isinstance(value, int | float) and value <= cut]
        for cut in set(numbers) - {max(numbers)}
    ]
    largest = 0.0
    for group in groups:
        if 0 < len(group) < count:
            mean = now * len(group) / count
            variance = now * (count - now) / (count - 1) * len(group) / count * (1 - len(group) / count)
            largest = max(largest, abs(len(chosen & set(group)) - mean) / variance**0.5)
    return largest


@pytest.mark.parametrize("seed", range(4))
def test_a_field_has_the_p_value_of_all_splits_enumerated(seed: int) -> None:
    drawn = random.Random(seed)
    category: list[Value] = [drawn.choice(["a", "b", "c", None]) for _ in range(14)]
    number: list[Value] = [drawn.choice([None, *range(20)]) for _ in range(14)]
    rows = rows_of(category, number)
    result = compare_samples(rows[:8], rows[8:], seed=seed, kinds={"f0": "category", "f1": "number"})
    splits = [frozenset(rows) for rows in combinations(range(14), 6)]
    real = frozenset(range(8, 14))
    statistics: list[tuple[FieldShift, Callable[[frozenset[int]], float]]] = [
        (result.fields[0], lambda chosen: chi_square([str(value) for value in category], chosen)),
        (result.fields[1], lambda chosen: largest_difference(number, chosen)),
    ]
    for found, statistic in statistics:
        seen = statistic(real) - 1e-9
        exact = sum(statistic(split) >= seen for split in splits) / len(splits)
        drawn_p = (found.extreme + 1) / (found.draws + 1)
        # Five standard deviations of a share of 999 draws are at most .08.
        assert abs(drawn_p - exact) < 0.08


def test_a_rare_value_that_comes_up_weighs_more_than_a_common_one() -> None:
    """Enumerated: chi-square divides by what was expected; without that, p would be .13 and not .028."""
    values = ["common"] * 6 + ["rare"] * 3 + ["common"] * 6 + ["other"] * 3
    now = frozenset(range(6, 12))
    order = sorted(range(18), key=lambda row: (row in now, row))
    rows: Rows = [{"f": values[row]} for row in order]
    splits = [frozenset(rows) for rows in combinations(range(18), 6)]
    seen = chi_square(values, now) - 1e-9
    exact = sum(chi_square(values, split) >= seen for split in splits) / len(splits)
    (found,) = compare_samples(rows[:12], rows[12:], seed=2).fields
    assert abs((found.extreme + 1) / (found.draws + 1) - exact) < 0.02
    assert (found.where, found.share_before_bp, found.share_now_bp) == ('"rare"', 0, 5_000)


def fresh(drawn: random.Random, count: int) -> Rows:
    return [
        {
            "amount": round(drawn.gauss(100, 20), 1) if drawn.random() > 0.1 else None,
            "country": drawn.choice("abcd"),
            "urgent": drawn.random() < 0.3,
        }
        for _ in range(count)
    ]


def test_false_alarms_are_as_rare_as_stated() -> None:
    """At a stated 30 %, 40 comparisons: more than 21 alarms have a chance below 0.001."""
    alarms = 0
    for seed in range(40):
        drawn = random.Random(seed)
        result = compare_samples(fresh(drawn, 40), fresh(drawn, 30), seed=seed, false_alarm_bp=3_000)
        alarms += result.alarm
    assert alarms <= 21


def shifted(name: str, change: Any, count: int = 400) -> TwoSample:
    drawn = random.Random(3)
    now = fresh(drawn, count)
    for row in now:
        row[name] = change(row[name], drawn)
    return compare_samples(fresh(drawn, count), now, seed=7)


@pytest.mark.parametrize(
    ("name", "change", "where"),
    [
        ("amount", lambda value, _: None if value is None else value + 8, "at most"),
        ("amount", lambda value, drawn: None if drawn.random() < 0.15 else value, "missing"),
        ("amount", lambda value, drawn: "unknown" if drawn.random() < 0.08 else value, "not a number"),
        ("country", lambda value, drawn: "a" if drawn.random() < 0.2 else value, '"a"'),
        ("urgent", lambda value, drawn: value or drawn.random() < 0.25, "true"),
    ],
)
def test_a_shift_of_one_field_is_found_there_and_said_where(name: str, change: Any, where: str) -> None:
    result = shifted(name, change)
    assert [field.name for field in result.fields if field.alarm] == [name]
    found = next(field for field in result.fields if field.name == name)
    assert found.where.startswith(where) or (where in {"true"} and found.where == "false")
    assert abs(found.share_before_bp - found.share_now_bp) > 500
    assert not result.pairs, "what goes together has not changed"
    assert result.alarm


def test_a_joint_shift_under_equal_margins_is_found_in_the_pair() -> None:
    drawn = random.Random(11)

    def rows(together: float) -> Rows:
        result: Rows = []
        for _ in range(400):
            one, other = drawn.choice("ab"), drawn.choice("ab")
            result.append(
                {
                    "one": one,
                    "other": one if drawn.random() < together else other,
                    "noise": drawn.random(),
                    "third": drawn.choice("xyz"),
                }
            )
        return result

    result = compare_samples(rows(0.0), rows(0.4), seed=5)
    assert not [field.name for field in result.fields if field.alarm]
    assert [pair.names for pair in result.pairs] == [("one", "other")]
    assert result.pairs_tested == 6
    assert result.alarm


def test_what_only_three_fields_show_together_is_found_by_neighbours() -> None:
    drawn = random.Random(4)

    def rows(odd: bool) -> Rows:
        result: Rows = []
        for _ in range(300):
            one, two = drawn.randrange(2), drawn.randrange(2)
            three = (one + two + 1) % 2 if odd else drawn.randrange(2)
            result.append({"one": one, "two": two, "three": three, "four": drawn.choice("pq")})
        return result

    result = compare_samples(rows(False), rows(True), seed=5)
    assert not [field.name for field in result.fields if field.alarm]
    assert not result.pairs
    assert result.neighbours.alarm
    assert result.alarm


def test_the_same_rows_never_alarm_and_the_same_seed_gives_the_same_answer() -> None:
    rows = fresh(random.Random(1), 100)
    once = compare_samples(rows, rows, seed=3)
    assert not once.alarm
    assert once == compare_samples(rows, rows, seed=3)
    assert once.segments == ()
    assert (once.rows_before, once.tested_now, once.neighbours.rows) == (100, 100, 200)


def test_of_many_rows_an_even_sample_is_tested_and_all_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.stats.two_sample.TESTED_MAX", 50)
    before: Rows = [{"kind": "old"} for _ in range(300)]
    now: Rows = [{"kind": "new" if number < 6 else "old"} for number in range(200)]
    result = compare_samples(before, now, seed=1)
    assert (result.tested_before, result.tested_now, result.rows_now) == (50, 50, 200)
    assert [(one.fields, one.values, one.rows) for one in result.segments] == [(("kind",), ('"new"',), 6)]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.data())
def test_a_drawn_subset_has_its_size(count: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, count))
    rows = draw_subset(random.Random(data.draw(st.integers(0, 99))), count, chosen)
    assert rows.bit_count() == chosen
    assert rows < 1 << count


@pytest.mark.parametrize(("count", "chosen"), [(5, 2), (6, 1), (4, 4), (6, 5)])
def test_each_subset_is_drawn_equally_often(count: int, chosen: int) -> None:
    drawn = random.Random(8)
    every = [row_set(rows, count) for rows in combinations(range(count), chosen)]
    counts = Counter(draw_subset(drawn, count, chosen) for _ in range(400 * len(every)))
    assert set(counts) == set(every)
    assert max(abs(counts[rows] - 400) for rows in every) < 100, "five standard deviations"


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=40), st.sampled_from(["category", "number"]))
def test_the_sets_of_a_field_are_the_rows_they_name(values: list[Value], kind: Any) -> None:
    code = code_field("f", values, kind)
    keys = [value_key("f", value) for value in values]
    everything = (1 << len(values)) - 1
    assert sum(cell.bit_count() for cell in code.cells) == len(values)
    union = 0
    for cell in code.cells:
        assert not union & cell
        union |= cell
    assert union == everything
    for name, rows in zip(code.names, code.sets, strict=True):
        inside = [row for row in range(len(values)) if rows >> row & 1]
        if kind == "category":
            assert inside == [row for row, key in enumerate(keys) if key == name]
        elif name.startswith("at most "):
            cut = float(name.removeprefix("at most "))
            numeric = {row: float(value) for row, value in enumerate(values) if type(value) in {int, float, Decimal}}  # type: ignore[arg-type]
            assert inside == [row for row, number in numeric.items() if number <= cut]
            assert len(inside) < len(numeric)
        elif name == "missing":
            assert inside == [row for row, value in enumerate(values) if value is None]
        else:
            assert inside == [row for row, value in enumerate(values) if isinstance(value, bool | str)]


def test_many_values_and_long_ones_are_gathered() -> None:
    values: list[Value] = [*(f"{number:03d}" + "x" * 200 for number in range(40)), *["b"] * 3]
    code = code_field("f", values, "category")
    assert (len(code.sets), code.names[0], code.names[-1]) == (33, '"b"', "any other value")
    assert code.sets[-1].bit_count() == 40 - 31
    assert max(len(name) for name in code.names) == 82
    just = code_field("f", [*range(32)], "category")
    assert (len(just.names), len(just.cells), just.names[-1]) == (32, 4, "9")
    numbers = code_field("f", [*range(320)], "number")
    assert [rows.bit_count() for rows in numbers.sets] == [10 * part + 1 for part in range(1, 32)]
    assert [cell.bit_count() for cell in numbers.cells] == [107, 107, 106]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([*range(11)], "number"),
        ([*range(10)] * 9, "category"),
        ([None, *range(11), "x"], "number"),
        ([*range(11), "x", "y"], "category"),
        ([None, None], "category"),
        ([Decimal(number) / 7 for number in range(12)], "number"),
        ([True, False] * 20, "category"),
        ([float("nan")] * 20, "category"),
    ],
)
def test_the_kind_is_read_from_the_values(values: list[Value], kind: str) -> None:
    assert kind_of("f", values) == kind


def test_different_values_have_different_keys() -> None:
    huge = 10**5_000
    values: list[Value] = [
        None, "missing", True, "true", 1, "1", 1.5, "1.5", 123_456_789_012_345_678, 123_456_789_012_345_679,
        float("nan"), float("inf"), huge, Decimal("sNaN"),
    ]  # fmt: skip
    keys = [value_key("f", value) for value in values]
    assert len(set(keys)) == len(keys)
    assert value_key("f", 1) == value_key("f", 1.0) == value_key("f", Decimal("1.00"))
    rows: Rows = [{"f": value} for value in values]
    assert not compare_samples(rows, rows, seed=1, kinds={"f": "number"}).alarm
    assert not compare_samples([{"f": 5}] * 3, [{"f": 5}] * 3, seed=1, kinds={"f": "number"}).alarm


def plain_segments(columns: dict[str, list[str]], before: int) -> dict[tuple[tuple[str, ...], tuple[str, ...]], int]:
    """Every combination of one, two or all fields, met now and not before, unless a smaller one says so already."""
    names = sorted(columns)
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    for size in {1, 2, len(names)}:
        for chosen in combinations(names, size):
            rows = list(zip(*(columns[name] for name in chosen), strict=True))
            for row, count in Counter(rows[before:]).items():
                smaller = any(set(zip(*key, strict=True)) < set(zip(chosen, row, strict=True)) for key in found)
                if row not in rows[:before] and not smaller:
                    found[chosen, row] = count
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(*[st.sampled_from("ab")] * 4), min_size=12, max_size=30),
    st.data(),
    st.integers(1, 3),
)
def test_unseen_segments_are_all_and_only_those_never_met(
    rows: list[tuple[str, ...]], data: st.DataObject, least: int
) -> None:
    before = data.draw(st.integers(1, len(rows) - 1))
    columns = {f"f{number}": [row[number] for row in rows] for number in range(4)}
    plain = {
        (fields, tuple(f'"{value}"' for value in values)): count
        for (fields, values), count in plain_segments(columns, before).items()
        if count >= least
    }
    found = unseen_segments({name: ("category", column) for name, column in columns.items()}, before, least)
    assert {(one.fields, one.values): one.rows for one in found} == plain
    assert [one.rows for one in found] == sorted((one.rows for one in found), reverse=True)


def test_numbers_are_tried_in_quarters_of_their_earlier_range() -> None:
    before: list[Value] = [*range(1, 101), None]
    now: list[Value] = [0, -5, 101, 50, 26, 27, "x"]
    found = unseen_segments({"n": ("number", before + now)}, len(before), 1)
    assert {one.values[0]: one.rows for one in found} == {"below 1": 2, "above 100": 1, '"x"': 1}
    both = unseen_segments(
        {"n": ("number", [*range(1, 101)] * 2 + [99] * 7), "c": ("category", ["a"] * 100 + ["b"] * 20 + ["a"] * 87)},
        120, 5,
    )  # fmt: skip
    assert both == ()
    pairs = unseen_segments(
        {"n": ("number", [*range(1, 101), 99, 98, 97]), "c": ("category", ["a"] * 90 + ["b"] * 13)}, 100, 1
    )
    assert pairs == ()
    crossed = unseen_segments(
        {"n": ("number", [1, 2, 3, 4, 1, 1]), "c": ("category", ["a", "a", "b", "b", "b", "b"])}, 4, 1
    )
    assert [(one.fields, one.values, one.rows) for one in crossed] == [(("c", "n"), ('"b"', "up to 1"), 2)]


GOOD: Rows = [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "make",
    [
        lambda: compare_samples([], GOOD, seed=1),
        lambda: compare_samples(GOOD, [], seed=1),
        lambda: compare_samples([{}], [{}], seed=1),
        lambda: compare_samples([{}] * 200_001, GOOD, seed=1),
        lambda: compare_samples([{str(number): 1 for number in range(201)}], GOOD, seed=1),
        lambda: compare_samples(GOOD, GOOD, seed=1, false_alarm_bp=0),
        lambda: compare_samples(GOOD, GOOD, seed=1, false_alarm_bp=10_000),
        lambda: compare_samples(GOOD, GOOD, seed=1, false_alarm_bp=3),
        lambda: compare_samples(GOOD, GOOD, seed=-1),
        lambda: compare_samples(GOOD, GOOD, seed="x"),  # type: ignore[arg-type]
        lambda: compare_samples(GOOD, GOOD, seed=1, segment_rows_min=0),
        lambda: compare_samples(GOOD, GOOD, seed=1, kinds={"a": "text"}),  # type: ignore[dict-item]
        lambda: compare_samples([{"a": [1]}], GOOD, seed=1),  # type: ignore[dict-item]
        lambda: compare_samples([{"a": b"x"}], GOOD, seed=1),  # type: ignore[dict-item]
        lambda: compare_samples([{"a": "x" * 10_001}], GOOD, seed=1),
        lambda: compare_samples([{1: 2}], GOOD, seed=1),  # type: ignore[dict-item]
        lambda: compare_samples([[1]], GOOD, seed=1),  # type: ignore[list-item]
    ],
)
def test_what_cannot_be_compared_is_refused(make: Any) -> None:
    with pytest.raises(BadInput):
        make()


def test_a_chance_of_four_basis_points_can_still_alarm() -> None:
    before: Rows = [{"a": "x", "b": "x"}] * 60
    now: Rows = [{"a": "y", "b": "x"}] * 60
    result = compare_samples(before, now, seed=1, false_alarm_bp=4)
    assert [field.alarm for field in result.fields] == [True, False]
    assert result.neighbours.alarm
