"""Commitments to what may have to be erased: a record's key and the values of its facts, under the record's salt.

Keyed BLAKE2b (RFC 7693) of 16 bytes. Without the salt nobody can try out values against a commitment; with salt and
value anybody can check it. Receipts and roots cover commitments, so erasing values and salt leaves them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

__all__ = [
    "SALT_BYTES",
    "draw_salts",
    "erased_name",
    "key_commitment",
    "value_commitment",
    "value_commitments",
]

SALT_BYTES: Final = 16
_KEY: Final = b"remit.key"
_VALUE: Final = b"remit.value"


def draw_salts(random: Callable[[int], bytes], count: int) -> list[bytes]:
    """Several salts from ``random``, drawn at once, which is much cheaper."""
    drawn = random(SALT_BYTES * count) if count else b""
    return [drawn[start : start + SALT_BYTES] for start in range(0, len(drawn), SALT_BYTES)]


def key_commitment(salt: bytes, skey: str) -> bytes:
    """``record.kh``: the commitment to a record's key at its source."""
    return blake2b(skey.encode(), key=salt, digest_size=16, person=_KEY).digest()


def value_commitment(salt: bytes, value: str) -> bytes:
    """``fact.vh``: the commitment to a fact's value, given as the canonical JSON text that is kept."""
    return blake2b(value.encode(), key=salt, digest_size=16, person=_VALUE).digest()


def erased_name(kh: bytes) -> str:
    """What stands in place of a record's key once it is erased."""
    return f"erased/{kh.hex()}"


def value_commitments(salt: bytes, values: Sequence[str]) -> list[bytes]:
    """`value_commitment` of several values of one record; keying once is a quarter cheaper."""
    keyed = blake2b(key=salt, digest_size=16, person=_VALUE)
    result = []
    for value in values:
        one = keyed.copy()
        one.update(value.encode())
        result.append(one.digest())
    return result
