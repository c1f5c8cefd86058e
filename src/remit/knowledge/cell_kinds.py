"""From a cell as a source wrote it to a value of the kind that the source's file names.

A cell is what a reader gives: None, a truth value, a number, text, a date or a moment. Missing is None, empty or blank
text, and NaN; nothing else is. What is not exactly of its kind is refused and never guessed: no rounding, no grouping
that could be a decimal mark, no day and month that could be the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from math import isnan
from typing import Final
from uuid import UUID

from remit.canonical import INTEGER_MAX, canonical_sound, from_moment
from remit.connectors.answer import as_moment, plain
from remit.errors import BadInput

__all__ = [
    "KEY_LENGTH_MAX",
    "TEXT_LENGTH_MAX",
    "Convert",
    "Plain",
    "cell_text",
    "converter",
    "expected_form",
    "is_missing",
    "key_text",
    "moment_seconds",
    "plain_form",
    "shape_of",
    "truth_of",
]

TEXT_LENGTH_MAX: Final = 1_000_000
KEY_LENGTH_MAX: Final = 256
_DIGITS_MAX: Final = 100
_EXPONENT_MAX: Final = 50

Convert = Callable[[object], str | int | bool | None]
"""Takes a cell that is not missing; returns the value that is kept, None when the cell is not of the kind."""

_TRUTH: Final = {
    "true": True, "yes": True, "y": True, "t": True, "1": True,
    "false": False, "no": False, "n": False, "f": False, "0": False,
}  # fmt: skip
Plain = Callable[[str], str | None]
"""Takes text; returns the canonical JSON of what is kept of it, None when only `Convert` can tell."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXPECTED: Final = {
    "text": f"text of at most {TEXT_LENGTH_MAX} characters, without NUL",
    "integer": "a whole number of at most 2**53 - 1",
    "money": "a whole number of minor units",
    "decimal": "a decimal number such as 12.5",
    "boolean": "true or false, yes or no, 1 or 0",
    "date": "a date such as 2026-11-21",
    "moment": "a moment such as 2026-11-21T09:00:00Z",
}
_NUMBER: Final = {
    "": re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"),
    ".": re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?"),
    ",": re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?"),
}
_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?").fullmatch
_PLAIN_WHOLE: Final = re.compile(r"-?[0-9]{1,15}").fullmatch
_DATE: Final = re.compile(
    r"(\d{4}-\d\d-\d\d|\d{8})(?:[T ]00:00(?::00(?:\.0{1,9})?)?(?:Z|[+-]00:?00)?)?", re.ASCII
).fullmatch
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_UNRECORDED: Final = re.compile("[\x00\ud800-\udfff]").search


def is_missing(cell: object) -> bool:
    """Say whether nothing stands in the cell: None, empty or blank text, or NaN."""
    if cell is None:
        return True
    if isinstance(cell, str):
        return not cell or cell.isspace()
    return (isinstance(cell, float) and isnan(cell)) or (isinstance(cell, Decimal) and cell.is_nan())


def cell_text(cell: object) -> str | None:
    """Return a cell as text: text as it is, numbers and moments in one form; None for bytes, lists and the like.

    Moments with a zone are in UTC, those without keep none. Whole numbers that came as fractions (``17.0``) are
    written whole, so that one key has one text.
    """
    if type(cell) is str:
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str | int | UUID):
        return str(cell)
    if isinstance(cell, float | Decimal):
        return _number_text(Decimal(repr(cell)) if isinstance(cell, float) else cell)
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        return from_moment(cell)
    try:
        value = plain(cell)
    except BadInput:
        return None
    return value if isinstance(value, str) else None


def _number_text(number: Decimal) -> str | None:
    if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX or len(number.as_tuple().digits) > _DIGITS_MAX:
        return None
    if number == number.to_integral_value():
        return format(number.quantize(Decimal(1)) if number.adjusted() < 27 else number.to_integral_value(), "f")
    return format(number, "f")


