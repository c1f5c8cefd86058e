"""Merging two entities as an action of the system ``remit``: proposed by an agent, decided by gate and people."""

from __future__ import annotations

from collections.abc import Mapping

from remit.connectors.own_system import OwnOperation
from remit.errors import BadInput
from remit.knowledge.decided_pairs import record_named
from remit.knowledge.entity import MERGED, find_entity, merge_entities
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.store.engine import Store
from remit.vocabulary import Json

__all__ = ["merge_operation"]

HOW = "approved"


def merge_operation(journal: Journal, store: Store) -> OwnOperation:
    """Return the operation ``entity.merge`` with arguments left, right (records such as ``e12``), score_bp and why."""

    def perform(arguments: Mapping[str, Json], key: str) -> Mapping[str, Json]:
        numbers = [record_named(arguments.get(name)) for name in ("left", "right")]
        if None in numbers:
            raise BadInput(f"left and right: got {numbers!r:.80}, expected records such as e12")
        score = arguments.get("score_bp")
        with store.snapshot() as reader:
            members = [find_entity(reader, f"e{number}").records[0] for number in numbers]
        ref = merge_entities(
            journal,
            members,
            how=HOW,
            score_bp=score if type(score) is int else 0,
            why=f"{arguments.get('why', '')}"[:900] or "approved",
            actor=f"action:{key}",
        )
        return {"seq": ref.seq, "merged": [f"e{number}" for number in numbers]}

    def lookup(key: str) -> Mapping[str, Json] | None:
        with store.snapshot() as reader:
            for recorded in all_events(reader, (MERGED,)):
                if recorded.event.actor == f"action:{key}":
                    return {"seq": recorded.seq}
        return None

    return OwnOperation(perform, lookup)
