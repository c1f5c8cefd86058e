"""Rows of fixed-width files, as they come from old systems."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from remit.connectors.fixed_width import Layout
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows
from remit.connectors.text_scan import ScannedText
from remit.errors import Unreachable

__all__ = ["OBSERVED_COLUMN", "fixed_rows"]

OBSERVED_COLUMN: Final = "_observed"
"""The moment that the header of a fixed-width file names, as a column of each of its rows."""
_UNREAD: Final = re.compile("[\x00\ud800-\udfff]")


def fixed_rows(
    file: io.BufferedReader, scanned: ScannedText, where: str, layout: Layout, notes: list[str]
) -> Iterator[SourceRows]:
    """Read the rows of one file, as text without padding, and the moment in its header.

    Raises:
        Unreachable: fewer lines than its header has.
    """
    errors = "surrogateescape" if scanned.odd else "strict"
    # Lines end where the system ended them; other characters that look like line ends belong to the data.
    text = io.TextIOWrapper(file, scanned.encoding, errors, newline="\n")
    head = list(islice(text, layout.header))
    if len(head) < layout.header:
        raise Unreachable(f"{where}: {len(head)} lines, expected {layout.header} of header")
    observed: datetime | None = layout.observed(head[0]) if head else None
    columns = (*layout.columns, OBSERVED_COLUMN)
    cells = layout.cells()
    line, wrong = layout.header, 0
    while True:
        lines = list(islice(text, BATCH_ROWS_MAX))
        if not lines and line > layout.header:
            break
        rows = [(*cells(one), observed) for one in lines]
        problems = {}
        if scanned.odd:
            for index, one in enumerate(lines):
                if _UNREAD.search(one):
                    problems[index] = "bytes that are no text in its encoding, or NUL"
                    rows[index] = (*cells(_UNREAD.sub("\ufffd", one)), observed)
        raw = {index: _UNREAD.sub("\ufffd", lines[index].rstrip("\r\n")) for index in problems}
        yield SourceRows(columns, rows, where, line + 1, problems=problems, raw=raw, as_of=observed)
        line, wrong = line + len(lines), wrong + len(problems)
        if len(lines) < BATCH_ROWS_MAX:
            break
    if wrong:
        notes.append(f"{where}: {wrong} rows that are no text in {scanned.encoding}")
