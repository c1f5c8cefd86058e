"""The consignees: who the medicines go to, as several systems know them, and the truth about who is who.

The history names countries, not who received the goods, so all of it is invented, the same on every run: about fifteen
consignees a country. Each system has its own idea of a name, a city and a telephone number, some customers stand twice
in the CRM, and the truth is kept apart, to score what resolution finds; no system shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from .chance import draw

__all__ = ["Account", "accounts", "billed", "consignees", "tickets_from"]

PER_COUNTRY: Final = 15
TWICE_IN_1000: Final = 60
BILLED_IN_1000: Final = 850
_KINDS: Final = ("District Hospital", "Clinic", "Health Centre", "Regional Store", "Mission Hospital", "Pharmacy")
_SAINTS: Final = ("St. Mary", "St. Luke", "Holy Cross", "Good Hope", "Saint Joseph", "Bethany", "Mount Carmel")
_PLACES: Final = (
    "Northgate", "Riverside", "Lakeview", "Hillside", "Old Town", "Harbour", "Station Road", "Kingsway", "Mission Hill",
    "Market Square", "Eastern Bypass", "Palm Avenue", "Airport Road", "Victoria", "Acacia", "Baobab", "Independence",
)  # fmt: skip
_SYLLABLES: Final = ("ba", "ko", "mi", "ru", "ta", "wa", "ndo", "li", "ga", "so", "pe", "mu", "za", "le", "ti", "nya")


@dataclass(frozen=True, slots=True)
class Account:
    """A customer as one system knows it. ``truth`` is who it really is, ``id`` what the system calls it."""

    id: str
    truth: str
    name: str
    city: str
    country: str
    postcode: str
    phone: str
    email: str


def consignees(countries: Sequence[str]) -> tuple[Account, ...]:
    """Return everybody there is, as they would write themselves."""
    return tuple(_consignee(country, number) for country in countries for number in range(PER_COUNTRY))


def _consignee(country: str, number: int) -> Account:
    key = f"{country}/{number}"

    def pick(of: Sequence[str], what: str) -> str:
        return of[draw(len(of), what, key)]

    city = "".join(pick(_SYLLABLES, f"city{part}") for part in range(3)).capitalize()
    name = f"{pick(_SAINTS, 'saint')} {pick(_KINDS, 'kind')} {city}"
    if draw(2, "plain", key):
        name = f"{pick(_PLACES, 'place')} {pick(_KINDS, 'kind')}"
    postcode = f"{10_000 + draw(89_999, 'postcode', key)}"
    phone = f"+{200 + draw(90, 'code', country)} {draw(900, 'area', key) + 100} {draw(900_000, 'phone', key) + 100_000}"
    host = f"{''.join(c for c in name.lower() if c.isalpha())[:14]}{draw(100, 'host', key)}.example"
    return Account(key, key, name, city, country, postcode, phone, f"supply@{host}")


def accounts(everybody: Sequence[Account]) -> tuple[Account, ...]:
    """Return the CRM's accounts: everybody, six in a hundred twice."""
    found: list[Account] = []
    for person in everybody:
        found.append(replace(person, id=f"A{len(found) + 1:05d}"))
        if draw(1000, "twice", person.truth) < TWICE_IN_1000:
            found.append(_worn(replace(person, id=f"A{len(found) + 1:05d}"), "crm"))
    return tuple(found)


def billed(everybody: Sequence[Account]) -> tuple[Account, ...]:
    """Return the billing system's customers: most of them, written down by other people."""
    chosen = [person for person in everybody if draw(1000, "billed", person.truth) < BILLED_IN_1000]
    return tuple(_worn(replace(person, id=f"C-{7_000 + at}"), "billing") for at, person in enumerate(chosen))


def tickets_from(everybody: Sequence[Account], count: int) -> tuple[tuple[str, Account], ...]:
    """Return ``count`` tickets: number and who wrote, by the e-mail address of the CRM's account."""
    return tuple((f"T{at + 1:05d}", everybody[draw(len(everybody), "ticket", str(at))]) for at in range(count))


def _worn(person: Account, system: str) -> Account:
    """The same customer as another clerk wrote it down."""
    key = (system, person.truth)
    name, city = person.name, person.city
    match draw(6, "wear", *key):
        case 0:
            at = 1 + draw(len(name) - 2, "typo", *key)
            name = name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
        case 1:
            name = name.replace("Saint ", "St ").replace("St. ", "St ").replace("Centre", "Center")
        case 2:
            name = name.upper()
        case 3:
            name = name.replace("Hospital", "Hosp.").replace("District", "Dist.")
        case 4:
            at = draw(len(name) - 1, "drop", *key)
            name = name[:at] + name[at + 1 :]
    phone = person.phone.replace(" ", "") if draw(2, "spaces", *key) else person.phone
    return replace(
        person,
        name=name,
        city=city[:-1] if draw(12, "city", *key) == 0 else city,
        phone="" if draw(8, "phone", *key) == 0 else phone,
        email="" if draw(7, "email", *key) == 0 else person.email,
        postcode="" if draw(15, "postcode", *key) == 0 else person.postcode,
    )
