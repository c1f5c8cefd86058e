"""The curve as one page that needs nothing else: stages, track records with their valid bands, reviews, drift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from math import ceil
from typing import Final

from remit.stats.watch import WatchPlan

from .curve import LETTERS, STAGES, Point
from .telling import PROMISE, Summary

__all__ = ["story_page"]

WIDTH: Final = 860
LEFT: Final = 120
RIGHT: Final = 10
TOP: Final = 26
"""Room above a chart for the numbers of the phases, which may stand close together."""

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2127; --soft: #66707a; --rule: #d8dde2; --band: #9ec5e8;
  --line: #1f5f99; --bad: #b3372f; --shadow: #e3e7eb; --supervised: #f2d9a0; --sampled: #9ec5e8; --autonomous: #5aa469 }
@media (prefers-color-scheme: dark) { :root { --ground: #14181c; --ink: #e6eaee; --soft: #98a3ad; --rule: #333b43;
  --band: #2b5378; --line: #8cc0ef; --bad: #f08a80; --shadow: #2a3138; --supervised: #7a6128; --sampled: #2b5378;
  --autonomous: #3d8a4f } }
body { margin: 2rem auto; max-width: 920px; padding: 0 1rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.05rem; margin: 2rem 0 .25rem }
p { color: var(--soft); margin: .25rem 0 .5rem; max-width: 44rem } svg { display: block; width: 100%; height: auto }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
.grid { stroke: var(--rule); stroke-width: 1 } .limit { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 4 3 }
.line { fill: none; stroke: var(--line); stroke-width: 1.8 } .band { fill: var(--band); opacity: .6 }
svg text.name { font-size: 12px; fill: var(--ink) } .bad { color: var(--bad); font-weight: 600 }
.phase { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3 }
.shadow { fill: var(--shadow) } .supervised { fill: var(--supervised) } .sampled { fill: var(--sampled) }
.autonomous { fill: var(--autonomous) }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .9em; vertical-align: -.08em }
.key.shadow { background: var(--shadow) } .key.supervised { background: var(--supervised) }
.key.sampled { background: var(--sampled) } .key.autonomous { background: var(--autonomous) }
table { border-collapse: collapse; font-size: 13px; width: 100%; margin-top: .5rem }
th, td { text-align: right; padding: .2rem .5rem; border-bottom: 1px solid var(--rule);
  font-variant-numeric: tabular-nums }
td { white-space: nowrap } th:nth-child(2), td:nth-child(2), th:last-child { text-align: left }
td:last-child { text-align: left; white-space: normal } .scroll { overflow-x: auto }
"""


def story_page(summary: Summary, groups: Sequence[str]) -> str:
    """Return the page. ``summary`` has at least one point; ``groups`` are the classes that earn separately."""
    points = summary.points
    keys = "".join(f'<span class="key {name}"></span>{name}' for name in STAGES)
    bands = "".join(_track(points, name) for name in groups)
    plan = WatchPlan(round(PROMISE * 10_000), "")
    false_alarms = f"{plan.confidence_bp / 100:g} %"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>How a router of inquiries earned its autonomy</title><style>{_STYLE}</style></head><body>
