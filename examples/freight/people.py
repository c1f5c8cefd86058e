"""The people of the story: who answers what the agent may not decide alone, and how they make up their minds.

They are invented, and plain on purpose: a supervisor says no when the expected cost is more than half as much again as
what the contract or the weight suggests, or when the agent gives itself less than one chance in four. One question in
ten is overlooked: then the escalation chain does its work. Which ones is a draw by the order's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .chance import draw

__all__ = ["Word", "word_on"]

OVERLOOKED_PERCENT: Final = 10
CONFIDENCE_LEAST_BP: Final = 2_500

_ANSWERS_AS: Final = {"supervisor": "luc.martin", "finance": "fin.okafor", "owner": "ana.sousa"}


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says: yes or no, in which role, why, and how many seconds it took them."""

    person: str
    role: str
    approve: bool
    why: str
    seconds: int


def word_on(case: str, roles: tuple[str, ...], number: int, decided: dict[str, Any]) -> Word | None:
    """Return what the first person asked says to a question; None when it is overlooked today."""
    role = next((role for role in roles if role in _ANSWERS_AS), None)
    if role is None or draw(100, "overlooked", case, str(number)) < OVERLOOKED_PERCENT:
        return None
    seconds = 60 + draw(600, "seconds", case, role)
    no = _doubt(decided)
    if no and role != "finance":
        return Word(_ANSWERS_AS[role], role, False, no, seconds)
    return Word(_ANSWERS_AS[role], role, True, "", seconds)


def _doubt(decided: dict[str, Any]) -> str:
    action = decided["action"]
    arguments = action["arguments"]
    if (action["confidence_bp"] or 0) < CONFIDENCE_LEAST_BP:
        return "the agent gives itself less than one chance in four"
    term = next((fact["value"] for fact in decided["facts"] if fact["name"] == "term"), None)
    weight = arguments.get("weight_kg")
    if term is None or not weight:
        return ""
    usual = int(term) * int(weight)
    if arguments["expected_cost_minor"] * 2 > usual * 3:
        return "half as much again as the contract suggests for that weight"
    return ""
