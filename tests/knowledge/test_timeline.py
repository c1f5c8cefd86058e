"""Placing values on a timeline, against one that keeps a value for each tick."""

from __future__ import annotations

from itertools import count

from hypothesis import example, given
from hypothesis import strategies as st

from remit.knowledge.timeline import OPEN, Segment, place

END = 12  # the last tick stands for all later ones, without end

moments = st.integers(0, END - 2)
said = st.tuples(
    moments,
    st.one_of(st.none(), st.integers(1, END - 1)),
    st.sampled_from(["a", "b", None]),
    st.sampled_from([1, 1, 1, 2]),
    st.booleans(),
    st.one_of(st.none(), moments),
)


class PlainTimeline:
    """What is so at each tick: value, scope, and the number of the fact that says it."""

    def __init__(self) -> None:
        self.ticks: list[tuple[str, int] | None] = [None] * (END + 1)
        self.scope = 1
        self.numbers = count()

    def say(self, start: int, end: int | None, value: str | None, scope: int, late: bool, until: int | None) -> None:
        self.scope = scope
        stop = END + 1 if end is None else end
        if late:
            begins = [
                t for t in range(start + 1, END + 1) if self.ticks[t] is not None and self.ticks[t] != self.ticks[t - 1]
            ]
            bounds = [*begins, *([] if until is None else [until])]
            if not bounds:
                return
            stop = min(stop, *bounds)
        if stop <= start:
            return
        held = self.ticks[start]
        if late and held is not None and held[0] == value and set(self.ticks[start:stop]) == {held}:
            return
        number = next(self.numbers)
        for fact in {tick for tick in self.ticks[start:stop] if tick is not None}:
            self._give_way(fact, start, stop, value, number, late)
        for tick in range(start, stop):
            self.ticks[tick] = None if value is None else (value, number)
        for tick in range(END + 1):  # what is left of a fact on both sides of another is two facts from here on
            held = self.ticks[tick]
            if held is not None and tick and self.ticks[tick - 1] != held and held in self.ticks[:tick]:
                self._split(held, tick)

    def _split(self, fact: tuple[str, int], start: int) -> None:
        other = (fact[0], next(self.numbers))
        self.ticks[start:] = [other if tick == fact else tick for tick in self.ticks[start:]]

    def _give_way(
        self, fact: tuple[str, int], start: int, stop: int, value: str | None, number: int, late: bool
    ) -> None:
        ticks = [tick for tick, held in enumerate(self.ticks) if held == fact]
        for tick in ticks:
            if tick < start and fact[0] == value:
                self.ticks[tick] = (fact[0], number)
            if tick >= stop and not late and ticks[-1] == END:
                self.ticks[tick] = None


@given(st.lists(said, max_size=8))
@example([(0, None, "a", 1, False, None), (5, None, "b", 1, False, None), (2, None, "c", 1, True, None)])
@example([(0, None, "a", 1, False, None), (3, 6, "a", 1, False, None)])
@example([(0, 4, "a", 1, False, None), (4, 8, "b", 1, False, None), (2, 6, "a", 2, False, None)])
def test_the_timeline_is_the_plain_one(
    rows: list[tuple[int, int | None, str | None, int, bool, int | None]],
) -> None:
    plain, segments, numbers = PlainTimeline(), list[Segment](), count()
    for start, length, value, scope, late, until in rows:
        end = None if length is None else min(start + length, END)
        before = list(segments)
        pieces, closed = place(segments, start, OPEN if end is None else end, value, scope, late=late, until=until)
        segments = [segment for segment in segments if segment not in closed]
        for piece in pieces:
            said_value = value if piece.of is None else piece.of.value
            assert piece.of is None or piece.of in closed
            assert piece.of is None or piece.corrected == ((piece.valid_from, piece.valid_to) != piece.of[1:3])
            segments.append(Segment(next(numbers), piece.valid_from, piece.valid_to, said_value, scope))
        plain.say(start, end, value, scope, late, until)
        assert _by_tick(segments) == [None if tick is None else tick[0] for tick in plain.ticks]
        assert all(segment.valid_from < segment.valid_to for segment in segments)
        if (
            scope == 1
            and not late
            and all(segment.sc == 1 for segment in before)
            and _by_tick(before) == _by_tick(segments)
        ):
            again = place(segments, start, OPEN if end is None else end, value, scope)
            assert again == ([], []), "what is said twice is written once"
        if not (late and not pieces and not closed and not before):
            assert all(segment.sc == scope for segment in segments)


def _by_tick(segments: list[Segment]) -> list[str | int | None]:
    result = []
    for tick in range(END + 1):
        found = [s.value for s in segments if s.valid_from <= tick and (tick < s.valid_to or s.valid_to == OPEN)]
        assert len(found) <= 1, "facts of one property do not overlap"
        result.append(found[0] if found else None)
    return result
