"""The terms on which an action's autonomy is earned, and the action by which a promotion is signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from remit.document import duration_seconds
from remit.manifest.argument_schema import with_bounds
from remit.vocabulary import Stage

__all__ = ["AUTONOMY_SCHEMA", "PROMOTE", "Autonomy", "OutcomeSource", "promote_arguments", "read_autonomy"]

PROMOTE: Final = "stage.promote"
"""The action by which an owner signs a promotion. It is in the remit of every agent that can earn autonomy."""

_SHARE: Final = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_DURATION: Final = {"type": "string", "pattern": "^[0-9]{1,6}[smhdw]$"}
_MINUTES: Final = {"type": "number", "exclusiveMinimum": 0, "maximum": 10_000}

AUTONOMY_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["promise", "matures"],
    "additionalProperties": False,
    "properties": {
        "promise": _SHARE,
        "sure": {"type": "number", "minimum": 0.5, "maximum": 0.9999},
        "starts": {"enum": ["shadow", "supervised"]},
        "class": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,63}$"},
        "matures": _DURATION,
        "deadline": _DURATION,
        "expires": _DURATION,
        "plan": {
            "type": "array",
            "items": {"type": "integer", "minimum": 20, "maximum": 1_000_000},
            "minItems": 1,
            "maxItems": 20,
        },
        "supervise_at": _SHARE,
        "review": _SHARE,
        "maintenance": _SHARE,
        "blind": {"type": "boolean"},
        "probes": {"type": "number", "minimum": 0, "maximum": 0.5},
        "minutes": {
            "type": "object",
            "required": ["manual"],
            "additionalProperties": False,
            "properties": {"manual": _MINUTES, "rework": _MINUTES},
        },
        "outcome": {
            "type": "object",
            "required": ["about", "get", "right"],
            "additionalProperties": False,
            "properties": {
                "about": {"type": "string", "minLength": 1, "maxLength": 200},
                "get": {"type": "string", "minLength": 1, "maxLength": 200},
                "right": {"type": ["string", "integer", "boolean"]},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class OutcomeSource:
    """Where the source of record says what became of a case: a fact of the graph, and the value that means right."""

    about: str
    get: str
    right: str | int | bool


@dataclass(frozen=True, slots=True)
class Autonomy:
    """The terms of one action. Shares are basis points, lengths of time seconds.

    ``promise_bp`` is the highest error rate of what passes without a person, kept with ``sure_bp``. ``class_argument``
    is the argument whose values earn separately, None for one class. An outcome counts ``matures_seconds`` after the
    deed; without one the case counts as wrong ``deadline_seconds`` after it. ``plan`` has the label counts at which the
    threshold is learned anew. ``supervise_at_bp`` is the error rate certified before a person lets it ask at all.
    ``review_bp`` is the share drawn while sampled, ``maintenance_bp`` while autonomous. ``blind``: the reviewer
    does not see the agent's answer first. ``probe_bp`` is the share of known-bad probes mixed into the queue.
    """

    promise_bp: int
    sure_bp: int
    starts: Stage
    class_argument: str | None
    matures_seconds: int
    deadline_seconds: int
    expires_seconds: int
    plan: tuple[int, ...]
    supervise_at_bp: int
    review_bp: int
    maintenance_bp: int
    blind: bool
    probe_bp: int
    manual_seconds: int | None
    rework_seconds: int | None
    outcome: OutcomeSource | None

    def class_of(self, arguments: Mapping[str, Any]) -> str:
        """Return the class of a case by its arguments; empty where all are one class or the argument is absent."""
        value = arguments.get(self.class_argument) if self.class_argument is not None else None
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int) else ""


PLAN: Final = (100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600)


def read_autonomy(value: Mapping[str, Any]) -> Autonomy:
    """Read the terms from what `AUTONOMY_SCHEMA` lets through.

    Raises:
        BadInput: a length of time that is none.
    """
    matures = duration_seconds(value["matures"])
    minutes, outcome = value.get("minutes", {}), value.get("outcome")
    return Autonomy(
        promise_bp=_basis_points(value["promise"]),
        sure_bp=_basis_points(value.get("sure", Decimal("0.95"))),
        starts=value.get("starts", "shadow"),
        class_argument=value.get("class"),
        matures_seconds=matures,
        deadline_seconds=duration_seconds(value["deadline"]) if "deadline" in value else 4 * matures + 7 * 86_400,
        expires_seconds=duration_seconds(value.get("expires", "90d")),
        plan=tuple(sorted(set(value.get("plan", PLAN)))),
        supervise_at_bp=_basis_points(value.get("supervise_at", Decimal("0.3"))),
        review_bp=_basis_points(value.get("review", Decimal("0.1"))),
        maintenance_bp=_basis_points(value.get("maintenance", Decimal("0.01"))),
        blind=value.get("blind", False),
        probe_bp=_basis_points(value.get("probes", 0)),
        manual_seconds=_seconds(minutes.get("manual")),
        rework_seconds=_seconds(minutes.get("rework")),
        outcome=None if outcome is None else OutcomeSource(outcome["about"], outcome["get"], outcome["right"]),
    )


def _basis_points(share: Decimal | int) -> int:
    return int(Decimal(share) * 10_000)


def _seconds(minutes: Decimal | int | None) -> int | None:
    return None if minutes is None else int(Decimal(minutes) * 60)


def promote_arguments(actions: Iterable[str]) -> Mapping[str, Any]:
    """Return the argument schema of `PROMOTE` for an agent whose ``actions`` can be promoted."""
    return with_bounds(
        {
            "type": "object",
            "required": ["action", "class", "to", "certificate"],
            "properties": {
                "action": {"enum": sorted(actions)},
                "class": {"type": "string", "maxLength": 200},
                "to": {"enum": ["supervised", "sampled", "autonomous"]},
                "certificate": {"type": "string", "maxLength": 64},
            },
        }
    )
