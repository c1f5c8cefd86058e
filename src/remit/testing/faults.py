"""Breaks a process at each commit and each call, in turn: SIGKILL, as a crash is, with nothing tidied up.

A `Fault` names one point: the Nth commit or the Nth call to a system, just before or just after it. `plant` makes the
process that calls it die there. A point that is never reached tells that all of them have been tried.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from remit.connectors.connector import Connector, Done, Reading
from remit.store.engine import Store, Transaction
from remit.store.postgres_store import PostgresStore
from remit.store.sqlite_store import SqliteStore
from remit.vocabulary import Json

__all__ = ["BreakingConnector", "Fault", "plant"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Where to die: before or after the ``number``th (from 1) commit or call."""

    at: Literal["commit", "call"]
    moment: Literal["before", "after"]
    number: int

    def __str__(self) -> str:
        return f"{self.moment} {self.at} {self.number}"


class _Counter:
    def __init__(self, fault: Fault):
        self._fault = fault
        self._counts = {"commit": itertools.count(1), "call": itertools.count(1)}

    def begin(self, at: Literal["commit", "call"]) -> int:
        number = next(self._counts[at])
        self._die(at, "before", number)
        return number

    def end(self, at: Literal["commit", "call"], number: int) -> None:
        self._die(at, "after", number)

    def _die(self, at: str, moment: str, number: int) -> None:
        if (self._fault.at, self._fault.moment, self._fault.number) == (at, moment, number):
            os.kill(os.getpid(), signal.SIGKILL)


class BreakingConnector:
    """A connector that counts its calls and dies with the process at the chosen one."""

    def __init__(self, inner: Connector, counter: _Counter):
        self._inner, self._counter = inner, counter

    @property
    def name(self) -> str:
        """The system's name."""
        return self._inner.name

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        """Read one fact."""
        number = self._counter.begin("call")
        result = await self._inner.read(name, parameters)
        self._counter.end("call", number)
        return result

    async def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        """List records."""
        number = self._counter.begin("call")
        async for record in self._inner.records(name, parameters):
            yield record
        self._counter.end("call", number)

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        """Do it once."""
        number = self._counter.begin("call")
        result = await self._inner.perform(operation, arguments, key)
        self._counter.end("call", number)
        return result

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        """Ask what became of it."""
        number = self._counter.begin("call")
        result = await self._inner.lookup(operation, key, arguments)
        self._counter.end("call", number)
        return result

    async def close(self) -> None:
        """Let go of connections."""
        await self._inner.close()


def plant(fault: Fault) -> None:
    """Have this process die at ``fault``, from now on, whatever company it opens. There is no way back."""
    from remit import app

    counter = _Counter(fault)
    for kind in (SqliteStore, PostgresStore):
        _break_commits(kind, counter)
    opened: Any = vars(app)["open_connector"]

    def open_breaking(*given: Any, **named: Any) -> Connector:
        return BreakingConnector(opened(*given, **named), counter)

    vars(app)["open_connector"] = open_breaking


def _break_commits(kind: type[Store], counter: _Counter) -> None:
    original = kind.transaction

    @contextmanager
    def transaction(self: Store) -> Iterator[Transaction]:
        with original(self) as opened:
            yield opened
            number = counter.begin("commit")
        counter.end("commit", number)

    kind.transaction = transaction  # type: ignore[method-assign]
