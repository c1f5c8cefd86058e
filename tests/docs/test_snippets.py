"""Every snippet of every page is run, or says why it cannot be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.snippets import ROOT, Block, Session, agrees, blocks, commands, pages

from remit.document import read_document
from remit.faces.proposal import read_proposal
from remit.gate.cedar_text import split_statements
from remit.gate.policy_rule import read_rule
from remit.testing.postgres import own_schema, server_url

NOT_RUN = {
    ("README.md", "make demo\n"): "plays all 3,962 orders, which takes longer than all these tests",
    ("README.md", "make test\n"): "would run this test",
    ("CONTRIBUTING.md", "make check\n"): "would run this test",
    ("docs/explanation/tour.md", "make check\n"): "would run this test",
}
"""Blocks that are not run, and why."""

RUN = ("sh", "console", "python")
SHOWN = ("text", "yaml", "cedar", "jsonl", "json")
POSTGRES = "remit@localhost/remit"
"""The database that the pages write; a real one takes its place."""


def runnable() -> list[str]:
    return [page for page in pages() if any(block.language in RUN for block in blocks(page))]


@pytest.fixture
def session(page: str, tmp_path: Path) -> Iterator[Session]:
    """The folder that a page expects: the tutorial and the README begin with nothing, the how-to pages with a shop."""
    if POSTGRES in (ROOT / page).read_text():
        server = server_url()
        if server is None:
            pytest.skip("no PostgreSQL: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none")
        with own_schema(server) as url, Session(tmp_path, {POSTGRES: url.partition("://")[2]}) as opened:
            prepare(opened, page)
            yield opened
    else:
        with Session(tmp_path) as opened:
            prepare(opened, page)
            yield opened


def prepare(session: Session, page: str) -> None:
    if not page.startswith("docs/how-to/"):
        return
    (shop,) = (block for block in blocks("docs/tutorial.md") if block.target == "shop.py")
    session.write(shop)
    session.run("python shop.py &")
    code, said = session.run("remit init shop\nexport REMIT_COMPANY=shop REMIT_PERSON=ada.owner")
    assert code == 0, said


@pytest.mark.parametrize("page", runnable())
def test_the_snippets_of_a_page_run_in_order(session: Session, page: str) -> None:
    for block in blocks(page):
        if (page, block.text) in NOT_RUN:
            continue
        if block.target:
            session.write(block)
        elif block.language == "console":
            for command, shown in commands(block):
                _, said = session.run(command)
                assert agrees(shown, said), f"{block}: {command}\n--- the page shows\n{shown}\n--- it says\n{said}"
        elif block.language in ("sh", "python"):
            run(session, block)


def run(session: Session, block: Block) -> None:
    """Run a block whole; what it says is not shown on the page, but it must succeed."""
    text = block.text if block.language == "sh" else f"python - <<'END'\n{block.text}END\n"
    for part in split_background(text):
        code, said = session.run(part)
        assert code == 0, f"{block}: exit code {code}\n{part}\n{said}"
        for expected in re.findall(r"^ *print\(.*\)  # (.+)$", part, re.MULTILINE):
            assert expected in said.splitlines(), f"{block}: {expected!r} is not in\n{said}"


def split_background(text: str) -> list[str]:
    """Part a script at the lines that end with &, which go on in the background."""
    parts, lines = list[str](), list[str]()
    for line in text.splitlines(keepends=True):
        if line.rstrip().endswith(" &"):
            parts += ["".join(lines), line]
            lines = []
        else:
            lines.append(line)
    return [part for part in [*parts, "".join(lines)] if part.strip()]


def test_what_is_not_run_is_there_and_says_why() -> None:
    there = {(page, block.text) for page in pages() for block in blocks(page)}
    assert set(NOT_RUN) <= there
    assert all(NOT_RUN.values())


@pytest.mark.parametrize("page", pages())
def test_every_block_says_its_language_and_can_be_read(page: str) -> None:
    for block in blocks(page):
        assert block.language in RUN + SHOWN, f"{block}: language {block.language!r}"
        if block.language == "yaml":
            document, _ = read_document(str(block), {}, block.text)
            assert document is not None, f"{block}: not YAML"
        elif block.language == "cedar":
            statements, found = split_statements(str(block), block.text)
            assert not found, f"{block}: {found}"
            for statement in statements:
                rule, wrong = read_rule(statement)
                assert rule is not None, f"{block}: {wrong}"
        elif block.language == "jsonl":
            for line in block.text.splitlines():
                read_proposal(line.encode())
        elif block.language == "json":
            json.loads(block.text)


def test_a_wrong_output_would_be_noticed() -> None:
    assert agrees("a 2026-11-21 b\n...\nend", "a 2030-01-01 b\nmore\nand more\nend")
    assert agrees("root ...\nholds", "root abc\nholds\n")
    assert not agrees("holds", "BROKEN")
    assert not agrees("holds", "holds\nand more")
    assert not agrees("1 finished", "2 finished")
    assert not agrees("...\nholds", "holds not")
