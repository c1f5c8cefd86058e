"""What the freight agent would have earned: by the rules, no earlier than outcomes were known, and not everything."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from examples.freight.autonomy import PROMISE_BP, Judged, autonomy_lines, earn, would_have_earned
from examples.freight.story import Shipment

START = date(2012, 1, 1)


def orders(count: int, wrong: float, seed: int, known_after_days: int = 10) -> list[Judged]:
    """Orders, five a day, wrong with a chance that falls with the stated confidence; ``wrong`` on average."""
    random, found = Random(seed), []
    for number in range(count):
        booked = START + timedelta(days=number // 5)
        sure = random.randrange(10_000)
        beyond = random.random() < 2 * wrong * (1 - sure / 10_000)
        found.append(Judged(f"o-{number}", booked, "Air", sure, beyond, booked + timedelta(days=known_after_days)))
    return found


def test_an_agent_that_is_seldom_wrong_earns_and_keeps_its_promise() -> None:
    found = earn("in time", orders(4_000, 0.06, 1))
    assert found.stage == "autonomous"
    assert found.alone > 1_000
    assert found.alone_wrong / found.alone < PROMISE_BP / 10_000
    assert found.lower < 0.06 < found.upper


@pytest.mark.parametrize("seed", range(5))
def test_an_agent_whose_confidence_says_nothing_earns_nothing(seed: int) -> None:
    random = Random(seed)
    told = [
        Judged(one.id, one.booked_on, "Air", random.randrange(10_000), random.random() < 0.2, one.known_on)
        for one in orders(2_000, 0.2, seed)
    ]
    found = earn("in time", told)
    assert (found.alone, found.threshold_bp) == (0, None)
    assert found.stage in ("shadow", "supervised")


def test_nothing_is_earned_before_outcomes_are_known() -> None:
    found = earn("in time", orders(1_000, 0.0, 2, known_after_days=10_000))
    assert found.alone == 0


def test_one_that_turns_bad_is_lowered() -> None:
    good, bad = orders(3_000, 0.02, 3), orders(3_000, 0.02, 4)
    later = [
        Judged(f"b-{one.id}", one.booked_on + timedelta(days=700), "Air", one.sure_bp, number % 2 == 0,
               one.known_on + timedelta(days=700))
        for number, one in enumerate(bad)
    ]  # fmt: skip
    found = earn("in time", good + later)
    assert found.fell
    assert found.threshold_bp is None  # so every case is asked about again
    assert found.alone < len(good) + 200


def test_the_real_history_earns_a_share_of_being_in_time_and_nothing_of_cost(shipments: tuple[Shipment, ...]) -> None:
    found = would_have_earned(shipments)
    whole = {one.promise: one for one in found if not one.class_}
    late, cost = whole["in time"], whole["cost within 50 %"]
    assert 0.12 < late.wrong / late.cases < 0.18
    assert 2_000 < late.share_bp < 4_500
    assert late.stage == ("supervised" if late.fell else "autonomous")
    assert all("stated confidence" in text for text in late.fell)  # it drifted; its outcomes never broke the promise
    assert late.alone_wrong / late.alone < PROMISE_BP / 10_000
    assert {one.alone for one in found if one.promise == "cost within 50 %"} == {0}
    assert cost.surest_wrong_bp > 1_900
    lines = autonomy_lines(found)
    assert len(lines) == 1 + len(found) + sum(len(one.fell) for one in found)
