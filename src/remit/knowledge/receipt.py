"""Receipts: that an agent was shown a context is an event, and what it was shown can be had again, byte for byte.

A receipt keeps the ask with the grants of then, so replaying it needs nothing of the law; the digest of what was shown;
and the numbers of its facts and links, so that whoever asks what a fact was used for finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from remit.errors import NotFound, RemitError
from remit.knowledge.commitment import erased_name, key_commitment, value_commitment
from remit.knowledge.context import Context, ContextAsk, erased_among, read_context
from remit.knowledge.search import SearchAsk, SearchResult, show_again
from remit.ledger.event import RecordedEvent
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.ledger.sealing import Sealed
from remit.store.engine import Reader, Transaction
from remit.store.tables import TABLES
from remit.vocabulary import Event, Json

__all__ = [
    "ReplayState",
    "Replayed",
    "all_receipts",
    "find_receipt",
    "record_context",
    "record_search",
    "replay_event",
    "replay_receipt",
    "unsound_facts",
]

ReplayState = Literal["same", "same, erased", "differs"]
CONTEXT_READ: Final = "context.read"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out when a receipt was replayed.

    ``erased`` counts the facts shown whose values were erased since. ``differing`` are the numbers of facts that are
    not what was shown: their value or their record's key is not what was committed to, or they came or went. It may be
    empty although the state is ``differs``, when something else of the context changed. ``data`` is the context as
    canonical JSON, as it comes out now; empty when it cannot be read any more.
    """

    digest: str
    state: ReplayState
    erased: int
    differing: tuple[int, ...]
    data: bytes


def record_context(journal: Journal, context: Context) -> str:
    """Record that the agent was shown ``context``; return its digest, by which the receipt is known.

    What was shown before, to the digest, has its receipt already and gets no second one.
    """
    data: dict[str, Json] = {
        **context.ask.as_json(),
        "digest": context.digest,
        "facts": list(context.facts),
        "links": list(context.links),
        "contradicted": list(context.contradicted),
    }
    return _record(journal, data, None)


def record_search(journal: Journal, ask: SearchAsk, found: SearchResult) -> str:
    """Record that the agent was shown what it had searched for; return the digest by which the receipt is known.

    The words may name a person: they lie beside the ledger, and the event has a commitment to them.
    """
    data: dict[str, Json] = {
        **found.ask,
        "digest": found.digest,
        "facts": list(found.facts),
        "contradicted": list(found.contradicted),
        "complete": found.complete,
    }
    return _record(journal, data, ask.sealed())


def _record(journal: Journal, data: dict[str, Json], sealed: Sealed | None) -> str:
    digest = str(data["digest"])

    def write(transaction: Transaction, seq: int) -> list[Event]:
        if transaction.fetch_in("receipt", "seq", "digest", [digest]):
            return []
        transaction.insert_many("receipt", TABLES["receipt"], [(digest, seq)])
        if sealed is not None:
            row = (sealed.commitment, sealed.subject, sealed.salt, sealed.value)
            transaction.upsert_many("sealed", "commitment", TABLES["sealed"], [row])
        return [Event(CONTEXT_READ, f"agent:{data['agent']}", data)]

    journal.append_with(write)
    return digest


def find_receipt(reader: Reader, digest: str) -> RecordedEvent:
    """Return the event by which the receipt ``digest`` was written.

    Raises:
        NotFound: there is no such receipt.
    """
    rows = reader.fetch(
        "select e.seq, e.body from receipt r join event e on e.seq = r.seq where r.digest = ?", (digest,)
    )
    if not rows:
        raise NotFound(f"no receipt {digest!r:.80}")
    return RecordedEvent.read(*rows[0])


def all_receipts(reader: Reader) -> Iterator[RecordedEvent]:
    """Yield every receipt's event, oldest first."""
    return all_events(reader, (CONTEXT_READ,))


def replay_receipt(reader: Reader, digest: str) -> Replayed:
    """Read again what receipt ``digest`` says was shown, and compare; ``reader`` is a snapshot.

    Raises:
        NotFound: there is no such receipt.
    """
    return replay_event(reader, find_receipt(reader, digest))


def replay_event(reader: Reader, recorded: RecordedEvent) -> Replayed:
    """Replay the receipt that was written by the event ``recorded``."""
    data: Mapping[str, Any] = recorded.event.data
    digest: str = data["digest"]
    try:
        again = _read_again(reader, data)
    except (RemitError, KeyError, TypeError, ValueError):  # rows that somebody edited may hold anything, or be gone
        return Replayed(digest, "differs", 0, tuple(data["facts"]), b"")
    differing = set(again.facts) ^ set(data["facts"]) | unsound_facts(reader, again.facts)
    erased = erased_among(again.data)
    state: ReplayState = "same, erased" if erased else "same"
    if differing or again.digest != digest:
        state = "differs"
    return Replayed(digest, state, erased, tuple(sorted(differing)), again.as_bytes())


def _read_again(reader: Reader, data: Mapping[str, Any]) -> Context | SearchResult:
    contradicted = frozenset(data["contradicted"])
    if "search" in data:
        told = ("agent", "search", "scopes", "as_of", "valid_at", "now", "limit", "near")
        ask = {name: data[name] for name in told if name != "near" or name in data}
        return show_again(reader, ask, data["facts"], data["complete"], contradicted)
    names = ("as_of", "valid_at", "now", "hops", "cap", "entities_max", "facts_max")
    entity, scopes = int(data["entity"][1:]), tuple(data["scopes"])
    bounds = {name: data[name] for name in names}
    return read_context(reader, ContextAsk(data["agent"], entity, scopes, **bounds), contradicted)


def unsound_facts(reader: Reader, fids: tuple[int, ...]) -> set[int]:
    """Those of the facts ``fids`` whose value, or whose record's key, is not what was committed to.

    An erased value cannot be wrong; a value without its record's salt is.
    """
    facts = reader.fetch_in("fact", "fid,rid,value,vh", "fid", fids)
    keys = {row[0]: row[1:] for row in reader.fetch_in("record", "rid,skey,salt,kh", "rid", {row[1] for row in facts})}
    broken = {rid for rid, (skey, salt, kh) in keys.items() if not _key_holds(skey, salt, bytes(kh))}
    unsound = set()
    for fid, rid, value, vh in facts:
        salt = keys[rid][1] if rid in keys else None
        held = (
            value is None if salt is None else value is not None and value_commitment(bytes(salt), value) == bytes(vh)
        )
        if not held or rid in broken or rid not in keys:
            unsound.add(fid)
    return unsound


def _key_holds(skey: str, salt: bytes | None, kh: bytes) -> bool:
    return skey == erased_name(kh) if salt is None else key_commitment(bytes(salt), skey) == kh
