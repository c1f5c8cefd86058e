"""Options that several verbs take, each with one name, one default and one line of help."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from remit.errors import BadInput
from remit.faces.person import person_named

__all__ = ["Acting", "AsJson", "AtMost", "CompanyFolder", "Role", "Why", "acting", "has_home"]


def has_home(_type: object, folder: object) -> None:
    """Refuse a path that begins with ``~`` and a user who has no home; a validator for cyclopts.

    Raises:
        ValueError: there is no such home.
    """
    try:
        Path(str(folder)).expanduser()
    except RuntimeError:
        raise ValueError("there is no such user's home") from None


CompanyFolder = Annotated[
    Path,
    Parameter(name="--company", env_var="REMIT_COMPANY", validator=has_home, help="The company's folder.", negative=""),
]
Acting = Annotated[str, Parameter(name="--as", env_var="REMIT_PERSON", help="Who acts; the login name when not given.")]
AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead.", negative="")]
AtMost = Annotated[int, Parameter(name="--limit", validator=Number(gte=1, lte=10_000), help="How many at most.")]
Role = Annotated[str, Parameter(name="--role", help="In which role, where several are asked.")]
Why = Annotated[str, Parameter(name="--why", help="The reason, for the record.")]


def acting(person: str) -> str:
    """Return who acts: ``person``, or the login name.

    Raises:
        BadInput: not a name of 1 to 100 printable characters, or there is no login name.
    """
    try:
        name = person or getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise BadInput("this process has no login name; say who acts: --as PERSON") from None
    return person_named(name)
