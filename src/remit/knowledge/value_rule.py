"""What a description asks of a value of the right kind: its pattern, the values it may have, its range.

A reason never repeats a value, which may be personal: it shows its shape, or nothing where the column holds personal
data.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import ceil, floor
from typing import Final

from remit.errors import BadInput
from remit.knowledge.cell_kinds import shape_of
from remit.knowledge.linear_pattern import linear_pattern
from remit.knowledge.source_file import FactSpec

__all__ = ["WrongCell", "is_personal", "value_rule"]

REASON_LENGTH_MAX: Final = 200


class WrongCell(Exception):
    """A cell that breaks a rule; ``reason`` is cut to 200 characters."""

    def __init__(self, rule: str, reason: str):
        self.rule, self.reason = rule, reason[:REASON_LENGTH_MAX]
        super().__init__(reason)


def is_personal(fact: FactSpec) -> bool:
    """Say whether a column holds personal data, so that its cells are shown nowhere."""
    return fact.see == "pii" or bool(fact.about)


def value_rule(fact: FactSpec) -> Callable[[str | int | bool], None] | None:
    """What raises when a value of the right kind breaks ``pattern``, ``one_of`` or ``range``; None without these."""
    fits = None if fact.pattern is None else linear_pattern(fact.pattern)
    allowed = None if fact.one_of is None else frozenset(fact.one_of)
    if (fact.low is not None or fact.high is not None) and fact.kind not in {"integer", "money", "decimal"}:
        raise BadInput(f"column {fact.column!r:.80}: a range is for numbers, this is {fact.kind}")
    low, high = _ends(fact)
    if fits is None and allowed is None and low is None and high is None:
        return None

    def rule(value: str | int | bool) -> None:
        text = value if type(value) is str else str(value).lower()
        if fits is not None and not fits(text):
            got = "" if is_personal(fact) else f": got {shape_of(text)}, expected {fact.pattern}"
            raise WrongCell("pattern", f"does not fit its pattern{got}")
        if allowed is not None and text not in allowed:
            raise WrongCell("one_of", f"none of the {len(allowed)} values that are allowed")
        if low is not None or high is not None:
            number = Decimal(value) if type(value) is str else value
            if (low is not None and number < low) or (high is not None and number > high):  # type: ignore[operator]
                raise WrongCell("range", f"out of range: expected {_bounds(fact)}")

    return rule


def _ends(fact: FactSpec) -> tuple[Decimal | int | None, Decimal | int | None]:
    """The range in the units that are kept; whole where these are, since comparing whole numbers is quick."""
    low, high = fact.low, fact.high
    if fact.kind == "decimal":
        return low, high
    scale = 10**fact.minor_digits if fact.kind == "money" and not fact.minor else 1
    return (None if low is None else ceil(low * scale)), (None if high is None else floor(high * scale))


def _bounds(fact: FactSpec) -> str:
    ends = [
        f"at least {fact.low}" if fact.low is not None else "",
        f"at most {fact.high}" if fact.high is not None else "",
    ]
    return " and ".join(end for end in ends if end) + (f" {fact.currency}" if fact.currency and not fact.minor else "")
