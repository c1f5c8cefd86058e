"""What was judged and what was decided, as plain JSON and back. The round trip gives the same bytes.

A record holds all that the judge looked at, so that a decision can be made again years later and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, get_args

from remit.canonical import canonical_sound, digest, digest_bytes, from_moment, to_moment
from remit.errors import BadInput
from remit.gate.fact_form import sound_facts
from remit.vocabulary import (
    Action,
    Ask,
    Check,
    Decision,
    Earned,
    Fact,
    Grant,
    Halt,
    Json,
    Reserve,
    Review,
    Scope,
    ScopeKind,
    Stage,
    Standing,
    Verdict,
)

__all__ = [
    "action_data",
    "action_digest",
    "decision_data",
    "facts_data",
    "facts_digest",
    "read_action",
    "read_decision",
    "read_facts",
    "read_standing",
    "sound_digest",
    "standing_data",
]

_T = TypeVar("_T")
_VERDICTS: Final = get_args(Verdict)
_SCOPES: Final = get_args(ScopeKind)
_OF_THE_GRAPH: Final[Mapping[str, Json]] = {"id": "", "trust": "", "flags": [], "commitment": ""}
"""The parts of a fact that are recorded only where they are set, so that older records keep their bytes."""
_OF_THE_SEALED: Final[Mapping[str, Json]] = {**_OF_THE_GRAPH, "record": "", "value": None}
"""The same, and the parts that are not recorded of a fact with a commitment: they may have to be erased."""
_STAGES: Final = get_args(Stage)


def action_data(action: Action) -> dict[str, Json]:
    """``action`` as plain JSON.

    Raises:
        BadInput: a field is not of its type. What the arguments hold is not looked at; `canonical` does that.
    """
    arguments = action.arguments
    if type(arguments) is not dict and not isinstance(arguments, Mapping):
        raise BadInput(f"arguments are an object: got {type(arguments).__name__}")
    texts = (action.agent, action.version, action.name, action.case, *action.reasons)
    if set(map(type, texts)) != {str}:
        raise BadInput("agent, version, name, case and reasons of an action are texts")
    if {type(action.context_digest), type(action.replaces)} - {str, type(None)}:
        raise BadInput("context_digest and replaces of an action are texts or absent")
    confidence = action.confidence_bp
    if confidence is not None and type(confidence) is not int:
        raise BadInput("confidence of an action is a whole number of basis points or absent")
    return {
        "agent": action.agent,
        "arguments": dict(arguments),
        "case": action.case,
        "confidence_bp": confidence,
        "context_digest": action.context_digest,
        "name": action.name,
        "reasons": list(action.reasons),
        "replaces": action.replaces,
        "version": action.version,
    }


def action_digest(action: Action) -> str:
    """The digest by which ``action`` is known. Equal proposals have the same.

    Raises:
        BadInput: the action cannot be recorded.
    """
    return digest(action_data(action))


def facts_data(facts: Mapping[str, Fact]) -> list[Json]:
    """``facts`` as plain JSON, sorted by name; one that cannot be recorded is missing, and says why.

    One with a commitment is sealed: it is recorded with that, and without its value and the name of its record.
    """
    return [_fact_data(fact) for fact in sound_facts(facts).values()]


def _fact_data(fact: Fact) -> dict[str, Json]:
    data: dict[str, Json] = {
        "fresh_seconds": fact.fresh_seconds,
        "name": fact.name,
        "observed_at": None if fact.observed_at is None else from_moment(fact.observed_at),
        "problem": fact.problem,
        "source": fact.source,
    }
    if fact.commitment:
        data["commitment"] = fact.commitment
    else:
        data["record"], data["value"] = fact.record, fact.value
    if fact.id:
        data["id"] = fact.id
    if fact.trust:
        data["trust"] = fact.trust
    if fact.flags:
        data["flags"] = list(fact.flags)
    return data


def facts_digest(facts: Mapping[str, Fact]) -> str:
    """The digest of what is recorded of the facts: the same before and after what they say was erased."""
    return digest_bytes(canonical_sound(facts_data(facts)))  # every fact in it was found sound just before


def sound_digest(facts: Mapping[str, Fact]) -> str:
    """`facts_digest` of what `sound_facts` returned, without looking at each again."""
    return digest([_fact_data(fact) for fact in facts.values()])


def decision_data(decision: Decision) -> dict[str, Json]:
    """``decision`` as plain JSON; ``review`` stands there only where there is one."""
    review: dict[str, Json] = {} if decision.review is None else {"review": _review_data(decision.review)}
    return review | {
        "asks": [{"count": ask.count, "role": ask.role} for ask in decision.asks],
        "checks": [
            {
                "facts": list(check.facts),
                "name": check.name,
                "reason": check.reason,
                "rule": check.rule,
                "verdict": check.verdict,
            }
            for check in decision.checks
        ],
        "facts_digest": decision.facts_digest,
        "manifest_digest": decision.manifest_digest,
        "once_key": decision.once_key,
        "policies_digest": decision.policies_digest,
        "reserves": [_reserve_data(reserve) for reserve in decision.reserves],
        "touches": list(decision.touches),
        "verdict": decision.verdict,
    }


def _reserve_data(reserve: Reserve) -> dict[str, Json]:
    data: dict[str, Json] = {
        "amount": reserve.amount,
        "fits": reserve.fits,
        "key": reserve.key,
        "used": reserve.used,
    }
    if reserve.cap_fact:
        data["cap_fact"] = reserve.cap_fact
    else:
        data["at_most"] = reserve.at_most
    return data


def _review_data(review: Review) -> dict[str, Json]:
    return {"drawn": review.drawn, "probability_bp": review.probability_bp, "when": review.when}


def standing_data(standing: Standing, decision: Decision) -> dict[str, Json]:
    """The part of ``standing`` that ``decision`` looked at: judged by it alone, the same decision comes
    out. What was earned, and the draw, stand there only for an action that earns.
    """
    spoke = {check.rule for check in decision.checks if check.name == "switch"}
    once = decision.once_key
    earned: dict[str, Json] = {}
    if standing.draw is not None or standing.earned:
        known = sorted(standing.earned.items())
        earned = {"draw": standing.draw, "earned": [{"key": key, **_earned_data(item)} for key, item in known]}
    return earned | {
        "claims": [
            {"action": standing.claims[entity], "entity": entity}
            for entity in decision.touches
            if entity in standing.claims
        ],
        "done": [{"action": standing.done[once], "key": once}] if once is not None and once in standing.done else [],
        "epoch": standing.epoch,
        "grants": [{"person": grant.person, "role": grant.role} for grant in standing.grants],
        "halts": [_halt_data(halt) for halt in standing.halts if halt.id in spoke],
        "now": from_moment(standing.now),
        "used": [
            {"drawn": reserve.used, "key": reserve.key} for reserve in decision.reserves if reserve.key in standing.used
        ],
    }


def _earned_data(earned: Earned) -> dict[str, Json]:
    return {
        "certificate": earned.certificate,
        "expires_at": None if earned.expires_at is None else from_moment(earned.expires_at),
        "review_bp": earned.review_bp,
        "stage": earned.stage,
        "threshold_bp": earned.threshold_bp,
    }


def _halt_data(halt: Halt) -> dict[str, Json]:
    return {
        "at": from_moment(halt.at),
        "by": halt.by,
        "id": halt.id,
        "kind": halt.scope.kind,
        "value": halt.scope.value,
        "why": halt.why,
    }


def read_action(data: Json) -> Action:
    """The action that `action_data` wrote.

    Raises:
        BadInput: ``data`` has another form.
    """
    body = _closed(data, set(Action.__dataclass_fields__), "an action")
    arguments = _of(body["arguments"], dict, "arguments")
    return Action(
        agent=_of(body["agent"], str, "agent"),
        version=_of(body["version"], str, "version"),
        name=_of(body["name"], str, "name"),
        case=_of(body["case"], str, "case"),
        arguments=arguments,
        confidence_bp=_maybe(body["confidence_bp"], int, "confidence_bp"),
        reasons=tuple(_of(text, str, "reason") for text in _of(body["reasons"], list, "reasons")),
        context_digest=_maybe(body["context_digest"], str, "context_digest"),
        replaces=_maybe(body["replaces"], str, "replaces"),
    )


def read_facts(data: Json) -> dict[str, Fact]:
    """The facts that `facts_data` wrote; one that is sealed has no value, unless it was put back into ``data``.

    Raises:
        BadInput: ``data`` has another form.
    """
    facts: dict[str, Fact] = {}
    for item in _of(data, list, "facts"):
        sealed = isinstance(item, dict) and item.get("commitment")
        absent = _OF_THE_SEALED if sealed else _OF_THE_GRAPH
        body = _closed(item, set(Fact.__dataclass_fields__), "a fact", absent)
        name = _of(body["name"], str, "name")
        if name in facts:
            raise BadInput(f"fact {name!r:.60} stands twice")
        moment = _maybe(body["observed_at"], str, "observed_at")
        facts[name] = Fact(
            name,
            body["value"],
            _of(body["source"], str, "source"),
            _of(body["record"], str, "record"),
            None if moment is None else to_moment(moment),
            _maybe(body["fresh_seconds"], int, "fresh_seconds"),
            _of(body["problem"], str, "problem"),
            _of(body["id"], str, "id"),
            _of(body["trust"], str, "trust"),
            tuple(_of(flag, str, "flag") for flag in _of(body["flags"], list, "flags")),
            _of(body["commitment"], str, "commitment"),
        )
    return facts


def read_standing(data: Json) -> Standing:
    """The standing that `standing_data` wrote.

    Raises:
        BadInput: ``data`` has another form.
    """
    body = _closed(data, set(Standing.__dataclass_fields__), "a standing", {"draw": None, "earned": []})
    return Standing(
        now=to_moment(_of(body["now"], str, "now")),
        epoch=_of(body["epoch"], int, "epoch"),
        halts=_each(body["halts"], _read_halt),
        used=dict(_each(body["used"], lambda item: _pair(item, "key", "drawn", int))),
        claims=dict(_each(body["claims"], lambda item: _pair(item, "entity", "action", str))),
        done=dict(_each(body["done"], lambda item: _pair(item, "key", "action", str))),
        grants=_each(body["grants"], lambda item: Grant(*_pair(item, "role", "person", str))),
        earned=dict(_each(body["earned"], _read_earned)),
        draw=_maybe(body["draw"], int, "draw"),
    )


def read_decision(data: Json) -> Decision:
    """The decision that `decision_data` wrote.

    Raises:
        BadInput: ``data`` has another form.
    """
    body = _closed(data, set(Decision.__dataclass_fields__), "a decision", {"review": None})
    return Decision(
        verdict=_word(body["verdict"], _VERDICTS, "verdict"),
        checks=_each(body["checks"], _read_check),
        asks=_each(body["asks"], lambda item: Ask(*_pair(item, "role", "count", int))),
        reserves=_each(body["reserves"], _read_reserve),
        touches=tuple(_of(name, str, "touched entity") for name in _of(body["touches"], list, "touches")),
        once_key=_maybe(body["once_key"], str, "once_key"),
        manifest_digest=_of(body["manifest_digest"], str, "manifest_digest"),
        policies_digest=_of(body["policies_digest"], str, "policies_digest"),
        facts_digest=_of(body["facts_digest"], str, "facts_digest"),
        review=None if body["review"] is None else _read_review(body["review"]),
    )


def _read_earned(item: Json) -> tuple[str, Earned]:
    body = _closed(item, {"key", *Earned.__dataclass_fields__}, "what was earned")
    moment = _maybe(body["expires_at"], str, "expires_at")
    return _of(body["key"], str, "key"), Earned(
        _word(body["stage"], _STAGES, "stage"),
        _maybe(body["threshold_bp"], int, "threshold_bp"),
        _of(body["review_bp"], int, "review_bp"),
        _of(body["certificate"], str, "certificate"),
        None if moment is None else to_moment(moment),
    )


def _read_review(item: Json) -> Review:
    body = _closed(item, set(Review.__dataclass_fields__), "a review")
    return Review(
        _of(body["probability_bp"], int, "probability_bp"),
        _of(body["drawn"], bool, "drawn"),
        _word(body["when"], ("before", "after"), "when"),
    )


def _read_check(item: Json) -> Check:
    body = _closed(item, set(Check.__dataclass_fields__), "a check")
    return Check(
        _of(body["name"], str, "name"),
        _word(body["verdict"], _VERDICTS, "verdict"),
        _of(body["rule"], str, "rule"),
        _of(body["reason"], str, "reason"),
        tuple(_of(name, str, "fact") for name in _of(body["facts"], list, "facts")),
    )


def _read_reserve(item: Json) -> Reserve:
    body = _closed(item, set(Reserve.__dataclass_fields__), "a reserve", {"cap_fact": "", "at_most": None})
    cap_fact = _of(body["cap_fact"], str, "cap_fact")
    return Reserve(
        _of(body["key"], str, "key"),
        _of(body["amount"], int, "amount"),
        None if cap_fact else _of(body["at_most"], int, "at_most"),
        _of(body["used"], int, "used"),
        _of(body["fits"], bool, "fits"),
        cap_fact,
    )


def _read_halt(item: Json) -> Halt:
    body = _closed(item, {"at", "by", "id", "kind", "value", "why"}, "a halt")
    scope = Scope(_word(body["kind"], _SCOPES, "kind"), _of(body["value"], str, "value"))
    texts = [_of(body[name], str, name) for name in ("id", "why", "by")]
    return Halt(texts[0], scope, texts[1], texts[2], to_moment(_of(body["at"], str, "at")))


def _closed(data: Json, names: set[str], what: str, absent: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """``data`` with exactly these names; ``absent`` has the values of those that need not be there."""
    if absent and isinstance(data, dict):
        data = {**absent, **data}
    if not isinstance(data, dict) or set(data) != names:
        got = ", ".join(sorted(map(str, data))) if isinstance(data, dict) else type(data).__name__
        raise BadInput(f"not {what}: got {got:.200}, expected {', '.join(sorted(names))}")
    return data


def _of(value: Any, kind: type[_T], what: str) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadInput(f"{what}: got {type(value).__name__}, expected {kind.__name__}")
    return value


def _maybe(value: Any, kind: type[_T], what: str) -> _T | None:
    return None if value is None else _of(value, kind, what)


def _word(value: Json, words: tuple[Any, ...], what: str) -> Any:
    if value not in words:
        raise BadInput(f"{what}: got {value!r:.40}, expected one of {', '.join(words)}")
    return value


def _pair(item: Json, first: str, second: str, kind: type[_T]) -> tuple[str, _T]:
    body = _closed(item, {first, second}, f"a pair of {first} and {second}")
    return _of(body[first], str, first), _of(body[second], kind, second)


def _each(data: Json, read: Callable[[Json], _T]) -> tuple[_T, ...]:
    return tuple(read(item) for item in _of(data, list, "list"))
