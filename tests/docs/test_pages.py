"""The pages themselves: titles, lengths, links, and that what they name in the code is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.snippets import ROOT, blocks, pages, read

LINES_MAX = 200
LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PLACE = re.compile(r"(?:src|tests|docs|examples|bench)/[\w./-]+?(?:\.\w+)?(?:::\w+)?")


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages())
def test_a_page_has_one_title_and_is_short(page: str) -> None:
    lines = prose(page).splitlines()
    assert lines[0].startswith("# ")
    assert sum(line.startswith("# ") for line in lines) == 1
    if not page.startswith("docs/reference/"):
        assert len(read(page).splitlines()) <= LINES_MAX


@pytest.mark.parametrize("page", pages())
def test_every_relative_link_resolves(page: str) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"\w+://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(there), f"{page}: {target}"


@pytest.mark.parametrize("page", pages())
def test_files_and_tests_that_are_named_are_there(page: str) -> None:
    for code in CODE.findall(prose(page)):
        if not PLACE.fullmatch(code):
            continue
        path, _, name = code.partition("::")
        assert (ROOT / path).exists(), f"{page}: {code}"
        assert not name or f"def {name}(" in (ROOT / path).read_text(), f"{page}: {code}"


@pytest.mark.parametrize("page", pages())
def test_no_page_names_a_place_on_somebodys_machine(page: str) -> None:
    found = re.findall(r"(?:/(?:home|root|work|tmp|Users|mnt)/\S*)", read(page))
    assert found == []


def test_readme_is_one_page_whose_beginning_is_the_newcomers() -> None:
    lines = read("README.md").splitlines()
    assert len(lines) <= 120
    assert [block.text for block in blocks("README.md")][:2] == ["make demo\n", "make test\n"]
    assert "```text" in lines[:30], "the output is on the first screen"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, found = set[str](), ["README.md"]
    while found:
        page = found.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in LINK.findall(prose(page)):
            there = ((ROOT / page).parent / target.partition("#")[0]).resolve()
            if there.suffix == ".md" and there.is_relative_to(ROOT) and there.exists():
                found.append(there.relative_to(ROOT).as_posix())
    adrs = {page for page in pages() if page.startswith("docs/adr/")}
    assert set(pages()) - reached - adrs == set()


def test_decisions_are_numbered_without_gaps_and_say_where_they_stand() -> None:
    found = sorted(page for page in pages() if page.startswith("docs/adr/"))
    for number, page in enumerate(found, 1):
        assert Path(page).name.startswith(f"{number:04}-")
        assert read(page).startswith(f"# ADR {number}: ")
        assert "\nStatus: " in read(page)


def test_what_the_readme_shows_of_the_demo_is_what_the_demo_prints() -> None:
    source = (ROOT / "examples/freight/demo.py").read_text()
    shown = next(block for block in blocks("README.md") if block.language == "text").text
    labels = [found[1] for line in shown.splitlines() if (found := re.match(r"([a-z]+(?: [a-z]+)*)  ", line))]
    assert len(labels) > 8
    for label in labels:
        assert f'"{label}"' in source, label
    rules = "".join(path.read_text() for path in (ROOT / "examples/freight/company").rglob("*.*"))
    for rule in re.findall(r"^ +[\d,]+  (\S+)$", shown, re.MULTILINE):
        assert rule in rules or rule == "at-least" or rule == "not-granted", rule
