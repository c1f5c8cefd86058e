"""How things stand, as this process last saw them. It may be behind: the begin transaction compares and says so."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson

from remit.canonical import to_moment
from remit.ledger.journal import Moved
from remit.store.engine import Reader, Store
from remit.vocabulary import Earned, Grant, Halt, Scope, Standing

__all__ = ["StandingCache", "read_earned", "read_halts"]

COUNTERS_MAX: Final = 100_000


def read_halts(reader: Reader | Store) -> tuple[Halt, ...]:
    """Return the halts in force."""
    statement = "select data from halt where lifted = 0 order by id"
    rows = reader.fetch(statement) if hasattr(reader, "fetch") else reader.read(statement)
    halts = []
    for (text,) in rows:
        data = orjson.loads(text)
        scope = Scope(data["scope"]["kind"], data["scope"]["value"])
        halts.append(Halt(data["id"], scope, data["why"], data["by"], to_moment(data["at"])))
    return tuple(halts)


def read_earned(reader: Reader | Store) -> dict[str, Earned]:
    """Return what every version has earned, by the name that `gate.stage_check.earned_key` gives."""
    statement = "select key, data from earned"
    rows = reader.fetch(statement) if hasattr(reader, "fetch") else reader.read(statement)
    earned = {}
    for key, text in rows:
        data = orjson.loads(text)
        until = data["expires_at"]
        earned[key] = Earned(
            data["stage"], data["threshold_bp"], data["review_bp"], data["certificate"], until and to_moment(until)
        )
    return earned


class StandingCache:
    """The epoch, the halts in force, what was earned, and the counters this process has met."""

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}
        self.epoch = -1
        self.halts: tuple[Halt, ...] = ()
        self.documents: dict[str, str] = {}
        self.earned: dict[str, Earned] = {}
        self.refresh()

    def refresh(self) -> bool:
        """Read epoch, halts and the digests of the documents in use; return whether the documents changed."""
        with self._store.snapshot() as reader:
            epoch = reader.fetch("select epoch from head")[0][0]
            halts = read_halts(reader)
            documents: dict[str, str] = dict(reader.fetch("select name, digest from document"))
            earned = read_earned(reader)
        with self._lock:
            changed = documents != self.documents
            self.epoch, self.halts, self.documents, self.earned = epoch, halts, documents, earned
        return changed

    def behind(self) -> bool:
        """Whether the standing changed since it was last read: one small read."""
        return bool(self._store.read("select epoch from head")[0][0] != self.epoch)

    def standing(
        self,
        now: datetime,
        grants: tuple[Grant, ...] = (),
        claims: Mapping[str, str] | None = None,
        done: Mapping[str, str] | None = None,
        earned_key: str | None = None,
        draw: int | None = None,
    ) -> Standing:
        """Return how things stand for one judgement. ``earned_key`` and ``draw`` are for an action that earns."""
        with self._lock:
            known = self.earned.get(earned_key) if earned_key is not None else None
            earned = {} if known is None or earned_key is None else {earned_key: known}
            return Standing(now, self.epoch, self.halts, self._used, claims or {}, done or {}, grants, earned, draw)

    def meet(self, keys: tuple[str, ...]) -> bool:
        """Read the counters that this process has not met; return whether anything was drawn from one of them."""
        with self._lock:
            unknown = [key for key in keys if key not in self._used]
        if not unknown:
            return False
        with self._store.snapshot() as reader:
            drawn: dict[str, int] = dict(reader.fetch_in("counter", "key,used", "key", unknown))
        with self._lock:
            self._used.update({key: drawn.get(key, 0) for key in unknown})
        return any(drawn.values())

    def learn(self, moved: Moved) -> None:
        """Take over what a refusing transaction saw."""
        if moved.used is not None:
            with self._lock:
                if len(self._used) > COUNTERS_MAX:
                    self._used = {}
                # A new mapping is not made: standings share this one, and each judgement reads its own keys once.
                self._used[moved.key] = moved.used

    def drew(self, reserves: tuple[tuple[str, int], ...]) -> None:
        """Take over what this process drew itself (negative: gave back)."""
        with self._lock:
            for key, amount in reserves:
                self._used[key] = self._used.get(key, 0) + amount
