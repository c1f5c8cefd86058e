"""T7: a new version against the old one on the same items, looked at after every item; who is blocked, who passes?"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import numpy as np
from bench.guarantees.guarantee import Guarantee, at_most
from bench.guarantees.monte_carlo import median_row, share_row
from bench.guarantees.pool import Ints

from remit.errors import RemitError
from remit.stats.paired import PairedVerdict, Pairs, paired_verdict
from remit.stats.rate import first_enough

__all__ = ["CASES", "draw_pairs", "t7"]

MARGIN: Final = 0.02
_DELTA: Final = 0.05
_ITEMS: Final = 4_000
Case = Literal["equal quality", "worse by the margin"]
CASES: Final[tuple[tuple[Case, float, float], ...]] = (
    ("equal quality", 0.025, 0.025),
    ("worse by the margin", 0.015, 0.035),
)
"""How often only the new version is right, and only the old one: they disagree on one item in twenty."""


@lru_cache(maxsize=1 << 17)
def _same_needed(better: int, worse: int) -> int:
    """Return how many items on which both agree let the new version pass; beyond `_ITEMS` when more than that."""

    def enough(same: int) -> bool:
        return paired_verdict(Pairs(same, better, worse), MARGIN, _DELTA) != "go on"

    found = first_enough(enough, -1, 256, _ITEMS + 1)
    return _ITEMS + 1 if found is None else found


def draw_pairs(random: np.random.Generator, better: float, worse: float, runs: int, items: int) -> Ints:
    """Return, for each run and item, 1 where only the new version is right, -1 where only the old one, else 0."""
    drawn = random.random((runs, items))
    return np.where(drawn < better, 1, np.where(drawn < better + worse, -1, 0))


def _verdict(differences: Ints) -> tuple[PairedVerdict, int]:
    """Return the first verdict and after how many items it came, asking at each item that can bring one."""
    better = worse = 0
    for place in [*np.flatnonzero(differences).tolist(), len(differences)]:
        passes = _same_needed(better, worse) + better + worse
        if passes <= place:
            return paired_verdict(Pairs(passes - better - worse, better, worse), MARGIN, _DELTA), passes
        if place < len(differences):
            better, worse = better + int(differences[place] > 0), worse + int(differences[place] < 0)
            now = paired_verdict(Pairs(place + 1 - better - worse, better, worse), MARGIN, _DELTA)
            if now != "go on":
                return now, place + 1
    return "go on", len(differences)


def t7(case: Case, better: float, worse: float, runs: int = 1_000) -> list[Guarantee]:
    """Return how often the verdict is wrong, and at equal quality how many items it takes."""
    random = np.random.default_rng([7, len(case)])
    drawn = draw_pairs(random, better, worse, runs, _ITEMS)
    found = [_verdict(differences) for differences in drawn]
    for differences, (verdict, items) in zip(drawn[:5], found, strict=False):
        _check(differences, verdict, items)
    bad = "block" if case == "equal quality" else "pass"
    wrong = sum(1 for verdict, _ in found if verdict == bad)
    what = f"{case}, 5 % answered differently, margin 2 points"
    rows = [share_row("T7", f"{what}: wrong {bad}", wrong, runs, at_most(0.05))]
    if case == "equal quality":
        passed = [float(number) if verdict == "pass" else np.inf for verdict, number in found]
        rows.append(median_row("T7", f"{what}: items until it passes, median", passed, at_most(800)))
    return rows


def _check(differences: Ints, verdict: PairedVerdict, items: int) -> None:
    """Ask after every single item, and compare."""
    pairs = Pairs()
    for count, difference in enumerate(differences.tolist(), 1):
        pairs = pairs.after(difference <= 0, difference >= 0)
        now = paired_verdict(pairs, MARGIN, _DELTA)
        if now != "go on" or count == len(differences):
            if (now, count) != (verdict, items):
                raise RemitError(f"the shortcut says {verdict} after {items} items, item by item {now} after {count}")
            return