def key_text(cell: object) -> str | None:
    """Return a cell as the key of a record, without outer blanks; None when it cannot be one.

    A key is 1 to 256 characters without control characters. A truth value is no key.
    """
    text = cell_text(cell) if type(cell) is not str else cell
    if text is None or isinstance(cell, bool):
        return None
    text = text.strip()
    if not 0 < len(text) <= KEY_LENGTH_MAX:
        return None
    return text if (text.isascii() and text.isprintable()) or not _CONTROL(text) else None


def truth_of(cell: object) -> bool | None:
    """Read a truth value: true/false, yes/no, y/n, t/f, 1/0, in any case; None for anything else."""
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, int | float | Decimal):
        return bool(cell) if cell in (0, 1) else None
    return _TRUTH.get(cell.strip().lower()) if isinstance(cell, str) and len(cell) < 40 else None


def shape_of(cell: object) -> str:
    """Describe a cell without repeating it: ``A`` and ``a`` for letters, ``9`` for digits, the rest by its kind."""
    if not isinstance(cell, str):
        return f"a {type(cell).__name__}"
    text = re.sub(r"[^\W\d_]", lambda match: "A" if match[0].isupper() else "a", cell[:40])
    text = "".join(one if one.isascii() and one.isprintable() else "?" for one in re.sub(r"\d", "9", text))
    return f"{text!r}" + (f"... ({len(cell)} characters)" if len(cell) > 40 else "")


def converter(
    kind: str,
    local: tzinfo,
    *,
    minor_digits: int = 0,
    mark: str = "",
    form: str | None = None,
) -> Convert:
    """Return what turns a cell into the value that is kept: text, a whole number or a truth value.

    ``local`` is the zone of moments that name none. Money becomes minor units, of which ``minor_digits`` decimals make
    a major one; 0 where the cell holds minor units already. ``mark`` is the decimal mark where the file states it;
    then, and only then, digits may be grouped by the other one. ``form`` is how dates and moments are written that
    are not ISO 8601, as for `datetime.strptime`.

    Raises:
        BadInput: there is no such kind.
    """
    if kind == "text":
        return _text
    if kind == "integer":
        return _whole_number(mark)
    if kind == "money":
        return _money(10**minor_digits, mark) if minor_digits else _whole_number(mark)
    if kind == "decimal":
        return _decimal(mark)
    if kind == "boolean":
        return truth_of
    if kind == "date":
        return _date(form)
    if kind == "moment":
        return _moment(local, form)
    raise BadInput(
        f"no such kind of value: got {kind!r:.40}, expected text, integer, money, decimal, boolean, date or moment"
    )


def expected_form(kind: str, *, minor_digits: int = 0, form: str | None = None) -> str:
    """Say in words what a cell of the kind looks like; takes what `converter` takes."""
    if kind == "money" and minor_digits:
        return f"an amount with at most {minor_digits} decimals, such as 12.50"
    if form is not None and kind in {"date", "moment"}:
        return f"a {kind} written as {form}"
    return _EXPECTED[kind]


def plain_form(kind: str, *, minor_digits: int = 0, mark: str = "", form: str | None = None) -> Plain:
    """Return a short way for text in the plainest form of its kind, where most cells are.

    It takes what `converter` takes, and agrees with it wherever it does not return None.
    """
    if kind == "text":
        return _plain_text
    if kind == "decimal" and mark != ",":
        return lambda text: f'"{text}"' if _PLAIN_NUMBER(text) else None
    if kind == "integer" or (kind == "money" and not minor_digits):
        return _plain_whole
    if kind == "money" and mark != ",":
        return _plain_money(minor_digits)
    if kind == "date" and form is None:
        return _plain_date
    return lambda _: None


def moment_seconds(cell: object, local: tzinfo) -> int | None:
    """Return a moment, as `remit.connectors.answer.as_moment` reads it, in whole seconds since 1970, rounded down."""
    moment = None
    if type(cell) is str and cell[-1:] == "Z" and 16 < len(cell) < 28 and cell.isascii():
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            return None
    else:
        moment = as_moment(cell, local)
    if moment is None:
        return None
    since = moment - _EPOCH
    return since.days * 86_400 + since.seconds


def _plain_text(text: str) -> str | None:
    if text.isascii() and "\0" not in text and 0 < len(text) <= TEXT_LENGTH_MAX and not text.isspace():
        return canonical_sound(text).decode()
    return None


