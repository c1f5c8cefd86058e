"""Are the arguments of the form that the remit asks for?"""

from __future__ import annotations

from remit.gate.matter import Matter, Opinion, cannot_check, one

__all__ = ["check_arguments"]


def check_arguments(matter: Matter) -> Opinion:
    """Deny arguments that do not fit their schema, cannot be recorded, or are too large."""
    if matter.grant is None:
        return cannot_check("arguments", matter.problem)
    if matter.problem:
        return one("arguments", "deny", "schema", matter.problem)
    return one("arguments", "allow", "schema", "the arguments are of the form asked for")
