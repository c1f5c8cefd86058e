"""What has the agent earned for this action, and must a person see this case?"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from remit.gate.matter import Matter, Opinion, cannot_check, one
from remit.manifest.autonomy import Autonomy
from remit.vocabulary import Ask, Check, Earned, Review

__all__ = ["check_stage", "earned_for", "earned_key", "passes_alone", "review_of"]

DRAW_MAX: Final = 10_000


def earned_key(agent: str, version: str, action: str, class_: str) -> str:
    """Return the name under which it is kept what was earned."""
    return f"{agent}/{version}/{action}/{class_}"


def earned_for(matter: Matter) -> Earned | None:
    """What counts for this action now; None where its autonomy is not earned.

    What nothing was recorded of stands where the terms say it starts. What has run out is supervised again.
    """
    terms = _terms(matter)
    if terms is None:
        return None
    action = matter.action
    key = earned_key(action.agent, action.version, action.name, terms.class_of(action.arguments))
    earned = matter.standing.earned.get(key) or Earned(terms.starts)
    if _expired(earned, matter.standing.now):
        return Earned("supervised", None, 0, earned.certificate, earned.expires_at)
    return earned


def _terms(matter: Matter) -> Autonomy | None:
    return matter.grant.autonomy if matter.grant is not None and matter.grant.oversight == "earned" else None


def _expired(earned: Earned, now: datetime) -> bool:
    return earned.stage in ("sampled", "autonomous") and earned.expires_at is not None and earned.expires_at <= now


def passes_alone(matter: Matter, earned: Earned) -> bool:
    """Whether this case is one of those that need no person at this stage, but for the draw."""
    stated = matter.action.confidence_bp
    if earned.stage not in ("sampled", "autonomous") or earned.threshold_bp is None or type(stated) is not int:
        return False
    return stated >= earned.threshold_bp


def review_of(matter: Matter) -> Review | None:
    """Whether the case was drawn, and with which probability; None where autonomy is not earned, or not yet."""
    earned = earned_for(matter)
    if earned is None or earned.stage == "shadow":
        return None
    if not passes_alone(matter, earned):
        return Review(DRAW_MAX, True, "before")
    drawn = matter.standing.draw is None or matter.standing.draw < earned.review_bp
    return Review(earned.review_bp, drawn, "before" if earned.stage == "sampled" else "after")


def check_stage(matter: Matter) -> Opinion:
    """Deny in shadow, ask about each while supervised and about the drawn while sampled; what has run out is
    supervised.
    """
    earned, grant = earned_for(matter), matter.grant
    if earned is None or grant is None:
        return Opinion(())
    if grant.ask is None:
        return cannot_check("stage", "the remit names nobody to ask")
    if earned.stage == "shadow" and matter.enough(grant.ask):
        return one(
            "stage", "allow", "shadow", f"it was asked before; {grant.ask} said yes"
        )  # nobody is asked in shadow
    if earned.stage == "shadow":
        return one("stage", "deny", "shadow", "in shadow the agent recommends, a person does it")
    if earned.stage == "supervised":
        why = "each one is decided by a person"
        recorded = earned.certificate and earned.expires_at is not None
        return _ask(matter, "supervised", f"{why}; the certificate has ended" if recorded else why, grant.ask)
    if not passes_alone(matter, earned):
        return one("stage", "allow", earned.stage, "the confidence decides")
    if matter.standing.draw is None:
        return _ask(matter, "no-draw", "nothing was drawn, so a person sees it", grant.ask)
    if earned.stage == "sampled" and matter.standing.draw < earned.review_bp:
        return _ask(matter, "drawn", f"drawn for review ({earned.review_bp} in 10000)", grant.ask)
    return one("stage", "allow", earned.stage, f"earned; {earned.review_bp} in 10000 are reviewed")


def _ask(matter: Matter, rule: str, reason: str, role: str) -> Opinion:
    if matter.enough(role):
        return one("stage", "allow", rule, f"{reason}; {role} said yes")
    return Opinion((Check("stage", "escalate", rule, reason),), (Ask(role),))
