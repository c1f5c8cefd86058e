"""What the warden records: ways down at once and once only, ways up as certificates for the owner to sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.evidence.written_ledger import AGENT, Written, moment
from tests.lifecycle.warded import Warded, autonomy

from remit.canonical import from_moment
from remit.errors import Refused
from remit.lifecycle.promotion import find_certificate
from remit.lifecycle.stage import next_step
from remit.stats.rate import trials_needed
from remit.store.engine import Store
from remit.vocabulary import Event, Json

Ground = Callable[..., Warded]


@pytest.fixture
def ground(store: Store) -> Iterator[Ground]:
    """Makes wardens over the store under test; all are closed at the end."""
    made: list[Warded] = []

    def make(**terms: Any) -> Warded:
        made.append(Warded(store, autonomy(**terms)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def days(written: Written, count: int, wrong: Callable[[int], bool], at: int, kind: str = "", **more: Any) -> None:
    """Cases that are done and labelled by the source of record, one a second."""
    for number in range(count):
        action = written.decide(f"{kind}{at}-{number}", at + number, kind=kind, **more)
        written.end(action, True)
        written.outcome(action, "source:erp", not wrong(number))


def autonomous(stage: str = "autonomous", **more: Any) -> Written:
    written = Written()
    written.stage(stage, threshold_bp=8_000, review_bp=10_000, certificate="c" * 64, **more)
    return written


def test_the_whole_way_up_needs_a_signature_at_each_step(ground: Ground) -> None:
    one = ground(plan=(100,), promise_bp=1_000)
    written = Written()
    days(written, 140, lambda number: number == 3, 1_000)
    written.flush(one.journal)
    one.now = 1_100
    assert one.look() == [("certificate", "", "supervised", "mixture")]
    assert one.look() == [] and one.track().stage == "shadow" and len(one.proposed) == 1
    assert one.proposed[0].arguments["to"] == "supervised" and one.proposed[0].agent == AGENT
    assert one.promotion.lookup("key-1") is None
    one.promotion.perform(one.proposed[0].arguments, "key-1")
    assert one.promotion.lookup("key-1") == {
        "stage": "supervised",
        "certificate": one.proposed[0].arguments["certificate"],
    }
    one.now = 1_200
    assert one.look() == [
        ("threshold", "", 9_000, "learn-then-test"),
        ("certificate", "", "sampled", "learn-then-test"),
    ]
    one.promotion.perform(one.proposed[1].arguments, "key-2")
    written.earned[""] = {
        "stage": "sampled", "threshold_bp": 9_000, "review_bp": 5_000, "certificate": "", "expires_at": None,
    }  # fmt: skip
    days(written, 120, lambda number: False, 2_000, draw=100)
    written.flush(one.journal)
    one.now = 2_200
    assert one.look() == [("certificate", "", "autonomous", "mixture")]
    one.promotion.perform(one.proposed[2].arguments, "key-3")
    one.book.catch_up()
    assert (one.track().stage, one.track().review_bp) == ("autonomous", 2_000)
    with pytest.raises(Refused, match="void: it was for sampled"):
        one.promotion.perform(one.proposed[2].arguments, "key-4")


def test_what_changed_since_the_certificate_refuses_the_promotion(ground: Ground) -> None:
    one = ground()
    written = Written()
    days(written, 30, lambda number: False, 1_000)
    written.flush(one.journal)
    one.now = 1_100
    assert one.look() == [("certificate", "", "supervised", "mixture")]
    arguments = dict(one.proposed[0].arguments)
    with pytest.raises(Refused, match="no certificate"):
        one.promotion.perform({**arguments, "certificate": "0" * 64}, "k")
    with pytest.raises(Refused, match="is for to 'supervised', got 'autonomous'"):
        one.promotion.perform({**arguments, "to": "autonomous"}, "k")
    for action in list(written.cases)[:12]:  # labels are corrected: it was not that good after all
        written.outcome(action, "source:erp", False)
    written.flush(one.journal)
    with pytest.raises(Refused, match="evidence no longer holds"):
        one.promotion.perform(arguments, "k")
    one.remits.version = "v2"
    with pytest.raises(Refused, match="void: it is for version v1"):
        one.promotion.perform(arguments, "k")
    one.book.catch_up()
    assert one.track().stage == "shadow"


@pytest.mark.parametrize(
    ("stage", "every", "to"), [("autonomous", 6, "sampled"), ("sampled", 6, "supervised"), ("autonomous", 2, "shadow")]
)
def test_bad_outcomes_lower_it_at_once(ground: Ground, stage: str, every: int, to: str) -> None:
    one = ground()
    written = autonomous(stage)
    days(written, 150, lambda number: number % every == 0, 1_000)
    written.flush(one.journal)
    one.now = 1_200
    events = one.look()
    assert events[-1] == ("stage", "", to, "demoted"), events
    assert one.track().threshold_bp is None and one.track().certificate == ""
    assert "demoted" in one.told[0]
    assert one.look() == []


def test_changed_confidences_suspend_all_classes_at_once(ground: Ground) -> None:
    one = ground()
    written = Written()
    for kind in ("", "b"):
        written.stage("sampled", kind=kind, threshold_bp=8_000, review_bp=10_000, certificate="c" * 64)
    for number in range(400):
        confidence = 9_000 + number % 50 if number < 300 else 8_100
        action = written.decide(f"c{number}", 1_000 + number, confidence, ("", "b")[number % 2])
        written.end(action, True)
        written.outcome(action, "source:erp", True)
    written.flush(one.journal)
    one.now = 1_450
    assert one.look() == [
        ("alarm", "", "confidence", "suspend"),
        ("stage", "", "supervised", "suspended"),
        ("stage", "b", "supervised", "suspended"),
    ]
    assert one.look() == [] and one.track().learn.trials == 0, "what was learned is the past"


def test_an_end_date_ends_it(ground: Ground) -> None:
    one = ground()
    written = autonomous(expires_at=from_moment(moment(1_500)))
    days(written, 5, lambda number: False, 1_000)
    written.flush(one.journal)
    one.now = 1_499
    assert one.look() == []
    one.now = 1_500
    assert one.look() == [("stage", "", "supervised", "expired")]


def test_another_version_voids_and_the_same_cases_bring_it_back(ground: Ground) -> None:
    one = ground(sure_bp=9_000)
    written = autonomous("sampled")
    days(written, 240, lambda number: number in (7, 67), 1_000)
    written.flush(one.journal)
    one.now = 1_300
    one.look()
    one.remits.version = "v2"
    assert one.look()[-1] == ("stage", "", "shadow", "voided")
    newer = Written("v2")
    for number in range(240):
        newer.outcome(newer.decide(f"1000-{number}", 2_000 + number), "source:erp", number not in (7, 67))
    newer.flush(one.journal)
    one.now = 2_300
    assert ("certificate", "", "sampled", "paired") in one.look()
    one.promotion.perform(one.proposed[-1].arguments, "key")
    one.book.catch_up()
    assert (one.track(version="v2").stage, one.track(version="v2").threshold_bp) == ("sampled", 8_000)
    assert one.track(version="v2").cause == "returned"
    assert one.track().stage == "shadow"
    one.remits.version = "v1"  # back again: it is compared with what was certified since, not with itself
    assert [short[-1] for short in one.look() if short[0] == "certificate"] == ["paired"]
    certificate = find_certificate(one.journal, one.track().proposed)
    assert certificate is not None and certificate.body["proof"]["other"] == "v2"


def test_a_worse_version_does_not_come_back(ground: Ground) -> None:
    one = ground(sure_bp=9_000)
    written = autonomous("sampled")
    days(written, 240, lambda number: False, 1_000)
    written.flush(one.journal)
    one.now = 1_300
    one.look()
    one.remits.version = "v2"
    newer = Written("v2")
    for number in range(240):
        newer.outcome(newer.decide(f"1000-{number}", 2_000 + number), "source:erp", number % 12 != 0)
    newer.flush(one.journal)
    one.now = 2_300
    assert all("paired" not in short for short in one.look())


def test_what_was_lost_is_not_given_back_to_the_next_version(ground: Ground) -> None:
    """It did as well on the same cases; but what those were worth is what the alarm had called into question."""
    one = ground(sure_bp=9_000)
    written = autonomous("sampled")
    days(written, 240, lambda number: False, 1_000)
    written.stage("supervised", threshold_bp=None, cause="suspended")
    written.flush(one.journal)
    one.now = 1_300
    one.look()
    one.remits.version = "v2"
    newer = Written("v2")
    for number in range(240):
        newer.outcome(newer.decide(f"1000-{number}", 2_000 + number), "source:erp", True)
    newer.flush(one.journal)
    one.now = 2_300
    assert all("paired" not in short for short in one.look())


def test_of_many_classes_those_that_deserve_it_rise_together(ground: Ground) -> None:
    one = ground()
    written = Written()
    for number, kind in enumerate("abcdefgh"):
        days(written, 14, lambda place, bad=number >= 6: bad and place % 3 == 0, 1_000 + 100 * number, kind)  # type: ignore[misc]
    written.flush(one.journal)
    one.now = 3_000
    risen = {class_ for what, class_, *_ in one.look() if what == "certificate"}
    assert risen == set("abcdef")
    assert all(one.track(kind).proposed for kind in risen) and len(one.proposed) == 6


def test_one_lucky_class_among_many_hopeless_ones_does_not_rise(ground: Ground) -> None:
    one = ground()
    enough = trials_needed(0, 0.3, 0.05)
    written = Written()
    days(written, enough, lambda place: False, 1_000, "a")
    written.flush(one.journal)
    one.now = 1_900
    one.book.look(moment(one.now))
    assert next_step(one.track("a"), moment(one.now)) is not None, "alone it would"
    for kind in "bcdefghij":
        days(written, 3, lambda place: True, 1_100, kind)
    written.flush(one.journal)
    assert one.look() == []


def test_several_processes_do_it_once(ground: Ground, store: Store) -> None:
    wardens = [ground() for _ in range(4)]
    written = autonomous()
    days(written, 150, lambda number: number % 2 == 0, 1_000)
    shadows = Written()
    days(shadows, 40, lambda number: False, 1_000, "fine")
    written.flush(wardens[0].journal)
    shadows.flush(wardens[0].journal)
    for one in wardens:
        one.now = 1_300
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(one.look) for one in wardens]:
            future.result()
    counts: dict[str, int] = dict(store.read("select kind, count(*) from event where actor = 'remit' group by kind"))
    assert counts["certificate.issued"] == 1 and counts["stage.changed"] == 2, counts  # the first is the test's own
    digests = {one.proposed[0].arguments["certificate"] for one in wardens if one.proposed}
    assert len(digests) == 1


def test_an_unsigned_certificate_is_issued_anew_after_a_month(ground: Ground) -> None:
    one = ground()
    written = Written()
    days(written, 30, lambda number: False, 1_000)
    written.flush(one.journal)
    one.now = 1_100
    assert len(one.look()) == 1
    one.now += 29 * 86_400
    assert one.look() == []
    one.now += 86_400
    assert one.look() == [("certificate", "", "supervised", "mixture")]
    with pytest.raises(Refused, match="was issued since"):
        one.promotion.perform(one.proposed[0].arguments, "k")
    one.promotion.perform(one.proposed[1].arguments, "k")


def test_a_certificate_that_was_refused_when_it_was_signed_is_issued_anew(ground: Ground) -> None:
    one = ground()
    written = Written()
    days(written, 30, lambda number: False, 1_000)
    written.flush(one.journal)
    one.now = 1_100
    assert len(one.look()) == 1
    proposed = one.proposed[0]
    for action in list(written.cases)[:12]:
        written.outcome(action, "source:erp", False)
    written.flush(one.journal)
    assert one.look() == []  # it waits for its signature, and then is refused
    with pytest.raises(Refused, match="evidence no longer holds"):
        one.promotion.perform(proposed.arguments, "k")
    problem: dict[str, Json] = {"problem": "evidence no longer holds"}
    one.journal.append_now(Event("action.failed", "remit", problem, proposed.case, "a" * 64, "ended"))
    assert one.look() == []  # there is nothing to sign either
    days(written, 400, lambda number: False, 1_200)
    written.flush(one.journal)
    one.now = 1_700
    assert one.look()[-1] == ("certificate", "", "supervised", "mixture")
    one.promotion.perform(one.proposed[1].arguments, "k")


def test_between_plans_the_threshold_in_force_moves_only_on_evidence(ground: Ground) -> None:
    one = ground(plan=(100, 100_000), promise_bp=1_000, sure_bp=9_000)
    written = Written()
    for number in range(140):
        action = written.decide(f"a{number}", 1_000 + number, 5_000 + number % 40 * 100)
        written.outcome(action, "source:erp", number % 40 > 30 or number % 7 > 0)
    written.flush(one.journal)
    written.stage("autonomous", threshold_bp=8_200, review_bp=5_000, certificate="c" * 64)
    for number in range(900):
        stated = 5_000 + number % 40 * 100
        action = written.decide(f"b{number}", 1_300 + number, stated, draw=number * 37 % 10_000)
        written.end(action, True)
        written.outcome(action, "source:erp", True)
    written.flush(one.journal)
    one.now = 2_500
    moved = [short for short in one.look() if short[0] == "threshold"]
    assert moved and moved[0][3] == "online" and moved[0][2] < 8_200
    assert one.track().alone.trials == 0, "cases that passed at another threshold are no evidence for this one"


def test_a_certificate_that_ended_is_no_longer_signed(ground: Ground) -> None:
    one = ground(expires_seconds=100)
    written = autonomous("sampled")
    days(written, 120, lambda number: False, 1_000)
    written.flush(one.journal)
    one.now = 1_200
    assert one.look() == [("certificate", "", "autonomous", "mixture")]
    one.now = 1_300
    with pytest.raises(Refused, match="ended at"):
        one.promotion.perform(one.proposed[0].arguments, "k")
    one.now = 1_299
    one.promotion.perform(one.proposed[0].arguments, "k")


def test_an_alarm_that_nobody_looked_at_yet_refuses_the_promotion(ground: Ground) -> None:
    one = ground()
    written = autonomous("sampled")
    for number in range(420):
        action = written.decide(f"c{number}", 1_000 + number, 9_000 + number * 37 % 50 if number < 300 else 8_100)
        written.end(action, True)
        written.outcome(action, "source:erp", True)
        if number == 299:
            written.flush(one.journal)
            one.now = 1_400
            assert one.look() == [("certificate", "", "autonomous", "mixture")]
    written.flush(one.journal)
    one.now = 1_500
    with pytest.raises(Refused, match="void: stated confidence does not come"):
        one.promotion.perform(one.proposed[0].arguments, "k")