def _plain_whole(text: str) -> str | None:
    return text if text.isdecimal() and text[0] != "0" and len(text) < 16 and text.isascii() else None


def _plain_money(digits: int) -> Plain:
    def plain_money(text: str) -> str | None:
        major, _, rest = text.partition(".")
        if len(rest) != digits or len(text) > 16 or not text.isascii():
            return None
        return major + rest if major.isdecimal() and rest.isdecimal() and major[0] != "0" else None

    return plain_money


def _plain_date(text: str) -> str | None:
    if len(text) != 10 or text[4] != "-" or text[7] != "-" or _iso_date(text) is None:
        return None
    return f'"{text}"'


def _text(cell: object) -> str | None:
    text = cell if type(cell) is str else cell_text(cell)
    if text is None or len(text) > TEXT_LENGTH_MAX:
        return None
    return text if text.isascii() and "\0" not in text else None if _UNRECORDED(text) else text


def _number(cell: object, mark: str) -> Decimal | None:
    """The exact number in a cell, None when there is none or it is larger than anybody's."""
    if isinstance(cell, str):
        text = cell.strip()
        if len(text) > _DIGITS_MAX or not _NUMBER[mark].fullmatch(text):
            return None
        if mark:
            text = text.replace("," if mark == "." else ".", "").replace(mark, ".")
    elif isinstance(cell, float):
        text = repr(cell)
    elif isinstance(cell, Decimal | int) and not isinstance(cell, bool):
        text = str(cell) if not isinstance(cell, int) or cell.bit_length() < 300 else ""
    else:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if number.is_zero() and abs(number.adjusted()) > _EXPONENT_MAX:
        return Decimal(0)
    fits = number.is_finite() and abs(number.adjusted()) <= _EXPONENT_MAX
    exact = fits and len(number.as_tuple().digits) <= _DIGITS_MAX
    return number if exact else None


def _scaled(number: Decimal, unit: int) -> int | None:
    """``number`` times ``unit`` when that is a whole number that can be recorded; exact at any precision."""
    top, bottom = number.as_integer_ratio()
    whole, rest = divmod(top * unit, bottom)
    return whole if rest == 0 and -INTEGER_MAX <= whole <= INTEGER_MAX else None


def _whole_number(mark: str) -> Convert:
    def convert(cell: object) -> int | None:
        if type(cell) is str and _PLAIN_WHOLE(cell):
            return int(cell)
        if type(cell) is int:
            return cell if -INTEGER_MAX <= cell <= INTEGER_MAX else None
        number = _number(cell, mark)
        return None if number is None else _scaled(number, 1)

    return convert


def _money(unit: int, mark: str) -> Convert:
    def convert(cell: object) -> int | None:
        number = _number(cell, mark)
        return None if number is None else _scaled(number, unit)

    return convert


def _decimal(mark: str) -> Convert:
    def convert(cell: object) -> str | None:
        if type(cell) is str and mark != "," and _PLAIN_NUMBER(cell):
            return cell
        number = _number(cell, mark)
        return None if number is None else format(number, "f")

    return convert


def _date(form: str | None) -> Convert:
    def convert(cell: object) -> str | None:
        if isinstance(cell, datetime):
            return cell.date().isoformat() if cell.time() == datetime.min.time() else None
        if isinstance(cell, date):
            return cell.isoformat()
        if isinstance(cell, str) and len(cell) <= 60:
            text = cell.strip()
            if form is not None:
                moment = _by_form(text, form)
                return None if moment is None else moment.date().isoformat()
            match = _DATE(text)
            return None if match is None else _iso_date(match[1])
        return None

    return convert


def _iso_date(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _by_form(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form) if text.isascii() else None
    except ValueError:
        return None


def _moment(local: tzinfo, form: str | None) -> Convert:
    def convert(cell: object) -> str | None:
        if form is not None and isinstance(cell, str):
            cell = _by_form(cell.strip(), form) if len(cell) <= 60 else None
        moment = as_moment(cell, local)
        return None if moment is None else from_moment(moment.astimezone(UTC))

    return convert
