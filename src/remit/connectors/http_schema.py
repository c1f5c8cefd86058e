"""What the description of a system of kind ``http`` looks like."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from remit.connectors.authentication import AUTHENTICATION_SCHEMA
from remit.connectors.pace import PACE_SCHEMA
from remit.connectors.paging import PAGING_SCHEMA
from remit.connectors.system_file import NAMES
from remit.document import Document, PathKey
from remit.errors import Finding

__all__ = ["HTTP_SCHEMA", "LIST_SCHEMA", "check_asking", "check_http", "verb_and_path"]

_WALK: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_PATH: Final = {"type": "string", "pattern": "^/(?!/)[^?#\\\\\\s]*$", "maxLength": 1000}
_SCALAR: Final = {"type": ["string", "integer", "boolean"]}
_QUERY: Final = {"type": "object", "additionalProperties": _SCALAR}
_HEADERS: Final = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z0-9-]{1,60}$"},
    "additionalProperties": {"type": "string", "maxLength": 1000},
}
_ASKING: Final[dict[str, Any]] = {
    "get": _PATH,
    "post": _PATH,
    "query": _QUERY,
    "body": {"type": ["object", "array"]},
    "headers": _HEADERS,
}


def _closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": list(required),
    }


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": NAMES, "additionalProperties": item}


_READ: Final = _closed(_ASKING | {"items": _WALK, "where": _QUERY, "value": _WALK, "observed": _WALK, "record": _WALK})
LIST_SCHEMA: Final = _closed(_ASKING | {"items": _WALK, "paging": PAGING_SCHEMA})
"""One of ``lists``: what is asked, where the records stand in the answer, and how to get the next page."""

_LOOKUP: Final = _closed(_ASKING | {"items": _WALK, "where": _QUERY})
_DOES: Final = _closed(
    {
        "post": _PATH,
        "put": _PATH,
        "patch": _PATH,
        "delete": _PATH,
        "query": _QUERY,
        "body": {"type": ["object", "array"]},
        "headers": _HEADERS,
        "key_header": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,60}$"},
        "accepted_is_done": {"type": "boolean"},
        "cost": _WALK,
        "lookup": _LOOKUP,
    }
)

HTTP_SCHEMA: Final[Mapping[str, Any]] = _closed(
    {
        "system": {"type": "string"},
        "kind": {"const": "http"},
        "url": {"type": "string", "minLength": 1, "maxLength": 1000},
        "unencrypted": {"type": "boolean"},
        "zone": {"type": "string", "maxLength": 60},
        "auth": AUTHENTICATION_SCHEMA,
        "pace": PACE_SCHEMA,
        "reads": _named(_READ),
        "lists": _named(LIST_SCHEMA),
        "does": _named(_DOES),
    },
    "system",
    "kind",
    "url",
)
"""``url`` is the only host that is spoken to. ``unencrypted: true`` allows credentials over plain http to
another machine.

``where`` keeps only the items whose fields equal what is given, for systems that filter loosely.
``accepted_is_done`` takes status 202 for done. ``zone`` is the time zone of moments that name none (UTC).
"""

_VERBS: Final = ("get", "post", "put", "patch", "delete")
_OURS: Final = {
    "authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
}


def verb_and_path(asking: Mapping[str, Any]) -> tuple[str, str]:
    """Return the method and the path template of a read, list, effect or look-up."""
    verb = next(verb for verb in _VERBS if verb in asking)
    return verb.upper(), asking[verb]


def check_http(document: Document) -> tuple[Finding, ...]:
    """Find what the schema cannot say; errors and warnings."""
    found: list[Finding] = []
    for section in ("reads", "lists", "does"):
        for name, asking in document.value.get(section, {}).items():
            path: PathKey = (section, name)
            found += check_asking(document, path, asking)
            if "lookup" in asking:
                found += check_asking(document, (*path, "lookup"), asking["lookup"])
            if section == "does":
                found += _check_effect(document, path, asking)
    return tuple(found)


def check_asking(document: Document, path: PathKey, asking: Mapping[str, Any]) -> list[Finding]:
    """Find what the schema cannot say of a read, list, effect or look-up that stands at ``path``."""
    found = []
    verbs = [verb for verb in _VERBS if verb in asking]
    if len(verbs) != 1:
        got = " and ".join(verbs) or "none"
        found.append(document.finding(path, f"{path[-1]}: one method and path is needed: got {got}", "get: /path"))
    if "get" in asking and "body" in asking:
        found.append(document.finding((*path, "body"), "a GET carries no body", "use query:"))
    if "where" in asking and "items" not in asking:
        found.append(document.finding((*path, "where"), "where: needs items:, the place of the list it filters"))
    found += [
        document.finding((*path, "headers", header), f"header {header} is not set by hand", "use auth:, body: or url:")
        for header in asking.get("headers", {})
        if header.lower() in _OURS
    ]
    found += [
        document.finding(place, "a number with a fraction is not sent", "write it as text")
        for place in document.places
        if place[: len(path)] == path and isinstance(_at(document.value, place), Decimal)
    ]
    return found


def _check_effect(document: Document, path: PathKey, asking: Mapping[str, Any]) -> list[Finding]:
    if "key_header" in asking or "lookup" in asking:
        return []
    what = f"{path[-1]}: an attempt that breaks off can only be settled by a person"
    return [document.finding(path, what, "declare key_header: or lookup: if the system has them", "warning")]


def _at(value: Any, place: PathKey) -> Any:
    for part in place:
        value = value[part]
    return value
