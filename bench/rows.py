"""What a run of the benchmarks leaves: one row a figure, as JSON, as a table, as Markdown.

A row is a median over the rounds of one run with its lowest and highest round. A figure that could not be
measured is None and says why; it is never an old figure, a guess or a zero.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "Budget",
    "Row",
    "Samples",
    "Spread",
    "compare",
    "figure",
    "markdown",
    "rounded",
    "spread_of",
    "summary",
    "table",
    "write_rows",
]

HEADINGS = (
    "what",
    "remit",
    "spread",
    "unit",
    "budget",
    "met",
    "peer",
    "peer's",
    "times better",
    "CPU us",
    "peer's CPU us",
)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, the lowest and the highest of them, and how many there were."""

    median: float
    low: float
    high: float
    rounds: int


def spread_of(values: Sequence[float]) -> Spread:
    """Return median and spread of ``values``.

    Raises:
        ValueError: there are none, or one of them is not a finite number.
    """
    if not values:
        raise ValueError("no rounds: a median needs at least one value")
    for value in values:
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: got {value!r}")
    return Spread(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure may be: at most or at least ``limit``, or ``limit`` times better than the peer's."""

    kind: Literal["at_most", "at_least", "times_better"]
    limit: float

    def met(self, value: float | None, ratio: float | None) -> bool | None:
        """Say whether the budget is met; None when what it is compared with was not measured."""
        if self.kind == "times_better":
            return None if ratio is None else ratio >= self.limit
        if value is None:
            return None
        return value <= self.limit if self.kind == "at_most" else value >= self.limit

    def __str__(self) -> str:
        if self.kind == "times_better":
            return f">= {figure(self.limit)}x peer"
        return f"{'<=' if self.kind == 'at_most' else '>='} {figure(self.limit)}"


@dataclass(frozen=True, slots=True)
class Samples:
    """The rounds of one side: its figures, its CPU microseconds a unit of work, or why there are none."""

    values: tuple[float, ...] = ()
    cpu_us: tuple[float, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one run, beside its budget and its peer.

    ``spread`` and ``peer_spread`` are the lowest and the highest round, ``ratio`` is how many times better
    than the peer the median is (above 1: better), ``ratio_spread`` the same round by round. CPU is that of
    the measured process, in microseconds a unit of work; what a database server spends is not in it.
    """

    id: str
    what: str
    value: float | None
    unit: str
    budget: str = ""
    met: bool | None = None
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    peer_spread: tuple[float, float] | None = None
    ratio_spread: tuple[float, float] | None = None
    rounds: int = 0
    cpu_us: float | None = None
    peer_cpu_us: float | None = None
    note: str = ""


def compare(
    row_id: str,
    what: str,
    unit: str,
    ours: Samples,
    peer: Samples | None = None,
    *,
    better: Literal["higher", "lower"],
    peer_name: str = "",
    budget: Budget | None = None,
    note: str = "",
) -> Row:
    """Make the row of one figure out of the rounds of both sides; ``better`` says which direction is good."""
    peer = peer or Samples()
    value, spread, rounds = _middle(ours.values)
    peer_value, peer_spread, _ = _middle(peer.values)
    pairs = zip(ours.values, peer.values, strict=False)
    ratios = [ratio for pair in pairs if (ratio := _times_better(*pair, better)) is not None]
    ratio = _times_better(value, peer_value, better)
    problems = [_problem("", ours), _problem("peer ", peer) if peer_name else ""]
    return Row(
        id=row_id,
        what=what,
        value=value,
        unit=unit,
        budget=str(budget) if budget else "",
        met=budget.met(value, ratio) if budget else None,
        peer=peer_name,
        peer_value=peer_value,
        ratio=ratio,
        spread=spread,
        peer_spread=peer_spread,
        ratio_spread=(rounded(min(ratios)), rounded(max(ratios))) if ratios else None,
        rounds=rounds,
        cpu_us=_middle(ours.cpu_us)[0],
        peer_cpu_us=_middle(peer.cpu_us)[0],
        note="; ".join(filter(None, [*problems, note])),
    )


def _problem(side: str, samples: Samples) -> str:
    if not samples.values:
        return f"{side}not measured: {samples.problem or 'no rounds'}"
    return f"{side}stopped after {len(samples.values)}: {samples.problem}" if samples.problem else ""


def _middle(values: Sequence[float]) -> tuple[float | None, tuple[float, float] | None, int]:
    if not values:
        return None, None, 0
    found = spread_of(values)
    return rounded(found.median), (rounded(found.low), rounded(found.high)), found.rounds


def _times_better(value: float | None, peer: float | None, better: str) -> float | None:
    if value is None or peer is None or value <= 0 or peer <= 0:
        return None
    return rounded(value / peer if better == "higher" else peer / value)


def rounded(value: float) -> float:
    """Keep four digits: the spread is wider than the fifth."""
    return float(f"{value:.4g}")


def figure(value: float | None) -> str:
    """Write a figure for people: thousands apart, no more digits than it has; a missing one is a dash."""
    if value is None:
        return "-"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write ``rows`` as JSON to ``path`` and as Markdown beside it, each whole or not at all."""
    for target, text in (
        (path, json.dumps([asdict(row) for row in rows], indent=1, allow_nan=False) + "\n"),
        (path.with_suffix(".md"), markdown(rows)),
    ):
        unfinished = target.with_name(target.name + ".unfinished")
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, target)  # noqa: PTH105


def _cells(row: Row) -> tuple[str, ...]:
    met = {True: "yes", False: "MISSED", None: "not measured" if row.budget else ""}[row.met]
    spread = f"{figure(row.spread[0])} .. {figure(row.spread[1])}" if row.spread else ""
    peer_value = figure(row.peer_value) if row.peer else ""
    ratio = figure(row.ratio) if row.peer else ""
    cpu, peer_cpu = (figure(cpu) if cpu is not None else "" for cpu in (row.cpu_us, row.peer_cpu_us))
    return (
        row.what,
        figure(row.value),
        spread,
        row.unit,
        row.budget,
        met,
        row.peer,
        peer_value,
        ratio,
        cpu,
        peer_cpu,
    )


def markdown(rows: Sequence[Row]) -> str:
    """Write ``rows`` as a Markdown table, its notes below it."""
    lines = [_line(HEADINGS), _line("---" for _ in HEADINGS), *(_line(_cells(row)) for row in rows)]
    notes = [f"- {row.id}: {_one_line(row.note)}" for row in rows if row.note]
    return "\n".join([*lines, "", *notes, *([""] if notes else []), summary(rows)]) + "\n"


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(_one_line(str(cell)).replace("|", "\\|") for cell in cells) + " |"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def table(rows: Sequence[Row]) -> Table:
    """Lay ``rows`` out for a terminal: figures aligned to the right, missed budgets in red."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    laid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        left = heading in {"what", "unit", "budget", "met", "peer"}
        laid.add_column(heading, justify="left" if left else "right", overflow="fold")
    for row in rows:
        style = {True: "green", False: "bold red", None: ""}[row.met]
        laid.add_row(*(Text(cell, style=style if index == 5 else "") for index, cell in enumerate(_cells(row))))
    return laid


def summary(rows: Sequence[Row]) -> str:
    """Say in one line how many budgets were met, missed and not measured."""
    budgets = [row.met for row in rows if row.budget]
    met, missed, unknown = (budgets.count(state) for state in (True, False, None))
    return f"{len(budgets)} budgets: {met} met, {missed} missed, {unknown} not measured"
