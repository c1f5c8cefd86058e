"""Outcomes from a file: lines of JSON, or CSV with a header. A bad row says what is wrong and stops no other."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from remit.app_autonomy import OutcomeRow
from remit.canonical import parse, to_moment
from remit.errors import BadInput
from remit.faces.person import person_named
from remit.vocabulary import Json

__all__ = ["outcome_rows"]

LINE_BYTES_MAX: Final = 1_048_576
_WORDS: Final[Mapping[str, bool | None]] = {
    "true": True, "right": True, "yes": True, "1": True, "false": False, "wrong": False, "no": False, "0": False,
    "": None, "unknown": None, "null": None,
}  # fmt: skip
_NAMES: Final = {"by": "said_by", "matured": "matured_at"}
_KNOWN: Final = ("case", "action", "agent", "right", "said_by", "matured_at", "value")


def outcome_rows(path: Path, by: str, matured: datetime) -> Iterator[tuple[str, OutcomeRow | BadInput]]:
    """Yield each row of ``path`` (``.csv``, or JSON lines otherwise) with its place. ``by`` and ``matured`` stand in
    where a row does not say who says so and since when. Further columns of a CSV are the outcome's value.

    Raises:
        BadInput: the CSV has no header with ``right``, and ``case`` or ``action``.
    """
    with path.open("rb") as stream:
        rows = _csv_rows(path.name, stream) if path.suffix.lower() == ".csv" else _json_rows(path.name, stream)
        for place, row in rows:
            yield place, row if isinstance(row, BadInput) else _taken(row, by, matured)


def _lines(name: str, stream: IO[bytes]) -> Iterator[tuple[int, bytes | BadInput]]:
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 2):
        number += 1
        if len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := stream.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield number, BadInput(f"a line of more than {LINE_BYTES_MAX} bytes")
        else:
            yield number, line


def _json_rows(name: str, stream: IO[bytes]) -> Iterator[tuple[str, Mapping[str, Any] | BadInput]]:
    for number, line in _lines(name, stream):
        place = f"{name}:{number}"
        if isinstance(line, BadInput):
            yield place, line
        elif line.strip():
            try:
                value = parse(line)
            except BadInput as error:
                yield place, error
            else:
                yield place, value if isinstance(value, dict) else BadInput("expected an object on each line")


def _csv_rows(name: str, stream: IO[bytes]) -> Iterator[tuple[str, Mapping[str, Any] | BadInput]]:
    reader = csv.reader(_texts(name, stream), strict=True)
    try:
        header = [_NAMES.get(cell.strip(), cell.strip()) for cell in next(reader, [])]
    except csv.Error as error:
        raise BadInput(f"{name}:1: {error}") from None
    if "right" not in header or not {"case", "action"} & set(header) or len(set(header)) < len(header):
        raise BadInput(f"{name}: got columns {', '.join(header)[:200] or 'none'}, expected right, and case or action")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"{name}:{reader.line_num}", BadInput(str(error))
            continue
        except BadInput as error:  # what cannot be cut into rows ends the file
            yield name, error
            return
        if cells:
            yield f"{name}:{reader.line_num}", _csv_row(header, cells)


def _csv_row(header: list[str], cells: list[str]) -> Mapping[str, Any] | BadInput:
    if len(cells) != len(header):
        return BadInput(f"{len(cells)} cells under {len(header)} columns")
    row: dict[str, Any] = dict(zip(header, cells, strict=True))
    word = row["right"].strip().lower()
    if word not in _WORDS:
        return BadInput(f"right: got {word!r:.40}, expected right, wrong or unknown")
    row["right"] = _WORDS[word]
    value = {name: cell for name, cell in row.items() if name not in _KNOWN and cell}
    return {name: cell for name, cell in row.items() if name in _KNOWN and cell != ""} | {"value": value}


def _texts(name: str, stream: IO[bytes]) -> Iterable[str]:
    for number, line in _lines(name, stream):
        if isinstance(line, BadInput):
            raise BadInput(f"{name}:{number}: {line}")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise BadInput(f"{name}:{number}: not text in UTF-8") from None
        yield text.replace("\0", "\ufffd")


def _taken(row: Mapping[str, Any], by: str, matured: datetime) -> OutcomeRow | BadInput:
    try:
        return _row({_NAMES.get(name, name): value for name, value in row.items()}, by, matured)
    except BadInput as error:
        return error


def _row(row: Mapping[str, Any], by: str, matured: datetime) -> OutcomeRow:
    unknown = sorted(set(row) - set(_KNOWN))
    if unknown:
        raise BadInput(f"got {', '.join(unknown)[:60]}, expected {', '.join(_KNOWN)}")
    texts = {name: _text(name, row.get(name, "")) for name in ("case", "action", "agent", "said_by", "matured_at")}
    if not texts["case"] and not texts["action"]:
        raise BadInput("neither case nor action")
    right: Any = row.get("right")
    if right is not None and not isinstance(right, bool):
        raise BadInput(f"right: got {right!r:.40}, expected true, false or null")
    value: dict[str, Json] = row.get("value") or {}
    if not isinstance(value, dict):
        raise BadInput(f"value: got {value!r:.40}, expected an object")
    if not texts["said_by"] and not by:
        raise BadInput("nobody says so: a column said_by, or --by")
    at = to_moment(texts["matured_at"]) if texts["matured_at"] else matured
    said_by = person_named(texts["said_by"] or by)
    return OutcomeRow(texts["case"], texts["action"], texts["agent"], right, said_by, at, value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise BadInput(f"{name}: got {value!r:.60}, expected at most 200 printable characters")
    return value
