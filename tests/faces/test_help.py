"""Help, and how the command finds its verbs."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys

import pytest
from cyclopts import App
from tests.faces.stage import Remit

from remit.faces.verbs import VERBS, Verb, help_text

GOLDEN = {
    "set up": ["init", "check", "agents", "policy"],
    "know": [
        "sources", "audit", "load", "quarantine", "resolve", "graph", "search", "context", "replay", "lineage",
    ],
    "run": ["run", "worker", "serve", "demo"],
    "watch": ["status", "log", "explain", "spend", "cliff", "tax"],
    "decide": ["approvals", "review", "outcome"],
    "stop": ["halt", "resume", "halts"],
    "prove": ["verify", "certificate", "export", "erase", "backup", "restore"],
}  # fmt: skip


def test_help_lists_the_verbs_by_purpose(remit: Remit) -> None:
    shown: dict[str, list[str]] = {}
    for line in remit("--help").out.splitlines():
        if line in GOLDEN:
            shown[line] = []
        elif found := re.match(r"  (\S+)  +\S", line):
            shown[list(shown)[-1]].append(found[1])
    assert shown == GOLDEN


def test_help_comes_by_every_name() -> None:
    for arguments in ([], ["--help"], ["-h"], ["help"], ["--company", "x", "--help"]):
        ran = subprocess.run([sys.executable, "-c", "import sys; from remit.faces.cli import main; sys.exit(main())",
                              *arguments], capture_output=True, text=True, check=True)  # fmt: skip
        assert ran.stdout == help_text()


def test_no_line_of_help_is_wider_than_a_terminal() -> None:
    assert max(map(len, help_text().splitlines())) <= 88


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_is_where_the_list_says_and_says_the_same(verb: Verb) -> None:
    module, _, attribute = verb.where.partition(":")
    target = getattr(importlib.import_module(f"remit.faces.{module}"), attribute)
    said = target.help if isinstance(target, App) else inspect.getdoc(target)
    assert str(said).splitlines()[0].rstrip(".").startswith(verb.summary.partition(":")[0].partition(";")[0])


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_has_help(remit: Remit, verb: str) -> None:
    ran = remit(verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"remit {verb}" in ran.out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from remit.faces.cli import main; main(['--help']); "
        "heavy = {'cyclopts', 'rich', 'fastapi', 'uvicorn', 'sqlalchemy', 'cedarpy', 'asyncio', 'remit.app'}; "
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == ""


def test_a_verb_loads_no_server() -> None:
    code = (
        "import sys; from remit.faces.cli import main; main(['status', '--company', '/nowhere']); "
        "print(sorted({'fastapi', 'uvicorn', 'starlette'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_version(remit: Remit) -> None:
    assert re.fullmatch(r"remit \d+\.\d+\.\d+\n", remit("--version").out)


def test_an_unknown_verb_is_answered_with_the_nearest(remit: Remit) -> None:
    ran = remit("aprovals")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean approvals?" in ran.err


@pytest.mark.parametrize(
    "arguments", [("log", "--limit", "x"), ("log", "--limit", "0"), ("log", "--verdict", "maybe"), ("explain",),
                  ("status", "--nothing"), ("halt", "everything"), ("approvals", "nothing"), ("--company",)],
)  # fmt: skip
def test_wrong_usage_is_the_users_fault(remit: Remit, arguments: tuple[str, ...]) -> None:
    ran = remit(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("remit: ")


def test_options_before_the_verb_count_for_it(remit: Remit, company: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMIT_COMPANY")
    assert remit("--company", str(company), "status").code == 0
    assert remit(f"--company={company}", "status", "--json").json["company"] == "Test company"
    assert remit("status").code == 2
