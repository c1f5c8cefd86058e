"""How fast, how many at once, how often again, and when to stop asking: one pace per system.

The bucket is kept here rather than taken from a library: two numbers and a clock that tests can turn, without
a thread that leaks tokens in the background.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from remit.document import duration_seconds
from remit.errors import Unreachable

__all__ = [
    "PACE_SCHEMA",
    "Breaker",
    "LeakyBucket",
    "Pace",
    "PaceLimits",
    "Timing",
    "Turn",
    "asked_to_wait_seconds",
]

PACE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "per_second": {"type": "number", "exclusiveMinimum": 0, "maximum": 100_000},
        "at_once": {"type": "integer", "minimum": 1, "maximum": 256},
        "timeout": {"type": "string", "pattern": "^[1-9][0-9]{0,5}[smh]$"},
        "tries": {"type": "integer", "minimum": 1, "maximum": 20},
    },
}
"""The key ``pace`` of every description."""

FAILURES_MAX: Final = 5
OPEN_SECONDS: Final = 10.0
QUEUE_SECONDS_MAX: Final = 30.0
RETRY_AFTER_SECONDS_MAX: Final = 30.0
BACKOFF_SECONDS: Final = 0.2
BACKOFF_SECONDS_MAX: Final = 10.0


Pass = Literal["usual", "trial"]


@dataclass(frozen=True, slots=True)
class Timing:
    """How time passes: a monotonic clock, business time, a sleep, and chance in [0, 1).

    Tests turn them by hand.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """The numbers of a pace.

    ``per_second`` None means no limit; ``timeout_seconds`` is for one try, ``tries`` for all.
    """

    per_second: float | None = None
    at_once: int = 8
    timeout_seconds: float = 10.0
    tries: int = 3

    @classmethod
    def from_description(cls, value: Mapping[str, Any]) -> PaceLimits:
        """Read the key ``pace`` of a description that passed `PACE_SCHEMA`."""
        pace = value.get("pace", {})
        rate = pace.get("per_second")
        return cls(
            per_second=None if rate is None else float(rate),
            at_once=pace.get("at_once", 8),
            timeout_seconds=float(duration_seconds(pace.get("timeout", "10s"))),
            tries=pace.get("tries", 3),
        )


class LeakyBucket:
    """Spaces calls evenly, so that no second, wherever it begins, sees more than the rate."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]):
        self._step = 1.0 / per_second
        self._monotonic = monotonic
        self._next = float("-inf")

    def take(self, wait_seconds_max: float) -> float | None:
        """Take the next place and return the seconds to wait for it; None, nothing taken, beyond the most."""
        now = self._monotonic()
        due = max(self._next, now)
        if due - now > wait_seconds_max:
            return None
        self._next = due + self._step
        return due - now


class Breaker:
    """Stops asking a system that keeps failing, then lets one call try it.

    Closed: calls pass; ``FAILURES_MAX`` failures in a row open it. Open: nothing passes for ``OPEN_SECONDS``.
    Then one call passes: its success closes, its failure opens again, its being called off lets the next try.
    """

    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic = monotonic
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    def enter(self) -> Pass | None:
        """Let a call pass, or return None."""
        if self._opened_at is None:
            return "usual"
        if self._trying or self._monotonic() - self._opened_at < OPEN_SECONDS:
            return None
        self._trying = True
        return "trial"

    def leave(self, how: Pass, well: bool | None) -> None:
        """Note how a call that passed went; None: it says nothing about the system."""
        if how == "trial":
            self._trying = False
        if well:
            self._failures, self._opened_at = 0, None
        elif well is False:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                self._opened_at = self._monotonic()


class Turn:
    """One call's turn. The caller says with ``well`` how the system did; None says nothing about it."""

    __slots__ = ("well",)

    def __init__(self) -> None:
        self.well: bool | None = None


class Pace:
    """Lets calls to one system pass: so many a second, so many at once, none while it keeps failing."""

    def __init__(self, system: str, limits: PaceLimits, timing: Timing):
        self.limits = limits
        self.timing = timing
        self._system = system
        self._slots = asyncio.Semaphore(limits.at_once)
        self._bucket = None if limits.per_second is None else LeakyBucket(limits.per_second, timing.monotonic)
        self._breaker = Breaker(timing.monotonic)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a turn and hold it.

        Raises:
            Unreachable: the system keeps failing and is left alone, or too many calls wait for it. Nothing
                was sent.
        """
        await self._slot()
        try:
            how = self._breaker.enter()
            if how is None:
                raise Unreachable(f"{self._system}: it failed {FAILURES_MAX} times in a row and is left alone for now")
            turn = Turn()
            try:
                await self._rate()
                yield turn
            finally:
                self._breaker.leave(how, turn.well)
        finally:
            self._slots.release()

    async def _slot(self) -> None:
        try:
            async with asyncio.timeout(QUEUE_SECONDS_MAX):
                await self._slots.acquire()
        except TimeoutError:
            raise Unreachable(f"{self._system}: no free place within {QUEUE_SECONDS_MAX:.0f} s") from None

    async def _rate(self) -> None:
        if self._bucket is None:
            return
        wait_seconds = self._bucket.take(QUEUE_SECONDS_MAX)
        if wait_seconds is None:
            raise Unreachable(f"{self._system}: more calls wait than its rate serves in {QUEUE_SECONDS_MAX:.0f} s")
        if wait_seconds:
            await self.timing.sleep(wait_seconds)

    async def pause(self, attempt: int, asked_seconds: float | None) -> bool:
        """Wait before the next try: as long as the system asked, else a part of 0.2 s doubled at each try.

        ``attempt`` counts from 1. Returns False, without waiting, when the system asks for more than half a
        minute.
        """
        if asked_seconds is not None and asked_seconds > RETRY_AFTER_SECONDS_MAX:
            return False
        longest = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** (attempt - 1))
        # A little chance on top of what was asked, so that callers do not come back all at once.
        await self.timing.sleep((asked_seconds or 0.0) + longest * self.timing.chance())
        return True


def asked_to_wait_seconds(text: str | None, now: datetime) -> float | None:
    """Read ``Retry-After`` (RFC 9110, 10.2.3): seconds or an HTTP date. None when absent or not readable."""
    if not text or len(text) > 40:
        return None
    if text.strip().isdecimal() and text.isascii():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
