"""What was drawn against each cumulative limit, and its cap as last judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.evidence.fold import up_to_date
from remit.ledger.event import RecordedEvent
from remit.ledger.sealing import OpenFacts
from remit.store.engine import Store

__all__ = ["Spend", "spend"]

_VERSION = 2


@dataclass(frozen=True, slots=True)
class Spend:
    """One counter: what is drawn and its cap, both in the limit's own unit. ``refused`` counts actions over it.

    ``at_most`` None: the cap was the value of a fact that was erased since, or is not what was recorded.
    """

    key: str
    used: int
    at_most: int | None
    refused: int


def spend(store: Store, open_facts: OpenFacts) -> tuple[Spend, ...]:
    """Return every counter that was ever looked at, by key. ``open_facts`` puts back what sealed facts said."""
    state = up_to_date(store, "spend", _VERSION, lambda: {"caps": {}, "refused": {}}, _step, ("action.decided",))
    used: dict[str, int] = {str(key): int(value) for key, value in store.read("select key, used from counter")}
    refused: Mapping[str, int] = state["refused"]
    sealed = {key: cap for key, cap in state["caps"].items() if isinstance(cap, dict)}
    with store.snapshot() as reader:
        opened = open_facts(reader, list(sealed.values()))
    caps = {**state["caps"], **{key: fact["value"] for key, fact in zip(sealed, opened, strict=True)}}
    return tuple(Spend(key, used.get(key, 0), cap, refused.get(key, 0)) for key, cap in sorted(caps.items()))


def _step(state: dict[str, Any], recorded: RecordedEvent) -> None:
    data: Mapping[str, Any] = recorded.event.data
    for reserve in data["decision"]["reserves"]:
        sealed = reserve.get("cap_fact")
        state["caps"][reserve["key"]] = (
            next(fact for fact in data["facts"] if fact["name"] == sealed) if sealed else reserve["at_most"]
        )
        if not reserve["fits"] and data["attempt"] == 1:
            state["refused"][reserve["key"]] = state["refused"].get(reserve["key"], 0) + 1
