"""The model that says how surely two records are one, and the same as a Python function.

Fellegi and Sunter (1969): each comparison has levels from alike to unlike; the first level that holds adds its weight,
the binary logarithm of how much likelier it is among pairs that are one than among pairs that are not. A rare value
that agrees weighs more than a common one (term frequencies). Conditions have three values as in SQL, but as none is
negated, "not known" and "no" come to the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from remit.knowledge.likeness import damerau_within, jaccard, jaro_winkler
from remit.knowledge.match_words import FORMS, KEYS, MatchColumn, forms_of

__all__ = [
    "BlockKey",
    "BlockRule",
    "Comparison",
    "Condition",
    "Frequencies",
    "Level",
    "PairModel",
    "PairScore",
    "Prepared",
    "Relation",
    "form_name",
    "hashed_value",
    "probability_of",
    "rule_key",
]

Condition = tuple[object, ...]
"""A word and what it speaks of: ``("equal", "c0")``, ``("jaro_winkler", "c0", "0.92")``, ``("all", ..., ...)``."""
Prepared = Mapping[str, object]
"""A record as it is compared: its forms by name (see `form_name`)."""
_Holds = Callable[[Prepared, Prepared], bool]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a comparison. ``weight`` is in bits. A ``neutral`` level says nothing (a value is missing).

    ``u`` is the chance that a pair that is not one is at this level; ``by_frequency`` corrects it for how common the
    value is.
    """

    condition: Condition
    words: str
    neutral: bool = False
    by_frequency: bool = False
    weight: float = 0.0
    m: float = 0.0
    u: float = 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one column is compared: ``form`` is the whole value, ``levels`` go from alike to unlike."""

    column: str
    form: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class BlockKey:
    """A key of one column (by its number), or of two whose values get swapped, in sorted order."""

    columns: tuple[int, ...]
    key: str


BlockRule = tuple[BlockKey, ...]
"""Records are candidates for each other when all keys of one rule are the same in both."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How common the values of one form are, as shares; the value itself is not kept, only a hash of it.

    Values that are not listed count as ``rest``.
    """

    rest: float
    shares: Mapping[str, float]


class PairScore(NamedTuple):
    """How much speaks for a pair's being one. ``weight`` in bits; ``alone`` is it before relations are thought of.

    ``levels`` are the level that held in each comparison.
    """

    weight: float
    alone: float
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A way in which pairs are alike that are not one, as households are. ``columns`` are numbers of comparisons.

    ``prior`` and ``weights`` (of each level of each of the columns) are bits, as those of a model are.
    """

    columns: tuple[int, ...]
    prior: float
    weights: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class PairModel:
    """A trained model. ``prior`` is in bits; ``sure_bp`` and ``doubt_bp`` are probabilities in basis points."""

    columns: tuple[MatchColumn, ...]
    comparisons: tuple[Comparison, ...]
    rules: tuple[BlockRule, ...]
    frequencies: Mapping[str, Frequencies]
    prior: float
    sure_bp: int
    doubt_bp: int
    relations: tuple[Relation, ...] = ()

    def prepare(self, row: Mapping[str, str | None]) -> Prepared:
        """Return ``row`` as it is compared; columns that the model does not know are left out."""
        prepared: dict[str, object] = {}
        for number, column in enumerate(self.columns):
            names = FORMS[column.kind]
            for form, value in zip(names, forms_of(column, row.get(column.name)), strict=True):
                prepared[form_name(number, form)] = value
        return prepared

    def keys(self, prepared: Prepared) -> list[str | None]:
        """Return the key of each rule for a prepared record; None where it has none."""
        return [rule_key(self.columns, rule, prepared) for rule in self.rules]

    def scorer(self, secret: bytes = b"") -> Callable[[Prepared, Prepared], PairScore]:
        """Return the function that weighs a pair. ``secret`` is what the frequencies were hashed under."""
        parts = [_compiled(comparison, self.frequencies, secret) for comparison in self.comparisons]
        prior, relations = self.prior, self.relations
        own = [[level.weight for level in one.levels] for one in self.comparisons]

        def score(left: Prepared, right: Prepared) -> PairScore:
            levels, bits = [], []
            for part in parts:
                weight, level = part(left, right)
                bits.append(weight)
                levels.append(level)
            alone = weight = prior + sum(bits)
            if relations:
                related = 1.0
                for relation in relations:
                    total = relation.prior
                    for n, weights in zip(relation.columns, relation.weights, strict=True):
                        if bits[n] or weights[levels[n]]:
                            # What a rare value adds, it adds for relatives too: neither agrees by chance.
                            total += weights[levels[n]] + bits[n] - own[n][levels[n]]
                    related += 2.0 ** min(total, 500.0)
                weight = alone - math.log2(related)
            return PairScore(weight, alone, tuple(levels))

        return score


