"""Are the facts that the action rests on there, and young enough?"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from remit.gate.fact_form import fact_problem
from remit.gate.matter import Matter, Opinion, cannot_check, one
from remit.manifest.grant import FactNeed, Remedy
from remit.vocabulary import Ask, Check, Fact, Verdict

__all__ = ["age_seconds", "check_freshness", "missing_and_stale"]

AHEAD_SECONDS_MAX: Final = 300
"""How far a source's clock may run ahead before its word on when it observed is worth nothing."""
_SECOND: Final = timedelta(seconds=1)


def age_seconds(fact: Fact, now: datetime) -> int | None:
    """How old ``fact`` is at ``now`` in whole seconds, rounded up; None when its source does not say."""
    return None if fact.observed_at is None else -((fact.observed_at - now) // _SECOND)


def check_freshness(matter: Matter) -> Opinion:
    """Deny, or ask, where a fact is missing or stale, as the remit says for each; a fact from the future
    denies.
    """
    grant = matter.grant
    if grant is None:
        return cannot_check("freshness", matter.problem)
    if not grant.facts:
        return one("freshness", "allow", "none", "the action rests on no facts")
    checks: list[Check] = []
    asks = []
    for need in grant.facts:
        state, remedy, reason = _state(need, matter.facts.get(need.name), matter.standing.now)
        if not state:
            checks.append(_good(need.name, reason))
            continue
        verdict: Verdict = "deny" if remedy == "refresh" else remedy
        if verdict == "escalate" and need.ask is not None:
            if matter.enough(need.ask):
                verdict, reason = "allow", f"{reason}; {need.ask} said yes"
            else:
                asks.append(Ask(need.ask))
        elif verdict == "allow":
            reason = f"{reason}, which is allowed"
        checks.append(Check("freshness", verdict, need.name, reason, (need.name,)))
    return Opinion(tuple(checks), tuple(asks))


@lru_cache(maxsize=4096)
def _good(name: str, reason: str) -> Check:
    return Check("freshness", "allow", name, reason, (name,))


def missing_and_stale(matter: Matter) -> tuple[list[str], list[str]]:
    """The names of the facts that are missing, and of those that are stale, each sorted."""
    missing: list[str] = []
    stale: list[str] = []
    for need in matter.grant.facts if matter.grant is not None else ():
        state = _state(need, matter.facts.get(need.name), matter.standing.now)[0]
        if state == "missing":
            missing.append(need.name)
        elif state:
            stale.append(need.name)
    return sorted(missing), sorted(stale)


def _state(need: FactNeed, fact: Fact | None, now: datetime) -> tuple[str, Remedy, str]:
    """Empty, ``missing``, ``stale`` or ``ahead``; what the remit says to do then; in words."""
    problem = fact_problem(need, fact)
    if problem or fact is None:
        return "missing", need.missing, f"{need.name} is missing: {problem}"
    age = age_seconds(fact, now)
    if age is not None and age < -AHEAD_SECONDS_MAX:
        return "ahead", "deny", f"{need.name} was observed {-age} s in the future: its age cannot be judged"
    against = _against(fact)
    if need.fresh_seconds is None:
        return "", "allow", f"{need.name} is there; any age will do{against}"
    if age is None:
        return "stale", need.stale, f"{need.name} does not say when it was observed{against}"
    if age > need.fresh_seconds:
        return "stale", need.stale, f"{need.name} is {age} s old, more than {need.fresh_seconds} s{against}"
    # No age here, so that the same words serve again; the fact itself says when it was observed.
    return "", "allow", f"{need.name} is within {need.fresh_seconds} s{against}"


def _against(fact: Fact) -> str:
    """What speaks against ``fact``, as the end of a reason; empty for most."""
    words = list(fact.flags)
    if fact.trust == "untrusted" and "untrusted" not in words:
        words.append("untrusted")
    return f"; it is {', '.join(words)}" if words else ""
