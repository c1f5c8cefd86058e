"""The judge. Pure: the same rules, manifest, action, facts and standing give the same decision, byte for
byte.

Every check runs and every verdict is kept, also after one has denied. Deny beats escalate beats allow, and
a check that cannot be made denies. An approval lifts what asked for it and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from remit.gate.arguments import check_arguments
from remit.gate.confidence import check_confidence
from remit.gate.conflict import check_conflict
from remit.gate.freshness import check_freshness
from remit.gate.granted import check_granted
from remit.gate.identity import check_identity
from remit.gate.limits import check_limits
from remit.gate.matter import Matter, Opinion, hear
from remit.gate.oversight_model import check_oversight
from remit.gate.policy import Rules
from remit.gate.policy_check import check_policy
from remit.gate.record import sound_digest
from remit.gate.stage_check import check_stage, review_of
from remit.gate.switch import check_switch
from remit.manifest.grant import Manifest
from remit.vocabulary import Action, Ask, Check, Decision, Fact, Reserve, Standing, Verdict

__all__ = ["CHECKS", "decide"]

CHECKS: Final[tuple[Callable[[Matter], Opinion], ...]] = (
    check_identity,
    check_switch,
    check_granted,
    check_arguments,
    check_freshness,
    check_policy,
    check_limits,
    check_conflict,
    check_confidence,
    check_oversight,
    check_stage,
)
"""The checks, in the order in which they are made and kept."""


def decide(rules: Rules, manifest: Manifest, action: Action, facts: Mapping[str, Fact], standing: Standing) -> Decision:
    """Judge one action as things stand.

    Raises:
        BadInput: ``standing.now`` has no time zone. Whatever is wrong with the action or its facts denies.
    """
    matter = hear(rules, manifest, action, facts, standing)
    checks: list[Check] = []
    asks: list[Ask] = []
    reserves: list[Reserve] = []
    for check in CHECKS:
        opinion = check(matter)
        checks += opinion.checks
        asks += opinion.asks
        reserves += opinion.reserves
    verdict = _worst(checks)
    return Decision(
        verdict=verdict,
        checks=tuple(checks),
        asks=_merged(asks) if verdict == "escalate" else (),
        reserves=tuple(reserves),
        touches=matter.touches,
        once_key=matter.once_key,
        manifest_digest=manifest.digest,
        policies_digest=rules.digest,
        facts_digest=sound_digest(matter.facts),
        review=review_of(matter),
    )


def _worst(checks: list[Check]) -> Verdict:
    verdicts = {check.verdict for check in checks}
    return "deny" if "deny" in verdicts else "escalate" if "escalate" in verdicts else "allow"


def _merged(asks: list[Ask]) -> tuple[Ask, ...]:
    """Whose word is needed, each role once, with the largest number of people that anything asks for."""
    counts: dict[str, int] = {}
    for ask in asks:
        counts[ask.role] = max(counts.get(ask.role, 0), ask.count)
    return tuple(Ask(role, counts[role]) for role in sorted(counts))
