"""Putting parameters in place of ``$name`` in what a description says is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from remit.errors import BadInput
from remit.vocabulary import Json

__all__ = ["ABSENT", "as_text", "conceal", "fill", "fill_path", "fill_query", "fill_text", "placeholders"]

ABSENT: Final = object()
"""What `fill` gives for a parameter that is not there."""

_NAME: Final = re.compile(r"\$(\$|[A-Za-z_][A-Za-z0-9_]*)")


def placeholders(template: Any) -> Iterator[str]:
    """Yield every name that ``template`` (text, list or mapping) asks for."""
    if isinstance(template, str):
        yield from (match[1] for match in _NAME.finditer(template) if match[1] != "$")
    elif isinstance(template, Mapping):
        for item in template.values():
            yield from placeholders(item)
    elif isinstance(template, list):
        for item in template:
            yield from placeholders(item)


def as_text(value: Json) -> str:
    """Write a text, whole number or boolean as text.

    Raises:
        BadInput: null, a list or an object.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    raise BadInput(f"expected text, a whole number or a boolean: got {type(value).__name__}")


def fill_text(template: str, parameters: Mapping[str, Json]) -> str:
    """Put parameters into a text; ``$$`` is a dollar sign.

    Raises:
        BadInput: a parameter that is missing, null, a list or an object.
    """

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        if parameters.get(match[1]) is None:
            raise BadInput(f"parameter {match[1]!r} is missing")
        return as_text(parameters[match[1]])

    return _NAME.sub(one, template)


def fill(template: Any, parameters: Mapping[str, Json]) -> Any:
    """Put parameters into a JSON template. A text that is one placeholder takes the parameter's own type.

    A key whose one placeholder names no parameter is left out, so an optional argument is not sent as null.

    Raises:
        BadInput: a parameter missing inside a longer text or in a list.
    """
    if isinstance(template, str):
        whole = _NAME.fullmatch(template)
        if whole is not None and whole[1] != "$":
            return parameters.get(whole[1], ABSENT)
        return fill_text(template, parameters)
    if isinstance(template, Mapping):
        filled = {key: fill(item, parameters) for key, item in template.items()}
        return {key: item for key, item in filled.items() if item is not ABSENT}
    if isinstance(template, list):
        items = [fill(item, parameters) for item in template]
        if any(item is ABSENT for item in items):
            raise BadInput(f"a parameter is missing in the list {template!r:.80}")
        return items
    return template


def fill_path(template: str, parameters: Mapping[str, Json]) -> str:
    """Put parameters into the path of an address, percent-encoded, so that none can leave its own segment.

    Raises:
        BadInput: a parameter that is missing, empty or has no text form; a segment that would climb (``.``,
            ``..``).
    """
    encoded: dict[str, Json] = {}
    for name in placeholders(template):
        text = fill_text(f"${name}", parameters)
        if not text:
            raise BadInput(f"parameter {name!r} is empty, and stands in a path")
        encoded[name] = _quoted(text)
    path = fill_text(template, encoded)
    if any(segment in {".", ".."} for segment in path.split("/")):
        raise BadInput("a path with a segment '.' or '..' is not asked for")
    return path


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise BadInput("a lone surrogate is not text") from None


def fill_query(template: Mapping[str, Any], parameters: Mapping[str, Json], *, optional: bool = False) -> str:
    """Put parameters into the query of an address, percent-encoded, without the question mark.

    A list repeats its key. ``optional`` leaves out what is missing; otherwise that is an error, because a
    filter that is silently dropped asks for something else.

    Raises:
        BadInput: a parameter that is missing or has no text form.
    """
    pairs: list[tuple[str, str]] = []
    for key, item in template.items():
        if optional and any(parameters.get(name) is None for name in placeholders(item)):
            continue
        value = fill(item, parameters)
        if value is ABSENT or value is None:
            raise BadInput(f"a parameter for {key!r} is missing")
        pairs.extend((key, as_text(part)) for part in (value if isinstance(value, list) else [value]))
    try:
        return urlencode(pairs, quote_via=quote, safe="")
    except UnicodeEncodeError:
        raise BadInput("a lone surrogate is not text") from None


def conceal(text: str, parameters: Mapping[str, Json]) -> str:
    """Return ``text``, which a system wrote, with the values of ``parameters`` replaced by their names.

    What systems say about a refusal repeats what they were sent; that may be personal and must not reach the
    ledger. Texts shorter than three characters are left.
    """
    texts = [(name, value) for name, value in parameters.items() if isinstance(value, str) and len(value) >= 3]
    for name, value in sorted(texts, key=lambda pair: len(pair[1]), reverse=True):
        text = text.replace(value, f"${name}")
    return text
