"""Random worlds, and contexts of them compared with the plain reader, which never sees what is not visible.

`leak_trial` runs as many as are asked for, from the suite or from a bench.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.knowledge.graph_builder import START, GraphBuilder, Put, dump
from tests.knowledge.plain_context import expected, same

from remit.canonical import INTEGER_MAX as OPEN
from remit.errors import Conflict, NotFound
from remit.knowledge.context import Context, ContextAsk, read_context
from remit.knowledge.entity import find_entity, merge_entities, move_records, split_entity, undo_move
from remit.knowledge.erasing import erase_entity
from remit.ledger.journal import Journal

TYPES = {
    "crm.account": "Customer", "billing.customer": "Customer", "hr.person": "Employee", "shop.order": "Order",
}  # fmt: skip
SCOPES = ("sales/internal", "sales/pii", "finance/internal", "people/pii", "shop/internal")
FACTS = ("name", "tier", "city", "phone", "owner", "since", "limit", "note")


class RandomWorld:
    """A graph with a history: loads of every fate, merges, splits and undoing, rows that were held back."""

    def __init__(self, journal: Journal, seed: int, rounds: int, keys: int = 4, erasing: bool = False):
        self.random = random.Random(seed)
        self.journal = journal
        self.graph = GraphBuilder(journal, TYPES, seed)
        self.moves: list[int] = []
        self.now = START
        self._keys = keys
        self._held: list[int] = []
        self._erasing = erasing
        self._first()
        for _ in range(rounds):
            self.step()

    def _first(self) -> None:
        for dataset in TYPES:
            number = self._begin(dataset)
            self.graph.put(*(self.row(dataset, f"K{key}") for key in range(self._keys)))
            self.graph.end_load(number)

    def _begin(self, dataset: str) -> int:
        pick = self.random.choice
        fresh, trust = pick((-1, 600, 5_000)), pick(("high", "normal", "low", "untrusted"))
        return self.graph.begin_load(dataset, self.now, fresh, trust, self.random.random() < 0.3)

    def row(self, dataset: str, key: str) -> Put:
        """A random row of ``dataset``."""
        pick, chance = self.random.choice, self.random.random
        facts = {
            name: (pick(("a", "b", 7, True)), pick(SCOPES))
            for name in FACTS[: self.random.choice((0, 2, 4, 8, 8))]
            if chance() < 0.8
        }
        links = {
            name: (pick(list(TYPES)), f"K{self.random.randrange(self._keys + 1)}", pick(SCOPES))
            for name in ("owner", "of", "next")[: self.random.randint(0, 3)]
        }
        since = self.now - self.random.randint(-2_000, 9_000) if chance() < 0.4 else 0
        until = OPEN if chance() < 0.85 else max(since + 1, self.now + self.random.randint(-2_000, 12_000))
        observed = self.now - self.random.randint(-1_000, 9_000)
        return Put(dataset, key, facts, links, since, until, observed, pick((0, 0, 0, 1, 2, 6)))

    def step(self) -> None:
        """One thing that happens."""
        self.now += self.random.randint(1, 3_000)
        kind = self.random.random()
        rids = sorted(self.graph.rids.values())
        if self._erasing and kind > 0.95:
            self._erase()
            return
        if kind < 0.45:
            self._load(self.random.choice(list(TYPES)))
        elif kind < 0.7:
            self._resolve(rids)
        elif kind < 0.8 and self.moves:
            self._try(lambda: undo_move(self.journal, self.random.choice(self.moves), why="wrong", actor="ana").seq)
        elif kind < 0.9:
            dataset, key = self.random.choice(list(TYPES)), f"K{self.random.randrange(self._keys)}"
            self._held.append(self.graph.hold_back(dataset, key))
        elif self._held:
            self.graph.let_go(self._held.pop(self.random.randrange(len(self._held))))

    def _load(self, dataset: str) -> None:
        number = self._begin(dataset)
        keys = self.random.sample(range(self._keys + 1), self.random.randint(1, self._keys))
        rows = [self.row(dataset, f"K{key}") for key in keys]
        if self.random.random() < 0.3:
            rows[0].facts = None
        self.graph.put(*rows)
        if self.random.random() < 0.85:
            self.graph.end_load(number, "ok" if self.random.random() < 0.8 else "failed")

    def _resolve(self, rids: list[int]) -> None:
        some = self.random.sample(rids, min(len(rids), self.random.randint(1, 3)))
        if self.random.random() < 0.3:
            self._try(lambda: split_entity(self.journal, some[:2], why="no", actor="ana").seq)
        elif self.random.random() < 0.8:
            self._try(lambda: merge_entities(self.journal, some, how="r", score_bp=9_000, why="y", actor="er").seq)
        else:
            now: dict[int, int] = dict(self.journal.store.read("select rid, eid from member where tx_to = ?", (OPEN,)))
            moves = [(rid, now[rid], now[some[0]]) for rid in some[1:] if now[rid] != now[some[0]]]
            if moves:
                self._try(lambda: move_records(self.journal, moves, how="m", score_bp=1, why="y", actor="er").seq)

    def _erase(self) -> None:
        place = self.random.choice(sorted(self.graph.rids))
        with self.journal.store.snapshot() as reader:
            entity = find_entity(reader, f"e{self.graph.rids[place]}")
        with suppress(Conflict):
            erase_entity(self.journal, entity, why="asked to", actor="ana")
        # The keys are free again: a row that comes under one of them is another record.
        self.graph.rids = {name: rid for name, rid in self.graph.rids.items() if rid not in entity.records}

    def _try(self, work: Any) -> None:
        with suppress(Conflict):
            self.moves.append(work())

    def ask(self, size: int) -> ContextAsk:
        """A random ask of a graph whose ledger has ``size`` events."""
        pick, number = self.random.choice, self.random.randint
        return ContextAsk(
            f"agent-{number(1, 3)}",
            pick(sorted(self.graph.rids.values())) if self.random.random() < 0.98 else 10_000,
            tuple(self.random.sample(SCOPES, pick((0, 1, 2, 3, 4, 4, 5, 5)))),
            size if self.random.random() < 0.5 else number(size // 3, size),
            self.now - number(-3_000, 12_000),
            self.now + number(0, 9_000),
            hops=number(0, 2),
            cap=pick((1, 2, 3, 10)),
            entities_max=pick((1, 3, 150)),
            facts_max=pick((3, 20, 500)),
        )


@dataclass
class Trial:
    """What a trial found: contexts read, of them empty, and asks where the two readers differ."""

    contexts: int
    nothing: int
    differing: list[tuple[ContextAsk, Any, Any]]
    words: Counter[str]


def compare(world: RandomWorld, asks: int) -> Trial:
    """Read ``asks`` random contexts of ``world`` both ways."""
    trial = Trial(0, 0, [], Counter())
    tables = dump(world.journal)
    size = world.graph.size
    with world.journal.store.snapshot() as reader:
        for _ in range(asks):
            ask = world.ask(size)
            wanted = expected(tables, ask.as_json())
            got: Context | None
            try:
                got = read_context(reader, ask)
            except NotFound:
                got = None
            trial.contexts += 1
            if got is None or wanted is None:
                trial.nothing += 1
                if got is not None or wanted is not None:
                    trial.differing.append((ask, got, wanted))
                continue
            if not same(got.as_json(), wanted):
                trial.differing.append((ask, got.as_json(), wanted))
            trial.words.update(flag for fact in wanted["facts"] for flag in fact["flags"])
            trial.words.update(f"stale {fact['stale']}" for fact in wanted["facts"])
            trial.words["links"] += len(wanted["links"])
            trial.words["neighbours"] += len(wanted["entities"]) - 1
            trial.words["of several records"] += sum(len(entity["records"]) > 1 for entity in wanted["entities"])
            for name in ("facts", "entities"):
                trial.words[f"cut {name}"] += wanted["cut"][name] > 0
            trial.words["cut links"] += len(wanted["cut"]["links"]) > 0
    return trial


def leak_trial(journals: Any, n: int, seed: int, asks_each: int = 250) -> Trial:
    """Compare ``n`` contexts, ``asks_each`` of each world; ``journals`` yields the journal of a new, empty store."""
    total = Trial(0, 0, [], Counter())
    number = 0
    while total.contexts < n:
        with journals() as journal:
            world = RandomWorld(journal, seed + number, rounds=25)
            found = compare(world, min(asks_each, n - total.contexts))
        total.contexts += found.contexts
        total.nothing += found.nothing
        total.differing += found.differing
        total.words += found.words
        number += 1
    return total
