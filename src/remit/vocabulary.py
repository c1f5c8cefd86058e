"""The nouns of remit, each defined once, all frozen.

Money is a whole number of minor units (cents), confidence a whole number of basis points (0 to 10,000), a moment is
an aware ``datetime`` in UTC. No field is a float, so every noun has one canonical form and one digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = [
    "Action",
    "Ask",
    "Check",
    "Decision",
    "Earned",
    "Effect",
    "EffectState",
    "Event",
    "Fact",
    "Grant",
    "Halt",
    "Json",
    "Outcome",
    "Ref",
    "Reserve",
    "Review",
    "Scope",
    "ScopeKind",
    "Stage",
    "Standing",
    "Verdict",
]

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
"""What may be recorded: JSON without floats."""

Verdict = Literal["allow", "escalate", "deny"]
ScopeKind = Literal["everything", "department", "agent", "version", "action", "system", "entity"]
Stage = Literal["shadow", "supervised", "sampled", "autonomous"]
"""What an agent's version has earned for one action: from recommending only to acting alone."""
EffectState = Literal["begun", "finished", "failed", "uncertain"]


@dataclass(frozen=True, slots=True)
class Action:
    """What an agent proposes. Two equal proposals have the same digest and are one action.

    ``version`` is the manifest's fingerprint at proposal time. ``confidence_bp`` is in basis points, None when the
    agent states none. ``context_digest`` names the receipt of what the agent saw, None when there is none.
    """

    agent: str
    version: str
    name: str
    case: str
    arguments: Mapping[str, Json]
    confidence_bp: int | None = None
    reasons: tuple[str, ...] = ()
    context_digest: str | None = None
    replaces: str | None = None
    """Digest of the action that a reviewer edited into this one."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A value an action rests on, with where it came from and how old it was when it was read.

    ``value`` None means missing: the source answered and had none, or could not be asked (``problem`` says why).
    ``observed_at`` is when the value was true at its source; None when the source does not say.
    """

    name: str
    value: Json
    source: str
    record: str
    observed_at: datetime | None
    fresh_seconds: int | None = None
    """The freshness target; None when the action sets none."""
    problem: str = ""
    id: str = ""
    """The fact of the knowledge graph that it is, such as ``f123``; empty for what a system answered."""
    trust: str = ""
    """How far its source is trusted: high, normal, low or untrusted; empty where nobody said."""
    flags: tuple[str, ...] = ()
    """What speaks against it, in words: ``contradicted``, ``quarantined`` and the like."""
    commitment: str = ""
    """Of a fact of the graph the commitment to its value, 32 hexadecimal digits: what is recorded of it is this, and
    neither value nor record. With it and without a value, the fact is sealed: what it says is not known here."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a halt covers: everything, or one named department, agent, version, action, system or entity."""

    kind: ScopeKind
    value: str = ""

    def __str__(self) -> str:
        return self.kind if self.kind == "everything" else f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class Halt:
    """A switch thrown: nothing within ``scope`` begins until it is lifted."""

    id: str
    scope: Scope
    why: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """One person's yes on one exact action, in one role."""

    role: str
    person: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Whose word is needed: ``count`` different people in ``role``."""

    role: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Reserve:
    """A cumulative limit that an action draws on.

    ``key`` names the counter (limit, window and group); ``amount`` is drawn from it; ``at_most`` is its cap, both in
    the limit's own unit (minor units or a count). ``used`` is what the judge saw drawn before. ``fits`` is the
    judge's finding ``used + amount <= at_most``; the begin transaction compares again with what is drawn by then.
    ``cap_fact`` names the sealed fact whose value the cap is: a record has that name in place of the cap, so
    ``at_most`` is None in what was read from one.
    """

    key: str
    amount: int
    at_most: int | None
    used: int
    fits: bool
    cap_fact: str = ""


@dataclass(frozen=True, slots=True)
class Earned:
    """What one version of an agent has earned for one action and class, as the ledger says.

    From ``threshold_bp`` on, confidence needs no person; None while no guarantee can be given. ``review_bp`` is the
    share of those cases that is drawn for a person all the same. ``expires_at`` None means that there is nothing to
    expire.
    """

    stage: Stage
    threshold_bp: int | None = None
    review_bp: int = 0
    certificate: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """Whether a case was drawn for a person, with which probability, and when the person sees it.

    ``probability_bp`` is what the draw was compared with; 10,000 where a person sees every such case.
    """

    probability_bp: int
    drawn: bool
    when: Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand when an action is judged: all that is neither in the manifest, the action nor its facts.

    ``now`` is business time. ``epoch`` counts the changes of halts, policies and manifests; a decision made at one
    epoch cannot begin at another. ``used`` maps counter keys to what is drawn; a key that is absent is zero drawn.
    ``claims`` maps entities to the digest of the action in flight on them. ``done`` maps once-keys to the digest of
    the action that holds them. ``earned`` has what was earned for the action judged, by the name
    `earned_key` gives. ``draw`` is this case's draw, 0 to 9,999; None where nothing is drawn.
    """

    now: datetime
    epoch: int = 0
    halts: tuple[Halt, ...] = ()
    used: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    done: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    earned: Mapping[str, Earned] = field(default_factory=dict)
    draw: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check's verdict with the rule that spoke, the reason in words, and the facts it looked at."""

    name: str
    verdict: Verdict
    rule: str
    reason: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow, escalate or deny, with every check's verdict. Same inputs, same decision, byte for byte.

    ``asks`` is whose word is needed when the verdict is escalate. ``reserves``, ``touches`` and ``once_key`` are what
    the begin transaction must hold for an allow.
    """

    verdict: Verdict
    checks: tuple[Check, ...]
    asks: tuple[Ask, ...] = ()
    reserves: tuple[Reserve, ...] = ()
    touches: tuple[str, ...] = ()
    once_key: str | None = None
    manifest_digest: str = ""
    policies_digest: str = ""
    facts_digest: str = ""
    review: Review | None = None
    """Set for an action whose autonomy is earned; None for all others."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The deed in the outside world, done under an idempotency key. ``cost_minor`` is None when it is not known."""

    key: str
    system: str
    operation: str
    state: EffectState
    result: Mapping[str, Json] = field(default_factory=dict)
    cost_minor: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case, known later. ``right`` None means not judged, which is not wrong."""

    case: str
    action: str
    right: bool | None
    said_by: str
    matured_at: datetime
    value: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ref:
    """Where an event stands in the ledger."""

    seq: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One ledger entry before it has a place. ``data`` is plain JSON; its schema is fixed by ``kind`` and ``version``.

    ``step`` makes an action's journal: (action, step) is unique, so writing a step twice fails instead of doubling.
    """

    kind: str
    actor: str
    data: Mapping[str, Json]
    case: str = ""
    action: str = ""
    step: str = ""
    version: int = 1
