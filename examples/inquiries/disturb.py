"""What goes wrong in the story: mistyped letters, and right answers that change without anybody saying so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

__all__ = ["moved_meanings", "with_typos"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def with_typos(text: str, share_bp: int, random: Random) -> str:
    """Return ``text`` with ``share_bp`` of its letters mistyped: a third left out, a third doubled, a third another."""
    if share_bp == 0:
        return text
    typed = []
    for letter in text:
        drawn = random.random() * 10_000
        if not letter.isalpha() or drawn >= share_bp:
            typed.append(letter)
        elif drawn < share_bp / 3:
            continue
        elif drawn < share_bp * 2 / 3:
            typed.append(letter * 2)
        else:
            typed.append(random.choice(_LETTERS))
    return "".join(typed)


def moved_meanings(group: str, groups: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Return what half of ``group``'s intents mean now: each of them the next one's queue. Empty without a group."""
    intents = sorted(intent for intent in set(known) if groups[intent] == group)
    half = intents[: (len(intents) + 1) // 2]
    return dict(zip(half, half[1:] + half[:1], strict=True)) if len(half) > 1 else {}
