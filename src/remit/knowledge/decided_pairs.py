"""What people have said about which records are one, read from the ledger: resolution never overrules it.

A merge that a person made stays; records that a person parted, or whose merge a person undid or refused, stay apart. A
later word of a person counts more than an earlier one. What resolution itself did binds nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from remit.knowledge.entity import MERGED, SPLIT
from remit.ledger.event import RecordedEvent
from remit.ledger.query import all_events
from remit.store.engine import Reader

__all__ = ["MERGE_ACTION", "DecidedPairs", "decided_pairs", "record_named"]

MERGE_ACTION: Final = "entity.merge"
"""The action that asks whether two records are one."""
BY_RESOLUTION: Final = ("splink model ", "words alike")
"""How the ``how`` of a merge begins that resolution made."""
CROSS_MAX: Final = 20_000


@dataclass(slots=True)
class DecidedPairs:
    """Pairs of record numbers, the smaller first: ``same`` are one, ``apart`` are not, because a person said so."""

    same: set[tuple[int, int]] = field(default_factory=set)
    apart: set[tuple[int, int]] = field(default_factory=set)

    def join(self, ones: Iterable[int], others: Iterable[int]) -> None:
        """A person said that they are one."""
        pairs = _pairs(ones, others)
        self.apart -= pairs
        self.same |= pairs

    def part(self, ones: Iterable[int], others: Iterable[int]) -> None:
        """A person said that they are not one."""
        pairs = _pairs(ones, others)
        self.same -= pairs
        self.apart |= pairs


def _pairs(ones: Iterable[int], others: Iterable[int]) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for one, other in product(ones, others):
        if one != other:
            found.add((min(one, other), max(one, other)))
        if len(found) >= CROSS_MAX:
            break
    return found


def record_named(text: object) -> int | None:
    """Return the number of the record in an argument like ``e12``; None when it is none."""
    if isinstance(text, str) and text[:1] == "e" and text[1:].isascii() and text[1:].isdigit() and len(text) < 18:
        return int(text[1:])
    return None


def decided_pairs(reader: Reader) -> DecidedPairs:
    """Read all merges, splits and refusals, oldest first."""
    found = DecidedPairs()
    asked: dict[str, tuple[int, int]] = {}
    for recorded in all_events(reader, (MERGED, SPLIT, "approval.asked", "approval.answered")):
        event = recorded.event
        if event.kind in (MERGED, SPLIT):
            _moved(reader, found, recorded)
        elif event.kind == "approval.asked" and event.data.get("name") == MERGE_ACTION:
            pair = _asked_about(reader, event.action)
            if pair is not None:
                asked[event.action] = pair
        elif event.kind == "approval.answered" and event.data.get("verdict") == "reject" and event.action in asked:
            left, right = asked[event.action]
            found.part((left,), (right,))
    return found


def _asked_about(reader: Reader, action: str) -> tuple[int, int] | None:
    rows = reader.fetch("select seq, body from event where action = ? and step = 'decided:1' and step <> ''", (action,))
    if not rows:
        return None
    body: Mapping[str, Any] = RecordedEvent.read(*rows[0]).event.data
    arguments = body.get("action", {}).get("arguments", {})
    left, right = record_named(arguments.get("left")), record_named(arguments.get("right"))
    return None if left is None or right is None else (left, right)


def _moved(reader: Reader, found: DecidedPairs, recorded: RecordedEvent) -> None:
    data: Mapping[str, Any] = recorded.event.data
    if str(data.get("how", "")).startswith(BY_RESOLUTION):
        return
    groups: dict[tuple[int, int], list[int]] = {}
    for rid, left, entered in data["moves"]:
        groups.setdefault((left, entered), []).append(rid)
    for (left, entered), rids in groups.items():
        if recorded.event.kind == SPLIT:
            found.part(rids, _others(reader, left, recorded.seq, rids))
        else:
            found.join(rids, _others(reader, entered, recorded.seq, rids))


def _others(reader: Reader, entity: int, seq: int, but: Iterable[int]) -> list[int]:
    """Who belonged to ``entity`` once event ``seq`` was written, but for those."""
    rows = reader.fetch(
        "select rid from member where eid = ? and tx_from <= ? and tx_to > ? order by rid limit 2000",
        (entity, seq, seq),
    )
    gone = set(but)
    return [rid for (rid,) in rows if rid not in gone]
