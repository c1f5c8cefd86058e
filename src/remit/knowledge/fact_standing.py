"""What is said of a fact besides its value: from where it is, how old, how far it is trusted, what speaks against it.

All of it is as it was known at the view's ledger size: it comes from rows that are written once, so it comes out the
same whenever it is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Final, NamedTuple

from remit.knowledge.context_query import FactRow, GraphQuery
from remit.knowledge.fact_flags import flag_words

__all__ = ["TRUST_LEVELS", "FactStanding", "Standings", "contradicted_facts"]

TRUST_LEVELS: Final = ("high", "normal", "low", "untrusted")
"""How far a source may be trusted, best first."""
AHEAD_SECONDS_MAX: Final = 300
"""How far ahead of now a moment of observation may lie before the fact's age cannot be judged."""


class FactStanding(NamedTuple):
    """How one fact stood.

    ``observed_at`` is the moment from which its age counts, in seconds since 1970; ``stale`` None means that it has no
    target or that its age cannot be judged.
    """

    dataset: str
    observed_at: int
    age_seconds: int
    fresh_seconds: int | None
    stale: bool | None
    trust: str
    flags: tuple[str, ...]


class Standings:
    """Works out how facts stood, having read once what it takes for all of them; ``records`` are named as well.

    ``properties`` gives type and name of the properties of the facts, and of those asked for by ``pids``.
    """

    def __init__(
        self,
        query: GraphQuery,
        facts: Sequence[FactRow],
        now: int,
        records: Iterable[int] = (),
        pids: Iterable[int] = (),
    ):
        self._now = now
        around = query.surroundings(
            {fact.rid for fact in facts} | set(records),
            {fact.load for fact in facts},
            {fact.pid for fact in facts} | set(pids),
        )
        self.properties = around.properties
        self._records, self._datasets = around.records, around.datasets
        self._names = {rid: f"{self._datasets[row.did][0]}/{row.skey}" for rid, row in self._records.items()}
        # Loads of one data set follow each other: the later of the two was the last to see a fact as it is.
        self._seen = {}
        for rid, number in {(fact.rid, fact.load) for fact in facts}:
            record = self._records[rid]
            dataset, last = self._datasets[record.did]
            self._seen[rid, number] = (record, dataset, around.loads[max(number, last)])
        self._flags: dict[tuple[int, bool, bool, bool], tuple[str, ...]] = {}

    def of(self, fact: FactRow, contradicted: bool) -> FactStanding:
        """How ``fact`` stood; ``contradicted`` is what `contradicted_facts` found."""
        record, dataset, load = self._seen[fact.rid, fact.load]
        _, started, fresh, trust, by_observed = load
        observed_at = _said_last(fact, record.observed) if by_observed else started
        age = self._now - observed_at
        key = (fact.flags, record.quarantined, contradicted, trust == "untrusted")
        flags = self._flags.get(key)
        if flags is None:
            also = zip(("quarantined", "contradicted", "untrusted"), key[1:], strict=True)
            flags = self._flags[key] = (*flag_words(fact.flags), *(word for word, holds in also if holds))
        if fresh < 0:
            return FactStanding(dataset, observed_at, age, None, None, trust, flags)
        return FactStanding(
            dataset, observed_at, age, fresh, None if age < -AHEAD_SECONDS_MAX else age > fresh, trust, flags
        )

    def name_of(self, rid: int) -> str:
        """Record ``rid`` by data set and key."""
        return self._names[rid]

    def commitments(self) -> list[tuple[int, str, str]]:
        """Every record that has a name here: its number, data set and the commitment to its key."""
        return [(rid, self._datasets[row.did][0], row.kh.hex()) for rid, row in sorted(self._records.items())]


def _said_last(fact: FactRow, row_observed: int | None) -> int:
    """The last moment for which a fact was said: what a later row of its record says as well is written only once."""
    if row_observed is None or not max(fact.observed, fact.valid_from) <= row_observed < fact.valid_to:
        return fact.observed
    return row_observed


def contradicted_facts(facts: Iterable[FactRow], recorded: Set[int] = frozenset()) -> set[int]:
    """Those of ``facts`` on whose property another record of the same entity says otherwise.

    Values that were erased can no longer be compared: where one is among them, what was ``recorded`` counts.
    """
    firsts: dict[tuple[int, int], FactRow] = {}
    groups: dict[tuple[int, int], list[FactRow]] = {}
    for fact in facts:
        key = (fact.eid, fact.pid)
        first = firsts.setdefault(key, fact)
        if first is not fact:
            groups.setdefault(key, [first]).append(fact)
    found: set[int] = set()
    for group in groups.values():
        if any(fact.value is None for fact in group):
            found.update(fact.fid for fact in group if fact.fid in recorded)
            continue
        found.update(
            fact.fid for fact in group if any(other.rid != fact.rid and other.value != fact.value for other in group)
        )
    return found
