"""Blocking work in threads of its own, so that one system that hangs does not hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["NotStarted", "StillRunning", "Threads"]

T = TypeVar("T")


class NotStarted(Exception):
    """The work was never begun, and never will be."""


class StillRunning(Exception):
    """The work was begun and has not ended in time; it cannot be stopped and may yet end."""


class Threads:
    """At most ``at_once`` threads for one system; they start when first needed."""

    def __init__(self, name: str, at_once: int):
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=f"remit-{name}")

    async def run(self, work: Callable[[], T], timeout_seconds: float) -> T:
        """Do ``work`` in a thread and return what it returns; what it raises is raised.

        Raises:
            NotStarted: no thread was free in time, or `close` was called.
            StillRunning: it did not end in time.
        """
        try:
            running = self._pool.submit(work)
        except RuntimeError:
            raise NotStarted("the connector is closed") from None
        waiting = asyncio.wrap_future(running)
        waiting.add_done_callback(_forget)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), timeout_seconds)
        except TimeoutError:
            if running.done() and not running.cancelled():
                return running.result()  # it ended just now, or its own error was a TimeoutError
            # What was never begun can still be called off, and then it is certain.
            if running.cancel():
                raise NotStarted(f"no free thread within {timeout_seconds:g} s") from None
            raise StillRunning(f"no answer within {timeout_seconds:g} s") from None

        except asyncio.CancelledError:
            running.cancel()
            raise

    def close(self) -> None:
        """Let go of the threads; work not begun is called off, work that has begun is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _forget(done: asyncio.Future[T]) -> None:
    """Take note of an error nobody waits for any more, so that asyncio does not report it."""
    if not done.cancelled():
        done.exception()
