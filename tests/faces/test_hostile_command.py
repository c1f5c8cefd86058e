"""Whatever is typed, the command ends in words and with an exit code that says whose fault it is."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.faces.refund_shop import Shop
from tests.faces.stage import Ran, Remit, lines, make_company, proposal

from remit.faces.cli import main
from remit.faces.verbs import VERBS

NASTY = [
    "\x00", "\udcff", "\ud800", "\x1b[2J", "\u202etxt", "[bold red]x[/]", "<script>", "' or 1=1 --", "../../etc/passwd",
    "/", "/dev/null", "~", "", " ", "-", "--", "-1", "--help", "--company", "--json", "--as=", "--why=", "--limit=1e9",
    "9" * 5_000, "x" * 5_000, "/" + "x" * 5_000, "{}", "NaN", "everything", "action.decided", "2026-01-01", "case-A1",
    "*", "$(id)", "é", "--set", "a=b", "--done", "--role", "approve", "list", "show", "edit", "settle", "test",
]  # fmt: skip
FOREVER_OR_WRITING = {"worker", "serve", "demo", "init", "export", "backup", "halt"}


@pytest.fixture(scope="module")
def home(shop_server: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    home = make_company(place, shop_server)
    (place / "a.jsonl").write_bytes(lines(proposal("A1", 12_500), proposal("A2")))
    assert run(["run", "--company", str(home), str(place / "a.jsonl")]).code == 0
    return home


def run(arguments: list[str]) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return Ran(code, out.getvalue(), err.getvalue())


def is_civil(ran: Ran) -> None:
    assert "internal error" not in ran.err
    assert "Traceback" not in ran.err
    assert ran.code in (0, 2)
    assert (ran.code == 0) == (ran.err == "")
    assert all(character == "\n" or character.isprintable() for character in ran.out + ran.err)


words = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))


@given(
    verb=st.sampled_from(sorted({verb.name for verb in VERBS} - FOREVER_OR_WRITING)),
    arguments=st.lists(words, max_size=5),
)
@example(verb="run", arguments=["/dev/null"])
@example(verb="approvals", arguments=["edit", "case-A1", "--set", "a=b", "--why="])
@settings(max_examples=150, deadline=None)
def test_any_words_after_any_verb(home: Path, verb: str, arguments: list[str]) -> None:
    is_civil(run(["--company", str(home), "--as", "nobody", verb, *arguments]))


@given(arguments=st.lists(words, max_size=3).filter(lambda some: not some or some[0] not in FOREVER_OR_WRITING))
@settings(max_examples=60, deadline=None)
def test_any_words_at_all(arguments: list[str]) -> None:
    is_civil(run(arguments))


@pytest.mark.parametrize("verb", ["init", "export", "backup"])
def test_folders_that_cannot_be(home: Path, verb: str) -> None:
    for folder in (
        "/dev/null",
        "/dev/null/x",
        "~nobody-at-all/x" if verb == "init" else "/dev/null/y",
        "x" * 5_000,
        "a\0b",
        str(home / "remit.yaml"),
        "/proc/nothing",
    ):
        ran = run([verb, folder] + ([] if verb == "init" else ["--company", str(home)]))
        assert "internal error" not in ran.err, (verb, folder, ran.err)
        assert ran.code in (1, 2), (verb, folder)
        assert ran.out == ""


@pytest.mark.parametrize("company", ["/dev/null", "/", "x" * 5_000, "remit.yaml", "\0", "\udcff", "~nobody-at-all"])
def test_companies_that_are_none(company: str) -> None:
    ran = run(["status", "--company", company])
    assert (ran.code, ran.out) == (2, ""), ran.err


def test_data_is_shown_and_never_interpreted(remit: Remit, tmp_path: Path) -> None:
    nasty = "\x1b]0;owned\x07 [bold]x[/bold] \u202e :boom: \x9b31m"
    source = tmp_path / "nasty.jsonl"
    source.write_bytes(
        lines(
            proposal("A1", 12_500, reasons=[nasty]), proposal("A2", case="[red]case[/red]"), proposal("A3", case=nasty)
        )
    )
    ran = remit("run", str(source))
    assert ran.code == 2  # a case is one printable line
    remit("halt", "entity:[bold]x[/bold]", "--why", nasty)
    for arguments in (
        ["log"],
        ["approvals"],
        ["explain", "case-A1"],
        ["halts"],
        ["status"],
        ["approvals", "show", "case-A1"],
    ):
        shown = remit(*arguments)
        assert shown.code == 0
        assert all(character == "\n" or character.isprintable() for character in shown.out), arguments
    assert "[red]case[/red]" in remit("log").out
    assert r"\x1b]0;owned\x07 [bold]x[/bold] \u202e :boom: \x9b31m" in remit("halts").out
