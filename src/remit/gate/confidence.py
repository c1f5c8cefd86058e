"""Is the agent sure enough to go on without a person?"""

from __future__ import annotations

from typing import Final

from remit.gate.matter import Matter, Opinion, one
from remit.gate.stage_check import earned_for
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
    """Ask where the confidence is missing or below the threshold, the remit's own or the one that was learned; deny
    what is no confidence at all.
    """
    stated = matter.action.confidence_bp
    known = stated_confidence(stated)
    if stated is not None and known is None:
        reason = f"not a confidence: expected 0 to {BASIS_POINTS_MAX} basis points"
        return one("confidence", "deny", _RULE, reason)
    if matter.grant is not None and matter.grant.autonomy is not None:
        return _learned(matter, known)
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


def _learned(matter: Matter, known: int | None) -> Opinion:
    """Compare with the threshold that outcomes have taught; before there is one, a person is asked."""
    earned, role = earned_for(matter), matter.grant.ask if matter.grant is not None else None
    if earned is None or role is None:
        return one("confidence", "deny", "cannot-check", "cannot be checked: the remit names nobody to ask")
    if earned.stage in ("shadow", "supervised"):
        return one("confidence", "allow", "learned", f"{earned.stage}: a person decides whatever the confidence")
    if earned.threshold_bp is None:
        reason = "no threshold keeps the promise yet"
    elif known is not None and known >= earned.threshold_bp:
        return one(
            "confidence", "allow", "learned", f"{known} of at least {earned.threshold_bp} basis points, as learned"
        )
    else:
        shown = "no confidence stated" if known is None else f"{known} basis points"
        reason = f"{shown}, below {earned.threshold_bp} basis points as learned"
    if matter.enough(role):
        return one("confidence", "allow", "learned", f"{reason}; {role} said yes")
    return Opinion((Check("confidence", "escalate", "learned", reason),), (Ask(role),))
