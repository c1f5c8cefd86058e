"""The bits of ``flags`` on a fact and on a link: what was odd about how the row came."""

from __future__ import annotations

from typing import Final

__all__ = ["AHEAD", "CORRECTED", "LATE", "RELEASED", "flag_words"]

LATE: Final = 1
"""It arrived after a later one, so it is history only."""
CORRECTED: Final = 2
"""It repeats an earlier fact with the end of its valid time, which became known with a later value."""
AHEAD: Final = 4
"""Its source says that it was observed in the future."""
RELEASED: Final = 8
"""A person released it from quarantine."""

_WORDS: Final = ((LATE, "late"), (CORRECTED, "corrected"), (AHEAD, "ahead"), (RELEASED, "released"))


def flag_words(flags: int) -> tuple[str, ...]:
    """Return the flags as words, in the order of their bits."""
    return tuple(word for bit, word in _WORDS if flags & bit)
