"""What becomes of the facts of one property of one record when a row says what is so, and from when to when.

The facts that are known now do not overlap in valid time. A value that begins ends the one before it; a row that
arrives late says what was so until what is known of later times. Facts are never changed: one whose valid time turns
out otherwise is closed and written again with the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from remit.canonical import INTEGER_MAX

__all__ = ["OPEN", "Piece", "Segment", "place"]

OPEN: Final = INTEGER_MAX
"""The open end of transaction time and of valid time."""


class Segment(NamedTuple):
    """A fact (or link) that is known now: ``value`` holds from ``valid_from`` to before ``valid_to``, in seconds since
    1970. ``row`` is the number of the fact.
    """

    row: int
    valid_from: int
    valid_to: int
    value: str | int | None
    sc: int


class Piece(NamedTuple):
    """A fact to be written: a new one, or ``of`` again. ``corrected``: its valid time is not that of ``of``."""

    valid_from: int
    valid_to: int
    of: Segment | None
    corrected: bool = False


def place(
    segments: Sequence[Segment],
    start: int,
    end: int,
    value: str | int | None,
    sc: int,
    *,
    late: bool = False,
    until: int | None = None,
) -> tuple[list[Piece], list[Segment]]:
    """Return what is to be written and which segments are to be closed, when a row says ``value`` from ``start`` on.

    ``end`` is `OPEN` where the row names none; then it also overrules what was said of later times. ``value`` None
    means that there is none. ``sc`` is the scope of the property by now: what is in another is written again.

    With ``late``, something newer is known already: ``until`` is when that began to be so (None: not known), and
    nothing said of that time or later is touched.
    """
    if late:
        bounds = [segment.valid_from for segment in segments if segment.valid_from > start]
        bounds += [] if until is None else [until]
        end = min(end, *bounds) if bounds else start
    pieces: list[Piece] = []
    closed: list[Segment] = []
    begin, there = start, value is None or start >= end
    for segment in segments:
        same = segment.value == value
        if start >= end or segment.valid_from >= end or segment.valid_to <= start:
            again = segment.sc != sc
        elif same and segment.valid_from <= start and (segment.valid_to == end or (late and segment.valid_to > end)):
            again, there = segment.sc != sc, True
        else:
            closed.append(segment)
            if same:
                begin = min(begin, segment.valid_from)
            elif segment.valid_from < start:
                pieces.append(Piece(segment.valid_from, start, segment, True))
            # An open end only said that no end was known; a row that names one, and is not late, names it for that too.
            if segment.valid_to > end and (late or segment.valid_to != OPEN):
                pieces.append(Piece(end, segment.valid_to, segment, True))
            continue
        if again:
            closed.append(segment)
            pieces.append(Piece(segment.valid_from, segment.valid_to, segment))
    if not there:
        pieces.append(Piece(begin, end, None))
    return pieces, closed
