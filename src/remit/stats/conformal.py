"""Where does a new value stand among those seen before? Ranks that are uniform while nothing changes.

The p-value of a value is its smoothed rank among all values before it and itself. While the values are exchangeable
(whatever their distribution), these p-values are independent and uniform on (0, 1], so that a bet on them that pays
one on average has no expected gain. Ties are broken by a hash, not by chance: a ledger read again gives the same
ranks. Only ``+ - * /`` are used, which IEEE 754 rounds alike everywhere.

Vovk, Nouretdinov and Gammerman 2003 (testing exchangeability on-line); Vovk, Gammerman and Shafer 2022, chapter 8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["RANK_WEIGHTS", "ConformalRanks", "bets_on_level", "bets_on_rank", "tie_number"]

_TIE_BITS: Final = 53
VALUES_MAX: Final = 100_000
RANK_WEIGHTS: Final = (5 / 16, 9 / 16, 1 / 16, 1 / 16)
"""How much of the stake is on each of the bets of `bets_on_rank`."""
_RAISES: Final = (1.25, 1.5, 2.0, 4.0)


def tie_number(seed: str, key: str) -> int:
    """Return a number from 1 to 2**53 that is fixed by ``seed`` and ``key`` and otherwise as good as drawn.

    ``key`` must be different for each value ranked (the digest of its action), and chosen without knowledge of
    ``seed``: who may choose it freely could nudge the ranks of tied values, never those of others.
    """
    head = hashlib.sha256(f"{len(seed)}:{seed}{key}".encode("utf-8", "surrogatepass")).digest()[:8]
    return (int.from_bytes(head, "big") >> (64 - _TIE_BITS)) + 1


class ConformalRanks:
    """Counts of whole numbers from 0 to ``size - 1``, in a Fenwick tree: a rank costs some microseconds.

    The state is the counts alone; it does not depend on the order in which the values came.
    """

    __slots__ = ("_counts", "_size", "_total", "_tree")

    def __init__(self, size: int, values: Iterable[int] = ()) -> None:
        if not 1 <= size <= VALUES_MAX:
            raise BadInput(f"ranks need from 1 to {VALUES_MAX} different values: got {size}")
        self._size = size
        self._counts = [0] * size
        self._tree = [0] * (size + 1)
        self._total = 0
        for value in values:
            self.learn(value)

    @property
    def total(self) -> int:
        """How many values have been learnt."""
        return self._total

    def count(self, value: int) -> int:
        """How often ``value`` has been learnt."""
        return self._counts[self._checked(value)]

    def learn(self, value: int, times: int = 1) -> None:
        """Add ``value`` to those seen.

        Raises:
            BadInput: not a whole number from 0 to ``size - 1``.
        """
        self._counts[self._checked(value)] += times
        self._total += times
        place = value + 1
        while place <= self._size:
            self._tree[place] += times
            place += place & -place

    def place(self, value: int, tie: int) -> float:
        """Return the p-value of ``value`` in (0, 1], low for low values, and learn the value.

        ``tie`` is from 1 to 2**53, as `tie_number` gives it: the share of its equals that stand below it.

        Raises:
            BadInput: ``value`` is outside of the range, or ``tie`` is.
        """
        if type(tie) is not int or not 1 <= tie <= 1 << _TIE_BITS:
            raise BadInput(f"the number that breaks ties must be from 1 to 2**53: got {tie!r:.40}")
        equal = self._counts[self._checked(value)]
        less = 0
        place = value
        while place:
            less += self._tree[place]
            place -= place & -place
        rank = (less + tie / (1 << _TIE_BITS) * (equal + 1)) / (self._total + 1)
        self.learn(value)
        return rank

    def to_json(self) -> list[Json]:
        """Return the counts as ``[value, count]`` pairs, those that are not zero, lowest value first."""
        return [[value, count] for value, count in enumerate(self._counts) if count]

    @classmethod
    def from_json(cls, size: int, counts: Json) -> ConformalRanks:
        """Read what `to_json` wrote.

        Raises:
            BadInput: not pairs of a value within the range, each once, and a positive count.
        """
        ranks = cls(size)
        if not isinstance(counts, list) or len(counts) > size:
            raise BadInput("the counts of ranks must be a list of [value, count] pairs, each value once")
        for pair in counts:
            value, count = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
            if type(value) is not int or type(count) is not int or not 0 < count <= INTEGER_MAX - ranks.total:
                raise BadInput(f"the counts of ranks must be [value, count] pairs: got {pair!r:.60}")
            if ranks.count(value):
                raise BadInput(f"value {value} stands twice in the counts of ranks")
            ranks.learn(value, count)
        return ranks

    def _checked(self, value: int) -> int:
        if type(value) is not int or not 0 <= value < self._size:
            raise BadInput(f"a ranked value must be a whole number from 0 to {self._size - 1}: got {value!r:.40}")
        return value


def bets_on_rank(rank: float) -> tuple[float, float, float, float]:
    """Return what four bets pay at a p-value: each one on average while ranks are uniform.

    The first two say that a sixteenth, or a quarter, of the values come from elsewhere and are low: that part has the
    density 8 (1 - p)**7, most of it in the lowest fifth. Small parts come first when a change creeps in. The third
    says that all get lower, with 2 (1 - p); the last that a quarter get higher, with 4 p**3.
    """
    rest = 1.0 - rank
    square = rest * rest
    low = 8.0 * (square * square * square * rest)
    return (0.9375 + 0.0625 * low, 0.75 + 0.25 * low, 2.0 * rest, 0.75 + rank * rank * rank)


def bets_on_level(rank: float, level: float) -> tuple[float, ...]:
    """Return what four bets pay on ranks at or below ``level`` getting more frequent: each one on average.

    ``level`` in (0, 1) must be chosen before the value is seen. The bets are on 5/4, 3/2, 2 and 4 times as many,
    less where that would pass one.
    """
    paid = []
    for raised in _RAISES:
        share = min(level * raised, 1.0 - (1.0 - level) / raised)
        paid.append(share / level if rank <= level else (1.0 - share) / (1.0 - level))
    return tuple(paid)
