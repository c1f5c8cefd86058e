"""Rules that can never make a difference: Cedar accepts them, and whoever wrote them believes in them.

The cells of a company are its pairs of agent and action, with their department and system. A rule matters
only in the cells that its scope reaches and in which its condition is not constant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from remit.errors import Finding
from remit.gate.cedar_schema import action_context
from remit.gate.condition import Bindings, fold
from remit.gate.policy_rule import PolicyRule
from remit.manifest.grant import Manifest

__all__ = ["can_permit", "cells_of", "dead_rules"]

_Reach = Mapping[str, frozenset[int]]


def cells_of(manifests: Iterable[Manifest], schema: Mapping[str, Any]) -> tuple[Bindings, ...]:
    """Every agent with every action it may propose."""
    return tuple(
        Bindings(manifest.agent, manifest.department, name, grant.system, action_context(schema, name) or {})
        for manifest in manifests
        for name, grant in manifest.actions.items()
    )


def dead_rules(rules: Sequence[PolicyRule], cells: Sequence[Bindings]) -> list[Finding]:
    """Errors for rules that read what no request has, warnings for rules that never make a difference."""
    reach = {rule.id: frozenset(index for index, cell in enumerate(cells) if _in_scope(rule, cell)) for rule in rules}
    found: list[Finding] = []
    for rule in rules:
        reached = [cells[index] for index in sorted(reach[rule.id])]
        if not reached:
            found.append(_out_of_reach(rule, cells))
            continue
        undeclared = list(_undeclared(rule, reached))
        found += undeclared
        if not undeclared and all(_fires(rule, cell) is False for cell in reached):
            what = "never fires: its condition is always false"
            found.append(rule.finding(what, "correct it, or remove it", "warning"))
    return found + _shadowed(rules, cells, reach) + _doubled(rules)


def can_permit(rules: Iterable[PolicyRule], cell: Bindings) -> bool:
    """Whether any rule permits any request of ``cell``."""
    return any(rule.effect == "permit" and _in_scope(rule, cell) and _fires(rule, cell) is not False for rule in rules)


def _in_scope(rule: PolicyRule, cell: Bindings) -> bool:
    data = rule.data
    agent = (("Remit::Agent", cell.agent), ("Remit::Department", cell.department))
    return (
        _matches(data["principal"], agent)
        and _matches(data["action"], (("Remit::Action", cell.action),))
        and _matches(data["resource"], (("Remit::System", cell.system),))
    )


def _matches(scope: Mapping[str, Any], entity: tuple[tuple[str, str], ...]) -> bool:
    """Say whether ``scope`` covers ``entity``: itself first, then what it is in."""
    operator = scope["op"]
    if operator == "==":
        return _uid(scope["entity"]) == entity[0]
    if operator == "in":
        wanted = scope["entities"] if "entities" in scope else [scope["entity"]]
        return any(_uid(one) in entity for one in wanted)
    if operator == "is":
        inside = scope.get("in")
        return scope["entity_type"] == entity[0][0] and (inside is None or _uid(inside["entity"]) in entity)
    return True


def _uid(entity: Mapping[str, str]) -> tuple[str, str]:
    return entity["type"], entity["id"]


def _fires(rule: PolicyRule, cell: Bindings) -> object:
    """True or False when the rule's condition is the same for every request of ``cell``, else UNKNOWN."""
    answer: object = True
    for condition in rule.data["conditions"]:
        value = fold(condition["body"], cell)
        if value is (condition["kind"] == "unless"):
            return False
        if not isinstance(value, bool):
            answer = value
    return answer


def _out_of_reach(rule: PolicyRule, cells: Sequence[Bindings]) -> Finding:
    known = {
        "Remit::Agent": {cell.agent for cell in cells},
        "Remit::Department": {cell.department for cell in cells},
        "Remit::System": {cell.system for cell in cells},
        "Remit::Action": {cell.action for cell in cells},
    }
    for part in ("principal", "action", "resource"):
        for kind, name in _entities_in(rule.data[part]):
            if name not in known.get(kind, set()):
                word = kind.removeprefix("Remit::").lower()
                what = f"never fires: no manifest has the {word} {name!a:.80}"
                return rule.finding(what, "correct the name", "warning")
    what = "never fires: no agent has this action on this system"
    return rule.finding(what, "compare the rule's scope with the manifests", "warning")


def _entities_in(scope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in (scope.get("entity"), scope.get("in", {}).get("entity"), *scope.get("entities", ())):
        if one is not None:
            yield _uid(one)


def _undeclared(rule: PolicyRule, reached: Sequence[Bindings]) -> Iterator[Finding]:
    """``has`` on a name that nobody has is false for ever: a forbid with a typing error would never fire."""
    for path in sorted(rule.paths):
        if not path or any(cell.declares(path) != "absent" for cell in reached):
            continue
        what = f"rule {rule.id}: no action in its scope has context.{'.'.join(path)}"
        at = reached[0].context
        for name in path[:-1]:
            at = at.get("attributes", {}).get(name, {})
        names = ", ".join(sorted(at.get("attributes", {}))) or "nothing"
        yield rule.statement.finding(rule.statement.offset_of(path[-1]), what, f"known there: {names}"[:300])


def _shadowed(rules: Sequence[PolicyRule], cells: Sequence[Bindings], reach: _Reach) -> list[Finding]:
    blocks = [
        (rule, frozenset(index for index in reach[rule.id] if _fires(rule, cells[index]) is True))
        for rule in rules
        if rule.effect == "forbid"
    ]
    found = []
    for rule in rules:
        if rule.effect == "forbid" or not reach[rule.id]:
            continue
        block = next((block for block, covered in blocks if reach[rule.id] <= covered), None)
        if block is not None:
            what = f"never makes a difference: rule {block.id} forbids everything it covers"
            found.append(rule.finding(what, "remove one of them", "warning"))
    return found


def _doubled(rules: Sequence[PolicyRule]) -> list[Finding]:
    found = []
    first: dict[str, PolicyRule] = {}
    for rule in rules:
        form = {key: value for key, value in rule.data.items() if key != "annotations"}
        approvers = [[ask.role, ask.count] for ask in rule.approvers]
        other = first.setdefault(json.dumps([rule.effect, approvers, form], sort_keys=True), rule)
        if other is not rule:
            what = f"says the same as rule {other.id}"
            found.append(rule.finding(what, "remove one of them", "warning"))
    return found
