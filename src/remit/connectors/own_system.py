"""remit itself as a system: what it changes of its own goes through the gate, like everybody's deeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from remit.connectors.connector import Done, Reading
from remit.errors import BadInput, CannotTell, Refused, RemitError, StoreUnavailable
from remit.vocabulary import Json

__all__ = ["OwnOperation", "OwnSystem"]


@dataclass(frozen=True, slots=True)
class OwnOperation:
    """One thing remit can do to itself.

    ``perform(arguments, key)`` does it in one commit of the ledger, and records ``key`` with it. ``lookup(key)`` finds
    what was recorded under that key, None when nothing was. Both may block.
    """

    perform: Callable[[Mapping[str, Json], str], Mapping[str, Json]]
    lookup: Callable[[str], Mapping[str, Json] | None]


class OwnSystem:
    """The system named ``remit``. Implements `Connector`; it has operations only."""

    name = "remit"

    def __init__(self, operations: Mapping[str, OwnOperation]):
        self._operations = dict(operations)

    def _operation(self, name: str) -> OwnOperation:
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(sorted(self._operations)) or "none"
            raise Refused(f"remit has no operation {name!r:.60}; known: {known}")
        return operation

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        """Refuse: its facts are those of the ledger."""
        raise Refused(f"remit has no read {name!r:.60}")

    async def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        """Refuse: it has no lists."""
        raise Refused(f"remit has no list {name!r:.60}")
        yield {}

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        """Do it once; see `Connector.perform`."""
        chosen = self._operation(operation)
        found = await self.lookup(operation, key, arguments)
        if found is not None:
            return found
        try:
            return Done(await asyncio.to_thread(chosen.perform, arguments, key))
        except StoreUnavailable as error:  # the commit may have happened all the same
            raise CannotTell(str(error)) from None
        except (BadInput, RemitError) as error:
            raise error if isinstance(error, Refused | CannotTell) else Refused(str(error)) from None

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        """Say what was recorded under ``key``; see `Connector.lookup`."""
        try:
            found = await asyncio.to_thread(self._operation(operation).lookup, key)
        except StoreUnavailable as error:
            raise CannotTell(str(error)) from None
        return None if found is None else Done(found)

    async def close(self) -> None:
        """Do nothing: what it works with is its owner's to close."""
