"""One way from a value to bytes to a digest.

Canonical form is JSON with sorted keys and no white space. Where it applies it equals RFC 8785, because everything on
which implementations differ is refused: floats, integers beyond 2**53 - 1, keys that are not ASCII, lone surrogates.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

import orjson

from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["INTEGER_MAX", "canonical", "canonical_sound", "digest", "digest_bytes", "from_moment", "parse", "to_moment"]

INTEGER_MAX: Final = 2**53 - 1
DEPTH_MAX: Final = 32
BYTES_MAX: Final = 1_048_576
_NUL: Final = rb"\u0000"


def canonical(value: object) -> bytes:
    """Return the canonical JSON of ``value`` in UTF-8.

    Raises:
        BadInput: a float, an integer beyond 2**53 - 1, a key that is not ASCII text, a lone surrogate, the character
            NUL, nesting deeper than 32, or any type that JSON does not have.
    """
    _check(value, 0)
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise BadInput(f"cannot be written as JSON: {error}") from None
    if _NUL in data and _has_nul(value):
        raise BadInput("a text holds the character NUL, which databases cannot keep; leave it out")
    return data


def canonical_sound(value: object) -> bytes:
    """Return the same as `canonical` for a value that is known to have a canonical form, without looking again.

    Given a value that has none, the bytes are not canonical: only for values made of what `canonical` has taken.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(_has_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value


def _check(value: object, depth: int) -> None:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return
    if kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:  # type: ignore[operator]
            bits = value.bit_length()  # type: ignore[attr-defined]
            got = str(value) if bits < 200 else f"one of {bits} bits"
            raise BadInput(f"integer beyond 2**53 - 1: got {got}; send it as text")
        return
    if depth >= DEPTH_MAX:
        raise BadInput(f"nested deeper than {DEPTH_MAX} levels")
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or not key.isascii():
                raise BadInput(f"key must be ASCII text: got {key!r:.80}")
            if type(item) is not str:  # most items are, and the call costs more than the check
                _check(item, depth + 1)
    elif kind is list or kind is tuple:
        for item in value:  # type: ignore[attr-defined]
            _check(item, depth + 1)
    elif kind is float or kind is _Fraction:
        raise BadInput(f"number with a fraction: got {value!s:.40}; send minor units, basis points or text")
    else:
        raise BadInput(f"not a JSON value: got {kind.__name__}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise BadInput(f"key {doubled!r:.80} stands twice in one object")
    return result


def _no_fraction(text: str) -> object:
    raise BadInput(f"number with a fraction: got {text:.40}; send minor units, basis points or text")


class _Fraction(str):
    """A number with a fraction, as it was written."""

    __slots__ = ()


def parse(text: bytes | str, fraction_at: str = "") -> Json:
    """Read JSON that somebody else wrote, refusing whatever has no canonical form.

    ``fraction_at`` names the one key of the outermost object at which a number with a fraction is taken; it is
    returned as the text that was written.

    Raises:
        BadInput: larger than 1 MiB, not UTF-8, not JSON, a key twice in one object, a float, NaN, or any of the
            things that `canonical` refuses.
    """
    import json

    if len(text) > BYTES_MAX:
        raise BadInput(f"larger than {BYTES_MAX} bytes: got {len(text)}")
    try:
        value = json.loads(
            text if isinstance(text, str) else str(text, "utf-8"),  # json itself would also take UTF-16 and UTF-32
            object_pairs_hook=_unique,
            parse_float=_Fraction if fraction_at else _no_fraction,
            parse_constant=_no_fraction,
        )
    except RecursionError:
        raise BadInput(f"nested deeper than {DEPTH_MAX} levels") from None
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(f"not JSON: {error}") from None
    if isinstance(value, dict) and type(value.get(fraction_at)) is _Fraction:
        value[fraction_at] = str(value[fraction_at])
    canonical(value)
    return value  # type: ignore[no-any-return]


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical form of ``value``; raises what `canonical` raises."""
    return hashlib.sha256(canonical(value)).hexdigest()


def from_moment(moment: datetime) -> str:
    """Write an aware moment as RFC 3339 in UTC with microseconds.

    Raises:
        BadInput: ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise BadInput(f"a moment needs a time zone: got {moment!r}")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = moment.isoformat(timespec="microseconds")
    return text[:-6] + "Z"


def to_moment(text: str) -> datetime:
    """Read an RFC 3339 moment.

    Raises:
        BadInput: not a moment, or without a time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise BadInput(f"not a moment: got {text!r:.60}, expected like 2026-11-21T09:00:00Z") from None
    if moment.tzinfo is None:
        raise BadInput(f"a moment needs a time zone: got {text!r:.60}, expected like 2026-11-21T09:00:00Z")
    return moment.astimezone(UTC)
