"""What the story came to: as values, and in words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .curve import Point
from .desk import MISS_BP

__all__ = ["PROMISE", "PhaseCount", "Summary", "summary_lines"]

PROMISE: Final = 0.05
"""The share of what passes alone that may be wrong, as the agent's manifest says."""


@dataclass(frozen=True, slots=True)
class PhaseCount:
    """One phase: how many cases, how many of them a person saw, passed alone, and were wrong among the latter."""

    name: str
    cases: int
    seen: int
    alone: int
    alone_wrong: int

    @classmethod
    def of(cls, name: str, points: Sequence[Point]) -> PhaseCount:
        """Add up the points of a phase."""
        cases, alone = sum(one.seen for one in points), sum(one.alone for one in points)
        return cls(name, cases, cases - alone, alone, sum(one.alone_wrong for one in points))

    @property
    def broken(self) -> bool:
        """Whether more passed alone wrong than was promised."""
        return self.alone_wrong > PROMISE * self.alone


@dataclass(slots=True)
class Summary:
    """What the story came to. ``earned``: how often each group rose to each stage; ``returned``: of these, by the
    paired test; ``lost``: how often it fell, and by what. ``lowered``: after how many cases of a phase the first fell.
    """

    cases: int = 0
    points: list[Point] = field(default_factory=list)
    phases: list[PhaseCount] = field(default_factory=list)
    earned: dict[str, dict[str, int]] = field(default_factory=dict)
    returned: dict[str, dict[str, int]] = field(default_factory=dict)
    lost: dict[str, dict[str, int]] = field(default_factory=dict)
    lowered: dict[str, int] = field(default_factory=dict)
    stands: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int | None] = field(default_factory=dict)
    certificates: int = 0
    certificates_wrong: list[str] = field(default_factory=list)
    events: int = 0
    holds: bool = False
    problems: list[str] = field(default_factory=list)
    page: str = ""
    seconds: int = 0

    @property
    def alone(self) -> int:
        """How many cases passed without a person."""
        return sum(one.alone for one in self.phases)

    @property
    def alone_wrong(self) -> int:
        """How many of them were wrong."""
        return sum(one.alone_wrong for one in self.phases)

    def stage_changed(self, data: Mapping[str, Any]) -> None:
        """Count one change of stage."""
        class_, cause = str(data["class"]), str(data["cause"])
        kept = {"promoted": self.earned, "returned": self.returned, "began": None}.get(cause, self.lost)
        if kept is not None:
            counts = kept.setdefault(class_, {})
            what = cause if kept is self.lost else str(data["stage"])
            counts[what] = counts.get(what, 0) + 1


def summary_lines(summary: Summary) -> list[str]:
    """Return the summary as text."""
    line = "{:<14} {:>7}  {}".format
    share = f"{summary.alone_wrong / summary.alone:.1%} of them" if summary.alone else "none passed alone"
    lines = [
        line("cases", f"{summary.cases:,}", f"{summary.alone:,} without a person"),
        line("wrong", f"{summary.alone_wrong:,}", f"{share}; promised: less than {PROMISE:.0%} while certified"),
        line("", "", f"clerks miss {MISS_BP / 100:g} % of what is wrong; no number in the ledger can know those"),
        *(line(one.name, f"{one.cases:,}", _phase(one, summary.lowered.get(one.name))) for one in summary.phases),
    ]
    for name in sorted(summary.stands):
        rose = _counts(summary.earned.get(name, {})) or "nothing"
        back = _counts(summary.returned.get(name, {}))
        fell = _counts(summary.lost.get(name, {})) or "never"
        missing, stands = summary.missing[name], summary.stands[name]
        more = f"; about {missing:,} more labels" if missing else "; more of the same would not do"
        earned = f"earned: {rose}" + (f"; returned by the paired test: {back}" if back else "")
        lines.append(line(name, "", f"{stands}{more if stands != 'autonomous' else ''}  ({earned}; lost: {fell})"))
    wrong = summary.certificates_wrong
    found = f"{len(wrong)} CANNOT BE FOUND AGAIN: {wrong[0]}" if wrong else "each found again in the export, to 1e-9"
    verdict = "holds" if summary.holds else f"BROKEN: {summary.problems[0]}"
    return [
        *lines,
        line("certificates", f"{summary.certificates:,}", found),
        line("ledger", f"{summary.events:,}", f"events, {verdict}"),
        line("page", "", os.path.relpath(summary.page)),
        line("time", f"{summary.seconds} s", ""),
    ]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in counts.items())


def _phase(one: PhaseCount, lowered: int | None) -> str:
    text = f"{one.seen:,} seen by a person"
    if one.alone:
        text += f", {one.alone:,} alone with {one.alone_wrong:,} wrong ({one.alone_wrong / one.alone:.1%})"
        text += ", MORE THAN PROMISED" if one.broken else ""
    return text + (f"; the first group fell after {lowered:,}" if lowered is not None else "")
