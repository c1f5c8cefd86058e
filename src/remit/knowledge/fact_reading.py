"""Facts for the gate: what the graph says of the entity an action is about, with where it comes from and what is odd.

Of several facts the one from the most trusted source counts, of these the one observed last. Where another visible
record says otherwise, it is flagged, and the gate and its rules can see that. A problem never says which entity was
asked about: it is recorded in clear, and the name may have to be erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from remit.errors import BadInput, RemitError
from remit.knowledge.context_query import FactRow, GraphQuery, open_view
from remit.knowledge.fact_standing import TRUST_LEVELS, FactStanding, Standings, contradicted_facts
from remit.store.engine import Reader
from remit.vocabulary import Fact, Json

__all__ = ["GraphNeed", "read_graph_facts"]

LINKS_MAX: Final = 100
"""How many links of one name and side are followed from one record."""
NAMES_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class GraphNeed:
    """One fact that is needed: property ``get`` of the entity ``about``, where up to two links may lead on.

    ``about`` is an entity's name (``Order/A17``). ``get`` is names of links, followed in either direction, and the
    property's, joined by dots: ``hold``, ``country.budget``. Where nothing says so, and the data set ``absent_in`` was
    read whole, the value is ``absent``: of an entity that is known, silence then means that.
    """

    name: str
    about: str
    get: str
    fresh_seconds: int | None = None
    absent_in: str = ""
    absent: Json = None


def read_graph_facts(
    reader: Reader, needs: Sequence[GraphNeed], scopes: Sequence[str], as_of: int, now: datetime
) -> dict[str, Fact]:
    """Read ``needs`` as one who may see ``scopes``, valid at ``now``; ``reader`` is a snapshot.

    What is not there and what may not be seen come out the same: without a value, with the same problem.

    Raises:
        BadInput: ``now`` has no time zone, or ``as_of`` lies ahead of the ledger.
    """
    if now.tzinfo is None:
        raise BadInput(f"a moment needs a time zone: got {now!r}")
    moment = int(now.timestamp())
    query = GraphQuery(reader, open_view(reader, scopes, as_of, moment))
    return {need.name: _read(query, need, moment) for need in needs}


def _read(query: GraphQuery, need: GraphNeed, now: int) -> Fact:
    try:
        rids = query.called(need.about)
    except BadInput:
        return _missing(need, "what it is asked about is not an entity: expected Type/KEY, source.table/KEY or e123")
    try:
        known, facts = _candidates(query, need, rids)
    except RemitError as error:
        return _missing(need, str(error)[:500])
    if not facts and known and need.absent_in:
        return _absent(query, need)
    if not facts:
        return _missing(need, f"nothing that may be seen says {need.get} of the entity asked about"[:500])
    against = contradicted_facts(_as_one(facts))
    standings = Standings(query, facts, now)
    fact, standing = min(
        ((fact, standings.of(fact, fact.fid in against)) for fact in facts), key=lambda pair: _rank(*pair)
    )
    observed_at = datetime.fromtimestamp(standing.observed_at, UTC)
    value = orjson.loads(fact.value or "null")
    return Fact(
        need.name, value, standing.dataset, standings.name_of(fact.rid), observed_at, need.fresh_seconds,
        id=f"f{fact.fid}", trust=standing.trust, flags=standing.flags,
        commitment="" if value is None else bytes(fact.vh).hex(),
    )  # fmt: skip


def _missing(need: GraphNeed, problem: str) -> Fact:
    return Fact(need.name, None, "knowledge", "", None, need.fresh_seconds, problem)


def _absent(query: GraphQuery, need: GraphNeed) -> Fact:
    """What silence means, as old as the last time that all was said."""
    load = query.last_whole(need.absent_in)
    if load is None:
        silence = f"nothing says {need.get} of the entity asked about, and {need.absent_in} was never read whole"
        return _missing(need, silence[:500])
    observed_at = datetime.fromtimestamp(load.started, UTC)
    return Fact(
        need.name,
        need.absent,
        need.absent_in,
        "",
        observed_at,
        need.fresh_seconds,
        trust=load.trust,
        flags=("unmentioned",),
    )


def _candidates(query: GraphQuery, need: GraphNeed, rids: Sequence[int]) -> tuple[bool, list[FactRow]]:
    """Whether the entity that is asked about, which records ``rids`` may be, is known, and what the graph says."""
    *links, name = need.get.split(".")
    if len(links) >= NAMES_MAX or not name or "" in links:
        raise BadInput(f"get: got {need.get!r:.80}, expected a property, or at most two links and a property")
    eids = sorted(set(query.entities(query.visible(rids)).values()))
    known = bool(eids)
    if len(eids) > 1:
        raise BadInput("several entities that may be seen are called what is asked about")
    for link in links:
        near = query.visible(query.members(eids))
        found = query.links(near, LINKS_MAX + 1, link)
        sides = [(row.near, row.side) for row in found]
        if any(sides.count(side) > LINKS_MAX for side in set(sides)):
            raise BadInput(f"more than {LINKS_MAX} links {link!r:.80} lead on from the entity asked about")
        eids = sorted({row.eid for row in found})
    return known, [fact for fact in query.named(eids, name) if fact.value is not None]


def _as_one(facts: Sequence[FactRow]) -> list[FactRow]:
    """The facts as if of one entity and property: what is needed is one value, whatever it was reached by."""
    return [fact._replace(eid=0, pid=0) for fact in facts]


def _rank(fact: FactRow, standing: FactStanding) -> tuple[int, int, int]:
    place = TRUST_LEVELS.index(standing.trust) if standing.trust in TRUST_LEVELS else len(TRUST_LEVELS)
    return place, -fact.observed, fact.fid
