"""The one place that writes to a terminal. What comes from data is shown, never interpreted.

Whatever is not printable (control characters, escape sequences, marks that turn the direction of text) is shown as an
escape such as ``\\x1b``. Tables are aligned by the width that a terminal gives each character; colour is used on
terminals only, and NO_COLOR is respected.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TextIO

from remit.vocabulary import Json

__all__ = ["age", "clean", "count", "moment", "progress", "say", "say_json", "short", "table", "warn"]

DIGEST_DIGITS: Final = 12
SHOWN_EVERY_SECONDS: Final = 0.1


def clean(text: str) -> str:
    """Return ``text`` in one line with everything that is not printable as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def short(digest: str) -> str:
    """Return the first 12 digits of a digest."""
    return digest[:DIGEST_DIGITS]


def moment(at: datetime | str | None) -> str:
    """Return a moment to the second, such as ``2026-11-21 09:00:00Z``; a recorded text is cut, not read."""
    if at is None:
        return "-"
    if isinstance(at, datetime):
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{at[:10]} {at[11:19]}Z"


def count(number: int, one: str = "", many: str = "") -> str:
    """Return ``number`` with thousands separators, and the noun that goes with it."""
    noun = one if number == 1 else many or f"{one}s"
    return f"{number:,} {noun}" if one else f"{number:,}"


def say(text: str = "", style: str = "") -> None:
    """Write ``text``, which may have several lines, to standard output."""
    _write(sys.stdout, text, style)


def warn(text: str, style: str = "") -> None:
    """Write ``text`` to standard error; one that is gone is not worth an error of its own."""
    try:
        _write(sys.stderr, text, style)
    except (OSError, ValueError):
        return


def say_json(value: Json) -> None:
    """Write one JSON document, in ASCII, so that no terminal finds anything to interpret in it."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Write ``rows`` aligned under ``header``; the columns named in ``right`` to the right."""
    from rich.cells import cell_len

    lines = [[clean(cell) for cell in row] for row in (header, *rows)]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(header))]
    for number, line in enumerate(lines):
        cells = []
        for at, cell in enumerate(line):
            pad = " " * (widths[at] - cell_len(cell))
            cells.append(pad + cell if header[at] in right else cell + pad)
        _write(sys.stdout, "  ".join(cells).rstrip(), "" if number else "dim")


def _write(stream: TextIO, text: str, style: str) -> None:
    lines = "\n".join(clean(line) for line in text.split("\n"))
    if not style or not stream.isatty():
        stream.write(f"{lines}\n")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(Text(lines, style), soft_wrap=True)
    stream.write(captured.get())


@contextmanager
def progress(doing: str, noun: str = "events") -> Iterator[Callable[[int], None]]:
    """Lend a function that is told how far long work has come; shown on standard error when it is a terminal."""
    live = sys.stderr.isatty()
    shown_at = 0.0

    def tell(number: int) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if live and now - shown_at >= SHOWN_EVERY_SECONDS:
            shown_at = now
            sys.stderr.write(f"\r{doing}: {number:,} {noun} ")
            sys.stderr.flush()

    if live:
        sys.stderr.write(f"{doing} ...")
        sys.stderr.flush()
    try:
        yield tell
    finally:
        if live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def age(seconds: int | None) -> str:
    """Return a length of time in the largest unit that fits it at least twice."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
