"""Rows from events that a system sends us: taken in when they come, once each, and read when the source is loaded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from remit.canonical import canonical_sound
from remit.connectors.change_events import RecordChange, SourceEvent, change_of, read_event
from remit.connectors.credentials import read_secret
from remit.connectors.pace import Timing
from remit.connectors.record_rows import rows_of
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import SourceRows, TableAsk, add_note
from remit.connectors.webhook_signature import (
    ID_LENGTH_MAX,
    TOLERANCE_SECONDS,
    check_github,
    check_standard,
    signing_key,
)
from remit.document import Document, duration_seconds
from remit.errors import BadInput, Finding, NotAllowed

__all__ = ["BODY_BYTES_MAX", "WEBHOOK_SOURCE", "Arrival", "Received", "SourceInbox", "WebhookSource", "receive_webhook"]

BODY_BYTES_MAX: Final = 1_048_576
ANY_TYPE: Final = ("*",)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that waits. ``place`` counts in the order of arrival; ``body`` is what `receive_webhook` made of it."""

    place: int
    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Received:
    """What became of an event: its id, the tables it is for, and whether it had come before."""

    id: str
    tables: tuple[str, ...]
    repeated: bool


class SourceInbox(Protocol):
    """Where arrivals wait; data sets are named as ``crm.account``."""

    def append(self, datasets: Sequence[str], event_id: str, body: str) -> bool:
        """Keep an event for each of the data sets, in one commit; returns False when all of them have had it."""
        ...

    def waiting(self, dataset: str, after: int) -> Sequence[Arrival]:
        """Return some of what waits beyond place ``after``, in order; nothing when there is no more."""
        ...

    def mark(self, dataset: str, through: int) -> None:
        """Note that what waited up to and including place ``through`` is loaded; its body is not kept."""
        ...


def receive_webhook(
    source: str,
    connect: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, Any]],
    headers: Mapping[str, str],
    body: bytes,
    *,
    peer: str,
    now: datetime,
    inbox: SourceInbox,
    environment: Mapping[str, str] | None = None,
) -> Received:
    """Take in one event for ``source``; ``tables`` holds the options of each of its tables.

    ``peer`` is the address that sent it. An event that no table wants is not kept, and `Received.tables` says so.

    Raises:
        BadInput: larger than 1 MiB, no event, headers that are missing, or a secret that is not set.
        NotAllowed: not signed by who holds the secret, too long ago, or unsigned from another machine.
    """
    if len(body) > BODY_BYTES_MAX:
        raise BadInput(f"body: got {len(body)} bytes, expected at most {BODY_BYTES_MAX}")
    headers = {name.lower(): text for name, text in headers.items()}
    signed_id = _checked(connect, headers, body, peer, int(now.timestamp()), environment)
    event = read_event(headers, body)
    event_id = _event_id(signed_id, event, body)
    wanted = tuple(table for table, options in tables.items() if _wants(options, event.type))
    if not wanted:
        return Received(event_id, (), False)
    kept = canonical_sound({"type": event.type, "time": event.time, "data": event.data}).decode()
    new = inbox.append([f"{source}.{table}" for table in wanted], event_id, kept)
    return Received(event_id, wanted, not new)


def _checked(
    connect: Mapping[str, Any],
    headers: Mapping[str, str],
    body: bytes,
    peer: str,
    now_seconds: int,
    environment: Mapping[str, str] | None,
) -> str:
    """Return the id that the signature covers; empty when nothing is signed."""
    how = connect["signature"]
    if how == "none":
        if not _is_loopback(peer):
            raise NotAllowed("events of this source are unsigned, and taken from this machine only")
        return ""
    named = [connect["secret"], *([connect["former"]["secret"]] if "former" in connect else [])]
    secrets = [read_secret(reference, environment) for reference in named]
    if how == "github":
        return check_github(headers, body, [secret.reveal().encode() for secret in secrets])
    tolerance_seconds = duration_seconds(connect.get("tolerance", f"{TOLERANCE_SECONDS}s"))
    return check_standard(headers, body, [signing_key(secret) for secret in secrets], now_seconds, tolerance_seconds)


def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False


def _event_id(signed_id: str, event: SourceEvent, body: bytes) -> str:
    """The id that is kept. What is signed comes first: another one could be changed on the way."""
    found = signed_id or event.id or sha256(body).hexdigest()
    fits = len(found) <= ID_LENGTH_MAX and "\0" not in found and found.isascii()
    return found if fits else sha256(found.encode("utf-8", "surrogatepass")).hexdigest()


def _wants(options: Mapping[str, Any], event_type: str) -> bool:
    return any(fnmatchcase(event_type, pattern) for pattern in options.get("events", ANY_TYPE))


