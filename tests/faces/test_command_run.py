"""run and worker: proposals from lines and from functions, and how the command ends."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faces.refund_shop import Shop
from tests.faces.stage import Remit, lines, proposal

from remit.app import Control

Start = Callable[..., subprocess.Popen[bytes]]


def write(path: Path, data: bytes | str) -> str:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def test_each_action_is_told_in_one_line_with_a_summary(remit: Remit, shop: Shop, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", lines(proposal("A1"), proposal("A2", 12_500), proposal("A3", 99_999)))
    ran = remit("run", source)
    assert (ran.code, ran.err) == (0, "")
    *told, summary = ran.out.splitlines()
    assert sorted(line.split()[0] for line in told) == ["denied", "finished", "waiting"]
    assert len({line.index("refund-desk") for line in told}) == 1  # aligned
    assert summary == "3 actions: 1 denied, 1 finished, 1 waiting; see `remit approvals`"
    assert [refund["order"] for refund in shop.refunds.values()] == ["A1"]


def test_the_same_lines_again_do_nothing_twice(remit: Remit, shop: Shop, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", lines(*[proposal(f"A{n}") for n in range(5)]) * 2)
    assert "10 actions: " in remit("run", source).out  # a twin that is still on its way is told as begun
    remit("run", source, "--at-once", "1")
    assert shop.attempts == 5


def test_a_bad_line_is_named_and_the_others_go_on(remit: Remit, shop: Shop, tmp_path: Path) -> None:
    bad = [
        b'{"agent":"refund-desk"', b"[1]", b'{"agent":1,"action":"a","case":"c","arguments":{}}',
        json.dumps(proposal(more=1)).encode(), b'{"agent":"a","agent":"b"}', b'{"confidence":NaN}', b"\xff\xfe",
        json.dumps(proposal(confidence=1.5)).encode(), json.dumps(proposal(confidence="high")).encode(),
        json.dumps(proposal(agent="nobody")).encode(), b'{"case":"\\ud800"}',
        json.dumps(proposal(case="two\nlines")).encode(), b"x" * 1_100_000, b"[" * 10_000,
    ]  # fmt: skip
    source = write(tmp_path / "a.jsonl", b"\n".join([lines(proposal("A1")).strip(), *bad, b"", lines(proposal("A2"))]))
    ran = remit("run", source)
    assert ran.code == 2
    named = [int(line.split("  ")[0].rpartition(":")[2]) for line in ran.err.splitlines()]
    assert sorted(named) == list(range(2, 2 + len(bad)))
    assert "Traceback" not in ran.err
    assert "2 actions: 2 finished" in ran.out
    assert {refund["order"] for refund in shop.refunds.values()} == {"A1", "A2"}


def test_proposals_come_by_standard_input(remit_process: Start, shop: Shop) -> None:
    out, err = remit_process("run", "-").communicate(lines(proposal("A1")) + b"{}\n")
    assert b"1 action: 1 finished" in out
    assert err.startswith(b"-:2  proposal: ")
    assert len(shop.refunds) == 1


def test_standard_input_of_this_process(remit: Remit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(proposal("A1")))))
    assert remit("run", "-").out.endswith("1 action: 1 finished\n")


AGENT = """
def generates(control):
    for number in range(3):
        yield {"agent": "refund-desk", "action": "refund.create", "case": f"c{number}", "confidence": 0.95,
               "arguments": {"order": f"G{number}", "amount_minor": 100}, "reasons": ["broken"]}

def proposes(control):
    journey = control.propose("refund-desk", "refund.create", "c", {"order": "P1", "amount_minor": 100}, 0.95)
    assert journey.progress == "finished"

def mixes(control):
    yield {"agent": "refund-desk"}
    yield 7
    yield {"agent": "refund-desk", "action": "refund.create", "case": "c", "arguments": {"order": "M", "a": 10**5000}}
    yield {"agent": "refund-desk", "action": "refund.create", "case": "c", "arguments": {"order": "M", "a": {1, 2}}}
    yield from generates(control)

def fails(control):
    yield from generates(control)
    raise RuntimeError("no more \\x1b[2J")

def returns(control):
    return 42
