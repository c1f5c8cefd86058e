"""As much of the Open Data Contract Standard (v3) as must hold for a document to be read at all, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["ODCS_SCHEMA"]

_TEXT: Final = {"type": ["string", "null"]}
_TRUTH: Final = {"type": ["boolean", "null"]}
_OBJECTS: Final = {"type": ["array", "null"], "items": {"type": "object"}, "maxItems": 1_000}
_RULES: Final = {
    **_OBJECTS,
    "items": {
        "type": "object",
        "properties": {
            "metric": _TEXT,
            "rule": _TEXT,
            "type": _TEXT,
            "arguments": {
                "type": ["object", "null"],
                "properties": {
                    "validValues": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}},
                    "properties": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
_PROPERTY: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "physicalName": _TEXT,
        "logicalType": _TEXT,
        "classification": _TEXT,
        "primaryKey": _TRUTH,
        "primaryKeyPosition": {"type": ["integer", "null"]},
        "required": _TRUTH,
        "unique": _TRUTH,
        "logicalTypeOptions": {
            "type": ["object", "null"],
            "properties": {
                "pattern": {"type": "string"},
                "format": {"type": "string"},
                "minLength": {"type": "integer", "minimum": 0},
                "maxLength": {"type": "integer", "minimum": 0},
            },
        },
        "enum": _OBJECTS,
        "quality": _RULES,
        "relationships": _OBJECTS,
        "customProperties": _OBJECTS,
    },
}
_TABLE: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "physicalName": _TEXT,
        "properties": {"type": ["array", "null"], "maxItems": 1_000, "items": _PROPERTY},
        "quality": _RULES,
        "relationships": _OBJECTS,
        "customProperties": _OBJECTS,
    },
}
_SERVICE: Final = {"type": "object", "required": ["property"], "properties": {"element": _TEXT, "unit": _TEXT}}
ODCS_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["apiVersion", "kind", "schema"],
    "properties": {
        "apiVersion": {"type": "string", "pattern": "^v3[.]"},
        "kind": {"const": "DataContract"},
        "id": {"type": "string"},
        "name": _TEXT,
        "domain": _TEXT,
        "servers": {**_OBJECTS, "items": {"type": "object", "properties": {"type": _TEXT, "format": _TEXT}}},
        "slaProperties": {**_OBJECTS, "items": _SERVICE},
        "customProperties": _OBJECTS,
        "schema": {"type": "array", "minItems": 1, "maxItems": 200, "items": _TABLE},
    },
}
