"""Alarms: fair by exact sums, a plain second reading of the statistic, the stated rate of false ones, and power."""

from __future__ import annotations

import json
import random
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.errors import BadInput
from remit.stats.conformal import RANK_WEIGHTS, bets_on_rank, tie_number
from remit.stats.rank_threshold import rank_threshold
from remit.stats.watch import Alarm, Watch, WatchPlan

PLAN = WatchPlan(promise_bp=200, seed="s")
VERIFIED = WatchPlan(promise_bp=200, seed="s", confidence_bp=200, flags_bp=100)


def plain_statistics(plan: WatchPlan, steps: list[tuple[int | None, bool | None]]) -> dict[str, list[float]]:
    """The statistics as defined: the sum over all moments of change of the product of what was paid since."""
    promise = plan.promise_bp / 10_000
    rates = [min(promise * m, 1 - (1 - promise) / m) for m in (1.5, 2, 3, 5, 10, 25)]
    paid: dict[str, list[list[float]]] = {"confidence": [], "outcomes": []}
    result: dict[str, list[float]] = {"confidence": [], "outcomes": []}
    seen: list[int] = []
    for number, (confidence, wrong) in enumerate(steps):
        value = -1 if confidence is None else confidence
        tie = tie_number(plan.seed, f"k{number}") / 2**53
        place = (sum(v < value for v in seen) + tie * (sum(v == value for v in seen) + 1)) / (len(seen) + 1)
        seen.append(value)
        paid["confidence"].append(list(bets_on_rank(place)))
        if wrong is None:
            paid["outcomes"].append([1.0] * len(rates))
        else:
            paid["outcomes"].append([r / promise if wrong else (1 - r) / (1 - promise) for r in rates])
        for name, rows in paid.items():
            total = 0.0
            for bet in range(len(rows[0])):
                for begin in range(len(rows)):
                    product_since = RANK_WEIGHTS[bet] if name == "confidence" else 1 / len(rows[0])
                    for row in rows[begin:]:
                        product_since *= row[bet]
                    total += product_since
            result[name].append(total)
    return result


STEPS = st.lists(
    st.tuples(st.none() | st.integers(0, 6).map(lambda v: v * 1_500), st.none() | st.booleans()),
    min_size=1,
    max_size=14,
)


@settings(deadline=None)
@given(STEPS, st.sampled_from([50, 200, 1_000, 6_000]))
def test_an_alarm_comes_when_the_plain_statistic_reaches_the_threshold(
    steps: list[tuple[int | None, bool | None]], promise_bp: int
) -> None:
    plan = WatchPlan(promise_bp, "s", horizon=1, confidence_bp=500, outcomes_bp=500, classes_bp=500, flags_bp=500)
    plain = plain_statistics(plan, steps)
    watch = Watch(plan)
    for number, (confidence, wrong) in enumerate(steps):
        watch.decided(f"k{number}", confidence, "a")
        if wrong is not None:
            watch.outcome("a", wrong)
    alarms = {alarm.signal: alarm for alarm in watch.alarms}
    threshold = plan.threshold("confidence")
    for signal, statistics in plain.items():
        looked = [
            (number, value)
            for number, value in enumerate(statistics, 1)
            if signal == "confidence" or steps[number - 1][1] is not None
        ]
        first = next(((number, value) for number, value in looked if value >= threshold * (1 + 1e-9)), None)
        got = alarms.get(signal)
        if first is None:
            assert got is None or float.fromhex(got.statistic) < threshold * (1 + 1e-6)
        else:
            assert got is not None
            assert got.decision == first[0]
            assert float.fromhex(got.statistic) == pytest.approx(first[1])
    assert ("class" in alarms) == ("outcomes" in alarms), "with one class, both see the same"


