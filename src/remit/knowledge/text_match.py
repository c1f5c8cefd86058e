"""Matching by free text: how alike two texts are by the words they share, rare words counting more.

For things that have a title or a description and no telling field: products, publications. Words are weighed by term
and inverse document frequency (Spärck Jones 1972; smoothed, terms damped, as scikit-learn does with
``sublinear_tf``), texts compared by cosine, and each linked to its best only when it is that one's best too.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from remit.knowledge.match_clusters import PairWeight

__all__ = ["TextIndex", "text_pairs", "text_weight"]

WORD: Final = re.compile(r"[^\W_](?:[\w.\-]*[^\W_])?")
TEXT_MAX: Final = 4_000
POSTINGS_MAX: Final = 2_000
"""A word that more texts than this hold leads to no candidate; it still counts in the cosine."""
COSINE_SURE: Final = 0.4
COSINE_EVEN: Final = 0.2
COSINE_TIED: Final = 0.3


def text_weight(cosine: float) -> float:
    """Return bits for a cosine: 0.2 is even odds, 0.4 is nine to one. A rule of thumb, not a trained model."""
    return math.log2(9.0) * (cosine - COSINE_EVEN) / (COSINE_SURE - COSINE_EVEN)


class TextIndex:
    """Texts as unit vectors over their words, and for each word the texts that hold it."""

    def __init__(self, texts: Sequence[str]):
        counted = [Counter(WORD.findall(text[:TEXT_MAX].casefold())) for text in texts]
        held = Counter(word for words in counted for word in words)
        rarity = {word: math.log((1 + len(texts)) / (1 + count)) + 1.0 for word, count in held.items()}
        self.vectors: list[dict[str, float]] = []
        self._postings: dict[str, list[int]] = defaultdict(list)
        for row, words in enumerate(counted):
            vector = {word: (1.0 + math.log(count)) * rarity[word] for word, count in words.items()}
            length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
            self.vectors.append({word: value / length for word, value in vector.items()})
            for word in words:
                if held[word] <= POSTINGS_MAX:
                    self._postings[word].append(row)

    def cosine(self, one: int, two: int) -> float:
        """Return how alike two texts are, 0.0 to 1.0."""
        short, other = sorted((self.vectors[one], self.vectors[two]), key=len)
        return sum(value * other[word] for word, value in short.items() if word in other)

    def alike(self, row: int) -> list[tuple[float, int]]:
        """Return the texts that share a word with ``row`` that leads to candidates, most alike first."""
        others = Counter(other for word in self.vectors[row] for other in self._postings.get(word, ()) if other != row)
        # Those that share most words come first; beyond a few hundred nothing better is to be found.
        found = [(self.cosine(row, other), other) for other, _ in others.most_common(300)]
        return sorted(found, key=lambda one: (-one[0], one[1]))


def text_pairs(index: TextIndex, sources: Sequence[str] | None, least: float) -> list[PairWeight]:
    """Return the pairs that are each other's best, with their weights; ``least`` is the least cosine.

    With ``sources`` of more than one name a text is linked into other sources only, to the best in each. Where several
    are as good as the best, the pair weighs too little to be sure.
    """
    linking = sources is not None and len(set(sources)) > 1
    best: dict[tuple[int, str], tuple[float, int]] = {}
    tied: set[tuple[int, str]] = set()
    for row in range(len(index.vectors)):
        for cosine, other in index.alike(row):
            if cosine < least:
                break
            source = sources[other] if linking and sources is not None else ""
            if linking and sources is not None and sources[row] == source:
                continue
            known = best.setdefault((row, source), (cosine, other))
            if known[1] != other and cosine >= known[0] - 1e-9:
                tied.add((row, source))
    pairs = []
    for (row, source), (cosine, other) in best.items():
        back = sources[row] if linking and sources is not None else ""
        if row < other and best.get((other, back), (0.0, -1))[1] == row:
            unsure = (row, source) in tied or (other, back) in tied
            pairs.append((row, other, text_weight(min(cosine, COSINE_TIED) if unsure else cosine)))
    return sorted(pairs)
