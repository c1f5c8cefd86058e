"""Rows of files that hold one JSON object a line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import orjson

from remit.connectors.cells import as_cells, kinds_of_cells
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk
from remit.connectors.text_scan import ScannedText
from remit.errors import Refused

__all__ = ["json_rows", "keys_in_file"]

_UNREAD_MAX: Final = 1_000
_RAW_LENGTH_MAX: Final = 16_384


def keys_in_file(columns: tuple[str, ...]) -> dict[str, bytes]:
    """Return the text that a file must hold somewhere if it has a column, for the columns of which that is known."""
    sought = {}
    for column in columns:
        names = [part for part in column.split(".") if not part.isdecimal()]  # a number may be a place in a list
        if names and names[-1].isascii() and names[-1].isprintable():
            sought[column] = b'"%s"' % names[-1].encode()
    return sought


def json_rows(
    file: io.BufferedReader, scanned: ScannedText, where: str, ask: TableAsk, notes: list[str]
) -> Iterator[SourceRows]:
    """Read the objects of one file. A column is a key, or a path such as ``address.city`` or ``lines.0.sku``.

    Numbers keep the digits they were written with. A column is there when its key occurs anywhere in the file.

    Raises:
        Refused: it is not UTF-8, or one JSON array.
    """
    if scanned.encoding not in {"utf-8", "ascii"}:
        raise Refused(f"{where}: JSON lines are written in UTF-8: got {scanned.encoding}")
    sought = keys_in_file(ask.columns)
    columns = tuple(name for name in ask.columns if name not in sought or sought[name] in scanned.found)
    reach = _Reach(columns)
    mapped = {column.partition(".")[0] for column in ask.columns} | set(ask.columns)
    unread: set[str] = set()
    parse: Callable[[bytes], Any] = orjson.loads
    line, wrong = 0, 0
    while lines := list(islice(file, BATCH_ROWS_MAX)):
        usual = _usual(lines, parse, reach, unread)
        if usual is not None and parse is orjson.loads and float in kinds_of_cells(usual):
            parse = _exact  # from here on: a file with one fraction has more
            usual = _usual(lines, parse, reach, unread)
        if usual is not None:
            part = SourceRows(
                columns, as_cells(usual), where, line + 1, unread=_besides(unread, mapped), by_record=True
            )
        else:
            part = _unusual(lines, line, SourceRows(columns, (), where, line + 1, by_record=True), reach, unread)
            part = replace(part, unread=_besides(unread, mapped))
            if line == 0 and 0 in part.problems and lines[0].lstrip().startswith(b"["):
                raise Refused(f"{where}: begins with [; expected one object a line")
        line, wrong = line + len(lines), wrong + len(part.problems)
        yield part
    if not line:
        yield SourceRows(columns or ask.columns, (), where, 1, by_record=True)
    if wrong:
        notes.append(f"{where}: {wrong} lines that are no JSON object")


def _besides(unread: set[str], mapped: set[str]) -> tuple[str, ...]:
    return tuple(sorted(unread - mapped)[:_UNREAD_MAX])


def _usual(
    lines: list[bytes], parse: Callable[[bytes], Any], reach: _Reach, unread: set[str]
) -> list[list[object]] | None:
    """The cells of lines that are all objects, None when one is not."""
    try:
        values = list(map(parse, lines))
    except (ValueError, RecursionError):  # the parsers' own errors are kinds of ValueError
        return None
    if set(map(type, values)) != {dict} or any(b"\\u0000" in line for line in lines):
        return None
    if len(unread) < _UNREAD_MAX:
        unread.update(*values)
    if not reach.nested:
        return [[value.get(column) for column in reach.columns] for value in values]
    return [reach.cells(value) for value in values]


def _unusual(lines: list[bytes], before: int, empty: SourceRows, reach: _Reach, unread: set[str]) -> SourceRows:
    """The cells of lines that are looked at one by one."""
    rows: list[list[object]] = []
    places, problems, raw = [], {}, {}
    for place, text in enumerate(lines, before + 1):
        if not text.strip():
            continue
        row, problem = _row(text, reach, unread)
        if problem:
            problems[len(rows)] = problem
            raw[len(rows)] = text[:_RAW_LENGTH_MAX].decode("utf-8", "replace").replace("\0", "\ufffd")
        rows.append(row)
        places.append(place)
    return replace(empty, rows=as_cells(rows), problems=problems, raw=raw, lines=places)


def _row(text: bytes, reach: _Reach, unread: set[str]) -> tuple[list[object], str]:
    try:
        value = _exact(text)
    except (ValueError, RecursionError) as error:
        return [None] * len(reach.columns), f"no JSON: {error}"[:200]
    if type(value) is not dict:
        return [None] * len(reach.columns), f"no JSON object: got {type(value).__name__}"
    if len(unread) < _UNREAD_MAX:
        unread.update(value)
    row = reach.cells(value)
    if b"\\u0000" in text and any(isinstance(cell, str) and "\0" in cell for cell in row):
        return [cell.replace("\0", "\ufffd") if isinstance(cell, str) else cell for cell in row], "holds NUL"
    return row, ""


def _exact(text: bytes) -> Any:
    if b"\\u" in text:
        orjson.loads(text)  # refuses half a character, which json takes
    return json.loads(text, parse_float=Decimal, parse_constant=_not_a_number)


def _not_a_number(text: str) -> object:
    raise ValueError(f"{text} is not a JSON value")


class _Reach:
    """Finds columns in an object: each under a key of that very name, else along the path."""

    def __init__(self, columns: tuple[str, ...]):
        self.columns = columns
        self.nested = any("." in column for column in columns)
        self._paths = [column.split(".") for column in columns]

    def cells(self, value: Mapping[str, Any]) -> list[object]:
        """Return the cells of one object."""
        return [
            value[column] if column in value else _at(value, path)
            for column, path in zip(self.columns, self._paths, strict=True)
        ]


def _at(value: Any, path: list[str]) -> object:
    for part in path:
        if type(value) is dict:
            value = value.get(part)
        elif type(value) is list and part.isdecimal() and int(part[:9]) < len(value):
            value = value[int(part[:9])]
        else:
            return None
    return value
