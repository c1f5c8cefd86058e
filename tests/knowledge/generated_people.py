"""Invented people, with duplicates that are misspelt and patchy, and households that share what households share."""

from __future__ import annotations

import random
from collections.abc import Sequence

GIVEN_NAMES = (
    "james mary john patricia robert jennifer michael linda william elizabeth david barbara richard susan joseph "
    "jessica thomas sarah charles karen christopher nancy daniel lisa matthew betty anthony margaret mark sandra"
)
GIVEN = GIVEN_NAMES.split()
PARTS_OF_NAMES = "ber mar son ton har wil lan ker mil dor gan fel ros win ham bur cas del nor val sta pre tho gra"
PARTS = PARTS_OF_NAMES.split()
MATCH = {
    "first": "name",
    "last": "name",
    "born": "date",
    "phone": "phone",
    "street": "address",
    "city": "name",
    "zip": "postcode",
    "email": "exact",
}
Person = dict[str, str | None]


def people(
    count: int, *, doubled: float = 0.3, related: float = 0.0, seed: int = 1, wrong: float = 0.15, gone: float = 0.1
) -> tuple[list[Person], list[str]]:
    """Return rows and, for each, who it truly is. ``doubled``: the share that is noted again, once or twice;
    ``related``: the share that lives with the one before; ``wrong`` and ``gone``: of a double's values.
    """
    chance = random.Random(seed)
    rows: list[Person] = []
    labels: list[str] = []
    before: Person | None = None
    for number in range(count):
        person = _person(chance, before if chance.random() < related else None)
        before = person
        rows.append(person)
        labels.append(str(number))
        for _ in range(chance.choice((1, 1, 2)) if chance.random() < doubled else 0):
            rows.append(_noted_again(chance, person, wrong, gone))
            labels.append(str(number))
    order = list(range(len(rows)))
    chance.shuffle(order)
    return [rows[place] for place in order], [labels[place] for place in order]


def _person(chance: random.Random, housemate: Person | None) -> Person:
    person: Person = {
        "first": chance.choice(GIVEN),
        "last": "".join(chance.choice(PARTS) for _ in range(chance.choice((2, 2, 3)))),
        "born": f"{chance.randrange(1930, 2005)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
        "phone": f"0{chance.randrange(10**8, 10**9)}",
        "street": f"{chance.randrange(1, 200)} {chance.choice(PARTS)}{chance.choice(PARTS)} street",
        "city": chance.choice(PARTS) + chance.choice(PARTS[:4]),
        "zip": str(chance.randrange(10_000, 99_999)),
    }
    if housemate is not None:
        person |= {name: housemate[name] for name in ("last", "phone", "street", "city", "zip")}
    host = chance.choice(("gmail.com", "web.de", "x.org"))
    return person | {"email": f"{person['first']}.{person['last']}{chance.randrange(99)}@{host}"}


def _noted_again(chance: random.Random, person: Person, wrong: float, gone: float) -> Person:
    again = dict(person)
    for name, value in person.items():
        drawn = chance.random()
        if drawn < wrong:
            again[name] = mistyped(chance, str(value))
        elif drawn < wrong + gone:
            again[name] = None
    if chance.random() < 0.05:
        again["first"], again["last"] = again["last"], again["first"]
    return again


def mistyped(chance: random.Random, text: str) -> str:
    """Change, drop, add or swap one sign."""
    place, sign = chance.randrange(len(text)), chance.choice("abcdefghijk0123456789")
    head, here, tail = text[:place], text[place : place + 1], text[place + 1 :]
    return chance.choice(
        (head + sign + tail, head + tail, head + sign + here + tail, head + tail[:1] + here + tail[1:])
    )


def groups_of(labels: Sequence[str]) -> list[list[int]]:
    """Return the rows of each label."""
    groups: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        groups.setdefault(label, []).append(row)
    return list(groups.values())
