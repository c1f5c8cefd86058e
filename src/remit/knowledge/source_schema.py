"""The form of ``sources/*.yaml``, as JSON Schema (2020-12). What a schema cannot say is in `source_check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.connectors.source_kinds import SourceKind

__all__ = ["HEAD_SCHEMA", "KIND_WORDS", "TRUST_WORDS", "source_schema"]

KIND_WORDS: Final = ("text", "integer", "money", "decimal", "boolean", "date", "moment")
TRUST_WORDS: Final = ("high", "normal", "low", "untrusted")

_PLACE_NAME: Final = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"
_FACT_NAME: Final = "^[A-Za-z][A-Za-z0-9_]{0,63}$"
_CLASS: Final = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,31}$"}
_COLUMN: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_COLUMNS: Final = {**_COLUMN, "type": ["string", "array"], "items": _COLUMN, "minItems": 1, "uniqueItems": True}
_WORD: Final = {"type": "string", "maxLength": 60}
_FACT_NAMES: Final = {"type": "array", "items": {"type": "string"}, "maxItems": 500, "uniqueItems": True}
_SCALAR: Final = {"type": ["string", "integer", "number", "boolean"]}
_BOUND: Final = {"type": ["number", "null"]}
_PAIR: Final = {"type": "array", "items": _BOUND, "minItems": 2, "maxItems": 2}
_ROWS: Final = {"type": ["integer", "null"], "minimum": 0}


def _closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": list(required),
    }


def _named(pattern: str, of: Mapping[str, Any], at_most: int, at_least: int = 0) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": pattern},
        "additionalProperties": of,
        "minProperties": at_least,
        "maxProperties": at_most,
    }


_FACT: Final = {
    **_closed(
        {
            "from": _COLUMN,
            "kind": _WORD,
            "form": {"type": "string", "minLength": 2, "maxLength": 60},
            "required": {"type": "boolean"},
            "unique": {"type": "boolean"},
            "see": _CLASS,
            "match": _WORD,
            "pattern": {"type": "string", "minLength": 1},
            "one_of": {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": 1_000},
            "range": _PAIR,
            "about": {"type": "string", "minLength": 1, "maxLength": 200},
        }
    ),
    "type": ["object", "string", "null"],
    "minLength": 1,
    "maxLength": 200,
}
"""A fact: the text alone is its column; nothing at all is the column of its own name."""

_LINK: Final = _closed(
    {
        "to": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}[.][A-Za-z][A-Za-z0-9_-]{0,63}$"},
        "by": _COLUMN,
        "see": _CLASS,
        "required": {"type": "boolean"},
    },
    "to",
    "by",
)
_TABLE: Final[Mapping[str, Any]] = {
    "is": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"},
    "key": {**_COLUMNS, "maxItems": 20},
    "changed": _COLUMN,
    "deleted": _COLUMN,
    "observed": _COLUMN,
    "valid": {**_closed({"from": _COLUMN, "to": _COLUMN}), "minProperties": 1},
    "fresh": _WORD,
    "facts": _named(_FACT_NAME, _FACT, 1_000),
    "links": _named(_FACT_NAME, _LINK, 100),
    "depends": _named("^.{1,200}$", {**_COLUMNS, "maxItems": 200}, 100),
    "unique": _FACT_NAMES,
    "documents": _FACT_NAMES,
    "volume": {"type": "array", "items": _ROWS, "minItems": 2, "maxItems": 2},
    "see": _CLASS,
}

HEAD_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["source", "connect"],
    "properties": {
        "source": {"type": "string", "pattern": _PLACE_NAME},
        "connect": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
    },
}
"""What must be right before the rest can be looked at: which kind of source it is."""


def source_schema(kind: SourceKind) -> dict[str, Any]:
    """Return the schema of a whole file whose source is of ``kind``."""
    of_table = kind.table_schema.get("properties", {})
    of_connect = kind.connect_schema.get("properties", {})
    needed = [key for key in kind.table_schema.get("required", ()) if key not in of_connect]
    table = _closed({**of_table, **_TABLE}, "is", "key", *needed)
    connect = {
        **kind.connect_schema,
        "properties": {"kind": {"type": "string"}, **of_connect},
        "required": ["kind", *kind.connect_schema.get("required", ())],
    }
    return _closed(
        {
            "source": {"type": "string", "pattern": _PLACE_NAME},
            "department": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},
            "trust": {"enum": list(TRUST_WORDS)},
            "zone": {"type": "string", "maxLength": 60},
            "connect": connect,
            "tables": _named(_PLACE_NAME, table, 200, at_least=1),
        },
        "source",
        "department",
        "connect",
        "tables",
    )
