"""The harness: a figure that was not measured never looks like one, and both sides get the same treatment."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest
from bench.__main__ import all_pieces, chosen, explained
from bench.environments import PEERS, peer_python, peer_version
from bench.pieces.gate_piece import flattened, gate_rows
from bench.pieces.ledger_piece import one_reading, verify_rows
from bench.pieces.start_up_piece import heaviest
from bench.probe import NotMeasured, Piece, Probe, Reading, Taken, json_lines, run_rounds, timed_process
from bench.rows import Budget, Row, Samples, compare, figure, markdown, spread_of, summary, table, write_rows
from bench.scratch_store import _named
from bench.where import busiest, sampled
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import environments

FAST, SLOW = Samples((300.0, 100.0, 200.0), (9.0,)), Samples((50.0, 50.0, 40.0), (12.0,))


def row_of(ours: Samples, peer: Samples | None = None, budget: Budget | None = None, better: str = "higher") -> Row:
    good: Literal["higher", "lower"] = "higher" if better == "higher" else "lower"
    name = "another" if peer else ""
    return compare("a.b", "an action", "actions/s", ours, peer, better=good, peer_name=name, budget=budget)


@settings(max_examples=100)
@given(st.lists(st.floats(min_value=1e-3, max_value=1e9), min_size=1, max_size=9))
def test_spread_is_the_sorted_middle_and_ends(values: list[float]) -> None:
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    found = spread_of(values)
    assert math.isclose(found.median, middle)
    assert (found.low, found.high, found.rounds) == (ordered[0], ordered[-1], len(values))


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_no_median_of_nothing_or_of_what_is_no_number(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no rounds|not a finite number"):
        spread_of(values)


def test_row_compares_medians_and_pairs_rounds() -> None:
    row = row_of(FAST, SLOW, Budget("times_better", 4))
    assert (row.value, row.spread, row.rounds, row.cpu_us) == (200, (100, 300), 3, 9)
    assert (row.peer_value, row.peer_cpu_us) == (50, 12)
    assert row.ratio == 4
    assert row.ratio_spread == (2, 6)  # 100 / 50 and 300 / 50, round by round, not 300 / 40
    assert row.met is True
    assert row.note == ""


def test_times_better_is_turned_round_where_lower_is_better() -> None:
    row = row_of(Samples((60.0,)), Samples((120.0,)), Budget("at_most", 60), better="lower")
    assert row.ratio == 2
    assert row.met is True


@pytest.mark.parametrize(
    ("budget", "value", "ratio", "met"),
    [
        (Budget("at_most", 80), 80.0, None, True),
        (Budget("at_most", 80), 80.1, 9.0, False),
        (Budget("at_least", 20_000), 19_999.0, 9.0, False),
        (Budget("at_least", 20_000), 20_000.0, None, True),
        (Budget("times_better", 3), 1e9, 2.99, False),
        (Budget("times_better", 3), 1e9, None, None),
        (Budget("at_most", 80), None, None, None),
    ],
)
def test_budget(budget: Budget, value: float | None, ratio: float | None, met: bool | None) -> None:
    assert budget.met(value, ratio) is met


def test_what_was_not_measured_is_none_and_says_why() -> None:
    row = row_of(Samples(problem="no file"), Samples(problem="no network"), Budget("times_better", 3))
    assert (row.value, row.peer_value, row.ratio, row.met, row.spread) == (None, None, None, None, None)
    assert row.note == "not measured: no file; peer not measured: no network"
    assert "| - |" in markdown([row])
    assert summary([row]) == "1 budgets: 0 met, 0 missed, 1 not measured"


def test_missing_peer_leaves_our_figure_and_no_ratio() -> None:
    row = row_of(FAST, Samples(problem="no network"), Budget("times_better", 3))
    assert (row.value, row.peer_value, row.ratio, row.met) == (200, None, None, None)
    assert "peer not measured: no network" in row.note


def test_rounds_that_stopped_half_way_say_so() -> None:
    row = row_of(replace(FAST, problem="took longer than 80 s"))
    assert row.value == 200
    assert row.note == "stopped after 3: took longer than 80 s"


def test_markdown_is_one_line_a_row_whatever_the_text_holds() -> None:
    row = replace(row_of(FAST, SLOW, Budget("at_least", 500)), what="a | b\nc", note="first\nsecond")
    lines = markdown([row]).splitlines()
    assert len(lines) == 7
    assert lines[2].startswith("| a \\| b c | 200 | 100 .. 300 | actions/s | >= 500 | MISSED | another | 50 | 4 |")
    assert lines[1].count("|") == lines[0].count("|") == lines[2].count("|") - 1
    assert lines[4:] == ["- a.b: first second", "", "1 budgets: 0 met, 1 missed, 0 not measured"]


def test_table_shows_every_row_and_takes_no_markup_from_them() -> None:
    from rich.console import Console

    shown = StringIO()
    console = Console(width=300, file=shown)
    console.print(table([replace(row_of(FAST), what="[bold]x[/nonsense]")]))
    assert "[bold]x[/nonsense]" in shown.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (1234567.0, "1,234,567"),
        (1234.5, "1,234.5"),
        (0.34177, "0.3418"),
        (66.0, "66"),
    ],
)
def test_figure(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_written_rows_are_the_rows(tmp_path: Path) -> None:
    rows = [row_of(FAST, SLOW), row_of(Samples(problem="no"))]
    write_rows(rows, tmp_path / "results.json")
    found = json.loads((tmp_path / "results.json").read_text())
    assert [entry["value"] for entry in found] == [200, None]
    wanted = ["id", "what", "value", "unit", "budget", "met", "peer", "peer_value", "ratio", "spread"]
    assert list(found[0])[: len(wanted) - 1] == wanted[:-1]
    assert wanted[-1] in found[0]
    assert (tmp_path / "results.md").read_text() == markdown(rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "results.md"]


def piece_of(name: str, log: list[str], problems: dict[str, BaseException] | None = None) -> Piece:
    def probe(side: str) -> Probe:
        def take() -> Sequence[Reading]:
            log.append(f"{name}.{side}")
            if problems and side in problems:
                raise problems[side]
            return [{"rate": float(len(log))}]

        return Probe(side, take)

    def rows(taken: object) -> list[Row]:
        return []

    return Piece(name, (probe("remit"), probe("peer")), rows, lambda row: f"asked for {row.id}")


def test_sides_alternate_and_swap_order() -> None:
    log: list[str] = []
    run_rounds([piece_of("x", log), piece_of("y", log)], 2, 60)
    assert log == ["x.remit", "x.peer", "y.remit", "y.peer", "x.peer", "x.remit", "y.peer", "y.remit"]


def test_what_cannot_be_measured_is_asked_once_and_does_not_stop_the_other_side() -> None:
    log: list[str] = []
    taken, interrupted = run_rounds([piece_of("x", log, {"peer": NotMeasured("no network")})], 3, 60)
    assert not interrupted
    assert log.count("x.peer") == 1
    assert len(taken["x"]["remit"].readings) == 3
    assert taken["x"]["peer"].samples("rate") == Samples(problem="no network")


def test_interrupt_keeps_what_was_taken() -> None:
    log: list[str] = []
    pieces = [piece_of("x", log), piece_of("y", log, {"remit": KeyboardInterrupt()}), piece_of("z", log)]
    taken, interrupted = run_rounds(pieces, 5, 60)
    assert interrupted
    assert taken["x"]["peer"].samples("rate").values == (2.0,)
    assert taken["y"]["remit"].samples("rate").problem == "interrupted"
    assert taken["z"]["peer"].problem == "interrupted"


def test_no_round_begins_that_would_end_too_late() -> None:
    log: list[str] = []
    ticks = iter(range(0, 10_000, 10))
    run_rounds([piece_of("x", log)], 100, 55, clock=lambda: float(next(ticks)))
    # The clock moves 10 s a look: a round takes 10 s and begins at 10, 30, 50; the third would end past 55.
    assert log.count("x.remit") == 2


def test_readings_without_the_figure_are_left_out_not_zero() -> None:
    taken = Taken([{"rate": 3}, {}, {"rate": None}, {"rate": True}, {"rate": math.nan}, {"rate": "4"}])
    assert taken.samples("rate").values == (3.0,)
    assert taken.samples("other").problem == "no figure 'other' came back"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('the disk is full')", "ValueError: the disk is full"),
        ("import sys; sys.exit(3)", "ended with 3"),
        ("print('done')", "printed no JSON object"),
        ("print('{broken')", "not JSON"),
        ("import time; time.sleep(30)", "took longer than 1 s"),
    ],
)
def test_process_that_gives_no_figure_says_why(code: str, said: str) -> None:
    with pytest.raises(NotMeasured, match=said):
        json_lines([sys.executable, "-c", code], seconds_max=1 if "sleep" in code else 30)


def test_process_that_is_not_there_or_fails_is_not_timed() -> None:
    with pytest.raises(NotMeasured, match="cannot be started"):
        timed_process(["/nowhere/remit", "--help"])
    with pytest.raises(NotMeasured, match="No module named 'nowhere'"):
        timed_process([sys.executable, "-c", "import nowhere"])
    wall_ms, cpu_ms = timed_process([sys.executable, "-c", "pass"])
    assert wall_ms > 0 < cpu_ms


def test_lines_are_json_among_noise() -> None:
    found = json_lines([sys.executable, "-c", "print('hello'); print('{\"rate\": 3}')"], seconds_max=30)
    assert found == [{"rate": 3}]


@pytest.mark.parametrize("peer", ["agent-governance-toolkit", "langgraph"])
def test_every_package_of_a_peer_is_pinned_with_its_hash(peer: str) -> None:
    text = (PEERS / f"{peer}.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) > 10
    assert all("==" in line and "--hash=sha256:" in line for line in lines)


def test_peer_versions_are_those_of_the_budgets() -> None:
    assert peer_version("agent-governance-toolkit", "agent-governance-toolkit-core") == "5.0.0"
    assert peer_version("langgraph", "langgraph").startswith("1.2.")
    with pytest.raises(LookupError, match="not pinned"):
        peer_version("langgraph", "lang")


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that logs its calls, makes what `uv venv` makes, and fails to sync while ``offline`` exists."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        "#!/bin/sh\n"
        f'echo "$1" >> {tmp_path}/calls\n'
        'if [ "$1" = venv ]; then for last; do :; done; mkdir -p "$last/bin"; : > "$last/bin/python"; fi\n'
        f'if [ "$1" = pip ] && [ -e {tmp_path}/offline ]; then echo "error: no route" >&2; exit 2; fi\n'
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "envs")
    return tmp_path


def test_environment_is_made_once(fake_uv: Path) -> None:
    python = peer_python("langgraph")
    assert python == fake_uv / "envs" / "langgraph" / "bin" / "python"
    assert peer_python("langgraph") == python
    assert (fake_uv / "calls").read_text().split() == ["venv", "pip"]
    (python.parent.parent / "remit-stamp").write_text("of other pins")
    peer_python("langgraph")
    assert (fake_uv / "calls").read_text().split() == ["venv", "pip"] * 2


def test_environment_that_cannot_be_made_says_so_and_is_tried_again(fake_uv: Path) -> None:
    (fake_uv / "offline").touch()
    with pytest.raises(NotMeasured, match=r"langgraph cannot be made \(no network\?\): error: no route"):
        peer_python("langgraph")
    (fake_uv / "offline").unlink()
    assert peer_python("langgraph").exists()


def test_without_uv_the_peer_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "envs")
    monkeypatch.setattr(environments, "CHECKOUT", tmp_path)
    with pytest.raises(NotMeasured, match="needs uv"):
        peer_python("langgraph")


def test_password_goes_by_environment() -> None:
    assert _named("postgresql://ann:s3cret@db:5433/test?sslmode=require", "remit_bench_7") == (
        "postgresql://ann@db:5433/remit_bench_7?sslmode=require",
        {"PGPASSWORD": "s3cret"},
    )
    assert _named("postgresql://127.0.0.1/test", "x") == ("postgresql://127.0.0.1/x", {})


def test_only_takes_a_piece_a_branch_or_a_figure_and_refuses_what_is_nothing() -> None:
    pieces = all_pieces(quick=False)
    names = [piece.id for piece in pieces]
    assert len(set(names)) == len(names)
    assert [piece.id for piece in chosen(pieces, ["governed.sqlite.1"])] == ["governed.sqlite.1"]
    assert len(chosen(pieces, ["governed.sqlite"])) == 6
    assert [piece.id for piece in chosen(pieces, ["gate.100.allow.p99"])] == ["gate"]
    assert len(chosen(pieces, [])) == len(pieces)
    with pytest.raises(SystemExit, match="gat"):
        chosen(pieces, ["gat"])


def test_only_missed_rows_are_asked_where_their_time_goes() -> None:
    rows = [
        replace(row_of(FAST), id="x.1", met=False, note="before"),
        replace(row_of(FAST), id="x.2", met=True),
        replace(row_of(FAST), id="xy", met=False),
    ]
    notes = [row.note for row in explained([piece_of("x", [])], rows)]
    assert notes == ["before; missed: asked for x.1", "", ""]


def test_gate_rows_keep_every_kind_of_decision() -> None:
    rows = [
        {"what": "gate decision, 10 rules, allow", "p50_us": 50, "p99_us": 90, "n": 5000},
        {"what": "gate decision, 10 rules, escalate", "p50_us": 120, "p99_us": 170, "n": 5000},
        {"what": "gate decision, 100 rules", "p50_us": 70, "p99_us": 140, "n": 5000},
    ]
    reading = flattened({"rows": rows})
    assert reading["10.escalate.p50"] == 120
    assert reading["100.allow.p99"] == 140
    peer = Taken([{"rules_10_p50_us": 100.0, "rules_10_p99_us": 200.0}])
    found = {row.id: row for row in gate_rows({"remit": Taken([reading]), "peer": peer})}
    assert len(found) == 6
    assert (found["gate.10.allow.p50"].met, found["gate.10.allow.p50"].ratio) == (True, 2)
    assert (found["gate.10.escalate.p50"].met, found["gate.10.escalate.p50"].peer) == (False, "")
    assert "peer not measured" in found["gate.100.allow.p50"].note
    absent = gate_rows({"remit": Taken(problem="gone"), "peer": peer})
    assert [row.met for row in absent if row.budget] == [None] * 3


def test_gate_row_of_other_rules_is_refused() -> None:
    with pytest.raises(NotMeasured, match="neither 10 nor 100"):
        flattened({"rows": [{"what": "decide", "p50_us": 1, "p99_us": 1, "n": 100}]})


def test_sizes_become_one_reading() -> None:
    lines: list[Reading] = [{"events": 10, "rate": 3, "more": 1}, {"events": 100, "rate": 4}, {"hello": 1}]
    assert one_reading(lines, "events", ("rate",)) == {"rate_10": 3, "rate_100": 4}


def test_verify_rows_carry_the_budget_and_their_rounds() -> None:
    def reading(value: int) -> Reading:
        unit = "events per CPU second"
        return {
            "rows": [
                {"what": "check_ledger: rows", "value": value, "unit": unit, "n": 10_000},
                {"what": "leaf and root of events", "value": 9, "unit": unit, "n": 10_000},
            ]
        }

    taken = {
        "remit": Taken([reading(300_000), reading(500_000), reading(350_000)]),
        "peer": Taken(problem="off"),
    }
    checked, hashed = verify_rows(taken)
    assert (checked.id, checked.value, checked.rounds) == ("ledger.verify.check_ledger.10000", 350_000, 3)
    assert checked.met is False
    assert checked.spread == (300_000, 500_000)
    assert (hashed.budget, hashed.met, hashed.peer) == ("", None, "")
    (absent,) = verify_rows({"remit": Taken(problem="gone"), "peer": Taken(problem="off")})
    assert (absent.id, absent.value, absent.met) == ("ledger.verify", None, None)
    assert "not measured: gone" in absent.note


def test_import_times_are_summed_by_package() -> None:
    printed = """import time: self [us] | cumulative | imported package
import time:      1500 |       1500 |   rich.table
import time:      2500 |       4000 | rich
import time:       500 |        500 | remit
"""
    assert heaviest(printed) == "rich 4 ms, remit 0 ms"
    assert heaviest(printed, 1) == "rich 4 ms"


def test_sampling_sees_who_is_busy_and_not_who_waits() -> None:
    from remit.canonical import canonical

    waiting = threading.Event()
    idle = threading.Thread(target=waiting.wait, daemon=True)
    idle.start()
    value = {"arguments": [{"number": number, "text": "x" * 50} for number in range(2000)]}
    seen = sampled(lambda: [canonical(value) for _ in range(100)])
    waiting.set()
    idle.join()
    assert any(place.startswith("canonical.py ") for place in seen)
    assert not any("wait" in place for place in seen)
    shares = [int(part.rsplit(" ", 2)[1]) for part in busiest(seen).split(", ")]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 103  # shares of one whole, each rounded
