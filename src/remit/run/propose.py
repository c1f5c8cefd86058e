"""From a proposal to a recorded decision, begun or asked in the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from remit.canonical import from_moment
from remit.errors import BadInput, Conflict
from remit.gate.decide import decide
from remit.gate.record import action_data, action_digest, decision_data, facts_data, read_action, standing_data
from remit.gate.stage_check import earned_key
from remit.ledger.journal import Guards, Moved
from remit.ledger.query import events_of
from remit.ledger.sealing import Sealed, seal, unseal
from remit.manifest.grant import Manifest
from remit.manifest.template import fill_name
from remit.oversight.approval import Answer, Pending, RolesOf, answer_event, asked_event, conflict_of
from remit.run.desk import Desk
from remit.run.draw import draw_of
from remit.run.effect import do_effect
from remit.run.replay import Journey, follow, replay
from remit.vocabulary import Action, Decision, Event, Fact, Grant, Json

__all__ = ["Judged", "edit", "journey_of", "judge", "propose", "seal_action", "through"]

TRIES_MAX: Final = 200
"""Each refusal means that somebody else got through, so this many in a row means something else is wrong."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision on record, the event that began the effect if it allows, and where the action stands."""

    digest: str
    decision: Decision
    begun: Event | None
    journey: Journey


def journey_of(desk: Desk, digest: str) -> Journey:
    """Return where the action stands by its journal."""
    return replay(digest, events_of(desk.store, digest))


async def propose(desk: Desk, action: Action, actor: str = "") -> Journey:
    """Take an action along the whole path as far as it goes now: denied, waiting for people, or done.

    Proposing the same action again returns where it stands; nothing is done twice. ``actor`` says who proposes; the
    agent itself when empty.

    Raises:
        BadInput: the action has no canonical form, or no such agent.
        StoreUnavailable: the decision could not be recorded; then nothing was begun.
    """
    return await desk.see_through(_propose(desk, action, actor))


async def _propose(desk: Desk, action: Action, actor: str) -> Journey:
    sealed, kept = seal_action(desk, action)
    digest = action_digest(sealed)
    if _rests_on_facts(desk, action):  # reading them is dear: look first whether this was proposed before
        known = journey_of(desk, digest)
        if known.progress != "unknown":
            return known
    facts = await desk.facts(action)
    try:
        judged = await judge(desk, action, facts, actor=actor or f"agent:{action.agent}", sealed=(sealed, kept))
    except Moved as moved:
        if moved.what == "step":  # proposed twice at once: the other one is on the path
            return journey_of(desk, digest)
        raise
    return await through(desk, judged, action.arguments)


async def through(desk: Desk, judged: Judged, arguments: Mapping[str, Json]) -> Journey:
    """Do the effect, if it began, and return where the action stands then."""
    if judged.begun is not None:
        recorded = await do_effect(desk, judged.begun, arguments)
        if recorded is None:
            return journey_of(desk, judged.digest)
        for seq, event in recorded:
            follow(judged.journey, event, seq)
    return judged.journey


def _rests_on_facts(desk: Desk, action: Action) -> bool:
    grant = desk.law.manifest(action.agent).actions.get(action.name)
    return grant is not None and bool(grant.facts)


def seal_action(desk: Desk, action: Action) -> tuple[Action, tuple[Sealed, ...]]:
    """Return the action as it is recorded, and what is kept beside the ledger."""
    _plain(action)
    manifest = desk.law.manifest(action.agent)
    grant = manifest.actions.get(action.name)
    if grant is None or not grant.personal:
        return action, ()
    unnamed = f"case/{action.case}"
    subjects = {name: fill_name(subject, action.arguments) or unnamed for name, subject in grant.personal.items()}
    arguments, kept = seal(desk.store, action.arguments, subjects)
    return replace(action, arguments=arguments), kept


def _plain(action: Action) -> None:
    """Names become columns and lines on screens: no control characters, no endless ones."""
    for name, value in (("agent", action.agent), ("name", action.name), ("case", action.case)):
        if not value or len(value) > 200 or not value.isprintable():
            raise BadInput(f"{name}: got {value!r:.60}, expected 1 to 200 printable characters")
    if len(action.reasons) > 50 or any(len(reason) > 2_000 for reason in action.reasons):
        raise BadInput("reasons: at most 50, each at most 2000 characters")
    if action.confidence_bp is not None and not 0 <= action.confidence_bp <= 10_000:
        raise BadInput(f"confidence: got {action.confidence_bp}, expected 0 to 10000 basis points")


async def edit(desk: Desk, pending: Pending, given: Answer, changed: Mapping[str, Json], roles_of: RolesOf) -> Journey:
    """Put another action in place of the one asked about, and judge it anew; the person who edits is its proposer.

    The answer to the old question and the new decision are one append: neither is ever there without the other.

    Raises:
        NotAllowed: the person may not answer the question.
        Conflict: somebody else was quicker, or the edited action was proposed before.
    """
    return await desk.see_through(_edit(desk, pending, given, changed, roles_of))


async def _edit(desk: Desk, pending: Pending, given: Answer, changed: Mapping[str, Json], roles_of: RolesOf) -> Journey:
    old = read_action(journey_of(desk, pending.action).decided["action"])
    arguments = {**unseal(desk.store, old.arguments), **changed}
    version = desk.law.manifest(old.agent).version
    action = replace(old, arguments=arguments, replaces=pending.action, version=version)
    sealed, kept = seal_action(desk, action)
    digest = action_digest(sealed)
    event = answer_event(pending, replace(given, approve=False, replaced_by=digest), roles_of)
    facts = await desk.facts(action)
    guards = Guards(waiting=(pending.action, pending.number))
    try:
        judged = await judge(
            desk, action, facts, actor=f"person:{given.person}", sealed=(sealed, kept), first=(event,), guards=guards
        )
    except Moved as moved:
        raise conflict_of(moved, pending, given) from None
    return await through(desk, judged, arguments)


