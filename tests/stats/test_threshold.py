"""Thresholds: the plain way gives the same, the guarantee is kept, and weighted labels cannot buy more than is true."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.canonical import canonical, parse
from remit.errors import BadInput
from remit.stats.threshold import (
    NotYet,
    OnlineThreshold,
    Threshold,
    errors_allowed,
    labels_floor,
    learn_threshold,
    online_threshold,
    read_online_threshold,
    start_share_bp,
    threshold_grid,
)

DELTA = 0.05
confidences = st.one_of(st.integers(0, 10_000), st.sampled_from([0, 5_000, 9_000, 9_999, 10_000]))
bounds = st.sampled_from([0.02, 0.05, 0.3])


def at_most(errors: int, labels: int, bound: float) -> Fraction:
    """The chance of at most so many errors at the bound, in exact fractions."""
    wrong = Fraction(bound)
    chances = (math.comb(labels, k) * wrong**k * (1 - wrong) ** (labels - k) for k in range(errors + 1))
    return sum(chances, Fraction(0))


@pytest.mark.parametrize(("bound", "fewest"), [(0.05, 59), (0.02, 149), (0.01, 299)])
def test_the_fewest_labels_that_certify(bound: float, fewest: int) -> None:
    assert labels_floor(bound, DELTA) == fewest
    assert errors_allowed(fewest, bound, DELTA) == 0
    assert errors_allowed(fewest - 1, bound, DELTA) == -1


@given(st.integers(0, 150), bounds, st.sampled_from([0.01, 0.05, 0.2]))
def test_errors_allowed_are_those_that_exact_fractions_allow(labels: int, bound: float, delta: float) -> None:
    allowed = errors_allowed(labels, bound, delta)
    assert allowed < 0 or at_most(allowed, labels, bound) <= Fraction(delta)
    assert at_most(allowed + 1, labels, bound) > Fraction(delta)


@given(st.lists(confidences, max_size=60), st.integers(1, 10_000), st.integers(1, 10_000))
def test_each_candidate_is_the_strictest_that_holds_its_share(unlabelled: list[int], start: int, step: int) -> None:
    grid = threshold_grid(unlabelled, start, step)
    expected = []
    for share in [*range(start, 10_000, step), 10_000] if unlabelled else []:
        enough = [c for c in set(unlabelled) if sum(u >= c for u in unlabelled) * 10_000 >= share * len(unlabelled)]
        expected.append(max(enough))
    assert list(grid) == sorted(set(expected), reverse=True)


def test_the_first_candidate_holds_enough_to_certify_and_never_the_very_surest_alone() -> None:
    assert start_share_bp(0, 0.02, DELTA) == 9_000
    assert start_share_bp(500, 0.02, DELTA) == 4_768  # 1.6 times 149 of 500
    assert start_share_bp(2_000, 0.02, DELTA) == 2_500


def learned_plainly(
    unlabelled: list[int], labelled: list[tuple[int, bool]], bound: float, delta: float
) -> tuple[int, int, int] | None:
    best = None
    for candidate in threshold_grid(unlabelled, start_share_bp(len(labelled), bound, delta), 100):
        there = [wrong for confidence, wrong in labelled if confidence >= candidate]
        if not there or at_most(sum(there), len(there), bound) > Fraction(delta):
            break
        best = candidate, len(there), sum(there)
    return best


@given(
    st.lists(confidences, min_size=1, max_size=40),
    st.lists(st.tuples(confidences, st.sampled_from([False, False, False, False, True])), max_size=90),
    st.sampled_from([0.1, 0.3, 0.5]),
    st.sampled_from([1, 3]),
)
def test_what_is_learned_is_what_exact_fractions_allow(
    unlabelled: list[int], labelled: list[tuple[int, bool]], bound: float, looks: int
) -> None:
    expected = learned_plainly(unlabelled, labelled, bound, 0.2 / looks)
    got = learn_threshold(unlabelled, labelled, bound, 0.2, looks)
    if expected is None:
        assert isinstance(got, NotYet)
        assert got.why
    else:
        share = sum(confidence >= expected[0] for confidence in unlabelled) * 10_000 // len(unlabelled)
        assert got == Threshold(expected[0], share, expected[1], expected[2])


def draw(chance: np.random.Generator, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Cases whose error falls with confidence; a fifth states 100 %, and is wrong in one of 200."""
    confidence = np.where(chance.random(count) < 0.2, 10_000, (chance.random(count) * 10_000).astype(np.int64))
    return confidence, chance.random(count) < risk(confidence)


