"""What the rules of one action are shown of it: what they read, and nothing else."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from remit.gate.confidence import stated_confidence
from remit.gate.fact_form import fact_problem
from remit.gate.freshness import missing_and_stale
from remit.gate.matter import Matter
from remit.gate.policy_slice import PolicySlice
from remit.manifest.grant import ActionGrant
from remit.vocabulary import Json

__all__ = ["policy_context"]


def policy_context(matter: Matter, grant: ActionGrant, rules: PolicySlice) -> dict[str, Any]:
    """The context of a request, without its approvals: they differ from question to question."""
    reads = rules.reads
    context: dict[str, Any] = {}
    if "arguments" in reads:
        context["arguments"] = _arguments(matter, rules)
    if "facts" in reads:
        context["facts"] = _facts(matter, grant, rules.facts)
    amount = None if grant.amount is None else matter.action.arguments.get(grant.amount)
    if "amount_minor" in reads and amount is not None:
        context["amount_minor"] = amount
    if "confidence_bp" in reads:
        confidence = stated_confidence(matter.action.confidence_bp)
        if confidence is not None:
            context["confidence_bp"] = confidence
    if not reads.isdisjoint(("missing", "stale")):
        missing, stale = missing_and_stale(matter)
        _add(context, reads, {"missing": missing, "stale": stale})
    if not reads.isdisjoint(("now", "hour", "weekday")):
        now = matter.standing.now.astimezone(UTC)
        seconds = int(now.timestamp() // 1)
        _add(context, reads, {"now": seconds, "hour": now.hour, "weekday": now.isoweekday()})
    return context


def _add(context: dict[str, Any], reads: frozenset[str], values: dict[str, Any]) -> None:
    context.update((name, value) for name, value in values.items() if name in reads)


def _arguments(matter: Matter, rules: PolicySlice) -> dict[str, Json]:
    arguments = matter.action.arguments
    if rules.arguments is None:
        return dict(arguments)
    return {name: arguments[name] for name in rules.arguments if name in arguments}


def _facts(matter: Matter, grant: ActionGrant, names: tuple[str, ...]) -> dict[str, Json]:
    present: dict[str, Json] = {}
    for need in grant.facts:
        fact = matter.facts.get(need.name)
        if need.name in names and fact is not None and not fact_problem(need, fact):
            present[need.name] = fact.value
    return present
