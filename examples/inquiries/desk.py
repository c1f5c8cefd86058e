"""The people of the service: clerks who decide and review, slow and sometimes wrong, and the owner who signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["CLERKS", "FALSE_ALARM_BP", "MANUAL_SECONDS", "MISS_BP", "OWNER", "REWORK_SECONDS", "Word", "look_at"]

OWNER: Final = "mara.lind"
CLERKS: Final = ("ivy.chan", "raj.mehta", "eva.novak")
MISS_BP: Final = 500
"""How often a clerk says yes to what is wrong: one in twenty. What they miss, no number of the ledger can know."""
FALSE_ALARM_BP: Final = 50
"""How often a clerk says no to what is right."""
MANUAL_SECONDS: Final = 180
REWORK_SECONDS: Final = 360
_MEDIAN_SECONDS: Final = 55
_SPREAD: Final = 0.6


@dataclass(frozen=True, slots=True)
class Word:
    """What a clerk says of one case, and how long it took."""

    person: str
    right: bool
    seconds: int


def look_at(case: str, right: bool, seed: int) -> Word:
    """Return what a clerk says of ``case``, of which ``right`` is the truth. The same case gets the same word.

    Times are log-normal with a median of 55 seconds: most are quick, one in ten takes two minutes.
    """
    random = Random(f"{seed}/{case}")
    person = CLERKS[random.randrange(len(CLERKS))]
    seconds = round(_MEDIAN_SECONDS * math.exp(_SPREAD * random.gauss(0.0, 1.0)))
    mistaken = random.random() * 10_000 < (FALSE_ALARM_BP if right else MISS_BP)
    return Word(person, right is not mistaken, min(max(seconds, 5), 1_800))
