"""The deed: done once, its end recorded, and an unclear end looked up, never repeated blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from remit.connectors.connector import Connector, Done
from remit.errors import BadInput, CannotTell, Refused, RemitError, Unreachable
from remit.gate.switch import halt_covers
from remit.ledger.journal import Guards, Moved
from remit.run.desk import Desk
from remit.vocabulary import Event, Halt, Json

__all__ = ["Recorded", "do_effect", "look_up", "settle"]

Recorded = tuple[int, Event]
"""An event with its place in the ledger."""

LOOKUP_TRIES: Final = 3
LOOKUP_PAUSE_SECONDS: Final = 0.2


async def do_effect(desk: Desk, begun: Event, arguments: Mapping[str, Json]) -> tuple[Recorded, ...] | None:
    """Do what ``begun`` says, with the arguments in clear.

    Returns the events that were recorded of it, with their places; None when another process had its part in it.

    Every way it can end is recorded, except the end of this process: then `recover` takes over.
    """
    deed = _Deed(desk, begun, desk.presence.id)
    await _do(deed, arguments)
    return None if deed.shared else tuple(deed.recorded)


class _Deed:
    """One effect being done by this process: what began it, and what was recorded of it since."""

    def __init__(self, desk: Desk, begun: Event, owner: str):
        self.desk, self.begun = desk, begun
        self.owner = owner
        """Whose it is to look after: the process that began it, or that took it over last."""
        self.recorded: list[Recorded] = []
        self.shared = False

    @property
    def connector(self) -> Connector:
        """The system it is done in.

        Raises:
            CannotTell: no such system is described any more.
        """
        system = str(self.begun.data["system"])
        connector = self.desk.connectors.get(system)
        if connector is None:
            raise CannotTell(f"system {system} is not described in systems/")
        return connector

    async def perform(self, arguments: Mapping[str, Json]) -> Done:
        return await self.connector.perform(str(self.begun.data["operation"]), arguments, str(self.begun.data["key"]))

    async def record(self, kind: str, step: str, data: dict[str, Json], guards: Guards | None = None) -> bool:
        """Record a step of it; False when another process was first. Raises Moved when only the epoch moved."""
        event = Event(kind, self.begun.actor, data, self.begun.case, self.begun.action, step)
        try:
            (ref,) = await self.desk.journal.append(event, guards=guards)
        except Moved as moved:
            if moved.what == "epoch":
                raise  # nobody was first: only the standing moved
            self.shared = True
            return False
        self.recorded.append((ref.seq, event))
        return True

    async def finished(self, done: Done, *, looked_up: bool) -> None:
        data: dict[str, Json] = {"result": dict(done.result), "cost_minor": done.cost_minor, "looked_up": looked_up}
        try:
            await self.record("action.finished", "ended", data)
        except BadInput as error:  # it was done: that must stand in the ledger, whatever the system answered
            await self.record("action.finished", "ended", data | {"result": {"unrecordable": str(error)}})

    async def failed(self, problem: str) -> None:
        if await self.record("action.failed", "ended", {"problem": problem}):
            reserves: Any = self.begun.data["reserves"]
            self.desk.standing.drew(tuple((key, -amount) for key, amount in reserves))

    async def uncertain(self, number: int, problem: str, then: str, epoch: int | None = None) -> bool:
        data: dict[str, Json] = {"problem": problem, "then": then, "process": self.desk.presence.id}
        # Two processes may have found the same effect left behind: who writes this first has it, the other sees so.
        guards = Guards(epoch=epoch, owner=(self.begun.action, self.owner))
        taken = await self.record("action.uncertain", f"uncertain:{number}", data, guards)
        if taken:
            self.owner = self.desk.presence.id
        return taken


async def _do(deed: _Deed, arguments: Mapping[str, Json]) -> None:
    if str(deed.begun.data["system"]) not in deed.desk.connectors:
        await deed.failed(f"system {deed.begun.data['system']} is not described in systems/")
        return
    try:
        done = await deed.perform(arguments)
    except (Refused, Unreachable) as error:
        await deed.failed(str(error))
    except Exception as error:  # whatever is not understood may have been done
        await _find_out(deed, arguments, _words(error), 1)
    else:
        await deed.finished(done, looked_up=False)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, RemitError) else f"{type(error).__name__}: {error}"[:500]


async def look_up(
    desk: Desk, begun: Event, arguments: Mapping[str, Json] | None, *, owner: str, problem: str, number: int
) -> None:
    """Find out whether an effect that somebody left behind was done, and record what was found.

    Done: finished. Certainly not done: done now, if nothing halts it, with the same key. Cannot tell: it stands in the
    inbox as uncertain. ``arguments`` None means that personal values were erased: then it is not done again. ``owner``
    is the process that left it; when another has taken it over meanwhile, nothing is done.
    """
    await _find_out(_Deed(desk, begun, owner), arguments, problem, number)


async def _find_out(deed: _Deed, arguments: Mapping[str, Json] | None, problem: str, number: int) -> None:
    try:
        found = await _ask(deed, arguments or {})
    except Exception as error:
        await deed.uncertain(number, f"{problem}; look-up: {_words(error)}", "ask")
        return
    if found is not None:
        await deed.finished(found, looked_up=True)
    elif arguments is None:
        await deed.failed(f"{problem}; it was not done, and its arguments were erased since")
    else:
        await _again(deed, arguments, problem, number)


async def _ask(deed: _Deed, arguments: Mapping[str, Json]) -> Done | None:
    connector, data = deed.connector, deed.begun.data
    for attempt in range(LOOKUP_TRIES):
        try:
            return await connector.lookup(str(data["operation"]), str(data["key"]), arguments)
        except Unreachable:
            if attempt + 1 == LOOKUP_TRIES:
                raise
            await asyncio.sleep(LOOKUP_PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


async def _again(deed: _Deed, arguments: Mapping[str, Json], problem: str, number: int) -> None:
    """Do an effect that certainly was not done, under a guard: one process only, and not while it is halted."""
    desk = deed.desk
    while True:
        halt = _halted(desk, deed.begun)
        if halt is not None:
            await deed.failed(f"{problem}; it was not done, and {halt.scope} is halted since")
            return
        words = f"{problem}; look-up says it was not done"
        try:
            if not await deed.uncertain(number, words, "again", desk.standing.epoch):
                return  # another process looks after it
            break
        except Moved:
            desk.catch_up()
    try:
        done = await deed.perform(arguments)
    except (Refused, Unreachable) as error:
        await deed.failed(str(error))
    except Exception as error:
        await deed.uncertain(number + 1, _words(error), "ask")
    else:
        await deed.finished(done, looked_up=False)


def _halted(desk: Desk, begun: Event) -> Halt | None:
    data: Mapping[str, Any] = begun.data
    for halt in desk.standing.halts:
        covered = halt_covers(
            halt, department=data["department"], agents=(data["agent"],), versions=(data["version"],),
            action=data["name"], system=data["system"], entities=tuple(data["claims"]),
        )  # fmt: skip
        if covered is not False:
            return halt
    return None


async def settle(desk: Desk, begun: Event, *, done: bool, person: str, why: str) -> None:
    """Record what a person found out about an uncertain effect.

    Raises:
        Moved: it was settled already.
        BadInput: the person gave no reason.
    """
    if not why.strip():
        raise BadInput("say how you know: a reason is needed")
    actor = f"person:{person}"
    if done:
        result: dict[str, Json] = {"said": why}
        data: dict[str, Json] = {"agent": begun.data["agent"], "result": result, "cost_minor": None, "looked_up": True}
        event = Event("action.finished", actor, data, begun.case, begun.action, "ended")
    else:
        data = {"agent": begun.data["agent"], "problem": why}
        event = Event("action.failed", actor, data, begun.case, begun.action, "ended")
    await desk.journal.append(event)
