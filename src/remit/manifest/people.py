"""Who may answer, in which roles, for which departments: people.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.document import Document, read_document
from remit.errors import BadCompany, Finding
from remit.manifest.manifest_schema import AGENT_NAME, PERSON_NAME, ROLE_NAME

__all__ = ["PEOPLE_SCHEMA", "People", "Person", "load_people"]

EVERY_DEPARTMENT: Final = "*"
PEOPLE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["people"],
    "additionalProperties": False,
    "properties": {
        "people": {
            "type": "array",
            "maxItems": 5000,
            "items": {
                "type": "object",
                "required": ["name", "roles", "departments"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "pattern": PERSON_NAME},
                    "roles": {
                        "type": "array",
                        "items": {"type": "string", "pattern": ROLE_NAME},
                        "uniqueItems": True,
                        "maxItems": 50,
                    },
                    "departments": {
                        "type": "array",
                        "items": {"anyOf": [{"const": EVERY_DEPARTMENT}, {"type": "string", "pattern": AGENT_NAME}]},
                        "uniqueItems": True,
                        "maxItems": 200,
                    },
                },
            },
        }
    },
}


@dataclass(frozen=True, slots=True)
class Person:
    """A named human, the roles they hold and the departments they hold them for."""

    name: str
    roles: frozenset[str]
    departments: frozenset[str]


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who may answer, by name."""

    persons: Mapping[str, Person]

    def holds(self, person: str, role: str, department: str) -> bool:
        """Say whether ``person`` holds ``role`` for ``department``; somebody unknown holds nothing."""
        known = self.persons.get(person)
        if known is None or role not in known.roles:
            return False
        return department in known.departments or EVERY_DEPARTMENT in known.departments

    def holding(self, role: str, department: str) -> tuple[str, ...]:
        """The names of all who hold ``role`` for ``department``, sorted."""
        return tuple(sorted(name for name in self.persons if self.holds(name, role, department)))


def load_people(path: Path | str, text: str | None = None) -> People:
    """Read people.yaml.

    Raises:
        BadCompany: with everything that is wrong, by line and column.
    """
    document, findings = read_document(path, PEOPLE_SCHEMA, text)
    if document is None or findings:
        raise BadCompany(findings)
    doubled = _doubled(document)
    if doubled:
        raise BadCompany(tuple(doubled))
    persons = (
        Person(item["name"], frozenset(item["roles"]), frozenset(item["departments"]))
        for item in document.value["people"]
    )
    return People({person.name: person for person in persons})


def _doubled(document: Document) -> list[Finding]:
    seen: set[str] = set()
    found = []
    for index, item in enumerate(document.value["people"]):
        if item["name"] in seen:
            found.append(document.finding(("people", index, "name"), f"{item['name']} stands twice"))
        seen.add(item["name"])
    return found
