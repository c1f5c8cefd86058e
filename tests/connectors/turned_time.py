"""Time that passes only when somebody sleeps, for connectors under test."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from remit.connectors.pace import Timing


class TurnedTime:
    """``slept`` holds every sleep in seconds. Chance is always a half."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 9, 0, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    @property
    def timing(self) -> Timing:
        return Timing(lambda: self.seconds, self.now, self.sleep, lambda: 0.5)
