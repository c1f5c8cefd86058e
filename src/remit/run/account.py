"""The account of one action in words: what was asked, on which facts, how it was judged, who answered, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.canonical import to_moment
from remit.gate.explain import explain
from remit.gate.record import read_action, read_decision, read_facts
from remit.ledger.event import RecordedEvent
from remit.ledger.query import EventFilter, events_of, find_events
from remit.ledger.sealing import OpenFacts
from remit.store.engine import Reader, Store

__all__ = ["account_of"]


def account_of(store: Store, action: str, open_facts: OpenFacts) -> str:
    """Tell the whole story of ``action``, one paragraph an event, oldest first.

    ``open_facts`` puts back what sealed facts said.
    """
    events = events_of(store, action)
    with store.snapshot() as reader:
        parts = [_part(recorded, reader, open_facts) for recorded in events]
    case = events[0].event.case if events else ""
    for outcome in reversed(find_events(store, EventFilter(case=case, kind="outcome.recorded"), 20)):
        if outcome.event.action == action:
            parts.append(_outcome(outcome))
    return "\n\n".join(part for part in parts if part)


def _part(recorded: RecordedEvent, reader: Reader, open_facts: OpenFacts) -> str:
    event = recorded.event
    data: Mapping[str, Any] = event.data
    place = f"[{recorded.seq}] {recorded.at}"
    match event.kind:
        case "action.decided":
            words = explain(
                read_decision(data["decision"]), read_action(data["action"]),
                read_facts([*open_facts(reader, data["facts"])]), to_moment(data["standing"]["now"]),
            )  # fmt: skip
            return f"{place}  judged (number {data['attempt']})\n{words}"
        case "action.begun":
            drawn = ", ".join(f"{amount} from {key}" for key, amount in data["reserves"]) or "nothing"
            return f"{place}  begun by {data['process']}: {data['system']} {data['operation']}, drawing {drawn}"
        case "action.finished":
            cost = "at no cost it told of" if data["cost_minor"] is None else f"at {data['cost_minor']} minor units"
            found = ", as a look-up found" if data["looked_up"] else ""
            return f"{place}  done {cost}{found}: {_short(data['result'])}"
        case "action.failed":
            return f"{place}  not done: {_line(data['problem'])}"
        case "action.uncertain":
            then = {"ask": "a person must settle it", "again": "done again with the same key"}[data["then"]]
            return f"{place}  not known whether it was done: {_line(data['problem'])}; {then}"
        case _:
            return f"{place}  {_approval(event.kind, data)}"


def _approval(kind: str, data: Mapping[str, Any]) -> str:
    match kind:
        case "approval.asked":
            asks = ", ".join(role if count == 1 else f"{count} of {role}" for role, count in data["asks"])
            return f"asked {asks}, by {data['due_at']}: {'; '.join(data['reasons'])}"
        case "approval.answered":
            why = f": {_line(data['why'])}" if data["why"] else ""
            if data.get("replaced_by"):
                return f"{data['person']} as {data['role']} put action {data['replaced_by'][:12]} in its place{why}"
            verb = "approved" if data["verdict"] == "approve" else "rejected"
            return f"{data['person']} as {data['role']} {verb}{why}"
        case "approval.escalated":
            return f"nobody answered; {data['stand_ins'][-1]} may answer too, by {data['due_at']}"
        case "approval.expired":
            return f"expired: {data['why']}"
        case "approval.void":
            return f"the approval is void: {data['why']}"
        case _:
            return kind


def _outcome(recorded: RecordedEvent) -> str:
    data: Mapping[str, Any] = recorded.event.data
    judged = {True: "right", False: "wrong", None: "not judged"}[data["right"]]
    value = f": {_short(data['value'])}" if data["value"] else ""
    return f"[{recorded.seq}] {recorded.at}  outcome, says {data['said_by']}: {judged}{value}"


def _line(text: str) -> str:
    """Put what people and systems wrote on one line, so that it cannot pass for a line of the account."""
    return " ".join(text.split())


def _short(value: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name} {item}" for name, item in value.items())
    return text if len(text) <= 300 else text[:297] + "..."
