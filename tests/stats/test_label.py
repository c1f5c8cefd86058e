"""What is known of a case and when, against a plain second reading; promotion under late, missing and waved-through
errors.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.stats.label import (
    CaseLabel,
    LabelledCase,
    MaturityClock,
    Probe,
    PromotionCounts,
    Word,
    certified_through_reviewers,
    corrected_bound,
    corrected_upper_bound,
    label_case,
    probes_missing,
    promotion_counts,
    sensitivity,
    tally_labels,
)
from remit.stats.rate import certified, upper_bound

CLOCK = MaturityClock(10, 20)
WORDS = st.lists(
    st.builds(Word, st.sampled_from(["carrier", "reviewer", "complaint"]), st.booleans(), st.integers(0, 40)),
    max_size=6,
).map(tuple)
CASES = st.lists(st.tuples(st.integers(0, 9), WORDS), max_size=8).map(
    lambda rows: [
        LabelledCase(str(number), decided, words)
        for number, (decided, words) in enumerate(sorted(rows, key=lambda row: row[0]))
    ]
)


def plain_fate(case: LabelledCase, now: int) -> str:
    """A second reading: second by second, who says what."""
    says: dict[str, bool] = {}
    for second in range(now + 1):
        for word in case.words:
            if word.said_at == second:
                says[word.source] = word.right
    if now - case.decided_at < 10:
        return "immature"
    if not says:
        return "missing" if now - case.decided_at >= 20 else "awaited"
    return "wrong" if False in says.values() else "right"


@settings(deadline=None)
@given(CASES, st.integers(0, 45))
def test_each_case_has_the_fate_that_a_plain_reading_gives(cases: list[LabelledCase], now: int) -> None:
    fates = [plain_fate(case, now) for case in cases]
    assert [label_case(case, now, CLOCK).fate for case in cases] == fates
    tally = tally_labels(cases, now, CLOCK)
    for fate in ("immature", "awaited", "right", "wrong", "missing"):
        assert getattr(tally, fate) == fates.count(fate)
    settled = next((n for n, fate in enumerate(fates) if fate in {"immature", "awaited"}), len(fates))
    counts = promotion_counts(cases, now, CLOCK)
    assert (counts.trials, counts.waiting) == (settled, len(cases) - settled)
    assert counts.errors == sum(fate != "right" for fate in fates[:settled])
    assert counts.missing == fates[:settled].count("missing")


@settings(deadline=None)
@given(CASES, st.integers(0, 45), st.integers(0, 45))
def test_what_is_said_later_changes_nothing_now(cases: list[LabelledCase], now: int, later: int) -> None:
    known = [
        LabelledCase(case.case, case.decided_at, tuple(word for word in case.words if word.said_at <= now))
        for case in cases
    ]
    assert tally_labels(known, now, CLOCK) == tally_labels(cases, now, CLOCK)
    assert promotion_counts(known, now, CLOCK) == promotion_counts(cases, now, CLOCK)
    if later >= now:
        assert promotion_counts(cases, later, CLOCK).trials >= promotion_counts(cases, now, CLOCK).trials


def said(*words: tuple[str, bool, int]) -> LabelledCase:
    return LabelledCase("c", 0, tuple(Word(*word) for word in words))


@pytest.mark.parametrize(
    ("case", "now", "label"),
    [
        (said(("a", True, 1)), 9, CaseLabel("immature", ("a",))),
        (said(("a", True, 1)), 10, CaseLabel("right", ("a",))),
        (said(("a", True, 11)), 10, CaseLabel("awaited")),
        (said(), 19, CaseLabel("awaited")),
        (said(), 20, CaseLabel("missing")),
        (said(("a", True, 21)), 20, CaseLabel("missing")),
        (said(("a", True, 20)), 20, CaseLabel("right", ("a",))),
        (said(("a", True, 21)), 21, CaseLabel("right", ("a",), late=True)),
        (said(("a", True, 1), ("a", False, 2)), 30, CaseLabel("wrong", (), ("a",), corrected=True)),
        (said(("a", False, 2), ("a", True, 3)), 30, CaseLabel("right", ("a",), corrected=True)),
        (said(("a", True, 3), ("a", False, 2)), 30, CaseLabel("right", ("a",), corrected=True)),
        (said(("a", False, 2), ("a", True, 2)), 30, CaseLabel("right", ("a",), corrected=True)),
        (said(("a", True, 1), ("a", True, 2)), 30, CaseLabel("right", ("a",))),
        (said(("b", True, 1), ("a", False, 2), ("c", True, 3)), 30, CaseLabel("wrong", ("b", "c"), ("a",))),
    ],
)
def test_late_corrected_and_contradicting_words(case: LabelledCase, now: int, label: CaseLabel) -> None:
    got = label_case(case, now, CLOCK)
    assert got == label
    assert got.contradicted is (bool(label.right_by) and bool(label.wrong_by))


def test_contradictions_corrections_and_late_words_are_shown() -> None:
    cases = [said(("a", True, 1), ("b", False, 1)), said(("a", True, 1), ("a", False, 2)), said(("a", True, 21))]
    tally = tally_labels(cases, 30, CLOCK)
    assert (tally.contradicted, tally.corrected, tally.late, tally.right, tally.wrong) == (1, 1, 1, 1, 2)
    assert promotion_counts(cases, 30, CLOCK) == PromotionCounts(3, 2, 0, 1, 0)


def test_the_run_of_settled_cases_ends_at_the_first_that_is_awaited() -> None:
    cases = [
        LabelledCase("1", 0, (Word("a", True, 1),)),
        LabelledCase("2", 1),
        LabelledCase("3", 2, (Word("a", True, 3),)),
    ]
    assert promotion_counts(cases, 12, CLOCK) == PromotionCounts(1, 0, 0, 0, 2)
    assert promotion_counts(cases, 21, CLOCK) == PromotionCounts(3, 1, 1, 0, 0)
    with pytest.raises(BadInput, match="order"):
        promotion_counts(cases[::-1], 12, CLOCK)


DAY = 86_400


def promoted(seed: int, clock: MaturityClock, never: float, at_once: bool) -> tuple[bool, bool]:
    """40 days of 20 cases, 7 % wrong where 5 % is promised; errors surface after 7 days on average, if ever.

    ``at_once``: a reviewer first says right of everything. Whether it is promoted, by these rules and by counting
    only what was said; looked at every fourth day.
    """
    drawn = random.Random(seed)
    cases = []
    for number in range(800):
        decided = number * DAY // 20
        wrong = drawn.random() < 0.07
        words = [Word("system", True, decided)] if at_once or not wrong else []
        if wrong and drawn.random() >= never:
            words.append(Word("complaint", False, decided + round(drawn.expovariate(1 / 7) * DAY)))
        cases.append(LabelledCase(str(number), decided, tuple(words)))
    ours = naive = False
    for day in range(4, 61, 4):
        begun = cases[: day * 20]
        counts = promotion_counts(begun, day * DAY, clock)
        ours = ours or certified(counts.trials, counts.errors, 0.05, 0.05)
        known = [label_case(case, day * DAY, MaturityClock(0, 0)).fate for case in begun]
        trials, errors = len(known) - known.count("missing"), known.count("wrong")
        naive = naive or certified(trials, errors, 0.05, 0.05)
    return ours, naive


def test_hardly_anyone_is_promoted_falsely_though_labels_are_late_and_half_of_the_errors_never_come() -> None:
    lives = [promoted(seed, MaturityClock(14 * DAY, 21 * DAY), 0.5, False) for seed in range(40)]
    # 5 % of 40 are 2; more than 7 has probability below 0.001. Counting what was said promotes most.
    assert sum(ours for ours, _ in lives) <= 7
    assert sum(naive for _, naive in lives) >= 20


def test_an_error_that_was_first_called_right_does_not_promote_once_outcomes_mature() -> None:
    lives = [promoted(seed, MaturityClock(28 * DAY, 28 * DAY), 0.0, True) for seed in range(40)]
    assert sum(ours for ours, _ in lives) <= 7
    assert sum(naive for _, naive in lives) > 7


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.05, 0.2]))
def test_each_reviewer_is_measured_alone_and_all_together(ann: int, bob: int, delta: float) -> None:
    probes = [Probe("ann", number % 3 > 0) for number in range(ann)] + [Probe("bob", True) for _ in range(bob)]
    probes += [Probe("", False)]
    rows = {row.reviewer: row for row in sensitivity(probes, delta)}
    missed = len(range(0, ann, 3))
    assert (rows[""].probes, rows[""].missed) == (ann + bob + 1, missed + 1)
    assert set(rows) == {""} | ({"ann"} if ann else set()) | ({"bob"} if bob else set())
    for row in rows.values():
        assert row.miss_upper == upper_bound(row.probes, row.missed, delta)
    if ann:
        assert (rows["ann"].probes, rows["ann"].missed) == (ann, missed)


def test_without_probes_nothing_is_known_of_reviewers() -> None:
    assert [(row.probes, row.miss_upper) for row in sensitivity([], 0.05)] == [(0, 1.0)]
    assert corrected_upper_bound(1_000, 0, 0, 0, 0.05) == 1.0
    assert not certified_through_reviewers(100_000, 0, 0, 0, 0.05, 0.05)


def test_a_rubber_stamp_turns_a_bound_into_a_larger_one() -> None:
    assert corrected_bound(0.05, 0.2) == pytest.approx(0.0625)
    assert corrected_bound(0.05, 0.0) == 0.05
    assert corrected_bound(0.5, 0.6) == corrected_bound(0.0, 1.0) == 1.0
    assert corrected_upper_bound(1_000, 3, 200, 10, 0.05) == pytest.approx(
        upper_bound(1_000, 3, 0.025) / (1 - upper_bound(200, 10, 0.025))
    )


@settings(deadline=None)
@given(st.integers(1, 3_000), st.integers(0, 40), st.integers(0, 400), st.integers(0, 30), st.floats(0.01, 0.3))
def test_certified_through_reviewers_is_the_corrected_bound_below_the_promise(
    trials: int, errors: int, probes: int, missed: int, bound: float
) -> None:
    errors, missed = min(errors, trials), min(missed, probes)
    shown = corrected_upper_bound(trials, errors, probes, missed, 0.05)
    through = certified_through_reviewers(trials, errors, probes, missed, bound, 0.05)
    if shown <= bound * (1 - 1e-6):
        assert through
    if shown >= bound * (1 + 1e-6):
        assert not through


def test_reviewers_who_wave_errors_through_do_not_certify_a_bad_agent() -> None:
    """10 % wrong, four in ten waved through: 6 % are found, and less than 10 % is promised; only the probes tell."""
    plain = through = 0
    for seed in range(100):
        drawn = random.Random(seed)
        errors = sum(drawn.random() < 0.1 * 0.6 for _ in range(3_000))
        missed = sum(drawn.random() < 0.4 for _ in range(200))
        plain += certified(3_000, errors, 0.1, 0.05)
        through += certified_through_reviewers(3_000, errors, 200, missed, 0.1, 0.05)
    assert plain >= 95
    assert through <= 13, "5 % of 100; more than 13 has probability below 0.001"


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 20))
def test_as_many_probes_are_missing_as_show_it(probes: int, missed: int) -> None:
    missed = min(missed, probes)
    more = probes_missing(probes, missed, 0.1, 0.05)
    assert certified(probes + more, missed, 0.1, 0.05)
    assert more == 0 or not certified(probes + more - 1, missed, 0.1, 0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaturityClock(5, 4),
        lambda: MaturityClock(-1, 4),
        lambda: MaturityClock(1.0, 4),  # type: ignore[arg-type]
        lambda: MaturityClock(1, 2**53),
        lambda: Word("a", None, 5),  # type: ignore[arg-type]
        lambda: Word("a", True, 1.5),  # type: ignore[arg-type]
        lambda: Word("a", True, 2**53),
        lambda: corrected_bound(-0.1, 0.5),
        lambda: corrected_bound(0.1, 1.5),
        lambda: corrected_bound(float("nan"), 0.5),
        lambda: probes_missing(1, 2, 0.1, 0.05),
        lambda: probes_missing(1, -1, 0.1, 0.05),
        lambda: probes_missing(1, 0, 0.0, 0.05),
        lambda: certified_through_reviewers(1, 2, 1, 1, 0.1, 0.05),
        lambda: certified_through_reviewers(2, 1, 1, 1, 1.0, 0.05),
        lambda: corrected_upper_bound(2, 1, 1, 1, 0.0),
        lambda: sensitivity([], 1.0),
    ],
)
def test_what_cannot_be_is_refused(make: Any) -> None:
    with pytest.raises(BadInput):
        make()
