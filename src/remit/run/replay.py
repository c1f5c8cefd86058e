"""From an action's journal to where it stands. Pure.

The legal orders, each step once (N counts from 1; a test of the same name holds each line):

    denied       decided:1(deny)
    waiting      decided:1(escalate) asked:1
    reminded     ... asked:1 escalated:1:1
    approved     ... asked:1 answered:1:P(approve)           enough of them
    rejected     ... asked:1 answered:1:P(reject)
    expired      ... asked:1 expired:1
    voided       ... asked:1 answered:1:P(approve) void:1 decided:2
    begun        decided:N(allow) begun
    finished     ... begun ended(finished)
    failed       ... begun ended(failed)
    uncertain    ... begun uncertain:1
    settled      ... begun uncertain:N ended(finished or failed)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from remit.errors import LedgerBroken
from remit.ledger.event import RecordedEvent
from remit.ledger.views import asks_unmet
from remit.vocabulary import Ask, Effect, Event, Grant, Json

__all__ = ["Journey", "Progress", "follow", "replay"]

Progress = Literal[
    "unknown", "denied", "waiting", "approved", "rejected", "expired", "begun", "finished", "failed", "uncertain"
]

_NEXT: Mapping[Progress, frozenset[str]] = {
    "unknown": frozenset({"action.decided"}),
    "denied": frozenset(),
    "waiting": frozenset(
        {"approval.answered", "approval.escalated", "approval.expired", "approval.void", "action.decided"}
    ),
    "approved": frozenset({"approval.void", "approval.expired", "action.decided"}),
    "rejected": frozenset(),
    "expired": frozenset(),
    "begun": frozenset({"action.finished", "action.failed", "action.uncertain"}),
    "finished": frozenset(),
    "failed": frozenset(),
    "uncertain": frozenset({"action.finished", "action.failed", "action.uncertain"}),
}
"""Which kinds may follow where an action stands."""


@dataclass(slots=True)
class Journey:
    """Where one action stands, and what led there. ``attempt`` counts judgements, ``ask`` counts asks."""

    action: str
    progress: Progress = "unknown"
    attempt: int = 0
    ask: int = 0
    uncertain: int = 0
    decided: Mapping[str, Any] = field(default_factory=dict)
    begun: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    effect: Effect | None = None
    proposer: str = ""
    case: str = ""
    replaced_by: str = ""

    @property
    def open(self) -> bool:
        """Whether anything can still happen to this action."""
        return bool(_NEXT[self.progress])


def replay(action: str, events: Sequence[RecordedEvent]) -> Journey:
    """Fold an action's journal.

    Raises:
        LedgerBroken: a step stands where the legal orders have none.
    """
    journey = Journey(action)
    for recorded in events:
        follow(journey, recorded.event, recorded.seq)
    return journey


def follow(journey: Journey, event: Event, seq: int) -> None:
    """Take one more event of the action, which stands at ``seq``; raises as `replay` does."""
    kind, judged = event.kind, journey.progress == "unknown" and journey.attempt > 0
    completes = judged and kind in ("action.begun", "approval.asked")
    if not completes and kind not in _NEXT[journey.progress]:
        raise LedgerBroken(f"event {seq}: {kind} cannot follow {journey.progress} of {journey.action[:12]}")
    _fold(journey, event)


def _fold(journey: Journey, event: Event) -> None:
    data = event.data
    match event.kind:
        case "action.decided":
            journey.attempt, journey.decided, journey.case = int(str(data["attempt"])), data, event.case
            if journey.attempt == 1:
                journey.proposer = event.actor
            verdict = _verdict(data)
            # An allow or an escalate is completed by the begun or asked of the same append.
            journey.progress = "denied" if verdict == "deny" else "unknown"
        case "approval.asked":
            journey.ask, journey.asked, journey.grants = int(str(data["number"])), data, ()
            journey.progress = "waiting"
        case "approval.answered":
            _answered(journey, data)
        case "approval.escalated":
            journey.asked = {**journey.asked, **data}
        case "approval.expired":
            journey.progress = "expired"
        case "approval.void":
            journey.progress, journey.grants = "approved", ()
        case "action.begun":
            journey.begun, journey.progress = data, "begun"
            journey.effect = Effect(str(data["key"]), str(data["system"]), str(data["operation"]), "begun")
        case "action.finished" | "action.failed" | "action.uncertain":
            _ended(journey, event.kind, data)
        case _:
            raise LedgerBroken(f"{event.kind} is no step of an action")


def _verdict(data: Mapping[str, Json]) -> str:
    decision = data["decision"]
    return str(decision["verdict"]) if isinstance(decision, dict) else ""


def _answered(journey: Journey, data: Mapping[str, Any]) -> None:
    if data["verdict"] == "reject":
        journey.progress, journey.replaced_by = "rejected", data.get("replaced_by", "")
        return
    journey.grants = (*journey.grants, Grant(data["role"], data["person"]))
    asks = tuple(Ask(role, count) for role, count in journey.asked["asks"])
    journey.progress = "waiting" if asks_unmet(asks, journey.grants) else "approved"


def _ended(journey: Journey, kind: str, data: Mapping[str, Any]) -> None:
    before = journey.effect
    key, system, operation = (before.key, before.system, before.operation) if before else ("", "", "")
    if kind == "action.finished":
        journey.progress = "finished"
        journey.effect = Effect(key, system, operation, "finished", data["result"], data["cost_minor"])
    elif kind == "action.failed":
        journey.progress = "failed"
        journey.effect = Effect(key, system, operation, "failed", problem=data["problem"])
    else:
        journey.progress, journey.uncertain = "uncertain", journey.uncertain + 1
        journey.effect = Effect(key, system, operation, "uncertain", problem=data["problem"])
