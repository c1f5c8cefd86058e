"""A process's pulse: it says that it is there, notices that the standing moved, and confirms the halts it has seen.

Nothing safe rests on it: a halt stops every later begin by the begin transaction alone. The pulse makes it known, in
the ledger, which processes have seen the halt and what they still have in flight.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from remit.canonical import from_moment
from remit.ledger.journal import Moved
from remit.run.desk import Desk
from remit.vocabulary import Event, Json

__all__ = ["Pulse"]

LOOK_SECONDS: Final = 0.2
BEAT_SECONDS: Final = 2.0


class Pulse:
    """Runs beside whatever a process does, in its event loop."""

    def __init__(self, desk: Desk):
        self._desk = desk
        self._confirmed: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Enter this process among those that are there, and keep beating."""
        await asyncio.to_thread(self._desk.presence.beat, self._desk.standing.epoch)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Wait for what is in flight, then leave."""
        if self._desk.running:
            await asyncio.gather(*self._desk.running, return_exceptions=True)
        await self.leave()

    async def leave(self) -> None:
        """Stop beating and take this process from among those that are there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await asyncio.to_thread(self._desk.presence.leave)

    async def _run(self) -> None:
        beat_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if await asyncio.to_thread(self._desk.standing.behind):
                    await asyncio.to_thread(self._desk.catch_up)
                await self.confirm()
                if loop.time() >= beat_at:
                    await asyncio.to_thread(self._desk.presence.beat, self._desk.standing.epoch)
                    beat_at = loop.time() + BEAT_SECONDS
            except Exception:  # noqa: S110  the store may be away for a moment; the next beat tries again
                pass
            await asyncio.sleep(LOOK_SECONDS)

    async def confirm(self) -> None:
        """Record, once per halt, that this process has seen it."""
        desk = self._desk
        for halt in desk.standing.halts:
            if halt.id in self._confirmed:
                continue
            data: dict[str, Json] = {
                "halt": halt.id,
                "process": desk.presence.id,
                "in_flight": len(desk.running),
                "at": from_moment(datetime.now(UTC)),
            }
            self._confirmed.add(halt.id)
            try:
                await desk.journal.append(Event("halt.confirmed", f"process:{desk.presence.id}", data))
            except Moved:
                continue
