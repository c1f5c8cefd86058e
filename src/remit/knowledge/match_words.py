"""What a match word makes of a value: the forms in which it is compared, and the keys under which it is found.

The word in a source file (``match: name``) says what a column is; what its values look like says the rest (an ``exact``
column full of ``@`` holds e-mail addresses). Both the batch and the one arriving record go through here, so that they
compare the same texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

__all__ = ["FORMS", "KEYS", "WORDS", "MatchColumn", "column_of", "forms_of", "is_empty"]

WORDS: Final = ("name", "exact", "phone", "date", "address", "text", "postcode")
"""The match words of a source file."""
Form = str | int | tuple[str, ...] | None
TEXT_MAX: Final = 400
"""Characters of a value that are compared; what comes after tells nobody who somebody is."""
TOKENS_MAX: Final = 60
_EMPTY: Final = frozenset(
    {
        "", "n/a", "na", "nan", "null", "none", "nil", "-", "--", ".", "?", "unknown", "not known", "not available",
        "missing", "tbd", "xxx",
    }
)  # fmt: skip
_PLAIN: Final = {
    code: None if chr(code) in "'`" else " " for code in range(128) if not chr(code).isalnum()
}  # fmt: skip
_DAY_MONTH: Final = re.compile(r"(\d{1,2})[-/. ]+(\d{1,2})[-/. ]+(\d{4})(?!\w)")
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-/. ]+(\d{1,2})[-/. ]+(\d{1,2})(?!\d)")

FORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("", "sorted"),
    "email": ("", "local"),
    "code": ("",),
    "date": ("", "day"),
    "phone": ("",),
    "postcode": ("", "area"),
    "address": ("", "number", "words"),
    "text": ("", "words"),
}
"""The forms of each kind of column. The first is the whole value; ``words`` is a list, ``day`` a whole number."""


@dataclass(frozen=True, slots=True)
class MatchColumn:
    """One column that is compared. ``kind`` is a key of `FORMS`; ``day_first`` says how ``03/04/1970`` is read."""

    name: str
    word: str
    kind: str
    day_first: bool = True
    long: bool = True
    """Are its values long enough that a typing error in one can be told from another value?"""
    several: bool = False
    """Do its values often have several words?"""


def is_empty(value: str | None) -> bool:
    """Does ``value`` say nothing: absent, blank, or one of the words that people write for that?"""
    return value is None or value.strip().casefold() in _EMPTY


def column_of(name: str, word: str, values: Iterable[str]) -> MatchColumn:
    """Return how column ``name`` is compared, from its word and a look at values that are not empty."""
    seen = [value for value in values if not is_empty(value)]
    count = max(1, len(seen))
    kind = word if word != "exact" else "email" if sum("@" in value for value in seen) * 2 > count else "code"
    parts = [found.groups() for found in map(_DAY_MONTH.match, seen) if found] if kind == "date" else []
    month_first = sum(int(second) > 12 for _, second, _ in parts) > sum(int(first) > 12 for first, _, _ in parts)
    words = [_words(value) for value in seen]
    length = sum(sum(map(len, one)) for one in words) / count
    return MatchColumn(name, word, kind, not month_first, length >= 5, sum(len(one) > 1 for one in words) * 10 > count)


def _words(value: str) -> list[str]:
    if value.isascii():  # the same in less time
        return value[:TEXT_MAX].lower().translate(_PLAIN).split()[:TOKENS_MAX]
    folded = unicodedata.normalize("NFKD", value[:TEXT_MAX]).casefold()
    plain = "".join(
        unit if unit.isalnum() else " " for unit in folded if not unicodedata.combining(unit) and unit not in "'’`"
    )
    return plain.split()[:TOKENS_MAX]


def forms_of(column: MatchColumn, value: str | None) -> tuple[Form, ...]:
    """Return the forms of ``value``, as `FORMS` lists them for the column's kind; all None when it says nothing."""
    kind = column.kind
    made = None if value is None or is_empty(value) else _MAKE[kind](column, value)
    return made if made is not None and made[0] else (None,) * len(FORMS[kind])


def _name(column: MatchColumn, value: str) -> tuple[Form, ...]:
    words = _words(value)
    return "".join(words), "".join(sorted(words))


def _email(column: MatchColumn, value: str) -> tuple[Form, ...]:
    whole = "".join(value[:TEXT_MAX].split()).casefold()
    return whole, whole.partition("@")[0] or None


