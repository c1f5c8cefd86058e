"""Resolving all records of one entity type: read, compare, move what is sure, hand back what is doubtful.

What people decided stands. Entities keep their numbers as far as their records do. Each entity that gains records is
one event, so one merge can be undone without the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from remit.errors import BadInput, Conflict, NotFound
from remit.knowledge.arriving import OPEN, RULES_SPACE, Matcher, block_rows, fact_text, resolution_case, rule_numbers
from remit.knowledge.decided_pairs import DecidedPairs, decided_pairs
from remit.knowledge.doubtful import DoubtfulPair
from remit.knowledge.entity import MOVES_MAX, move_records
from remit.knowledge.match_clusters import Together
from remit.knowledge.model_text import model_text
from remit.knowledge.pair_model import probability_of
from remit.knowledge.pepper import make_pepper
from remit.knowledge.resolve import Resolution, resolve_rows
from remit.knowledge.source_file import SourceFile
from remit.knowledge.stable_ids import Move, plan_moves
from remit.ledger.event import RecordedEvent
from remit.ledger.journal import Journal
from remit.store.engine import Reader, Store
from remit.vocabulary import Event, Json

__all__ = ["TypeRecords", "TypeResolution", "match_words_of", "read_type", "resolve_type"]

TEXT_SURE_BP: Final = 9_985
"""Words alone join records unasked only from a cosine of about 0.8 on."""
ROWS_AT_ONCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class TypeRecords:
    """The records of a type with what they say now, by place: numbers, data sets, values, entities."""

    rids: tuple[int, ...]
    datasets: tuple[str, ...]
    rows: tuple[Mapping[str, str | None], ...]
    entities: Mapping[int, int]
    taken: frozenset[int]


@dataclass(frozen=True, slots=True)
class TypeResolution:
    """What resolving a type did. ``moved`` counts records, ``clashed`` entities that changed meanwhile and were left.

    ``lane`` is ``fields`` (a trained model, named by ``model``), ``text`` (words alone) or ``none``.
    """

    type: str
    records: int
    entities: int
    moved: int
    clashed: int
    doubtful: tuple[DoubtfulPair, ...]
    lane: str
    model: str


def match_words_of(type_name: str, sources: Mapping[str, SourceFile]) -> dict[tuple[str, str], str]:
    """Return the match word of each (data set, fact) of a type.

    Raises:
        BadInput: two tables give the same fact different words.
    """
    words: dict[tuple[str, str], str] = {}
    by_fact: dict[str, tuple[str, str]] = {}
    for source in sources.values():
        for table in source.tables.values():
            if table.type != type_name:
                continue
            for fact in table.facts:
                if fact.match is None:
                    continue
                word, where = by_fact.setdefault(fact.name, (fact.match, table.dataset))
                if word != fact.match:
                    raise BadInput(
                        f"match of {fact.name}: {where} says {word}, {table.dataset} says {fact.match}; "
                        "one fact is compared in one way, so write the same word"
                    )
                words[table.dataset, fact.name] = fact.match
    return words


def read_type(reader: Reader, type_name: str, words: Mapping[tuple[str, str], str], now: int) -> TypeRecords:
    """Read what the records of a type say at ``now`` (seconds), as far as it is compared."""
    names: dict[int, str] = dict(reader.fetch("select did, name from dataset"))
    properties: dict[int, str] = dict(reader.fetch("select pid, name from property where type = ?", (type_name,)))
    records = {
        rid: names[did]
        for rid, did in reader.stream("select rid, did from record where type = ? order by rid", (type_name,))
    }
    values: dict[int, dict[str, str | None]] = {}
    facts = reader.stream(
        "select f.rid, f.pid, f.value from fact f join record r on r.rid = f.rid where r.type = ? and f.tx_to = ? "
        "and f.valid_from <= ? and f.valid_to > ? order by f.rid, f.valid_from, f.fid",
        (type_name, OPEN, now, now),
    )
    for rid, pid, value in facts:
        name = properties[pid]
        if value is not None and (records[rid], name) in words:
            values.setdefault(rid, {})[name] = fact_text(value)
    entities: dict[int, int] = dict(
        reader.stream(
            "select m.rid, m.eid from member m join record r on r.rid = m.rid where r.type = ? and m.tx_to = ?",
            (type_name, OPEN),
        )
    )
    rids = tuple(sorted(rid for rid in values if rid in entities))
    absent = frozenset(eid for rid, eid in entities.items() if rid not in values)
    taken = absent | {eid for (eid,) in _foreign(reader, rids)}
    return TypeRecords(
        rids,
        tuple(records[rid] for rid in rids),
        tuple(values[rid] for rid in rids),
        {rid: entities[rid] for rid in rids},
        taken,
    )


def _foreign(reader: Reader, rids: Sequence[int]) -> Iterator[tuple[int]]:
    for first in range(0, len(rids), ROWS_AT_ONCE):
        some = rids[first : first + ROWS_AT_ONCE]
        yield from reader.fetch_in("member", "eid", "eid", some, f"tx_to = {OPEN}")


def resolve_type(
    journal: Journal,
    store: Store,
    type_name: str,
    sources: Mapping[str, SourceFile],
    *,
    now: int,
    actor: str = "resolution",
    single: frozenset[str] | None = None,
) -> TypeResolution:
    """Resolve the records of ``type_name`` as they are at ``now`` (seconds since 1970), and record it.

    ``single`` names the data sets that hold each thing once; None finds out.

    Raises:
        BadInput: no table of the type says what to match by, or tables contradict each other, or Splink is missing.
    """
    words = match_words_of(type_name, sources)
    if not words:
        raise BadInput(f"no table of type {type_name!r:.60} has a fact with match: there is nothing to compare by")
    with store.transaction() as transaction:
        secret = make_pepper(transaction)
    with store.snapshot() as reader:
        as_of = int(reader.fetch("select size from head")[0][0])
        there = read_type(reader, type_name, words, now)
        decided = decided_pairs(reader)
    match = {name: word for (_, name), word in sorted(words.items())}
    found = _resolve(there, match, decided, secret, single)
    matcher = Matcher(type_name, found.model, secret, found.single, as_of) if found.model is not None else None
    if matcher is not None:
        _keep_model(journal, store, matcher, there, found, actor)
    moves = plan_moves([[there.rids[row] for row in group] for group in found.clusters], there.entities, there.taken)
    how = f"splink model {matcher.digest[:12]}" if matcher is not None else "words alike"
    moved, clashed = _apply(journal, moves, _scores(there, found), how, actor)
    return TypeResolution(
        type_name, len(there.rids), len(found.clusters), moved, clashed, _doubtful(there, found, matcher), found.lane,
        matcher.digest if matcher is not None else "",
    )  # fmt: skip


def _resolve(
    there: TypeRecords, match: Mapping[str, str], decided: DecidedPairs, secret: bytes, single: frozenset[str] | None
) -> Resolution:
    place = {rid: row for row, rid in enumerate(there.rids)}

    def rows_of(pairs: set[tuple[int, int]]) -> list[tuple[int, int]]:
        return sorted((place[one], place[two]) for one, two in pairs if one in place and two in place)

    known = Together(
        tuple(rows_of(decided.same)),
        frozenset(rows_of(decided.apart)),
        tuple(there.entities[rid] for rid in there.rids),
    )
    return resolve_rows(
        there.rows, match, there.datasets, single=single, known=known, secret=secret, text_sure_bp=TEXT_SURE_BP
    )


def _keep_model(
    journal: Journal, store: Store, matcher: Matcher, there: TypeRecords, found: Resolution, actor: str
) -> None:
    """Put every record under its keys, record the model, and take the keys of earlier models away."""
    _forget_keys(store, matcher)
    records = iter(zip(there.rids, found.prepared, strict=True))
    while some := list(islice(records, ROWS_AT_ONCE // 10)):
        with store.transaction() as transaction:
            erased = {
                rid for (rid,) in transaction.fetch_in("record", "rid", "rid", [one[0] for one in some], "salt is null")
            }
            rows = block_rows(matcher, (one for one in some if one[0] not in erased))
            transaction.insert_many("blocking", "rule,key,rid", rows)
    data: dict[str, Json] = {
        "type": matcher.type_name,
        "digest": matcher.digest,
        "text": model_text(matcher.model),
        "records": len(there.rids),
        "pairs": len(found.pairs),
        "single": [*sorted(found.single)],
        "as_of": matcher.as_of,
    }
    journal.append_now(Event("resolution.trained", actor, data, resolution_case(matcher.type_name)))
    _forget_keys(store)


def _forget_keys(store: Store, but: Matcher | None = None) -> None:
    """Take the keys away of all models that are not the last of their type; of ``but`` too, which is being written."""
    last: dict[str, int] = dict(
        store.read(
            "select case_id, max(seq) from event where kind = 'resolution.trained' group by case_id order by case_id"
        )
    )
    kept = set()
    for seq in last.values():
        body = store.read("select seq, body from event where seq = ?", (seq,))[0]
        kept.update(rule_numbers(str(RecordedEvent.read(*body).event.data["digest"]), RULES_SPACE))
    kept -= set(but.numbers if but is not None else ())
    for (number,) in store.read("select distinct rule from blocking"):
        if number not in kept:
            with store.transaction() as transaction:
                transaction.delete_in("blocking", "rule", [number])


def _scores(there: TypeRecords, found: Resolution) -> dict[int, int]:
    """How sure it is, in basis points, that each record belongs where it is: by its likeliest pair inside its group."""
    group_of = {row: number for number, group in enumerate(found.clusters) for row in group}
    best: dict[int, float] = defaultdict(float)
    for pair in found.pairs:
        if group_of[pair.left] == group_of[pair.right]:
            for row in (pair.left, pair.right):
                best[there.rids[row]] = max(best[there.rids[row]], pair.probability)
    return {rid: round(probability * 10_000) for rid, probability in best.items()}


def _apply(journal: Journal, moves: Sequence[Move], scores: Mapping[int, int], how: str, actor: str) -> tuple[int, int]:
    """Make the moves, one event for each entity that gains records."""
    gains: dict[int, list[Move]] = defaultdict(list)
    for move in moves:
        gains[move.entered].append(move)
    moved = clashed = 0
    for entered in sorted(gains):
        some = gains[entered][:MOVES_MAX]
        # What a person decided, and what was joined earlier, has no pair that says how sure it is.
        score_bp = min((scores.get(move.rid, 0) for move in some), default=0)
        listed = [(move.rid, move.left, move.entered) for move in some]
        try:
            move_records(journal, listed, how=how, score_bp=score_bp, why="resolution", actor=actor)
            moved += len(some)
        except (Conflict, NotFound):  # somebody moved one of them meanwhile; the next run looks again
            clashed += 1
    return moved, clashed


def _doubtful(there: TypeRecords, found: Resolution, matcher: Matcher | None) -> tuple[DoubtfulPair, ...]:
    pairs = []
    for link in found.doubtful:
        compared = ""
        if matcher is not None:
            compared = matcher.why(matcher.score(found.prepared[link.left], found.prepared[link.right]))
        score_bp = round(probability_of(link.weight) * 10_000)
        pairs.append(DoubtfulPair(there.rids[link.left], there.rids[link.right], score_bp, link.why, compared))
    return tuple(pairs)
