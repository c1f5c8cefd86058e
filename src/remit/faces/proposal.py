"""A proposal as it comes from outside: one JSON object, checked for its form before anything else looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from remit.canonical import canonical, parse
from remit.document import compile_schema
from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["PROPOSAL_SCHEMA", "Proposal", "proposal_of", "read_proposal"]

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}

PROPOSAL_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["agent", "action", "case", "arguments"],
    "additionalProperties": False,
    "properties": {
        "agent": _NAME,
        "action": _NAME,
        "case": _NAME,
        "arguments": {"type": "object"},
        "confidence": {
            "type": ["number", "string", "null"],
            "minimum": 0,
            "maximum": 1,
            "maxLength": 40,
            "description": "a share from 0 to 1, as a number or as text; kept to the basis point",
        },
        "reasons": {"type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 2000}},
    },
}
"""The form of a proposal, as JSON Schema."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an agent asks for, in the order in which `Control.action` takes it. ``confidence`` is a share as text."""

    agent: str
    action: str
    case: str
    arguments: Mapping[str, Json]
    confidence: str | None = None
    reasons: tuple[str, ...] = ()


@cache
def _check() -> Any:
    return compile_schema(PROPOSAL_SCHEMA)


def read_proposal(text: bytes) -> Proposal:
    """Read a proposal from JSON; ``confidence`` is the one number that may have a fraction.

    Raises:
        BadInput: as `canonical.parse` does, or it is not of the form of `PROPOSAL_SCHEMA`.
    """
    return _proposal(parse(text, fraction_at="confidence"))


def proposal_of(value: object) -> Proposal:
    """Take a proposal that an agent's function made.

    Raises:
        BadInput: it has no canonical form, or not the form of `PROPOSAL_SCHEMA`.
    """
    if not isinstance(value, dict):
        raise BadInput(f"a proposal is a dict: got {type(value).__name__}")
    confidence = value.get("confidence")
    if isinstance(confidence, float):
        value = {**value, "confidence": str(confidence)}
    canonical(value)
    return _proposal(value)


def _proposal(value: object) -> Proposal:
    problem = _check()(value)
    if problem is not None:
        raise BadInput(f"proposal: {problem}")
    assert isinstance(value, dict)
    confidence = value.get("confidence")
    return Proposal(
        value["agent"],
        value["action"],
        value["case"],
        value["arguments"],
        None if confidence is None else str(confidence),
        tuple(value.get("reasons", ())),
    )