def _code(column: MatchColumn, value: str) -> tuple[Form, ...]:
    return ("".join(_words(value)),)


def _date(column: MatchColumn, value: str) -> tuple[Form, ...]:
    text = value.strip()[:TEXT_MAX]
    if found := _YEAR_FIRST.match(text):
        year, month, day = found.groups()
    elif found := _DAY_MONTH.match(text):
        first, second, year = found.groups()
        day, month = (first, second) if column.day_first else (second, first)
    else:
        digits = "".join(unit for unit in text if unit in "0123456789")[:8]
        year, month, day = digits[:4], digits[4:6], digits[6:8]
        if not month or not day:
            return digits or None, None
    whole = f"{year}{month:>02}{day:>02}"
    try:
        return whole, date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        return whole, None


def _phone(column: MatchColumn, value: str) -> tuple[Form, ...]:
    digits = "".join(unit for unit in value[:TEXT_MAX] if unit in "0123456789")
    return (digits[-9:],)  # country and trunk prefixes are written or left out


def _postcode(column: MatchColumn, value: str) -> tuple[Form, ...]:
    whole = "".join(_words(value))
    # The inward part of a British code is three long; of numbers the first ones name the area.
    area = whole[:-3] if len(whole) >= 5 and not whole.isdigit() else whole[:2] if len(whole) <= 4 else whole[:3]
    return whole, area or None


def _address(column: MatchColumn, value: str) -> tuple[Form, ...]:
    words = _words(value)
    number = next((word for word in words if word[0].isdigit()), None)
    return "".join(words), number, tuple(sorted(set(words)))


def _text(column: MatchColumn, value: str) -> tuple[Form, ...]:
    words = _words(value)
    return "".join(words), tuple(sorted(set(words)))


_MAKE: Final[Mapping[str, Callable[[MatchColumn, str], tuple[Form, ...]]]] = {
    "name": _name,
    "email": _email,
    "code": _code,
    "date": _date,
    "phone": _phone,
    "postcode": _postcode,
    "address": _address,
    "text": _text,
}


def _whole(forms: Sequence[Form]) -> str | None:
    return str(forms[0]) if forms[0] is not None else None


def _part(start: int | None, end: int | None, least: int) -> Callable[[Sequence[Form]], str | None]:
    def cut(forms: Sequence[Form]) -> str | None:
        whole = forms[0]
        return whole[start:end] if isinstance(whole, str) and len(whole) >= least else None

    return cut


def _skeleton(forms: Sequence[Form]) -> str | None:
    """The first letter and the next consonants, doubled ones once: most slips of hearing and typing leave it."""
    whole = forms[0]
    if not isinstance(whole, str):
        return None
    kept = whole[0]
    for unit in whole[1:]:
        if unit not in "aeiouyhw" and unit != kept[-1]:
            kept += unit
    return kept[:4]


def _second(forms: Sequence[Form]) -> str | None:
    return str(forms[1]) if forms[1] is not None else None


def _longest(place: int) -> Callable[[Sequence[Form]], str | None]:
    def longest(forms: Sequence[Form]) -> str | None:
        words = forms[place]
        return max(words, key=lambda word: (len(word), word)) if isinstance(words, tuple) and words else None

    return longest


def _two_longest(forms: Sequence[Form]) -> str | None:
    words = forms[1]
    if not isinstance(words, tuple) or len(words) < 2:
        return None
    return " ".join(sorted(sorted(words, key=lambda word: (-len(word), word))[:2]))


KEYS: Final[Mapping[str, Mapping[str, Callable[[Sequence[Form]], str | None]]]] = {
    "name": {"": _whole, "start": _part(0, 4, 1), "skeleton": _skeleton},
    "email": {"": _whole, "local": _second, "start": _part(0, 6, 6)},
    "code": {"": _whole, "start": _part(0, 4, 6), "end": _part(-4, None, 6)},
    "date": {"": _whole, "month": _part(0, 6, 8), "day": _part(4, 8, 8), "year": _part(0, 4, 4)},
    "phone": {"": _whole, "end": _part(-5, None, 6), "start": _part(0, -4, 8)},
    "postcode": {"": _whole, "area": _second},
    "address": {"": _whole, "start": _part(0, 8, 4), "longest": _longest(2)},
    "text": {"": _whole, "start": _part(0, 10, 10), "two": _two_longest, "longest": _longest(1)},
}
"""Keys of each kind of column: records are compared when they share enough of them. The first is the whole value."""
