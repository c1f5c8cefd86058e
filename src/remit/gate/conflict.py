"""Is another action at work on the same entities, or has it done this already?"""

from __future__ import annotations

from remit.gate.matter import Matter, Opinion, cannot_check, one
from remit.vocabulary import Check

__all__ = ["check_conflict"]


def check_conflict(matter: Matter) -> Opinion:
    """Deny while another action holds an entity or the once-key; the same action may come again."""
    if matter.grant is None or matter.problem:
        return cannot_check("conflict", matter.problem)
    checks = []
    standing = matter.standing
    for entity in matter.touches:
        holder = standing.claims.get(entity)
        if holder is not None and holder != matter.digest:
            checks.append(Check("conflict", "deny", entity, f"another action is in flight on {entity}"))
    if matter.once_key is not None:
        holder = standing.done.get(matter.once_key)
        if holder is not None and holder != matter.digest:
            names = ", ".join(matter.grant.once)
            reason = f"another action with the same {names} has done this already"
            checks.append(Check("conflict", "deny", "once", reason))
    if checks:
        return Opinion(tuple(checks))
    return one("conflict", "allow", "none", "no other action is at work on the same entities")
