"""The curve of the story: what was so at each step, as values that text and page are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from remit.evidence.track_record import TrackRecord
from remit.stats.tax import measured_tax

from .desk import MANUAL_SECONDS, REWORK_SECONDS
from .stream import Phase

__all__ = ["LETTERS", "STAGES", "GroupPoint", "Point", "Stretch", "curve_lines"]

STAGES: Final = ("shadow", "supervised", "sampled", "autonomous")
LETTERS: Final = {"shadow": "-", "supervised": "s", "sampled": "S", "autonomous": "A"}


@dataclass(frozen=True, slots=True)
class GroupPoint:
    """One group at one moment. The error rate of what passes alone lies in ``lower`` to ``upper``, at any moment."""

    stage: str
    trials: int
    errors: int
    lower: float
    upper: float
    threshold_bp: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """Where things stood after ``cases`` cases; shares, errors and times are of the stretch since the point before.

    ``alone`` passed without a person, ``alone_wrong`` of them were wrong, as only the story knows. ``drift`` is the
    statistic of stated confidences as a share of its limit on a logarithmic scale (1 is the alarm), None while
    nothing is watched. ``productivity_bp``: 20,000 means twice as many cases in the same time of people; None where the
    cases had been worked on before.
    """

    cases: int
    phase: str
    groups: dict[str, GroupPoint]
    seen: int
    alone: int
    alone_wrong: int
    review_bp: int
    drift: float | None
    productivity_bp: int | None
    events: tuple[str, ...]


@dataclass(slots=True)
class Stretch:
    """What has been counted since the last point."""

    cases: int = 0
    handled: int = 0
    reviewed: int = 0
    alone: int = 0
    alone_wrong: int = 0
    review_seconds: int = 0
    wrong_done: int = 0
    drift: float | None = None
    events: list[str] = field(default_factory=list)

    def point(self, cases: int, phase: Phase, records: Iterable[TrackRecord]) -> Point:
        """Close it."""
        found = {
            one.class_: GroupPoint(one.stage, one.trials, one.errors, one.lower, one.upper, one.threshold_bp)
            for one in records
        }
        tax = measured_tax(
            MANUAL_SECONDS, self.cases, self.handled, self.review_seconds, self.wrong_done * REWORK_SECONDS
        )
        spared = None if tax is None or phase.again else tax.net_productivity_bp
        return Point(
            cases, phase.name, found, self.cases, self.alone, self.alone_wrong,
            self.reviewed * 10_000 // max(1, self.cases), self.drift, spared, tuple(self.events),
        )  # fmt: skip


def curve_lines(points: Sequence[Point], groups: Sequence[str]) -> list[str]:
    """Return the curve as text: a line for each point, the groups' stages as one letter each."""
    lines = [
        "stage by group: - shadow, s supervised, S sampled, A autonomous; groups: " + ", ".join(groups),
        f"{'cases':>6}  {'':<14} {'stages':<{len(groups)}}  seen by people  wrong among the rest  bound  drift    net",
    ]
    for point in points:
        stages = "".join(LETTERS[point.groups[name].stage] if name in point.groups else " " for name in groups)
        uppers = [one.upper for one in point.groups.values() if one.stage == "autonomous"]
        bound = f"{max(uppers):6.1%}" if uppers else "     -"
        drift = f"{point.drift:5.2f}" if point.drift is not None else "    -"
        rest = f"{point.alone_wrong:>4} of {point.alone:>4}" if point.alone else "           -"
        net = "    -" if point.productivity_bp is None else f"x{point.productivity_bp / 10_000:.2f}"
        share = f"{point.alone_wrong / point.alone:7.1%}" if point.alone else "       "
        lines.append(
            f"{point.cases:>6}  {point.phase:<14} {stages:<{len(groups)}}  {point.review_bp / 10_000:14.0%}"
            f"  {rest} {share}  {bound}  {drift}  {net}"
        )
        lines += [f"{'':>8}{text}" for text in point.events]
    return lines
