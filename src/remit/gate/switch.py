"""Has somebody thrown a switch that covers this action?"""

from __future__ import annotations

from remit.gate.matter import Matter, Opinion, one
from remit.manifest.template import same_entity
from remit.vocabulary import Check, Halt

__all__ = ["check_switch", "halt_covers"]


def check_switch(matter: Matter) -> Opinion:
    """Deny while a halt covers the action; one that may cover it, and cannot be compared, denies too."""
    checks = []
    for halt in matter.standing.halts:
        covered = _covers(halt, matter)
        if covered is not False:
            doubt = "" if covered else "; whether it covers this action cannot be known"
            reason = f"halted ({halt.scope}) by {halt.by}: {halt.why}{doubt}"
            checks.append(Check("switch", "deny", halt.id, reason))
    return Opinion(tuple(checks)) if checks else one("switch", "allow", "none", "no halt covers this action")


def _covers(halt: Halt, matter: Matter) -> bool | None:
    """None when it cannot be known: the arguments or the grant that would tell are not there."""
    return halt_covers(
        halt,
        department=matter.manifest.department,
        agents=(matter.manifest.agent, matter.action.agent),
        versions=(matter.manifest.version, matter.manifest.digest, matter.action.version),
        action=matter.action.name,
        system=None if matter.grant is None else matter.grant.system,
        entities=None if matter.problem else matter.touches,
    )


def halt_covers(
    halt: Halt,
    *,
    department: str,
    agents: tuple[str, ...],
    versions: tuple[str, ...],
    action: str,
    system: str | None,
    entities: tuple[str, ...] | None,
) -> bool | None:
    """Say whether ``halt`` covers what is described; None when that rests on a system or entity not known."""
    kind, value = halt.scope.kind, halt.scope.value
    match kind:
        case "everything":
            return True
        case "department":
            return value == department
        case "agent":
            return value in agents
        case "version":
            return value in versions
        case "action":
            return value == action
        case "system":
            return None if system is None else value == system
        case "entity":
            return None if entities is None else any(same_entity(value, entity) for entity in entities)
    return None
