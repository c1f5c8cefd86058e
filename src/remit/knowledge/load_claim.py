"""One load of a data set at a time: begun, guarded at every commit, ended.

A load that runs has a row that says so and which process it is. Another load of the same data set is refused while
that process lives; once it is gone, its load is marked failed. Should a process be thought gone that is not, its next
commit finds its row no longer running and is refused: no two loads of one data set ever both write.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from remit.canonical import canonical
from remit.errors import Conflict
from remit.knowledge.known_blocks import KnownBlocks, forget_blocks, keep_blocks, take_blocks
from remit.knowledge.load_plan import LoadPlan, plan_load, table_fingerprint
from remit.knowledge.source_file import SourceFile, TableSpec
from remit.ledger.journal import Journal
from remit.store.engine import Store, Transaction
from remit.store.process_birth import process_birth
from remit.vocabulary import Event, Json

__all__ = ["LoadClaim", "claim_load"]

SILENT_SECONDS_MAX: Final = 600
"""A load on another host that has not committed anything for so long is thought gone."""

_RUNNING: Final[set[tuple[str, int]]] = set()
"""The loads that run in this process, by store and number."""
_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class LoadClaim:
    """A load that has begun. ``before`` is the ledger's size then; ``last`` the data of the last whole load, None when
    there is none; ``since`` its cursor; ``blocks`` what is known of the rows that are current.
    """

    plan: LoadPlan
    begun: Mapping[str, Json]
    before: int
    last: Mapping[str, Any] | None
    since: str
    blocks: KnownBlocks | None

    def guard(self, transaction: Transaction) -> None:
        """Make sure, under the head lock, that this load still runs, and say that it does.

        Raises:
            Conflict: another process took this one to be gone.
        """
        data = canonical({**self.begun, "beat": _now()}).decode()
        changed = transaction.execute(
            "update load set data = ? where load = ? and state = 'running'", (data, self.plan.load)
        )
        if changed != 1:
            raise Conflict(f"load {self.plan.load} of {self.plan.dataset} was taken for dead and ended by another load")

    def date(self, journal: Journal, started: int) -> None:
        """Say that the load's rows are as of ``started``, in seconds since 1970, before any of them is written.

        Raises:
            Conflict: it was ended by another load.
        """

        def work(transaction: Transaction, _seq: int) -> list[Event]:
            self.guard(transaction)
            transaction.execute("update load set started = ? where load = ?", (started, self.plan.load))
            return []

        journal.append_with(work)

    def end(
        self,
        journal: Journal,
        *,
        mode: str,
        state: str,
        ended: int,
        cursor: str,
        data: Mapping[str, Json],
        event: Event,
        blocks: KnownBlocks | None = None,
    ) -> None:
        """Write the end of the load: its row, its event, and the blocks it found, in one commit.

        Raises:
            Conflict: it was ended by another load.
        """

        def work(transaction: Transaction, seq: int) -> list[Event]:
            self.guard(transaction)
            transaction.execute(
                "update load set mode = ?, state = ?, ended = ?, cursor = ?, data = ?, tx = ? where load = ?",
                (mode, state, ended, cursor, canonical(data).decode(), seq, self.plan.load),
            )
            if blocks is not None:
                keep_blocks(transaction, self.plan.did, self.plan.load, blocks)
            return [event]

        journal.append_with(work)

    def forget(self, store: Store) -> None:
        """Take it from the loads that run in this process, whether it could be ended or not."""
        with _LOCK:
            _RUNNING.discard((store.url, self.plan.load))


def claim_load(
    journal: Journal,
    store: Store,
    source: SourceFile,
    spec: TableSpec,
    *,
    mode: str,
    started: int,
    random: Callable[[int], bytes],
) -> LoadClaim:
    """Begin a load of ``spec``; ``started`` is business time in seconds since 1970.

    Raises:
        Conflict: another load of the data set runs.
        BadInput: see `plan_load`.
    """
    claimed: list[LoadClaim] = []

    def work(transaction: Transaction, seq: int) -> list[Event]:
        claimed.clear()
        load = transaction.fetch("select coalesce(max(load), 0) + 1 from load")[0][0]
        plan = plan_load(transaction, source, spec, load, started, random)
        events = _bury_dead(transaction, seq, store, plan)
        last, since = _last_whole(transaction, plan.did)
        blocks = take_blocks(transaction, plan.did, load) if mode == "full" else None
        if mode != "full":
            forget_blocks(transaction, [plan.did])
        fingerprint = table_fingerprint(source, spec).hex()
        if last is not None and last.get("fingerprint") == fingerprint:
            plan = replace(plan, anew=False)
        begun: dict[str, Json] = {
            "by_observed": spec.observed is not None,
            "fingerprint": fingerprint,
            "process": [socket.gethostname(), os.getpid(), process_birth(os.getpid())],
        }
        data = canonical({**begun, "beat": _now()}).decode()
        fresh = -1 if spec.fresh_seconds is None else spec.fresh_seconds
        row = (load, plan.did, mode, "running", started, started, fresh, source.trust, source.digest, "", data, seq)
        columns = "load,did,mode,state,started,ended,fresh_seconds,trust,spec,cursor,data,tx"
        transaction.insert_many("load", columns, [row])
        with _LOCK:
            _RUNNING.add((store.url, load))
        claimed.append(LoadClaim(plan, begun, seq + len(events), last, since, blocks))
        return events

    try:
        journal.append_with(work)
    except BaseException:
        for claim in claimed:
            claim.forget(store)
        raise
    return claimed[0]


def _bury_dead(transaction: Transaction, seq: int, store: Store, plan: LoadPlan) -> list[Event]:
    """Mark loads failed whose process is gone; refuse when one is there."""
    events: list[Event] = []
    columns = "load, mode, data, started, ended, fresh_seconds, trust, spec"
    rows = transaction.fetch(f"select {columns} from load where did = ? and state = 'running'", (plan.did,))  # noqa: S608
    for load, mode, text, started, ended, fresh, trust, spec in rows:
        data = orjson.loads(text)
        if _is_there(store, load, data):
            host, pid, _ = data["process"]
            raise Conflict(f"load {load} of {plan.dataset} is running (process {pid} on {host}); wait for its end")
        problem = "its process ended before it did"
        kept: dict[str, Json] = {"by_observed": data["by_observed"], "problem": problem}
        transaction.execute(
            "update load set state = 'failed', data = ?, tx = ? where load = ?",
            (canonical(kept).decode(), seq + len(events), load),
        )
        said: dict[str, Json] = {
            "dataset": plan.dataset, "load": load, "mode": mode, "state": "failed", "problem": problem,
            "started": started, "ended": ended, "fresh_seconds": fresh, "trust": trust, "spec": spec,
            "by_observed": data["by_observed"],
        }  # fmt: skip
        events.append(Event("source.loaded", f"source:{plan.dataset.partition('.')[0]}", said))
    return events


def _is_there(store: Store, load: int, data: Mapping[str, Any]) -> bool:
    host, pid, birth = data["process"]
    if host != socket.gethostname():
        return bool(_now() - data["beat"] < SILENT_SECONDS_MAX)
    if pid == os.getpid() and birth == process_birth(pid):
        with _LOCK:
            return (store.url, load) in _RUNNING
    return bool(birth) and process_birth(pid) == birth


def _last_whole(transaction: Transaction, did: int) -> tuple[Mapping[str, Any] | None, str]:
    rows = transaction.fetch(
        "select data, cursor from load where did = ? and state = 'ok' order by tx desc limit 1", (did,)
    )
    return (orjson.loads(rows[0][0]), rows[0][1]) if rows else (None, "")


def _now() -> int:
    return int(time.time())
