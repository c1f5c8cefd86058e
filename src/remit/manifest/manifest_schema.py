"""The form of agents/*.yaml, as JSON Schema (2020-12). What a schema cannot say is in `crosscheck`."""

from __future__ import annotations

from typing import Any, Final

from remit.manifest.autonomy import AUTONOMY_SCHEMA

__all__ = ["AGENT_NAME", "MANIFEST_SCHEMA", "PERSON_NAME", "ROLE_NAME"]

AGENT_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
PERSON_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,99}$"
ROLE_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_ACTION_NAME: Final = "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"
_ARGUMENT_NAME: Final = "^[A-Za-z][A-Za-z0-9_]{0,63}$"
_DURATION: Final = "^[0-9]{1,6}[smhdw]$"

_AGENT: Final = {"type": "string", "pattern": AGENT_NAME}
_PERSON: Final = {"type": "string", "pattern": PERSON_NAME}
_ROLE: Final = {"type": "string", "pattern": ROLE_NAME}
_ARGUMENT: Final = {"type": "string", "pattern": _ARGUMENT_NAME}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 1000}
_INTEGER: Final = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}


def _closed(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _named(pattern: str, of: dict[str, Any], at_most: int) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": pattern},
        "additionalProperties": of,
        "maxProperties": at_most,
    }


_FACT: Final = _closed(
    ["type"],
    {
        "about": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,99}/", "maxLength": 200},
        "get": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,63}([.][A-Za-z][A-Za-z0-9_]{0,63}){0,2}$"},
        "read": {
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}[.][A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
        },
        "absent": _closed(
            ["in", "means"],
            {
                "in": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}[.][A-Za-z][A-Za-z0-9_-]{0,63}$"},
                "means": {"type": ["string", "integer", "boolean"]},
            },
        ),
        "with": _named(_ARGUMENT_NAME, {"type": ["string", "integer", "boolean"]}, 20),
        "type": {"enum": ["text", "integer", "boolean", "texts"]},
        "fresh": {"type": "string", "pattern": _DURATION},
        "stale": {"enum": ["deny", "escalate", "allow", "refresh"]},
        "missing": {"enum": ["deny", "escalate", "allow"]},
        "ask": _ROLE,
    },
)
_LIMIT: Final = _closed(
    ["name", "of", "every", "at_most"],
    {
        "name": {"type": "string", "pattern": AGENT_NAME},
        "of": {"enum": ["amount", "count"]},
        "per": {"type": "array", "items": _ARGUMENT, "maxItems": 8, "uniqueItems": True},
        "every": {"enum": ["hour", "day", "week", "month", "ever"]},
        "at_most": {"anyOf": [_INTEGER, {"type": "string", "pattern": "^[$][A-Za-z][A-Za-z0-9_]{0,63}$"}]},
        "over": {"enum": ["deny", "escalate"]},
        "ask": _ROLE,
    },
)
_ACTION: Final = _closed(
    ["system", "arguments", "oversight"],
    {
        "system": _AGENT,
        "operation": {"type": "string", "pattern": _ACTION_NAME},
        "arguments": {"type": "object"},
        "personal": _named(_ARGUMENT_NAME, _TEXT, 20),
        "amount": _ARGUMENT,
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "touches": {
            "type": "array",
            "items": {**_TEXT, "maxLength": 200},
            "maxItems": 20,
            "uniqueItems": True,
        },
        "once": {"type": "array", "items": _ARGUMENT, "minItems": 1, "maxItems": 20, "uniqueItems": True},
        "facts": _named(_ARGUMENT_NAME, _FACT, 40),
        "limits": {"type": "array", "items": _LIMIT, "maxItems": 20},
        "oversight": {"enum": ["on_the_loop", "in_the_loop", "in_control", "earned"]},
        "autonomy": AUTONOMY_SCHEMA,
        "ask": _ROLE,
        "undo": {"type": "string", "pattern": _ACTION_NAME},
        "irreversible": {"type": "boolean"},
    },
)
MANIFEST_SCHEMA: Final[dict[str, Any]] = _closed(
    ["agent", "purpose", "owner", "department", "actions"],
    {
        "agent": _AGENT,
        "purpose": _TEXT,
        "owner": _PERSON,
        "deputy": _PERSON,
        "department": _AGENT,
        "built_by": {"type": "array", "items": _PERSON, "maxItems": 50, "uniqueItems": True},
        "runs": _named("^[A-Za-z][A-Za-z0-9_.-]{0,63}$", {"type": ["string", "integer", "number", "boolean"]}, 50),
        "success": _TEXT,
        "escalation": {
            "type": "array",
            "items": _closed(["role", "within"], {"role": _ROLE, "within": {"type": "string", "pattern": _DURATION}}),
            "maxItems": 10,
        },
        "confidence": _closed(
            ["at_least", "ask"], {"at_least": {"type": "number", "minimum": 0, "maximum": 1}, "ask": _ROLE}
        ),
        "promotion": _closed(["ask"], {"ask": _ROLE}),
        "knowledge": _closed(
            ["see"],
            {
                "see": {
                    "type": "array",
                    "items": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}/[A-Za-z0-9_-]{1,64}$"},
                    "maxItems": 200,
                    "uniqueItems": True,
                }
            },
        ),
        "actions": {**_named(_ACTION_NAME, _ACTION, 200), "minProperties": 1},
    },
)
