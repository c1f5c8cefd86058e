"""Which JSON Schemas may describe an action's arguments, and how their bounds are filled in.

Closed objects, strings, whole numbers, booleans, enumerations and lists of these. What is refused cannot be
judged: fractions (no exact form), open objects (unknown keys would reach the system unseen), references
(unbounded depth).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from remit.canonical import INTEGER_MAX
from remit.document import Document, PathKey, compile_schema
from remit.errors import BadInput, Finding

__all__ = ["ARGUMENT_NAME", "argument_findings", "with_bounds"]

ARGUMENT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
DEPTH_MAX: Final = 4
TEXT_MAX: Final = 1000
TEXT_CEILING: Final = 100_000
ITEMS_MAX: Final = 100
ITEMS_CEILING: Final = 1000
_NOTES: Final = frozenset({"title", "description"})
_FORMATS: Final = ("date", "date-time", "email", "uri", "uuid")
_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"type", "required", "properties", "additionalProperties"}) | _NOTES,
    "string": frozenset({"type", "maxLength", "minLength", "pattern", "enum", "const", "format"}) | _NOTES,
    "integer": frozenset({"type", "minimum", "maximum", "multipleOf", "enum", "const"}) | _NOTES,
    "boolean": frozenset({"type", "const"}) | _NOTES,
    "array": frozenset({"type", "items", "maxItems", "minItems", "uniqueItems"}) | _NOTES,
}
_WHY: Final[Mapping[str, str]] = {
    "number": "use type: integer with minor units or basis points",
    "$ref": "write the schema out",
    "default": "remit fills nothing in; let the agent send it",
    "patternProperties": "name every argument",
}


def argument_findings(document: Document, path: PathKey, schema: object) -> list[Finding]:
    """Say everything that keeps ``schema``, found at ``path``, from describing arguments."""
    if not isinstance(schema, Mapping):
        return []
    if schema.get("type", "object") != "object":
        return [document.finding((*path, "type"), f"arguments are an object: got {schema.get('type')!r:.60}")]
    found: list[Finding] = []
    _walk(document, path, {"type": "object", **schema}, 0, found)
    if not found:
        try:
            compile_schema(with_bounds(schema))
        except BadInput as error:
            found.append(document.finding(path, str(error)))
    return found


def _walk(document: Document, path: PathKey, schema: object, depth: int, found: list[Finding]) -> None:
    if not isinstance(schema, Mapping):
        found.append(document.finding(path, f"a schema is a mapping: got {type(schema).__name__}"))
        return
    kind = _kind(schema)
    if kind not in _KEYS:
        advice = _WHY.get(
            str(kind), "known: object, string, integer, boolean, array, or enum of texts or whole numbers"
        )
        found.append(document.finding((*path, "type"), f"this type is not taken: {kind!r:.60}", advice))
        return
    for key in schema:
        if key not in _KEYS[kind]:
            advice = _WHY.get(key, f"known here: {', '.join(sorted(_KEYS[kind]))}")
            found.append(document.finding((*path, key), f"{key!r:.60} is not taken for {kind}", advice))
    if kind == "object":
        _walk_object(document, path, schema, depth, found)
    elif kind == "array":
        _bound(document, path, schema, "maxItems", ITEMS_CEILING, found)
        if depth >= DEPTH_MAX:
            found.append(document.finding(path, f"nested deeper than {DEPTH_MAX} levels"))
        elif "items" not in schema:
            found.append(document.finding(path, "a list without `items` is open", "say what it holds"))
        else:
            _walk(document, (*path, "items"), schema["items"], depth + 1, found)
    elif kind == "string":
        _bound(document, path, schema, "maxLength", TEXT_CEILING, found)
        if schema.get("format", "uuid") not in _FORMATS:
            found.append(
                document.finding((*path, "format"), "this format is not checked", f"known: {', '.join(_FORMATS)}")
            )
    elif kind == "integer":
        for key in ("minimum", "maximum", "multipleOf"):
            if not _whole(schema.get(key, 1)):
                found.append(document.finding((*path, key), f"{key} is not a whole number within 2**53 - 1"))


def _walk_object(
    document: Document, path: PathKey, schema: Mapping[str, Any], depth: int, found: list[Finding]
) -> None:
    if depth >= DEPTH_MAX:
        found.append(document.finding(path, f"nested deeper than {DEPTH_MAX} levels"))
        return
    if schema.get("additionalProperties", False) is not False:
        found.append(document.finding((*path, "additionalProperties"), "an open object is not taken", "write `false`"))
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        found.append(document.finding((*path, "properties"), "`properties` is a mapping of names to schemas"))
        return
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        found.append(document.finding((*path, "required"), "`required` is a list of names"))
    else:
        for index, name in enumerate(required):
            if name not in properties:
                known = f"known: {', '.join(sorted(properties))}"
                found.append(document.finding((*path, "required", index), f"no such argument: {name!r:.60}", known))
    for name, item in properties.items():
        if not ARGUMENT_NAME.fullmatch(name):
            found.append(
                document.finding(
                    (*path, "properties", name),
                    f"not a name for an argument: {name!r:.60}",
                    "a letter, then letters, digits and _",
                )
            )
        _walk(document, (*path, "properties", name), item, depth + 1, found)


def _kind(schema: Mapping[str, Any]) -> str:
    """The one type of what ``schema`` describes; of an enumeration without type, the type of its members."""
    if "type" in schema:
        kind = schema["type"]
        members = schema.get("enum")
        if members is None or not isinstance(kind, str):
            return kind if isinstance(kind, str) else str(kind)
        return kind if _members(members) == kind else f"enum of {_members(members)} with type {kind}"
    if "enum" in schema:
        return _members(schema["enum"])
    return "absent"


def _members(members: object) -> str:
    if not isinstance(members, list) or not members:
        return "empty enum"
    if all(isinstance(member, str) for member in members):
        return "string"
    if all(_whole(member) for member in members):
        return "integer"
    return "mixed enum"


def _whole(value: object) -> bool:
    return type(value) is int and -INTEGER_MAX <= value <= INTEGER_MAX


def _bound(
    document: Document, path: PathKey, schema: Mapping[str, Any], key: str, ceiling: int, found: list[Finding]
) -> None:
    value = schema.get(key, 0)
    if type(value) is not int or not 0 <= value <= ceiling:
        found.append(document.finding((*path, key), f"{key} is a whole number up to {ceiling}: got {value!r:.40}"))


def with_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``schema`` with every bound written out; it must have no findings.

    Objects are closed, strings without enumeration get ``maxLength`` 1000, lists ``maxItems`` 100.
    """
    result: dict[str, Any] = {key: value for key, value in schema.items() if key not in _NOTES}
    kind = result["type"] = _kind(schema) if ("type" in schema or "enum" in schema) else "object"
    if kind == "object":
        properties = schema.get("properties", {})
        result["properties"] = {name: with_bounds(item) for name, item in properties.items()}
        result["required"] = list(schema.get("required", []))
        result["additionalProperties"] = False
    elif kind == "array":
        result.setdefault("maxItems", ITEMS_MAX)
        result["items"] = with_bounds(schema["items"])
    elif kind == "string" and "enum" not in schema and "const" not in schema:
        result.setdefault("maxLength", TEXT_MAX)
    return result
