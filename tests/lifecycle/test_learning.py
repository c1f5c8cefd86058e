"""What a threshold is learned from: candidates and labels of different cases, each with the chance it was drawn by."""

from __future__ import annotations

from random import Random

import pytest
from tests.evidence.written_ledger import terms

from remit.evidence.case_label import CaseRecord
from remit.lifecycle.learning import learn_at, learn_online, planned_count
from remit.stats.threshold import online_threshold


def case(number: int, confidence: int | None, right: bool, chance: int = 0, least: int = 0) -> CaseRecord:
    """A settled case; with a chance it came while a threshold was in force."""
    record = CaseRecord(str(number), "t", str(number), number, 1_000, 2_000)
    record.confidence_bp, record.state = confidence, "right" if right else "wrong"
    if chance:
        record.threshold_bp, record.chance_bp, record.least_bp = 8_000, chance, least
    return record


def test_labels_of_cases_that_give_candidates_teach_nothing() -> None:
    good = [case(number, 5_000 + number * 37 % 5_000, True) for number in range(150)]
    spoiled = [case(number, 5_000 + number * 37 % 5_000, number % 5 != 4) for number in range(150)]
    learned = learn_at(good, 100, terms(promise_bp=1_000))
    assert learned == learn_at(spoiled, 100, terms(promise_bp=1_000))
    assert learned.threshold_bp is not None and learned.labels == 100


def test_only_the_planned_labels_are_looked_at() -> None:
    first = [case(number, 9_000, True) for number in range(125)]
    more = [*first, *(case(number, 9_000, False) for number in range(125, 400))]
    assert learn_at(first, 100, terms(promise_bp=1_000)) == learn_at(more, 100, terms(promise_bp=1_000))
    assert learn_at(more, 300, terms(promise_bp=1_000)).threshold_bp is None


def test_drawn_cases_count_by_their_chance() -> None:
    random = Random(5)
    taught = [case(number, random.randrange(5_000, 10_000), True) for number in range(150)]
    drawn = [
        case(200 + number, 9_500, number % 40 > 0, 2_000, 2_000)
        if number % 2
        else case(200 + number, 6_000, number % 9 > 0, 10_000, 2_000)
        for number in range(400)
    ]
    given = terms(promise_bp=1_000)
    learned = learn_online([*taught, *drawn], given)
    plain = online_threshold([one.confidence_bp or 0 for one in taught[4::5]][:25], 0.1, 0.025)
    for place, one in enumerate(taught):
        if place % 5 != 4:
            plain = plain.after(one.confidence_bp or 0, False, 10_000, 10_000)
    for one in drawn:
        plain = plain.after(one.confidence_bp or 0, one.state != "right", one.chance_bp, 2_000)
    assert learned is not None and learned.threshold_bp == plain.confidence_bp
    assert learned.log_evidence == pytest.approx(plain.log_evidence()[plain.passed - 1], rel=1e-12)


@pytest.mark.parametrize(("labels", "found"), [(0, 0), (99, 0), (100, 100), (399, 100), (5_000, 400)])
def test_planned_counts(labels: int, found: int) -> None:
    assert planned_count(labels, (100, 400)) == found
