"""Is the knowledge graph what was written? Every edit in place shows, and exactly the receipts that it touches.

Facts lie beside the ledger, so the ledger's own proofs do not cover them. What does: each value and key has its
commitment; each batch its root over all rows it wrote and closed; each merge and split lists its moves; and each
receipt has the digest of what was shown. All of these stand in the ledger, or are covered by what does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from remit.canonical import INTEGER_MAX
from remit.knowledge.commitment import erased_name, key_commitment, value_commitment
from remit.knowledge.receipt import all_receipts, replay_event
from remit.knowledge.roots import batch_roots, root_of
from remit.ledger.query import all_events
from remit.store.engine import Reader, Row, Store
from remit.store.tables import TABLES

__all__ = ["KnowledgeReport", "check_graph", "check_knowledge"]

_ROOTED: Final = ("source.batch", "quarantine.moved", "knowledge.erased")
_MOVED: Final = ("entity.merged", "entity.split")
_IN_DATA: Final = ("by_observed", "counts", "drift", "notes", "problem", "batches")
"""What a load's row says within its ``data``, and its event by itself."""
_NOTHING: Final = object()
_EVERY: Final = 1_000
PROBLEMS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class KnowledgeReport:
    """What was checked, and what does not hold.

    ``edited`` are the ids of facts whose value is not the one that was committed to, ``receipts`` the digests of those
    that do not come out as they were shown, ``problems`` everything else in words, at most 1,000 of each.
    ``erased`` counts receipts of which values were erased since, which is no problem.
    """

    facts: int
    batches: int
    shown: int
    erased: int
    edited: tuple[str, ...]
    receipts: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything is as it was written."""
        return not (self.edited or self.receipts or self.problems)


def check_knowledge(store: Store, progress: Callable[[str, int], None] = lambda _what, _done: None) -> KnowledgeReport:
    """Check the whole graph, as it is at one moment; ``progress`` is told what is looked at and how much of it was.

    The ledger itself is checked by `verify`; this relies on its events.
    """
    with store.snapshot() as reader:
        return check_graph(reader, progress)


def check_graph(reader: Reader, progress: Callable[[str, int], None] = lambda _what, _done: None) -> KnowledgeReport:
    """The same as `check_knowledge`, of what ``reader`` sees."""
    check = _Check(reader, progress)
    check.values()
    check.keys()
    check.roots()
    check.members()
    check.loads()
    check.receipts()
    return KnowledgeReport(
        check.counts["facts"], check.counts["batches"], check.counts["receipts"], check.counts["erased"],
        tuple(check.edited[:PROBLEMS_MAX]), tuple(check.differing[:PROBLEMS_MAX]), tuple(check.problems[:PROBLEMS_MAX]),
    )  # fmt: skip


class _Check:
    """One look at everything. What it holds in memory grows with what was moved and with what is wrong."""

    def __init__(self, reader: Reader, progress: Callable[[str, int], None]):
        self.reader, self._progress = reader, progress
        self.edited: list[str] = []
        self.differing: list[str] = []
        self.problems: list[str] = []
        self.counts = {"facts": 0, "records": 0, "batches": 0, "receipts": 0, "erased": 0}

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        if self.counts[what] % _EVERY == 0:
            self._progress(what, self.counts[what])

    def values(self) -> None:
        """Each value against its commitment."""
        statement = (
            "select f.fid, f.value, f.vh, r.salt, r.rid from fact f left join record r on r.rid = f.rid order by f.rid"
        )
        for fid, value, vh, salt, rid in self.reader.stream(statement):
            self._count("facts")
            if rid is None or not _holds(value, bytes(vh), salt):
                self.edited.append(f"f{fid}")

    def keys(self) -> None:
        """Each key against its commitment, and each erased record against the event that erased it."""
        erased: set[int] = set()
        for recorded in all_events(self.reader, ("knowledge.erased",)):
            rids: Any = recorded.event.data["records"]
            erased.update(rids)
        for rid, skey, salt, kh in self.reader.stream("select rid, skey, salt, kh from record order by rid"):
            self._count("records")
            if salt is None and (rid not in erased or skey != erased_name(bytes(kh))):
                self.problems.append(f"record {rid} has lost its key, and no event says that it was erased")
            if salt is not None and (rid in erased or key_commitment(bytes(salt), skey) != bytes(kh)):
                self.problems.append(f"record {rid}: its key is not the one it was loaded with")

    def roots(self) -> None:
        """Each batch against the root in its event."""
        rooted = ((recorded.seq, recorded.event.data.get("root")) for recorded in all_events(self.reader, _ROOTED))
        wanted = {seq: str(root) for seq, root in rooted if root}
        for seq, root in batch_roots(self.reader):
            self._count("batches")
            said = wanted.pop(seq, None)
            if said is None:
                self.problems.append(f"rows say that event {seq} wrote them, and it did not")
            elif said != root:
                self.problems.append(f"batch {seq}: its rows are not what it wrote")
        for seq, said in wanted.items():
            if said != root_of(seq, {}):
                self.problems.append(f"batch {seq}: its rows are gone")

    def members(self) -> None:
        """Each record's memberships against the moves that events list; its first one is covered by its batch."""
        moves: dict[int, list[tuple[int, int, int, str, int]]] = {}
        for recorded in all_events(self.reader, _MOVED):
            data: Mapping[str, Any] = recorded.event.data
            for rid, left, entered in data["moves"]:
                moves.setdefault(rid, []).append((recorded.seq, left, entered, data["how"], data["score_bp"]))
        statement = f"select {TABLES['member']} from member order by rid, tx_from"  # noqa: S608
        for rid, rows in _grouped(self.reader.stream(statement)):
            wrong = _first_wrong(rows, moves.pop(rid, []))
            if wrong is not None:
                self.problems.append(f"record {rid} is said to belong to entity {wrong}, and no event made it so")
        self.problems += [f"record {rid} has no memberships, and events moved it" for rid in sorted(moves)]

    def loads(self) -> None:
        """Each load that ended against the event of its end, in all that both say."""
        names = TABLES["load"].split(",")
        datasets: dict[int, str] = dict(self.reader.fetch("select did, name from dataset"))
        ended = {recorded.seq: recorded.event.data for recorded in all_events(self.reader, ("source.loaded",))}
        rows = self.reader.stream(f"select {TABLES['load']} from load where state <> 'running' order by load")  # noqa: S608
        for row in rows:
            cells = dict(zip(names, row, strict=True))
            said: Mapping[str, Any] | None = ended.pop(cells["tx"], None)
            kept = _told(cells, datasets.get(cells["did"], ""))
            if said is None or any(said[name] != kept[name] for name in kept if name in said):
                self.problems.append(f"load {cells['load']}: its end is not what an event says")
        self.problems += [f"the load that event {seq} ended is gone" for seq in sorted(ended)]

    def receipts(self) -> None:
        """Each receipt, replayed."""
        listed: dict[str, int] = dict(self.reader.fetch("select digest, seq from receipt"))
        for recorded in all_receipts(self.reader):
            self._count("receipts")
            replayed = replay_event(self.reader, recorded)
            self.counts["erased"] += replayed.state == "same, erased"
            if replayed.state == "differs":
                self.differing.append(replayed.digest)
            if listed.pop(replayed.digest, -1) != recorded.seq:
                self.problems.append(
                    f"receipt {replayed.digest[:16]}: the list of receipts does not have it where it is"
                )
        self.problems += [f"receipt {digest[:16]} has no event" for digest in sorted(listed)]


