"""The messages in the order in which they come, and what each one really is about.

What a version of the classifier is fitted on never comes again. The rest is a pool from which messages are drawn with
replacement, by a fixed seed: customers ask the same things again and again, and the pool's error rate stays what it is.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from .disturb import moved_meanings, with_typos

__all__ = [
    "HELD_OUT", "OUTSIDE", "Inquiry", "Message", "Phase", "Split", "groups", "inquiries", "read_messages", "split",
]  # fmt: skip

DATA: Final = Path(__file__).parent / "data"
FIRST_BP: Final = 5_000
"""The share of each intent's messages that the first version is fitted on..."""
SECOND_BP: Final = 6_500
"""...and the second: the same and more, as are there when somebody fits it again."""
HELD_OUT: Final = 13
"""Every so-manieth intent by name is kept from the classifier: it comes only as what nobody has thought of."""
OUTSIDE: Final = "somebody_else"
"""Where a message belongs that is about none of the queues."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a customer wrote, and its intent by the data's own labels."""

    text: str
    intent: str


@dataclass(frozen=True, slots=True)
class Split:
    """What each version is fitted on, what comes later, and what is about none of the queues."""

    first: Sequence[Message]
    second: Sequence[Message]
    pool: Sequence[Message]
    outside: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the story. ``outside_bp``: share of messages about what no queue is for; ``typos_bp``: share of
    letters that are mistyped; ``moved``: the group in which half of the right answers are other ones now.
    ``fitted``: which version is in use, the first or the second. ``again``: the cases are the first ones of the phase
    before, for the version in use to say what it would have done.
    """

    name: str
    cases: int
    typos_bp: int = 0
    outside_bp: int = 0
    moved: str = ""
    fitted: str = "first"
    again: bool = False


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One case: its number, what is read, and the queue it belongs in."""

    id: str
    text: str
    belongs: str
    phase: Phase


@cache
def groups() -> Mapping[str, str]:
    """Return the group of each intent."""
    with (DATA / "groups.csv").open(encoding="utf-8", newline="") as file:
        return {row["intent"]: row["group"] for row in csv.DictReader(file)}


def read_messages() -> tuple[Message, ...]:
    """Return all messages of the data, in its order."""
    found = []
    for name in ("train.csv", "test.csv"):
        with (DATA / name).open(encoding="utf-8", newline="") as file:
            found += [Message(row["text"], row["category"]) for row in csv.DictReader(file)]
    return tuple(found)


def split(messages: Sequence[Message], seed: int, only: str = "") -> Split:
    """Share out ``messages``; with ``only``, those of one group and what is about none of the queues."""
    strange = set(sorted(groups())[HELD_OUT - 1 :: HELD_OUT])
    shuffled = sorted(messages, key=lambda one: (one.intent, one.text))
    Random(seed).shuffle(shuffled)
    kept = [one for one in shuffled if only in ("", groups()[one.intent]) or one.intent in strange]
    all_of, seen = Counter(one.intent for one in kept), Counter[str]()
    first, second, pool, outside = list[Message](), list[Message](), list[Message](), list[Message]()
    for message in kept:
        seen[message.intent] += 1
        place_bp = seen[message.intent] * 10_000 // all_of[message.intent]
        if message.intent in strange:
            outside.append(message)
        elif place_bp > SECOND_BP:
            pool.append(message)
        else:
            second.append(message)
            if place_bp <= FIRST_BP:
                first.append(message)
    return Split(first, second, pool, outside)


def inquiries(
    phases: Sequence[Phase], pool: Sequence[Message], outside: Sequence[Message], seed: int
) -> Iterator[Inquiry]:
    """Yield the story's cases, one after the other."""
    random, number, before = Random(seed), 0, list[Inquiry]()
    known = {message.intent for message in pool}
    for phase in phases:
        if phase.again:
            yield from (replace(one, phase=phase) for one in before[: phase.cases])
            continue
        before = []
        meanings = moved_meanings(phase.moved, groups(), known)
        for _ in range(phase.cases):
            number += 1
            strange = random.random() * 10_000 < phase.outside_bp
            message = random.choice(outside if strange else pool)
            belongs = OUTSIDE if strange else meanings.get(message.intent, message.intent)
            before.append(Inquiry(f"M-{number:06}", with_typos(message.text, phase.typos_bp, random), belongs, phase))
            yield before[-1]
