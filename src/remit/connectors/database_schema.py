"""What the description of a system of kind ``database`` looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.connectors.pace import PACE_SCHEMA
from remit.connectors.statement import bound_names, what_is_wrong_with_change, what_is_wrong_with_select
from remit.connectors.system_file import NAMES
from remit.document import Document, PathKey
from remit.errors import Finding

__all__ = ["DATABASE_SCHEMA", "check_database"]

_STATEMENT: Final = {"type": "string", "minLength": 1, "maxLength": 20_000}
_SELECT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["select"],
    "properties": {"select": _STATEMENT},
}

DATABASE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["system", "kind", "url"],
    "properties": {
        "system": {"type": "string"},
        "kind": {"const": "database"},
        "url": {"type": "string", "minLength": 1, "maxLength": 1000},
        "secret": {},
        "zone": {"type": "string", "maxLength": 60},
        "pace": PACE_SCHEMA,
        "reads": {"type": "object", "propertyNames": NAMES, "additionalProperties": _SELECT},
        "lists": {"type": "object", "propertyNames": NAMES, "additionalProperties": _SELECT},
        "does": {
            "type": "object",
            "propertyNames": NAMES,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["execute"],
                "properties": {
                    "execute": _STATEMENT,
                    "lookup": _STATEMENT,
                    "cost": {"type": "string", "minLength": 1, "maxLength": 60},
                },
            },
        },
    },
}
"""``url`` is a SQLAlchemy URL; ``secret`` is the password, when it does not stand in the environment's URL.

A read selects columns named ``value``, ``observed`` and ``record``. An effect's ``execute`` and ``lookup``
both name ``:key``: what was done must be found again by its key. ``cost`` names a column of what the look-up
gives.
"""


def check_database(document: Document) -> tuple[Finding, ...]:
    """Find what the schema cannot say; errors and warnings."""
    found: list[Finding] = []
    for section in ("reads", "lists"):
        for name, asking in document.value.get(section, {}).items():
            problem = what_is_wrong_with_select(asking["select"])
            if problem:
                found.append(document.finding((section, name, "select"), f"{name}: select: {problem}"))
    for name, asking in document.value.get("does", {}).items():
        found += _check_effect(document, ("does", name), asking)
    return tuple(found)


def _check_effect(document: Document, path: PathKey, asking: Mapping[str, Any]) -> list[Finding]:
    name = path[-1]
    problem = what_is_wrong_with_change(asking["execute"])
    found = [document.finding((*path, "execute"), f"{name}: execute: {problem}")] if problem else []
    if "lookup" not in asking:
        what = f"{name}: an attempt that breaks off can only be settled by a person"
        return [
            *found,
            document.finding(path, what, "write :key into a column, and a lookup: by it", "warning"),
        ]
    problem = what_is_wrong_with_select(asking["lookup"])
    if problem:
        found.append(document.finding((*path, "lookup"), f"{name}: lookup: {problem}"))
    found += [
        document.finding((*path, key), f"{name}: {key} must bind :key", "so that what was done is found again")
        for key in ("execute", "lookup")
        if "key" not in bound_names(asking[key])
    ]
    return found
