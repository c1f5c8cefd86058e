"""Events that say what changed: how they come over HTTP, and what they make of a record.

Envelopes: CloudEvents 1.0 (structured and binary mode of its HTTP binding), Standard Webhooks (``type``, ``data``),
GitHub (the event in a header, the ``action`` in the body), and any other JSON, whose type is empty. Within them a
record, or what Debezium writes of one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import unquote

from remit.connectors.answer import parse_answer, walk
from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["DELETES", "RecordChange", "SourceEvent", "change_of", "read_event"]

DELETES: Final = ("*.deleted", "*.removed", "*.destroyed")
"""The types of events that say that a record is gone, unless a table names others."""

_TYPE_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """One event. ``id`` is unique at its sender, empty when it names none; ``time`` is the sender's, as text."""

    id: str
    type: str
    time: str
    data: Json


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What an event says of one record: ``op`` "u" (it is now so) or "d" (it is gone)."""

    op: str
    record: Mapping[str, Any]


def read_event(headers: Mapping[str, str], body: bytes) -> SourceEvent:
    """Read one event; ``headers`` have lower-case names.

    Raises:
        BadInput: no JSON that can be recorded, or no event of the kind that its headers say.
    """
    content = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content.startswith("application/cloudevents-batch"):
        raise BadInput("content-type: several events in one body are not taken; send each by itself")
    if not (content == "application/json" or content.endswith("+json")):
        raise BadInput(f"content-type: got {content!r:.60}, expected application/json")
    value = parse_answer(body)
    if content == "application/cloudevents+json":
        return _structured(value)
    if "ce-specversion" in headers:
        return _binary(headers, value)
    if not isinstance(value, dict):
        raise BadInput(f"the body is no event: got {type(value).__name__}, expected an object")
    if "x-github-event" in headers:
        action = value.get("action")
        of = f".{action}" if isinstance(action, str) else ""
        return SourceEvent("", _type(headers["x-github-event"] + of), "", value)
    kind, data = value.get("type"), value.get("data")
    if isinstance(kind, str) and isinstance(data, dict):
        return SourceEvent("", _type(kind), _text(value.get("timestamp")), data)
    return SourceEvent("", "", "", value)


def _structured(value: Json) -> SourceEvent:
    """CloudEvents 1.0, JSON event format, section 3."""
    if not isinstance(value, dict):
        raise BadInput(f"a CloudEvent is an object: got {type(value).__name__}")
    _attributes(value)
    data = value.get("data")
    if "data_base64" in value:
        try:
            data = parse_answer(base64.b64decode(_text(value["data_base64"]), validate=True))
        except (binascii.Error, ValueError):
            raise BadInput("data_base64: not base64") from None
    return SourceEvent(_id(value), _type(_text(value["type"])), _text(value.get("time")), data)


def _binary(headers: Mapping[str, str], data: Json) -> SourceEvent:
    """CloudEvents 1.0, HTTP protocol binding, section 3.1: the attributes stand in headers."""
    value = {name[3:]: unquote(text).strip('"') for name, text in headers.items() if name.startswith("ce-")}
    _attributes(value)
    return SourceEvent(_id(value), _type(value["type"]), value.get("time", ""), data)


def _attributes(value: Mapping[str, Any]) -> None:
    for name in ("specversion", "id", "source", "type"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise BadInput(f"a CloudEvent has {name}: got none")
    if value["specversion"] != "1.0":
        raise BadInput(f"specversion: got {value['specversion']!r:.20}, expected 1.0")


def _id(value: Mapping[str, Any]) -> str:
    # An id is unique at its source only. A line break cannot stand in a source, which is an address.
    return f"{value['source']}\n{value['id']}"


def _type(text: str) -> str:
    if len(text) > _TYPE_LENGTH_MAX or not text.isprintable():
        raise BadInput(f"type: expected at most {_TYPE_LENGTH_MAX} printable characters; got {len(text)}")
    return text


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def change_of(event_type: str, data: Json, options: Mapping[str, Any]) -> RecordChange:
    """Return what an event says, as a table's ``options`` (envelope, item, deletes) want it read.

    Raises:
        BadInput: there is no record where one should stand, or an operation that is not known. The text repeats no
            value.
    """
    if options.get("envelope", "plain") == "debezium":
        return _debezium(data)
    path = options.get("item", "")
    record = walk(data, path)
    if not isinstance(record, dict):
        raise BadInput(f"no record at {path!r}" if path else "the event is no record")
    gone = any(fnmatchcase(event_type, pattern) for pattern in options.get("deletes", DELETES))
    return RecordChange("d" if gone else "u", record)


def _debezium(data: Json) -> RecordChange:
    """Debezium's envelope, with its schema around it or without: c, u and r carry ``after``, d ``before``."""
    value = data.get("payload", data) if isinstance(data, dict) else None
    operation = value.get("op") if isinstance(value, dict) else None
    if not isinstance(value, dict) or operation not in {"c", "u", "r", "d"}:
        raise BadInput("no Debezium envelope: expected op c, u, r or d")
    side = "before" if operation == "d" else "after"
    record = value.get(side)
    if not isinstance(record, dict):
        raise BadInput(f"a Debezium event of operation {operation} without {side}")
    return RecordChange("d" if operation == "d" else "u", record)
