"""One record that arrives: which of those that are there may it be, and how surely, in milliseconds.

Every record stands in the table ``blocking`` under its keys, hashed; who shares keys with the new one is a candidate,
whoever shares most first, and the model's compiled scorer says how likely each is. No Splink is needed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from remit.knowledge.model_text import model_digest, read_model
from remit.knowledge.number_list import among, number_list
from remit.knowledge.pair_model import PairModel, PairScore, Prepared, probability_of
from remit.knowledge.pepper import read_pepper
from remit.ledger.event import RecordedEvent
from remit.store.engine import Reader, Row, Store

__all__ = [
    "Candidate",
    "Matcher",
    "block_rows",
    "current_matcher",
    "fact_text",
    "index_records",
    "match_one",
    "resolution_case",
    "rule_numbers",
    "sharing_keys",
    "values_of",
]

RULES_SPACE: Final = 32
CANDIDATES_MAX: Final = 16
PER_KEY_MAX: Final = 60
"""Records under one key that are looked at: a key that more share tells little."""
OPEN: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that the new one may be. ``probability_bp`` is the model's estimate, ``why`` it in words by column."""

    rid: int
    probability_bp: int
    why: str


class Matcher:
    """A model made ready: compiled, with the secret that its keys and frequencies are hashed under.

    ``single`` are the data sets that hold each thing once, None where that was not recorded; ``as_of`` is the ledger's
    size when the records were read that it was trained on.
    """

    def __init__(
        self, type_name: str, model: PairModel, secret: bytes, single: frozenset[str] | None = None, as_of: int = 0
    ):
        self.type_name, self.model, self.secret, self.single, self.as_of = type_name, model, secret, single, as_of
        self.digest = model_digest(model)
        self.numbers = rule_numbers(self.digest, len(model.rules))
        self.score = model.scorer(secret)

    def keys(self, prepared: Prepared) -> list[tuple[int, str]]:
        """Return the rules and hashed keys of a prepared record."""
        return [
            (number, _hashed(self.secret, number, key))
            for number, key in zip(self.numbers, self.model.keys(prepared), strict=True)
            if key is not None
        ]

    def why(self, scored: PairScore) -> str:
        """Say in words how each column compares, without any value."""
        parts = [
            f"{comparison.column}: {comparison.levels[level].words}"
            for comparison, level in zip(self.model.comparisons, scored.levels, strict=True)
        ]
        return "; ".join(parts)


def rule_numbers(digest: str, count: int) -> list[int]:
    """Return what the rules of the model ``digest`` are called in ``blocking``, so that models do not mix."""
    first = int(digest[:10], 16) * RULES_SPACE
    return [first + number for number in range(count)]


def _hashed(secret: bytes, number: int, key: str) -> str:
    return blake2b(f"{number}|{key}".encode("utf-8", "surrogatepass"), key=secret, digest_size=12).hexdigest()


def current_matcher(store: Store, type_name: str) -> Matcher | None:
    """Return the matcher of the model trained last for ``type_name``; None when none was.

    Raises:
        BadInput: the model is one that this release cannot read.
    """
    with store.snapshot() as reader:
        rows = reader.fetch(
            "select seq, body from event where case_id = ? and case_id <> '' and kind = 'resolution.trained'"
            " order by seq desc limit 1",
            (resolution_case(type_name),),
        )
        secret = read_pepper(reader) or b""
    if not rows:
        return None
    data: Mapping[str, Any] = RecordedEvent.read(*rows[0]).event.data
    single = frozenset(data["single"]) if "single" in data else None
    return Matcher(type_name, read_model(data["text"]), secret, single, data.get("as_of", rows[0][0]))


def resolution_case(type_name: str) -> str:
    """Return the case under which the models of a type are recorded."""
    return f"resolution/{type_name}"


def block_rows(matcher: Matcher, records: Iterable[tuple[int, Prepared]]) -> list[Row]:
    """Return the rows of ``blocking`` for records that are prepared."""
    return [(number, key, rid) for rid, prepared in records for number, key in matcher.keys(prepared)]


def index_records(store: Store, matcher: Matcher, rows: Mapping[int, Mapping[str, str | None]]) -> None:
    """Put records under their keys, so that later ones find them; ``rows`` is what they say, by number.

    Keys that they had before may stay: they do no harm. Who was erased gets none.
    """
    prepared = {rid: matcher.model.prepare(row) for rid, row in rows.items()}
    with store.transaction() as transaction:
        erased = {rid for (rid,) in transaction.fetch_in("record", "rid", "rid", list(prepared), "salt is null")}
        keyed = block_rows(matcher, ((rid, one) for rid, one in prepared.items() if rid not in erased))
        transaction.upsert_many("blocking", "rule,key,rid", "rule,key,rid", keyed)


def match_one(
    store: Store, matcher: Matcher, row: Mapping[str, str | None], *, but: int | None = None, least_bp: int = 100
) -> tuple[Candidate, ...]:
    """Return whom ``row`` may be, the likeliest first; those below ``least_bp`` are left out.

    ``row`` gives the model's columns; ``but`` is a record that is not asked about: itself, where it is there already.
    """
    prepared = matcher.model.prepare(row)
    keys = matcher.keys(prepared)
    if not keys:
        return ()
    with store.snapshot() as reader:
        rids = [rid for rid in sharing_keys(reader, keys) if rid != but][:CANDIDATES_MAX]
        others = values_of(reader, matcher, rids)
    found = []
    for rid, values in others.items():
        scored = matcher.score(prepared, matcher.model.prepare(values))
        probability_bp = round(probability_of(scored.weight) * 10_000)
        if probability_bp >= least_bp:
            found.append(Candidate(rid, probability_bp, matcher.why(scored)))
    return tuple(sorted(found, key=lambda one: (-one.probability_bp, one.rid)))


def sharing_keys(reader: Reader, keys: Sequence[tuple[int, str]]) -> list[int]:
    """Return the records that share ``keys``, those with most of them first."""
    if not keys:
        return []
    one = "select rid from (select rid from blocking where rule = ? and key = ? order by rid limit ?) as k"
    statement = " union all ".join(f"{one}{number}" for number in range(len(keys)))
    parameters = [value for number, key in keys for value in (number, key, PER_KEY_MAX)]
    shared = Counter(rid for (rid,) in reader.fetch(statement, parameters))
    return sorted(shared, key=lambda rid: (-shared[rid], rid))


def values_of(reader: Reader, matcher: Matcher, rids: Sequence[int]) -> dict[int, dict[str, str | None]]:
    """Return what records say now in the model's columns; those that say nothing are left out."""
    names = reader.fetch("select pid, name from property where type = ?", (matcher.type_name,))
    wanted = {column.name for column in matcher.model.columns}
    pids = {pid: name for pid, name in names if name in wanted}
    rows = reader.fetch(
        f"select rid, pid, value from fact where rid {among(reader)} and tx_to = ? order by rid, valid_from, fid",  # noqa: S608
        (number_list(reader, rids), OPEN),
    )
    found: dict[int, dict[str, str | None]] = {}
    for rid, pid, value in rows:
        if pid in pids and value is not None:
            found.setdefault(rid, {})[pids[pid]] = fact_text(value)
    return found


def fact_text(value: str) -> str:
    """Return the text that is compared for a fact's canonical JSON value."""
    plain = orjson.loads(value)
    return plain if isinstance(plain, str) else value
