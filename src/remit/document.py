"""One way from a file that a person wrote to values with line and column.

YAML 1.2 by ruamel in safe mode: duplicate keys, anchors that explode, tags and floats with no exact decimal are
refused or kept as text; every message names file, line and column. Shapes are JSON Schema (2020-12).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from remit.errors import BadInput, Finding

__all__ = ["Document", "PathKey", "compile_schema", "duration_seconds", "expand_environment", "read_document"]

BYTES_MAX: Final = 1_048_576
NODES_MAX: Final = 50_000
PathKey = tuple[str | int, ...]
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content as plain values, and where each stands. ``text`` is what was read, unchanged."""

    file: str
    text: str
    value: Any
    places: Mapping[PathKey, tuple[int, int]]

    def finding(self, path: PathKey, what: str, advice: str = "", severity: str = "error") -> Finding:
        """Say what is wrong at ``path``; a path that is not there is placed at its nearest parent."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return Finding(self.file, line, column, what, advice, severity)


def read_document(
    path: Path | str, schema: Mapping[str, Any], text: str | None = None
) -> tuple[Document | None, tuple[Finding, ...]]:
    """Read ``path`` (or ``text`` under that name) and check it against ``schema``.

    Returns the document and everything found wrong, in the order of the lines; the document is None when the file
    cannot be read as YAML at all. The caller decides which error the findings are.
    """
    file = str(path)
    if text is None:
        try:
            data = Path(path).read_bytes()
            if len(data) > BYTES_MAX:
                return None, (Finding(file, 0, 0, f"larger than {BYTES_MAX} bytes: got {len(data)}"),)
            text = data.decode("utf-8-sig")
        except OSError as error:
            return None, (Finding(file, 0, 0, f"cannot be read: {error.strerror}"),)
        except UnicodeDecodeError as error:
            return None, (Finding(file, 0, 0, f"not UTF-8 at byte {error.start}", "save it as UTF-8"),)
    elif len(text) > BYTES_MAX:
        return None, (Finding(file, 0, 0, f"larger than {BYTES_MAX} characters: got {len(text)}"),)
    try:
        value, places = _compose(file, text)
    except _Wrong as wrong:
        return None, (wrong.finding,)
    document = Document(file, text, value, places)
    return document, _against(document, schema)


class _Wrong(Exception):
    def __init__(self, finding: Finding):
        self.finding = finding
        super().__init__(str(finding))


def _compose(file: str, text: str) -> tuple[Any, dict[PathKey, tuple[int, int]]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise _Wrong(Finding(file, line, column, f"not YAML: {error.problem or error.context}")) from None
    except (YAMLError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise _Wrong(Finding(file, 0, 0, f"not YAML: {first}")) from None
    if root is None:
        raise _Wrong(Finding(file, 1, 1, "empty file"))
    places: dict[PathKey, tuple[int, int]] = {}
    return _plain(file, root, (), places), places


def _plain(file: str, node: Any, path: PathKey, places: dict[PathKey, tuple[int, int]]) -> Any:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    places.setdefault(path, (line, column))
    if len(places) > NODES_MAX or len(path) > 32:
        raise _Wrong(Finding(file, line, column, "too large or nested too deep", "split the file"))
    if node.anchor is not None:
        raise _Wrong(Finding(file, line, column, "anchors and aliases are not taken", "write it out"))
    if node.id == "mapping":
        result: dict[str, Any] = {}
        for key, item in node.value:
            key_line, key_column = key.start_mark.line + 1, key.start_mark.column + 1
            if key.id != "scalar" or not str(key.value).isascii():
                raise _Wrong(Finding(file, key_line, key_column, "a key must be plain ASCII text"))
            if key.value in result:
                raise _Wrong(Finding(file, key_line, key_column, f"key {key.value!r} stands twice"))
            places[(*path, key.value)] = (key_line, key_column)
            result[key.value] = _plain(file, item, (*path, key.value), places)
        return result
    if node.id == "sequence":
        return [_plain(file, item, (*path, index), places) for index, item in enumerate(node.value)]
    return _scalar(file, node, line, column)


def _scalar(file: str, node: Any, line: int, column: int) -> Any:
    text, tag = str(node.value), str(node.tag).rpartition(":")[2]
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise _Wrong(Finding(file, line, column, "a lone surrogate is not text"))
    if node.style is not None or tag == "str":
        return text
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        try:
            return int(text.replace("_", ""), 0) if re.match(r"[+-]?0[xob]", text) else int(text.replace("_", ""))
        except ValueError:
            raise _Wrong(Finding(file, line, column, f"not a whole number: {text[:40]}")) from None
    if tag == "float":
        try:
            number = Decimal(text.replace("_", ""))
        except InvalidOperation:
            raise _Wrong(Finding(file, line, column, f"not a number that can be used: {text[:40]}")) from None
        if not number.is_finite() or abs(number.adjusted()) > 18:
            raise _Wrong(Finding(file, line, column, f"not a number that can be used: {text[:40]}"))
        return number
    if tag == "timestamp":
        return text
    raise _Wrong(Finding(file, line, column, f"tag {tag!r} is not taken"))


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _against(document: Document, schema: Mapping[str, Any]) -> tuple[Finding, ...]:
    import jsonschema_rs

    found = []
    for error in jsonschema_rs.validator_for(dict(schema)).iter_errors(_json_ready(document.value)):
        path: PathKey = tuple(error.instance_path)
        kind = error.kind
        if kind.name == "additionalProperties":
            known = _known_keys(schema, error.schema_path)
            for key in getattr(kind, "unexpected", ()):
                close = difflib.get_close_matches(key, known, 1)
                advice = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
                found.append(document.finding((*path, key), f"unknown key {key!r}", advice))
            continue
        where = ".".join(map(str, path)) or "the file"
        found.append(document.finding(path, f"{where}: {error.message}"))
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.column, finding.what)))


def _known_keys(schema: Mapping[str, Any], schema_path: list[str | int]) -> list[str]:
    at: Any = schema
    for part in schema_path[:-1]:
        if isinstance(at, Mapping) and "$ref" in at and part == "$ref":
            at = schema
            for name in str(_ref(at, schema_path)).split("/"):
                at = at.get(name, {}) if isinstance(at, Mapping) else {}
            continue
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            return []
    return list(at.get("properties", {})) if isinstance(at, Mapping) else []


def _ref(schema: Mapping[str, Any], schema_path: list[str | int]) -> str:
    """Where the last ``$ref`` on ``schema_path`` leads, as names joined by a slash."""
    at: Any = schema
    target = ""
    for part in schema_path:
        if part == "$ref":
            target = str(at["$ref"]).removeprefix("#/")
            at = schema
            for name in target.split("/"):
                at = at[name]
            continue
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            break
    return target


def compile_schema(schema: Mapping[str, Any]) -> Callable[[object], str | None]:
    """Return a check that says what is wrong with a value, None when nothing is.

    The text names the place and the rule and never repeats the value, which may be personal. Patterns run in linear
    time; formats are checked.

    Raises:
        BadInput: ``schema`` is not a JSON Schema that can be compiled.
    """
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(
            dict(schema),
            validate_formats=True,
            mask="the value",
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"not a JSON Schema that can be used: {first:.200}") from None
    is_valid = validator.is_valid

    def check(value: object) -> str | None:
        if is_valid(value):
            return None
        for error in validator.iter_errors(value):
            where = ".".join(map(str, error.instance_path))
            return f"{where}: {error.message}"[:300] if where else str(error.message)[:300]
        return "not valid"

    return check


def duration_seconds(text: str) -> int:
    """Read a length of time such as ``90s``, ``15m``, ``4h``, ``30d`` or ``2w`` as seconds.

    Raises:
        BadInput: anything else.
    """
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text) if isinstance(text, str) else None
    if match is None:
        raise BadInput(f"not a length of time: got {text!r:.40}, expected like 90s, 15m, 4h, 30d")
    return int(match[1]) * _UNITS[match[2]]


def expand_environment(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Put environment variables in place of ``${NAME}``.

    Raises:
        BadInput: a variable that is not set.
    """
    known = os.environ if environment is None else environment

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known:
            raise BadInput(f"environment variable {name} is not set; set it, or write the value in the file")
        return known[name]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", one, text)
