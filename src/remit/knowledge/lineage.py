"""Where a fact comes from, and what rests on it: from one wrong field to the decisions that it touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput, NotFound
from remit.knowledge.entity import Membership, memberships_of
from remit.knowledge.fact_flags import flag_words
from remit.ledger.event import RecordedEvent
from remit.ledger.query import every_document
from remit.store.engine import Reader
from remit.vocabulary import Json

__all__ = ["FactOrigin", "FactUse", "Lineage", "LoadOrigin", "fact_number", "lineage_of"]

EVENTS_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class FactOrigin:
    """One fact as it is kept. ``value`` None means that it was erased. Moments are seconds since 1970."""

    id: str
    record: str
    name: str
    type: str
    value: Json
    valid_from: int
    valid_to: int | None
    observed: int
    since: int
    until: int | None
    scope: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadOrigin:
    """The load that brought it: what was asked when, and by which description of the source.

    ``text`` is the description as it was then, None when the ledger does not have it. ``data`` are counts and drift.
    """

    load: int
    mode: str
    state: str
    started: int
    ended: int
    trust: str
    data: Mapping[str, Any]
    source_digest: str
    text: str | None


@dataclass(frozen=True, slots=True)
class FactUse:
    """A decision or a receipt that rests on it.

    ``how``: ``fact`` has it among its own facts, ``context`` was made after a context that showed it, ``shown`` is a
    receipt; the same with ``, another value`` where it was an earlier or later value of the same field.
    """

    seq: int
    at: str
    kind: Literal["decision", "receipt"]
    how: str
    agent: str
    case: str
    digest: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """All of it. ``versions`` are when the record's row was another: ledger sizes and load.

    ``values`` are the numbers of all facts of the same field. ``complete`` is False when older events than were looked
    through may use it too.
    """

    fact: FactOrigin
    load: LoadOrigin
    versions: tuple[tuple[int, int | None, int], ...]
    memberships: tuple[Membership, ...]
    values: tuple[int, ...]
    uses: tuple[FactUse, ...]
    complete: bool


def fact_number(text: str) -> int:
    """Read a fact's id, such as ``f123``.

    Raises:
        BadInput: it is none.
    """
    if not (text.startswith("f") and text[1:].isascii() and text[1:].isdigit() and len(text) < 17):
        raise BadInput(f"not a fact: got {text!r:.40}, expected like f123")
    return int(text[1:])


def lineage_of(reader: Reader, fid: int, *, events_max: int = EVENTS_MAX) -> Lineage:
    """Tell where fact ``fid`` comes from and which decisions and receipts rest on it; ``reader`` is a snapshot.

    Decisions are looked for among the last ``events_max`` events, which takes about a second for each 100,000.

    Raises:
        NotFound: there is no such fact.
    """
    fact, rid, pid, load = _fact(reader, fid)
    values = tuple(
        row[0] for row in reader.fetch("select fid from fact where rid = ? and pid = ? order by fid", (rid, pid))
    )
    begun = reader.fetch("select min(tx_from) from fact where rid = ? and pid = ?", (rid, pid))[0][0]
    start = max(begun, reader.fetch("select size from head")[0][0] - events_max)
    versions = reader.fetch("select tx_from, tx_to, load from version where rid = ? order by tx_from", (rid,))
    return Lineage(
        fact,
        _load(reader, load),
        tuple((since, _end(until), number) for since, until, number in versions),
        memberships_of(reader, rid),
        values,
        tuple(sorted(_uses(reader, fid, values, start), key=lambda use: use.seq)),
        start <= begun,
    )


def _fact(reader: Reader, fid: int) -> tuple[FactOrigin, int, int, int]:
    rows = reader.fetch(
        "select f.rid, f.pid, f.load, d.name, r.skey, p.name, p.type, f.value, f.valid_from, f.valid_to, f.observed, "
        "f.tx_from, f.tx_to, s.name, f.flags from fact f join record r on r.rid = f.rid "
        "join dataset d on d.did = r.did join property p on p.pid = f.pid join scope s on s.sc = f.sc where f.fid = ?",
        (fid,),
    )
    if not rows:
        raise NotFound(f"no fact f{fid}")
    rid, pid, load, dataset, skey, name, kind, value, valid_from, valid_to, observed, since, until, scope, flags = rows[
        0
    ]
    origin = FactOrigin(
        f"f{fid}", f"{dataset}/{skey}", name, kind, None if value is None else orjson.loads(value), valid_from,
        _end(valid_to), observed, since, _end(until), scope, flag_words(flags),
    )  # fmt: skip
    return origin, rid, pid, load


def _end(number: int) -> int | None:
    return None if number == INTEGER_MAX else number


def _load(reader: Reader, load: int) -> LoadOrigin:
    rows = reader.fetch("select load, mode, state, started, ended, trust, data, spec from load where load = ?", (load,))
    if not rows:
        raise NotFound(f"load {load}, which brought it, is not there; run the check of the knowledge graph")
    number, mode, state, started, ended, trust, data, spec = rows[0]
    text = every_document(reader).get(spec)
    return LoadOrigin(number, mode, state, started, ended, trust, orjson.loads(data), spec, text)


def _uses(reader: Reader, fid: int, values: tuple[int, ...], start: int) -> Iterator[FactUse]:
    shown: dict[str, bool] = {}
    for recorded in _events(reader, "context.read", start, [str(number) for number in values]):
        data = recorded.event.data
        listed: Any = data["facts"]
        if not set(listed).isdisjoint(values):
            digest = str(data["digest"])
            shown[digest] = fid in listed
            yield _use(recorded, "receipt", "shown", shown[digest], str(data["agent"]), digest)
    needles = [f'"id":"f{number}"' for number in values] + (['"context_digest":"'] if shown else [])
    ids = {f"f{number}" for number in values}
    for recorded in _events(reader, "action.decided", start, needles):
        yield from _decision_uses(recorded, f"f{fid}", ids, shown)


def _decision_uses(recorded: RecordedEvent, wanted: str, ids: Set[str], shown: Mapping[str, bool]) -> Iterator[FactUse]:
    data: Mapping[str, Any] = recorded.event.data
    agent, context = data["action"]["agent"], data["action"]["context_digest"]
    cited = {fact.get("id", "") for fact in data["facts"]} & ids
    if cited:
        yield _use(recorded, "decision", "fact", wanted in cited, agent, recorded.event.action)
    if context in shown:
        yield _use(recorded, "decision", "context", shown[context], agent, recorded.event.action)


def _use(
    recorded: RecordedEvent, kind: Literal["decision", "receipt"], how: str, itself: bool, agent: str, digest: str
) -> FactUse:
    how = how if itself else f"{how}, another value"
    return FactUse(recorded.seq, recorded.at, kind, how, agent, recorded.event.case, digest)


def _events(reader: Reader, kind: str, start: int, needles: list[str]) -> Iterator[RecordedEvent]:
    """The events of ``kind`` from ``start`` on whose body holds one of ``needles``; most are never read into memory."""
    met: set[int] = set()
    for place in range(0, len(needles), 20):
        some = needles[place : place + 20]
        holds = " or ".join(["body like ?"] * len(some))
        rows = reader.stream(
            f"select seq, body from event where kind = ? and seq >= ? and ({holds}) order by seq",  # noqa: S608
            (kind, start, *(f"%{needle}%" for needle in some)),
        )
        for seq, body in rows:
            if seq not in met:
                met.add(seq)
                yield RecordedEvent.read(seq, body)
