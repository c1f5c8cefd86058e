"""What match words make of values, as people and systems write them."""

from __future__ import annotations

import pytest

from remit.knowledge.match_words import FORMS, KEYS, column_of, forms_of, is_empty


@pytest.mark.parametrize(
    ("word", "value", "whole"),
    [
        ("name", "  O'Brien-Smith ", "obriensmith"),
        ("name", "Müller", "muller"),
        ("name", "Łukasz 王", "łukasz王"),
        ("phone", "+49 (0)171 123-4567", "711234567"),
        ("phone", "0171 1234567", "711234567"),
        ("postcode", "sw1a 1aa", "sw1a1aa"),
        ("date", "1971-06-24", "19710624"),
        ("date", "19710624", "19710624"),
        ("date", "24.06.1971", "19710624"),
        ("date", "1971-6-4", "19710604"),
        ("date", "1971-06-24T10:00:00Z", "19710624"),
        ("date", "1971-19-24", "19711924"),
        ("date", "1971", "1971"),
        ("date", "1992-1p2-15", "19921215"),
        ("date", "24. 6. 1971", "19710624"),
        ("exact", "DE 811-907-980", "de811907980"),
        ("address", "12, High Street", "12highstreet"),
    ],
)
def test_the_whole_form(word: str, value: str, whole: str) -> None:
    assert forms_of(column_of("x", word, [value]), value)[0] == whole


def test_days_come_first_unless_the_column_shows_otherwise() -> None:
    american = column_of("born", "date", ["03/25/1970", "01/02/1971"])
    assert forms_of(american, "01/02/1971")[0] == "19710102"
    assert forms_of(column_of("born", "date", ["25/03/1970"]), "01/02/1971")[0] == "19710201"


def test_an_exact_column_of_addresses_with_at_is_email() -> None:
    column = column_of("mail", "exact", ["a@x.org", "b@x.org", "none"])
    assert column.kind == "email"
    assert forms_of(column, " A.B@X.org ") == ("a.b@x.org", "a.b")


@pytest.mark.parametrize("value", [None, "", "  ", "N/A", "null", "-", "Unknown", "---   ---", "?!"])
@pytest.mark.parametrize("word", ["name", "exact", "phone", "date", "address", "text", "postcode"])
def test_what_says_nothing_has_no_form(word: str, value: str | None) -> None:
    column = column_of("x", word, ["something 1970"])
    assert all(form is None for form in forms_of(column, value))
    assert len(forms_of(column, value)) == len(FORMS[column.kind])


@pytest.mark.parametrize("value", ["a", "Jo", "x" * 5000, "\u0301", "1", "@", "12 12 12", "日本"])
def test_forms_and_keys_take_any_text(value: str) -> None:
    for word in ("name", "exact", "phone", "date", "address", "text", "postcode"):
        for seen in (["a@b"], ["something"]):
            column = column_of("x", word, seen)
            forms = forms_of(column, value)
            assert forms[0] is None or 0 < len(str(forms[0])) <= 400
            for make in KEYS[column.kind].values():
                key = make(forms)
                assert key is None or isinstance(key, str)


def test_words_for_nothing() -> None:
    assert is_empty(" None ")
    assert not is_empty("Noone")
