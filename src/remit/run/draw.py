"""Which cases a person sees: a draw that an agent cannot foresee, and cannot roll again by proposing once more."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from remit.store.engine import Store
from remit.vocabulary import Action

__all__ = ["draw_of", "open_draw_key"]

_SETTING: Final = "draw/key"
_OF: Final = 10_000


def open_draw_key(store: Store) -> bytes:
    """Return the company's secret for draws, made when first needed. It never enters the ledger."""
    rows = store.read("select value from setting where name = ?", (_SETTING,))
    if rows:
        return bytes.fromhex(rows[0][0])
    with store.transaction() as transaction:
        found = transaction.fetch("select value from setting where name = ?", (_SETTING,))
        if found:
            return bytes.fromhex(found[0][0])
        key = secrets.token_bytes(32)
        transaction.upsert_many("setting", "name", "name,value", [(_SETTING, key.hex())])
    return key


def draw_of(key: bytes, action: Action) -> int:
    """Return the draw of the action's case, 0 to 9,999: the same for every proposal of one agent, action and case."""
    text = "\0".join((action.agent, action.name, action.case)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hmac.digest(key, text, "sha256")[:16]) % _OF  # 128 bits: the remainder is even enough
