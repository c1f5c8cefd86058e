"""The messages in the order in which they come, and what each one really is about.

What the classifier is fitted on never comes again. The rest is a pool from which messages are drawn with replacement,
by a fixed seed: customers ask the same things again and again, and the pool's error rate stays what it is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from .disturb import moved_meanings, with_typos

__all__ = ["HELD_OUT", "OUTSIDE", "Inquiry", "Message", "Phase", "groups", "inquiries", "read_messages", "split"]

DATA: Final = Path(__file__).parent / "data"
PER_INTENT: Final = 40
"""Messages of each intent that the classifier is fitted on: as many as a pilot has after some weeks."""
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
class Phase:
    """A stretch of the story. ``outside_bp``: share of messages about what no queue is for; ``typos_bp``: share of
    letters that are mistyped; ``moved``: the group in which half of the right answers are other ones now.
    ``fitted``: which agent is in use, the first or the second.
    """

    name: str
    cases: int
    typos_bp: int = 0
    outside_bp: int = 0
    moved: str = ""
    fitted: str = "first"


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


def split(messages: Sequence[Message], seed: int) -> tuple[list[Message], list[Message], list[Message]]:
    """Return what the classifier is fitted on, what comes later, and what is about none of its queues."""
    strange = set(sorted(groups())[HELD_OUT - 1 :: HELD_OUT])
    shuffled = sorted(messages, key=lambda one: (one.intent, one.text))
    Random(seed).shuffle(shuffled)
    fitted, pool, outside = list[Message](), list[Message](), list[Message]()
    seen: dict[str, int] = {}
    for message in shuffled:
        if message.intent in strange:
            outside.append(message)
            continue
        seen[message.intent] = seen.get(message.intent, 0) + 1
        (fitted if seen[message.intent] <= PER_INTENT else pool).append(message)
    return fitted, pool, outside


def inquiries(
    phases: Sequence[Phase], pool: Sequence[Message], outside: Sequence[Message], seed: int
) -> Iterator[Inquiry]:
    """Yield the story's cases, one after the other."""
    random, number = Random(seed), 0
    for phase in phases:
        meanings = moved_meanings(phase.moved, groups(), {message.intent for message in pool})
        for _ in range(phase.cases):
            number += 1
            strange = random.random() * 10_000 < phase.outside_bp
            message = random.choice(outside if strange else pool)
            belongs = OUTSIDE if strange else meanings.get(message.intent, message.intent)
            text = with_typos(message.text, phase.typos_bp, random)
            yield Inquiry(f"M-{number:06}", text, belongs, phase)
