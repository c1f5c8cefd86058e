"""The company's pepper: one random key with which keys of rows are hashed where they must not be readable.

A record has a salt of its own, which is erased with it; what must still be recognised after that (a key that was
erased) or before there is a record (a row that is new) is hashed under the pepper. It lies in the store, not in the
ledger, and travels with backups.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from remit.store.engine import Reader, Transaction

__all__ = ["PEPPER_SETTING", "erased_hash", "make_pepper", "read_pepper"]

PEPPER_SETTING: Final = "knowledge/pepper"


def make_pepper(transaction: Transaction) -> bytes:
    """Return the company's 32 random bytes, making them on first use, under the head lock."""
    pepper = read_pepper(transaction)
    if pepper is None:
        pepper = secrets.token_bytes(32)
        transaction.upsert_many("setting", "name", "name,value", [(PEPPER_SETTING, pepper.hex())])
    return pepper


def read_pepper(reader: Reader) -> bytes | None:
    """Return the company's pepper; None when none was ever needed, so nothing is hashed under it either."""
    rows = reader.fetch("select value from setting where name = ?", (PEPPER_SETTING,))
    return bytes.fromhex(rows[0][0]) if rows else None


def erased_hash(pepper: bytes, did: int, skey: str) -> str:
    """What stands in ``erased_key`` for the row ``skey`` of data set ``did``: 32 hexadecimal digits, keyed BLAKE2b
    (RFC 7693).
    """
    return hashlib.blake2b(f"{did}:{skey}".encode(), key=pepper, digest_size=16).hexdigest()
