"""The page of an audit: well-formed, alone, safe to open, readable without colours."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.chart_svg import age_chart, line_chart, share_bar
from remit.knowledge.audit_form import age_words, audit_json, audit_lines, share_words
from remit.knowledge.audit_page import audit_page
from remit.knowledge.audit_rules import AGE_LIMITS, ColumnCount, Example, RuleResult, TableAudit
from remit.knowledge.fitness import VERDICTS, NeedFitness

VOID = {"meta", "br", "rect", "circle", "path"}


class Reading(HTMLParser):
    """Takes a page apart and refuses what a browser would have to guess."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


NASTY = st.one_of(
    st.sampled_from(
        ["<script>alert(1)</script>", '"><img src=x onerror=x>', "</style>", "&amp;", "' onload='x", "]]>"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
)
COUNT = st.integers(0, 10**7)


@st.composite
def audits(draw: st.DrawFn) -> TableAudit:
    def rule() -> RuleResult:
        checked = draw(COUNT)
        some = [Example(*(draw(NASTY) for _ in range(4))) for _ in range(draw(st.integers(0, 2)))]
        weight: Literal["fault", "hint"] = "fault" if draw(st.booleans()) else "hint"
        return RuleResult(draw(NASTY), draw(NASTY), checked, draw(st.integers(0, checked)), weight, tuple(some))

    rows = draw(COUNT)
    present = draw(st.integers(0, rows))
    columns = [ColumnCount(draw(NASTY), draw(NASTY), "text", rows, present, draw(st.integers(0, present)))]
    return TableAudit(
        draw(NASTY), draw(NASTY), rows, 0, draw(st.integers(0, rows)),
        tuple(rule() for _ in range(draw(st.integers(0, 3)))), tuple(columns),
        draw(st.sampled_from([None, 60])), draw(st.sampled_from([None, tuple((limit, rows) for limit in AGE_LIMITS)])),
        draw(st.sampled_from([None, 7_200])), draw(st.sampled_from([None, (), (3,), (5, 0, 9)])),
        draw(st.sampled_from([None, {}, {"type": 3}])), (draw(NASTY),),
    )  # fmt: skip


@st.composite
def needs(draw: st.DrawFn) -> NeedFitness:
    agent, action, need, about, get, reason = (draw(NASTY) for _ in range(6))
    verdict, usable = draw(st.sampled_from(VERDICTS)), draw(st.sampled_from([None, 9_000]))
    return NeedFitness(agent, action, need, about, get, (draw(NASTY),), verdict, reason, usable, 5)


@settings(max_examples=40, deadline=None)
@given(st.lists(audits(), max_size=3), st.lists(needs(), max_size=3), NASTY)
def test_whatever_stands_in_it_the_page_is_whole_and_runs_nothing(
    tables: list[TableAudit], facts: list[NeedFitness], title: str
) -> None:
    page = audit_page(tables, facts, title)
    reading = Reading(page)
    names = {tag for tag, _ in reading.tags}
    assert not names & {"script", "img", "iframe", "object", "link", "form", "base", "input"}
    for tag, attributes in reading.tags:
        assert not any(name.startswith("on") or name in {"style", "src"} for name in attributes), tag
        assert re.fullmatch("#[a-z0-9]+", attributes.get("href") or "#x")
    shown = "".join(reading.text)
    for table in tables:
        assert table.dataset in shown
    for fact in facts:
        assert fact.reason in shown and fact.verdict in shown
    json = audit_json(tables, facts)
    assert canonical(json) and len(json["tables"]) == len(tables)  # type: ignore[arg-type]
    assert len(list(audit_lines(tables, facts))) >= len(tables) + len(facts)


def example_audit() -> TableAudit:
    rule = RuleResult("type", "age", 100, 7, "fault", (Example("a.csv:3", "k1", "soon", "not a number"),))
    columns = (ColumnCount("age", "age", "integer", 100, 90, 83),)
    return TableAudit("crm.person", "Person", 100, 0, 93, (rule,), columns, 3_600, None, 7_300, (80, 100), {"type": 7})


def test_nothing_may_be_fetched_and_only_this_style_counts() -> None:
    page = audit_page([example_audit()])
    (policy,) = [
        attributes["content"] for tag, attributes in Reading(page).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style and "@import" not in style and "//" not in style
    assert "prefers-color-scheme:dark" in style and ":focus-visible" in style


def test_the_page_can_be_used_by_keyboard_and_read_aloud() -> None:
    page = audit_page([example_audit()], [NeedFitness("a", "b", "c", "d", "e", ("f",), "at risk", "why", 9_500, 5)])
    tags = Reading(page).tags
    assert [tag for tag, _ in tags].count("h1") == 1 and dict(tags[0][1])["lang"] == "en"
    anchors = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert anchors <= {f"#{attributes.get('id')}" for _, attributes in tags}
    for tag, attributes in tags:
        if tag == "svg":
            assert attributes["role"] == "img"
        if attributes.get("tabindex") is not None:
            assert attributes["role"] == "region" and attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] == "col"
    assert page.count("<svg") == page.count("</title></svg>") + page.count("</title><") - 1
    shown = "".join(Reading(page).text)
    for said in ("83.00 %", "a.csv:3", "soon", "2 h", "target 1 h", "80, 100", "7rows wait", "at risk", "93.00 %"):
        assert said in shown, said


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 0, "-"),
        (0, 5, "0.00 %"),
        (1, 10**7, "0.01 %"),
        (9_999_999, 10**7, "99.99 %"),
        (5, 5, "100.00 %"),
        (1, 3, "33.33 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part: int, whole: int, words: str) -> None:
    assert share_words(part, whole) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 m"), (7_199, "1 h"), (86_400, "1 d"), (31_536_000, "1 y")]
)
def test_lengths_of_time(seconds: int, words: str) -> None:
    assert age_words(seconds) == words


@given(st.lists(st.integers(0, 100), min_size=1, max_size=4), st.integers(1, 300))
def test_the_parts_of_a_bar_are_in_proportion(counts: list[int], rest: int) -> None:
    total = sum(counts) + rest
    bar = share_bar([(f"c{n}", count) for n, count in enumerate(counts)], total, "t", 160)
    drawn = {
        name: (float(x), float(w))
        for name, x, w in re.findall(r'class="(c\d)" x="([\d.]+)" y="0" width="([\d.]+)"', bar)
    }
    assert set(drawn) == {f"c{n}" for n, count in enumerate(counts) if count}
    for n, count in enumerate(counts):
        if count:
            assert abs(drawn[f"c{n}"][1] - max(160 * count / total, 1.5)) < 0.06
            assert drawn[f"c{n}"][0] + 0.06 >= 160 * sum(counts[:n]) / total


def test_charts_of_nothing_and_of_extremes() -> None:
    for chart in (share_bar([], 0, "t"), line_chart([], "t"), line_chart([0], "t"), age_chart([], 0, "<t>")):
        Reading(chart)
        assert "nan" not in chart and "inf" not in chart
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", line_chart([0, 10, 5], "t", 240, 48))
    assert [(float(x), float(y)) for x, y in points] == [(4, 44), (120, 4), (236, 24)]
    tall = re.findall(r'height="([\d.]+)"/>', age_chart([("a", 5), ("b", 10)], 10, "t", 100, 110))
    assert [float(one) for one in tall] == [39, 78]
