"""From shadow to autonomous by evidence and signatures, and down again by evidence alone, on the real path."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.lifecycle.climb import Climb
from tests.run.conftest import Open

from remit.app import Control
from remit.errors import NotAllowed
from remit.ledger.audit import rebuild_views, view_rows


def test_an_agent_climbs_to_autonomy_and_outsiders_find_the_same_numbers(control: Control, tmp_path: Path) -> None:
    climb = Climb(control)
    climb.to("autonomous")
    assert [data["to"] for data in climb.data("certificate.issued")] == ["supervised", "sampled", "autonomous"]
    stages = [(data["before"], data["stage"], data["cause"]) for data in climb.data("stage.changed")]
    assert stages == [
        ("shadow", "supervised", "promoted"),
        ("supervised", "sampled", "promoted"),
        ("sampled", "autonomous", "promoted"),
    ]
    alone = control.propose("refund-desk", "refund.create", "z", {"order": "Z", "amount_minor": 5}, "0.95")
    assert alone.progress == "finished"
    assert not control.replay_decisions().different
    kept = view_rows(control.store)
    rebuild_views(control.store)
    assert view_rows(control.store) == kept
    assert control.verify().problems == ()
    control.export(tmp_path / "export")
    for certificate in control.autonomy.certificates("refund-desk"):
        command = [sys.executable, "-I", "-S", "verify.py", ".", "--certificate", certificate.digest]
        done = subprocess.run(command, cwd=tmp_path / "export", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "holds"), done.stdout + done.stderr
        assert "the same to 1e-9" in done.stdout
        assert certificate.lines()[0].endswith(certificate.digest)


def test_who_built_the_agent_may_not_sign(folder: Path, opened: Open) -> None:
    manifest = folder / "agents" / "refund-desk.yaml"
    manifest.write_text(manifest.read_text().replace("built_by: []", "built_by: [ben.deputy]"))
    climb = Climb(opened())
    climb.cases(8)
    climb.wait(1)
    with pytest.raises(NotAllowed, match="built agent refund-desk"):
        climb.sign("ben.deputy")
    with pytest.raises(NotAllowed):
        climb.sign("cleo.finance")
    assert climb.track.stage == "shadow"
    climb.rise("supervised")


def test_a_promotion_that_came_too_late_is_refused_in_words(control: Control) -> None:
    climb = Climb(control)
    climb.cases(8)
    climb.wait(1)
    action = climb.proposal()
    for case in range(1, 6):
        climb.say(control.journey(f"c-{case}").action, f"c-{case}", False)
    control.approve(action, "ada.owner", "owner")
    control.work()
    journey = control.journey(action)
    assert journey.progress == "failed" and journey.effect is not None
    assert "evidence no longer holds" in journey.effect.problem
    assert climb.track.stage == "shadow"


def test_bad_outcomes_lower_it_and_what_was_asked_goes_on(control: Control) -> None:
    climb = Climb(control)
    climb.to("sampled")
    waiting = control.propose("refund-desk", "refund.create", "w", {"order": "W", "amount_minor": 1}, "0.10")
    assert waiting.progress == "waiting"
    climb.cases(40, wrong=40)
    control.set_now(control.now() + timedelta(days=9))  # the case that waits is overdue by then, and no longer holds up
    control.autonomy.look()
    last = climb.data("stage.changed")[-1]
    assert (last["stage"], last["cause"]) == ("shadow", "demoted")
    assert climb.track.stage == "shadow"
    after = control.propose("refund-desk", "refund.create", "x", {"order": "X", "amount_minor": 1}, "0.99")
    assert after.progress == "denied"
    assert not control.replay_decisions().different


def test_another_manifest_is_another_version_and_starts_again(folder: Path, opened: Open) -> None:
    climb = Climb(opened())
    climb.to("supervised")
    climb.control.close()
    manifest = folder / "agents" / "refund-desk.yaml"
    manifest.write_text(manifest.read_text().replace("model: none-yet", "model: another"))
    control = opened("again")
    control.work()
    assert [one.stage for one in control.autonomy.track_record()] == ["shadow"]
    journey = control.propose("refund-desk", "refund.create", "v", {"order": "V", "amount_minor": 1}, "0.99")
    assert journey.progress == "denied"
    voided = [one for one in control.autonomy.track_record() if one.cause == "voided"]
    assert len(voided) == 1 and len(control.autonomy.track_record()) == 2


def test_where_no_policy_permits_promotions_the_owner_is_told(folder: Path, opened: Open) -> None:
    policies = folder / "policies" / "refunds.cedar"
    policies.write_text(policies.read_text().replace("stage.promote", "refund.create"))
    told: list[str] = []
    control = opened()
    control._report = told.append
    control.autonomy._report = told.append
    climb = Climb(control)
    climb.cases(8)
    climb.wait(1)
    for _ in range(400):
        if any("a policy must permit stage.promote" in line for line in told):
            break
        control.pulse  # noqa: B018  the proposal is on its way
        time.sleep(0.025)
    assert any("a policy must permit stage.promote" in line for line in told), told
    assert climb.track.stage == "shadow"
