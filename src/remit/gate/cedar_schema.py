"""The Cedar schema of a company, made from its manifests, and the small part of it that one action needs.

Cedar's JSON form, namespace ``Remit``. The whole schema is what rules are validated against and what is
recorded. At run time only what the rules of an action read is sent and declared: a request is still checked
against exact types, and costs less than half (measured: 58 us for the whole nested context, 17 to 26 us for a
small one).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from remit.errors import Finding
from remit.manifest.grant import ActionGrant, FactNeed, Manifest

__all__ = ["action_context", "cedar_schema", "narrow_schema"]

_LONG: Final = {"type": "Long"}
_TEXTS: Final = {"type": "Set", "element": {"type": "String"}}
_FACT_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"type": "String"},
    "integer": _LONG,
    "boolean": {"type": "Boolean"},
    "texts": _TEXTS,
}
_ARGUMENT_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"type": "String"},
    "integer": _LONG,
    "boolean": {"type": "Boolean"},
}
_ENTITIES: Final = {"Agent": {"memberOfTypes": ["Department"]}, "Department": {}, "System": {}}
_Types = dict[str, dict[str, Any]]


def cedar_schema(manifests: Iterable[Manifest]) -> tuple[dict[str, Any], list[Finding]]:
    """The schema that covers every action of ``manifests``, and what two agents cannot agree on.

    An action that several agents have is one action to Cedar: an argument or fact is required where all of
    them require it, and must be of one type.
    """
    contexts: dict[str, dict[str, Any]] = {}
    found: list[Finding] = []
    for manifest in manifests:
        for name, grant in manifest.actions.items():
            context = _context(grant)
            if name in contexts:
                where = f"{name} of agent {manifest.agent}"
                context = _merged(contexts[name], context, where, manifest.file, found)
            contexts[name] = context
    return _schema(contexts), found


def action_context(schema: Mapping[str, Any], action: str) -> Mapping[str, Any] | None:
    """The type of the context of ``action``; None when the schema has no such action."""
    known = schema["Remit"]["actions"].get(action)
    return None if known is None else known["appliesTo"]["context"]


def narrow_schema(action: str, context: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """The schema of ``action`` alone, with only the attributes on ``paths`` in its context."""
    attributes = context["attributes"]
    wanted: dict[str, set[str] | None] = {}
    for path in paths:
        if not path:
            wanted = dict.fromkeys(attributes)
            break
        if len(path) == 1 or attributes.get(path[0], {}).get("type") != "Record":
            wanted[path[0]] = None
            continue
        names = wanted.setdefault(path[0], set())
        if names is not None:
            names.add(path[1])
    kept = {
        name: type_ if wanted[name] is None else _only(type_, wanted[name] or set())
        for name, type_ in attributes.items()
        if name in wanted
    }
    return _schema({action: _record(kept)})


def _only(record: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    attributes = {name: type_ for name, type_ in record["attributes"].items() if name in names}
    return {**record, "attributes": attributes}


def _schema(contexts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    actions = {
        name: {"appliesTo": {"principalTypes": ["Agent"], "resourceTypes": ["System"], "context": context}}
        for name, context in contexts.items()
    }
    return {"Remit": {"entityTypes": _ENTITIES, "actions": actions}}


def _context(grant: ActionGrant) -> dict[str, Any]:
    attributes: _Types = {
        "arguments": _argument_type(grant.arguments),
        "facts": _record({need.name: _fact_type(need) for need in grant.facts}),
        "approvals": dict(_TEXTS),
        "stale": dict(_TEXTS),
        "missing": dict(_TEXTS),
        "now": dict(_LONG),
        "hour": dict(_LONG),
        "weekday": dict(_LONG),
        "confidence_bp": {**_LONG, "required": False},
    }
    if grant.amount is not None:
        attributes["amount_minor"] = {**_LONG, "required": False}
    return _record(attributes)


def _record(attributes: _Types) -> dict[str, Any]:
    return {"type": "Record", "attributes": attributes}


def _fact_type(need: FactNeed) -> dict[str, Any]:
    return {**_FACT_TYPES[need.type], "required": False}


def _argument_type(schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = schema["type"]
    if kind == "object":
        required = schema["required"]
        attributes: _Types = {}
        for name, item in schema["properties"].items():
            type_ = _argument_type(item)
            attributes[name] = type_ if name in required else {**type_, "required": False}
        return _record(attributes)
    if kind == "array":
        return {"type": "Set", "element": _argument_type(schema["items"])}
    return dict(_ARGUMENT_TYPES[kind])


def _merged(
    one: Mapping[str, Any], other: Mapping[str, Any], where: str, file: str, found: list[Finding]
) -> dict[str, Any]:
    """The record type that both fit; what is in one of them only, or optional in one, is optional."""
    attributes: _Types = {}
    first, second = one["attributes"], other["attributes"]
    for name in [*first, *(name for name in second if name not in first)]:
        mine, theirs = first.get(name), second.get(name)
        if mine is None or theirs is None:
            attributes[name] = {**(mine or theirs), "required": False}
            continue
        optional = not (mine.get("required", True) and theirs.get("required", True))
        if mine["type"] == theirs["type"] == "Record":
            type_ = _merged(mine, theirs, f"{where}: {name}", file, found)
        else:
            type_ = _bare(mine)
            if type_ != _bare(theirs):
                what = f"{where}: {name} is {_word(theirs)}, and {_word(mine)} for another agent"
                found.append(Finding(file, 0, 0, what, "one action has one form: rename one of the two"))
        attributes[name] = {**type_, "required": False} if optional else type_
    return _record(attributes)


def _bare(type_: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in type_.items() if key != "required"}


def _word(type_: Mapping[str, Any]) -> str:
    return f"Set of {_word(type_['element'])}" if type_["type"] == "Set" else str(type_["type"])
