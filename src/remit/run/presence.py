"""Which processes are there: each says so every two seconds; what a silent one left open is looked after by others."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from remit.canonical import from_moment, to_moment
from remit.store.engine import Store
from remit.store.process_birth import process_birth

__all__ = ["Presence", "ProcessSeen", "bury", "is_living", "processes"]

SILENT_AFTER: Final = timedelta(seconds=10)
FORGOTTEN_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A process as it described itself. ``epoch`` is the standing it had read when it last beat."""

    id: str
    role: str
    host: str
    pid: int
    started: str
    beat: datetime
    epoch: int


class Presence:
    """This process's own entry."""

    def __init__(self, store: Store, role: str, clock: Callable[[], datetime]):
        self._store, self._clock = store, clock
        self.id = f"{role}-{os.getpid()}-{secrets.token_hex(4)}"
        self.role = role
        self._born = process_birth(os.getpid())

    def beat(self, epoch: int) -> None:
        """Say that this process is there, and which standing it has read."""
        row = (self.id, self.role, socket.gethostname(), os.getpid(), self._born, from_moment(self._clock()), epoch)
        with self._store.transaction() as transaction:
            transaction.upsert_many("process", "id", "id,role,host,pid,started,beat,epoch", [row])

    def leave(self) -> None:
        """Say that this process is going."""
        oldest = from_moment(self._clock() - FORGOTTEN_AFTER)
        with self._store.transaction() as transaction:
            transaction.execute("delete from process where id = ? or beat < ?", (self.id, oldest))


def bury(store: Store, dead: tuple[ProcessSeen, ...]) -> None:
    """Take processes that are gone, and never said so, from the list."""
    with store.transaction() as transaction:
        transaction.delete_in("process", "id", [seen.id for seen in dead])


def processes(store: Store) -> tuple[ProcessSeen, ...]:
    """Return every process that has an entry, living or not."""
    rows = store.read("select id, role, host, pid, started, beat, epoch from process order by id")
    return tuple(
        ProcessSeen(name, role, host, pid, started, to_moment(beat), epoch)
        for name, role, host, pid, started, beat, epoch in rows
    )


def is_living(seen: ProcessSeen, now: datetime) -> bool:
    """Whether a process is still there: on this host the system knows; elsewhere silence for ten seconds says no."""
    if seen.host == socket.gethostname():
        return process_birth(seen.pid) == seen.started
    return now - seen.beat < SILENT_AFTER