def test_the_statistic_of_outcomes_grows_by_one_on_average_at_the_promise() -> None:
    """Exact: over all outcomes of nine decisions, weighted by their chance, its mean is the number of decisions."""
    plan = WatchPlan(promise_bp=2_000, seed="s")
    mean = 0.0
    for outcomes in product([False, True], repeat=9):
        watch = Watch(plan)
        chance = 1.0
        for number, wrong in enumerate(outcomes):
            watch.decided(f"{number}", 5_000, "a")
            watch.outcome("a", wrong)
            chance *= 0.2 if wrong else 0.8
        state: Any = watch.to_json()
        sums = [float.fromhex(text) for text in next(row[3:] for row in state["detectors"] if row[0] == "outcomes")]
        mean += chance * sum(sums) / len(sums)
    assert mean == pytest.approx(9.0, rel=1e-12)


def test_unevenly_drawn_outcomes_are_weighted_so_that_they_are_fair() -> None:
    """Exact, at the promise: errors are flagged and flagged ones drawn more often; the mean is still the drawn count.

    Unweighted it would be more, and alarm falsely.
    """
    plan = WatchPlan(promise_bp=2_000, seed="s")
    weighted = plain = 0.0
    for wrong, flag, drawn in product([False, True], repeat=3):
        chance = (0.2 * 0.5 if wrong else 0.8 * (0.25 if flag else 0.75)) * (1.0 if flag else 0.5)
        if flag and not drawn:
            continue
        for fair in (True, False):
            watch = Watch(plan)
            watch.decided("k", 5, "a")
            if drawn:
                watch.outcome("a", wrong, *((10_000 if flag else 5_000, 5_000) if fair else ()))
            state: Any = watch.to_json()
            waiting, *sums = next(row[2:] for row in state["detectors"] if row[0] == "outcomes")
            statistic = waiting + sum(float.fromhex(text) for text in sums) / len(sums)
            weighted, plain = (weighted + chance * statistic, plain) if fair else (weighted, plain + chance * statistic)
    assert weighted == pytest.approx(1.0, rel=1e-12)
    assert plain > 1.01


@given(STEPS, STEPS)
@settings(deadline=None)
def test_the_state_goes_through_json_and_goes_on_the_same(
    before: list[tuple[int | None, bool | None]], after: list[tuple[int | None, bool | None]]
) -> None:
    plan = WatchPlan(300, "s", horizon=2, confidence_bp=3_000, flags_bp=100)

    def feed(watch: Watch, steps: list[tuple[int | None, bool | None]], name: str) -> None:
        for number, (confidence, wrong) in enumerate(steps):
            watch.decided(f"{name}{number}", confidence, f"class {number % 2}", wrong)
            if wrong is not None:
                watch.outcome(f"class {number % 2}", wrong)

    watch = Watch(plan, reference=[5, None, 10_000], reference_flags=[True, False])
    feed(watch, before, "b")
    again = Watch.from_json(json.loads(canonical(watch.to_json())))
    feed(watch, after, "a")
    feed(again, after, "a")
    assert canonical(again.to_json()) == canonical(watch.to_json())
    assert again.alarms == watch.alarms
    assert again.decisions == watch.decisions == len(before) + len(after)


def run(
    seed: int, confidences: tuple[int, int], rates: tuple[float, float], flags: tuple[float, float], count: int, at: int
) -> list[Alarm]:
    """One life: ``count`` decisions, the first of each pair until ``at``, then the second; every fifth is reviewed."""
    drawn = random.Random(seed)
    plan = WatchPlan(promise_bp=500, seed="s", horizon=count, confidence_bp=200, flags_bp=100)
    watch = Watch(
        plan,
        [round(10_000 * drawn.betavariate(confidences[0], 2)) for _ in range(300)],
        [drawn.random() < flags[0] for _ in range(300)],
    )
    for number in range(count):
        later = number >= at
        confidence = round(10_000 * drawn.betavariate(confidences[later], 2))
        watch.decided(f"{seed}.{number}", confidence, str(number % 4), drawn.random() < flags[later])
        if number % 5 == 0:
            watch.outcome(str(number % 4), drawn.random() < rates[later])
    return list(watch.alarms)


def test_false_alarms_stay_within_what_is_stated() -> None:
    """At the very promise, 200 lives of one horizon: a 5 % chance of any alarm gives more than 21 in 200 with
    probability below 0.001.
    """
    alarms = [run(seed, (6, 6), (0.05, 0.05), (0.1, 0.1), 600, 0) for seed in range(200)]
    assert sum(bool(found) for found in alarms) <= 21


