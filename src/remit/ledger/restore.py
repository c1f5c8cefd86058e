"""Putting a backup back. What a witness has seen since is lost: that is refused, or owned up to in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from remit.errors import BadInput, LedgerBroken, RemitError
from remit.ledger.audit import verify_store
from remit.ledger.checkpoint import Signer, verify_checkpoint
from remit.ledger.journal import Journal
from remit.ledger.keeper import Keeper, stored_checkpoints
from remit.ledger.witness import Witness
from remit.store.copy import copy_store
from remit.store.engine import Store, open_store
from remit.vocabulary import Event, Json

__all__ = ["RestoreReport", "restore"]


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was put back: how many events, and how many that a witness had seen are lost."""

    size: int
    lost: int


def restore(
    backup: Path, target: Store, state: Path, witnesses: Sequence[Witness], accept_loss: str = ""
) -> RestoreReport:
    """Put the backup in folder ``backup`` into the empty ``target`` and its key into ``state``.

    With ``accept_loss`` (a reason), events that a witness has seen and the backup lacks are given up: the ledger goes
    on under a new name and key, and its first new event says what was lost, so the witness's word stands against it.

    Raises:
        BadInput: no backup there, or the target or the key is not empty.
        LedgerBroken: the backup does not hold, or a witness has seen more and no loss is accepted.
    """
    if not (backup / "store.db").is_file() or not (backup / "ledger.key").is_file():
        raise BadInput(f"{backup} is not a backup: store.db and ledger.key are expected in it")
    signer = Signer.load(backup / "ledger.key")
    source = open_store(f"sqlite:{backup / 'store.db'}")
    try:
        report = verify_store(source, signer)
        if report.problems:
            raise LedgerBroken(f"the backup does not hold: {report.problems[0]}")
        seen = _seen(witnesses, signer)
        lost = max(0, seen - report.size)
        if lost and not accept_loss.strip():
            raise LedgerBroken(
                f"a witness has seen {seen} events, the backup has {report.size}: {lost} would be lost; "
                "find a later backup, or give --accept-loss with a reason"
            )
        _put(source, target, signer, backup, state)
    finally:
        source.close()
    if lost:
        _own_up(target, state, signer, seen, accept_loss)
    return RestoreReport(report.size, lost)


def _seen(witnesses: Sequence[Witness], signer: Signer) -> int:
    sizes = [0]
    for witness in witnesses:
        note = witness.latest(signer.origin)
        if note is not None:
            sizes.append(verify_checkpoint(note, [signer.vkey]).size)
    return max(sizes)


def _put(source: Store, target: Store, signer: Signer, backup: Path, state: Path) -> None:
    key = state / "ledger.key"
    if key.exists():
        there = Signer.load(key)
        if there.vkey != signer.vkey:
            raise BadInput(f"{key} is another ledger's key; move it away first")
    copy_store(source, target)
    if not key.exists():
        state.mkdir(parents=True, exist_ok=True)
        key.touch(mode=0o600)
        key.write_bytes((backup / "ledger.key").read_bytes())


def _own_up(target: Store, state: Path, signer: Signer, seen: int, why: str) -> None:
    with target.snapshot() as reader:
        last = stored_checkpoints(reader)[-1:]
    size = target.read("select size from head")[0][0]
    origin = f"{signer.origin}/restored-at-{size}"
    (state / "ledger.key").rename(state / f"ledger.key.until-{size}")
    with target.transaction() as transaction:
        transaction.execute("delete from checkpoint")
        transaction.execute("delete from setting where name = 'ledger/vkey'")
        transaction.upsert_many("setting", "name", "name,value", [("ledger/origin", origin)])
    journal = Journal(target)
    data: dict[str, Json] = {
        "what": "restored from a backup that lacks events a witness has seen", "why": why, "size": size,
        "lost": seen - size,
        "before": {"origin": signer.origin, "vkey": signer.vkey, "checkpoint": last[0] if last else ""},
    }  # fmt: skip
    journal.append_now(Event("ledger.recovered", "remit", data))
    journal.close()
    try:
        Keeper(target, Signer.open(state / "ledger.key", origin)).checkpoint()
    except RemitError as error:
        raise LedgerBroken(f"the restored ledger cannot be signed: {error}") from None
