"""What may be sent to the API: one JSON Schema a body, all of them closed, and the one way to read them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from remit.canonical import parse
from remit.document import compile_schema
from remit.errors import BadInput
from remit.faces.person import PERSON_SCHEMA, person_named
from remit.faces.proposal import PROPOSAL_SCHEMA

__all__ = ["BODIES", "ERROR_SCHEMA", "plain", "read_body"]

_TEXT: Final = {"type": "string", "maxLength": 2000}
_NAME: Final = {"type": "string", "maxLength": 200}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


BODIES: Final[dict[str, dict[str, Any]]] = {
    "proposal": PROPOSAL_SCHEMA,
    "answer": _closed(
        ["person", "verdict"],
        person=PERSON_SCHEMA,
        verdict={"enum": ["approve", "reject"]},
        role=_NAME,
        why=_TEXT,
        seconds={"type": "integer", "minimum": 0, "maximum": 604_800, "description": "how long the person took"},
    ),
    "edit": _closed(
        ["person", "changed", "why"],
        person=PERSON_SCHEMA,
        changed={"type": "object", "minProperties": 1, "description": "arguments that change, by name"},
        why=_TEXT,
        role=_NAME,
    ),
    "settlement": _closed(["person", "done", "why"], person=PERSON_SCHEMA, done={"type": "boolean"}, why=_TEXT),
    "halt": _closed(["person", "scope", "why"], person=PERSON_SCHEMA, scope=_NAME, why=_TEXT),
    "own_answer": _closed(
        ["person", "own"],
        person=PERSON_SCHEMA,
        own={"type": "object", "minProperties": 1, "description": "your own values of the agent's answer, by name"},
    ),
    "review": _closed(
        ["person", "right"],
        person=PERSON_SCHEMA,
        right={"type": ["boolean", "null"], "description": "null when the person cannot tell"},
        why=_TEXT,
        own={"type": "object", "description": "the person's own answer, where the case is reviewed blind"},
        seconds={
            "type": "integer",
            "minimum": 0,
            "maximum": 604_800,
            "description": "how long it took; measured when absent",
        },
    ),
    "outcome": _closed(
        ["action", "right", "said_by"],
        action=_NAME,
        right={"type": ["boolean", "null"], "description": "null when it cannot be judged, which is not wrong"},
        said_by=PERSON_SCHEMA,
        matured_at={"type": "string", "format": "date-time", "description": "now when absent"},
        value={"type": "object"},
    ),
}
"""The bodies by name."""

ERROR_SCHEMA: Final = {
    "type": "object",
    "required": ["error", "what", "advice"],
    "properties": {"error": {"type": "string"}, "what": {"type": "string"}, "advice": {"type": "string"}},
}
"""What every answer that is no success holds."""


@cache
def _check(name: str) -> Callable[[object], str | None]:
    return compile_schema(BODIES[name])


def read_body(name: str, raw: bytes) -> dict[str, Any]:
    """Read the body called ``name``.

    Raises:
        BadInput: as `canonical.parse` does, or it is not of its schema's form.
    """
    value = parse(raw)
    problem = _check(name)(value)
    if problem is not None:
        raise BadInput(f"{name}: {problem}")
    assert isinstance(value, dict)
    for key in ("person", "said_by"):
        if key in value:
            person_named(str(value[key]))
    return value


def plain(name: str, text: str) -> str:
    """Return ``text`` from a path or a query when it can be looked for.

    Raises:
        BadInput: longer than 200 characters, or not printable.
    """
    if len(text) > 200 or not text.isprintable():
        raise BadInput(f"{name}: got {text!r:.60}, expected at most 200 printable characters")
    return text
