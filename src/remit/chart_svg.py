"""Small charts as SVG that stands in a page: no script, colours by class, the numbers also as text.

Each carries its meaning as a title, so that it is read aloud; none says anything that the page does not also say.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["age_chart", "line_chart", "share_bar"]


def share_bar(parts: Sequence[tuple[str, int]], total: int, title: str, width: int = 160) -> str:
    """Return one bar cut into parts; each part is a class and a count, ``total`` is the whole bar."""
    drawn, at = [], 0.0
    for name, count in parts:
        length = width * count / total if total > 0 else 0.0
        if count > 0:
            length = max(length, 1.5)  # one of a million is seen, too
            drawn.append(f'<rect class="{escape(name)}" x="{at:.1f}" y="0" width="{length:.1f}" height="10"/>')
        at += length
    return (
        f'<svg class="bar" width="{width}" height="10" viewBox="0 0 {max(width, at):.0f} 10" '
        f'preserveAspectRatio="none" role="img"><title>{escape(title)}</title>'
        f'<rect class="rest" x="0" y="0" width="{max(width, at):.0f}" height="10"/>{"".join(drawn)}</svg>'
    )


def line_chart(values: Sequence[int], title: str, width: int = 240, height: int = 48) -> str:
    """Return values over time, oldest first, from zero; the last one is marked."""
    top = max((*values, 1))
    step = (width - 8) / max(len(values) - 1, 1)
    points = [(4 + index * step, height - 4 - (height - 8) * value / top) for index, value in enumerate(values)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""
    mark = f'<circle class="last" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="3"/>' if points else ""
    return (
        f'<svg class="line" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
        f'<title>{escape(title)}</title><path d="{path}"/>{mark}</svg>'
    )


def age_chart(shares: Sequence[tuple[str, int]], total: int, title: str, width: int = 420, height: int = 110) -> str:
    """Return a column for each age: a label and how many of ``total`` are at most that old."""
    slot = width / max(len(shares), 1)
    columns = []
    for index, (label, count) in enumerate(shares):
        tall = (height - 32) * count / total if total > 0 else 0.0
        x, middle, top = index * slot + 3, index * slot + slot / 2, height - 16 - tall
        columns.append(
            f'<rect class="usable" x="{x:.1f}" y="{top:.1f}" width="{slot - 6:.1f}" height="{tall:.1f}"/>'
            f'<text x="{middle:.1f}" y="{height - 3}" text-anchor="middle">{escape(label)}</text>'
        )
    return (
        f'<svg class="ages" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{escape(title)}</title>{''.join(columns)}</svg>"
    )
