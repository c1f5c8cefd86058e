"""What the path works with in one process: the wiring hands it over, nothing here is global."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from remit.connectors.connector import Connector
from remit.ledger.journal import Journal
from remit.run.law import Law
from remit.run.presence import Presence
from remit.run.standing import StandingCache
from remit.store.engine import Store
from remit.vocabulary import Action, Fact

__all__ = ["Desk"]

_T = TypeVar("_T")


@dataclass(slots=True)
class Desk:
    """One process's tools. ``now`` is business time; ``facts`` reads what an action rests on."""

    store: Store
    journal: Journal
    standing: StandingCache
    presence: Presence
    law: Law
    connectors: Mapping[str, Connector]
    facts: Callable[[Action], Awaitable[Mapping[str, Fact]]]
    now: Callable[[], datetime]
    draw_key: bytes
    """The secret that draws are made with."""
    reload: Callable[[], None]
    """Take over the documents in use after they changed."""
    running: set[asyncio.Task[Any]] = field(default_factory=set)

    async def see_through(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` to its end even if the caller gives up: between begun and ended nobody may just leave."""
        task = asyncio.ensure_future(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return await asyncio.shield(task)

    def catch_up(self) -> None:
        """Read how things stand now, and the law if it changed."""
        if self.standing.refresh():
            self.reload()
