"""Pairs that may be one: questions for people, asked through the gate like any other action.

Nothing of what the records say is in the question: its arguments stay in the ledger. It names both, how likely it is
and how each column compares; whoever answers looks at the two with their own eyes and grants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from remit.knowledge.decided_pairs import MERGE_ACTION
from remit.vocabulary import Json

__all__ = ["DoubtfulPair", "MergeQuestion", "doubtful_actions"]


@dataclass(frozen=True, slots=True)
class DoubtfulPair:
    """Two records by number. ``score_bp`` is how likely they are one; ``compared`` column by column in words."""

    left: int
    right: int
    score_bp: int
    why: str
    compared: str


@dataclass(frozen=True, slots=True)
class MergeQuestion:
    """What an agent proposes about a doubtful pair: the name, case and arguments of an action."""

    name: str
    case: str
    arguments: Mapping[str, Json]


def doubtful_actions(pairs: Iterable[DoubtfulPair]) -> list[MergeQuestion]:
    """Return the actions to propose, the likeliest first. The same pair gives the same case, however often it comes."""
    questions = []
    for pair in sorted(pairs, key=lambda one: (-one.score_bp, one.left, one.right)):
        left, right = sorted((pair.left, pair.right))
        arguments: dict[str, Json] = {
            "left": f"e{left}",
            "right": f"e{right}",
            "score_bp": pair.score_bp,
            "why": f"{pair.why} ({pair.compared})" if pair.compared else pair.why,
        }
        questions.append(MergeQuestion(MERGE_ACTION, f"merge-e{left}-e{right}", arguments))
    return questions
