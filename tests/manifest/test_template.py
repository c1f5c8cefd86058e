"""Names made from arguments are never ambiguous, and parameters keep their types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.manifest.template import fill_name, fill_value, name_part, names_in, same_entity
from remit.vocabulary import Json

values = st.one_of(st.text(max_size=250), st.text(alphabet="%-sha256/ $aé", max_size=12))


@given(values, values, values, values)
def test_different_values_have_different_names(a: str, b: str, c: str, d: str) -> None:
    one = fill_name("x/$a/$b", {"a": a, "b": b})
    other = fill_name("x/$a/$b", {"a": c, "b": d})
    assert one is not None
    assert (one == other) is ((a, b) == (c, d))
    assert one.isascii()
    assert one.count("/") == 2
    assert len(one) < 1900


@given(st.text(max_size=150))
def test_what_a_person_writes_without_encoding_is_the_same_entity(text: str) -> None:
    entity = fill_name("order/$a", {"a": text})
    assert entity is not None
    assert same_entity(entity, entity)
    if "%" not in text and "/" not in text:
        assert same_entity(f"order/{text}", entity)


@pytest.mark.parametrize(
    ("value", "part"),
    [("A-1.b", "A-1.b"), ("a b", "a%20b"), ("a/b", "a%2Fb"), ("%", "%25"), ("é", "%C3%A9"), ("\n", "%0A"), ("", ""),
     (7, "7"), (-7, "-7"), (True, "true"), (False, "false"), (None, None), ([1], None), ({}, None)],
)  # fmt: skip
def test_parts_of_names(value: object, part: str | None) -> None:
    assert name_part(value) == part  # type: ignore[arg-type]


def test_a_digest_of_a_long_value_cannot_be_sent_as_a_value() -> None:
    long = name_part("x" * 201)
    assert long is not None
    assert long.startswith("%-sha256-")
    assert name_part(long) != long


def test_names_are_found_in_order() -> None:
    assert names_in("a/$x/$y_2-$x") == ("x", "y_2", "x")
    assert names_in(5) == names_in("none") == names_in("$ $1") == ()


def test_a_parameter_alone_keeps_its_type() -> None:
    arguments: dict[str, Json] = {"a": 5, "b": "x y", "c": ["l"], "d": True}
    assert fill_value("$a", arguments) == 5
    assert fill_value("$c", arguments) == ["l"]
    assert fill_value("n-$a/$b/$d", arguments) == "n-5/x y/true"
    assert fill_value(7, arguments) == 7
    assert fill_value("plain", arguments) == "plain"
    with pytest.raises(BadInput, match="absent"):
        fill_value("$z", arguments)
    with pytest.raises(BadInput, match="no single value"):
        fill_value("x$c", arguments)
    assert fill_name("x/$z", arguments) is None
    assert fill_name("x/$c", arguments) is None