@pytest.mark.parametrize(
    ("change", "kind", "signal"),
    [
        ({"confidences": (9, 3)}, "suspend", "confidence"),
        ({"confidences": (3, 9)}, "suspend", "confidence"),
        ({"rates": (0.03, 0.35)}, "demote", "outcomes"),
        ({"flags": (0.1, 0.4)}, "raise_audit", "flags"),
    ],
)
def test_a_change_is_found_by_the_signal_that_can_see_it(
    change: dict[str, tuple[float, float]], kind: str, signal: str
) -> None:
    lives = {"confidences": (6, 6), "rates": (0.03, 0.03), "flags": (0.1, 0.1)} | change
    found = false = 0
    for seed in range(20):
        alarms = run(seed, count=2_000, at=800, **lives)  # type: ignore[arg-type]
        false += any(alarm.kind != kind or alarm.decision <= 800 for alarm in alarms)
        found += any((alarm.kind, alarm.signal) == (kind, signal) for alarm in alarms)
    assert found >= 18
    assert false <= 5, "20 lives with at most 5 % each: more than 5 with probability below 0.001"


def test_one_broken_class_among_ten_is_named() -> None:
    watch = Watch(PLAN)
    drawn = random.Random(5)
    for number in range(3_000):
        name = f"class {number % 10}"
        watch.decided(str(number), 8_000, name)
        if number % 4 == 0:
            watch.outcome(name, name == "class 4" and drawn.random() < 0.5)
    first = watch.alarms[0]
    assert (first.signal, first.about, first.kind) == ("class", "class 4", "demote")
    assert "class 4" in first.reason


def test_the_thresholds_share_five_percent_over_the_horizon() -> None:
    for plan in (PLAN, VERIFIED):
        assert plan.confidence_bp + plan.outcomes_bp + plan.classes_bp + plan.flags_bp == 500
        bounds = [("outcomes", plan.outcomes_bp), ("class", plan.classes_bp), ("flags", plan.flags_bp)]
        for signal, chance_bp in bounds[: 3 if plan.flags_bp else 2]:
            assert plan.horizon / plan.threshold(signal) == pytest.approx(chance_bp / 10_000)
        assert plan.threshold("confidence") == rank_threshold(plan.horizon, plan.confidence_bp)
    assert WatchPlan(200, "s", horizon=3, flags_bp=700).threshold("flags") == 43, "rounded up, never down"


def test_an_agent_that_stops_stating_its_confidence_is_a_change() -> None:
    drawn = random.Random(3)
    watch = Watch(PLAN, [drawn.randrange(4_000, 10_000) for _ in range(1_000)])
    for number in range(100):
        watch.decided(str(number), None, "a")
    assert watch.alarms[0].signal == "confidence"
    steady = Watch(PLAN, [None] * 1_000)
    for number in range(1_000):
        steady.decided(str(number), None, "a")
    assert steady.alarms == (), "one that never stated any has not changed"


def test_fewer_flags_and_rare_errors_raise_nothing() -> None:
    watch = Watch(VERIFIED, reference_flags=[True, False] * 500)
    for number in range(2_000):
        watch.decided(str(number), 8_000, "a", False)
        watch.outcome("a", False)
    assert watch.alarms == ()


def test_the_statistic_can_be_read_before_it_alarms() -> None:
    watch = Watch(PLAN, [8_000] * 50)
    for number in range(5):
        watch.decided(str(number), 10_000 if number % 2 else 100, "a")
    assert watch.statistic("confidence") > 0.0
    assert watch.statistic("class", "a") == watch.statistic("outcomes") == 5.0, "one for each decision without a word"
    assert watch.statistic("class", "b") == 0.0
    while not watch.alarms:
        watch.decided(str(watch.decisions), 100, "a")
    assert watch.statistic("confidence") == float.fromhex(watch.alarms[0].statistic) >= PLAN.threshold("confidence")


