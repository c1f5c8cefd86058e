"""Cases beside policies: the scaffold's pass, wrong ones fail, misspelt ones are findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.gate.cases import CaseReport, run_cases
from remit.gate.policy import Rules
from remit.manifest.load import load_manifest
from remit.manifest.scaffold import SCAFFOLD


def run(path: Path, text: str) -> CaseReport:
    file = path / "a.cases.yaml"
    file.write_text(text)
    manifest = load_manifest("refund-desk.yaml", SCAFFOLD["agents/refund-desk.yaml"])
    rules = Rules.load({"refunds.cedar": SCAFFOLD["policies/refunds.cedar"]}, [manifest])
    return run_cases([file], rules, [manifest])


def one(path: Path, more: str, expect: str, confidence: str = "confidence: 0.9") -> tuple[bool, str]:
    text = "cases:\n  - name: n\n    agent: refund-desk\n    action: refund.create\n"
    text += f"    arguments: {{order: A1, amount_minor: 2500}}\n    {confidence}\n"
    text += "".join(f"    {line}\n" for line in more.splitlines())
    report = run(path, f"{text}    expect: {expect}\n")
    assert report.findings == ()
    return report.results[0].passed, report.results[0].got


def test_the_scaffolds_cases_pass(tmp_path: Path) -> None:
    report = run(tmp_path, SCAFFOLD["policies/refunds.cases.yaml"])
    assert report.passed
    assert [result.line for result in report.results] == sorted({result.line for result in report.results})


@pytest.mark.parametrize(
    ("more", "expect"),
    [
        ("facts: {paid: 9000}", "{verdict: allow}"),
        ("facts: {paid: 9000}", "{verdict: allow, asks: []}"),
        ("facts: {paid: {value: 9000, age: 59m}}", "{verdict: allow}"),
        ("facts: {paid: {value: 9000, age: 61m}}", "{verdict: deny, rule: paid}"),
        ("facts: {paid: {problem: timed out}}", "{verdict: deny, rule: paid}"),
        ("", "{verdict: deny, rule: paid}"),
        ("facts: {paid: 9000}\nhalts: ['agent:refund-desk']", "{verdict: deny}"),
        ("facts: {paid: 9000}\nhalts: [everything]", "{verdict: deny, rule: halt everything}"),
        ("facts: {paid: 9000}\nhalts: ['agent:other']", "{verdict: allow}"),
        ("facts: {paid: 9000}\nused: {per-day: 47500}", "{verdict: allow}"),
        ("facts: {paid: 9000}\nused: {per-day: 47501}", "{verdict: escalate, rule: per-day, asks: [finance]}"),
        ("facts: {paid: 9000}\nused: {per-day: 47501}\napprovals: [finance]", "{verdict: allow}"),
        ("facts: {paid: 9000}\nused: {per-hour: 60}\napprovals: [finance]", "{verdict: deny, rule: per-hour}"),
        ("facts: {paid: 9000}\nclaims: [order/A1]", "{verdict: deny, rule: order/A1}"),
        ("facts: {paid: 9000}\ndone: true", "{verdict: deny, rule: once}"),
    ],
)
def test_every_key_of_a_case_does_something(tmp_path: Path, more: str, expect: str) -> None:
    passed, got = one(tmp_path, more, expect)
    assert passed, got


@pytest.mark.parametrize(
    "expect",
    ["{verdict: deny}", "{verdict: escalate}", "{verdict: allow, rule: other}", "{verdict: allow, asks: [finance]}"],
)
def test_a_case_that_comes_out_otherwise_fails(tmp_path: Path, expect: str) -> None:
    assert one(tmp_path, "facts: {paid: 9000}", expect)[0] is False


def test_no_confidence_is_none_stated(tmp_path: Path) -> None:
    expect = "{verdict: escalate, asks: [supervisor]}"
    assert one(tmp_path, "facts: {paid: 9000}", expect, "approvals: []")[0]


HEAD = "cases:\n  - name: n\n    agent: refund-desk\n    action: refund.create\n    expect: {verdict: allow}\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "    facts: {payd: 1}\n", 6, "no fact 'payd'"),
        (HEAD + "    used: {per-week: 1}\n", 6, "no limit 'per-week'"),
        (HEAD + "    now: yesterday\n", 2, "not a moment"),
        (HEAD + "    confidence: 0.12345\n", 2, "more than four decimals"),
        (HEAD + "    halts: ['galaxy:x']\n", 6, "halts.0"),
        (HEAD + "    fakts: {}\n", 6, "unknown key 'fakts'"),
        (HEAD.replace("refund-desk", "nobody"), 3, "no such agent"),
        (HEAD.replace("{verdict: allow}", "{}"), 5, "verdict"),
        ("cases: []\n", 1, "cases"),
        ("cases: [\n", 2, "not YAML"),
        ("", 1, "empty file"),
    ],
)
def test_a_case_that_says_something_else_than_it_means_is_a_finding(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    report = run(tmp_path, text)
    assert not report.passed
    assert any(finding.line == line and words in finding.what for finding in report.findings), report.findings


def test_no_cases_at_all_is_no_success() -> None:
    manifest = load_manifest("refund-desk.yaml", SCAFFOLD["agents/refund-desk.yaml"])
    rules = Rules.load({"refunds.cedar": SCAFFOLD["policies/refunds.cedar"]}, [manifest])
    assert run_cases([], rules, [manifest]).passed is False
    missing = run_cases([Path("nowhere.cases.yaml")], rules, [manifest])
    assert [finding.what for finding in missing.findings] == ["cannot be read: No such file or directory"]
