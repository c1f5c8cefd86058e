"""Rows of CSV files (RFC 4180 and what people make of it)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows
from remit.connectors.text_scan import ScannedText
from remit.errors import Refused, Unreachable

__all__ = ["CSV_KEYS", "csv_rows"]

CSV_KEYS: Final[Mapping[str, Any]] = {
    "delimiter": {"type": "string", "minLength": 1, "maxLength": 1},
    "quote": {"type": "string", "minLength": 1, "maxLength": 1},
    "header": {"type": "boolean"},
    "columns": {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": 200},
        "minItems": 1,
        "maxItems": 5_000,
        "uniqueItems": True,
    },
    "skip": {"type": "integer", "minimum": 0, "maximum": 10_000},
    "decimal": {"enum": [".", ","]},
    "short_rows": {"enum": ["quarantine", "fill"]},
}
"""``delimiter`` is found out where it is not given. ``columns`` names them where ``header`` is false. ``skip`` lines
come before. ``decimal`` is the mark in numbers, whose digits may then be grouped by the other one. ``short_rows: fill``
takes rows that leave out their last cells, as some spreadsheets write them; otherwise they are held back, as they may
be cut.
"""

_DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_BYTES: Final = 65_536
_SAMPLE_ROWS: Final = 200
_RAW_LENGTH_MAX: Final = 16_384
_UNREAD: Final = re.compile("[\x00\ud800-\udfff]")
_LINE_END: Final = re.compile("\r\n|\r|\n")


def csv_rows(
    file: io.BufferedReader, scanned: ScannedText, where: str, options: Mapping[str, Any], notes: list[str]
) -> Iterator[SourceRows]:
    """Read the rows of one file, as text. What is odd is added to ``notes``.

    Raises:
        Unreachable: not even a header, or it ends within quotes: it was cut.
        Refused: a cell larger than the parser takes (128 Ki characters), as after a quote that does not end.
    """
    sample = file.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES].decode(scanned.encoding, "ignore")
    text = io.TextIOWrapper(file, scanned.encoding, "surrogateescape" if scanned.odd else "strict", newline="")
    skip = sum(1 for _ in islice(text, options.get("skip", 0)))
    quote = options.get("quote", '"')
    delimiter = options.get("delimiter") or _delimiter(sample, skip, quote, notes, where)
    last = [""]
    reader = csv.reader(_remembered(text, last), delimiter=delimiter, quotechar=quote, strict=True)
    columns = _columns(reader, where, options, notes)
    form = _Form(columns, where, (delimiter, quote), options.get("short_rows") == "fill", scanned.odd)
    many, first = True, skip + reader.line_num
    while many:
        begin = skip + reader.line_num
        rows: list[list[str]] = []
        error: csv.Error | None = None
        try:
            rows.extend(islice(reader, BATCH_ROWS_MAX))  # what came before an error stays in the list
        except csv.Error as wrong:
            error = wrong
        if not rows and error is None and begin > first:
            break
        many = error is not None or len(rows) == BATCH_ROWS_MAX
        part = form.part(rows, begin, skip + reader.line_num, error, last[0])
        yield part
        if error is not None and str(error).startswith(_FATAL):
            raise _fatal(error, f"{part.where}:{skip + reader.line_num}")
    if form.problems:
        notes.append(f"{where}: {form.problems} rows that are not {len(columns)} readable cells")
    if scanned.open_end and not scanned.trailer:
        notes.append(f"{where}: the last line does not end; if the file was cut there, so was its last cell")


_FATAL: Final = ("field larger", "unexpected end")


def _fatal(error: csv.Error, where: str) -> Exception:
    """After these it is not known where the next row begins."""
    if str(error).startswith("unexpected end"):
        return Unreachable(f"{where}: the file ends within quotes; it was cut, or a quote is not closed")
    return Refused(f"{where}: a cell of more than {csv.field_size_limit()} characters, or a quote is not closed")


def _remembered(text: io.TextIOWrapper, last: list[str]) -> Iterator[str]:
    for line in text:
        last[0] = line
        yield line


def _delimiter(sample: str, skip: int, quote: str, notes: list[str], where: str) -> str:
    """The mark that cuts most rows into the same number of cells, the header among them."""
    lines = io.StringIO(sample, newline="").readlines()
    lines = lines[skip : -1 if len(lines) > skip + 1 else None]  # the sample may end within the last one
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            found = csv.reader(lines, delimiter=delimiter, quotechar=quote)
            widths = [len(row) for row in islice(found, _SAMPLE_ROWS) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        usual = max(set(widths), key=lambda width: (widths.count(width), width))
        share = widths.count(usual) / len(widths) * (1.0 if widths[0] == usual else 0.5)
        if usual > 1 and (share, usual) > best_score:
            best, best_score = delimiter, (share, usual)
    if 0 < best_score[0] < 0.9:
        notes.append(f"{where}: {best!r} was taken for the delimiter, and does not cut all rows alike")
    return best


def _columns(reader: Iterator[list[str]], where: str, options: Mapping[str, Any], notes: list[str]) -> tuple[str, ...]:
    if not options.get("header", True):
        return tuple(options["columns"])
    try:
        header = next((row for row in reader if row), None)
    except csv.Error as error:
        raise Refused(f"{where}: the header cannot be read: {error}") from None
    if header is None:
        raise Unreachable(f"{where}: empty, without even a header")
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = base = _UNREAD.sub("\ufffd", cell).strip() or f"column{number}"
        while name in names:
            name = f"{base}_{number}"
            notes.append(f"{where}: column {base!r:.80} stands twice; the one at place {number} is called {name!r:.80}")
        names.append(name)
    return tuple(names)


class _Form:
    """What rows should look like, and what to make of those that do not."""

    def __init__(self, columns: tuple[str, ...], where: str, marks: tuple[str, str], fill: bool, odd: bool):
        self.problems = 0
        self._columns, self._where, self._fill, self._odd = columns, where, fill, odd
        self._delimiter, self._quote = marks

    def part(self, rows: list[list[str]], before: int, after: int, error: csv.Error | None, last: str) -> SourceRows:
        """Make a batch of ``rows``, which stand on the lines after ``before`` to ``after``."""
        width = len(self._columns)
        one_line_each = error is None and after - before == len(rows)
        if one_line_each and not self._odd and all(len(row) == width for row in rows):
            return SourceRows(self._columns, rows, self._where, before + 1)
        kept: list[Sequence[object]] = []
        lines, problems, raw = [], {}, {}
        line = before + 1
        for row in rows:
            place = line
            line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row if "\n" in cell or "\r" in cell)
            if not row:  # an empty line is no row
                continue
            problem = self._problem(row)
            if problem:
                problems[len(kept)] = problem
                raw[len(kept)] = _UNREAD.sub("\ufffd", self._delimiter.join(row)[:_RAW_LENGTH_MAX])
                row = [_UNREAD.sub("\ufffd", cell) for cell in row]  # noqa: PLW2901
            kept.append([*row[:width], *[None] * (width - len(row))])
            lines.append(place)
        if error is not None and not str(error).startswith(_FATAL):
            problems[len(kept)] = f"no row of cells: {error}"
            raw[len(kept)] = _UNREAD.sub("\ufffd", last[:_RAW_LENGTH_MAX])
            kept.append(self._guessed(last))
            lines.append(after)
        self.problems += len(problems)
        return SourceRows(self._columns, kept, self._where, before + 1, problems=problems, raw=raw, lines=lines)

    def _guessed(self, line: str) -> list[str | None]:
        """What a lenient reader makes of a line quoted wrongly: good enough to tell whose row it was."""
        cells = next(csv.reader([line], delimiter=self._delimiter, quotechar=self._quote), [])
        width = len(self._columns)
        return [*(_UNREAD.sub("\ufffd", cell) for cell in cells[:width]), *[None] * (width - len(cells))]

    def _problem(self, row: list[str]) -> str:
        width = len(self._columns)
        if len(row) > width or (len(row) < width and not self._fill):
            return f"{len(row)} cells, expected {width}"
        if self._odd and any(_UNREAD.search(cell) for cell in row):
            return "bytes that are no text in its encoding, or NUL"
        return ""
