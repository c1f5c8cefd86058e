"""outcome, review, tax, certificate and the stages in status, as a person types them; and the same over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.faces.stage import Ran
from tests.lifecycle.climb import Climb
from tests.lifecycle.conftest import folder as earning_folder
from tests.lifecycle.conftest import plain_folder
from tests.run.conftest import make_shop

from remit.app import Control, open_company
from remit.faces.api import build_api
from remit.faces.cli import main
from remit.testing.stand_ins import StandInConnector

__all__ = ["earning_folder", "plain_folder"]


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'state' / 'store.db'}"


@pytest.fixture
def folder(earning_folder: Path) -> Path:
    """A company whose refund desk earns, is reviewed blind, and takes ten minutes by hand."""
    manifest = earning_folder / "agents" / "refund-desk.yaml"
    text = manifest.read_text()
    assert "maintenance: 0.1}" in text
    manifest.write_text(text.replace("maintenance: 0.1}", "maintenance: 0.1, blind: true, minutes: {manual: 10}}"))
    return earning_folder


@pytest.fixture
def climb(folder: Path) -> Iterator[Climb]:
    shop: StandInConnector = make_shop()
    with open_company(folder, "test", connectors={"shop": shop}) as control:
        yield Climb(control)


@pytest.fixture
def remit(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("REMIT_COMPANY", str(folder))
    monkeypatch.setenv("REMIT_PERSON", "ada.owner")

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def waits(control: Control, *cases: str) -> None:
    """Put questions about ``cases`` before people."""
    for case in cases:
        arguments = {"order": case, "amount_minor": 5}
        assert control.propose("refund-desk", "refund.create", case, arguments, "0.95").progress == "waiting"


def test_check_tells_when_no_policy_grants_what_is_earned(folder: Path, remit: Any) -> None:
    def told() -> str:
        ran = remit("check")
        assert ran.code == 0, ran
        return str(ran.out + ran.err)

    words = "stage.promote: no policy permits it"
    assert words not in told()
    policies = folder / "policies" / "refunds.cedar"
    text = policies.read_text()
    for instead in (
        text.replace("stage.promote", "refund.create"),
        text.replace(
            '"stage.promote", resource == Remit::System::"remit"', '"stage.promote", resource == Remit::System::"shop"'
        ),
    ):
        assert instead != text
        policies.write_text(instead)
        assert words in told()
        assert 'permit (principal, action == Remit::Action::"stage.promote"' in told()


def test_one_outcome_is_said_once(climb: Climb, remit: Any) -> None:
    climb.cases(1)
    said = ("outcome", "c-1", "--wrong", "--by", "person:ben.deputy", "--value", "lost_minor=5", "--value", "why=late")
    assert remit(*said).out.endswith("  wrong\n")
    assert remit(*said).out.endswith("wrong, as known already\n") or remit(*said, "--json").json["recorded"] is False
    found = remit("log", "--kind", "outcome.recorded", "--json").json
    assert found[0]["data"]["value"] == {"lost_minor": 5, "why": "late"}
    for wrong, words in (
        (("outcome", "c-1", "--right"), "who says so"),
        (("outcome", "c-1", "--right", "--wrong", "--by", "x"), "say one of"),
        (("outcome", "c-1", "--by", "x"), "say one of"),
        (("outcome",), "which case?"),
        (("outcome", "c-9", "--right", "--by", "x"), "no action or case"),
        (("outcome", "c-1", "--right", "--by", "x", "--value", "=5"), "expected NAME=VALUE"),
    ):
        ran = remit(*wrong)
        assert (ran.code, ran.out) == (2, "")
        assert words in ran.err


CSV = """case,right,by,matured,lost
c-1,right,source:crm,,
c-2,maybe,source:crm,,
c-3,wrong,source:crm,2030-01-01T00:00:00Z,12
c-77,right,source:crm,,
c-3,wrong,source:crm,2030-01-01T00:00:00Z,12
c-2,right,source:crm,yesterday,
c-2,right
"""


def test_a_file_of_outcomes_is_counted_and_a_bad_row_stops_no_other(climb: Climb, remit: Any, tmp_path: Path) -> None:
    climb.cases(3)
    file = tmp_path / "outcomes.csv"
    file.write_text(CSV)
    ran = remit("outcome", "--file", str(file))
    assert (ran.code, ran.out) == (2, "recorded 2, known already 1, unknown cases 1, impossible 3\n")
    for place in (3, 5, 7, 8):
        assert f"outcomes.csv:{place}: " in ran.err
    said = remit("log", "--kind", "outcome.recorded", "--case", "c-3", "--json").json[0]["data"]
    assert (said["right"], said["said_by"], said["value"]) == (False, "source:crm", {"lost": "12"})
    lines = tmp_path / "outcomes.jsonl"
    action = climb.control.journey("c-2").action
    rows = [{"action": action, "right": None, "value": {"n": 1}}, {"case": "c-1", "right": "yes"}, {"right": True}, 5]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    found = remit("outcome", "--file", str(lines), "--by", "source:crm", "--json").json
    assert {name: found[name] for name in ("recorded", "known", "unknown", "impossible")} == {
        "recorded": 1, "known": 0, "unknown": 0, "impossible": 4,
    }  # fmt: skip
    assert [one["at"] for one in found["told"]] == [f"outcomes.jsonl:{number}" for number in (2, 3, 4, 5)]
    headless = tmp_path / "headless.csv"
    headless.write_text("a,b\n1,2\n")
    assert "expected right, and case or action" in remit("outcome", "--file", str(headless)).err


def test_a_long_file_loses_nothing(climb: Climb, remit: Any, tmp_path: Path) -> None:
    climb.cases(70)
    file = tmp_path / "outcomes.csv"
    rows = [f"c-{1 + number % 70},{'right' if number < 70 else 'wrong'},source:crm" for number in range(140)]
    file.write_text("\n".join(["case,right,by", *rows]))
    assert remit("outcome", "--file", str(file), "--json").json["recorded"] == 140
    found = remit("log", "--kind", "outcome.recorded", "--limit", "10000", "--json").json
    last = {one["case"]: one["data"]["right"] for one in reversed(found) if one["data"]["said_by"] == "source:crm"}
    assert set(last.values()) == {False}, "of one speaker the later row counts"


def test_the_queue_from_first_look_to_the_last_word(climb: Climb, remit: Any) -> None:
    climb.to("supervised")
    assert remit("review").out == "nothing waits for your review\n"
    waits(climb.control, "q-1", "q-2")
    assert [line.split()[1] for line in remit("review").out.splitlines()[1:3]] == ["asked", "asked"]
    shown = remit("review", "show", "q-1")
    assert "fact paid = 40000" in shown.out
    assert "amount_minor" not in shown.out
    assert "0.95" not in shown.out
    assert "your own answer first" in remit("review", "right", "q-1").err
    seen = remit("review", "own", "q-1", "amount_minor=9").out
    assert "your answer: amount_minor = 9" in seen
    assert "the agent says: amount_minor = 5, confidence 0.95" in seen
    assert remit("review", "right", "q-1", "--seconds", "90").out.endswith("right, 90 s\n")
    assert remit("review", "wrong", "q-2", "--own", "amount_minor=9", "--seconds", "-1").code == 2
    assert "wrong needs a reason" in remit("review", "wrong", "q-2", "--own", "amount_minor=9", "--why", " ").err
    ran = remit("review", "wrong", "q-2", "--why", "too little", "--seconds", "30")
    assert ran.code == 0
    assert [one["data"]["seconds"] for one in remit("log", "--kind", "approval.answered", "--json").json[:2]] == [
        30,
        90,
    ]
    assert remit("review", "--json").json == []
    assert "0 probes planted" in remit("review", "quality").out
    assert remit("review", "quality", "--json").json["reviewers"][1]["person"] == "ada.owner"


def test_the_week_and_the_certificate_are_pages_that_stand_alone(climb: Climb, remit: Any, tmp_path: Path) -> None:
    assert "no certificate was issued" in remit("certificate", "refund-desk", "refund.create").err
    climb.cases(16)
    climb.control.propose(
        "refund-desk", "refund.create", "<script>x</script>", {"order": "x", "amount_minor": 1}, "0.9"
    )
    climb.say(climb.control.journey("<script>x</script>").action, "<script>x</script>", False)
    climb.wait(1)
    week, page = tmp_path / "week.html", tmp_path / "certificate.html"
    ran = remit("review", "--weekly", "--page", str(week))
    assert "wrong" in ran.out
    flagged = remit("review", "--weekly", "--json").json
    assert [(one["case"], one["flags"]) for one in flagged] == [("<script>x</script>", ["wrong"])]
    ran = remit("certificate", "refund-desk", "refund.create", "--page", str(page))
    assert "promise      what passes without a person is wrong less often than 20 %" in ran.out
    assert "in force     no" in ran.out
    found = remit("certificate", "refund-desk", "refund.create", "--json").json
    assert found["digest"] in page.read_text()
    assert found["in_force"] is False
    climb.rise("supervised")
    assert remit("certificate", "refund-desk", "refund.create", "--json").json["in_force"] is True
    for written in (week, page):
        text = written.read_text()
        assert "<script" not in text
        assert "default-src 'none'" in text.replace("&#x27;", "'")
        assert "http" not in text.replace("http-equiv", "")
    assert "&lt;script&gt;" in week.read_text()


def test_status_and_tax_say_where_each_action_stands(climb: Climb, remit: Any) -> None:
    climb.cases(2)
    climb.wait(1)
    assert "shadow" in remit("status").out
    assert "missing" in remit("status").out
    (track,) = remit("status", "--json").json["tracks"]
    assert (track["stage"], track["cases"], track["class"]) == ("shadow", 2, "")
    climb.cases(6)
    climb.wait(1)
    climb.rise("supervised")
    waits(climb.control, "q-1", "q-2")
    for case in ("q-1", "q-2"):
        assert remit("review", "right", case, "--own", "amount_minor=5", "--seconds", "300").code == 0
    (paid,) = remit("tax", "--json").json
    assert (paid["cases"], paid["handled"], paid["reviews"], paid["review_seconds"]) == (10, 2, 2, 600)
    assert paid["tax"]["net_productivity_bp"] == 11_111, "8 by hand, 2 in half the time"
    header, row = remit("tax").out.splitlines()
    assert header.split()[:3] == ["agent", "action", "cases"]
    assert "x1.11" in row


def test_the_same_over_http(climb: Climb) -> None:
    climb.to("supervised")
    waits(climb.control, "q-1")
    api = build_api(climb.control)
    token = (climb.control.company.state / "api.token").read_text().strip()
    with TestClient(api, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {token}"}) as http:
        (case,) = http.get("/v1/reviews", params={"person": "ada.owner"}).json()
        assert (case["case"], case["answer"]) == ("q-1", None)
        assert http.get("/v1/reviews/next", params={"person": "cleo.finance"}).json() is None
        place = f"/v1/reviews/{case['action']}"
        refused = http.post(f"{place}/answer", json={"person": "ada.owner", "right": True})
        assert (refused.status_code, refused.json()["error"]) == (422, "BadInput")
        seen = http.post(f"{place}/own", json={"person": "ada.owner", "own": {"amount_minor": 5}}).json()
        assert seen["answer"]["arguments"] == {"amount_minor": 5}
        said = http.post(f"{place}/answer", json={"person": "ada.owner", "right": True, "seconds": 30})
        assert said.json() == {"action": case["action"], "case": "q-1", "right": True}
        assert http.get("/v1/tax").json()[0]["review_seconds"] == 30
    assert climb.control.journey("q-1").progress == "approved"
