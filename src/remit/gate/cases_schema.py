"""The form of *.cases.yaml, as JSON Schema (2020-12)."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CASES_SCHEMA"]

_VALUE: Final = {"type": ["string", "integer", "boolean", "array"]}
_ROLE_COUNT: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(:[1-9])?$"}
_FACT: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "value": _VALUE,
        "age": {"type": "string", "pattern": "^[0-9]{1,6}[smhdw]$"},
        "problem": {"type": "string", "maxLength": 200},
    },
}
_HALT: Final = "^(everything|(department|agent|version|action|system|entity):.{1,300})$"
_CASE: Final = {
    "type": "object",
    "required": ["name", "agent", "action", "expect"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "agent": {"type": "string", "maxLength": 100},
        "action": {"type": "string", "maxLength": 100},
        "arguments": {"type": "object"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "facts": {"type": "object", "additionalProperties": {"anyOf": [_VALUE, _FACT]}},
        "used": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        "approvals": {"type": "array", "items": _ROLE_COUNT, "maxItems": 20},
        "halts": {"type": "array", "items": {"type": "string", "pattern": _HALT}, "maxItems": 20},
        "claims": {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": 20},
        "done": {"type": "boolean"},
        "now": {"type": "string", "maxLength": 40},
        "expect": {
            "type": "object",
            "required": ["verdict"],
            "additionalProperties": False,
            "properties": {
                "verdict": {"enum": ["allow", "escalate", "deny"]},
                "rule": {"type": "string", "maxLength": 300},
                "asks": {"type": "array", "items": _ROLE_COUNT, "maxItems": 20},
            },
        },
    },
}
CASES_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["cases"],
    "additionalProperties": False,
    "properties": {"cases": {"type": "array", "minItems": 1, "maxItems": 2000, "items": _CASE}},
}
