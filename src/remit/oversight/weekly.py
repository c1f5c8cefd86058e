"""What of the last days is worth a look together: cases that were drawn, wrong, disputed or close, and alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson

from remit.canonical import from_moment, to_moment
from remit.ledger.query import all_events
from remit.store.engine import Reader, Store

__all__ = ["Flag", "FlaggedCase", "flagged_cases"]

Flag = Literal["alarm", "wrong", "contradicted", "drawn", "near the threshold"]
NEAR_BP: Final = 200
"""How close to its threshold a confidence is worth a look, in basis points."""
FLAGGED_MAX: Final = 5_000
_ORDER: Final[tuple[Flag, ...]] = ("alarm", "contradicted", "wrong", "near the threshold", "drawn")
_KINDS: Final = ("action.decided", "alarm.raised", "approval.answered", "outcome.recorded", "review.answered")
_WORDS: Final = "kind in ('approval.answered', 'outcome.recorded', 'review.answered')"


@dataclass(frozen=True, slots=True)
class FlaggedCase:
    """One case with all that speaks for looking at it. An alarm has no case; ``said`` has its reason, or who said what.

    ``at`` is when it was recorded, by the wall's clock.
    """

    agent: str
    name: str
    case: str
    action: str
    flags: tuple[Flag, ...]
    said: tuple[str, ...]
    confidence_bp: int | None
    threshold_bp: int | None
    at: str


def flagged_cases(store: Store, now: datetime, *, days: int = 7, story: bool = False) -> tuple[FlaggedCase, ...]:
    """Return what is worth a look of the ``days`` before ``now``, what weighs most first, at most 5,000.

    ``story``: business time is not the wall's, so a day is one of the decisions' own.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    since = now - timedelta(days=days)
    found: dict[str, FlaggedCase] = {}
    with store.snapshot() as reader:
        start = _story_start(reader, since) if story else _wall_start(reader, since)
        if start is None:
            return ()
        spoken = dict[str, None]()
        for recorded in all_events(reader, _KINDS, start):
            event, data = recorded.event, recorded.event.data
            if event.kind == "action.decided":
                _decided(found, event.action, data, recorded.at)
            elif event.kind == "alarm.raised":
                _alarm(found, data, recorded.at, recorded.seq)
            else:
                spoken[event.action] = None
            if len(found) >= FLAGGED_MAX:
                break
        _words(reader, found, list(spoken)[:FLAGGED_MAX])
    return tuple(sorted(found.values(), key=lambda one: (_ORDER.index(one.flags[0]), one.at)))


def _wall_start(reader: Reader, since: datetime) -> int | None:
    start: int | None = reader.fetch("select min(seq) from event where at >= ?", (from_moment(since),))[0][0]
    return start


def _story_start(reader: Reader, since: datetime) -> int | None:
    """The first decision of the days asked for: a story's clock never goes back."""
    start = None
    for seq, body in reader.stream("select seq, body from event where kind = 'action.decided' order by seq desc"):
        if to_moment(orjson.loads(body)["data"]["standing"]["now"]) < since:
            break
        start = seq
    return start


def _decided(found: dict[str, FlaggedCase], digest: str, data: Mapping[str, Any], at: str) -> None:
    if data["attempt"] != 1:
        return
    action, review = data["action"], data["decision"].get("review")
    earned = next(iter(data["standing"].get("earned", ())), None)
    threshold = earned["threshold_bp"] if earned else None
    confidence = action["confidence_bp"]
    flags = list[Flag]()
    if threshold is not None and type(confidence) is int and abs(confidence - threshold) <= NEAR_BP:
        flags.append("near the threshold")
    if review is not None and review["drawn"] and review["probability_bp"] < 10_000:  # else everyone is seen
        flags.append("drawn")
    if flags:
        found[digest] = FlaggedCase(
            action["agent"], action["name"], action["case"], digest, tuple(flags), (), confidence, threshold, at
        )


def _alarm(found: dict[str, FlaggedCase], data: Mapping[str, Any], at: str, seq: int) -> None:
    said = f"{data['detector']}: {data['statistic']} against {data['limit']}, then {data['then']}"
    found[f"alarm {seq}"] = FlaggedCase(data["agent"], data["action"], "", "", ("alarm",), (said,), None, None, at)


def _words(reader: Reader, found: dict[str, FlaggedCase], actions: list[str]) -> None:
    """Flag what was said to be wrong these days, and where people or sources differ, whenever they spoke."""
    if not actions:
        return
    words: dict[str, dict[str, tuple[bool, str]]] = {}
    rows = reader.fetch_in("event", "action,kind,seq,body", "action", actions, _WORDS)
    for action, kind, _, body in sorted(rows, key=lambda row: row[2]):
        event = orjson.loads(body)
        data = event["data"]
        speaker = data["said_by"] if kind == "outcome.recorded" else f"person:{data['person']}"
        right = data["verdict"] == "approve" if kind == "approval.answered" else data["right"]
        if right is not None:
            words.setdefault(action, {})[speaker] = right, event["at"]
    decided = reader.fetch_in("event", "action,body", "action", list(words), "step = 'decided:1'") if words else []
    for action, body in decided:
        said = words[action]
        verdicts = {right for right, _ in said.values()}
        if False not in verdicts:
            continue
        flags: tuple[Flag, ...] = ("contradicted", "wrong") if len(verdicts) > 1 else ("wrong",)
        lines = tuple(f"{speaker}: {'right' if right else 'wrong'}" for speaker, (right, _) in sorted(said.items()))
        proposed = orjson.loads(body)["data"]["action"]
        before = found.get(action) or FlaggedCase(
            proposed["agent"], proposed["name"], proposed["case"], action, (), (), proposed["confidence_bp"], None,
            max(at for _, at in said.values()),
        )  # fmt: skip
        found[action] = replace(before, flags=(*flags, *before.flags), said=lines)
