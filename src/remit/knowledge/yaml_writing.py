"""Writing YAML that readers of YAML 1.1 and 1.2 take alike: blocks, short leaves on one line, text as in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

__all__ = ["write_yaml"]

_LINE_MAX: Final = 110
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./]*(?:[ -][A-Za-z0-9_./]+)*").fullmatch
_SPOKEN_FOR: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"})


def write_yaml(value: Mapping[str, object]) -> str:
    """Return ``value`` as a YAML document: mappings, sequences, text, whole numbers, decimals, truth values, None."""
    return "\n".join(_block(value, 0)) + "\n"


def _block(value: object, depth: int) -> list[str]:
    pad = "  " * depth
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = _flow(item)
            if depth == 0 and isinstance(item, Mapping | list | tuple) and item and key != "connect":
                inner = ""
            if inner and len(pad) + len(str(key)) + len(inner) + 2 <= _LINE_MAX:
                lines.append(f"{pad}{_scalar(str(key))}: {inner}")
            elif isinstance(item, Mapping | list | tuple):
                lines += [f"{pad}{_scalar(str(key))}:", *_block(item, depth + 1)]
            else:
                lines.append(f"{pad}{_scalar(str(key))}: {_scalar(item)}")
        return lines
    assert isinstance(value, list | tuple)
    for item in value:
        inner = _flow(item)
        if len(pad) + len(inner) + 2 <= _LINE_MAX or not isinstance(item, Mapping | list | tuple):
            lines.append(f"{pad}- {inner}")
        else:
            first, *rest = _block(item, depth + 1)
            lines += [f"{pad}- {first.strip()}", *rest]
    return lines


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    assert isinstance(value, str), type(value)
    return value if _PLAIN(value) and value.lower() not in _SPOKEN_FOR else _quoted(value)


def _quoted(text: str) -> str:
    """Text in double quotes; what YAML calls not printable is written as its number."""
    return re.sub(
        "[\x7f-\x9f\u2028\u2029\ufeff]", lambda one: f"\\u{ord(one[0]):04x}", json.dumps(text, ensure_ascii=False)
    )
