"""A JSON Schema as a table: one line a key, with its form and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["forms_table", "settings_table"]


def settings_table(schema: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    """Return the keys of ``schema`` as a Markdown table.

    Raises:
        ValueError: a key without a meaning, or a meaning without a key.
    """
    keys = dict(_keys("", schema))
    if set(keys) != set(meanings):
        bare, stray = sorted(set(keys) - set(meanings)), sorted(set(meanings) - set(keys))
        raise ValueError(f"meanings.py: no meaning for {bare}, no key for {stray}")
    lines = ["| key | form | meaning |", "|---|---|---|"]
    lines += [f"| `{path}` | {_cell(form)} | {_cell(meanings[path])} |" for path, form in keys.items()]
    return "\n".join(lines)


def forms_table(below: str, schema: Mapping[str, Any]) -> str:
    """Return the keys of ``schema``, which stands at ``below``, as a list with their forms."""
    return "\n".join(f"- `{below}.{path}`: {form}" for path, form in _keys("", schema))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _keys(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every key below ``path`` with its form, in the order of the schema."""
    for part in schema.get("anyOf", ()):
        yield from _keys(path, part)
    required = set(schema.get("required", ()))
    for name, item in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        yield below, _form(item) + (", required" if name in required else "")
        yield from _keys(below, item)
    items = schema.get("items")
    if isinstance(items, Mapping) and items.get("type") == "object":
        yield from _keys(f"{path}[]", items)
    named = schema.get("additionalProperties")
    if isinstance(named, Mapping):
        yield f"{path}.NAME", _form(named)
        yield from _keys(f"{path}.NAME", named)


def _form(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"`{_word(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{_word(one)}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_form(part) for part in schema["anyOf"]))
    kinds = schema.get("type", "string")
    words = [_one_form(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(words)


def _one_form(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        items = schema.get("items", {})
        return f"list of {_plural(_form(items))}" if items else "list"
    if kind == "string":
        return _text_form(schema)
    if kind in ("integer", "number"):
        word = "whole number" if kind == "integer" else "number"
        bounds = [f"from {schema['minimum']:,}"] if schema.get("minimum") else []
        if "exclusiveMinimum" in schema:
            bounds.append(f"above {schema['exclusiveMinimum']:,}")
        if schema.get("maximum", 2**53 - 1) < 2**53 - 1:
            bounds.append(f"to {schema['maximum']:,}")
        return " ".join([word, *bounds])
    return {"object": "mapping", "boolean": "`true` or `false`", "null": "nothing"}[kind]


def _text_form(schema: Mapping[str, Any]) -> str:
    pattern = str(schema.get("pattern", ""))
    if pattern.endswith(("[smhdw]$", "[smh]$")):
        return "length of time, like `90s`, `4h`"
    if pattern.startswith("^[$]"):
        return "`$fact`"
    if pattern == "^[A-Z]{3}$":
        return "three capital letters"
    if pattern.startswith("^/"):
        return "path"
    if pattern.startswith("^[A-Za-z") and " " not in pattern:
        return "name"
    return f"text to {schema['maxLength']:,} characters" if "maxLength" in schema else "text"


def _plural(form: str) -> str:
    return {"mapping": "mappings", "name": "names", "path": "paths"}.get(form, form)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
