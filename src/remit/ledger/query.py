"""Reading the ledger: one action's journal, or events by filter, newest first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from remit.canonical import from_moment
from remit.errors import BadInput, NotFound
from remit.ledger.event import RecordedEvent
from remit.store.engine import Reader, Store

__all__ = [
    "EventFilter",
    "all_events",
    "documents_in_use",
    "events_of",
    "every_document",
    "find_action",
    "find_events",
    "head",
]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list. Everything empty means all. ``before`` is a sequence number to page on from."""

    case: str = ""
    agent: str = ""
    action: str = ""
    kind: str = ""
    verdict: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def head(store: Store) -> tuple[int, int]:
    """Return how many events there are and the epoch of the standing."""
    size, epoch = store.read("select size, epoch from head")[0]
    return size, epoch


def events_of(store: Store, action: str) -> tuple[RecordedEvent, ...]:
    """Return the journal of one action, oldest first; empty when nothing is known of it."""
    rows = store.read("select seq, body from event where action = ? and step <> '' order by seq", (action,))
    return tuple(RecordedEvent.read(seq, body) for seq, body in rows)


def find_action(store: Store, prefix: str) -> str:
    """Return the digest of the one action that begins with ``prefix``, or whose case is ``prefix``.

    Raises:
        NotFound: no action, or several cases' actions.
        BadInput: several actions begin so.
    """
    if re.fullmatch(r"[0-9a-f]{4,64}", prefix):
        rows = store.read(
            "select distinct action from event where step <> '' and action >= ? and action < ? limit 3",
            (prefix, prefix + "g"),
        )
        if len(rows) == 1:
            return str(rows[0][0])
        if rows:
            raise BadInput(f"several actions begin with {prefix}; give more digits")
    rows = store.read(
        "select action from event where case_id = ? and case_id <> '' and step like 'decided:%'"
        " order by seq desc limit 1",
        (prefix,),
    )
    if not rows:
        raise NotFound(f"no action or case {prefix!r:.80}")
    return str(rows[0][0])


def find_events(store: Store, wanted: EventFilter, limit: int = 50) -> tuple[RecordedEvent, ...]:
    """Return at most ``limit`` events that match, newest first."""
    conditions, parameters = ["1 = 1"], list[object]()

    def also(condition: str, *values: object) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if wanted.case:
        also("case_id = ?", wanted.case)
    if wanted.agent:
        also("actor = ?", f"agent:{wanted.agent}")
    if wanted.action:
        also("action = ?", wanted.action)
    if wanted.kind:
        also("kind = ?", wanted.kind)
    if wanted.verdict:
        if wanted.verdict not in ("allow", "escalate", "deny"):
            raise BadInput(f"verdict: got {wanted.verdict!r:.40}, expected allow, escalate or deny")
        path = {
            "sqlite": "json_extract(body, '$.data.decision.verdict') = ?",
            "postgresql": "body::jsonb #>> '{data,decision,verdict}' = ?",
        }[store.dialect]
        also("kind = 'action.decided'")
        also(path, wanted.verdict)
    if wanted.since is not None:
        also("at >= ?", from_moment(wanted.since))
    if wanted.until is not None:
        also("at < ?", from_moment(wanted.until))
    if wanted.before is not None:
        also("seq < ?", wanted.before)
    statement = f"select seq, body from event where {' and '.join(conditions)} order by seq desc limit ?"  # noqa: S608
    rows = store.read(statement, (*parameters, max(1, min(limit, 10_000))))
    return tuple(RecordedEvent.read(seq, body) for seq, body in rows)


def all_events(reader: Reader, kinds: tuple[str, ...] = (), start: int = 0) -> Iterator[RecordedEvent]:
    """Yield every event from ``start`` on in order, or those of ``kinds``."""
    condition = f" and kind in ({','.join('?' * len(kinds))})" if kinds else ""
    statement = f"select seq, body from event where seq >= ?{condition} order by seq"  # noqa: S608
    for seq, body in reader.stream(statement, (start, *kinds)):
        yield RecordedEvent.read(seq, body)


def documents_in_use(store: Store) -> dict[str, tuple[str, str]]:
    """Return the documents in use by ``SORT/NAME``: digest and text."""
    rows = store.read("select d.name, d.digest, e.body from document d join event e on e.seq = d.seq order by d.name")
    return {name: (digest, str(RecordedEvent.read(0, body).event.data["text"])) for name, digest, body in rows}


def every_document(reader: Reader) -> dict[str, str]:
    """Return the text of every document that was ever in use, by digest."""
    kept = (recorded.event.data for recorded in all_events(reader, ("document.kept",)))
    return {str(data["digest"]): str(data["text"]) for data in kept}
