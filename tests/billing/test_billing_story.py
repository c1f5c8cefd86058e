"""The billing story, told by the systems' own records: stopped and right with the rule, wrong and traced without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples.billing.demo import STEPS, play
from examples.billing.office import INVOICES, NEW_RATES, OLD_RATES

from remit.app import open_company

ON_K7 = ["I-1002", "I-1003", "I-1004", "I-1005"]


def test_with_the_rule_it_is_stopped_refreshed_and_right(tmp_path: Path) -> None:
    run = play(tmp_path / "with", rule=True)
    assert run.right and run.holds
    assert run.overcharged_minor == 0
    assert run.stopped and run.stopped[0].startswith("I-1002 invoice.correct: amount-by-contract")
    assert run.corrected == {row[0]: row[2] * NEW_RATES[row[1]] for row in INVOICES if row[0] in [*ON_K7, "I-1007"]}


def test_without_it_the_stale_field_is_found_and_all_that_rests_on_it(tmp_path: Path) -> None:
    run = play(tmp_path / "without", rule=False)
    assert not run.right and run.holds and not run.stopped
    wrong = {row[0]: row[2] * OLD_RATES[row[1]] for row in INVOICES if row[0] in ON_K7}
    assert {name: run.corrected[name] for name in ON_K7} == wrong
    assert run.overcharged_minor == sum(row[2] * 250 for row in INVOICES if row[0] in ON_K7)
    assert (run.stale_record, run.stale_value, run.true_value) == ("contracts.contract/K-7 rate_minor", 1_200, 950)
    assert run.stale_age_hours == 48
    assert run.cases_on_it == ON_K7  # the true set: every correction under that contract, and no other
    assert len(run.rests_on_it) == len(set(run.rests_on_it)) == len(ON_K7) * len(STEPS)
    with open_company(tmp_path / "without" / "company", "look") as control:
        about = {control.journey(digest).decided["action"]["arguments"]["contract"] for digest in run.rests_on_it}
        assert about == {"K-7"}
        assert control.knowledge.check().holds


@pytest.mark.parametrize("rule", [True, False])
def test_every_context_can_be_had_again(tmp_path: Path, rule: bool) -> None:
    play(tmp_path / "run", rule=rule)
    with open_company(tmp_path / "run" / "company", "look") as control:
        replayed = list(control.knowledge.replay_all())
        assert len(replayed) >= 15
        assert {one.state for one in replayed} == {"same"}
