"""Rows held back: entered into quarantine once for each thing that is wrong, and closed when a good row comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from remit.knowledge.timeline import OPEN
from remit.store.engine import Row, Transaction

__all__ = ["HeldRow", "close_held", "hold_rows", "supersede"]

_SETTLED: Final = "state in ('open', 'released', 'dropped')"
"""A row that is held, or that a person has dealt with, need not be held once more when it comes again as it was."""


class HeldRow(NamedTuple):
    """A row that must not be loaded. ``raw`` None: nothing of it may be kept."""

    key: str
    rule: str
    reason: str
    position: str
    raw: str | None


def hold_rows(transaction: Transaction, seq: int, did: int, load: int, rows: Sequence[HeldRow]) -> int:
    """Enter ``rows`` into quarantine, but for those that came before just so; return how many were entered."""
    if not rows:
        return 0
    keyed = sorted({row.key for row in rows if row.key})
    known = (
        transaction.fetch_in("quarantine", "skey,raw", "skey", keyed, f"did = {did} and {_SETTLED}") if keyed else []
    )
    raws = sorted({row.raw for row in rows if not row.key and row.raw is not None})
    if raws:
        nameless = f"did = {did} and skey = '' and {_SETTLED}"
        known += transaction.fetch_in("quarantine", "skey,raw", "raw", raws, nameless)
    seen = set(known)
    number = transaction.fetch("select coalesce(max(qid), 0) from quarantine")[0][0]
    new: list[Row] = []
    for row in rows:
        if (row.key, row.raw) in seen:
            continue
        seen.add((row.key, row.raw))
        number += 1
        new.append((number, did, load, row.key, row.rule, row.reason, row.position, row.raw, "open", "", seq, OPEN))
    columns = "qid,did,load,skey,rule,reason,position,raw,state,why,tx_from,tx_to"
    transaction.insert_many("quarantine", columns, new)
    return len(new)


def supersede(transaction: Transaction, seq: int, did: int, keys: Sequence[str]) -> int:
    """Close what is held of ``keys``, because the source has put it right; return how many."""
    if not keys or not transaction.fetch("select 1 from quarantine where did = ? and tx_to = ? limit 1", (did, OPEN)):
        return 0
    held = transaction.fetch_in("quarantine", "qid", "skey", list(keys), f"did = {did} and tx_to = {OPEN}")
    if held:
        close_held(transaction, seq, [qid for (qid,) in held], "superseded", "")
    return len(held)


def close_held(transaction: Transaction, seq: int, qids: Sequence[int], state: str, why: str) -> None:
    """Give entries their last state."""
    transaction.update_in("quarantine", "state", state, "qid", qids)
    if why:
        transaction.update_in("quarantine", "why", why, "qid", qids)
    transaction.update_in("quarantine", "tx_to", seq, "qid", qids)
