"""Records that a load brought are compared at once: put under their keys, and a new one joined to what it surely is.

Only where a model was trained for their type, and by its thresholds and the batch's own rules of grouping. Two
entities that were there before are never joined here, and none is parted: that takes the whole view, and is left to
`resolve_type`, as is a load that brings very many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from remit.errors import Conflict, NotFound
from remit.knowledge.arriving import (
    CANDIDATES_MAX,
    OPEN,
    Matcher,
    current_matcher,
    index_records,
    sharing_keys,
    values_of,
)
from remit.knowledge.doubtful import DoubtfulPair
from remit.knowledge.entity import move_records
from remit.knowledge.match_clusters import DOUBT_BP, SURE_BP, Together, bits_of, cluster_pairs
from remit.knowledge.pair_model import Prepared, probability_of
from remit.ledger.journal import Journal
from remit.store.engine import Reader, Store

__all__ = ["Arrived", "match_arrived"]

MATCHED_MAX: Final = 1_000
"""New records that are compared one by one; the batch compares more than that at once, and faster."""
INDEXED_AT_ONCE: Final = 1_000
_MARK: Final = "knowledge/indexed/"


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of records that arrived: ``indexed`` under their keys, ``joined`` to entities that were there.

    ``left`` were too many to be compared one by one, or came under a model that does not say which data sets hold
    each thing once.
    """

    type: str
    indexed: int
    joined: int
    left: int
    doubtful: tuple[DoubtfulPair, ...]


def match_arrived(
    journal: Journal, store: Store, type_name: str, *, actor: str = "resolution", most: int = MATCHED_MAX
) -> Arrived | None:
    """Index and compare what was written of ``type_name`` since this was last done; None where no model was trained.

    What an earlier load left because it died is done as well.

    Raises:
        BadInput: the model is one that this release cannot read.
    """
    matcher = current_matcher(store, type_name)
    if matcher is None:
        return None
    with store.snapshot() as reader:
        size = int(reader.fetch("select size from head")[0][0])
        since = max(matcher.as_of, _mark(reader, type_name))
        written = [
            rid
            for (rid,) in reader.stream(
                "select v.rid from version v join record r on r.rid = v.rid"
                " where v.tx_from >= ? and v.tx_to = ? and r.type = ? and r.salt is not null order by v.rid",
                (since, OPEN, type_name),
            )
        ]
    for some in _parts(written):
        with store.snapshot() as reader:
            rows = values_of(reader, matcher, some)
        index_records(store, matcher, rows)
    with store.transaction() as transaction:
        transaction.upsert_many("setting", "name", "name,value", [(_MARK + type_name, str(size))])
    with store.snapshot() as reader:
        new = list(_new(reader, written, since))
    if matcher.single is None or len(new) > most:
        return Arrived(type_name, len(written), 0, len(new), ())
    joined, doubtful = 0, []
    for rid in new:
        move, asked = _place(store, matcher, matcher.single, rid)
        doubtful += asked
        joined += move is not None and _join(journal, matcher, *move, actor)
    return Arrived(type_name, len(written), joined, 0, tuple(doubtful))


def _mark(reader: Reader, type_name: str) -> int:
    rows = reader.fetch("select value from setting where name = ?", (_MARK + type_name,))
    return int(rows[0][0]) if rows else 0


def _parts(rids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(rids), INDEXED_AT_ONCE):
        yield rids[first : first + INDEXED_AT_ONCE]


def _new(reader: Reader, rids: Sequence[int], since: int) -> Iterator[int]:
    """Those of ``rids`` that said nothing before, and that nobody has joined to anything."""
    for some in _parts(rids):
        before = {rid for (rid,) in reader.fetch_in("version", "rid", "rid", some, f"tx_from < {int(since)}")}
        moved = {rid for (rid,) in reader.fetch_in("member", "rid", "rid", some, "how <> 'self'")}
        yield from (rid for rid in some if rid not in before and rid not in moved)


