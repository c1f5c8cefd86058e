"""A fold over the ledger that remembers how far it came, so that looking again costs only what is new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from remit.ledger.event import RecordedEvent
from remit.ledger.query import all_events
from remit.store.engine import Store

__all__ = ["forget", "up_to_date"]


def up_to_date(
    store: Store,
    name: str,
    version: int,
    empty: Callable[[], dict[str, Any]],
    step: Callable[[dict[str, Any], RecordedEvent], None],
    kinds: tuple[str, ...],
) -> Mapping[str, Any]:
    """Return fold ``name`` as of now. ``step`` changes the state by one event of ``kinds``.

    The state is kept with the sequence number it reaches to; another ``version`` begins again from the first event.
    """
    key = f"fold/{name}"
    rows = store.read("select value from setting where name = ?", (key,))
    kept = orjson.loads(rows[0][0]) if rows else {}
    state: dict[str, Any]
    state, reached = (kept["state"], kept["reached"]) if kept.get("version") == version else (empty(), 0)
    with store.snapshot() as reader:
        size = reader.fetch("select size from head")[0][0]
        if size < reached:  # an older copy was put back
            state, reached = empty(), 0
        if size > reached:
            for event in all_events(reader, kinds, reached):
                step(state, event)
    if size > reached:
        text = orjson.dumps({"version": version, "reached": size, "state": state}).decode()
        with store.transaction() as transaction:
            transaction.upsert_many("setting", "name", "name,value", [(key, text)])
    return state


def forget(store: Store) -> None:
    """Delete all folds; the next look builds them again."""
    with store.transaction() as transaction:
        transaction.execute("delete from setting where name like 'fold/%'")
