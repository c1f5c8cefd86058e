"""A short story on the governed path: earned by evidence and a signature, found again, void with a new agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.inquiries import stream
from examples.inquiries.classifier import AGENT
from examples.inquiries.demo import TEMPLATE, Summary, main, play_story
from examples.inquiries.desk import CLERKS, OWNER
from examples.inquiries.stream import Phase

from remit.app import Control, check_company, open_company, run_policy_cases

PHASES = (Phase("as usual", 700), Phase("second agent", 100, moved="transfers", fitted="second"))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Summary, Path]]:
    """The short story, and where it was played."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPDESK_URL", "sqlite://")
        patch.setattr(stream, "PER_INTENT", 25)
        home = tmp_path_factory.mktemp("inquiries") / "run"
        yield play_story(home, PHASES, lambda _: None, lambda _: None), home


@pytest.fixture(scope="module")
def control(told: tuple[Summary, Path]) -> Iterator[Control]:
    """The company it left behind."""
    with open_company(told[1] / "company") as found:
        yield found


def events(control: Control, kind: str) -> list[Any]:
    return [one.event for one in reversed(control.log(100_000, kind=kind))]


def test_it_holds_and_every_certificate_is_found_again(told: tuple[Summary, Path]) -> None:
    summary, home = told
    assert summary.cases == 800
    assert summary.holds and summary.problems == []
    assert summary.certificates >= 1 and summary.certificates_wrong == []
    assert (home / "inquiries.html").read_text().startswith("<!doctype html>")


def test_each_case_is_decided_once_and_nothing_was_routed_without_a_person(control: Control) -> None:
    decided = [one.data for one in events(control, "action.decided") if one.data["attempt"] == 1]
    routed = [one for one in decided if one["action"]["name"] == "inquiry.route"]
    assert len({one["action"]["case"] for one in routed}) == len(routed) == 800
    assert {one["decision"]["verdict"] for one in routed} == {"deny", "escalate"}
    approved = {one.action for one in events(control, "approval.answered") if one.data["verdict"] == "approve"}
    assert {one.action for one in events(control, "action.finished")} <= approved


def test_a_group_rises_only_by_a_certificate_that_the_owner_signed(control: Control) -> None:
    rises = [one for one in events(control, "stage.changed") if one.data["cause"] == "promoted"]
    assert rises
    issued = {one.data["digest"] for one in events(control, "certificate.issued")}
    signed = {one.action for one in events(control, "approval.answered") if one.data["person"] == OWNER}
    for rise in rises:
        assert rise.data["certificate"] in issued
        assert (rise.data["before"], rise.data["stage"]) == ("shadow", "supervised")
    # One that was signed when the second agent was in use already comes too late, and nothing is done.
    assert sum(control.journey(action).progress == "finished" for action in signed) == len(rises)
    assert {one.data["person"] for one in events(control, "approval.answered")} <= {OWNER, *CLERKS}


def test_the_second_agent_begins_in_shadow(control: Control, told: tuple[Summary, Path]) -> None:
    version = control.law.manifest(AGENT).version
    tracks = control.autonomy.track_record()
    assert {one.stage for one in tracks if one.version == version} == {"shadow"}
    assert {one.stage for one in tracks if one.version != version} == {"shadow"}
    risen = {one.data["class"] for one in events(control, "stage.changed") if one.data["cause"] == "promoted"}
    voided = {one.data["class"] for one in events(control, "stage.changed") if one.data["cause"] == "voided"}
    assert voided == risen
    assert set(told[0].stands.values()) == {"shadow"}


def test_it_is_not_told_over_another(told: tuple[Summary, Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(told[1].rglob("*.html"))
    assert main(["--dir", str(told[1]), "--quick"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert sorted(told[1].rglob("*.html")) == before


def test_the_company_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELPDESK_URL", f"sqlite:///{tmp_path / 'helpdesk.db'}")
    report = check_company(TEMPLATE)
    assert report.holds, report.findings
    assert run_policy_cases(TEMPLATE).passed
