"""Likeness in plain Python is DuckDB's, but for the last bits of a fraction."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.knowledge.likeness import damerau_within, jaccard, jaro_winkler

TEXT = st.one_of(
    st.text("abc", max_size=14),
    st.text("abcdé日ß0 -", max_size=20),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.text("ab", min_size=60, max_size=140),
)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    yield connection
    connection.close()


def ask(database: duckdb.DuckDBPyConnection, pairs: list[tuple[str, str]]) -> list[tuple[float, int]]:
    flat = [text for pair in pairs for text in pair]
    values = ",".join(["(?, ?)"] * len(pairs))
    rows: list[tuple[float, int]] = database.execute(
        f"select jaro_winkler_similarity(a, b), damerau_levenshtein(a, b) from (values {values}) as t(a, b)", flat
    ).fetchall()
    return rows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=40))
def test_both_are_duckdbs_on_random_texts(database: duckdb.DuckDBPyConnection, pairs: list[tuple[str, str]]) -> None:
    for (left, right), (likeness, distance) in zip(pairs, ask(database, pairs), strict=True):
        assert abs(jaro_winkler(left, right) - likeness) <= 4 * sys.float_info.epsilon
        assert damerau_within(left, right, distance)
        assert distance == 0 or not damerau_within(left, right, distance - 1)


@settings(max_examples=60, deadline=None)
@given(TEXT, st.data())
def test_texts_that_are_a_few_edits_apart_are_within_as_many(text: str, data: st.DataObject) -> None:
    edited = text
    count = data.draw(st.integers(0, 3))
    for _ in range(count):
        place = data.draw(st.integers(0, len(edited)))
        head, tail = edited[:place], edited[place:]
        ascii_sign = data.draw(st.sampled_from("xyz"))
        edited = data.draw(st.sampled_from([head + ascii_sign + tail, head + tail[1:], head + ascii_sign + tail[1:]]))
    if text.isascii():
        assert damerau_within(text, edited, count)


def test_what_is_known() -> None:
    assert jaro_winkler("martha", "marhta") == pytest.approx(0.9611, abs=1e-4)  # Winkler's own example
    assert jaro_winkler("", "") == 0.0
    assert damerau_within("ca", "abc", 2)  # the restricted distance would be 3
    assert not damerau_within("ca", "abc", 1)
    assert jaccard(["a", "b"], ["b", "c"]) == pytest.approx(1 / 3)
    assert jaccard([], []) == 0.0
