"""Learning the weights of a model from how comparisons come out, without any pair being labelled.

All candidate pairs together are read as a mixture (expectation maximisation; Winkler 1988): pairs that are one; pairs
that are not, whose columns agree by chance, as random pairs show it; and pairs that are not but are related: a
household shares name, address and telephone, namesakes have like e-mail addresses. Taken as chance, what relatives
share would look like proof that they are one. A relation is a set of columns that agree together while the others
agree by chance only; relations are found where far more pairs come out so than the mixture so far explains.
What tells relatives apart are dates, numbers of their own and, where there are none, what things are called: neighbours
share a street, the shops of a hotel its telephone.

Splink's estimates are where it begins. Of random pairs in small data most of what agrees is one, so that share is taken
out of ``u``. Levels that were seen by next to no pair, or whose weights stand in the wrong order, are drawn to their
neighbours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from remit.knowledge.pair_model import Comparison, Level, Relation

__all__ = ["Pattern", "refined", "started"]

Pattern = tuple[tuple[int, ...], int]
"""The level of each comparison, -1 where nothing is known, and how many candidate pairs come out so."""
ROUNDS_MAX: Final = 40
ROUNDS_TRIAL: Final = 10
SHARE_MIN: Final = 1e-12
LEVEL_SEEN_MIN: Final = 2.0
U_KEPT_MIN: Final = 0.02
"""The least part of a ``u`` as random pairs showed it that may be left once those that are one are taken out."""
DIFFERENT_MAX: Final = 0.5
"""Pairs that are one agree more often than not, in whatever is known of both; a class that does not is another one."""
DIFFERENT_BEGIN: Final = 0.25
CALLED_DIFFERENT_MAX: Final = 0.1
"""What is one is next to never called something quite different, whatever else differs."""
RELATIONS_MAX: Final = 6
RELATED_PAIRS_MIN: Final = 8.0
GAIN_MIN: Final = 20.0
"""How much likelier (natural logarithm) the pairs must become for a relation to be believed."""
_CROSS: Final = frozenset({"crossed", "either_crossed"})


@dataclass(slots=True)
class _Class:
    """Pairs of one sort: their share of all pairs; the chance of each level; the columns that do not go by chance."""

    share: float
    chances: list[list[float]]
    own: frozenset[int]


def started(
    comparisons: Sequence[Comparison], learned: Sequence[Sequence[tuple[float | None, float | None]]], pairs: float
) -> tuple[Comparison, ...]:
    """Put what Splink learned into the levels. ``pairs`` is how many random pairs it saw.

    A level without ``u`` was seen by no random pair; one without ``m`` gets what is usual at its place.
    """
    result = []
    for comparison, numbers in zip(comparisons, learned, strict=True):
        active = _active(comparison)
        usual = _usual(len(active))
        m = {place: max(numbers[place][0] or usual[n], 1e-6) for n, place in enumerate(active)}
        u = {place: max(numbers[place][1] or 0.0, 0.5 / pairs) for place in active}
        m_sum, u_sum = sum(m.values()), sum(u.values())
        levels = list(comparison.levels)
        for place in active:
            levels[place] = replace(levels[place], m=m[place] / m_sum, u=u[place] / u_sum)
        result.append(replace(comparison, levels=tuple(levels)))
    return tuple(result)


def _active(comparison: Comparison) -> list[int]:
    return [place for place, level in enumerate(comparison.levels) if not level.neutral]


def _usual(count: int) -> list[float]:
    """Of pairs that are one most agree; the rest is spread evenly."""
    return [1.0] if count == 1 else [0.8] + [0.2 / (count - 1)] * (count - 1)


def refined(
    comparisons: Sequence[Comparison],
    patterns: Sequence[Pattern],
    all_pairs: float,
    personal: frozenset[int] = frozenset(),
    called: frozenset[int] = frozenset(),
) -> tuple[tuple[Comparison, ...], float, tuple[Relation, ...]]:
    """Return the comparisons with their weights in bits, the prior in bits, and the relations that were found.

    ``all_pairs`` is how many pairs there are; those that are no candidates are taken not to be one. ``personal`` are
    the comparisons of what relatives do not share: dates of birth, numbers of their own; ``called``, of these, what
    things are called.
    """
    share = 1.0 / math.sqrt(2.0 * max(1.0, all_pairs))  # one pair for each two records
    first = _Class(
        share,
        [
            _capped([level.m for level in one.levels], CALLED_DIFFERENT_MAX if n in called else DIFFERENT_BEGIN)
            for n, one in enumerate(comparisons)
        ],
        frozenset(range(len(comparisons))),
    )
    mixture = _Mixture(comparisons, patterns, all_pairs, [first], personal, called)
    if len(comparisons) > 1:  # one column alone cannot tell how it comes out among pairs that are one
        mixture.relate()
        mixture.learn(ROUNDS_MAX)
    else:
        mixture.settle_chance()
    same, *related = mixture.classes
    chance = 1.0 - sum(one.share for one in mixture.classes)
    weighed = [
        replace(one, levels=tuple(_weighed(one.levels, same.chances[n], mixture.u[n], same.share * all_pairs)))
        for n, one in enumerate(comparisons)
    ]
    relations = tuple(_relation(one, mixture.u, comparisons, chance) for one in related if one.share * all_pairs >= 1.0)
    return tuple(weighed), math.log2(same.share / chance), relations


def _relation(one: _Class, u: Sequence[Sequence[float]], comparisons: Sequence[Comparison], chance: float) -> Relation:
    weights = tuple(
        tuple(
            0.0 if level.neutral else math.log2(one.chances[n][place] / u[n][place])
            for place, level in enumerate(comparisons[n].levels)
        )
        for n in sorted(one.own)
    )
    return Relation(tuple(sorted(one.own)), math.log2(one.share / chance), weights)


def _capped(chances: Sequence[float], most: float) -> list[float]:
    """Hold the chance of the last level, ``different``, to ``most``."""
    rest = sum(chances[:-1])
    if chances[-1] <= most or rest <= 0.0:
        return list(chances)
    return [chance * (1.0 - most) / rest for chance in chances[:-1]] + [most]


class _Mixture:
    """The classes of pairs, being learned. The first class is the pairs that are one."""

    def __init__(
        self,
        comparisons: Sequence[Comparison],
        patterns: Sequence[Pattern],
        all_pairs: float,
        classes: list[_Class],
        personal: frozenset[int],
        called: frozenset[int],
    ):
        self.personal, self.called = personal, called
        self.comparisons, self.all_pairs, self.classes = comparisons, max(1.0, all_pairs), classes
        self.active = [_active(one) for one in comparisons]
        self.drawn = [[level.u for level in one.levels] for one in comparisons]
        self.u = [list(one) for one in self.drawn]
        self.patterns = self._worth(patterns)

    def _worth(self, patterns: Sequence[Pattern]) -> list[Pattern]:
        """Leave out pairs that cannot be one: they would only cost time."""
        generous = self.classes[0]
        kept = []
        for levels, count in patterns:
            weight = math.log(generous.share)
            for n, place in enumerate(levels):
                if place >= 0:
                    weight += math.log(generous.chances[n][place] / self.u[n][place])
            if weight > -7.0:
                kept.append((levels, count))
        return kept

    def settle_chance(self) -> None:
        """Take the pairs of all classes out of what random pairs showed."""
        total = sum(one.share for one in self.classes)
        for n, drawn in enumerate(self.drawn):
            for place in self.active[n]:
                others = sum(one.share * one.chances[n][place] for one in self.classes if n in one.own)
                own = sum(one.share for one in self.classes if n in one.own)
                self.u[n][place] = max((drawn[place] - others) / (1.0 - min(0.9, own)), U_KEPT_MIN * drawn[place])
        assert total < 1.0

    def learn(self, rounds: int) -> float:
        """Run expectation maximisation; return the logarithm of the likelihood against pure chance."""
        likely = -math.inf
        for _ in range(rounds):
            self.settle_chance()
            before, likely = likely, self._round()
            if abs(likely - before) < 1e-4 * max(1.0, abs(likely)):
                break
        # Where dates or numbers tell relatives apart, relations found by this finer measure are often just bad writing.
        likely += self._chance_moved() if self.called else 0.0
        self.settle_chance()
        return likely

    def _chance_moved(self) -> float:
        """How much likelier what random pairs showed is by chance as it is taken now than as it was drawn.

        Two sets of classes leave different chance behind; what each makes of the same pairs is compared with this.
        """
        return self.all_pairs * sum(
            drawn[place] * math.log(own[place] / drawn[place])
            for drawn, own, active in zip(self.drawn, self.u, self.active, strict=True)
            for place in active
            if drawn[place] > 0.0
        )

    def _round(self) -> float:
        bits = [
            [
                [
                    math.log(a / b) if b > 0.0 and a > 0.0 else 0.0
                    for a, b in zip(one.chances[n], self.u[n], strict=True)
                ]
                if n in one.own
                else []
                for n in range(len(self.comparisons))
            ]
            for one in self.classes
        ]
        owns = [sorted(one.own) for one in self.classes]
        starts = [math.log(one.share) for one in self.classes]
        sums = [[[0.0] * len(level) for level in self.drawn] for _ in self.classes]
        totals = [0.0] * len(self.classes)
        chance = 1.0 - sum(one.share for one in self.classes)
        likely = 0.0
        for levels, count in self.patterns:
            odds = []
            for start, table, own in zip(starts, bits, owns, strict=True):
                weight = start
                for n in own:
                    if levels[n] >= 0:
                        weight += table[n][levels[n]]
                odds.append(math.exp(min(weight, 500.0)))
            whole = chance + sum(odds)
            likely += count * math.log(whole)
            for k, odd in enumerate(odds):
                expected = count * odd / whole
                if expected > 1e-9:
                    totals[k] += expected
                    for n in owns[k]:
                        if levels[n] >= 0:
                            sums[k][n][levels[n]] += expected
        for k, one in enumerate(self.classes):
            one.share = max(SHARE_MIN, min(0.3, totals[k] / self.all_pairs))
            for n in owns[k]:
                whole = sum(sums[k][n]) + 0.25 * len(self.active[n])
                chances = [(value + 0.25) / whole for value in sums[k][n]]
                for place, level in enumerate(self.comparisons[n].levels):
                    if level.neutral:
                        chances[place] = 0.0
                one.chances[n] = _capped(chances, CALLED_DIFFERENT_MAX if n in self.called else DIFFERENT_MAX)
        return likely

    def relate(self) -> None:
        """Find relations, the one that explains most first."""
        likely = self.learn(ROUNDS_TRIAL)
        for _ in range(RELATIONS_MAX):
            best: tuple[float, list[_Class]] | None = None
            kept = [_copy(one) for one in self.classes]
            for own, pairs in self._candidates():
                chances = [_capped([level.m for level in one.levels], DIFFERENT_BEGIN) for one in self.comparisons]
                self.classes = [*(_copy(one) for one in kept), _Class(pairs / self.all_pairs, chances, own)]
                gain = self.learn(ROUNDS_TRIAL) - likely
                if gain > GAIN_MIN and (best is None or gain > best[0]):
                    best = gain, self.classes
            if best is None:
                self.classes = kept
                return
            likely += best[0]
            self.classes = best[1]

    def _candidates(self) -> list[tuple[frozenset[int], float]]:
        """Return sets of columns that agree together in more pairs than the classes so far explain."""
        groups: Counter[tuple[int, ...]] = Counter()
        for levels, count in self.patterns:
            groups[tuple(-1 if place < 0 else int(place != self.active[n][-1]) for n, place in enumerate(levels))] += (
                count
            )
        known = [
            sum(count for states, count in groups.items() if states[n] >= 0) / max(1, groups.total())
            for n in range(len(self.comparisons))
        ]
        scored: dict[frozenset[int], float] = {}
        pairs: dict[frozenset[int], float] = {}
        for states, count in groups.items():
            own = frozenset(n for n, state in enumerate(states) if state == 1)
            differ = sum(state == 0 for state in states)
            if len(own) < 2 or own & self.personal or differ < (1 if self.personal else 2) or count < 2:
                continue
            expected = self.all_pairs * self._chance_of(states)
            for n, state in enumerate(states):
                expected *= known[n] if state >= 0 else 1.0 - known[n]
            scored[own] = scored.get(own, 0.0) + count * math.log(max(count / max(expected, 1e-9), 1e-9))
            pairs[own] = pairs.get(own, 0.0) + count
        ranked = sorted(scored, key=lambda own: (-scored[own], sorted(own)))
        taken = {one.own for one in self.classes}
        return [(own, pairs[own]) for own in ranked if own not in taken and pairs[own] >= RELATED_PAIRS_MIN][:6]

    def _chance_of(self, states: Sequence[int]) -> float:
        total = 0.0
        pure = _Class(1.0 - sum(one.share for one in self.classes), [], frozenset())
        for one in (*self.classes, pure):
            chance = one.share
            for n, state in enumerate(states):
                if state >= 0:
                    different = (one.chances if n in one.own else self.u)[n][self.active[n][-1]]
                    chance *= different if state == 0 else 1.0 - different
            total += chance
        return total


def _copy(one: _Class) -> _Class:
    return _Class(one.share, [list(chances) for chances in one.chances], one.own)


def _weighed(levels: Sequence[Level], m: Sequence[float], u: Sequence[float], ones: float) -> Iterator[Level]:
    """Give each level its weight: what is less alike never weighs more (pool adjacent violators)."""
    ratio = {place: math.log2(m[place] / u[place]) for place, level in enumerate(levels) if not level.neutral}
    groups: list[tuple[float, float, list[int]]] = []
    for place in ratio:
        if levels[place].condition[0] in _CROSS:
            continue
        groups.append((m[place], u[place], [place]))
        while len(groups) > 1 and (
            groups[-2][0] / groups[-2][1] < groups[-1][0] / groups[-1][1]
            or (min(groups[-2][0], groups[-1][0]) * ones < LEVEL_SEEN_MIN and len(groups) > 2)
        ):
            later, earlier = groups.pop(), groups.pop()
            groups.append((earlier[0] + later[0], earlier[1] + later[1], earlier[2] + later[2]))
    for m_sum, u_sum, places in groups:
        for place in places:
            ratio[place] = math.log2(m_sum / u_sum)
    least = min(ratio.values())
    for place, level in enumerate(levels):
        if level.neutral:
            yield level
        else:
            weight = max(least, ratio[place])
            yield replace(level, weight=weight, u=u[place], m=u[place] * 2.0**weight)
