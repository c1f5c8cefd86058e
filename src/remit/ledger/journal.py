"""The journal: the one way into the ledger. Concurrent appends share a commit.

An append is a few events that stand or fall together, with guards: what the caller believed when it decided. The
transaction takes the head lock, compares every guard with how things stand by then, and refuses the append with
`Moved` where they differ; what is refused has not happened. So a halt that is committed stops every later begin in
every process, and cumulative limits hold however many judge at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson

from remit.errors import Conflict, RemitError, StoreUnavailable
from remit.ledger.event import Entry, encode
from remit.ledger.sealing import Sealed
from remit.ledger.views import Views
from remit.store.engine import Store, Transaction
from remit.store.tables import TABLES
from remit.vocabulary import Event, Ref, Reserve

__all__ = ["Guards", "Journal", "Moved", "Work"]

BATCH_MAX: Final = 512

Work = Callable[[Transaction, int], Sequence[Event]]
"""What `Journal.append_with` takes: it is handed the transaction and the place that its first event will have."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What must still be so when the append commits.

    ``epoch``: the standing at which the caller decided. ``reserves``: each must still fit, or not fit, as judged.
    ``free``: entities that no other action may hold. ``once``: a key that no other action may hold. ``waiting``: an
    action and the number of its ask that must still be waiting for answers. ``ready``: an action that must still
    stand among the approved ones. ``review``: an action whose review must still be open. ``owner``: an action whose
    open effect must still be that process's to look after.
    """

    epoch: int | None = None
    reserves: tuple[Reserve, ...] = ()
    free: tuple[str, ...] = ()
    once: str | None = None
    waiting: tuple[str, int] | None = None
    ready: str | None = None
    review: str | None = None
    owner: tuple[str, str] | None = None


class Moved(Conflict):
    """How things stand changed between deciding and committing. Judge again with how things stand now."""

    def __init__(self, what: str, key: str = "", *, used: int | None = None, holder: str = "", epoch: int = 0):
        self.what, self.key, self.used, self.holder, self.epoch = what, key, used, holder, epoch
        super().__init__(f"{what} moved: {key} {holder}".strip())


@dataclass(slots=True)
class _Append:
    entries: Sequence[Entry]
    guards: Guards
    sealed: tuple[Sealed, ...]
    future: asyncio.Future[tuple[Ref, ...]] | Future[tuple[Ref, ...]]
    loop: asyncio.AbstractEventLoop | None
    work: Work | None = None
    result: tuple[Ref, ...] | Exception | None = None


@dataclass(slots=True)
class _Counts:
    """What the journal did since it was opened."""

    commits: int = 0
    events: int = 0
    refused: int = 0
    listeners: list[Callable[[int, int], None]] = field(default_factory=list)


class Journal:
    """Appends events. Safe to call from any thread and any event loop; one committer thread per process."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self.store = store
        self.counts = _Counts()
        self._clock = clock
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="remit-journal", daemon=True)
        self._thread.start()

    async def append(
        self, *events: Event, guards: Guards | None = None, sealed: tuple[Sealed, ...] = ()
    ) -> tuple[Ref, ...]:
        """Append ``events`` as one, and return their places once they are on disk.

        Raises:
            Moved: a guard no longer holds; nothing was written.
            BadInput: an event has no canonical form.
            StoreUnavailable: the commit failed; nothing was written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Ref, ...]] = loop.create_future()
        self._submit(events, guards, sealed, future, loop)
        return await future

    def append_now(
        self, *events: Event, guards: Guards | None = None, sealed: tuple[Sealed, ...] = ()
    ) -> tuple[Ref, ...]:
        """The same as `append`, for callers that have no event loop: it blocks until the events are on disk."""
        future: Future[tuple[Ref, ...]] = Future()
        self._submit(events, guards, sealed, future, None)
        return future.result()

    def append_with(self, work: Work, guards: Guards | None = None) -> tuple[Ref, ...]:
        """Append the events that ``work`` returns, in the same commit as the rows that it writes; blocks.

        ``work(transaction, seq)`` runs under the head lock, so what it reads is how things stand and it should be
        short; it may run twice when a commit is taken again. Returns the events' places.

        Raises:
            Whatever ``work`` raises of `RemitError`; nothing was written then.
            StoreUnavailable: the commit failed; nothing was written.
        """
        future: Future[tuple[Ref, ...]] = Future()
        if self._closed:
            raise StoreUnavailable("the journal is closed")
        self._queue.put(_Append((), guards or Guards(), (), future, None, work))
        return future.result()

    def _submit(
        self,
        events: Sequence[Event],
        guards: Guards | None,
        sealed: tuple[Sealed, ...],
        future: asyncio.Future[tuple[Ref, ...]] | Future[tuple[Ref, ...]],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        if self._closed:
            raise StoreUnavailable("the journal is closed")
        now = self._clock()
        entries = [encode(event, now) for event in events]
        self._queue.put(_Append(entries, guards or Guards(), sealed, future, loop))

    def close(self) -> None:
        """Commit what is waiting and stop. Further appends are refused."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch, stop = [first], False
            while len(batch) < BATCH_MAX:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    stop = True
                    break
                batch.append(item)
            self._commit(batch)
            if stop:
                return

    def _commit(self, batch: list[_Append]) -> None:
        try:
            self._commit_together(batch)
        except Exception as error:
            if len(batch) > 1:  # one clash must not fail its neighbours: take them one by one
                for append in batch:
                    append.result = None
                    self._commit([append])
                return
            known = isinstance(error, RemitError)
            batch[0].result = error if known else StoreUnavailable(f"commit failed: {error}")
        _wake(batch)

    def _commit_together(self, batch: list[_Append]) -> None:
        with self.store.transaction() as transaction:
            written = _Batch(transaction, *transaction.head)
            written.prefetch(batch)
            for append in batch:
                if append.work is not None:
                    events = append.work(transaction, written.size)
                    append.entries = [encode(event, self._clock()) for event in events]
                append.result = written.take(append)
                if append.work is not None and isinstance(append.result, Exception):
                    raise append.result  # its rows must not stay without their event
            written.write()
        self.counts.commits += 1
        self.counts.events += len(written.rows)
        for listener in self.counts.listeners:
            listener(written.size, len(written.rows))


