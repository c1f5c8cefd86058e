"""The parts of the story: nothing of what is fitted on comes again, disturbances are as stated, the page is whole."""

from __future__ import annotations

from collections import Counter
from random import Random
from xml.etree import ElementTree

import pytest
from examples.inquiries.classifier import Recommendation
from examples.inquiries.curve import STAGES, GroupPoint, Point, Stretch, curve_lines
from examples.inquiries.desk import FALSE_ALARM_BP, MANUAL_SECONDS, MISS_BP, look_at
from examples.inquiries.disturb import moved_meanings, with_typos
from examples.inquiries.page import story_page
from examples.inquiries.stream import OUTSIDE, Phase, groups, inquiries, read_messages, split
from examples.inquiries.telling import PROMISE, PhaseCount, Summary, summary_lines
from hypothesis import given
from hypothesis import strategies as st

NAMES = tuple(sorted(set(groups().values())))


def test_every_intent_has_one_group() -> None:
    messages = read_messages()
    assert len(messages) == 13_083
    assert {one.intent for one in messages} == set(groups())
    assert len(groups()) == 77
    assert len(NAMES) == 4


def test_what_the_agent_is_fitted_on_never_comes_again() -> None:
    messages = read_messages()
    parts = split(messages, 20)
    assert Counter(parts.second) + Counter(parts.pool) + Counter(parts.outside) == Counter(messages)
    assert not Counter(parts.first) - Counter(parts.second)
    all_of, first, second = (Counter(one.intent for one in part) for part in (messages, parts.first, parts.second))
    for intent in second:
        assert abs(first[intent] - all_of[intent] * 0.5) <= 1
        assert abs(second[intent] - all_of[intent] * 0.65) <= 1
    strange = {one.intent for one in parts.outside}
    assert len(strange) == 5
    assert not strange & ({one.intent for one in parts.pool} | set(second))
    assert split(messages[::-1], 20) == parts


@pytest.mark.parametrize("group", NAMES)
def test_one_group_alone_is_its_messages_and_what_nobody_has_thought_of(group: str) -> None:
    parts, whole = split(read_messages(), 20, group), split(read_messages(), 20)
    assert {groups()[one.intent] for one in (*parts.first, *parts.second, *parts.pool)} == {group}
    assert Counter(parts.outside) == Counter(whole.outside)
    assert Counter(parts.pool) == Counter(one for one in whole.pool if groups()[one.intent] == group)


def test_the_stream_is_as_its_phases_say() -> None:
    parts = split(read_messages(), 20)
    pool, outside = parts.pool, parts.outside
    phases = (Phase("plain", 300), Phase("strange", 300, outside_bp=3_000), Phase("moved", 300, moved="transfers"))
    told = list(inquiries(phases, pool, outside, 7))
    assert told == list(inquiries(phases, pool, outside, 7))
    assert len({one.id for one in told}) == 900
    strange = Counter(one.phase.name for one in told if one.belongs == OUTSIDE)
    assert set(strange) == {"strange"} and 60 <= strange["strange"] <= 120
    intents: dict[str, set[str]] = {}
    for one in pool:
        intents.setdefault(one.text, set()).add(one.intent)
    changed = [one for one in told if one.belongs != OUTSIDE and one.belongs not in intents[one.text]]
    assert changed and {one.phase.name for one in changed} == {"moved"}


def test_cases_that_come_again_are_the_first_ones_and_move_nothing_else() -> None:
    parts = split(read_messages(), 20)
    plain = (Phase("one", 50), Phase("two", 50, fitted="second"))
    tried = (plain[0], Phase("tried", 20, fitted="second", again=True), plain[1])
    usual, told = (list(inquiries(phases, parts.pool, parts.outside, 7)) for phases in (plain, tried))
    assert [one for one in told if not one.phase.again] == usual
    again = [(one.id, one.text, one.belongs) for one in told if one.phase.again]
    assert again == [(one.id, one.text, one.belongs) for one in usual[:20]]


@pytest.mark.parametrize("group", NAMES)
def test_half_of_a_group_means_something_else_and_nothing_is_lost(group: str) -> None:
    members = {intent for intent, name in groups().items() if name == group}
    moved = moved_meanings(group, groups(), groups())
    assert set(moved) == set(moved.values()) <= members
    assert len(moved) == (len(members) + 1) // 2
    assert all(intent != now for intent, now in moved.items())


def test_without_a_group_nothing_moves() -> None:
    assert moved_meanings("", groups(), groups()) == {}


@given(text=st.text(max_size=200), seed=st.integers(0, 2**32), share=st.integers(0, 10_000))
def test_typos_touch_letters_only(text: str, seed: int, share: int) -> None:
    typed = with_typos(text, share, Random(seed))
    assert [one for one in typed if not one.isalpha()] == [one for one in text if not one.isalpha()]
    assert with_typos(text, 0, Random(seed)) == text
    assert len(typed) <= 2 * len(text)


