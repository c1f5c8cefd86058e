"""Patterns that people write, matched in time linear in the text, whatever the pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from remit.document import compile_schema
from remit.errors import BadInput

__all__ = ["PATTERN_LENGTH_MAX", "linear_pattern"]

PATTERN_LENGTH_MAX: Final = 500


def linear_pattern(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a whole text fits ``pattern``.

    The engine has no look-around and no back references; in return no text makes it run away (Russ Cox, Regular
    Expression Matching Can Be Simple And Fast, 2007).

    Raises:
        BadInput: longer than 500 characters, not a pattern, or it uses what the engine does not have.
    """
    if len(pattern) > PATTERN_LENGTH_MAX:
        raise BadInput(f"a pattern longer than {PATTERN_LENGTH_MAX} characters: got {len(pattern)}")
    try:
        compile_schema({"type": "string", "pattern": pattern})  # alone: brackets must close within it
        wrong = compile_schema({"type": "string", "pattern": f"^(?:{pattern})$"})
    except BadInput:
        advice = "look-ahead, look-behind and back references are not taken"
        raise BadInput(f"not a pattern that can be used: got {pattern!r:.80}; {advice}") from None
    return lambda text: wrong(text) is None