class _Batch:
    """The appends of one transaction, taken in order, each against what the ones before it left."""

    def __init__(self, transaction: Transaction, size: int, epoch: int):
        self.size, self.epoch = size, epoch
        self.rows: list[tuple[object, ...]] = []
        self._transaction = transaction
        self._views = Views(transaction)
        self._sealed: list[Sealed] = []
        self._steps: set[tuple[str, str]] = set()
        self._seen_epoch = epoch

    def prefetch(self, batch: list[_Append]) -> None:
        """Read what the guards of all appends ask for, in one statement a view."""
        counters = {reserve.key for append in batch for reserve in append.guards.reserves}
        claims = {entity for append in batch for entity in append.guards.free}
        once = {append.guards.once for append in batch if append.guards.once}
        actions = {entry.event.action for append in batch for entry in append.entries if entry.event.step}
        ended = {
            entry.event.action
            for append in batch
            for entry in append.entries
            if entry.event.kind in ("action.finished", "action.failed", "action.uncertain")
        }
        wanted = {"counter": counters, "claim": claims, "once": once, "open_effect": ended}
        steps = self._views.load_several(
            {view: sorted(keys) for view, keys in wanted.items() if keys},
            ("event", "action,step", "action", sorted(actions), "step <> ''") if actions else None,
        )
        self._steps = {(action, step) for action, step in steps}

    def take(self, append: _Append) -> tuple[Ref, ...] | Exception:
        refusal = self._refusal(append)
        if refusal is not None:
            return refusal
        refs = []
        for entry in append.entries:
            event, seq = entry.event, self.size
            self.rows.append(
                (seq, event.kind, entry.at, event.actor, event.case, event.action, event.step, entry.leaf, entry.body)
            )  # fmt: skip
            if event.step:
                self._steps.add((event.action, event.step))
            self._views.fold(seq, event)
            refs.append(Ref(seq, entry.leaf))
            self.size += 1
        self._sealed.extend(append.sealed)
        self.epoch = self._seen_epoch + self._views.epoch_steps
        return tuple(refs)

    def _refusal(self, append: _Append) -> Moved | None:
        guards = append.guards
        for entry in append.entries:
            step = (entry.event.action, entry.event.step)
            if step[1] and step in self._steps:
                return Moved("step", step[1], epoch=self.epoch)
        if guards.epoch is not None and guards.epoch != self.epoch:
            return Moved("epoch", epoch=self.epoch)
        action = append.entries[-1].event.action if append.entries else ""
        for view, keys in (("claim", guards.free), ("once", (guards.once,) if guards.once else ())):
            for key in keys:
                holder = self._views.get(view, key)
                if holder is not None and holder[0] != action:
                    return Moved(view, key, holder=holder[0], epoch=self.epoch)
        for reserve in guards.reserves:
            cells = self._views.get("counter", reserve.key)
            used = cells[0] if cells else 0
            at_most = reserve.at_most
            if at_most is None or (used + reserve.amount <= at_most) != reserve.fits:
                return Moved("limit", reserve.key, used=used, epoch=self.epoch)
        if guards.waiting is not None and not self._waits(*guards.waiting):
            return Moved("waiting", guards.waiting[0], epoch=self.epoch)
        if guards.ready is not None and self._views.get("ready", guards.ready) is None:
            return Moved("ready", guards.ready, epoch=self.epoch)
        if guards.review is not None:
            cells = self._views.get("review", guards.review)
            if cells is None or cells[0] != "open":
                return Moved("review", guards.review, epoch=self.epoch)
        if guards.owner is not None:
            effect = self._views.get("open_effect", guards.owner[0])
            if effect is None or effect[1] != guards.owner[1]:
                return Moved("owner", guards.owner[0], holder=effect[1] if effect else "", epoch=self.epoch)
        return None

    def _waits(self, action: str, number: int) -> bool:
        cells = self._views.get("parked", action)
        return cells is not None and cells[0] == "waiting" and orjson.loads(cells[2])["number"] == number

    def write(self) -> None:
        if not self.rows:
            return
        self._transaction.insert_many("event", TABLES["event"], self.rows)
        self._views.write(self._transaction)
        if self._sealed:
            rows = sorted({(item.commitment, item.subject, item.salt, item.value) for item in self._sealed})
            self._transaction.upsert_many("sealed", "commitment", "commitment,subject,salt,value", rows)
        self._transaction.upsert_many("head", "id", "id,size,epoch", [(1, self.size, self.epoch)])


def _wake(batch: list[_Append]) -> None:
    """Hand every append its result, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Append]] = {}
    for append in batch:
        if append.loop is None:
            _settle([append])
        else:
            by_loop.setdefault(append.loop, []).append(append)
    for loop, appends in by_loop.items():
        # A loop that closed has nobody waiting any more; what was committed stays committed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, appends)


def _settle(appends: list[_Append]) -> None:
    for append in appends:
        if append.future.done():  # the caller was cancelled; what was committed stays committed
            continue
        if isinstance(append.result, tuple):
            append.future.set_result(append.result)
        else:
            append.future.set_exception(append.result or StoreUnavailable("the commit gave no result"))