<h1>How a router of inquiries earned its autonomy</h1>
<p>{points[-1].cases:,} messages of bank customers (BANKING77, PolyAI, CC BY 4.0), each a case on the ledger. Each group
of intents earns separately: what passes without a person shall be wrong less often than {PROMISE * 100:g} %, with
95 % certainty.</p>
<h2>What happened</h2>{_happened(summary)}
<p>What passed alone and was wrong is the truth, which only the story knows. The numbers of the phases stand above the
dashed verticals below.</p>
<h2>Stage</h2><p>{keys}</p>{_stages(points, groups)}
<h2>Track record: error rate of what passes alone, with its valid band</h2>
<p>By group, from the cases that people saw, while sampled or autonomous; it begins anew where stage or threshold
changed. The band holds at whatever moment one looks; the red line is the promise. What reviewers miss is not in it.</p>
{bands}
<h2>Share of cases that a person sees</h2>
{_curve(points, lambda one: one.review_bp / 10_000, 1.0, "share seen by a person", None, "%")}
<h2>Drift: the statistic on stated confidences</h2>
<p>On a logarithmic scale; 1 is the alarm, which suspends and begins the watch anew (the chance of a false one is at
most {false_alarms} in {plan.horizon:,} decisions). There is none where nothing has been earned.</p>
{_curve(points, lambda one: one.drift, 1.2, "statistic as a share of its limit", 1.0, "")}
<h2>Net productivity</h2><p>How many times as many cases in the same time of people; work that went wrong is done
again. None where a new version was tried on cases that were done already.</p>
{_curve(points, _times, _top(points), "times", 1.0, "x")}
<h2>The numbers</h2><p>Stages by group, in the order {", ".join(groups)}: - shadow, s supervised, S sampled,
A autonomous.</p>{_table(points, groups)}
</body></html>
"""


def _happened(summary: Summary) -> str:
    rows = []
    for number, one in enumerate(summary.phases, 1):
        fell = summary.lowered.get(one.name)
        share = f"{one.alone_wrong / one.alone:.1%}" if one.alone else ""
        worse = ' class="bad"' if one.broken else ""
        rows.append(
            f"<tr><td>{number}</td><td>{escape(one.name)}</td><td>{one.cases:,}</td><td>{one.seen:,}</td>"
            f"<td>{one.alone:,}</td><td>{one.alone_wrong:,}</td><td{worse}>{share}</td>"
            f"<td>{'' if fell is None else f'{fell:,} cases'}</td></tr>"
        )
    names = ("", "phase", "cases", "seen by a person", "alone", "wrong", "share", "first fall after")
    return _rows(names, rows)


def _rows(names: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _top(points: Sequence[Point]) -> float:
    """The next even number, so that the one halfway is whole, too."""
    return 2.0 * max(1, ceil(max(filter(None, map(_times, points)), default=0.0) / 2))


def _times(point: Point) -> float | None:
    return None if point.productivity_bp is None else point.productivity_bp / 10_000


def _x(points: Sequence[Point], cases: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * cases / points[-1].cases


def _phases(points: Sequence[Point], height: int, *, numbered: bool) -> str:
    """A vertical where each phase begins; its number above, one line lower where the one before is close."""
    drawn, before, number, low = [], -100.0, 1, False
    for last, one in pairwise(points):
        if one.phase == last.phase:
            continue
        x, number = _x(points, last.cases), number + 1
        low = not low and x - before < 12
        before = x
        drawn.append(f'<line class="phase" x1="{x:.1f}" y1="{24 if low else 13}" x2="{x:.1f}" y2="{height}"/>')
        if numbered:
            drawn.append(f'<text x="{x:.1f}" y="{22 if low else 10}" text-anchor="middle">{number}</text>')
    return "".join(drawn)


def _svg(height: int, title: str, inner: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{escape(title)}</title>{inner}</svg>'


def _stages(points: Sequence[Point], groups: Sequence[str]) -> str:
    row, drawn = 20, []
    height = TOP + row * len(groups)
    for place, name in enumerate(groups):
        y, start = TOP + place * row, 0
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        for one in points:
            stage = one.groups[name].stage if name in one.groups else "shadow"
            x = _x(points, start)
            wide = _x(points, one.cases) - x
            drawn.append(f'<rect class="{stage}" x="{x:.1f}" y="{y}" width="{wide + 0.4:.1f}" height="{row - 4}"/>')
            start = one.cases
    return _svg(height, "stage of each group over the cases", "".join(drawn) + _phases(points, height, numbered=True))


def _track(points: Sequence[Point], name: str) -> str:
    """One group: the band from lower to upper bound, the rate seen, and the promise."""
    height, top = 112, 0.2
    scale = (height - TOP - 8) / top

    def y(rate: float) -> float:
        return height - 8 - min(rate, top) * scale

    drawn = [f'<text class="name" x="0" y="{y(0.15) + 4:.1f}">{escape(name)}</text>']
    for rate in (0.0, 0.1, 0.2):
        drawn.append(f'<line class="grid" x1="{LEFT}" y1="{y(rate):.1f}" x2="{WIDTH - RIGHT}" y2="{y(rate):.1f}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate * 100:g} %</text>')
    for run in _runs(points, name):
        ups = [f"{_x(points, one.cases):.1f} {y(one.groups[name].upper):.1f}" for one in run]
        downs = [f"{_x(points, one.cases):.1f} {y(one.groups[name].lower):.1f}" for one in reversed(run)]
        drawn.append(f'<path class="band" d="M{"L".join(ups + downs)}Z"/>')
        seen = [(one.cases, one.groups[name].errors / one.groups[name].trials) for one in run]
        drawn.append(_path([f"{_x(points, cases):.1f} {y(rate):.1f}" for cases, rate in seen]))
    drawn.append(f'<line class="limit" x1="{LEFT}" y1="{y(PROMISE):.1f}" x2="{WIDTH - RIGHT}" y2="{y(PROMISE):.1f}"/>')
    title = f"{name}: error rate with its valid band"
    return _svg(height, title, "".join(drawn) + _phases(points, height, numbered=True))


def _runs(points: Sequence[Point], name: str) -> list[list[Point]]:
    """The stretches in which something is known of what passes alone."""
    runs: list[list[Point]] = [[]]
    for one in points:
        group = one.groups.get(name)
        if group is not None and group.stage in ("sampled", "autonomous") and group.trials:
            if runs[-1] and runs[-1][-1].groups[name].trials > group.trials:
                runs.append([])
            runs[-1].append(one)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _curve(
    points: Sequence[Point], of: Callable[[Point], float | None], top: float, title: str, limit: float | None, unit: str
) -> str:
    height = 140

    def y(value: float) -> float:
        return height - 8 - min(value, top) * (height - TOP - 8) / top

    drawn = []
    for part in (0.0, 0.5, 1.0):
        value = top * part
        text = f"{value * 100:g} %" if unit == "%" else f"{unit}{value:g}"
        drawn.append(f'<line class="grid" x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDTH - RIGHT}" y2="{y(value):.1f}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    run: list[str] = []
    for one in points:
        known = of(one)
        if known is None:
            drawn.append(_path(run))
            run = []
        else:
            run.append(f"{_x(points, one.cases):.1f} {y(known):.1f}")
    drawn.append(_path(run))
    if limit is not None:
        drawn.append(f'<line class="limit" x1="{LEFT}" y1="{y(limit):.1f}" x2="{WIDTH - RIGHT}" y2="{y(limit):.1f}"/>')
    return _svg(height, title, "".join(drawn) + _phases(points, height, numbered=True))


def _path(run: Sequence[str]) -> str:
    """One unbroken line, each of its points marked."""
    if not run:
        return ""
    marks = "".join('<circle cx="{}" cy="{}" r="2" fill="var(--line)"/>'.format(*at.split()) for at in run)
    return f'<path class="line" d="M{"L".join(run)}"/>{marks}'


def _table(points: Sequence[Point], groups: Sequence[str]) -> str:
    rows = []
    for one in points:
        stages = "".join(LETTERS[one.groups[name].stage] if name in one.groups else "." for name in groups)
        net = "" if one.productivity_bp is None else f"{one.productivity_bp / 10_000:.2f}"
        drift = "" if one.drift is None else f"{one.drift:.2f}"
        alone = f"{one.alone_wrong} of {one.alone}" if one.alone else ""
        rows.append(
            f"<tr><td>{one.cases:,}</td><td>{escape(one.phase)}</td><td><code>{stages}</code></td>"
            f"<td>{one.review_bp / 100:.0f} %</td><td>{alone}</td><td>{drift}</td>"
            f"<td>{net}</td><td>{escape('; '.join(one.events))}</td></tr>"
        )
    return _rows(("cases", "phase", "stages", "seen", "wrong alone", "drift", "net", ""), rows)
