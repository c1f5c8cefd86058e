"""Texts in which ``$name`` stands for an argument, and the names of entities made from them.

A name must not be ambiguous, whatever an agent sends: in `fill_name` a value's slash, percent sign, white
space and everything beyond ASCII is percent-encoded, and a value longer than 200 characters is replaced by
its digest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from remit.canonical import digest_bytes
from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["fill_name", "fill_value", "name_part", "names_in", "same_entity"]

_NAME: Final = re.compile(r"[$]([A-Za-z][A-Za-z0-9_]*)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~:@+,=-]{0,200}")
_SAFE: Final = "_.~:@+,=-"
_LENGTH_MAX: Final = 200


@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[str, ...]:
    """Literal texts at even places, names of arguments at odd ones."""
    return tuple(_NAME.split(template))


def names_in(template: object) -> tuple[str, ...]:
    """The arguments that ``template`` asks for, each written ``$name``."""
    return _parts(template)[1::2] if isinstance(template, str) else ()


def name_part(value: Json) -> str | None:
    """One value as part of a name; None when it is not a text, a whole number or a truth value."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value):
            return value
        # What is encoded never holds a bare percent sign before a dash, so a digest cannot be forged by a
        # value.
        data = value.encode("utf-8", "surrogatepass")
        return quote(data, safe=_SAFE) if len(value) <= _LENGTH_MAX else f"%-sha256-{digest_bytes(data)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else None


def fill_name(template: str, arguments: Mapping[str, Json]) -> str | None:
    """The name of an entity or subject, such as ``order/A1``; None when an argument is absent or no single
    value.
    """
    parts = list(_parts(template))
    for index in range(1, len(parts), 2):
        part = name_part(arguments.get(parts[index]))
        if part is None:
            return None
        parts[index] = part
    return "".join(parts)


def same_entity(written: str, entity: str) -> bool:
    """Say whether ``written``, by a person, names ``entity``, made by `fill_name`; encoding may be left
    out.
    """
    return written == entity or quote(written, safe=_SAFE + "/%") == entity


def fill_value(template: Json, arguments: Mapping[str, Json]) -> Json:
    """A parameter: ``$name`` alone gives the argument itself, within a longer text its text.

    Raises:
        BadInput: an argument that is absent, or one within a text that is no single value.
    """
    if not isinstance(template, str) or "$" not in template:
        return template
    parts = list(_parts(template))
    for index in range(1, len(parts), 2):
        name = parts[index]
        if name not in arguments:
            raise BadInput(f"argument {name} is absent, and {template!r:.80} needs it")
        value = arguments[name]
        if parts == ["", name, ""]:
            return value
        if not isinstance(value, str | int):
            raise BadInput(f"argument {name} is no single value, and {template!r:.80} needs one")
        parts[index] = value if isinstance(value, str) else (name_part(value) or "")
    return "".join(parts)
