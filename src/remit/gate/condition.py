"""What can be known of a rule's condition without any request: what it reads, and whether it is constant.

Conditions are Cedar's JSON: ``{"&&": {"left": ..., "right": ...}}``, ``{"has": {"left": ..., "attr": ...}}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["UNKNOWN", "Bindings", "depth_of", "fold", "paths_read", "roles_tested"]

_Path = tuple[str, ...]


class _Unknown:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""The value of an expression that depends on the request."""


@dataclass(frozen=True, slots=True)
class Bindings:
    """What is known of the requests of one agent for one action: who, what, where, and the context's type."""

    agent: str
    department: str
    action: str
    system: str
    context: Mapping[str, Any]
    """Cedar's JSON type of the context: a Record."""

    def entity(self, name: str) -> object:
        """The entity that the variable ``name`` stands for; UNKNOWN for the context."""
        kinds = {
            "principal": ("Remit::Agent", self.agent),
            "action": ("Remit::Action", self.action),
            "resource": ("Remit::System", self.system),
        }
        return ("entity", *kinds[name]) if name in kinds else UNKNOWN

    def declares(self, path: _Path) -> str:
        """``required``, ``optional`` or ``absent``: whether the context has the attribute at ``path``."""
        at, state = self.context, "required"
        for name in path:
            attribute = at.get("attributes", {}).get(name)
            if attribute is None:
                return "absent"
            if not attribute.get("required", True):
                state = "optional"
            at = attribute
        return state


def _walk_of(expression: object) -> _Path | None:
    """The attributes from ``context`` on that ``expression`` walks; None when it is not such a walk."""
    if not isinstance(expression, dict):
        return None
    if expression.get("Var") == "context":
        return ()
    step = expression.get(".")
    if isinstance(step, dict):
        start = _walk_of(step["left"])
        return None if start is None else (*start, step["attr"])
    return None


def paths_read(expression: object) -> Iterator[_Path]:
    """Every walk from ``context`` in ``expression``, also where it only asks whether one is there."""
    walk = _walk_of(expression)
    if walk is not None:
        yield walk
        return
    if isinstance(expression, list):
        for item in expression:
            yield from paths_read(item)
        return
    if not isinstance(expression, dict) or "Value" in expression:
        return
    test = expression.get("has")
    if isinstance(test, dict):
        start = _walk_of(test["left"])
        if start is not None:
            yield (*start, test["attr"])
            return
    for item in expression.values():
        yield from paths_read(item)


def roles_tested(expression: object) -> Iterator[str]:
    """The roles in every ``context.approvals.contains("role")``."""
    if isinstance(expression, list):
        for item in expression:
            yield from roles_tested(item)
    elif isinstance(expression, dict):
        test = expression.get("contains")
        if isinstance(test, dict) and _walk_of(test["left"]) == ("approvals",):
            role = test["right"].get("Value") if isinstance(test["right"], dict) else None
            if isinstance(role, str):
                yield role
        for item in expression.values():
            yield from roles_tested(item)


def depth_of(expression: object) -> int:
    """How deep ``expression`` nests, counted without recursion."""
    deepest, pending = 0, [(expression, 0)]
    while pending:
        item, depth = pending.pop()
        deepest = max(deepest, depth)
        if isinstance(item, dict):
            pending += [(below, depth + 1) for below in item.values()]
        elif isinstance(item, list):
            pending += [(below, depth + 1) for below in item]
    return deepest


def fold(expression: Mapping[str, Any], known: Bindings) -> object:
    """The value of ``expression`` when it is one for every request that ``known`` allows, else UNKNOWN.

    Entities are tuples ``("entity", type, id)``, sets are frozensets.
    """
    operator, operands = next(iter(expression.items()))
    match operator:
        case "Value":
            return _literal(operands)
        case "Var":
            return known.entity(operands)
        case "Set":
            items = [fold(item, known) for item in operands]
            return UNKNOWN if UNKNOWN in items else frozenset(items)
        case "has":
            start = _walk_of(operands["left"])
            state = "optional" if start is None else known.declares((*start, operands["attr"]))
            return {"absent": False, "required": True}.get(state, UNKNOWN)
        case "if-then-else":
            return _fold_if(operands, known)
        case "!" | "neg" | "isEmpty":
            return _fold_one(operator, fold(operands["arg"], known))
    if isinstance(operands, dict) and "left" in operands and "right" in operands:
        return _fold_two(operator, operands, known)
    return UNKNOWN


def _literal(value: object) -> object:
    if isinstance(value, dict):
        entity = value.get("__entity")
        return ("entity", entity["type"], entity["id"]) if isinstance(entity, dict) else UNKNOWN
    return value if isinstance(value, bool | int | str) else UNKNOWN


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _fold_if(operands: Mapping[str, Any], known: Bindings) -> object:
    test = fold(operands["if"], known)
    if isinstance(test, bool):
        return fold(operands["then" if test else "else"], known)
    one, other = fold(operands["then"], known), fold(operands["else"], known)
    return one if _same(one, other) else UNKNOWN


def _fold_one(operator: str, value: object) -> object:
    if operator == "!" and isinstance(value, bool):
        return not value
    if operator == "neg" and type(value) is int:
        return -value
    if operator == "isEmpty" and isinstance(value, frozenset):
        return not value
    return UNKNOWN


def _fold_two(operator: str, operands: Mapping[str, Any], known: Bindings) -> object:
    left, right = fold(operands["left"], known), fold(operands["right"], known)
    if operator in ("&&", "||"):
        decisive = operator == "||"
        if left is decisive or right is decisive:
            return decisive
        return not decisive if isinstance(left, bool) and isinstance(right, bool) else UNKNOWN
    if operator in ("==", "!="):
        if operands["left"] == operands["right"]:
            return operator == "=="
        return UNKNOWN if UNKNOWN in (left, right) else _same(left, right) is (operator == "==")
    if type(left) is int and type(right) is int:
        return _fold_numbers(operator, left, right)
    if operator == "in" and isinstance(left, tuple) and isinstance(right, tuple):
        mine = ("entity", "Remit::Agent", known.agent)
        home = ("entity", "Remit::Department", known.department)
        return left == right or (left == mine and right == home)
    return _fold_sets(operator, left, right)


def _fold_numbers(operator: str, left: int, right: int) -> object:
    match operator:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return UNKNOWN


def _fold_sets(operator: str, left: object, right: object) -> object:
    if not isinstance(left, frozenset):
        return UNKNOWN
    if operator == "contains" and right is not UNKNOWN:
        return right in left
    if isinstance(right, frozenset) and operator == "containsAll":
        return right <= left
    if isinstance(right, frozenset) and operator == "containsAny":
        return bool(right & left)
    return UNKNOWN
