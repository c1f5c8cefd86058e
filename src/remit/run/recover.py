"""What was left behind: effects begun by a process that is gone, and approved actions that wait to be done."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from remit.errors import NotFound
from remit.gate.record import read_action
from remit.ledger.journal import Guards, Moved
from remit.ledger.query import events_of, head
from remit.ledger.sealing import unseal
from remit.oversight.approval import changes, list_pending, overdue_event
from remit.run.desk import Desk
from remit.run.effect import look_up
from remit.run.presence import bury, is_living, processes
from remit.run.propose import journey_of, judge, through
from remit.run.replay import Journey, replay
from remit.store.engine import Store
from remit.vocabulary import Event, Json

__all__ = ["begun_event", "carry_on", "open_effects", "pass_deadlines", "ready_actions", "record_crashes", "recover"]


async def record_crashes(desk: Desk) -> None:
    """Record which processes ended without saying so, and what their crash left at the end of the store."""
    now = datetime.now(UTC)
    dead = tuple(seen for seen in processes(desk.store) if not is_living(seen, now))
    if not dead:
        return
    data: dict[str, Json] = {
        "what": "processes ended without closing the ledger",
        "processes": [seen.id for seen in dead],
        "size": head(desk.store)[0],
        "torn_bytes": desk.store.torn_bytes,
    }
    await desk.journal.append(Event("ledger.recovered", f"process:{desk.presence.id}", data))
    await asyncio.to_thread(bury, desk.store, dead)


def open_effects(desk: Desk) -> list[tuple[str, str, str]]:
    """Return the effects without an end: action, state, process."""
    rows = desk.store.read("select action, state, process from open_effect order by action")
    return [(action, state, process) for action, state, process in rows]


async def recover(desk: Desk, *, again: bool = False) -> int:
    """Look up the effects that processes now gone had begun; return how many. ``again`` also looks up the uncertain."""
    now = datetime.now(UTC)
    living = {seen.id for seen in processes(desk.store) if is_living(seen, now)}
    count = 0
    for action, state, process in open_effects(desk):
        if process in living and not (again and state == "uncertain"):
            continue
        begun, journey = begun_event(desk.store, action)
        if begun is None or journey.progress not in ("begun", "uncertain"):
            continue
        if state == "uncertain" and not again:
            continue
        arguments = _arguments(desk, journey)
        problem = f"process {process} ended before it could say how this ended"
        await desk.see_through(
            look_up(desk, begun, arguments, owner=process, problem=problem, number=journey.uncertain + 1)
        )
        count += 1
    return count


def begun_event(store: Store, action: str) -> tuple[Event | None, Journey]:
    """Return the event that began ``action``, if it began, and where it stands."""
    events = events_of(store, action)
    begun = next((item.event for item in events if item.event.kind == "action.begun"), None)
    return begun, replay(action, events)


def _arguments(desk: Desk, journey: Journey) -> dict[str, Json] | None:
    try:
        return unseal(desk.store, read_action(journey.decided["action"]).arguments)
    except NotFound:
        return None


def ready_actions(desk: Desk, limit: int = 64) -> list[str]:
    """Return approved actions that wait to be done, the oldest first."""
    return [row[0] for row in desk.store.read("select action from ready order by since limit ?", (limit,))]


async def carry_on(desk: Desk, digest: str) -> Journey:
    """Do what people approved, if it still is what they approved and the gate still lets it through."""
    return await desk.see_through(_carry_on(desk, digest))


async def _carry_on(desk: Desk, digest: str) -> Journey:
    journey = journey_of(desk, digest)
    if journey.progress != "approved":
        return journey
    recorded = read_action(journey.decided["action"])
    try:
        arguments = unseal(desk.store, recorded.arguments)
    except NotFound as error:
        await _void(desk, journey, str(error))
        return journey_of(desk, digest)
    action = replace(recorded, arguments=arguments)
    if desk.standing.behind():
        desk.catch_up()
    facts = await desk.facts(action)
    law = desk.law
    why = changes(journey.asked, law.manifest(action.agent).digest, law.rules.digest, facts)
    first = (_void_event(journey, why),) if why else ()
    try:
        judged = await judge(
            desk, action, facts, actor=journey.proposer, sealed=(recorded, ()), attempt=journey.attempt + 1,
            ask=journey.ask + 1, grants=() if why else journey.grants, first=first, guards=Guards(ready=digest),
            before=journey,
        )  # fmt: skip
    except Moved:  # another process carries it on
        return journey_of(desk, digest)
    return await through(desk, judged, arguments)


def _void_event(journey: Journey, why: str) -> Event:
    data: dict[str, Json] = {"number": journey.ask, "agent": journey.asked["agent"], "why": why}
    return Event("approval.void", "remit", data, journey.case, journey.action, f"void:{journey.ask}")


async def _void(desk: Desk, journey: Journey, why: str) -> None:
    data: dict[str, Json] = {"number": journey.ask, "agent": journey.asked["agent"], "why": why}
    expired = Event("approval.expired", "remit", data, journey.case, journey.action, f"expired:{journey.ask}")
    try:
        await desk.journal.append(expired, guards=Guards(ready=journey.action))
    except Moved:
        return


async def pass_deadlines(desk: Desk) -> int:
    """Ask the next in the chain about questions that nobody answered in time, or let them expire; return how many."""
    now, count = desk.now(), 0
    for pending in list_pending(desk.store, due_before=now):
        event = overdue_event(pending, now)
        if event is None:
            continue
        try:
            await desk.journal.append(event, guards=Guards(waiting=(pending.action, pending.number)))
            count += 1
        except Moved:  # somebody answered meanwhile, or another worker was first
            continue
    return count
