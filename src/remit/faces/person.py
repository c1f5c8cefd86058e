"""The name of a person who acts, as it goes into the record."""

from __future__ import annotations

from typing import Final

from remit.errors import BadInput

__all__ = ["PERSON_SCHEMA", "person_named"]

PERSON_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 100}
"""The form of a person's name, as JSON Schema."""


def person_named(name: str) -> str:
    """Return ``name`` when it can stand in a record and on a screen.

    Raises:
        BadInput: not 1 to 100 printable characters, or with spaces around it.
    """
    if not name or not name.isprintable() or len(name) > 100 or name != name.strip():
        raise BadInput(f"person: got {name!r:.60}, expected 1 to 100 printable characters")
    return name
