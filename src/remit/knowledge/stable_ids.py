"""Entity numbers that stay: new groups of records take over the numbers of the entities they mostly are.

A group takes the number of the entity it shares most records with; each number is taken once, by whoever shares most.
So a number changes hands only where things were really joined or parted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Move", "plan_moves"]


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """Record ``rid`` belongs to entity ``left`` and shall belong to ``entered``."""

    rid: int
    left: int
    entered: int


def plan_moves(
    clusters: Sequence[Sequence[int]], current: Mapping[int, int], taken: Collection[int] = ()
) -> tuple[Move, ...]:
    """Return the moves that make ``clusters`` of records the entities; ``current`` maps every record to its entity.

    ``taken`` are further numbers that entities have; numbers for new entities are those of records, as always.

    Raises:
        ValueError: a record stands in two clusters.
    """
    shares = [
        (-count, entity, number)
        for number, cluster in enumerate(clusters)
        for entity, count in Counter(current[rid] for rid in cluster).items()
    ]
    entered: dict[int, int] = {}
    used: set[int] = set()
    for _, entity, number in sorted(shares):  # the largest share first; among equals the older number
        if number not in entered and entity not in used:
            entered[number] = entity
            used.add(entity)
    used |= set(current.values()) | set(taken)  # an entity that dissolves is not another one in the same breath
    spare = _spare(current, used)
    for number, cluster in enumerate(clusters):
        if number not in entered:
            entered[number] = next((rid for rid in sorted(cluster) if rid not in used), None) or next(spare)
            used.add(entered[number])
    moves = [
        Move(rid, current[rid], entered[number])
        for number, cluster in enumerate(clusters)
        for rid in cluster
        if current[rid] != entered[number]
    ]
    if len({rid for cluster in clusters for rid in cluster}) != sum(map(len, clusters)):
        raise ValueError("a record stands in two clusters")
    return tuple(sorted(moves))


def _spare(current: Mapping[int, int], used: set[int]) -> Iterator[int]:
    """Numbers of records that no entity is called by; there are at most as many entities as records."""
    for rid in sorted(current):
        if rid not in used:
            yield rid
