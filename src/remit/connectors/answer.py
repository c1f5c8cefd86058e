"""From what a system wrote to values that may be recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from remit.canonical import INTEGER_MAX, canonical
from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["MISSING", "as_cost", "as_moment", "as_record", "parse_answer", "plain", "walk", "zone"]

MISSING: Final = object()
"""What `walk` gives when nothing stands at a path."""

_DIGITS_SAFE: Final = 15
_EPOCH_SECONDS: Final = range(1_000_000_000, 253_402_300_800)  # 2001 to 9999; below, YYYYMMDD would be taken for one


def parse_answer(body: bytes) -> Json:
    """Read JSON that a system wrote.

    A number with a fraction, or beyond 2**53 - 1, becomes text exactly as written. A key that is not ASCII is
    written with escapes (``gr\\xf6\\xdfe``).

    Raises:
        BadInput: not UTF-8, not JSON, a key twice in one object, NaN, or deeper than can be recorded.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_float=str,
            parse_int=_whole,
            parse_constant=_not_a_number,
        )
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadInput("nested too deep") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    canonical(value)
    return value  # type: ignore[no-any-return]


def _whole(text: str) -> int | str:
    if len(text.lstrip("-")) <= _DIGITS_SAFE:
        return int(text)
    return int(text) if len(text) < 20 and abs(int(text)) <= INTEGER_MAX else text


def _not_a_number(text: str) -> object:
    raise BadInput(f"{text} is not a JSON value")


def _key(text: str) -> str:
    return text if text.isascii() else text.encode("ascii", "backslashreplace").decode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = {_key(key): value for key, value in pairs}
    if len(result) != len(pairs):
        raise BadInput("a key stands twice in one object")
    return result


def plain(value: Any) -> Json:
    """Turn what a database driver gives into a value that may be recorded.

    Decimals and floats become text, moments RFC 3339 text, identifiers text.

    Raises:
        BadInput: a number that is not finite, bytes, or any type without a JSON form.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= INTEGER_MAX else str(value)
    if isinstance(value, Decimal | float):
        if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
            raise BadInput(f"{value} is not a number that can be recorded")
        written_out = isinstance(value, Decimal) and abs(value.adjusted()) < 50
        return format(value, "f") if written_out else str(value)
    if isinstance(value, date):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_key(str(key)): plain(item) for key, item in value.items()}
    raise BadInput(f"a value of type {type(value).__name__} has no recorded form")


def walk(value: Json, path: str) -> object:
    """Follow a path such as ``a.b.0.c``; an empty path is the value itself.

    Returns MISSING where nothing stands.
    """
    at: Any = value
    for part in path.split(".") if path else ():
        if isinstance(at, dict) and (part in at or _key(part) in at):
            at = at[part if part in at else _key(part)]
        elif isinstance(at, list) and part.isdecimal() and part.isascii() and int(part[:9]) < len(at):
            at = at[int(part[:9])]
        else:
            return MISSING
    return at


def zone(name: str) -> tzinfo:
    """Return the time zone of that IANA name.

    Raises:
        BadInput: no such zone on this machine.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"no time zone {name!r:.60}; expected a name like Europe/Lisbon") from None


def as_moment(value: object, local: tzinfo) -> datetime | None:
    """Read when something was observed: ISO 8601, ``YYYYMMDD``, ``YYYYMMDDHHMM`` or whole epoch seconds.

    What names no zone is in ``local``; a date alone is its first moment, and of a repeated hour the first is
    taken, so that a fact never looks younger than it is. Returns None for anything else.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC) if value in _EPOCH_SECONDS else None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    moment = value if isinstance(value, datetime) else _moment_from(value)
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=local)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _moment_from(value: object) -> datetime | None:
    text = value.strip() if isinstance(value, str) else ""
    if not 8 <= len(text) <= 40 or not text.isascii():
        return None
    try:
        if text.isdecimal() and len(text) == 12:
            return datetime.strptime(text, "%Y%m%d%H%M")
        if text.isdecimal() and len(text) != 8:
            return None
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def as_cost(value: object) -> int | None:
    """Return a cost in whole minor units, None when ``value`` is not one: what it cost is then not known."""
    return value if type(value) is int and 0 <= value <= INTEGER_MAX else None


def as_record(value: object) -> str:
    """Return a record's own name as text, empty when it has none."""
    return str(value)[:200] if isinstance(value, str | int) and not isinstance(value, bool) else ""
