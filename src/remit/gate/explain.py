"""A decision in words: what was asked, on which facts of which age, what every check said, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from remit.canonical import canonical, from_moment
from remit.errors import BadInput
from remit.gate.fact_form import sound_facts
from remit.gate.freshness import age_seconds
from remit.vocabulary import Action, Check, Decision, Fact, Json, Reserve

__all__ = ["explain"]

VALUE_CHARACTERS_MAX: Final = 200
_WORDS: Final = {"allow": "allowed", "escalate": "waits for a person", "deny": "denied"}
_MARKS: Final = {"allow": "yes", "escalate": "ask", "deny": "no"}


def explain(decision: Decision, action: Action, facts: Mapping[str, Fact], now: datetime) -> str:
    """Tell the decision in plain lines; ``now`` is the moment it was made at.

    A fact that is sealed, or was erased, is told without its value. What an agent or a source sent is written as JSON
    in one line, so it cannot forge a line of its own.
    """
    asked = f"{_line(action.agent)} asked for {_line(action.name)} on case {_line(action.case)}"
    lines = [f"{asked}: {_verdict(decision)}"]
    lines += [f"  {_line(name)} = {_shown(action.arguments[name])}" for name in sorted(action.arguments)]
    confidence = action.confidence_bp
    stated = "none stated" if confidence is None else f"{confidence} of 10000 basis points"
    lines.append(f"  confidence {stated}, at {from_moment(now)}")
    lines += [f"  because {_shown(reason)}" for reason in action.reasons]
    if facts:
        lines.append("It rests on")
        lines += [_fact(fact, now) for fact in sound_facts(facts).values()]
    lines.append("The checks")
    lines += [_check(check) for check in decision.checks]
    for reserve in decision.reserves:
        room = "fits" if reserve.fits else "does not fit"
        drawn = f"{reserve.used} of {_cap(reserve, facts)} drawn"
        lines.append(f"  draws {reserve.amount} from {_line(reserve.key)}: {drawn}, {room}")
    return "\n".join(lines)


def _cap(reserve: Reserve, facts: Mapping[str, Fact]) -> str:
    """The cap as a number where it is known, else by the name of the fact that has it."""
    fact = facts.get(reserve.cap_fact)
    cap = reserve.at_most if fact is None or fact.value is None else fact.value
    return f"${_line(reserve.cap_fact)}" if cap is None else _shown(cap)


def _verdict(decision: Decision) -> str:
    words = _WORDS.get(decision.verdict, decision.verdict)
    if not decision.asks:
        return words
    asks = (f"{ask.count} of {ask.role}" if ask.count > 1 else ask.role for ask in decision.asks)
    return f"{words} ({', '.join(asks)})"


def _fact(fact: Fact, now: datetime) -> str:
    if fact.value is None and fact.commitment:
        return f"  {_line(fact.name)}: {_line(fact.problem) or 'sealed'}, from {_line(fact.source)}"
    if fact.value is None:
        return f"  {_line(fact.name)}: missing ({_line(fact.problem) or 'the source has none'})"
    age = age_seconds(fact, now)
    old = "of unknown age" if age is None else f"{_length(age)} old" if age >= 0 else f"{_length(-age)} in the future"
    target = "" if fact.fresh_seconds is None else f", asked for within {_length(fact.fresh_seconds)}"
    origin = f"{_line(fact.source)} {_line(fact.record)}".strip()
    return f"  {_line(fact.name)} = {_shown(fact.value)}, {old}{target}, from {origin or 'an unnamed source'}"


def _check(check: Check) -> str:
    rule = "" if check.rule in ("none", check.name) else f" [{_line(check.rule)}]"
    return f"  {_MARKS.get(check.verdict, check.verdict):>3}  {check.name}{rule}: {_line(check.reason)}"


def _length(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _shown(value: Json) -> str:
    try:
        text = canonical(value).decode()
    except BadInput:
        return "something that cannot be written down"
    return _line(text)


def _line(text: str) -> str:
    """``text`` in one line of bounded length, without control characters."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= VALUE_CHARACTERS_MAX else clean[: VALUE_CHARACTERS_MAX - 1] + "…"