def _place(
    store: Store, matcher: Matcher, single: frozenset[str], rid: int
) -> tuple[tuple[int, int, int] | None, list[DoubtfulPair]]:
    """Find where a new record belongs: ``(record, entity, basis points)`` where that is sure, and whom to ask about."""
    with store.snapshot() as reader:
        own = values_of(reader, matcher, [rid]).get(rid, {})
        prepared = matcher.model.prepare(own)
        near = [other for other in sharing_keys(reader, matcher.keys(prepared)) if other != rid][:CANDIDATES_MAX]
        entity_of = _entities(reader, [rid, *near])
        if entity_of.pop(rid, None) != rid or rid in entity_of.values():
            return None, []  # somebody joined it, or something to it, meanwhile
        others = values_of(reader, matcher, sorted(entity_of))
        datasets = _datasets(reader, [rid, *others])
    rids = [rid, *sorted(others)]
    rows = [prepared, *(matcher.model.prepare(others[other]) for other in rids[1:])]

    def weigh(one: int, two: int) -> float:
        return matcher.score(rows[one], rows[two]).weight

    pairs = [(0, place, weigh(0, place)) for place in range(1, len(rids))]
    found = cluster_pairs(
        len(rids), pairs, weigh, sure=bits_of(SURE_BP), doubt=bits_of(DOUBT_BP),
        sources=[datasets[one] for one in rids], single=single, known=_known([entity_of.get(one) for one in rids]),
    )  # fmt: skip
    asked = [
        _doubtful(matcher, rids, rows, link.left, link.right, link.weight, link.why)
        for link in found.doubtful
        if 0 in (link.left, link.right)
    ]
    group = next(group for group in found.groups if 0 in group)
    if len(group) == 1:
        return None, asked
    best = max(weight for _, place, weight in pairs if place in group)
    return (rid, entity_of[rids[group[1]]], round(probability_of(best) * 10_000)), asked


def _known(homes: Sequence[int | None]) -> Together:
    """Entities that are there stay as they are: the records of each are one, and no two of them are."""
    first: dict[int, int] = {}
    same = []
    for place, home in enumerate(homes):
        if home is not None and first.setdefault(home, place) != place:
            same.append((first[home], place))
    heads = sorted(first.values())
    apart = frozenset((one, two) for at, one in enumerate(heads) for two in heads[at + 1 :])
    return Together(tuple(same), apart)


def _entities(reader: Reader, rids: Sequence[int]) -> dict[int, int]:
    """The records of all entities that ``rids`` belong to, with their entities."""
    eids = {eid for (eid,) in reader.fetch_in("member", "eid", "rid", rids, f"tx_to = {OPEN}")}
    return dict(reader.fetch_in("member", "rid,eid", "eid", sorted(eids), f"tx_to = {OPEN}"))


def _datasets(reader: Reader, rids: Sequence[int]) -> dict[int, str]:
    numbers: dict[int, int] = dict(reader.fetch_in("record", "rid,did", "rid", rids))
    names: dict[int, str] = dict(reader.fetch_in("dataset", "did,name", "did", sorted(set(numbers.values()))))
    return {rid: names[did] for rid, did in numbers.items()}


def _doubtful(
    matcher: Matcher, rids: Sequence[int], rows: Sequence[Prepared], one: int, two: int, weight: float, why: str
) -> DoubtfulPair:
    compared = matcher.why(matcher.score(rows[one], rows[two]))
    return DoubtfulPair(rids[one], rids[two], round(probability_of(weight) * 10_000), why, compared)


def _join(journal: Journal, matcher: Matcher, rid: int, entity: int, score_bp: int, actor: str) -> bool:
    how = f"splink model {matcher.digest[:12]}"
    try:
        move_records(journal, [(rid, rid, entity)], how=how, score_bp=score_bp, why="arrival", actor=actor)
    except (Conflict, NotFound):  # moved meanwhile; the next run of the batch looks again
        return False
    return True