def risk(confidence: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(confidence == 10_000, 0.005, 0.5 * (1 - confidence / 10_000) ** 2)


def true_errors() -> list[float]:
    """Worked out, not simulated: the error among the cases at or above each confidence."""
    levels = np.arange(10_001)
    mass = np.where(levels == 10_000, 0.2, 0.8 / 10_000)
    below = np.cumsum((mass * risk(levels))[::-1])[::-1]
    result: list[float] = (below / np.cumsum(mass[::-1])[::-1]).tolist()
    return result


TRUE = true_errors()


@pytest.mark.parametrize(("bound", "labels", "least_bp"), [(0.05, 500, 4_500), (0.02, 2_000, 3_500)])
def test_learned_thresholds_keep_the_bound_and_are_of_use(bound: float, labels: int, least_bp: int) -> None:
    chance = np.random.default_rng(20)
    broken, shares = 0, []
    for _ in range(200):
        unlabelled = draw(chance, 500)[0].tolist()
        confidence, wrong = draw(chance, labels)
        got = learn_threshold(unlabelled, list(zip(confidence.tolist(), wrong.tolist(), strict=True)), bound, DELTA)
        broken += isinstance(got, Threshold) and TRUE[got.confidence_bp] > bound
        shares.append(got.share_bp if isinstance(got, Threshold) else 0)
    assert broken <= 19  # of 200 at 5 %: more come once in a thousand
    assert np.mean(shares) >= least_bp


def test_not_yet_says_how_many_labels_are_missing_and_with_them_it_is_done() -> None:
    unlabelled = list(range(0, 10_000, 10))
    labelled = [(confidence, False) for confidence in range(5, 10_000, 100)]
    none = learn_threshold(unlabelled, [], 0.02, DELTA)
    assert isinstance(none, NotYet)
    assert none.labels_missing is not None
    assert 165 <= none.labels_missing <= 169
    got = learn_threshold(unlabelled, labelled, 0.02, DELTA)
    assert isinstance(got, NotYet)
    assert got.why == (
        "of 100 labelled cases 90 are among the surest 90 %, 0 of them wrong; even with none, 149 are needed"
    )
    assert got.labels_missing is not None
    more = 100 + got.labels_missing
    done = [(10_000 * place // more, False) for place in range(more)]
    assert isinstance(learn_threshold(unlabelled, done, 0.02, DELTA), Threshold)
    assert isinstance(learn_threshold(unlabelled, done[::2] + done[1:130:2], 0.02, DELTA), NotYet)
    assert 165 <= more <= 169  # nine tenths of them are the 149 that are needed


def test_not_yet_says_when_more_of_the_same_would_not_do() -> None:
    labelled = [(confidence, confidence % 200 == 0) for confidence in range(0, 10_000, 20)]
    got = learn_threshold(list(range(0, 10_000, 10)), labelled, 0.02, DELTA)
    assert isinstance(got, NotYet)
    assert got.labels_missing is None
    assert got.why == (
        "of 500 labelled cases 238 are among the surest 48 %, 23 of them wrong; at most 1 may be; "
        "more labels like these would not do"
    )
    out_of_reach = learn_threshold([9_000, 10], labelled, 1e-10, DELTA)
    assert isinstance(out_of_reach, NotYet)
    assert out_of_reach.labels_missing is None
    assert learn_threshold([], [(9_000, False)] * 500, 0.02, DELTA) == NotYet(
        None, "no unlabelled cases to take the candidates from: let the agent propose some first"
    )


GRID = (9_000, 5_000, 1_000)
CASES = {9_500: (0.3, 0.1), 9_000: (0.2, 0.35), 5_000: (0.3, 0.2), 1_000: (0.1, 0.2), 500: (0.1, 0.9)}
"""Confidence: how much of all cases, and how often wrong; at or above each candidate 20 % are."""


def small(bound: float) -> OnlineThreshold:
    state = online_threshold([9_000] * 50 + [5_000] * 40 + [1_000] * 10, bound, DELTA)
    assert state.grid == GRID
    return state


@pytest.mark.parametrize("excess", [0.0, 0.1])
def test_over_all_paths_weighted_evidence_is_one_on_average_at_the_bound_and_less_beyond(excess: float) -> None:
    """Chances of labelling that depend on confidence, and a least chance that depends on what came before. Most wrong
    are the cases that are labelled least: whoever only counts labels takes the agent for better than it is.
    """
    bound = 0.2

    def mean(state: OnlineThreshold, steps: int, last_wrong: bool) -> npt.NDArray[np.float64]:
        if not steps:
            return np.array([math.exp(value) for value in state.log_evidence()])
        least = 2_000 if last_wrong else 5_000
        total = np.zeros(len(GRID))
        for confidence, (mass, often) in CASES.items():
            drawn_bp = least if confidence == 9_000 else 10_000 if confidence < 2_000 else (least + 10_000) // 2
            total += mass * (1 - drawn_bp / 10_000) * mean(state, steps - 1, last_wrong)
            for wrong, chance in ((True, often + excess), (False, 1 - often - excess)):
                after = state.after(confidence, wrong, drawn_bp, least)
                total += mass * drawn_bp / 10_000 * chance * mean(after, steps - 1, wrong)
        return total

    for steps in range(4):
        got = mean(small(bound), steps, False)
        assert got == pytest.approx(np.ones(len(GRID)), abs=1e-9) if excess == 0.0 else (got <= 1 + 1e-12).all()


def test_errors_of_the_strict_part_count_for_the_loose_one_and_not_the_other_way() -> None:
    strict, loose, none = (small(0.2).after(c, True, 10_000, 10_000).log_evidence() for c in (9_000, 5_000, 999))
    assert strict[0] == strict[1] == strict[2] < 0
    assert loose == (0.0, strict[0], strict[0])
    assert none == (0.0, 0.0, 0.0)


def test_a_looser_candidate_waits_for_the_stricter_and_what_passed_stays() -> None:
    state = small(0.2)
    for _ in range(300):
        state = state.after(1_000, False, 10_000, 10_000)
    assert state.log_evidence()[2] > -math.log(DELTA)
    assert state.confidence_bp is None
    before = state
    while state.passed == 0:
        state = state.after(9_999, False, 10_000, 10_000)
    assert (state.passed, state.confidence_bp) == (3, 1_000)  # all that had waited pass with it
    assert before.passed == 0
    assert math.exp(state.log_evidence()[0]) >= 1 / DELTA
    for _ in range(200):
        state = state.after(9_000, True, 10_000, 10_000)
    assert state.confidence_bp == 1_000
    assert math.exp(state.log_evidence()[2]) < 1


@pytest.mark.parametrize(("bound", "clean"), [(0.05, 100), (0.02, 253)])
def test_the_fewest_right_answers_that_certify_online(bound: float, clean: int) -> None:
    state = small(bound)
    while not state.passed:
        state = state.after(9_000, False, 10_000, 10_000)
    assert state.labels == clean


def test_online_the_bound_is_kept_while_the_threshold_decides_what_is_labelled() -> None:
    chance = np.random.default_rng(4)
    bound, broken, found = 0.05, 0, []
    for _ in range(60):
        state = online_threshold(draw(chance, 400)[0].tolist(), bound, DELTA)
        confidence, wrong = draw(chance, 1_500)
        lots = chance.random(1_500).tolist()
        for sure, bad, lot in zip(confidence.tolist(), wrong.tolist(), lots, strict=True):
            least = 2_000 if state.passed else 10_000
            alone = state.confidence_bp is not None and sure >= state.confidence_bp
            drawn_bp = 2_000 if alone else 10_000
            if lot < drawn_bp / 10_000:
                state = state.after(sure, bad, drawn_bp, least)
        broken += state.confidence_bp is not None and TRUE[state.confidence_bp] > bound
        found.append(state.passed > 0)
    assert broken <= 9  # of 60 at 5 %: more come once in a thousand
    assert np.mean(found) >= 0.95


reviewed = st.tuples(confidences, st.booleans(), st.integers(500, 10_000))


@given(st.lists(confidences, min_size=1, max_size=30), st.lists(reviewed, max_size=30))
def test_it_is_written_without_floats_and_read_back_the_same(
    unlabelled: list[int], outcomes: list[tuple[int, bool, int]]
) -> None:
    state = online_threshold(unlabelled, 0.05, DELTA)
    for confidence, wrong, chance_bp in outcomes:
        following = state.after(confidence, wrong, chance_bp, 500)
        assert following.labels == state.labels + 1
        place = bisect_left([-candidate for candidate in state.grid], -confidence)
        changed = [at for at, (old, new) in enumerate(zip(state.bands, following.bands, strict=True)) if old != new]
        assert changed == ([place] if place < len(state.grid) else [])
        state = following
    written = parse(canonical(state.as_json()))
    assert isinstance(written, dict)
    assert read_online_threshold(written) == state


HOSTILE: list[dict[str, Any]] = [
    {"grid": None}, {"grid": []}, {"grid": [1, 2]}, {"grid": [9_000, 5_000, 5_000]}, {"grid": [9_000, "x", 0]},
    {"grid": [10_001, 5_000, 1_000]}, {"grid": [9_000, 5_000]}, {"bands": 3}, {"bands": [["0x0p+0"] * 8] * 2},
    {"bands": [["0x0p+0"] * 7] * 3}, {"bands": [["nan"] * 8] * 3}, {"bands": [["inf"] * 8] * 3},
    {"bands": [[0.0] * 8] * 3}, {"bands": [["0x1p+99999"] * 8] * 3}, {"bound": "0x1p+0"},
    {"bound": 0.05}, {"bound": "x"}, {"delta": None},
    {"passed": 4}, {"passed": -1}, {"passed": True}, {"passed": "1"}, {"labels": -1}, {"labels": None},
]  # fmt: skip


@pytest.mark.parametrize("change", HOSTILE)
def test_what_was_not_written_so_is_not_read(change: dict[str, Any]) -> None:
    written = small(0.05).after(9_000, True, 10_000, 10_000).as_json()
    assert read_online_threshold(written).labels == 1
    with pytest.raises(BadInput):
        read_online_threshold({**written, **change})
    for key in written:
        with pytest.raises(BadInput, match="cannot be read"):
            read_online_threshold({name: value for name, value in written.items() if name != key})


def test_impossible_input_is_refused() -> None:
    wrong: list[Any] = [-1, 10_001, 0.9, "9000", True, None]
    for value in wrong:
        for call in (
            lambda value=value: threshold_grid([value], 2_500),
            lambda value=value: threshold_grid([1], value),
            lambda value=value: threshold_grid([1], 2_500, value),
            lambda value=value: learn_threshold([1], [(value, False)], 0.05, DELTA),
            lambda value=value: learn_threshold([value], [], 0.05, DELTA),
            lambda value=value: small(0.05).after(value, False, 10_000, 10_000),
            lambda value=value: small(0.05).after(9_000, False, value, 1),
            lambda value=value: small(0.05).after(9_000, False, 10_000, value),
        ):
            with pytest.raises(BadInput, match="expected whole basis points"):
                call()
    for share in (0, 10_001):
        with pytest.raises(BadInput, match="start share"):
            threshold_grid([1], share)
    with pytest.raises(BadInput, match="the least that was in force"):
        small(0.05).after(9_000, False, 999, 1_000)
    with pytest.raises(BadInput, match="got none"):
        online_threshold([], 0.05, DELTA)
    for looks in (0, -1, 1.5):
        with pytest.raises(BadInput, match="looks"):
            learn_threshold([1], [], 0.05, DELTA, looks)  # type: ignore[arg-type]
    for labels in (-1, 1.5):
        with pytest.raises(BadInput, match="labels"):
            errors_allowed(labels, 0.05, DELTA)  # type: ignore[arg-type]
    for fraction, call_with in itertools.product(
        (0.0, 1.0, math.nan),
        (labels_floor, lambda a, b: errors_allowed(9, a, b), lambda a, b: learn_threshold([1], [], a, b),
         lambda a, b: online_threshold([1], a, b)),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="bound"):
            call_with(fraction, DELTA)
        with pytest.raises(BadInput, match="delta"):
            call_with(0.05, fraction)
