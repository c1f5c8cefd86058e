"""The table of guarantees can fail: broken rules are reported as missed, shortcuts that differ from the rule stop it,
and files that are none are refused by name and line.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench.guarantees import t1_threshold, t3_promotion, t5_drift, t6_labels, t7_paired
from bench.guarantees.__main__ import counted, main
from bench.guarantees.guarantee import Guarantee, at_least, at_most, exit_code, markdown, not_possible, summary, write
from bench.guarantees.monte_carlo import (
    check_against_rule,
    error_times,
    first_certified,
    likelihood_needs,
    median_row,
    share_row,
)
from bench.guarantees.pool import DecisionPool, read_pool
from bench.guarantees.rank_lives import t5_by_chance
from bench.guarantees.t1_threshold import t1
from bench.guarantees.t2_online import t2
from bench.guarantees.t3_promotion import t3_false, t3_speed
from bench.guarantees.t4_review import net_productivity, t4_productivity, t4_share
from bench.guarantees.t5_drift import t5_false, t5_in_time
from bench.guarantees.t6_labels import t6
from bench.guarantees.t7_paired import t7
from bench.guarantees.t8_certificate import recheck
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadInput, RemitError
from remit.stats.label import promotion_counts
from remit.stats.paired import PairedVerdict, Pairs, paired_verdict
from remit.stats.rate import Boundary, boundary, certified, log_evidence_below
from remit.stats.threshold import OnlineThreshold, Threshold
from remit.stats.watch import WatchPlan


def pool_of(rows: int = 3_000, power: float = 1.0, seed: int = 1) -> DecisionPool:
    """An agent that is right as often as it says, raised to ``power``: below 1 it promises too much."""
    random = np.random.default_rng(seed)
    right = random.beta(6.0, 0.6, rows)
    return DecisionPool(
        "made up", np.rint(right**power * 10_000).astype(np.int64), random.random(rows) > right,
        random.integers(3, size=rows), ("a", "b", "c"),
    )  # fmt: skip


def verdicts(rows: list[Guarantee]) -> list[str]:
    return [row.verdict for row in rows]


# The shortcut: a table of certificates instead of a look after every outcome.


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32), bound=st.sampled_from([0.02, 0.05, 0.2]), times_better=st.sampled_from([0.2, 0.7, 1.0])
)
def test_first_certificates_are_those_of_a_look_after_every_outcome(
    seed: int, bound: float, times_better: float
) -> None:
    table = boundary(bound, 0.05, 400)
    times = error_times(np.random.default_rng(seed), bound * times_better, 2, len(table.needs))
    for run, found in zip(times, first_certified(table.needs, times), strict=True):
        plain = (n for n in range(1, 401) if certified(n, int((run <= n).sum()), bound, 0.05))
        assert found == next(plain, math.inf)


def test_a_shortcut_that_differs_from_the_rule_stops_everything() -> None:
    times = error_times(np.random.default_rng(1), 0.01, 3, 40)
    table = boundary(0.05, 0.05, 1_000)
    check_against_rule(table.needs, times, table.certified, 900)
    with pytest.raises(RemitError, match="the shortcut certifies at"):
        check_against_rule([need - 1 for need in table.needs], times, table.certified, 900)


def test_the_knowing_test_stops_where_its_likelihood_ratio_does() -> None:
    for errors, needed in enumerate(likelihood_needs(0.05, 0.02, 0.05, 30)):
        for trials, enough in ((needed - 1, False), (needed, True)):
            ratio = errors * math.log(0.02 / 0.05) + (trials - errors) * math.log(0.98 / 0.95)
            assert (ratio >= math.log(20)) is enough


def test_intervals_hold_their_middle_and_unending_runs_are_no_numbers() -> None:
    row = share_row("T1", "x", 3, 100, at_most(0.05))
    assert row.value == 0.03 and row.low is not None and row.high is not None
    assert (round(row.low, 4), round(row.high, 4)) == (0.0062, 0.0852)  # Clopper and Pearson, as any table has it
    assert (share_row("T1", "x", 0, 10).low, share_row("T1", "x", 10, 10).high) == (0.0, 1.0)
    never = median_row("T5", "x", [1.0, math.inf, math.inf], at_most(100))
    assert (never.value, never.verdict) == (None, "MISSED")
    assert median_row("T5", "x", [], at_most(100)).verdict == "MISSED"


# Rules that are broken are reported as missed.


def test_good_rules_are_ok_on_an_agent_that_is_as_sure_as_it_should_be() -> None:
    pool = pool_of()
    rows = [*t1(pool, 0.05, 2_000, 0.5, runs=60), *t2(pool, 0.05, 0.1, runs=1), *t4_productivity(pool, 1.0, runs=2)]
    rows += [*t3_false(0.05, "x", 2_000), *t3_speed(0.05, 0.01, 400), *t4_share("x", 0.005, 0.06, 300)]
    rows += [*t6(0.05, "x", 500), *t7("equal quality", 0.025, 0.025, 60)]
    assert set(verdicts(rows)) == {"ok"}
    assert exit_code(rows) == 0


def test_a_threshold_that_lets_everything_pass_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t1_threshold, "learn_threshold", lambda *_: Threshold(0, 10_000, 1, 0))
    rows = t1(pool_of(), 0.05, 500, 0.9, runs=10)
    assert (rows[0].value, verdicts(rows), exit_code(rows)) == (1.0, ["MISSED", "ok"], 1)


def test_a_threshold_that_lets_nothing_pass_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t1_threshold, "learn_threshold", lambda *_: None)
    assert verdicts(t1(pool_of(), 0.05, 500, 0.9, runs=10)) == ["ok", "MISSED"]


def test_an_online_threshold_that_runs_ahead_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnlineThreshold, "confidence_bp", property(lambda self: 100))
    assert t2(pool_of(), 0.05, None, runs=2)[0].verdict == "MISSED"


def test_promotion_by_point_estimate_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(bound: float, delta: float, trials_max: int) -> Boundary:
        return Boundary(bound, delta, trials_max, tuple(max(100, math.ceil(k / bound)) for k in range(500)))

    monkeypatch.setattr(t3_promotion, "boundary", naive)
    with pytest.raises(RemitError, match="the shortcut certifies"):
        t3_false(0.05, "x", 1_000)
    monkeypatch.setattr(t3_promotion, "certified", lambda n, k, bound, _: n >= 100 and k <= bound * n + 1e-9)
    rows = t3_false(0.05, "x", 1_000)
    assert rows[0].verdict == "MISSED" and (rows[0].value or 0) > 0.8


def test_an_agent_that_is_only_just_good_enough_costs_more_than_the_limit() -> None:
    assert verdicts(t4_share("x", 0.018, 0.13, 300)) == ["MISSED"]


def test_a_watch_that_alarms_at_once_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WatchPlan, "threshold", lambda *_: 30)
    assert t5_false(pool_of(), runs=3)[0].verdict == "MISSED"


def test_a_limit_that_chance_reaches_too_often_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = WatchPlan(200, "").threshold("confidence")
    for times, verdict in ((2.0, "ok"), (0.3, "MISSED")):
        monkeypatch.setattr(WatchPlan, "threshold", lambda *_, at=limit * times: at)
        assert verdicts(t5_by_chance(400)) == [verdict]


@pytest.mark.parametrize(
    ("proposes", "net"),
    [
        (True, 10 / (0.6 * (0.1 * 6.1) + 0.4 * (6 + 10 * 0.36))),  # 15 % wrong in all: 0.6 points here, 36 % there
        (False, 10 / (0.6 * (0.1 * 6.1) + 0.4 * 10)),
    ],
)
def test_what_does_not_pass_is_proposed_or_done_by_hand(proposes: bool, net: float) -> None:
    assert net_productivity(0.15, 0.6, 0.01, 0.1, proposes=proposes) == pytest.approx(net, abs=1e-4)
    assert net_productivity(0.15, 1.0, 0.15, 1.0, proposes=proposes) == pytest.approx(10 / 7.5, abs=1e-4)


def test_an_alarm_about_a_class_that_is_bad_is_not_a_false_one(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pool_of(2_000)
    bad = DecisionPool("x", plain.confidence_bp, plain.wrong | (plain.classes == 1), plain.classes, plain.class_names)
    monkeypatch.setattr(t5_drift, "gate_of", lambda *_: 9_000)
    (row,) = t5_false(bad, runs=3)
    assert row.verdict == "ok" and row.note.startswith("in 3 of 3 runs a class that does break 2 %")


def test_a_change_in_a_file_is_found_in_its_own_order() -> None:
    plain = pool_of(6_000)
    steady = DecisionPool("x", plain.confidence_bp, plain.wrong, plain.classes, plain.class_names, in_time=True)
    assert t5_in_time(steady, 200)[0].value == 0.0
    changed = np.where(np.arange(6_000) < 4_000, plain.confidence_bp, plain.confidence_bp // 2)
    (row,) = t5_in_time(DecisionPool("x", changed, plain.wrong, plain.classes, plain.class_names, in_time=True), 200)
    assert (row.value or 0) >= 1 and "confidence at row 4,0" in row.note


def test_counting_labels_that_have_not_matured_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t6_labels, "_MATURE", 1)
    assert t6(0.05, "x", 500)[0].verdict == "MISSED"


def test_silence_counted_as_right_is_found_against_promotion_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgiving(cases: Any, now: int, clock: Any) -> Any:
        found = promotion_counts(cases, now, clock)
        return SimpleNamespace(trials=found.trials, errors=found.errors - found.missing)

    monkeypatch.setattr(t6_labels, "promotion_counts", forgiving)
    with pytest.raises(RemitError, match="the shortcut counts"):
        t6(0.05, "x", 500)


@pytest.mark.parametrize(
    ("case", "margin", "delta", "drawn"),
    [("equal quality", 0.02, 0.9, (0.025, 0.025)), ("worse by the margin", 0.08, 0.05, (0.015, 0.035))],
)
def test_a_paired_gate_that_judges_too_soon_is_missed(
    monkeypatch: pytest.MonkeyPatch, case: Any, margin: float, delta: float, drawn: tuple[float, float]
) -> None:
    def hasty(pairs: Pairs, _margin: float, _delta: float) -> PairedVerdict:
        return paired_verdict(pairs, margin, delta)

    monkeypatch.setattr(t7_paired, "paired_verdict", hasty)
    t7_paired._same_needed.cache_clear()
    try:
        rows = t7(case, *drawn, 20)
    finally:
        t7_paired._same_needed.cache_clear()
    assert rows[0].verdict == "MISSED" and (rows[0].value or 0.0) > 0.1


VERIFIER = "import sys; print({words!r}); sys.exit({code})"


@pytest.mark.parametrize(
    ("words", "code", "moved", "held"),
    [
        ("evidence 3.1, the same to 1e-9\nholds", 0, 0.0, True),
        ("evidence 3.1, the same to 1e-9\nBROKEN: x", 1, 0.0, False),
        ("holds", 0, 0.0, False),
        ("evidence 3.1, the same to 1e-9\nholds", 0, 1e-6, True),
    ],
)
def test_certificates_are_held_only_by_a_verifier_that_says_so(
    tmp_path: Path, words: str, code: int, moved: float, held: bool
) -> None:
    (tmp_path / "verify.py").write_text(VERIFIER.format(words=words, code=code))
    evidence = log_evidence_below(400, 5, 0.05) + moved
    proof = {"method": "mixture", "trials": 400, "errors": 5, "bound": (0.05).hex(), "log_evidence": evidence.hex()}
    found = recheck(tmp_path, "d" * 64, {"proof": proof})
    assert found.held is held
    assert found.difference is not None and (found.difference < 1e-11) is (moved == 0.0)


# The table and its exit code.


def test_only_our_missed_targets_fail_and_nothing_judged_fails_too() -> None:
    good, bad = Guarantee("T1", "x", 0.1, at_most(0.2)), Guarantee("T1", "y", 0.3, at_most(0.2))
    other = Guarantee("T1", "y", 0.3, at_most(0.2), who="rolling 50")
    assert exit_code([good, other]) == 0
    assert exit_code([good, bad]) == 1
    assert exit_code([good, Guarantee("T2", "not measured", None, at_least(1.0))]) == 1
    assert exit_code([good, not_possible("T7", "x", "why")]) == 0
    assert exit_code([not_possible("T7", "x", "why")]) == exit_code([]) == exit_code([other]) == 1
    assert summary([good, bad, other]) == "remit: 1 of 2 met; others: 0 of 1 met; MISSED: T1 y"


def test_the_table_is_written_whole_as_json_and_markdown(tmp_path: Path) -> None:
    rows = [Guarantee("T1", "a|b", 0.3, at_most(0.2), 0.1, 0.5, 10, note="why"), not_possible("T7", "x", "n/a here")]
    write(rows, tmp_path / "g.json", "Heading")
    assert [row["verdict"] for row in json.loads((tmp_path / "g.json").read_text())] == ["MISSED", "n/a"]
    text = (tmp_path / "g.md").read_text()
    assert (
        text == markdown(rows, "Heading") and "| T1 | a\\|b | remit | <= 0.2 | 0.3 | 0.1 .. 0.5 | 10 | MISSED |" in text
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.json", "g.md"]


# Anybody's file.


def written(path: Path, rows: int, power: float, *, timed: bool = False) -> Path:
    random = Random(3)
    lines = ["confidence,correct,class" + (",time" if timed else "")]
    for number in range(rows):
        right = random.betavariate(6, 0.6)
        cells = [f"{right**power:.4f}", str(int(random.random() < right)), random.choice("ab")]
        lines.append(",".join([*cells, f"2026-01-01T00:00:{number % 60:02d}"] if timed else cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("power", [1.0, 0.2])
def test_files_are_counted_well_calibrated_or_overconfident(tmp_path: Path, power: float) -> None:
    rows = counted(written(tmp_path / "f.csv", 1_500, power), ["T1", "T3", "T6", "T7", "T8"], 0, quick=True)
    ours = [row for row in rows if row.who == "remit"]
    promises = [row for row in ours if row.what.endswith(("broken", "promotion"))]
    # Few runs: what is asked for is that the promise may hold, not that chance was kind.
    assert len(promises) == 5 and all(row.low is not None and row.low <= 0.05 for row in promises)
    assert [row.verdict for row in ours if row.number in {"T7", "T8"}] == ["n/a", "n/a"]
    fixed = [row for row in rows if row.who == "fixed cut-off 0.9"]
    assert ({row.verdict for row in fixed if row.number == "T1"} == {"MISSED"}) is (power < 1)


def test_a_tiny_file_says_what_is_not_possible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "tiny.csv", 40, 1.0, timed=True)
    output = tmp_path / "out.json"
    assert main(["--data", str(path), "--quick", "--processes", "0", "--output", str(output)]) in {0, 1}
    shown = capsys.readouterr().out
    assert "needs 500 rows to stand for a population: got 40" in shown and "Traceback" not in shown
    rows = json.loads(output.read_text())
    assert {row["number"] for row in rows if row["verdict"] == "n/a"} == {"T1", "T2", "T4", "T5", "T7", "T8"}
    assert {row["verdict"] for row in rows if row["number"] in {"T3", "T6"} and row["who"] == "remit"} == {"ok"}


HEAD = "confidence,correct,class\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: column 'confidence' must stand there once"),
        ("confidence,correct\n.5,1\n", "line 1: column 'class' must stand there once"),
        ("confidence,correct,class,class\n.5,1,a,b\n", "'class' must stand there once"),
        ("confidence,correct,class,time,time\n.5,1,a,1,1\n", "'time' stands there twice"),
        (HEAD, "no rows below the header"),
        (HEAD + ".5,1,a\n1.5,1,a\n", "line 3: confidence must be a number from 0 to 1: got '1.5'"),
        (HEAD + "nan,1,a\n", "line 2: confidence"),
        (HEAD + "high,1,a\n", "line 2: confidence"),
        (HEAD + ".5,2,a\n", "line 2: correct must be 1, 0, true, false, yes or no: got '2'"),
        (HEAD + ".5,,a\n", "line 2: correct"),
        (HEAD + ".5,1, \n", "line 2: class must be text"),
        (HEAD + f".5,1,{'x' * 201}\n", "line 2: class must be text"),
        (HEAD + ".5,1\n", "line 2: got 2 cells, expected 3"),
        (HEAD + '.5,1,"a\n', "cannot be read as CSV"),
        ("confidence,correct,class,time\n.5,1,a,yesterday\n", "line 2: time must be a number or a date"),
        ("confidence,correct,class,time\n.5,1,a,inf\n", "line 2: time"),
        (HEAD + "".join(f".5,1,c{n}\n" for n in range(901)), "got 901 classes, expected at most 900"),
    ],
)
def test_bad_files_are_refused_with_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_pool(path)
    assert words in str(refused.value)
    assert main(["--data", str(path), "--processes", "0"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00confidence", b"confidence,correct,class\n.5,1,\xff\n"])
def test_what_is_not_text_or_not_there_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv"
    with pytest.raises(BadInput, match="cannot be read"):
        read_pool(path)
    path.write_bytes(content)
    with pytest.raises(BadInput):
        read_pool(path)


def test_files_are_read_in_their_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(
        "\ufeffClass,Confidence,note,correct,TIME\n"
        "b,0.25,x,Yes,2026-01-02\na,1,y,false,2026-01-01T23:00:00+00:00\n\nb,.5,z,0,1e3\n",
        encoding="utf-8",
    )
    pool = read_pool(path)
    assert pool.confidence_bp.tolist() == [5_000, 10_000, 2_500]
    assert pool.wrong.tolist() == [True, True, False]
    assert (pool.classes.tolist(), pool.class_names, pool.in_time) == ([1, 0, 1], ("a", "b"), True)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60),
    bound=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
)
def test_the_oracle_is_the_loosest_threshold_that_keeps_the_promise(rows: list[tuple[int, bool]], bound: float) -> None:
    confidence, wrong = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    pool = DecisionPool("x", confidence, wrong, np.zeros(len(rows), np.int64), ("a",))
    best: tuple[int | None, float] = (None, 0.0)
    for threshold in sorted({row[0] for row in rows}, reverse=True):
        inside = [bad for at, bad in rows if at >= threshold]
        assert pool.above(threshold)[0] == pytest.approx(sum(inside) / len(inside))
        assert pool.above(threshold)[1] == len(inside) / len(rows)
        if sum(inside) <= bound * len(inside) + 1e-12:
            best = threshold, len(inside) / len(rows)
    assert pool.oracle(bound) == best
