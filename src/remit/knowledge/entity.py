"""Entities: which records are one thing, over time. Merging and splitting write members and rewrite no fact.

A record begins as an entity of its own. Every change is an event that lists its moves, ``[record, from, to]``, in the
commit that writes the member rows; so it can be undone, and whoever looks as of before sees what was then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput, Conflict, NotFound
from remit.knowledge.context_query import GraphQuery, View
from remit.knowledge.number_list import among, number_list
from remit.ledger.event import RecordedEvent
from remit.ledger.journal import Journal
from remit.store.engine import Reader, Transaction
from remit.store.tables import TABLES
from remit.vocabulary import Event, Json, Ref

__all__ = [
    "Entity",
    "Membership",
    "find_entity",
    "memberships_of",
    "merge_entities",
    "move_records",
    "split_entity",
    "undo_move",
]

MERGED: Final = "entity.merged"
SPLIT: Final = "entity.split"
MOVES_MAX: Final = 20_000
WHY_CHARACTERS_MAX: Final = 1_000
_Moves = Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity by its internal number, with the records that belong to it."""

    eid: int
    records: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """That a record belonged to an entity from one ledger size to another; ``until`` None is to this day."""

    rid: int
    eid: int
    since: int
    until: int | None
    how: str
    score_bp: int


def find_entity(reader: Reader, text: str, as_of: int | None = None) -> Entity:
    """Return the entity that ``text`` names: ``Type/KEY``, ``source.table/KEY``, or ``e`` and a record's number.

    This looks past all scopes: it is for people who look after the graph. `visible_entity` is for agents.

    Raises:
        NotFound: there is none.
        BadInput: ``text`` has none of these forms, or names several entities.
    """
    view = View(INTEGER_MAX if as_of is None else as_of, 0, {})
    query = GraphQuery(reader, view)
    rids = query.called(text)
    eids = sorted(set(query.entities(rids).values()))
    if not eids:
        raise NotFound(f"no entity {text!r:.80}")
    if len(eids) > 1:
        shown = ", ".join(f"e{rid}" for rid in rids[:5])
        raise BadInput(f"several entities are called {text!r:.80}: {shown}; name one of these")
    return Entity(eids[0], tuple(query.members(eids)))


def memberships_of(reader: Reader, rid: int) -> tuple[Membership, ...]:
    """What record ``rid`` belonged to, oldest first."""
    rows = reader.fetch(
        "select rid, eid, tx_from, tx_to, how, score_bp from member where rid = ? order by tx_from", (rid,)
    )
    return tuple(
        Membership(rid, eid, since, None if until == INTEGER_MAX else until, how, score_bp)
        for rid, eid, since, until, how, score_bp in rows
    )


def merge_entities(
    journal: Journal, rids: Iterable[int], *, how: str, score_bp: int, why: str, actor: str, as_of: int | None = None
) -> Ref:
    """Make the whole entities of the records ``rids`` one: the largest of them takes in the others.

    ``how`` says how it was found and ``score_bp`` how sure that is, in basis points. With ``as_of``, a ledger size at
    which the caller looked, nothing of these entities may have changed since.

    Raises:
        Conflict: they are one already, or one of them changed since ``as_of``; nothing was written.
        NotFound: there is no such record.
        BadInput: a reason is missing, or a number is out of range.
    """
    wanted = sorted(set(rids))

    def moves(transaction: Transaction) -> _Moves:
        eids = sorted(set(_entities_now(transaction, wanted).values()))
        if len(eids) < 2:
            raise Conflict(f"records {_numbers(wanted)} are one entity already")
        members = _members_now(transaction, eids)
        _unchanged(transaction, eids, as_of)
        target = min(eids, key=lambda eid: (-sum(1 for at in members.values() if at == eid), eid))
        return [(rid, eid, target) for rid, eid in sorted(members.items()) if eid != target]

    return _write(journal, MERGED, moves, how, score_bp, why, actor, {})


def split_entity(journal: Journal, rids: Iterable[int], *, why: str, actor: str, as_of: int | None = None) -> Ref:
    """Make the records ``rids``, which belong to one entity with others, an entity of their own.

    Raises:
        Conflict: they belong to several entities, or are all of one, or it changed since ``as_of``.
        NotFound: there is no such record.
        BadInput: a reason is missing.
    """
    wanted = sorted(set(rids))

    def moves(transaction: Transaction) -> _Moves:
        eids = sorted(set(_entities_now(transaction, wanted).values()))
        if len(eids) != 1:
            raise Conflict(f"records {_numbers(wanted)} belong to {len(eids)} entities: split one at a time")
        members = sorted(_members_now(transaction, eids))
        if members == wanted:
            raise Conflict(f"records {_numbers(wanted)} are all of their entity: nothing would be left of it")
        _unchanged(transaction, eids, as_of)
        target = _free_number(transaction, [*wanted, *members])
        return [(rid, eids[0], target) for rid in wanted]

    return _write(journal, SPLIT, moves, "split", 10_000, why, actor, {})


def move_records(
    journal: Journal, moves: Iterable[tuple[int, int, int]], *, how: str, score_bp: int, why: str, actor: str
) -> Ref:
    """Move records from one entity to another, as resolution has worked out: ``(record, from, to)``.

    It is recorded as a merge. Whether the numbers in ``to`` make sense is the caller's to see to: they are numbers of
    entities there are, or of a record that no entity is called by.

    Raises:
        Conflict: a record is not where ``moves`` says; nothing was written.
        BadInput: there is nothing to move, more than 20,000 records, or a number is out of range.
    """
    wanted = sorted((rid, left, entered) for rid, left, entered in moves)
    return _write(journal, MERGED, lambda _transaction: wanted, how, score_bp, why, actor, {})


