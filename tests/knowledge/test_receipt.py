"""What an agent was shown can be had again, whatever happened since, on both stores alike."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.knowledge.leak_trial import RandomWorld

from remit.errors import NotFound
from remit.knowledge.context import ContextAsk, read_context
from remit.knowledge.receipt import find_receipt, record_context, record_search, replay_receipt
from remit.knowledge.search import SearchAsk, index_text, search
from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store

RECEIPTS = 1_000


def history(journal: Journal, seed: int, receipts: int) -> dict[str, bytes]:
    """A world that goes on while contexts of it are read and recorded: what was shown, by digest."""
    world = RandomWorld(journal, seed, rounds=5, keys=6, erasing=True)
    shown: dict[str, bytes] = {}
    while len(shown) < receipts:
        world.step()
        size = world.graph.size
        contexts = []
        with journal.store.snapshot() as reader:
            for _ in range(60):
                try:
                    contexts.append(read_context(reader, world.ask(size)))
                except NotFound:
                    continue
        with ThreadPoolExecutor(8) as pool:  # so that they share commits
            digests = list(pool.map(lambda context: record_context(journal, context), contexts))
        shown.update(zip(digests, (context.as_bytes() for context in contexts), strict=True))
    return shown


def with_erased(then: bytes, now: bytes) -> bool:
    """Whether ``now`` is ``then`` but for values that are null and keys that are gone."""
    before, after = json.loads(then), json.loads(now)
    for facts in (before["facts"], after["facts"]):
        for fact in facts:
            fact.pop("record")
    for old, new in zip(before["facts"], after["facts"], strict=True):
        if new.pop("erased", False):
            assert new["value"] is None
            old["value"] = None
            old.pop("erased", None)
    return bool(before["facts"] == after["facts"] and before["digest"] == after["digest"])


def test_a_thousand_receipts_replay_to_the_same_bytes(journal: Journal) -> None:
    """Merges, splits, undoing, other grants, loads of every fate and erasures lie between reading and replaying."""
    shown = history(journal, 7, RECEIPTS)
    states: Counter[str] = Counter()
    with journal.store.snapshot() as reader:
        for digest, data in shown.items():
            replayed = replay_receipt(reader, digest)
            states[replayed.state] += 1
            assert replayed.differing == ()
            if replayed.state == "same":
                assert replayed.erased == 0
                assert replayed.data == data
            else:
                assert replayed.state == "same, erased" and replayed.erased > 0
                assert with_erased(data, replayed.data)
    assert states["differs"] == 0 and states["same"] > 300 and states["same, erased"] > 50, states


def test_the_same_history_has_the_same_receipts_again(journal: Journal, tmp_path: Path) -> None:
    """What the store under test gives is what another one, a SQLite file, gives, to the byte."""
    store = open_store(f"sqlite:{tmp_path / 'other.db'}")
    other = Journal(store)
    try:
        assert history(journal, 11, 100) == history(other, 11, 100)
    finally:
        other.close()
        store.close()


@pytest.fixture
def world(journal: Journal) -> RandomWorld:
    return RandomWorld(journal, 3, rounds=20)


def a_context(world: RandomWorld, store: Store) -> tuple[ContextAsk, Any]:
    with store.snapshot() as reader:
        while True:
            ask = world.ask(world.graph.size)
            try:
                return ask, read_context(reader, ask)
            except NotFound:
                continue


def test_a_receipt_says_who_saw_what(world: RandomWorld, store: Store) -> None:
    ask, context = a_context(world, store)
    digest = record_context(world.journal, context)
    with store.snapshot() as reader:
        recorded = find_receipt(reader, digest)
    data = recorded.event.data
    assert recorded.event.kind == "context.read" and recorded.event.actor == f"agent:{ask.agent}"
    assert data["scopes"] == sorted(ask.scopes) and data["as_of"] == ask.as_of and data["entity"] == f"e{ask.entity}"
    assert data["facts"] == [int(fact["id"][1:]) for fact in context.as_json()["facts"]]
    assert data["links"] == [int(link["id"][1:]) for link in context.as_json()["links"]]


def test_the_same_context_has_one_receipt(world: RandomWorld, store: Store) -> None:
    _, context = a_context(world, store)
    record_context(world.journal, context)
    size = world.graph.size
    assert record_context(world.journal, context) == context.digest
    assert world.graph.size == size


def test_no_value_and_no_key_stands_in_a_receipt(world: RandomWorld, store: Store) -> None:
    for _ in range(20):
        _, context = a_context(world, store)
        digest = record_context(world.journal, context)
        with store.snapshot() as reader:
            text = json.dumps(dict(find_receipt(reader, digest).event.data))
        for fact in context.as_json()["facts"]:
            assert fact["record"].split("/")[1] not in text


def test_a_receipt_that_is_not_there_is_said_so(store: Store) -> None:
    with store.snapshot() as reader, pytest.raises(NotFound, match="no receipt 'abc'"):
        replay_receipt(reader, "abc")


def test_a_search_replays_from_its_receipt(world: RandomWorld, store: Store) -> None:
    """Neither the index nor the words are needed for it."""
    index_text(store)
    ask = SearchAsk(
        "agent-1", "a b", ("sales/internal", "shop/internal", "people/pii"), world.graph.size, world.now, world.now
    )
    with store.snapshot() as reader:
        found = search(reader, ask)
    assert found.facts
    digest = record_search(world.journal, ask, found)
    with store.transaction() as transaction:
        transaction.execute("delete from search_term")
        transaction.execute("delete from sealed")
    with store.snapshot() as reader:
        replayed = replay_receipt(reader, digest)
        assert "a b" not in json.dumps(dict(find_receipt(reader, digest).event.data))
    assert replayed.state == "same" and replayed.data == found.as_bytes()
