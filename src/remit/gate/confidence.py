"""Is the agent sure enough to go on without a person?"""

from __future__ import annotations

from typing import Final

from remit.gate.matter import Matter, Opinion, one
from remit.vocabulary import Ask, Check

__all__ = ["BASIS_POINTS_MAX", "check_confidence", "stated_confidence"]

BASIS_POINTS_MAX: Final = 10_000
_RULE: Final = "at-least"


def stated_confidence(confidence_bp: object) -> int | None:
    """The confidence when it is one, in basis points; None for what is none."""
    if type(confidence_bp) is int and 0 <= confidence_bp <= BASIS_POINTS_MAX:
        return confidence_bp
    return None


def check_confidence(matter: Matter) -> Opinion:
    """Ask where the confidence is missing or below the remit's threshold; deny what is no confidence at
    all.
    """
    stated = matter.action.confidence_bp
    known = stated_confidence(stated)
    if stated is not None and known is None:
        reason = f"not a confidence: expected 0 to {BASIS_POINTS_MAX} basis points"
        return one("confidence", "deny", _RULE, reason)
    rule = matter.manifest.confidence
    if rule is None:
        return one("confidence", "allow", "none", "the remit sets no threshold")
    if known is not None and known >= rule.at_least_bp:
        return one("confidence", "allow", _RULE, f"{known} of at least {rule.at_least_bp} basis points")
    shown = "no confidence stated" if known is None else f"{known} basis points"
    reason = f"{shown}, below {rule.at_least_bp} basis points"
    if matter.enough(rule.ask):
        return one("confidence", "allow", _RULE, f"{reason}; {rule.ask} said yes")
    return Opinion((Check("confidence", "escalate", _RULE, reason),), (Ask(rule.ask),))