def test_a_detector_alarms_once_and_the_others_go_on() -> None:
    watch = Watch(WatchPlan(200, "s"))
    kinds = []
    for number in range(2_000):
        kinds += [alarm.signal for alarm in watch.decided(str(number), 8_000, "a")]
        kinds += [alarm.signal for alarm in watch.outcome("a", True)]
    assert sorted(kinds) == ["class", "outcomes"]


@pytest.mark.parametrize(
    "plan",
    [
        {"promise_bp": 0},
        {"promise_bp": 10_000},
        {"promise_bp": 2.0},
        {"horizon": 0},
        {"horizon": 10**10},
        {"confidence_bp": 0},
        {"outcomes_bp": 0},
        {"classes_bp": 0},
        {"flags_bp": -1},
        {"seed": "x" * 1_001},
        {"seed": 4},
    ],
)
def test_what_is_no_plan_is_refused(plan: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        WatchPlan(**({"promise_bp": 200, "seed": "s"} | plan))  # type: ignore[arg-type]


def test_what_is_no_decision_is_refused_and_changes_nothing() -> None:
    watch = Watch(PLAN)
    before = canonical(watch.to_json())
    for confidence in (-1, 10_001, True, 0.5):
        with pytest.raises(BadInput):
            watch.decided("k", confidence, "a")  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        watch.decided("k", 5, "a", 1)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no verifier"):
        watch.decided("k", 5, "a", False)
    with pytest.raises(BadInput):
        watch.outcome("a", True)
    assert canonical(watch.to_json()) == before
    watch.decided("k", 5, "a")
    with pytest.raises(BadInput):
        watch.outcome("a", None)  # type: ignore[arg-type]
    for chance, least in ((0, 0), (5, 6), (10_001, 5), (5, 0), (5.0, 5)):
        with pytest.raises(BadInput):
            watch.outcome("a", True, chance, least)  # type: ignore[arg-type]
    for number in range(999):
        watch.decided("k", 5, f"class {number}")
    with pytest.raises(BadInput, match="classes"):
        watch.decided("k", 5, "one more")


BROKEN: list[tuple[str, Any]] = [
    ("plan", None),
    ("plan", {}),
    ("plan", {"promise_bp": 1}),
    ("decisions", -1),
    ("decisions", 1.5),
    ("confidence", [[20_000, 1]]),
    ("flags", [[2, 1]]),
    ("detectors", {}),
    ("detectors", [3]),
    ("detectors", [["unknown", "", 0]]),
    ("detectors", [["confidence", "", 0, *["0x1p0"] * 7]]),  # as it was written with seven bets
    ("detectors", [["outcomes", "", 0, "0x1p0"]]),
    ("detectors", [["outcomes", "", -1, *["0x1p0"] * 6]]),
    ("detectors", [["outcomes", "", 0, *["nan"] * 6]]),
    ("detectors", [["outcomes", "", 0, *["inf"] * 6]]),
    ("detectors", [["outcomes", "", 0, *["-0x1p0"] * 6]]),
    ("detectors", [["outcomes", "", 0, *["many"] * 6]]),
    ("detectors", [["outcomes", "", 0, *["0x1p99999"] * 6]]),
    ("detectors", [["class", 7, 0]]),
    ("detectors", [[7, "", 0]]),
    ("alarms", [[]]),
    ("alarms", [["suspend", "outcomes", "", 1, "0x1p0", 5, "why"]]),
    ("alarms", [["demote", "outcomes", "", 1, "x", 5, "why"]]),
    ("alarms", [["demote", "outcomes", "", -1, "0x1p0", 5, "why"]]),
    ("alarms", [[None, "unheard", "", 1, "0x1p0", 5, "why"]]),
]


@pytest.mark.parametrize(("part", "value"), BROKEN)
def test_what_is_no_state_is_refused(part: str, value: Any) -> None:
    state = Watch(PLAN).to_json()
    with pytest.raises(BadInput):
        Watch.from_json(state | {part: value})
    with pytest.raises(BadInput):
        Watch.from_json({key: item for key, item in state.items() if key != part})
    with pytest.raises(BadInput):
        Watch.from_json([])
