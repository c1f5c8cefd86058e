"""The journal's guards hold under concurrency, and its views are folds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.errors import BadInput, StoreUnavailable
from remit.ledger.audit import rebuild_views, view_rows
from remit.ledger.journal import Guards, Journal, Moved
from remit.ledger.query import events_of, find_action, head
from remit.store.engine import Store, Transaction
from remit.vocabulary import Event, Reserve


def begun(action: str, amount: int = 0, claims: tuple[str, ...] = (), once: str | None = None) -> Event:
    data = {
        "key": action, "agent": "a", "version": "v", "department": "d", "name": "n", "system": "s", "operation": "o",
        "process": "p", "reserves": [["limit", amount]], "claims": list(claims), "once": once,
    }  # fmt: skip
    return Event("action.begun", "agent:a", data, "c", action, "begun")  # type: ignore[arg-type]


def finished(action: str) -> Event:
    return Event(
        "action.finished",
        "agent:a",
        {"result": {}, "cost_minor": None, "looked_up": False},
        "c",
        action,
        "ended",
    )


def failed(action: str) -> Event:
    return Event("action.failed", "agent:a", {"problem": "no"}, "c", action, "ended")


def reserve(amount: int, at_most: int, used: int = 0) -> Reserve:
    return Reserve("limit", amount, at_most, used, used + amount <= at_most)


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store)


def test_events_stand_in_order_and_whole(store: Store, journal: Journal) -> None:
    refs = journal.append_now(begun("a1"), finished("a1"))
    assert [ref.seq for ref in refs] == [0, 1]
    assert [recorded.event.kind for recorded in events_of(store, "a1")] == ["action.begun", "action.finished"]
    assert head(store) == (2, 0)
    journal.close()


def test_a_step_is_written_once(store: Store, journal: Journal) -> None:
    journal.append_now(begun("a1"))
    with pytest.raises(Moved, match="step"):
        journal.append_now(Event("approval.void", "remit", {"number": 1, "why": "x"}, "c", "a2", "void:1"), begun("a1"))
    assert head(store)[0] == 1, "an append that is refused leaves nothing, its other events neither"
    journal.close()


def test_64_at_once_never_exceed_a_limit(opener: Callable[[], Store]) -> None:
    """Four processes' worth of journals, 64 proposals, a cap that 20 fit under: 20 begin, whatever the order."""
    stores = [opener() for _ in range(4)]
    journals = [Journal(store) for store in stores]

    async def one(number: int) -> bool:
        journal, used = journals[number % 4], 0
        while True:
            judged = reserve(5, 100, used)
            if not judged.fits:
                return False
            try:
                await journal.append(begun(f"a{number}", 5), guards=Guards(reserves=(judged,)))
                return True
            except Moved as moved:
                assert moved.what == "limit" and moved.used is not None
                used = moved.used

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(one(number) for number in range(64)))

    assert sum(asyncio.run(all_of_them())) == 20
    assert stores[0].read("select used from counter where key = 'limit'") == [(100,)]
    for journal, store in zip(journals, stores, strict=True):
        journal.close()
        store.close()


def test_a_refusal_to_fit_is_checked_too(journal: Journal) -> None:
    """A denial for a limit that has room by now is refused: what was given back may be used."""
    with pytest.raises(Moved, match="limit"):
        journal.append_now(
            Event("action.decided", "agent:a", {"attempt": 1}, "c", "a1", "decided:1"),
            guards=Guards(reserves=(Reserve("limit", 50, 100, 90, False),)),
        )
    journal.close()


def test_a_limit_whose_cap_is_not_known_begins_nothing(journal: Journal) -> None:
    """So a reserve comes out of a record, where the cap was a sealed fact."""
    for fits in (True, False):
        with pytest.raises(Moved, match="limit"):
            journal.append_now(
                Event("action.decided", "agent:a", {"attempt": 1}, "c", "a1", "decided:1"),
                guards=Guards(reserves=(Reserve("limit", 0, None, 0, fits, "budget"),)),
            )
    journal.close()


def test_failed_effects_give_back(store: Store, journal: Journal) -> None:
    journal.append_now(begun("a1", 70, ("e/1",), "once/x"), guards=Guards(reserves=(reserve(70, 100),)))
    with pytest.raises(Moved, match="limit"):
        journal.append_now(begun("a2", 70), guards=Guards(reserves=(reserve(70, 100),)))
    with pytest.raises(Moved, match="claim"):
        journal.append_now(begun("a2"), guards=Guards(free=("e/1",)))
    with pytest.raises(Moved, match="once"):
        journal.append_now(begun("a2"), guards=Guards(once="once/x"))
    journal.append_now(failed("a1"))
    journal.append_now(
        begun("a2", 70, ("e/1",), "once/x"),
        guards=Guards(reserves=(reserve(70, 100),), free=("e/1",), once="once/x"),
    )
    journal.append_now(finished("a2"))
    assert store.read("select used from counter") == [(70,)]
    assert store.read("select count(*) from claim") == [(0,)], "an ended effect holds no entity"
    assert store.read("select action from once") == [("a2",)], "a finished effect keeps its once-key"
    journal.close()


