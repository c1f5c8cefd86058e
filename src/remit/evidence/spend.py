"""What was drawn against each cumulative limit, and its cap as last judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.evidence.fold import up_to_date
from remit.ledger.event import RecordedEvent
from remit.store.engine import Store

__all__ = ["Spend", "spend"]

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Spend:
    """One counter: what is drawn and its cap, both in the limit's own unit. ``refused`` counts actions over it."""

    key: str
    used: int
    at_most: int
    refused: int


def spend(store: Store) -> tuple[Spend, ...]:
    """Return every counter that was ever looked at, by key."""
    state = up_to_date(store, "spend", _VERSION, lambda: {"caps": {}, "refused": {}}, _step, ("action.decided",))
    used: dict[str, int] = {str(key): int(value) for key, value in store.read("select key, used from counter")}
    refused: Mapping[str, int] = state["refused"]
    return tuple(Spend(key, used.get(key, 0), cap, refused.get(key, 0)) for key, cap in sorted(state["caps"].items()))


def _step(state: dict[str, Any], recorded: RecordedEvent) -> None:
    data: Mapping[str, Any] = recorded.event.data
    for reserve in data["decision"]["reserves"]:
        state["caps"][reserve["key"]] = reserve["at_most"]
        if not reserve["fits"] and data["attempt"] == 1:
            state["refused"][reserve["key"]] = state["refused"].get(reserve["key"], 0) + 1