class WebhookSource:
    """Hands out what arrived as change events. Implements `SourceReader`.

    An event holds its record whole: what it leaves out is empty. One that holds no record goes to quarantine.
    """

    def __init__(self, name: str, inbox: SourceInbox):
        self.notes: list[str] = []
        self._name = name
        self._inbox = inbox
        self._seen: dict[str, int] = {}

    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read what waits for one table, in the order of arrival; see `SourceReader.read`."""
        place = self._seen[ask.table] = -1
        while arrivals := self._inbox.waiting(f"{self._name}.{ask.table}", place):
            yield self._rows(arrivals, ask)
            place = self._seen[ask.table] = arrivals[-1].place
        if place < 0:
            yield SourceRows(ask.columns, (), "arrival", 0, ops=())

    def _rows(self, arrivals: Sequence[Arrival], ask: TableAsk) -> SourceRows:
        changes: list[RecordChange] = []
        problems: dict[int, str] = {}
        for index, arrival in enumerate(arrivals):
            kept = json.loads(arrival.body)
            try:
                changes.append(change_of(kept["type"], kept["data"], ask.options))
            except BadInput as error:
                changes.append(RecordChange("u", {}))
                problems[index] = str(error)
                add_note(self.notes, f"{self._name}.{ask.table}: {error}")
        found = rows_of([change.record for change in changes], ask, "arrival", 0)
        missing = sorted(set(ask.columns).difference(found.columns))
        if missing and any(change.op == "u" for change in changes):
            add_note(self.notes, f"{self._name}.{ask.table}: no event had {', '.join(missing):.200}")
        places = [found.columns.index(column) if column in found.columns else None for column in ask.columns]
        return SourceRows(
            ask.columns,
            [tuple(None if at is None else row[at] for at in places) for row in found.rows],
            "arrival",
            0,
            ops=[change.op for change in changes],
            problems=problems,
            raw={index: arrivals[index].body for index in problems},
            unread=found.unread,
            lines=[arrival.place for arrival in arrivals],
        )

    async def taken(self, ask: TableAsk) -> None:
        """Mark what was handed out as loaded; what has come since waits."""
        place = self._seen.pop(ask.table, -1)
        if place >= 0:
            self._inbox.mark(f"{self._name}.{ask.table}", place)

    async def close(self) -> None:
        """Do nothing: there is nothing open."""


def _check(document: Document) -> tuple[Finding, ...]:
    found: list[Finding] = []
    connect = document.value["connect"]
    if connect["signature"] != "none" and "secret" not in connect:
        found.append(document.finding(("connect",), "a signature needs secret:", "secret: env:NAME"))
    idle = {"none": ("secret", "former", "tolerance"), "github": ("tolerance",), "standard": ()}
    for key in idle[connect["signature"]]:
        if key in connect:
            found.append(document.finding(("connect", key), f"{key}: means nothing with this signature"))
    for name, table in document.value["tables"].items():
        if table.get("envelope") == "debezium":
            found += [
                document.finding(("tables", name, key), f"{key}: means nothing in a Debezium envelope")
                for key in ("item", "deletes")
                if key in table
            ]
    return tuple(found)


def _open(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: Any,
) -> WebhookSource:
    del connect, folder, environment, timing
    if inbox is None:
        raise BadInput(f"{name}: events wait in the company's store; open the company to read them")
    return WebhookSource(name, inbox)


_PATTERNS: Final = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 200},
    "minItems": 1,
    "maxItems": 50,
    "uniqueItems": True,
}
_SHARED: Final[Mapping[str, Any]] = {
    "envelope": {"enum": ["plain", "debezium"]},
    "item": {"type": "string", "minLength": 1, "maxLength": 200},
    "deletes": _PATTERNS,
}

WEBHOOK_SOURCE: Final = SourceKind(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["signature"],
        "properties": {
            "signature": {"enum": ["standard", "github", "none"]},
            "secret": {},
            "former": {
                "type": "object",
                "additionalProperties": False,
                "required": ["secret"],
                "properties": {"secret": {}},
            },
            "tolerance": {"type": "string", "pattern": "^[1-9][0-9]{0,4}[sm]$"},
            **_SHARED,
        },
    },
    {"type": "object", "additionalProperties": False, "properties": {**_SHARED, "events": _PATTERNS}},
    _check,
    _open,
)
"""The kind ``webhook``.

``secret`` names what the sender signs with, ``former`` the one before it while both are in use. A table takes the
events whose type fits one of ``events`` (all of them); types that fit ``deletes`` say that a record is gone. ``item``
is where the record stands in an event's data.
"""
