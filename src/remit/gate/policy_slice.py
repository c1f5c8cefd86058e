"""The rules that can speak on one action, with exactly the context that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.gate.cedar import CedarEngine
from remit.gate.cedar_schema import narrow_schema
from remit.gate.policy_rule import PolicyRule
from remit.vocabulary import Check

__all__ = ["PolicySlice", "slice_for"]


@dataclass(frozen=True, slots=True)
class PolicySlice:
    """``engine`` holds ``rules`` in this order. The other fields say what a request's context must hold."""

    rules: tuple[PolicyRule, ...]
    allowing: tuple[Check, ...]
    """What is told of each rule when it permits."""
    engine: CedarEngine
    reads: frozenset[str]
    arguments: tuple[str, ...] | None
    """The arguments to send; None when a rule reads all of them at once."""
    facts: tuple[str, ...]
    """The facts to send."""


def slice_for(action: str, rules: Sequence[PolicyRule], context: Mapping[str, Any]) -> PolicySlice | None:
    """The slice of ``rules`` for ``action``, whose whole context type is ``context``; None when it is
    empty.
    """
    own = tuple(rule for rule in rules if _speaks(rule, action))
    if not own:
        return None
    paths = frozenset(path for rule in own for path in rule.paths)
    schema = narrow_schema(action, context, paths)
    kept = schema["Remit"]["actions"][action]["appliesTo"]["context"]["attributes"]
    engine = CedarEngine([rule.statement.text for rule in own], schema)
    whole = any(path in ((), ("arguments",)) for path in paths)
    arguments = None if whole else tuple(kept.get("arguments", {}).get("attributes", {}))
    return PolicySlice(
        rules=own,
        allowing=tuple(Check("policy", "allow", rule.id, rule.reason, rule.facts) for rule in own),
        engine=engine,
        reads=frozenset(kept),
        arguments=arguments,
        facts=tuple(kept.get("facts", {}).get("attributes", {})),
    )


def _speaks(rule: PolicyRule, action: str) -> bool:
    scope = rule.data["action"]
    if scope["op"] == "All":
        return True
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    return any(one["id"] == action for one in named)
