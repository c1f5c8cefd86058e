"""From scored pairs to groups of records that are one, without letting chains through.

Joining whatever is linked makes chains: two pairs that are likely pull four records together of which two plainly
differ. Here a link joins two groups only when all pairs across them, taken together, still speak for it (correlation
clustering, Bansal and others 2004, greedily, the surest link first). Sources that hold each thing once are linked one
to one; what people decided stands.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = [
    "DOUBT_BP",
    "SURE_BP",
    "Clustering",
    "DoubtfulLink",
    "PairWeight",
    "Together",
    "bits_of",
    "cluster_pairs",
    "duplicate_free_sources",
]

SURE_BP: Final = 9_000
"""From how likely on a link is made unasked, in basis points."""
DOUBT_BP: Final = 5_000
"""From how likely on a link is asked about."""

SIZE_MAX: Final = 500
"""Records in one group; more than that is a mistake in the data more often than a thing that was noted so often."""
CROSS_MAX: Final = 400
"""Pairs across two groups that are looked at."""
SPEAK_MAX: Final = 10.0
"""What one pair can say for or against, in bits, so that no single pair outvotes the others."""
TIE_BITS: Final = 1e-6
DUPLICATES_MAX: Final = 0.002
"""A source with fewer sure pairs a record than this is taken to hold each thing once."""

PairWeight = tuple[int, int, float]
"""Two row numbers, the smaller first, and how much speaks for their being one, in bits."""


def bits_of(probability_bp: int) -> float:
    """Return the weight, in bits, that is as likely as ``probability_bp`` basis points."""
    return math.log2(probability_bp / (10_000 - probability_bp))


@dataclass(frozen=True, slots=True)
class Together:
    """What is known from elsewhere, by row numbers. ``same``: pairs that are one; ``apart``: pairs that are not.

    ``home``: what each row belongs to today. A link inside is kept until it is no longer even doubtful, so that what
    stands near the edge does not come and go.
    """

    same: tuple[tuple[int, int], ...] = ()
    apart: frozenset[tuple[int, int]] = frozenset()
    home: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DoubtfulLink:
    """Two records that may be one, and why that was not decided here."""

    left: int
    right: int
    weight: float
    why: str


@dataclass(frozen=True, slots=True)
class Clustering:
    """Every record in exactly one group; groups and members in order of row numbers."""

    groups: tuple[tuple[int, ...], ...]
    doubtful: tuple[DoubtfulLink, ...]


@dataclass(slots=True)
class _Groups:
    """Groups that grow, with what must not stand in one."""

    members: dict[int, list[int]]
    home: list[int]
    sources: Sequence[str] | None
    single: frozenset[str]
    apart: Mapping[int, set[int]] = field(default_factory=dict)

    def join(self, one: int, two: int) -> None:
        keep, gone = sorted((self.home[one], self.home[two]))
        if keep != gone:
            moved = self.members.pop(gone)
            self.members[keep] = sorted(self.members[keep] + moved)
            for row in moved:
                self.home[row] = keep

    def clash(self, one: Sequence[int], two: Sequence[int]) -> str:
        """Say why the two groups must not be one; empty when they may."""
        short, other = sorted((one, two), key=len)
        others = set(other)
        if any(not others.isdisjoint(self.apart.get(row, ())) for row in short):
            return "apart"
        if self.sources is not None and self.single:
            here = {self.sources[row] for row in one} & self.single
            if any(self.sources[row] in here for row in two):
                return "single"
        return "size" if len(one) + len(two) > SIZE_MAX else ""


def duplicate_free_sources(pairs: Iterable[PairWeight], sources: Sequence[str], sure: float) -> frozenset[str]:
    """Return the sources within which next to no sure pairs stand, where there are several sources."""
    sizes: dict[str, int] = defaultdict(int)
    inside: dict[str, int] = defaultdict(int)
    for source in sources:
        sizes[source] += 1
    for one, two, weight in pairs:
        if weight >= sure and sources[one] == sources[two]:
            inside[sources[one]] += 1
    if len(sizes) < 2:
        return frozenset()
    return frozenset(name for name, size in sizes.items() if inside[name] <= DUPLICATES_MAX * size)


def cluster_pairs(
    count: int,
    pairs: Sequence[PairWeight],
    weigh: Callable[[int, int], float],
    *,
    sure: float,
    doubt: float,
    sources: Sequence[str] | None = None,
    single: frozenset[str] = frozenset(),
    known: Together | None = None,
) -> Clustering:
    """Group ``count`` records. ``sure`` and ``doubt`` are in bits; ``weigh`` weighs a pair that is not in ``pairs``.

    ``single`` are the sources that hold each thing once.
    """
    known = known or Together()
    apart: dict[int, set[int]] = defaultdict(set)
    for one, two in known.apart:
        apart[one].add(two)
        apart[two].add(one)
    groups = _Groups({row: [row] for row in range(count)}, list(range(count)), sources, single, apart)
    for one, two in known.same:
        groups.join(one, two)
    weights = {(one, two): weight for one, two, weight in pairs}
    ties = _ties([pair for pair in pairs if pair[2] >= sure], sources, single)
    refused: dict[tuple[int, int], DoubtfulLink] = {}
    for one, two, weight in sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1])):
        if weight < doubt:
            break
        left, right = groups.members[groups.home[one]], groups.members[groups.home[two]]
        if left is right:
            continue
        why = groups.clash(left, right)
        if why in ("apart", "single"):
            continue
        at_home = bool(known.home) and known.home[one] == known.home[two]
        if not why and (weight >= sure or at_home):
            if (one, two) in ties:
                why = "tie"
            elif _sum(left, right, weights, weigh) >= 0.0:
                groups.join(one, two)
                continue
            else:
                why = "chain"
        refused[one, two] = DoubtfulLink(one, two, weight, _WHY[why or "doubt"])
    return Clustering(tuple(tuple(groups.members[home]) for home in sorted(groups.members)), _open(groups, refused))


_WHY: Final = {
    "doubt": "not sure enough to do it unasked",
    "tie": "several are as likely",
    "chain": "other records of the two speak against it",
    "size": f"more than {SIZE_MAX} records would be one",
}


def _sum(
    left: Sequence[int],
    right: Sequence[int],
    weights: dict[tuple[int, int], float],
    weigh: Callable[[int, int], float],
) -> float:
    """Add up what the pairs across two groups say; of many pairs, of some that are spread evenly."""
    step = max(1, math.ceil(len(left) * len(right) / CROSS_MAX))
    total = 0.0
    for number in range(0, len(left) * len(right), step):
        one, two = left[number % len(left)], right[number // len(left)]
        pair = (one, two) if one < two else (two, one)
        weight = weights.get(pair)
        if weight is None:
            weight = weights[pair] = weigh(*pair)
        total += max(-SPEAK_MAX, min(SPEAK_MAX, weight))
    return total


def _ties(
    pairs: Sequence[PairWeight], sources: Sequence[str] | None, single: frozenset[str]
) -> frozenset[tuple[int, int]]:
    """Find pairs with a record for which two records of a source that holds each thing once are as likely."""
    if sources is None or not single:
        return frozenset()
    best: dict[tuple[int, str], list[PairWeight]] = defaultdict(list)
    for pair in pairs:
        for row, other in ((pair[0], pair[1]), (pair[1], pair[0])):
            if sources[other] in single and sources[row] != sources[other]:
                best[row, sources[other]].append(pair)
    tied: set[tuple[int, int]] = set()
    for several in best.values():
        top = max(weight for _, _, weight in several)
        first = [pair for pair in several if pair[2] >= top - TIE_BITS]
        if len(first) > 1:
            tied.update((one, two) for one, two, _ in first)
    return frozenset(tied)


def _open(groups: _Groups, refused: Mapping[tuple[int, int], DoubtfulLink]) -> tuple[DoubtfulLink, ...]:
    """Keep of each two groups the surest link that still asks something."""
    best: dict[tuple[int, int], DoubtfulLink] = {}
    for link in refused.values():
        one, two = groups.home[link.left], groups.home[link.right]
        pair = (min(one, two), max(one, two))
        if one == two or groups.clash(groups.members[one], groups.members[two]) in ("apart", "single"):
            continue
        if pair not in best or link.weight > best[pair].weight:
            best[pair] = link
    return tuple(sorted(best.values(), key=lambda link: (-link.weight, link.left, link.right)))
