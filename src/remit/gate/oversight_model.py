"""How much of this action a person sees: none, each one, or all of it because the agent only recommends."""

from __future__ import annotations

from remit.gate.matter import Matter, Opinion, cannot_check, one
from remit.vocabulary import Ask, Check

__all__ = ["check_oversight"]


def check_oversight(matter: Matter) -> Opinion:
    """Ask for each action in the loop, deny where a person is in control."""
    grant = matter.grant
    if grant is None:
        return cannot_check("oversight", matter.problem)
    if grant.oversight == "on_the_loop":
        return one("oversight", "allow", "on_the_loop", "people watch exceptions and samples")
    if grant.oversight == "earned":
        return one("oversight", "allow", "earned", "what was earned decides")
    if grant.oversight == "in_the_loop" and grant.ask is not None:
        if matter.enough(grant.ask):
            return one("oversight", "allow", "in_the_loop", f"{grant.ask} said yes")
        reason = f"each one is approved by {grant.ask}"
        return Opinion((Check("oversight", "escalate", "in_the_loop", reason),), (Ask(grant.ask),))
    return one("oversight", "deny", "recommends-only", "the agent recommends, a person does it")
