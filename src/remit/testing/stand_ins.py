"""A system in memory that does what it is told, counts what it did, and fails where a test wants it to."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from remit.connectors.connector import Done, Reading
from remit.errors import CannotTell, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["Deed", "Fault", "StandInConnector"]

Fault = Literal["refuse", "unreachable", "cut_before", "cut_after", "slow"]
"""What goes wrong with one call: refused; not reached; cut off before it was done, or after; waits for
`release`.
"""

Parameters = Mapping[str, Json]
FactSource = Json | Reading | Callable[[Parameters], Json | Reading]
Doer = Done | Callable[[Parameters], Done]


@dataclass(frozen=True, slots=True)
class Deed:
    """An effect that was done, once."""

    operation: str
    arguments: Parameters
    key: str
    done: Done


class StandInConnector:
    """Implements `Connector` in memory.

    ``facts`` are values, `Reading`s or functions of the parameters; ``lists`` are records; ``operations`` are
    what is answered, or functions of the arguments (which may raise `Refused`). ``deeds`` holds what was
    done, by key; ``attempts`` every key that came, in order, done or not.
    """

    def __init__(
        self,
        name: str = "stand-in",
        *,
        facts: Mapping[str, FactSource] | None = None,
        lists: Mapping[str, Sequence[Parameters]] | None = None,
        operations: Mapping[str, Doer] | None = None,
        can_look_up: bool = True,
    ):
        self.name = name
        self.facts = dict(facts or {})
        self.lists = dict(lists or {})
        self.operations = dict(operations or {})
        self.can_look_up = can_look_up
        self.deeds: dict[str, Deed] = {}
        self.attempts: list[str] = []
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._released = asyncio.Event()
        self._closed = False

    def fail(self, name: str, *faults: Fault) -> None:
        """Have the next calls of the read, list, operation or ``lookup`` of that name go wrong, one fault
        each.
        """
        self._faults[name].extend(faults)

    def release(self) -> None:
        """Let every slow call go on, now and later."""
        self._released.set()

    async def _next_fault(self, name: str) -> Fault | None:
        if self._closed:
            raise Unreachable(f"{self.name}: closed")
        fault = self._faults[name].popleft() if self._faults[name] else None
        if fault == "slow":
            await self._released.wait()
        if fault == "refuse":
            raise Refused(f"{self.name}.{name}: refused, as the test wants")
        if fault == "unreachable":
            raise Unreachable(f"{self.name}.{name}: not reached, as the test wants")
        return fault

    async def read(self, name: str, parameters: Parameters) -> Reading:
        """Read one fact; see `Connector.read`."""
        if name not in self.facts:
            raise Refused(f"{self.name}: no fact {name!r:.80}")
        if await self._next_fault(name) in {"cut_before", "cut_after"}:
            raise Unreachable(f"{self.name}.{name}: cut, as the test wants")
        source = self.facts[name]
        value = source(parameters) if callable(source) else source
        if isinstance(value, Reading):
            return value
        return Reading(value, problem="no such record" if value is None else "")

    async def records(self, name: str, parameters: Parameters) -> AsyncIterator[Parameters]:
        """List records; see `Connector.records`. A list that is cut gives its first half."""
        if name not in self.lists:
            raise Refused(f"{self.name}: no list {name!r:.80}")
        fault = await self._next_fault(name)
        records = list(self.lists[name])
        for number, record in enumerate(records):
            if fault in {"cut_before", "cut_after"} and number >= len(records) // 2:
                raise Unreachable(f"{self.name}.{name}: cut, as the test wants")
            yield record

    async def perform(self, operation: str, arguments: Parameters, key: str) -> Done:
        """Do it once per key; see `Connector.perform`."""
        if operation not in self.operations:
            raise Refused(f"{self.name}: no operation {operation!r:.80}")
        fault = await self._next_fault(operation)
        self.attempts.append(key)
        if fault == "cut_before":
            raise CannotTell(f"{self.name}.{operation}: cut before it was done, as the test wants")
        if key not in self.deeds:
            doer = self.operations[operation]
            done = doer(arguments) if callable(doer) else doer
            self.deeds[key] = Deed(operation, dict(arguments), key, done)
        if fault == "cut_after":
            raise CannotTell(f"{self.name}.{operation}: cut after it was done, as the test wants")
        return self.deeds[key].done

    async def lookup(self, operation: str, key: str, arguments: Parameters) -> Done | None:
        """Ask what became of ``key``; see `Connector.lookup`."""
        if operation not in self.operations or not self.can_look_up:
            raise CannotTell(f"{self.name}: cannot look up {operation!r:.80}")
        try:
            fault = await self._next_fault("lookup")
        except Refused as error:
            raise CannotTell(str(error)) from None
        if fault in {"cut_before", "cut_after"}:
            raise Unreachable(f"{self.name}: lookup cut, as the test wants")
        deed = self.deeds.get(key)
        return deed.done if deed is not None and deed.operation == operation else None

    async def close(self) -> None:
        """Answer nothing from now on."""
        self._closed = True
