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

__all__ = ["do_effect", "look_up", "settle"]

LOOKUP_TRIES: Final = 3
LOOKUP_PAUSE_SECONDS: Final = 0.2


async def do_effect(desk: Desk, begun: Event, arguments: Mapping[str, Json]) -> None:
    """Do what ``begun`` says, with the arguments in clear. The caller may give up waiting; the deed goes on.

    Every way it can end is recorded, except the end of this process: then `recover` takes over.
    """
    task: asyncio.Task[object] = asyncio.ensure_future(_do(desk, begun, arguments))
    desk.running.add(task)
    task.add_done_callback(desk.running.discard)
    await asyncio.shield(task)


async def _do(desk: Desk, begun: Event, arguments: Mapping[str, Json]) -> None:
    connector = desk.connectors.get(str(begun.data["system"]))
    if connector is None:
        await _failed(desk, begun, f"system {begun.data['system']} is not described in systems/")
        return
    try:
        done = await connector.perform(str(begun.data["operation"]), arguments, str(begun.data["key"]))
    except (Refused, Unreachable) as error:
        await _failed(desk, begun, str(error))
    except Exception as error:  # whatever is not understood may have been done
        await look_up(desk, begun, arguments, problem=_words(error), number=1)
    else:
        await _finished(desk, begun, done, looked_up=False)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, RemitError) else f"{type(error).__name__}: {error}"[:500]


async def look_up(desk: Desk, begun: Event, arguments: Mapping[str, Json] | None, *, problem: str, number: int) -> None:
    """Find out whether an unclear effect was done, and record what was found.

    Done: finished. Certainly not done: done now, if nothing halts it, with the same key. Cannot tell: it stands in the
    inbox as uncertain. ``arguments`` None means that personal values were erased: then it is not done again.
    """
    connector = desk.connectors.get(str(begun.data["system"]))
    try:
        found = await _ask(connector, begun, arguments or {})
    except Exception as error:
        await _uncertain(desk, begun, number, f"{problem}; look-up: {_words(error)}", "ask")
        return
    if found is not None:
        await _finished(desk, begun, found, looked_up=True)
    elif arguments is None:
        await _failed(desk, begun, f"{problem}; it was not done, and its arguments were erased since")
    else:
        await _again(desk, begun, arguments, problem, number)


async def _ask(connector: Connector | None, begun: Event, arguments: Mapping[str, Json]) -> Done | None:
    if connector is None:
        raise CannotTell(f"system {begun.data['system']} is not described in systems/")
    for attempt in range(LOOKUP_TRIES):
        try:
            return await connector.lookup(str(begun.data["operation"]), str(begun.data["key"]), arguments)
        except Unreachable:
            if attempt + 1 == LOOKUP_TRIES:
                raise
            await asyncio.sleep(LOOKUP_PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


async def _again(desk: Desk, begun: Event, arguments: Mapping[str, Json], problem: str, number: int) -> None:
    """Do an effect that certainly was not done, under a guard: one process only, and not while it is halted."""
    while True:
        halt = _halted(desk, begun)
        if halt is not None:
            await _failed(desk, begun, f"{problem}; it was not done, and {halt.scope} is halted since")
            return
        try:
            await _uncertain(
                desk, begun, number, f"{problem}; look-up says it was not done", "again", desk.standing.epoch
            )
            break
        except Moved as moved:
            if moved.what != "epoch":
                return  # another process looks after it
            desk.catch_up()
    connector = desk.connectors[str(begun.data["system"])]
    try:
        done = await connector.perform(str(begun.data["operation"]), arguments, str(begun.data["key"]))
    except (Refused, Unreachable) as error:
        await _failed(desk, begun, str(error))
    except Exception as error:
        await _uncertain(desk, begun, number + 1, _words(error), "ask")
    else:
        await _finished(desk, begun, done, looked_up=False)


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


async def _finished(desk: Desk, begun: Event, done: Done, *, looked_up: bool) -> None:
    data: dict[str, Json] = {"result": dict(done.result), "cost_minor": done.cost_minor, "looked_up": looked_up}
    await _end(desk, Event("action.finished", begun.actor, data, begun.case, begun.action, "ended"))


async def _failed(desk: Desk, begun: Event, problem: str) -> None:
    data: dict[str, Json] = {"problem": problem}
    ended = await _end(desk, Event("action.failed", begun.actor, data, begun.case, begun.action, "ended"))
    if ended:
        reserves: Any = begun.data["reserves"]
        desk.standing.drew(tuple((key, -amount) for key, amount in reserves))


async def _end(desk: Desk, event: Event) -> bool:
    try:
        await desk.journal.append(event)
    except Moved:  # another process found out first and said so
        return False
    return True


async def _uncertain(desk: Desk, begun: Event, number: int, problem: str, then: str, epoch: int | None = None) -> None:
    data: dict[str, Json] = {"problem": problem, "then": then, "process": desk.presence.id}
    event = Event("action.uncertain", begun.actor, data, begun.case, begun.action, f"uncertain:{number}")
    try:
        await desk.journal.append(event, guards=Guards(epoch=epoch))
    except Moved:
        if epoch is not None:
            raise


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
