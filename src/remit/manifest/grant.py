"""What an agent has been charged with, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from remit.manifest.autonomy import Autonomy
from remit.vocabulary import Json

__all__ = [
    "ActionGrant",
    "ConfidenceRule",
    "EscalationStep",
    "FactNeed",
    "FactType",
    "Limit",
    "Manifest",
    "Oversight",
    "Remedy",
    "Window",
]

FactType = Literal["text", "integer", "boolean", "texts"]
Remedy = Literal["deny", "escalate", "allow", "refresh"]
"""What to do when a fact is stale or missing. ``refresh`` (stale only): load its source first; deny if it still is."""
Window = Literal["hour", "day", "week", "month", "ever"]
"""How long a limit counts before it starts again, by the calendar in UTC; weeks start on Monday."""
Oversight = Literal["on_the_loop", "in_the_loop", "in_control", "earned"]


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """Who is asked next, and how long they have."""

    role: str
    within_seconds: int


@dataclass(frozen=True, slots=True)
class ConfidenceRule:
    """Below ``at_least_bp`` basis points, or with none stated, the role ``ask`` decides."""

    at_least_bp: int
    ask: str


@dataclass(frozen=True, slots=True)
class FactNeed:
    """A fact that an action rests on: where to read it, how old it may be, what to do when it is not so.

    Either it is asked of a ``system`` by ``read``, or of the knowledge graph: the property ``get`` of the entity
    ``about``, where links may lead on (``country.budget``); where a whole load of the dataset ``absent_in`` has nothing
    for that entity, the value is ``absent``. ``parameters`` are literals or texts in which ``$name``
    stands for an argument. ``fresh_seconds`` None means that any age will do. ``ask`` is the role for ``escalate``.
    """

    name: str
    system: str
    read: str
    parameters: Mapping[str, Json]
    type: FactType
    fresh_seconds: int | None = None
    stale: Remedy = "deny"
    missing: Remedy = "deny"
    ask: str | None = None
    about: str = ""
    get: str = ""
    absent_in: str = ""
    absent: Json = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on what is drawn in one window by one group of actions.

    The cap is ``at_most``, or the value of the fact ``at_most_fact``; exactly one of the two is set. Amounts
    are in the action's minor units. A limit of one name is one counter, whichever actions of the agent draw
    on it.
    """

    name: str
    of: Literal["amount", "count"]
    per: tuple[str, ...]
    every: Window
    at_most: int | None
    at_most_fact: str | None
    over: Literal["deny", "escalate"] = "deny"
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class ActionGrant:
    """One action an agent may propose. ``arguments`` is a closed JSON Schema with every bound written out."""

    name: str
    system: str
    operation: str
    arguments: Mapping[str, Any]
    personal: Mapping[str, str] = field(default_factory=dict)
    amount: str | None = None
    currency: str | None = None
    touches: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    facts: tuple[FactNeed, ...] = ()
    limits: tuple[Limit, ...] = ()
    oversight: Oversight = "in_the_loop"
    ask: str | None = None
    undo: str | None = None
    irreversible: bool = False
    autonomy: Autonomy | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An agent's remit. ``digest`` covers every value of the file, so any change of it is a new version.

    ``text`` is the file as written; `load.load_manifest` makes the same manifest from it at any later time.
    """

    agent: str
    purpose: str
    owner: str
    deputy: str | None
    department: str
    built_by: tuple[str, ...]
    runs: Mapping[str, Json]
    success: str
    escalation: tuple[EscalationStep, ...]
    confidence: ConfidenceRule | None
    actions: Mapping[str, ActionGrant]
    digest: str
    text: str = field(repr=False, compare=False)
    file: str = field(compare=False)
    see: tuple[str, ...] = ()
    """Scopes of the knowledge graph that it may see, such as ``sales/internal``."""

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def version(self) -> str:
        """The first 12 hexadecimal digits of the digest."""
        return self.digest[:12]
