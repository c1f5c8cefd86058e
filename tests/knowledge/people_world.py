"""People in the store, with who they truly are: what tests of resolution resolve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from tests.knowledge.generated_people import MATCH, Person, people
from tests.knowledge.graph_builder import GraphBuilder, Put

from remit.canonical import INTEGER_MAX as OPEN
from remit.knowledge.arriving import Candidate, current_matcher, match_one
from remit.knowledge.resolve_type import TypeResolution, resolve_type
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.testing.knowledge_stand_ins import a_fact, a_source, a_table

__all__ = ["NOW", "SOURCES", "WORDS", "World", "doubtful_person", "facts", "stranger"]

NOW = 1_700_000_500
WORDS = {name: word for name, word in MATCH.items() if name in ("first", "last", "born", "zip", "email")}
FACTS = [a_fact(name, match=word) for name, word in WORDS.items()] + [a_fact("note")]
SOURCES = {
    "crm": a_source("crm", "sales", a_table("crm.person", "Person", FACTS), a_table("crm.order", "Order", ["total"])),
    "erp": a_source("erp", "finance", a_table("erp.client", "Person", FACTS)),
}


def facts(row: Mapping[str, str | None]) -> dict[str, tuple[Any, str]]:
    return {name: (value, "sales/internal") for name, value in row.items() if value is not None}


def stranger(number: int) -> Person:
    """Somebody who is like nobody there."""
    return people(5, doubled=0.0, seed=990)[0][number] | {"last": f"vandenplas{number}"}


def doubtful_person(store: Store, rows: Iterable[Person]) -> tuple[Person, Candidate]:
    """What a new record may say that perhaps is one of ``rows`` and perhaps is not, and which."""
    matcher = current_matcher(store, "Person")
    assert matcher is not None
    for row in rows:
        for choice in product(range(3), repeat=len(WORDS)):
            said = {name: (row[name], None, stranger(0)[name])[at] for name, at in zip(WORDS, choice, strict=True)}
            found = match_one(store, matcher, said, least_bp=300)
            if len(found) == 1 and 5_500 < found[0].probability_bp < 8_500:
                return said, found[0]
    raise AssertionError("no such record")


class World:
    """People in the store, with who they truly are by record number."""

    done: TypeResolution
    gone: int = 0

    def __init__(self, journal: Journal, count: int = 80):
        self.journal, self.store = journal, journal.store
        self.graph = GraphBuilder(journal, {"crm.person": "Person", "erp.client": "Person"})
        rows, labels = people(count, doubled=0.6, seed=4, wrong=0.12)
        self.graph.begin_load("crm.person", NOW)
        puts = [
            Put(
                "crm.person" if place % 2 else "erp.client", f"k{place}", facts(row) | {"note": ("x", "sales/internal")}
            )
            for place, row in enumerate(rows)
        ]
        self.graph.put(*puts)
        self.rows: dict[int, Person] = {}
        self.people: dict[int, str] = {}
        for put, row, label in zip(puts, rows, labels, strict=True):
            rid = self.graph.rids[put.dataset, put.key]
            self.rows[rid], self.people[rid] = row, label

    def resolve(self) -> TypeResolution:
        return resolve_type(self.journal, self.store, "Person", SOURCES, now=NOW, single=frozenset())

    def entities(self) -> dict[int, int]:
        return dict(self.store.read("select rid, eid from member where tx_to = ?", (OPEN,)))

    def pair(self, *, same: bool) -> tuple[int, int]:
        """Two records that are one entity now and truly one person; or neither."""
        now = self.entities()
        return next(
            (one, two)
            for one in sorted(now)
            for two in sorted(now)
            if one < two and (now[one] == now[two]) is same and (self.people[one] == self.people[two]) is same
        )
