"""Personal data beside the ledger: an event holds a commitment, the value lies in a row that can be erased.

The commitment is HMAC-SHA-256 (RFC 2104) of the value's canonical form under a random salt of its subject. Without
the salt nobody can try out values against it; with salt and value anybody can check it. So erasing the rows removes
the person's data and leaves every hash and proof as it was.

Facts of the graph are sealed where they are kept, under the salts of their records; what opens them is handed down.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from remit.canonical import canonical
from remit.errors import NotFound
from remit.store.engine import Reader, Store
from remit.vocabulary import Json

__all__ = [
    "EDITED_FACT",
    "ERASED_FACT",
    "SEALED",
    "OpenFacts",
    "Sealed",
    "commitment_of",
    "is_closed",
    "seal",
    "unseal",
]

SEALED: Final = "sealed"
"""The one key of the object that stands in an event where a personal value was."""
ERASED_FACT: Final = "erased"
"""The problem of a fact whose value was erased since it was recorded."""
EDITED_FACT: Final = "not what was recorded"
"""The problem of a fact that somebody changed, or took away, where it is kept: what it said is not known."""

OpenFacts = Callable[[Reader, Sequence[Mapping[str, Any]]], list[dict[str, Any]]]
"""Puts value and record back into recorded facts, in their order; where it cannot, the problem of a fact says why."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A personal value to keep beside the ledger, in the transaction that appends the event naming its commitment."""

    commitment: str
    subject: str
    salt: bytes
    value: str


def is_closed(fact: Mapping[str, Any]) -> bool:
    """Whether a recorded fact is sealed and its value was not put back."""
    return bool(fact.get("commitment")) and fact.get("value") is None


def commitment_of(salt: bytes, value: Json) -> str:
    """Return the commitment to ``value`` under ``salt``, as 64 hexadecimal digits."""
    return hmac.new(salt, canonical(value), hashlib.sha256).hexdigest()


def seal(
    store: Store, arguments: Mapping[str, Json], subjects: Mapping[str, str]
) -> tuple[dict[str, Json], tuple[Sealed, ...]]:
    """Put commitments in place of the arguments that ``subjects`` names, each with whose it is.

    A subject keeps one salt, so proposing the same again gives the same digest.
    """
    open_arguments, sealed = dict(arguments), []
    salts: dict[str, bytes] = {}
    for name, subject in subjects.items():
        if name not in arguments:
            continue
        if subject not in salts:
            rows = store.read("select salt from sealed where subject = ? order by commitment limit 1", (subject,))
            salts[subject] = bytes(rows[0][0]) if rows else secrets.token_bytes(32)
        value = arguments[name]
        commitment = commitment_of(salts[subject], value)
        sealed.append(Sealed(commitment, subject, salts[subject], canonical(value).decode()))
        open_arguments[name] = {SEALED: commitment}
    return open_arguments, tuple(sealed)


def unseal(store: Store, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """Put the values back in place of their commitments.

    Raises:
        NotFound: a value was erased.
    """
    result = dict(arguments)
    for name, value in arguments.items():
        if isinstance(value, dict) and set(value) == {SEALED}:
            rows = store.read("select value from sealed where commitment = ?", (value[SEALED],))
            if not rows:
                raise NotFound(f"argument {name} was erased")
            result[name] = orjson.loads(rows[0][0])
    return result