def test_nothing_passes_a_halt_in_any_process(opener: Callable[[], Store]) -> None:
    """Begins race with a halt from another journal: every begin stands before the halt in the ledger."""
    begins, halts = opener(), opener()
    first, second = Journal(begins), Journal(halts)
    stop, written = threading.Event(), list[int]()

    def begin() -> None:
        for number in range(2_000):
            try:
                written.append(first.append_now(begun(f"a{number}"), guards=Guards(epoch=0))[0].seq)
            except Moved as moved:
                assert moved.what == "epoch"
                return
        stop.set()

    thread = threading.Thread(target=begin)
    thread.start()
    while len(written) < 20 and thread.is_alive():
        time.sleep(0.0005)
    data = {
        "id": "h1",
        "scope": {"kind": "everything", "value": ""},
        "why": "x",
        "at": "2026-01-01T00:00:00.000000Z",
    }
    (halt,) = second.append_now(Event("halt.requested", "person:o", data))  # type: ignore[arg-type]
    thread.join()
    assert not stop.is_set(), "the halt came too late to race with anything"
    assert max(written) < halt.seq
    assert head(halts) == (halt.seq + 1, 1)
    for journal, store in ((first, begins), (second, halts)):
        journal.close()
        store.close()


def test_one_clash_does_not_fail_its_neighbours(store: Store, journal: Journal) -> None:
    async def main() -> list[object]:
        return await asyncio.gather(
            *(journal.append(begun(f"a{number % 10}")) for number in range(40)), return_exceptions=True
        )

    results = asyncio.run(main())
    assert sum(isinstance(result, tuple) for result in results) == 10
    assert all(isinstance(result, tuple | Moved) for result in results)
    assert head(store)[0] == 10
    journal.close()


def test_a_commit_that_fails_says_so_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(store)
    real = store.transaction

    def broken() -> object:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(store, "transaction", broken)
    with pytest.raises(StoreUnavailable, match="disk is gone"):
        journal.append_now(begun("a1"))
    monkeypatch.setattr(store, "transaction", real)
    journal.append_now(begun("a1"))
    assert head(store)[0] == 1
    journal.close()


def test_after_closing_appends_are_refused(journal: Journal) -> None:
    journal.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        journal.append_now(begun("a1"))


@pytest.mark.parametrize(
    "data", [{"x": 1.5}, {"x": float("nan")}, {"x": "\ud800"}, {"ü": 1}, {"x": 2**60}, {"x": object()}]
)
def test_what_has_no_canonical_form_is_refused(store: Store, journal: Journal, data: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        journal.append_now(Event("outcome.recorded", "x", data))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="expected one of"):
        journal.append_now(Event("no.such.kind", "x", {}))
    assert head(store)[0] == 0
    journal.close()


class _Slowly:
    """A plain reference for counters, claims and once-keys, by reading the whole history each time."""

    def __init__(self) -> None:
        self.open: dict[str, Event] = {}
        self.done: list[Event] = []

    def holds(self) -> tuple[int, set[str], set[str]]:
        everything = [*self.open.values(), *self.done]
        used = sum(event.data["reserves"][0][1] for event in everything)  # type: ignore[index,misc]
        claims = {str(name) for event in self.open.values() for name in event.data["claims"]}  # type: ignore[union-attr]
        once = {str(event.data["once"]) for event in everything if event.data["once"]}
        return used, claims, once


_OPS = st.lists(
    st.tuples(st.sampled_from(["begin", "finish", "fail"]), st.integers(0, 5), st.integers(0, 40), st.integers(0, 2)),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ops=_OPS)
def test_guards_agree_with_a_plain_reference_and_views_with_their_rebuild(
    opener: Callable[[], Store], ops: list[tuple[str, int, int, int]]
) -> None:
    store = opener()
    with store.transaction() as transaction:
        _empty(transaction)
    journal, plain = Journal(store), _Slowly()
    for number, (what, which, amount, entity) in enumerate(ops):
        name = f"a{which}"
        if what == "begin" and name not in plain.open:
            action = f"{name}.{number}"
            event = begun(action, amount, (f"e/{entity}",), f"once/{entity}" if amount % 2 else None)
            used, claims, once = plain.holds()
            allowed = used + amount <= 100 and f"e/{entity}" not in claims and event.data["once"] not in once
            guards = Guards(reserves=(Reserve("limit", amount, 100, 0, True),), free=(f"e/{entity}",),
                            once=event.data["once"])  # type: ignore[arg-type]  # fmt: skip
            try:
                journal.append_now(event, guards=guards)
                assert allowed
                plain.open[name] = event
            except Moved:
                assert not allowed
        elif what != "begin" and name in plain.open:
            event = plain.open.pop(name)
            journal.append_now(finished(event.action) if what == "finish" else failed(event.action))
            if what == "finish":
                plain.done.append(event)
    kept = view_rows(store)
    rebuild_views(store)
    rebuilt = view_rows(store)
    zero = ("limit", 0)
    kept["counter"] = [row for row in kept["counter"] if row != zero]
    rebuilt["counter"] = [row for row in rebuilt["counter"] if row != zero]
    assert kept == rebuilt
    drawn = {row[0]: row[1] for row in kept["counter"]}
    assert drawn.get("limit", 0) == plain.holds()[0]
    journal.close()
    store.close()


def _empty(transaction: Transaction) -> None:
    for table in ("event", "counter", "claim", "once", "open_effect", "parked", "ready"):
        transaction.execute(f"delete from {table}")
    transaction.execute("update head set size = 0, epoch = 0")


def test_actions_are_found_by_the_beginning_of_their_digest(store: Store, journal: Journal) -> None:
    journal.append_now(begun("abcd" + "0" * 60))
    journal.append_now(begun("abce" + "0" * 60))
    assert find_action(store, "abcd") == "abcd" + "0" * 60
    with pytest.raises(BadInput, match="no action or case"):
        find_action(store, "ffff")
    with pytest.raises(BadInput):
        find_action(store, "abc")
    journal.close()


def test_the_time_in_an_event_is_the_clock_it_was_given(store: Store) -> None:
    journal = Journal(store, lambda: datetime(2026, 1, 2, 3, 4, 5, 678, UTC))
    journal.append_now(begun("a1"))
    assert events_of(store, "a1")[0].at == "2026-01-02T03:04:05.000678Z"
    journal.close()
