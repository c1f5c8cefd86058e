"""Erasing an entity: values, keys and salts of its records go, commitments, times and lineage stay.

After it nobody can tell what was said of whom, here or by trying out values; every root and every receipt still holds,
a replayed context shows nulls, and decisions hold commitments that nobody can open any more. What is known now of these
records ends, so that nothing shows that there was anybody. A hash of each key under the company's pepper remains, so
that the next load does not bring the person back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput, Conflict
from remit.knowledge.commitment import erased_name
from remit.knowledge.entity import Entity
from remit.knowledge.known_blocks import forget_blocks
from remit.knowledge.number_list import among, number_list
from remit.knowledge.pepper import erased_hash, make_pepper
from remit.knowledge.roots import root_of
from remit.knowledge.search import forget_texts
from remit.ledger.journal import Journal
from remit.store.engine import Row, Transaction
from remit.vocabulary import Event, Json

__all__ = ["Erasure", "erase_entity"]

WHY_CHARACTERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: values of how many facts, of which records, recorded at which place of the ledger."""

    seq: int
    records: tuple[int, ...]
    facts: int
    held_back: int


def erase_entity(journal: Journal, entity: Entity, *, why: str, actor: str) -> Erasure:
    """Erase all records of ``entity``, as `find_entity` returned it, in one commit.

    Backups made before still hold what was erased: erase again after putting one back. The bodies of webhooks and mail
    that arrived are not touched, nor are decisions that were recorded before facts of the graph were sealed in them.

    Raises:
        Conflict: the entity has other records by now, or all of it was erased before; nothing was written.
        BadInput: no reason is given.
    """
    if not why.strip() or len(why) > WHY_CHARACTERS_MAX:
        raise BadInput(f"erasing needs a reason of at most {WHY_CHARACTERS_MAX} characters: got {len(why)}")
    done: list[Erasure] = []

    def work(transaction: Transaction, seq: int) -> list[Event]:
        now = transaction.fetch_in("member", "rid", "eid", [entity.eid], f"tx_to = {INTEGER_MAX}")
        if sorted(rid for (rid,) in now) != sorted(entity.records):
            raise Conflict(f"the entity of record {entity.records[0]} has other records by now: look again")
        records = transaction.fetch_in("record", "rid,did,skey,kh", "rid", entity.records, "salt is not null")
        if not records:
            raise Conflict(f"the entity of record {entity.records[0]} was erased before")
        rids = sorted(row[0] for row in records)
        root = _close(transaction, seq, rids)
        facts = _forget(transaction, rids)
        held_back = _forget_keys(transaction, seq, records)
        forget_blocks(transaction, {did for _, did, _, _ in records})
        done[:] = [Erasure(seq, tuple(rids), facts, held_back)]  # a commit that is taken again begins anew
        data: dict[str, Json] = {
            "entity": entity.eid, "records": [*rids], "facts": facts, "held_back": held_back, "root": root, "why": why,
        }  # fmt: skip
        return [Event("knowledge.erased", actor, data)]

    journal.append_with(work)
    return done[0]


def _close(transaction: Transaction, seq: int, rids: Sequence[int]) -> str:
    """End what is known now of the records, and return the root over it, as a batch has one."""
    cells: dict[str, list[Sequence[Any]]] = {}
    open_now = f"{among(transaction)} and tx_to = ?"
    for table, column, numbers in (("fact", "rid", "fid"), ("link", "src", "lid"), ("version", "rid", "rid,tx_from")):
        given = (number_list(transaction, rids), INTEGER_MAX)
        rows = transaction.fetch(
            f"select {numbers} from {table} where {column} {open_now} order by {numbers}",  # noqa: S608
            given,
        )
        if rows:
            cells[f"closed {table}"] = list(zip(*rows, strict=True))
            statement = f"update {table} set tx_to = ? where {column} {open_now}"  # noqa: S608
            transaction.execute(statement, (seq, *given))
    return root_of(seq, cells)


def _forget(transaction: Transaction, rids: Sequence[int]) -> int:
    forget_texts(transaction, rids)
    given = (number_list(transaction, rids),)
    of_them = f"rid {among(transaction)}"
    transaction.execute(f"delete from blocking where {of_them}", given)  # noqa: S608
    statement = f"update fact set value = null where value is not null and {of_them}"  # noqa: S608
    return transaction.execute(statement, given)


def _forget_keys(transaction: Transaction, seq: int, records: Sequence[Row]) -> int:
    pepper = make_pepper(transaction)
    hashes = sorted({erased_hash(pepper, did, skey) for _, did, skey, _ in records})
    known = {row[0] for row in transaction.fetch_in("erased_key", "hash", "hash", hashes)}
    transaction.insert_many("erased_key", "hash", [(one,) for one in hashes if one not in known])
    held_back = 0
    for rid, did, skey, kh in records:
        name = erased_name(bytes(kh))
        given = (name, did, skey)
        held_back += transaction.execute(
            "update quarantine set skey = ?, raw = null, reason = 'erased' where did = ? and skey = ?", given
        )
        transaction.execute(
            "update quarantine set state = 'erased', tx_to = ? where did = ? and skey = ? and tx_to = ?",
            (seq, did, name, INTEGER_MAX),
        )
        transaction.execute("update record set skey = ?, salt = null where rid = ?", (name, rid))
    return held_back
