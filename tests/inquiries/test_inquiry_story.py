"""The short story whole, on the governed path: earned, suspended, earned again, returned by a paired test, demoted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from examples.inquiries.classifier import AGENT
from examples.inquiries.demo import FULL, QUICK, TEMPLATE, Story, main, play_story
from examples.inquiries.desk import CLERKS, OWNER
from examples.inquiries.play import ACTION
from examples.inquiries.stream import groups
from examples.inquiries.telling import PROMISE, Summary, summary_lines

from remit.app import Control, check_company, open_company, run_policy_cases
from remit.errors import BadInput
from remit.evidence.track_state import RESET_CAUSES
from remit.ledger.query import all_events
from remit.manifest.load import load_manifest
from remit.vocabulary import Event

STAGES = ("shadow", "supervised", "sampled", "autonomous")
CASES = {phase.name: phase.cases for phase in QUICK.phases}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Summary, Path]]:
    """The short story, and where it was played."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPDESK_URL", "sqlite://")
        # The company's secret for draws, made anew in each run, is the same in each run of the test.
        patch.setattr("remit.run.draw.secrets", SimpleNamespace(token_bytes=lambda count: bytes(range(count))))
        home = tmp_path_factory.mktemp("inquiries") / "run"
        yield play_story(home, QUICK, lambda _: None, lambda _: None), home


@pytest.fixture(scope="module")
def control(told: tuple[Summary, Path]) -> Iterator[Control]:
    """The company it left behind."""
    with open_company(told[1] / "company") as found:
        yield found


@pytest.fixture(scope="module")
def ledger(control: Control) -> tuple[Event, ...]:
    """Every event, oldest first."""
    with control.store.snapshot() as reader:
        return tuple(one.event for one in all_events(reader))


def kinds(ledger: tuple[Event, ...], kind: str) -> list[Any]:
    return [one for one in ledger if one.kind == kind]


def changes(ledger: tuple[Event, ...]) -> list[Any]:
    """What changed of stages, without the beginnings."""
    return [one.data for one in kinds(ledger, "stage.changed") if one.data["cause"] != "began"]


def test_it_holds_and_every_certificate_is_found_again(told: tuple[Summary, Path]) -> None:
    summary, home = told
    assert summary.cases == sum(CASES.values()) == 6_800
    assert summary.holds and summary.problems == []
    assert summary.certificates >= 4 and summary.certificates_wrong == []
    assert (home / "inquiries.html").read_text().startswith("<!doctype html>")


def test_each_case_is_decided_once_by_each_version_that_met_it(ledger: tuple[Event, ...]) -> None:
    decided = [one.data for one in kinds(ledger, "action.decided") if one.data["attempt"] == 1]
    routed = [(one["action"]["version"], one["action"]["case"]) for one in decided if one["action"]["name"] == ACTION]
    assert len(set(routed)) == len(routed) == sum(CASES.values())
    assert len({version for version, _ in routed}) == 2
    assert len({case for _, case in routed}) == sum(CASES.values()) - CASES["second, tried"]


def test_a_group_rises_only_by_a_certificate_that_the_owner_signed(ledger: tuple[Event, ...], control: Control) -> None:
    rises = [one for one in changes(ledger) if one["cause"] in ("promoted", "returned")]
    issued = {one.data["digest"] for one in kinds(ledger, "certificate.issued")}
    answers = kinds(ledger, "approval.answered")
    signed = [one.action for one in answers if one.data["person"] == OWNER and one.data["verdict"] == "approve"]
    assert {one["certificate"] for one in rises} <= issued
    assert sum(control.journey(action).progress == "finished" for action in signed) == len(rises)
    assert {one.data["person"] for one in answers} == {OWNER, *CLERKS}


def test_it_rises_falls_rises_again_comes_back_and_falls(ledger: tuple[Event, ...]) -> None:
    """The arc, as the ledger has it: how high it gets again depends on draws, the order of things does not."""
    versions = list(dict.fromkeys(one["version"] for one in changes(ledger)))
    assert len(versions) == 2
    first, second = ([one for one in changes(ledger) if one["version"] == version] for version in versions)
    causes = [one["cause"] for one in first]
    fall = causes.index("suspended")
    before, after = first[:fall], first[fall + 1 :]
    assert [one["stage"] for one in before][:2] == ["supervised", "sampled"]
    assert first[fall]["stage"] == "supervised"
    assert after[0]["stage"] == "sampled" and after[0]["cause"] == "promoted"
    assert causes[-1] == "voided" and set(causes[fall + 1 : -1]) == {"promoted"}
    assert "autonomous" in {one["stage"] for one in (*before, *after)}
    last = first[-1]["before"]
    assert last in ("sampled", "autonomous")
    assert (second[0]["cause"], second[0]["stage"]) == ("returned", last)
    fallen = [one["cause"] for one in second if one["cause"] in RESET_CAUSES]
    assert fallen[0] == "demoted"


