"""What is written on a screen: escapes, alignment, colour, forms of numbers and moments."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.faces.terminal import clean, count, moment, progress, say, short, table, warn


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@given(st.text())
def test_what_was_cleaned_is_printable_and_in_one_line(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


@given(st.lists(st.lists(st.text(max_size=8), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_columns_of_a_table_begin_together(rows: list[list[str]]) -> None:
    from rich.cells import cell_len

    out = io.StringIO()
    before, sys.stdout = sys.stdout, out
    try:
        table(("one", "two", "three"), [["|" + cell for cell in row] for row in rows])
    finally:
        sys.stdout = before
    header, *lines = out.getvalue().split("\n")[:-1]
    assert len(lines) == len(rows)
    at = [cell_len(header[: header.index(name)]) for name in ("one", "two", "three")]
    for line in lines:
        found = {cell_len(line[:i]) for i, character in enumerate(line) if character == "|"}
        assert set(at) <= found


def test_numbers_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "n"), [("a", "1"), ("b", "1,000")], right=("n",))
    assert capsys.readouterr().out == "name      n\na         1\nb     1,000\n"


def test_forms() -> None:
    assert moment(datetime(2026, 11, 21, 9, tzinfo=UTC)) == "2026-11-21 09:00:00Z"
    assert moment(datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-21 07:00:00Z"
    assert moment("2026-11-21T09:00:00.123456Z") == "2026-11-21 09:00:00Z"
    assert moment(None) == "-"
    assert short("0123456789abcdef") == "0123456789ab"
    assert (count(1, "case"), count(1_000, "case"), count(0, "entry", "entries")) == (
        "1 case",
        "1,000 cases",
        "0 entries",
    )


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch, no_colour: str) -> None:
    screen, file = Screen(), io.StringIO()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setattr(sys, "stdout", screen)
    say("[bold]holds[/bold] \x1b[2J", "green")
    assert ("\x1b[32m" in screen.getvalue()) == (not no_colour)
    assert r"[bold]holds[/bold] \x1b[2J" in screen.getvalue()
    monkeypatch.setattr(sys, "stdout", file)
    say("holds", "green")
    assert file.getvalue() == "holds\n"


def test_a_long_line_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    say("x" * 500, "green")
    assert screen.getvalue() == "x" * 500 + "\n"


def test_progress_is_told_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, told in ((Screen(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress("verifying") as tell:
            tell(12_288)
        assert ("verifying: 12,288 events" in stream.getvalue()) is told
        assert stream.getvalue().endswith("\r\x1b[K") is told


def test_a_closed_standard_error_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: Any = io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", gone)
    warn("nobody hears this")
