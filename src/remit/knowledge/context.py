"""A context: everything that one agent may see about an entity and its neighbours, as it was known at one moment.

It is read in one snapshot, bounded and in a total order, from rows that are written once; so it comes out the same
bytes whenever it is read again as of the same ledger size. Its digest covers the commitments in place of keys and
values and everything else as it is shown, so it still holds when values have been erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import orjson

from remit.canonical import INTEGER_MAX, canonical_sound, digest_bytes
from remit.errors import BadInput, NotFound
from remit.knowledge.context_query import FactRow, GraphQuery, LinkRow, View, open_view
from remit.knowledge.fact_flags import flag_words
from remit.knowledge.fact_standing import Standings, contradicted_facts
from remit.store.engine import Reader
from remit.vocabulary import Json

__all__ = ["Context", "ContextAsk", "FactsTold", "erased_among", "read_context", "visible_entity"]

CARD_FACTS: Final = (5, 1)
"""How many facts of each record are shown of a neighbour, one and two links away: the first of its description."""
_SHOWN: Final = (
    "id", "entity", "record", "name", "value", "valid_from", "valid_to", "observed", "load", "age_seconds",
    "fresh_seconds", "stale", "trust", "scope", "flags",
)  # fmt: skip
_RECORD: Final = _SHOWN.index("record")
_VALUE: Final = _SHOWN.index("value")
_BOUNDS: Final = {"hops": (0, 2), "cap": (1, 100), "entities_max": (1, 1_000), "facts_max": (1, 5_000)}


@dataclass(frozen=True, slots=True)
class ContextAsk:
    """What an agent asks: about which entity, with which grants, as of when.

    ``entity`` is the number of any record of it. ``scopes`` are those granted to the agent then. ``as_of`` is a size
    of the ledger, ``valid_at`` and ``now`` are seconds since 1970; ages count to ``now``. ``cap`` bounds the links of
    each record and side, newest first.
    """

    agent: str
    entity: int
    scopes: tuple[str, ...]
    as_of: int
    valid_at: int
    now: int
    hops: int = 1
    cap: int = 10
    entities_max: int = 150
    facts_max: int = 200

    def as_json(self) -> dict[str, Json]:
        """The ask as plain JSON; its scopes sorted, each once."""
        return {
            "agent": self.agent, "entity": f"e{self.entity}", "scopes": [*sorted(set(self.scopes))],
            "as_of": self.as_of, "valid_at": self.valid_at, "now": self.now, "hops": self.hops, "cap": self.cap,
            "entities_max": self.entities_max, "facts_max": self.facts_max,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent was shown. ``facts``, ``links`` and ``contradicted`` are numbers, in the order shown."""

    ask: ContextAsk
    digest: str
    facts: tuple[int, ...]
    links: tuple[int, ...]
    contradicted: tuple[int, ...]
    data: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The context as plain JSON, with its digest."""
        return {**self.data, "digest": self.digest}

    def as_bytes(self) -> bytes:
        """The context as canonical JSON: what is compared when it is replayed."""
        return canonical_sound(self.as_json())


def read_context(reader: Reader, ask: ContextAsk, contradicted: Set[int] = frozenset()) -> Context:
    """Read what ``ask`` asks for; ``reader`` is a snapshot.

    Of the entity itself all facts are shown, of its neighbours the first few of each record. ``contradicted`` are the
    facts that a receipt says were contradicted: it counts where values to compare have been erased since.

    Raises:
        NotFound: there is no such entity, or nothing of it may be seen; the two cannot be told apart.
        BadInput: a bound of the ask is out of range, or ``as_of`` lies ahead of the ledger.
    """
    _check(ask)
    view = open_view(reader, ask.scopes, ask.as_of, ask.valid_at)
    walk = _Walk(GraphQuery(reader, view), ask)
    return _told(walk, view, contradicted)


def visible_entity(reader: Reader, text: str, scopes: Sequence[str], as_of: int, valid_at: int) -> int:
    """Return the number of a visible record of the entity that ``text`` names: what `ContextAsk.entity` takes.

    Raises:
        NotFound: there is none, or nothing of it may be seen; the two cannot be told apart.
        BadInput: ``text`` has not the form of an entity's name, or names several that may be seen.
    """
    query = GraphQuery(reader, open_view(reader, scopes, as_of, valid_at))
    rids = query.visible(query.called(text))
    entities = query.entities(rids)
    if not entities:
        raise NotFound(_not_found(text))
    if len(set(entities.values())) > 1:
        shown = ", ".join(f"e{rid}" for rid in rids[:5])
        raise BadInput(f"several entities are called {text!r:.80}: {shown}; name one of these")
    return rids[0]


def _not_found(text: str) -> str:
    return f"no entity {text!r:.80} of which anything may be seen"


def _check(ask: ContextAsk) -> None:
    for name, (low, high) in _BOUNDS.items():
        value = getattr(ask, name)
        if type(value) is not int or not low <= value <= high:
            raise BadInput(f"{name}: got {value!r:.40}, expected {low} to {high}")
    for name in ("valid_at", "now", "entity"):
        value = getattr(ask, name)
        if type(value) is not int or not 0 <= value < INTEGER_MAX:
            raise BadInput(f"{name}: got {value!r:.40}, expected a whole number, 0 or more")


class _Walk:
    """From the entity outwards, link by link, within the bounds of the ask."""

    def __init__(self, query: GraphQuery, ask: ContextAsk):
        self.query, self.ask = query, ask
        self.entities: dict[int, tuple[int, list[FactRow]]] = {}
        """By internal number, in order: how many links away, and the facts shown."""
        self.links: dict[int, LinkRow] = {}
        self.cut_links: list[tuple[int, int]] = []
        self.cut_facts = 0
        self.left_out: set[int] = set()
        found = query.whole_entity(ask.entity)
        if all(fact.rid != ask.entity for fact in found):
            raise NotFound(_not_found(f"e{ask.entity}"))
        self.fetched = list(found)
        self.cut_facts = max(0, len(found) - ask.facts_max)
        self.entities[found[0].eid] = (0, found[: ask.facts_max])
        self._room = ask.facts_max - len(found)
        frontier = [found[0].eid]
        for hop in range(1, ask.hops + 1):
            frontier = self._step(hop, frontier)

    def _step(self, hop: int, frontier: list[int]) -> list[int]:
        near = [rid for eid in frontier for rid in dict.fromkeys(fact.rid for fact in self.entities[eid][1])]
        rows = self._capped(self.query.links(near, self.ask.cap + 1))
        fresh = [eid for eid in dict.fromkeys(row.eid for row in rows) if eid not in self.entities]
        reached = self._take(hop, [eid for eid in fresh if eid not in self.left_out])
        for row in rows:
            if row.eid in self.entities:
                self.links.setdefault(row.lid, row)
        return reached

    def _capped(self, rows: list[LinkRow]) -> list[LinkRow]:
        kept: list[LinkRow] = []
        counts: dict[tuple[int, int], int] = {}
        for row in rows:
            place = (row.near, row.side)
            counts[place] = counts.get(place, 0) + 1
            if counts[place] <= self.ask.cap:
                kept.append(row)
        self.cut_links += [place for place, count in counts.items() if count > self.ask.cap]
        return kept

    def _take(self, hop: int, fresh: list[int]) -> list[int]:
        """Take the entities ``fresh`` in, whole cards only, as long as there is room; the others are left out."""
        # An entity takes at least one fact, so more of them than there is room for need not be read.
        wanted = fresh[: max(0, min(self.ask.entities_max - len(self.entities), self._room + 1))]
        cards: dict[int, list[FactRow]] = {eid: [] for eid in wanted}
        for fact in self.query.cards(wanted, CARD_FACTS[hop - 1]):
            cards[fact.eid].append(fact)
            self.fetched.append(fact)
        reached = []
        for eid in wanted:
            self._room -= len(cards[eid])
            if self._room < 0:
                break
            self.entities[eid] = (hop, cards[eid])
            reached.append(eid)
        self.left_out.update(fresh[len(reached) :])
        return reached


def _told(walk: _Walk, view: View, recorded: Set[int]) -> Context:
    ask = walk.ask
    facts = [fact for _, some in walk.entities.values() for fact in some]
    against = contradicted_facts(walk.fetched, recorded)
    ends = {rid for row in walk.links.values() for rid in (row.near, row.far)} | {near for near, _ in walk.cut_links}
    standings = Standings(walk.query, facts, ask.now, ends, (row.pid for row in walk.links.values()))
    properties = standings.properties
    # An entity is called by its first visible record, so that what it was merged with out of sight does not show.
    called = {eid: f"e{some[0].rid}" for eid, (_, some) in walk.entities.items()}
    told = FactsTold(facts, standings, against, called, properties, view)
    entities, links, places = _entities(walk, called, properties), _links(walk, called, properties, view), _places(walk)
    cut = {"facts": walk.cut_facts, "entities": len(walk.left_out), "links": places}
    asked = ask.as_json()
    covered = {
        "ask": asked, "facts": told.covered, "entities": entities, "links": links, "cut": cut,
        "records": standings.commitments(),
    }  # fmt: skip
    digest = digest_bytes(canonical_sound(covered))
    for entity in entities:  # what was covered by its number is shown by its name
        entity["records"] = [standings.name_of(rid) for rid in entity["records"]]
    for link in links:
        link["from_record"] = standings.name_of(link["from_record"])
        link["to_record"] = standings.name_of(link["to_record"])
    for place in places:
        place["record"] = standings.name_of(place["record"])
    return Context(
        ask,
        digest,
        tuple(fact.fid for fact in facts),
        tuple(walk.links),
        tuple(fact.fid for fact in facts if fact.fid in against),
        {"ask": asked, "facts": told.shown, "entities": entities, "links": links, "cut": cut},
    )


def _entities(
    walk: _Walk, called: Mapping[int, str], properties: Mapping[int, tuple[str, str]]
) -> list[dict[str, Any]]:
    return [
        {
            "id": called[eid],
            "hop": hop,
            "type": properties[some[0].pid][0],
            "records": list(dict.fromkeys([fact.rid for fact in some])),
        }
        for eid, (hop, some) in walk.entities.items()
    ]


def _links(
    walk: _Walk, called: Mapping[int, str], properties: Mapping[int, tuple[str, str]], view: View
) -> list[dict[str, Any]]:
    entity_of = {fact.rid: called[eid] for eid, (_, some) in walk.entities.items() for fact in some}
    links = []
    for row in walk.links.values():
        near, far = (entity_of[row.near], row.near), (called[row.eid], row.far)
        source, target = (near, far) if row.side == 0 else (far, near)
        links.append(
            {
                "id": f"l{row.lid}",
                "name": properties[row.pid][1],
                "from": source[0],
                "to": target[0],
                "from_record": source[1],
                "to_record": target[1],
                "valid_from": row.valid_from,
                "valid_to": _open_end(row.valid_to),
                "observed": row.observed,
                "load": row.load,
                "scope": view.scopes[row.sc],
                "flags": list(flag_words(row.flags)) if row.flags else [],
            }
        )
    return links


def _places(walk: _Walk) -> list[dict[str, Any]]:
    return [{"record": near, "side": ("out", "in")[side]} for near, side in walk.cut_links]


class FactsTold:
    """Facts as they are shown, and as a digest covers them.

    Shown, a value that was erased is null, and ``erased`` says so. Covered, each fact is the list of what is shown of
    it, with its record's number in place of the key and the commitment in place of the value, and not whether they
    were erased; `Standings.commitments` says what the numbers stand for.
    """

    def __init__(
        self,
        facts: Sequence[FactRow],
        standings: Standings,
        contradicted: Set[int],
        called: Mapping[int, str],
        properties: Mapping[int, tuple[str, str]],
        view: View,
    ):
        self.shown: list[dict[str, Any]] = []
        self.covered: list[list[Any]] = []
        scopes, read, name_of = view.scopes, orjson.loads, standings.name_of
        for fact in facts:
            _, _, age, fresh, stale, trust, flags = standings.of(fact, fact.fid in contradicted)
            value = fact.value
            cells: list[Any] = [
                f"f{fact.fid}", called[fact.eid], name_of(fact.rid), properties[fact.pid][1],
                None if value is None else read(value), fact.valid_from,
                None if fact.valid_to == INTEGER_MAX else fact.valid_to, fact.observed, fact.load, age, fresh, stale,
                trust, scopes[fact.sc], list(flags),
            ]  # fmt: skip
            entry = dict(zip(_SHOWN, cells, strict=True))
            if value is None:
                entry["erased"] = True
            self.shown.append(entry)
            cells[_RECORD], cells[_VALUE] = fact.rid, fact.vh.hex()
            self.covered.append(cells)


def erased_among(data: Mapping[str, Any]) -> int:
    """How many of the facts shown have been erased."""
    return sum(1 for fact in data["facts"] if fact.get("erased"))


def _open_end(moment: int) -> int | None:
    return None if moment == INTEGER_MAX else moment
