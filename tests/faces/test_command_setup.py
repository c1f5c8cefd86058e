"""init, check, agents, policy test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faces.stage import Remit


def test_what_init_writes_passes_check_and_its_own_cases(remit: Remit, tmp_path: Path) -> None:
    fresh = str(tmp_path / "fresh")
    wrote = remit("init", fresh)
    assert wrote.code == 0
    assert (tmp_path / "fresh" / "remit.yaml").is_file()
    checked = remit("check", "--company", fresh)
    assert (checked.code, checked.out) == (0, "1 agent, 3 rules, 1 system: 0 errors, 0 warnings\n")
    tested = remit("policy", "test", "--company", fresh)
    assert (tested.code, tested.out) == (0, "5 cases: 5 passed, 0 failed\n")


def test_init_overwrites_nothing(remit: Remit, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    remit("init", str(fresh))
    (fresh / "people.yaml").write_text("mine")
    ran = remit("init", str(fresh))
    assert ran.code == 2
    assert (fresh / "people.yaml").read_text() == "mine"


def test_check_names_line_and_column(remit: Remit, company: Path) -> None:
    manifest = company / "agents" / "refund-desk.yaml"
    manifest.write_text(manifest.read_text().replace("oversight: on_the_loop", "oversigth: on_the_loop"))
    ran = remit("check")
    assert ran.code == 2
    at = next(n for n, line in enumerate(manifest.read_text().splitlines(), 1) if "oversigth" in line)
    assert f"{manifest}:{at}:5  unknown key 'oversigth'  (did you mean 'oversight'?)" in ran.out
    found = remit("check", "--json")
    assert (found.code, found.json["holds"]) == (2, False)
    assert (at, 5) in [(finding["line"], finding["column"]) for finding in found.json["findings"]]


def test_warnings_alone_do_not_fail(remit: Remit, company: Path) -> None:
    manifest = company / "agents" / "refund-desk.yaml"
    manifest.write_text(manifest.read_text().replace("deputy: ben.deputy\n", ""))
    ran = remit("check")
    assert ran.code == 0
    assert "warning: no deputy" in ran.out
    assert "0 errors, 1 warning" in ran.out


def test_a_failing_case_is_shown_and_fails(remit: Remit, company: Path) -> None:
    cases = company / "policies" / "refunds.cases.yaml"
    cases.write_text(cases.read_text().replace("expect: {verdict: allow}", "expect: {verdict: deny}", 1))
    ran = remit("policy", "test")
    assert ran.code == 2
    assert "expected  deny" in ran.out
    assert "got       allow" in ran.out
    assert "5 cases: 4 passed, 1 failed" in ran.out
    found = remit("policy", "test", "--json")
    assert (found.code, found.json["passed"]) == (2, False)
    assert [case["passed"] for case in found.json["cases"]] == [False, True, True, True, True]


def test_policy_tests_are_chosen_by_name(remit: Remit) -> None:
    assert remit("policy", "test", "refunds").code == 0
    assert remit("policy", "test", "nothing-like-it").code == 2


def test_agents_tell_who_answers(remit: Remit) -> None:
    header, row = remit("agents").out.splitlines()
    assert header.split() == ["agent", "version", "owner", "department", "actions", "purpose"]
    assert row.split()[0::2][:2] == ["refund-desk", "ada.owner"]
    (agent,) = remit("agents", "--json").json
    assert agent["actions"] == ["refund.create"]
    assert (agent["owner"], agent["deputy"], agent["department"]) == ("ada.owner", "ben.deputy", "support")
    assert row.split()[1] == agent["version"]


@pytest.mark.parametrize("verb", ["check", "agents", "status", "log", "halts", "verify", "approvals", "spend"])
def test_no_company_is_the_users_fault(remit: Remit, tmp_path: Path, verb: str) -> None:
    ran = remit(verb, "--company", str(tmp_path / "empty"))
    assert (ran.code, ran.out) == (2, "")
    assert "remit.yaml is missing" in ran.err
    assert not (tmp_path / "empty").exists()


def test_a_file_that_cannot_be_taken_stops_a_run_with_its_lines(remit: Remit, company: Path, tmp_path: Path) -> None:
    (company / "agents" / "refund-desk.yaml").write_text("agent: x\nwrong: 1\n")
    source = tmp_path / "none.jsonl"
    source.touch()
    ran = remit("run", str(source))
    assert ran.code == 0  # nothing was proposed, so nothing was opened to act
    source.write_text('{"agent":"x","action":"a","case":"c","arguments":{}}\n')
    ran = remit("run", str(source))
    assert ran.code == 2
    assert "refund-desk.yaml:2:1  unknown key 'wrong'" in ran.err