def test_clerks_miss_as_often_as_stated() -> None:
    words = [look_at(f"M-{number}", False, 1) for number in range(4_000)]
    missed = sum(word.right for word in words)
    assert abs(missed - 4_000 * MISS_BP / 10_000) < 60
    alarms = sum(not look_at(f"M-{number}", True, 1).right for number in range(4_000))
    assert abs(alarms - 4_000 * FALSE_ALARM_BP / 10_000) < 20
    assert words == [look_at(f"M-{number}", False, 1) for number in range(4_000)]
    times = sorted(word.seconds for word in words)
    assert 45 <= times[2_000] <= 65 and times[-1] > 3 * times[2_000]


def test_productivity_counts_reviews_and_what_is_done_again() -> None:
    stretch = Stretch(cases=100, handled=80, reviewed=100, review_seconds=1_800, wrong_done=5)
    point = stretch.point(100, Phase("plain", 100), ())
    spent = 20 * MANUAL_SECONDS + 1_800 + 5 * 360
    assert point.productivity_bp == round(100 * MANUAL_SECONDS / spent * 10_000)
    assert point.review_bp == 10_000
    assert stretch.point(100, Phase("tried", 100, again=True), ()).productivity_bp is None


def test_a_recommendation_is_right_where_the_message_belongs() -> None:
    parts = split(read_messages(), 20)
    (one,) = inquiries((Phase("plain", 1),), parts.pool, parts.outside, 7)
    assert Recommendation(one, one.belongs, groups()[one.belongs], 9_000).right
    assert not Recommendation(one, OUTSIDE, "", 9_000).right


@st.composite
def curves(draw: st.DrawFn) -> list[Point]:
    points = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        found = {}
        for name in draw(st.sets(st.sampled_from(NAMES))):
            trials = draw(st.integers(0, 300))
            errors = draw(st.integers(0, trials))
            stage = draw(st.sampled_from(STAGES))
            found[name] = GroupPoint(stage, trials, errors, 0.0, draw(st.floats(0, 1)), None)
        points.append(
            Point(
                500 * number, draw(st.sampled_from(["as usual", "<b>&"])), found, 500, draw(st.integers(0, 500)), 0,
                draw(st.integers(0, 10_000)), draw(st.none() | st.floats(0, 2)),
                draw(st.none() | st.integers(0, 90_000)),
                tuple(draw(st.lists(st.sampled_from(["alarm: confidence -> suspend", "a < b"]), max_size=2))),
            )
        )  # fmt: skip
    return points


@given(points=curves())
def test_page_and_text_tell_any_curve(points: list[Point]) -> None:
    summary = Summary(points=points, lowered={"<b>&": 7})
    summary.phases = [PhaseCount.of(one.phase, [one]) for one in points]
    page = story_page(summary, NAMES)
    root = ElementTree.fromstring(page.removeprefix("<!doctype html>").replace('<meta charset="utf-8">', "").replace(
        '<meta name="viewport" content="width=device-width">', ""))  # fmt: skip
    svgs = root.findall(".//svg")
    assert len(svgs) == 1 + len(NAMES) + 3
    for svg in svgs:
        wide, tall = (float(text) for text in svg.attrib["viewBox"].split()[2:])
        for mark in svg.iter("circle"):
            assert 0 <= float(mark.attrib["cx"]) <= wide and 0 <= float(mark.attrib["cy"]) <= tall
    assert "<script" not in page and "http" not in page
    lines = curve_lines(points, NAMES)
    assert len(lines) == 2 + len(points) + sum(len(one.events) for one in points)


@given(counts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=5))
def test_a_phase_is_broken_when_more_was_wrong_than_promised(counts: list[tuple[int, int]]) -> None:
    points = [
        Point(0, "one", {}, alone + 3, alone, min(alone, wrong), 0, None, None, ()) for alone, wrong in counts
    ]  # fmt: skip
    phase = PhaseCount.of("one", points)
    assert (phase.cases, phase.seen) == (phase.alone + 3 * len(points), 3 * len(points))
    assert phase.broken == (sum(one.alone_wrong for one in points) > PROMISE * sum(one.alone for one in points))
    summary = Summary(phases=[phase], holds=True, page="inquiries.html")
    assert any("MORE THAN PROMISED" in line for line in summary_lines(summary)) == phase.broken


def test_rises_returns_and_falls_are_counted_apart() -> None:
    summary = Summary()
    told = (("began", "shadow"), ("promoted", "sampled"), ("promoted", "sampled"), ("suspended", "supervised"))
    for cause, stage in (*told, ("voided", "shadow"), ("returned", "autonomous")):
        summary.stage_changed({"class": "a", "cause": cause, "stage": stage})
    assert summary.earned == {"a": {"sampled": 2}}
    assert summary.returned == {"a": {"autonomous": 1}}
    assert summary.lost == {"a": {"suspended": 1, "voided": 1}}
