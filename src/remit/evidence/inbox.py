"""The inbox: what waits for a person, with what they need to decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from remit.canonical import to_moment
from remit.store.engine import Store

__all__ = ["InboxItem", "inbox"]


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing that waits, for "approval" or for "settling". ``roles`` may answer; ``due_at`` is business time."""

    action: str
    case: str
    waits_for: str
    agent: str
    name: str
    roles: tuple[str, ...]
    due_at: datetime | None
    reasons: tuple[str, ...]
    number: int


def inbox(store: Store) -> tuple[InboxItem, ...]:
    """Return everything that waits for a person, the most urgent first; what is uncertain stands at the top."""
    uncertain = store.read(
        "select o.action, e.case_id, e.actor, o.data from open_effect o join event e on e.action = o.action "
        "and e.step <> '' and e.step = 'begun' where o.state = 'uncertain' order by o.action"
    )
    waiting = store.read("select action, data from parked where state = 'waiting' order by due_at, action")
    items = [_uncertain(*row) for row in uncertain if orjson.loads(row[3])["found"]["then"] == "ask"]
    return (*items, *(_waiting(action, orjson.loads(text)) for action, text in waiting))


def _uncertain(action: str, case: str, actor: str, text: str) -> InboxItem:
    data = orjson.loads(text)
    agent = actor.removeprefix("agent:")
    reason = f"not known whether {data['system']} did it: {data['found']['problem']}"
    return InboxItem(action, case, "settling", agent, data["operation"], (), None, (reason,), 0)


def _waiting(action: str, data: Mapping[str, Any]) -> InboxItem:
    granted: list[list[str]] = data["granted"]
    roles = []
    for role, count in data["asks"]:
        missing = count - len({person for held, person in granted if held == role})
        roles += [role if missing == 1 else f"{role} x{missing}"] if missing > 0 else []
    may_answer = tuple(dict.fromkeys((*roles, *data["stand_ins"])))
    return InboxItem(
        action, data["case"], "approval", data["agent"], data["name"], may_answer,
        to_moment(data["due_at"]), tuple(data["reasons"]), data["number"],
    )  # fmt: skip
