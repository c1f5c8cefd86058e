"""Does what the action draws fit what is left in every window it counts in?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from remit.canonical import INTEGER_MAX
from remit.gate.fact_form import fact_problem
from remit.gate.matter import Matter, Opinion, cannot_check, one
from remit.manifest.grant import ActionGrant, Limit, Manifest, Window
from remit.manifest.template import name_part
from remit.vocabulary import Ask, Check, Json, Reserve

__all__ = ["check_limits", "counter_key", "window_start"]

_LENGTHS: Final = {"hour": 13, "day": 10, "month": 7}


def window_start(every: Window, now: datetime) -> str:
    """When the window around ``now`` began, in UTC: 2026-11-21T09, 2026-11-21, 2026-W47 or 2026-11."""
    moment = now if now.tzinfo is UTC else now.astimezone(UTC)
    if every == "ever":
        return "ever"
    if every == "week":
        year, week, _ = moment.isocalendar()
        return f"{year:04}-W{week:02}"
    return moment.isoformat()[: _LENGTHS[every]]


def counter_key(manifest: Manifest, limit: Limit, arguments: Mapping[str, Json], now: datetime) -> str | None:
    """The name of the counter that ``limit`` draws on, such as ``limit/agent:desk/per-day/2026-11-21/DHL``.

    A limit per department and not per agent is one counter for all agents of the department. None when an
    argument that it counts by is absent.
    """
    groups = []
    shared = False
    for name in limit.per:
        if name in arguments:
            part = name_part(arguments[name])
            if part is None:
                return None
            groups.append(part)
        elif name == "department" and "agent" not in limit.per:
            shared = True
        elif name not in ("agent", "department"):
            return None
    owner = f"department:{manifest.department}" if shared else f"agent:{manifest.agent}"
    return "/".join(("limit", owner, limit.name, window_start(limit.every, now), *groups))


def check_limits(matter: Matter) -> Opinion:
    """Deny, or ask, where a limit would be passed; a limit whose amount or cap is not known denies."""
    grant = matter.grant
    if grant is None or matter.problem:
        return cannot_check("limits", matter.problem)
    if not grant.limits:
        return one("limits", "allow", "none", "the action has no limits")
    checks = []
    asks: list[Ask] = []
    reserves = []
    for limit in grant.limits:
        facts = () if limit.at_most_fact is None else (limit.at_most_fact,)
        drawn = _reserve(matter, grant, limit)
        if isinstance(drawn, str):
            checks.append(Check("limits", "deny", limit.name, f"cannot be checked: {drawn}", facts))
            continue
        reserves.append(drawn)
        if drawn.fits:
            checks.append(_within(limit.name, _cap(drawn), limit.every, facts))
            continue
        reason = f"{drawn.used} drawn, {drawn.amount} more, at most {_cap(drawn)} per {limit.every}"
        if limit.over == "escalate" and limit.ask is not None and matter.enough(limit.ask):
            checks.append(Check("limits", "allow", limit.name, f"{reason}; {limit.ask} said yes", facts))
        elif limit.over == "escalate" and limit.ask is not None:
            asks.append(Ask(limit.ask))
            checks.append(Check("limits", "escalate", limit.name, reason, facts))
        else:
            checks.append(Check("limits", "deny", limit.name, reason, facts))
    return Opinion(tuple(checks), tuple(asks), tuple(reserves))


def _cap(reserve: Reserve) -> str:
    """The cap in a reason's words, which are recorded: by its name where it is the value of a sealed fact."""
    return f"${reserve.cap_fact}" if reserve.cap_fact else str(reserve.at_most)


@lru_cache(maxsize=4096)
def _within(name: str, cap: str, every: Window, facts: tuple[str, ...]) -> Check:
    # No sums here, so that the same words serve again; the reserve has them.
    return Check("limits", "allow", name, f"within {cap} per {every}", facts)


def _reserve(matter: Matter, grant: ActionGrant, limit: Limit) -> Reserve | str:
    """What ``limit`` would be drawn on, or why that cannot be said."""
    arguments = matter.action.arguments
    amount: Json = 1 if limit.of == "count" else arguments.get(grant.amount or "")
    if type(amount) is not int:
        return "the amount is missing"
    if amount < 0:
        return "the amount is below zero"
    cap, cap_fact = limit.at_most, ""
    if limit.at_most_fact is not None:
        need = next((need for need in grant.facts if need.name == limit.at_most_fact), None)
        fact = matter.facts.get(limit.at_most_fact)
        problem = fact_problem(need, fact) if need is not None else "is not among the facts"
        value = None if fact is None or problem else fact.value
        if type(value) is not int:
            return f"the cap {limit.at_most_fact} {problem or 'is not a whole number'}"
        cap = value
        cap_fact = limit.at_most_fact if fact is not None and fact.commitment else ""
    if cap is None or cap < 0:
        return "the cap is below zero"
    key = counter_key(matter.manifest, limit, arguments, matter.standing.now)
    if key is None:
        return "an argument that it counts by is missing"
    used = matter.standing.used.get(key, 0)
    if type(used) is not int or not 0 <= used <= INTEGER_MAX:
        # A counter out of bounds tells nothing but that there is no room.
        used = INTEGER_MAX
    return Reserve(key, amount, cap, used, used + amount <= cap, cap_fact)