def probability_of(weight: float) -> float:
    """Return the probability that goes with a weight in bits."""
    return float(1.0 / (1.0 + 2.0 ** -max(-1000.0, min(1000.0, weight))))


@lru_cache(maxsize=4_096)
def form_name(number: int, form: str) -> str:
    """Name a form of column ``number``: ``c0`` is the whole value, ``c0_words`` another form of it."""
    return f"c{number}_{form}" if form else f"c{number}"


def rule_key(columns: Sequence[MatchColumn], rule: BlockRule, prepared: Prepared) -> str | None:
    """Return the key of ``rule`` for a prepared record; None where a part of it is missing."""
    parts = []
    for part in rule:
        found = []
        for number in part.columns:
            kind = columns[number].kind
            text = KEYS[kind][part.key]([prepared[form_name(number, form)] for form in FORMS[kind]])  # type: ignore[misc]
            if not text:
                return None
            found.append(text)
        parts.append("+".join(sorted(found)))
    return "|".join(parts)


def hashed_value(secret: bytes, form: str, value: str) -> str:
    """What stands for a value in `Frequencies`: 16 hexadecimal digits of keyed BLAKE2b (RFC 7693)."""
    return blake2b(f"{form}|{value}".encode("utf-8", "surrogatepass"), key=secret, digest_size=8).hexdigest()


def _compiled(
    comparison: Comparison, frequencies: Mapping[str, Frequencies], secret: bytes
) -> Callable[[Prepared, Prepared], tuple[float, int]]:
    levels = [
        (_holds(level.condition), 0.0 if level.neutral else level.weight, level.by_frequency, math.log2(level.u or 1.0))
        for level in comparison.levels
    ]
    form = comparison.form
    common = frequencies.get(form)
    kept: dict[str, float] = {}

    def bits(value: str) -> float:
        known = kept.get(value)
        if known is None and common is not None:
            known = math.log2(common.shares.get(hashed_value(secret, form, value), common.rest))
            if len(kept) < 65_536:
                kept[value] = known
        return known or 0.0

    def part(left: Prepared, right: Prepared) -> tuple[float, int]:
        for number, (holds, weight, by_frequency, u_bits) in enumerate(levels):
            if holds(left, right):
                if by_frequency and common is not None:
                    return weight + u_bits - bits(str(left[form])), number
                return weight, number
        return 0.0, len(levels) - 1

    return part


def _holds(condition: Condition) -> _Holds:
    """Turn a condition into a function of two prepared records."""
    word, *rest = condition
    if word == "else":
        return lambda left, right: True
    if word == "all":
        parts = [_holds(tuple(one)) for one in rest]  # type: ignore[arg-type]
        return lambda left, right: all(part(left, right) for part in parts)
    form = str(rest[0])
    if word == "missing":
        return lambda left, right: left[form] is None or right[form] is None
    if word == "equal":
        return lambda left, right: left[form] is not None and left[form] == right[form]
    if word in ("crossed", "either_crossed"):
        return _crossed(form, str(rest[1]), both=word == "crossed")
    limit = rest[1]

    def known(test: Callable[..., bool]) -> _Holds:
        def holds(left: Prepared, right: Prepared) -> bool:
            one, two = left[form], right[form]
            return one is not None and two is not None and test(one, two)

        return holds

    if word == "jaro_winkler":
        least = float(str(limit))
        return known(lambda one, two: jaro_winkler(one, two) >= least)
    if word == "jaccard":
        share = float(str(limit))
        return known(lambda one, two: jaccard(one, two) >= share)
    most = int(str(limit))
    if word == "damerau":
        return known(lambda one, two: damerau_within(one, two, most))
    if word == "within":
        return known(lambda one, two: abs(one - two) <= most)
    raise ValueError(f"condition {word!r:.40}")


def _crossed(one: str, two: str, *, both: bool) -> _Holds:
    def holds(left: Prepared, right: Prepared) -> bool:
        there = left[one] is not None and left[one] == right[two]
        back = left[two] is not None and left[two] == right[one]
        return (there and back) if both else (there or back)

    return holds
