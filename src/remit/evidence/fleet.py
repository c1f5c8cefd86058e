"""The fleet: per agent, what was proposed, how it was judged and why, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.evidence.fold import up_to_date
from remit.ledger.event import RecordedEvent
from remit.store.engine import Store

__all__ = ["AgentRecord", "fleet"]

_KINDS = (
    "action.decided", "action.begun", "action.finished", "action.failed", "approval.answered", "approval.expired",
    "approval.void", "outcome.recorded",
)  # fmt: skip
_VERSION = 1


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """One agent's counts. Verdicts and reasons are those of each action's first judgement.

    ``reasons`` counts (verdict, rule): why. ``cost_minor`` sums what systems said it cost; ``costs_unknown`` counts
    the effects of which they did not say. ``outcomes_open`` is finished effects without an outcome yet.
    """

    agent: str
    seen: int
    allowed: int
    escalated: int
    denied: int
    reasons: Mapping[tuple[str, str], int]
    begun: int
    finished: int
    failed: int
    cost_minor: int
    costs_unknown: int
    approved: int
    rejected: int
    expired: int
    void: int
    right: int
    wrong: int
    unjudged: int


def fleet(store: Store) -> tuple[AgentRecord, ...]:
    """Return every agent's record as of now, by name."""
    state = up_to_date(store, "fleet", _VERSION, lambda: {"agents": {}}, _step, _KINDS)
    return tuple(_record(agent, counts) for agent, counts in sorted(state["agents"].items()))


def _record(agent: str, counts: Mapping[str, Any]) -> AgentRecord:
    get = counts.get
    reasons = {(verdict, rule): count for verdict, rules in get("reasons", {}).items() for rule, count in rules.items()}
    return AgentRecord(
        agent,
        get("seen", 0), get("allow", 0), get("escalate", 0), get("deny", 0), reasons, get("begun", 0),
        get("finished", 0), get("failed", 0), get("cost_minor", 0), get("costs_unknown", 0), get("approve", 0),
        get("reject", 0), get("expired", 0), get("void", 0), get("right", 0), get("wrong", 0), get("unjudged", 0),
    )  # fmt: skip


def _step(state: dict[str, Any], recorded: RecordedEvent) -> None:
    event = recorded.event
    data: Mapping[str, Any] = event.data
    if event.kind == "action.decided":
        agent = data["action"]["agent"]
    elif event.kind == "outcome.recorded":
        agent = data["agent"]
    elif event.actor.startswith("agent:"):
        agent = event.actor.removeprefix("agent:")
    else:
        agent = data.get("agent", "")
    counts = state["agents"].setdefault(agent or "people", {})
    if event.kind == "action.decided":
        if data["attempt"] == 1:
            _first(counts, data["decision"])
        return
    for name, amount in _counted(event.kind, data).items():
        counts[name] = counts.get(name, 0) + amount


def _first(counts: dict[str, Any], decision: Mapping[str, Any]) -> None:
    verdict = decision["verdict"]
    counts["seen"] = counts.get("seen", 0) + 1
    counts[verdict] = counts.get(verdict, 0) + 1
    rules = counts.setdefault("reasons", {}).setdefault(verdict, {})
    spoke = {check["rule"] for check in decision["checks"] if check["verdict"] == verdict != "allow"}
    # What could not be checked because something else was wrong is no reason of its own.
    for rule in spoke - {"cannot-check"} or spoke:
        rules[rule] = rules.get(rule, 0) + 1


def _counted(kind: str, data: Mapping[str, Any]) -> dict[str, int]:
    match kind:
        case "action.finished":
            cost = data["cost_minor"]
            return {"finished": 1, "costs_unknown": 1} if cost is None else {"finished": 1, "cost_minor": cost}
        case "approval.answered":
            return {data["verdict"]: 1}
        case "outcome.recorded":
            return {{True: "right", False: "wrong", None: "unjudged"}[data["right"]]: 1}
        case _:
            return {kind.rpartition(".")[2]: 1}