def test_it_earns_again_by_fresh_cases_only(ledger: tuple[Event, ...]) -> None:
    """No certificate that came after the suspension counts what was before it."""
    changed = {one.data["cause"]: place for place, one in enumerate(ledger) if one.kind == "stage.changed"}
    fall, between = changed["suspended"], ledger[changed["suspended"] : changed["voided"]]
    issued = [one.data["body"] for one in kinds(between, "certificate.issued")]
    assert issued
    assert all(body["from_seq"] >= fall for body in issued)
    learned = [one.data for one in kinds(between, "threshold.learned") if one.data["threshold_bp"]]
    decided = len(kinds(between, "action.decided"))
    assert learned and all(one["labels"] <= decided for one in learned)


def test_what_changed_is_noticed_while_it_lasts(told: tuple[Summary, Path], ledger: tuple[Event, ...]) -> None:
    summary, _ = told
    disturbed = [name for name in ("typing errors", "out of scope") if name in summary.lowered]
    assert len(disturbed) == 1
    assert 0 < summary.lowered[disturbed[0]] <= CASES[disturbed[0]]
    assert 0 < summary.lowered["meaning moved"] <= CASES["meaning moved"]
    assert not {"as usual", "usual again", "second in use"} & set(summary.lowered)
    raised = kinds(ledger, "alarm.raised")
    assert (raised[0].data["detector"], raised[0].data["then"]) == ("confidence", "suspend")
    assert {one.data["then"] for one in raised[1:]} <= {"demote"}


def test_nothing_is_done_while_the_second_version_is_tried(told: tuple[Summary, Path], control: Control) -> None:
    tried = next(one for one in told[0].phases if one.name == "second, tried")
    assert (tried.seen, tried.alone) == (tried.cases, 0)
    version = control.law.manifest(AGENT).version
    (track,) = [one for one in control.autonomy.track_record() if one.version == version]
    assert dict(track.by_stage)["shadow"] >= CASES["second, tried"]


def test_the_summary_counts_against_the_truth_and_says_what_was_broken(told: tuple[Summary, Path]) -> None:
    summary, _ = told
    assert [(one.name, one.cases) for one in summary.phases] == list(CASES.items())
    assert summary.alone == sum(one.alone for one in summary.points) > 0
    assert summary.alone_wrong == sum(one.alone_wrong for one in summary.points)
    moved = summary.phases[-1]
    assert moved.alone_wrong > PROMISE * moved.alone > 0  # until it was noticed
    line = next(line for line in summary_lines(summary) if line.startswith(moved.name))
    assert "MORE THAN PROMISED" in line


def test_it_is_not_told_over_another(told: tuple[Summary, Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(told[1].rglob("*.html"))
    assert main(["--dir", str(told[1]), "--quick"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert sorted(told[1].rglob("*.html")) == before
    with pytest.raises(BadInput):
        play_story(told[1], QUICK, lambda _: None, lambda _: None)


def test_the_company_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELPDESK_URL", f"sqlite:///{tmp_path / 'helpdesk.db'}")
    report = check_company(TEMPLATE)
    assert report.holds, report.findings
    assert run_policy_cases(TEMPLATE).passed


def test_the_promise_that_is_told_is_the_manifest_s() -> None:
    text = (TEMPLATE / "agents" / f"{AGENT}.yaml").read_text(encoding="utf-8")
    terms = load_manifest(f"{AGENT}.yaml", text).actions[ACTION].autonomy
    assert terms is not None and terms.promise_bp == PROMISE * 10_000


@pytest.mark.parametrize("story", [FULL, QUICK])
def test_both_stories_go_the_same_way(story: Story) -> None:
    assert [phase.name for phase in story.phases] == list(CASES)
    assert set(story.groups) <= set(groups().values())
    again = next(place for place, phase in enumerate(story.phases) if phase.again)
    assert story.phases[again].cases <= story.phases[again - 1].cases
    assert all(phase.cases % 100 == 0 for phase in story.phases)
