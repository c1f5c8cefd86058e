"""Commitments to what may have to be erased: a record's key and the values of its facts, under the record's salt.

BLAKE2b (RFC 7693) of 16 bytes over the salt, whose length is fixed, and what is committed to. Without the salt nobody
can try out values against a commitment; with salt and value anybody can check it. Receipts and roots cover commitments,
so erasing values and salt leaves them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Final

__all__ = [
    "COMMITMENT_BYTES",
    "SALT_BYTES",
    "commitments",
    "draw_salts",
    "erased_name",
    "key_commitment",
    "value_commitment",
]

SALT_BYTES: Final = 16
COMMITMENT_BYTES: Final = 16
_KEY: Final = blake2b(digest_size=COMMITMENT_BYTES, person=b"remit.key").copy
_VALUE: Final = blake2b(digest_size=COMMITMENT_BYTES, person=b"remit.value").copy
"""Copies of one that was set up: setting one up takes longer than hashing."""


def draw_salts(random: Callable[[int], bytes], count: int) -> list[bytes]:
    """Several salts from ``random``, drawn at once, which is much cheaper."""
    drawn = random(SALT_BYTES * count) if count else b""
    return [drawn[start : start + SALT_BYTES] for start in range(0, len(drawn), SALT_BYTES)]


def key_commitment(salt: bytes, skey: str) -> bytes:
    """``record.kh``: the commitment to a record's key at its source."""
    hashed = _KEY()
    hashed.update(salt + skey.encode())
    return hashed.digest()


def value_commitment(salt: bytes, value: str) -> bytes:
    """``fact.vh``: the commitment to a fact's value, given as the canonical JSON text that is kept."""
    hashed = _VALUE()
    hashed.update(salt + value.encode())
    return hashed.digest()


def erased_name(kh: bytes) -> str:
    """What stands in place of a record's key once it is erased."""
    return f"erased/{kh.hex()}"


def commitments(salts: Sequence[bytes], rows: Iterable[Sequence[str | None]]) -> list[bytes]:
    """`value_commitment` of the values of several records, each with its salt, one after the other; of None there is
    none.

    Starting with the salt once a record is nearly half cheaper.
    """
    result: list[bytes] = []
    add = result.append
    for salt, values in zip(salts, rows, strict=True):
        salted = _VALUE()
        salted.update(salt)
        start = salted.copy
        for value in values:
            if value is not None:
                one = start()
                one.update(value.encode())
                add(one.digest())
    return result
