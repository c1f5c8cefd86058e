"""One row of the table: what, its target, what was measured with its Monte-Carlo interval, ok or missed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.rows import Budget, figure

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["OURS", "Guarantee", "at_least", "at_most", "exit_code", "markdown", "not_possible", "refused", "summary",
           "table", "write"]  # fmt: skip

OURS: Final = "remit"
_HEADINGS: Final = ("#", "what", "who", "target", "measured", "95 % interval", "runs", "")


def at_most(limit: float) -> Budget:
    """Return a target from above."""
    return Budget("at_most", limit)


def at_least(limit: float) -> Budget:
    """Return a target from below."""
    return Budget("at_least", limit)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One figure. ``low`` and ``high`` are its interval over ``runs`` repetitions, None where it is exact.

    ``value`` None with a target is missed when it is ours, unless ``possible`` is False, which must be said in
    ``note``.
    """

    number: str
    what: str
    value: float | None
    target: Budget | None = None
    low: float | None = None
    high: float | None = None
    runs: int = 0
    who: str = OURS
    note: str = ""
    possible: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the figure itself is within its target; None without a target, or where it is not possible."""
        if self.target is None or not self.possible:
            return None
        return bool(self.target.met(self.value, None))

    @property
    def verdict(self) -> str:
        """The last column: ok, MISSED, n/a or nothing."""
        if not self.possible:
            return "n/a"
        return {True: "ok", False: "MISSED", None: ""}[self.met]


def not_possible(number: str, what: str, why: str, who: str = OURS) -> Guarantee:
    """Return the row of a figure that this pool cannot give, and why."""
    return Guarantee(number, what, None, who=who, note=why, possible=False)


def refused(number: str, what: str, why: str) -> list[Guarantee]:
    """Return `not_possible` as a job does, which gives rows."""
    return [not_possible(number, what, why)]


def exit_code(rows: Sequence[Guarantee]) -> int:
    """Return 1 when a target of ours is missed or nothing of ours was judged, else 0, whatever others do."""
    judged = [row.met for row in rows if row.who == OURS and row.met is not None]
    return 0 if judged and all(judged) else 1


def summary(rows: Sequence[Guarantee]) -> str:
    """Say in one line how many targets were met, by us and by others."""
    said = []
    for who, chosen in (("remit", True), ("others", False)):
        judged = [row.met for row in rows if (row.who == OURS) is chosen and row.met is not None]
        said.append(f"{who}: {judged.count(True)} of {len(judged)} met")
    missed = ", ".join(f"{row.number} {row.what}" for row in rows if row.who == OURS and row.met is False)
    return "; ".join(said) + (f"; MISSED: {missed}" if missed else "")


def _cells(row: Guarantee) -> tuple[str, ...]:
    interval = "" if row.low is None or row.high is None else f"{_short(row.low)} .. {_short(row.high)}"
    runs = f"{row.runs:,}" if row.runs else ""
    return (row.number, row.what, row.who, str(row.target or ""), _short(row.value), interval, runs, row.verdict)


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return figure(float(f"{value:.3g}") if abs(value) < 10 else round(value))


def table(rows: Sequence[Guarantee]) -> Table:
    """Lay the rows out for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    laid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in _HEADINGS:
        right = heading in {"measured", "95 % interval", "runs"}
        laid.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        style = {"ok": "green", "MISSED": "bold red" if row.who == OURS else "red"}.get(row.verdict, "")
        laid.add_row(*(Text(cell, style=style if place == 7 else "") for place, cell in enumerate(_cells(row))))
    return laid


def markdown(rows: Sequence[Guarantee], heading: str) -> str:
    """Write the rows as a Markdown table, their notes below."""
    lines = [f"# {heading}", "", _line(_HEADINGS), _line("---" for _ in _HEADINGS)]
    lines += [_line(_cells(row)) for row in rows]
    notes = [f"- {row.number} {row.what}, {row.who}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, "", *notes, "", summary(rows)]) + "\n"


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def write(rows: Sequence[Guarantee], path: Path, heading: str) -> None:
    """Write the rows as JSON to ``path`` and as Markdown beside it, each whole or not at all."""
    for target, text in (
        (path, json.dumps([asdict(row) | {"verdict": row.verdict} for row in rows], indent=1, allow_nan=False) + "\n"),
        (path.with_suffix(".md"), markdown(rows, heading)),
    ):
        unfinished = target.with_name(target.name + ".unfinished")
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, target)  # noqa: PTH105