def undo_move(journal: Journal, seq: int, *, why: str, actor: str) -> Ref:
    """Undo the merge or the split that event ``seq`` recorded.

    Raises:
        NotFound: that event is neither.
        Conflict: a record has moved again since, or where one came from is not as it was; undo that first.
    """
    rows = journal.store.read("select seq, body from event where seq = ?", (seq,))
    event = RecordedEvent.read(*rows[0]).event if rows else None
    if event is None or event.kind not in (MERGED, SPLIT):
        raise NotFound(f"event {seq} is neither a merge nor a split")
    data: Mapping[str, Any] = event.data
    done = [(rid, left, entered) for rid, left, entered in data["moves"]]

    def moves(transaction: Transaction) -> _Moves:
        _as_event_left_it(transaction, seq, done)
        return [(rid, entered, left) for rid, left, entered in done]

    return _write(
        journal, SPLIT if event.kind == MERGED else MERGED, moves, "undo", 10_000, why, actor, {"undoes": seq}
    )


def _write(
    journal: Journal,
    kind: str,
    moves: Callable[[Transaction], _Moves],
    how: str,
    score_bp: int,
    why: str,
    actor: str,
    also: dict[str, Json],
) -> Ref:
    for name, text in (("why", why), ("how", how)):
        if not text.strip() or len(text) > WHY_CHARACTERS_MAX or text == "self":
            raise BadInput(f"{name}: got {len(text)} characters, expected a reason of at most {WHY_CHARACTERS_MAX}")
    if not 0 <= score_bp <= 10_000:
        raise BadInput(f"score_bp: got {score_bp}, expected 0 to 10000 basis points")

    def work(transaction: Transaction, seq: int) -> list[Event]:
        listed: _Moves = moves(transaction)
        _move(transaction, seq, listed, how, score_bp)
        data: dict[str, Json] = {"moves": [list(move) for move in listed], "how": how, "score_bp": score_bp, "why": why}
        return [Event(kind, actor, data | also)]

    return journal.append_with(work)[0]


def _move(transaction: Transaction, seq: int, moves: _Moves, how: str, score_bp: int) -> None:
    rids = [rid for rid, _, _ in moves]
    if not 0 < len(moves) <= MOVES_MAX or len(set(rids)) != len(rids):
        raise BadInput(f"moves: got {len(moves)}, expected 1 to {MOVES_MAX}, each of another record")
    now = _entities_now(transaction, rids)
    for rid, left, entered in moves:
        if now[rid] != left:
            raise Conflict(f"record {rid} belongs to entity {now[rid]}, not to {left}: look again")
        if left == entered:
            raise BadInput(f"record {rid} would stay where it is")
    transaction.execute(
        f"update member set tx_to = ? where tx_to = ? and rid {among(transaction)}",  # noqa: S608
        (seq, INTEGER_MAX, number_list(transaction, rids)),
    )
    rows = [(rid, seq, INTEGER_MAX, entered, how, score_bp) for rid, _, entered in moves]
    transaction.insert_many("member", TABLES["member"], rows)


def _entities_now(transaction: Transaction, rids: Sequence[int]) -> dict[int, int]:
    rows = transaction.fetch_in("member", "rid,eid", "rid", rids, f"tx_to = {INTEGER_MAX}")
    found: dict[int, int] = dict(sorted(rows))
    missing = [rid for rid in rids if rid not in found]
    if missing:
        raise NotFound(f"no record {_numbers(missing)}")
    return found


def _members_now(transaction: Transaction, eids: Iterable[int]) -> dict[int, int]:
    return dict(transaction.fetch_in("member", "rid,eid", "eid", eids, f"tx_to = {INTEGER_MAX}"))


def _unchanged(transaction: Transaction, eids: Iterable[int], as_of: int | None) -> None:
    if as_of is None:
        return
    later = f"(tx_from >= {int(as_of)} or (tx_to >= {int(as_of)} and tx_to < {INTEGER_MAX}))"
    rows = transaction.fetch_in("member", "rid,eid", "eid", eids, later)
    if rows:
        raise Conflict(f"the entity of record {min(rows)[0]} changed since ledger size {as_of}: look again")


def _free_number(transaction: Transaction, candidates: Iterable[int]) -> int:
    """A number that no entity has: of these records if possible. No later record can get it, since its own is taken."""
    candidates = list(candidates)
    used = {eid for (eid,) in transaction.fetch_in("member", "eid", "eid", candidates, f"tx_to = {INTEGER_MAX}")}
    for number in candidates:
        if number not in used:
            return number
    rows = transaction.fetch(
        "select min(r.rid) from record r where not exists (select 1 from member m where m.eid = r.rid and m.tx_to = ?)",
        (INTEGER_MAX,),
    )
    return int(rows[0][0])  # there are fewer entities than records here, so one is free


def _as_event_left_it(transaction: Transaction, seq: int, done: _Moves) -> None:
    rows = transaction.fetch_in(
        "member", "rid,tx_from,eid", "rid", [move[0] for move in done], f"tx_to = {INTEGER_MAX}"
    )
    now = {rid: (since, eid) for rid, since, eid in rows}
    for rid, _, entered in done:
        if now.get(rid) != (seq, entered):
            raise Conflict(f"record {rid} has moved again since event {seq}: undo that first")
    left = sorted({move[1] for move in done})
    then = transaction.fetch_in("member", "rid,eid", "eid", left, f"tx_from <= {int(seq)} and tx_to > {int(seq)}")
    if dict(then) != _members_now(transaction, left):
        raise Conflict(f"where the records of event {seq} came from has changed since: undo that first")


def _numbers(rids: Sequence[int]) -> str:
    return ", ".join(map(str, rids[:5])) + (" and more" if len(rids) > 5 else "")
