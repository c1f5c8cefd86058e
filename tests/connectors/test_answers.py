"""From what systems write to what may be recorded; and from parameters to what is sent."""

from __future__ import annotations

import contextlib
import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.connectors.answer import MISSING, as_cost, as_moment, parse_answer, plain, walk, zone
from remit.connectors.placeholder import conceal, fill, fill_path, fill_query, fill_text, placeholders
from remit.errors import BadInput

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@settings(max_examples=200)
@given(VALUES)
def test_any_json_is_recorded_or_refused_and_never_changed_silently(value: Any) -> None:
    text = json.dumps(value)
    try:
        parsed = parse_answer(text.encode())
    except BadInput:
        return
    canonical(parsed)
    assert same(value, parsed)


def same(value: Any, parsed: Any) -> bool:
    """A plain reading: equal, but for numbers that are kept as the text they were written as, and escaped keys."""
    if isinstance(value, float) or (type(value) is int and abs(value) > 2**53 - 1):
        return type(parsed) is str and parsed == json.dumps(value)
    if isinstance(value, dict):
        keys = {key: key.encode("ascii", "backslashreplace").decode() for key in value}
        return len(parsed) == len(value) and all(same(value[key], parsed[new]) for key, new in keys.items())
    if isinstance(value, list):
        return len(parsed) == len(value) and all(map(same, value, parsed))
    return type(parsed) is type(value) and bool(parsed == value)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadInput):
        canonical(parse_answer(body))


def test_two_keys_that_look_alike_once_escaped_are_refused() -> None:
    with pytest.raises(BadInput, match="twice"):
        parse_answer('{"é": 1, "\\\\xe9": 2}'.encode())
    with pytest.raises(BadInput, match="twice"):
        parse_answer(b'{"a": 1, "a": 1}')


def test_a_byte_order_mark_is_no_trouble() -> None:
    assert parse_answer(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E+999999"), "1E+999999"),
        (0.1, "0.1"),
        (2**53, str(2**53)),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), "2026-03-01T09:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, [True, None]), [1, [True, None]]),
        ({"ü": 1.5}, {"\\xfc": "1.5"}),
    ],
)
def test_what_a_driver_gives(value: object, expected: object) -> None:
    assert plain(value) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN"), b"x", object(), timedelta(1), memoryview(b"")])
def test_what_cannot_be_recorded(value: object) -> None:
    with pytest.raises(BadInput):
        plain(value)


def test_walking() -> None:
    value: Any = {"a": {"b": [{"c": 0}, {"c": None}]}, "0": "zero", "ä": 1}
    value["\\xe4"] = value.pop("ä")
    assert walk(value, "a.b.0.c") == 0
    assert walk(value, "a.b.1.c") is None
    assert walk(value, "0") == "zero"
    assert walk(value, "ä") == 1
    for path in ("a.b.2", "a.b.-1", "a.b.x", "a.c", "a.b.0.c.d", "a.", ".", "a.b.٠", "a.b." + "9" * 5000):
        assert walk(value, path) is MISSING
    assert walk(value, "") is value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T09:00:00Z", datetime(2026, 3, 1, 9, tzinfo=UTC)),
        ("2026-03-01T09:00:00+02:00", datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("20260301", datetime(2026, 3, 1, tzinfo=UTC)),
        (" 202603010915 ", datetime(2026, 3, 1, 9, 15, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        (date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
        (1_767_225_600, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_moments(value: object, expected: datetime) -> None:
    assert as_moment(value, UTC) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        20260301,
        -1,
        1_767_225_600_000,
        1.5,
        "",
        "today",
        "20261301",
        "2026",
        "202603010999",
        "x" * 500,
        [1],
    ],
)
def test_what_is_no_moment(value: object) -> None:
    assert as_moment(value, UTC) is None


def test_a_moment_without_a_zone_never_looks_younger_than_it_is() -> None:
    lisbon = ZoneInfo("Europe/Lisbon")
    # 25 October 2026, 01:30 comes twice in Lisbon: the first is meant.
    assert as_moment("2026-10-25T01:30:00", lisbon) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert as_moment("2026-07-01", lisbon) == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert as_moment("0001-01-01T00:00:00", ZoneInfo("Asia/Tokyo")) is None


@given(st.text(max_size=45))
def test_no_text_breaks_the_reading_of_moments(text: str) -> None:
    moment = as_moment(text, UTC)
    assert moment is None or moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("name", ["Nowhere/City", "../../etc/passwd", "", "/etc/localtime", "a\x00b"])
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(BadInput, match="no time zone"):
        zone(name)


def test_costs() -> None:
    assert [as_cost(value) for value in (0, 5, -1, True, "5", None, 2**53)] == [
        0,
        5,
        None,
        None,
        None,
        None,
        None,
    ]


def test_placeholders_of_nested_templates() -> None:
    template = {"a": "$x", "b": ["$y and $z", {"c": "$$not"}], "d": 5}
    assert list(placeholders(template)) == ["x", "y", "z"]


def test_filling_keeps_types_and_leaves_out_what_is_not_there() -> None:
    template = {
        "n": "$n",
        "t": "no. $n",
        "gone": "$gone",
        "nothing": "$nothing",
        "money": "$$5",
        "in": [{"x": "$gone"}],
    }
    assert fill(template, {"n": 5, "nothing": None}) == {
        "n": 5,
        "t": "no. 5",
        "nothing": None,
        "money": "$5",
        "in": [{}],
    }
    for broken in ("a $gone", ["$gone"], {"x": "a $nothing"}, "a $list"):
        with pytest.raises(BadInput):
            fill(broken, {"nothing": None, "list": [1]})


@given(st.text(), st.text())
def test_a_value_is_never_taken_for_a_template(first: str, second: str) -> None:
    assert fill_text("$a|$b", {"a": first, "b": second}) == f"{first}|{second}"


@pytest.mark.parametrize("value", ["", ".", "..", None, [1], {}])
def test_no_parameter_climbs_out_of_a_path(value: Any) -> None:
    with pytest.raises(BadInput):
        fill_path("/orders/$a", {"a": value})
    with pytest.raises(BadInput):
        fill_path("/orders/$a$b/x", {"a": ".", "b": "."})


def test_queries() -> None:
    parameters: Any = {"a": "x&y=z", "many": ["p", 2, True], "nothing": None}
    assert fill_query({"q": "$a", "m": "$many", "c": 5}, parameters) == "q=x%26y%3Dz&m=p&m=2&m=true&c=5"
    for missing in ("$gone", "$nothing", "a$gone"):
        with pytest.raises(BadInput):
            fill_query({"q": missing}, parameters)
        assert fill_query({"q": missing, "c": 1}, parameters, optional=True) == "c=1"


def test_concealing_takes_the_longest_first_and_leaves_what_is_short() -> None:
    parameters: Any = {"a": "Ana", "b": "Ana Sousa", "c": "PT", "d": 5}
    assert conceal("Ana Sousa (Ana) in PT has 5", parameters) == "$b ($a) in PT has 5"