async def judge(
    desk: Desk,
    action: Action,
    facts: Mapping[str, Fact],
    *,
    actor: str,
    sealed: tuple[Action, tuple[Sealed, ...]],
    attempt: int = 1,
    ask: int = 1,
    grants: tuple[Grant, ...] = (),
    first: tuple[Event, ...] = (),
    guards: Guards | None = None,
    before: Journey | None = None,
) -> Judged:
    """Judge, and record the decision with what follows from it, judging again whenever things moved meanwhile.

    ``first`` are events to record in the same append before the decision; ``guards`` hold for the append as a whole;
    ``before`` is where the action stood, and is taken on.

    Raises:
        Moved: a step is written already, or a guard of the caller's no longer holds.
    """
    recorded, kept = sealed
    digest = action_digest(recorded)
    claims: dict[str, str] = {}
    done: dict[str, str] = {}
    for _ in range(TRIES_MAX):
        law = desk.law
        manifest = law.manifest(action.agent)
        standing = desk.standing.standing(desk.now(), grants, claims, done, *_earning(desk, manifest, action))
        decision = decide(law.rules, manifest, action, facts, standing)
        if desk.standing.meet(tuple(reserve.key for reserve in decision.reserves)):
            continue  # others drew from a counter that is new here: judge with what they drew
        event = Event(
            "action.decided",
            actor,
            {
                "attempt": attempt,
                "action": action_data(recorded),
                "facts": facts_data(facts),
                "standing": standing_data(standing, decision),
                "decision": decision_data(decision),
            },
            action.case,
            digest,
            f"decided:{attempt}",
        )
        begun = None
        then: tuple[Event, ...] = ()
        if decision.verdict == "allow":
            begun = _begun(desk, event, manifest, action, decision)
            then = (begun,)
        elif decision.verdict == "escalate":
            then = (_asked(desk, event, manifest, recorded, decision, ask, facts),)
        held = _guards(guards or Guards(), decision, standing.epoch)
        try:
            refs = await desk.journal.append(*first, event, *then, guards=held, sealed=kept)
        except Moved as moved:
            _learn(desk, moved, claims, done)
            continue
        if begun is not None:
            desk.standing.drew(tuple((reserve.key, reserve.amount) for reserve in decision.reserves))
        journey = Journey(digest) if before is None else before
        for ref, done_event in zip(refs, (*first, event, *then), strict=True):
            if done_event.action == digest:
                follow(journey, done_event, ref.seq)
        return Judged(digest, decision, begun, journey)
    raise Conflict(f"action {digest[:12]} was judged {TRIES_MAX} times and things moved each time; propose it again")


def _earning(desk: Desk, manifest: Manifest, action: Action) -> tuple[str | None, int | None]:
    """Under which name it is kept what was earned for ``action``, and its draw; None where nothing is earned."""
    grant = manifest.actions.get(action.name)
    if grant is None or grant.autonomy is None:
        return None, None
    class_ = grant.autonomy.class_of(action.arguments)
    return earned_key(action.agent, action.version, action.name, class_), draw_of(desk.draw_key, action)


def _learn(desk: Desk, moved: Moved, claims: dict[str, str], done: dict[str, str]) -> None:
    match moved.what:
        case "epoch":
            desk.catch_up()
        case "limit":
            desk.standing.learn(moved)
        case "claim":
            claims[moved.key] = moved.holder
        case "once":
            done[moved.key] = moved.holder
        case _:
            raise moved


def _guards(given: Guards, decision: Decision, epoch: int) -> Guards:
    begins = decision.verdict == "allow"
    return Guards(
        epoch=epoch,
        reserves=() if any(_forced(decision, reserve.key) for reserve in decision.reserves) else decision.reserves,
        free=decision.touches if begins else (),
        once=decision.once_key if begins else None,
        waiting=given.waiting,
        ready=given.ready,
    )


def _forced(decision: Decision, key: str) -> bool:
    """Whether an approval lets the action draw beyond a limit: then the limit no longer decides."""
    return decision.verdict == "allow" and any(item.key == key and not item.fits for item in decision.reserves)


def _begun(desk: Desk, event: Event, manifest: Manifest, action: Action, decision: Decision) -> Event:
    grant = manifest.actions[action.name]
    return Event(
        "action.begun",
        event.actor,
        {
            "key": event.action,
            "agent": action.agent,
            "version": action.version,
            "department": manifest.department,
            "name": action.name,
            "system": grant.system,
            "operation": grant.operation,
            "process": desk.presence.id,
            "reserves": [[reserve.key, reserve.amount] for reserve in decision.reserves],
            "claims": list(decision.touches),
            "once": decision.once_key,
        },
        event.case,
        event.action,
        "begun",
    )


def _asked(
    desk: Desk,
    event: Event,
    manifest: Manifest,
    action: Action,
    decision: Decision,
    ask: int,
    facts: Mapping[str, Fact],
) -> Event:
    chain = tuple((step.role, step.within_seconds) for step in manifest.escalation)
    return asked_event(
        event,
        ask,
        decision.asks,
        chain,
        facts,
        now=from_moment(desk.now()),
        agent=action.agent,
        name=action.name,
        department=manifest.department,
        built_by=list(manifest.built_by),
        reasons=[check.reason for check in decision.checks if check.verdict == "escalate"],
        manifest=decision.manifest_digest,
        policies=decision.policies_digest,
    )