"""


def test_a_function_may_yield_or_propose(remit: Remit, shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "my_agent.py", AGENT)
    yielded = remit("run", f"{file}:generates")
    assert (yielded.code, yielded.out.splitlines()[-1]) == (0, "3 actions: 3 finished")
    proposed = remit("run", f"{file}:proposes")
    assert (proposed.code, proposed.out.splitlines()[-1]) == (0, "1 action: 1 finished")
    assert proposed.out.startswith("finished ")
    assert len(shop.refunds) == 4


def test_what_a_function_yields_is_checked_one_by_one(remit: Remit, tmp_path: Path) -> None:
    ran = remit("run", f"{write(tmp_path / 'mixing_agent.py', AGENT)}:mixes")
    assert ran.code == 2
    assert [line.split("  ")[0] for line in ran.err.splitlines()] == [f"proposal {n}" for n in (1, 2, 3, 4)]
    assert ran.out.endswith("3 actions: 3 finished\n")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("failing_agent.py:fails", "the agent's own code failed at "),
        ("failing_agent.py:returns", "the function returned int"),
        ("failing_agent.py:absent", "no function 'absent'"),
        ("absent.py:any", "no such file"),
        ("broken_agent.py:any", "SyntaxError"),
        ("proposals.csv", "expected -, a file that ends in .jsonl, or module.py:function"),
        ("absent.jsonl", "No such file or directory"),
    ],
)
def test_a_source_that_does_not_work_is_the_users_fault(
    remit: Remit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, what: str
) -> None:
    write(tmp_path / "failing_agent.py", AGENT)
    write(tmp_path / "broken_agent.py", "def any(:")
    monkeypatch.chdir(tmp_path)
    ran = remit("run", source)
    assert ran.code == 2
    assert what in ran.err
    assert "\x1b" not in ran.err
    assert "Traceback" not in ran.err


def test_at_most_so_many_are_on_their_way(remit: Remit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_their_way, most = [0], [0]
    submit = Control.submit_proposal

    def counting(self: Control, action: object, actor: str = "") -> object:
        on_their_way[0] += 1
        most[0] = max(most[0], on_their_way[0])
        future = submit(self, action, actor)  # type: ignore[arg-type]
        future.add_done_callback(lambda _: on_their_way.__setitem__(0, on_their_way[0] - 1))
        return future

    monkeypatch.setattr(Control, "submit_proposal", counting)
    source = write(tmp_path / "a.jsonl", lines(*[proposal(f"A{n}") for n in range(12)]))
    assert remit("run", source, "--at-once", "3").code == 0
    assert most[0] == 3


def test_a_worker_carries_on_what_was_approved(remit: Remit, shop: Shop, tmp_path: Path) -> None:
    remit("run", write(tmp_path / "a.jsonl", lines(proposal("A1", 12_500))))
    assert "remit worker --until-idle" in remit("approvals", "approve", "case-A1", "--as", "cleo.finance").out
    assert not shop.refunds
    ran = remit("worker", "--until-idle")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("1 action carried on\n")
    assert len(shop.refunds) == 1
    assert remit("worker", "--until-idle").out == "0 actions carried on\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_stop_ends_well(remit: Remit, remit_process: Start, number: signal.Signals) -> None:
    process = remit_process("worker")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"working for Test company")
    assert "worker-" in remit("status").out
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out == b"0 actions carried on\n"
    assert remit("status", "--json").json["processes"] == []


def test_approving_says_that_a_worker_is_there(remit: Remit, remit_process: Start, shop: Shop, tmp_path: Path) -> None:
    remit("run", write(tmp_path / "a.jsonl", lines(proposal("A1", 12_500))))
    process = remit_process("worker")
    assert process.stdout is not None
    process.stdout.readline()
    ran = remit("approvals", "approve", "case-A1", "--as", "cleo.finance")
    assert "a worker that is running will" in ran.out
    assert b"case-A1: finished" in process.stdout.readline()
    assert len(shop.refunds) == 1


def test_an_interrupted_run_ends_as_such(remit_process: Start) -> None:
    process = remit_process("run", "-")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(lines(proposal("A1")))
    process.stdin.write(lines(*[proposal(f"B{n}") for n in range(16)]))
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"finished")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, b"")


def test_a_reader_that_goes_away_is_no_error(remit_process: Start, tmp_path: Path, remit: Remit) -> None:
    remit("run", write(tmp_path / "a.jsonl", lines(*[proposal(f"A{n}", 99_999) for n in range(60)])))
    process = remit_process("log", "--json", "--limit", "10000", PYTHONUNBUFFERED="")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")


def test_an_internal_error_is_one_line_and_a_traceback_only_when_asked_for(
    remit: Remit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Control) -> object:
        raise ZeroDivisionError("secret\x1b[2J")

    monkeypatch.setattr(Control, "spend", fail)
    ran = remit("spend")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0] == r"remit: internal error: ZeroDivisionError: secret\x1b[2J"
    assert "REMIT_DEBUG=1" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("REMIT_DEBUG", "1")
    assert "Traceback (most recent call last)" in remit("spend").err


def test_the_demo_is_handed_its_options(remit_process: Start, tmp_path: Path) -> None:
    process = remit_process("demo", "freight", "--dir", str(tmp_path / "demo"), "--orders", "0")
    out, err = process.communicate()
    assert process.returncode == 2
    assert b"--orders: at least 1" in err
    assert out == b""


def test_no_such_demo(remit: Remit) -> None:
    assert remit("demo", "invoices").code == 2