def _holds(value: str | None, vh: bytes, salt: bytes | None) -> bool:
    if salt is None or value is None:
        return salt is None and value is None
    return value_commitment(bytes(salt), value) == vh


def _told(cells: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """What the row of a load says, under the names that its event says it by."""
    try:
        data = orjson.loads(cells["data"])
    except orjson.JSONDecodeError:
        data = None
    # What is no object says nothing that an event could agree with.
    inner = data if isinstance(data, dict) else dict.fromkeys(_IN_DATA, _NOTHING)
    told = {name: inner.get(name, _NOTHING) for name in _IN_DATA}
    return {**told, **{name: cell for name, cell in cells.items() if name != "data"}, "dataset": dataset}


def _grouped(rows: Any) -> Iterator[tuple[int, list[Row]]]:
    group: list[Row] = []
    for row in rows:
        if group and row[0] != group[0][0]:
            yield group[0][0], group
            group = []
        group.append(row)
    if group:
        yield group[0][0], group


def _first_wrong(rows: Sequence[Row], moves: Sequence[tuple[int, int, int, str, int]]) -> int | None:
    """The entity in the first row that is not what a record's first membership and ``moves`` make it."""
    _, _, until, eid, how, _ = rows[0]
    entered = eid
    if how != "self":
        return int(eid)
    for row, (seq, left, target, why, score_bp) in zip(rows[1:], moves, strict=False):
        if until != seq or left != entered:
            return int(entered)
        if row[1] != seq or row[3:] != (target, why, score_bp):
            return int(row[3])
        until, entered = row[2], target
    return None if len(rows) == len(moves) + 1 and until == INTEGER_MAX else int(rows[-1][3])
