"""The reference equals what the code says, and each verb, kind, error, setting and public name has its line."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.reference import meanings
from docs.reference.settings_table import settings_table
from tests.docs.snippets import ROOT, blocks, pages, read

from remit import app, errors
from remit.connectors.systems import connector_kind, kinds
from remit.faces.cli import main
from remit.faces.verbs import VERBS
from remit.ledger.event import KINDS
from remit.manifest.manifest_schema import MANIFEST_SCHEMA

GENERATE = [sys.executable, "docs/reference/generate.py"]


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run([*GENERATE, "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}{done.stderr}"


def test_a_page_that_differs_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    copied = tmp_path / "docs" / "reference"
    copied.mkdir(parents=True)
    for path in (ROOT / "docs/reference").iterdir():
        if path.is_file():
            (copied / path.name).write_bytes(path.read_bytes())
    stale = copied / "errors.md"
    stale.write_text(stale.read_text().replace("BadInput", "WorseInput"))
    (copied / "stray.md").write_text("# Nobody's\n")
    before = stale.read_text()
    command = [sys.executable, str(copied / "generate.py")]
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "WorseInput" in done.stdout
    assert "stray.md: nothing makes this page" in done.stdout
    assert stale.read_text() == before
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert stale.read_text() == read("docs/reference/errors.md")


def test_every_verb_kind_error_and_public_name_has_its_line() -> None:
    shown = read("docs/reference/cli.md")
    assert [verb.name for verb in VERBS if f"## remit {verb.name}\n" not in shown] == []
    shown = read("docs/reference/events.md")
    assert [kind for kind in KINDS if f"| `{kind}` |" not in shown] == []
    shown = read("docs/reference/errors.md")
    public = [name for name in errors.__all__ if issubclass(getattr(errors, name), Exception)]
    assert len(public) > 10
    assert [name for name in public if f"| `{name}` |" not in shown] == []
    shown = read("docs/reference/python.md")
    verbs = [name for name, member in vars(app.Control).items() if inspect.isfunction(member) and name[0] != "_"]
    assert [name for name in verbs if f"### Control.{name}\n" not in shown] == []
    assert [name for name in app.__all__ if f"## {name}\n" not in shown] == []


def test_commands_of_verbs_have_their_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    shown = read("docs/reference/cli.md")
    for verb in ("approvals", "policy"):
        main([verb, "--help"])
        names = re.findall(r"^  (\w+): ", capsys.readouterr().out.partition("Commands:")[2], re.MULTILINE)
        assert names
        assert [name for name in names if name != "list" and f"## remit {verb} {name}\n" not in shown] == []


def test_every_kind_of_system_has_its_section() -> None:
    shown = read("docs/reference/systems.md")
    assert [kind for kind in kinds() if f"## kind: {kind}\n" not in shown] == []
    assert all(connector_kind(kind) is not None for kind in kinds())


def test_a_setting_without_a_meaning_and_a_meaning_without_a_setting_fail() -> None:
    fewer = {key: text for key, text in meanings.MANIFEST.items() if key != "owner"}
    with pytest.raises(ValueError, match=r"no meaning for \['owner'\]"):
        settings_table(MANIFEST_SCHEMA, fewer)
    with pytest.raises(ValueError, match=r"no key for \['colour'\]"):
        settings_table(MANIFEST_SCHEMA, {**meanings.MANIFEST, "colour": "Its colour."})
    for name in meanings.__all__:
        assert all(text.endswith(".") for text in getattr(meanings, name).values()), name


def test_help_that_a_page_quotes_is_the_real_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    quoted = 0
    for page in pages():
        for block in blocks(page):
            if not block.text.startswith("Usage: remit "):
                continue
            heading = read(page).splitlines()[block.line - 3]
            command = heading.removeprefix("## remit ").split() if heading.startswith("## remit ") else []
            main([*command, "--help"])
            said = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines()).strip()
            assert block.text.strip() == said, str(block)
            quoted += 1
    assert quoted > len(VERBS)
