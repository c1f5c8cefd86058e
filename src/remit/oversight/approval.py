"""Approvals: durable questions about one exact action, and people's answers.

A question is bound to the digests of the action, of the manifest and policies it was judged by, and of the facts it
was judged on. An answer counts for that and nothing else: `changes` names in words what is no longer the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from remit.canonical import digest, from_moment, to_moment
from remit.errors import BadInput, Conflict, NotAllowed, NotFound
from remit.ledger.journal import Guards, Journal, Moved
from remit.store.engine import Store
from remit.vocabulary import Ask, Event, Fact, Grant, Json

__all__ = [
    "Answer",
    "Chain",
    "Pending",
    "RolesOf",
    "answer",
    "answer_event",
    "asked_event",
    "changes",
    "conflict_of",
    "find_pending",
    "list_pending",
    "overdue_event",
    "shown_facts",
]

WAIT_DEFAULT: Final = timedelta(days=7)
"""How long a question without an escalation chain waits before it expires."""

Chain = tuple[tuple[str, int], ...]
"""Who is asked next: (role, seconds that this level may take)."""

RolesOf = Callable[[str, str], frozenset[str]]
"""``roles_of(person, department)``: the roles a person holds there; nobody unknown holds any."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that waits for people. ``due_at`` is business time, when the next in the chain is asked."""

    action: str
    case: str
    number: int
    asks: tuple[Ask, ...]
    granted: tuple[Grant, ...]
    stand_ins: tuple[str, ...]
    level: int
    due_at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person says to one question. ``seconds`` is how long it took them, None when not measured."""

    person: str
    role: str
    approve: bool
    why: str = ""
    seconds: int | None = None
    replaced_by: str = ""
    """Digest of the action that this answer puts in place of the one asked about."""


def shown_facts(facts: Mapping[str, Fact], in_clear: Collection[str] = ()) -> dict[str, Json]:
    """Return what a person is shown of the facts, without ages, as it is recorded: values, sources and records.

    Of a fact with a commitment that stands for value and record, unless it is named in ``in_clear``.
    """
    return {name: _shown(fact, name in in_clear) for name, fact in facts.items()}


def _shown(fact: Fact, in_clear: bool) -> dict[str, Json]:
    if fact.commitment and not in_clear:
        return {"source": fact.source, "commitment": fact.commitment}
    return {"value": fact.value, "source": fact.source, "record": fact.record}


def asked_event(
    event: Event, number: int, asks: tuple[Ask, ...], chain: Chain, facts: Mapping[str, Fact], **about: Json
) -> Event:
    """Return the question that goes with the escalating decision ``event``."""
    now = to_moment(str(about["now"]))
    shown = shown_facts(facts)
    return Event(
        "approval.asked",
        event.actor,
        {
            **about,
            "number": number,
            "asks": [[ask.role, ask.count] for ask in asks],
            "chain": [[role, seconds] for role, seconds in chain],
            "level": 0,
            "stand_ins": [],
            "due_at": from_moment(_due(now, chain, 0)),
            "shown": shown,
            "shown_digest": digest(shown),
            "proposer": event.actor,
        },
        event.case,
        event.action,
        f"asked:{number}",
    )


def _due(now: datetime, chain: Chain, level: int) -> datetime:
    if not chain:
        return now + WAIT_DEFAULT
    return now + timedelta(seconds=chain[min(level, len(chain) - 1)][1])


def overdue_event(pending: Pending, now: datetime) -> Event | None:
    """Return what happens to a question that nobody answered by now: the next in the chain, or its end; None before."""
    if now < pending.due_at:
        return None
    chain: Chain = tuple((role, seconds) for role, seconds in pending.data["chain"])
    number, level = pending.number, pending.level
    if level >= len(chain):
        data: dict[str, Json] = {
            "number": number,
            "agent": pending.data["agent"],
            "why": f"nobody answered by {from_moment(pending.due_at)}",
        }
        return Event("approval.expired", "remit", data, pending.case, pending.action, f"expired:{number}")
    data = {
        "number": number,
        "agent": pending.data["agent"],
        "level": level + 1,
        "asks": [[ask.role, ask.count] for ask in pending.asks],
        "stand_ins": [*pending.stand_ins, chain[level][0]],
        "due_at": from_moment(_due(now, chain, level + 1)),
    }
    step = f"escalated:{number}:{level + 1}"
    return Event("approval.escalated", "remit", data, pending.case, pending.action, step)


def changes(asked: Mapping[str, Any], manifest: str, policies: str, facts: Mapping[str, Fact]) -> str:
    """Say in words what is no longer as it was when people were asked; empty when nothing changed.

    The words are recorded, so what a fact with a commitment said or says is not among them.
    """
    if asked["manifest"] != manifest:
        return "the manifest changed since people were asked"
    if asked["policies"] != policies:
        return "the policies changed since people were asked"
    before: Mapping[str, Any] = asked["shown"]
    shown = shown_facts(facts, [name for name, old in before.items() if "value" in old])  # as it was recorded then
    if digest(shown) == asked["shown_digest"]:
        return ""
    for name in sorted({*shown, *before}):
        old, new = before.get(name), shown.get(name)
        if old == new:
            continue
        if "commitment" in (old or ()) or (name in facts and facts[name].commitment):
            return f"fact {name} changed since people were asked"
        was = orjson.dumps(old["value"]).decode() if old else "absent"
        now = orjson.dumps(new["value"]).decode() if isinstance(new, dict) else "absent"
        return f"fact {name} changed since people were asked: was {was:.60}, is {now:.60}"
    return "the facts changed since people were asked"


def list_pending(store: Store, due_before: datetime | None = None, limit: int = 1_000) -> tuple[Pending, ...]:
    """Return the questions that wait, the most urgent first."""
    bound = from_moment(due_before) if due_before else "9"
    rows = store.read(
        "select action, data from parked where state = 'waiting' and due_at <= ? order by due_at, action limit ?",
        (bound, limit),
    )
    return tuple(_pending(action, data) for action, data in rows)


def find_pending(store: Store, action: str) -> Pending:
    """Return the question that waits about ``action``.

    Raises:
        NotFound: nothing waits for people there.
    """
    rows = store.read("select action, data from parked where action = ? and state = 'waiting'", (action,))
    if not rows:
        raise NotFound(f"nothing waits for approval at {action[:12]}")
    return _pending(*rows[0])


def _pending(action: str, text: str) -> Pending:
    data = orjson.loads(text)
    return Pending(
        action,
        data["case"],
        data["number"],
        tuple(Ask(role, count) for role, count in data["asks"]),
        tuple(Grant(role, person) for role, person in data["granted"]),
        tuple(data["stand_ins"]),
        data["level"],
        to_moment(data["due_at"]),
        data,
    )


def answer(
    journal: Journal,
    pending: Pending,
    given: Answer,
    roles_of: RolesOf,
) -> Event:
    """Check that ``given`` may be said, and record it. ``roles_of(person, department)`` says who holds what.

    Raises:
        NotAllowed: the person proposed it, built the agent, is the agent, or holds no role that is asked.
        BadInput: a rejection without a reason, or an impossible time.
        Conflict: somebody else was quicker, or this person has answered already.
    """
    event = answer_event(pending, given, roles_of)
    try:
        journal.append_now(event, guards=Guards(waiting=(pending.action, pending.number)))
    except Moved as moved:
        raise conflict_of(moved, pending, given) from None
    return event


def conflict_of(moved: Moved, pending: Pending, given: Answer) -> Conflict:
    """Say why an answer came too late."""
    if moved.what == "step":
        return Conflict(f"{given.person} has already answered about {pending.action[:12]}")
    return Conflict(f"{pending.action[:12]} no longer waits: somebody else was quicker, or it expired")


def answer_event(pending: Pending, given: Answer, roles_of: RolesOf) -> Event:
    """Return the event of an answer that may be given; raises as `answer` does."""
    role = _role(pending, given, roles_of(given.person, pending.data["department"]))
    if not given.approve and not given.why.strip():
        raise BadInput("a rejection needs a reason: say why")
    if len(given.why) > 2_000:
        raise BadInput(f"reason of {len(given.why)} characters: at most 2000 are taken")
    if given.seconds is not None and not 0 <= given.seconds <= 7 * 86_400:
        raise BadInput(f"seconds taken: got {given.seconds}, expected 0 to 604800")
    data: dict[str, Json] = {
        "number": pending.number,
        "agent": pending.data["agent"],
        "person": given.person,
        "role": role,
        "verdict": "approve" if given.approve else "reject",
        "why": given.why,
        "seconds": given.seconds,
        "shown_digest": pending.data["shown_digest"],
    }
    if given.replaced_by:
        data["replaced_by"] = given.replaced_by
    step = f"answered:{pending.number}:{given.person}"
    return Event("approval.answered", f"person:{given.person}", data, pending.case, pending.action, step)


def _role(pending: Pending, given: Answer, held: frozenset[str]) -> str:
    """Return the asked role that this answer counts for."""
    data = pending.data
    if f"person:{given.person}" == data["proposer"] or given.person == data["agent"]:
        raise NotAllowed(f"{given.person} proposed this action and may not answer about it")
    if given.person in data["built_by"]:
        raise NotAllowed(f"{given.person} built agent {data['agent']} and may not approve what it proposes")
    open_roles = [ask.role for ask in pending.asks]
    wanted = [given.role] if given.role else open_roles
    for role in wanted:
        if role not in open_roles:
            raise NotAllowed(f"role {role!r:.40} is not asked; asked: {', '.join(open_roles)}")
        if role in held or held & set(pending.stand_ins):
            return role
    needed = sorted({*wanted, *pending.stand_ins})
    raise NotAllowed(f"{given.person} holds none of the roles asked: {', '.join(needed)}")
