"""The worker: carries on what people approved, passes deadlines, and looks after what other processes left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from remit.errors import RemitError
from remit.run.desk import Desk
from remit.run.recover import carry_on, pass_deadlines, ready_actions, recover

__all__ = ["Worker"]

IDLE_SECONDS: Final = 0.1
AT_ONCE: Final = 32
DEADLINES_EVERY_SECONDS: Final = 1.0
RECOVER_EVERY_SECONDS: Final = 5.0
AGAIN_EVERY_SECONDS: Final = 60.0
LOOK_EVERY_SECONDS: Final = 1.0


class Worker:
    """One worker of any number. They share nothing but the store; a step written twice tells the slower one."""

    def __init__(
        self, desk: Desk, report: Callable[[str], None] = lambda _line: None, look: Callable[[], object] = tuple
    ):
        """``look`` is called every second in a thread of its own: others have work to do regularly, too."""
        self._desk, self._report, self._look = desk, report, look
        self._stop = asyncio.Event()
        self.carried = 0
        """How many actions this worker has carried on."""

    def stop(self) -> None:
        """Finish what is in hand, then end."""
        self._stop.set()

    async def run(self, *, until_idle: bool = False) -> None:
        """Work until stopped, or, with ``until_idle``, until nothing is ready."""
        loop = asyncio.get_running_loop()
        due: dict[str, float] = {
            "deadlines": 0.0, "recover": 0.0, "again": loop.time() + AGAIN_EVERY_SECONDS, "look": 0.0,
        }  # fmt: skip
        while not self._stop.is_set():
            now = loop.time()
            await self._every(due, "deadlines", now, DEADLINES_EVERY_SECONDS, self._deadlines)
            await self._every(due, "recover", now, RECOVER_EVERY_SECONDS, self._recover)
            await self._every(due, "again", now, AGAIN_EVERY_SECONDS, self._again)
            await self._every(due, "look", now, LOOK_EVERY_SECONDS, self._look_around)
            if not await self._carry_on():
                if until_idle:
                    return
                try:
                    await asyncio.wait_for(self._stop.wait(), IDLE_SECONDS)
                except TimeoutError:
                    continue

    async def _every(
        self, due: dict[str, float], name: str, now: float, seconds: float, work: Callable[[], Awaitable[None]]
    ) -> None:
        if now < due[name]:
            return
        due[name] = now + seconds
        try:
            await work()
        except RemitError as error:
            self._report(f"{name}: {error}")

    async def _deadlines(self) -> None:
        if count := await pass_deadlines(self._desk):
            self._report(f"{count} questions passed their deadline")

    async def _recover(self) -> None:
        if count := await recover(self._desk):
            self._report(f"{count} effects of processes that are gone were looked up")

    async def _again(self) -> None:
        await recover(self._desk, again=True)

    async def _look_around(self) -> None:
        await asyncio.to_thread(self._look)

    async def _carry_on(self) -> int:
        ready = await asyncio.to_thread(ready_actions, self._desk, AT_ONCE)
        results = await asyncio.gather(*(carry_on(self._desk, action) for action in ready), return_exceptions=True)
        carried = 0
        for action, result in zip(ready, results, strict=True):
            if isinstance(result, BaseException):
                self._report(f"{action[:12]}: {result}")
            elif result.progress != "approved":
                carried += 1
                self._report(f"{action[:12]} {result.case}: {result.progress}")
        self.carried += carried
        return carried
