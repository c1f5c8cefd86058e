"""The track record: folded bit by bit, at once, or by the plain way, it is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.evidence.plain_track import plain_tracks
from tests.evidence.written_ledger import AGENT, NAME, VERSION, Written, moment, terms

from remit.evidence.case_label import CaseRecord, CaseTerms
from remit.evidence.fold import forget
from remit.evidence.track import TrackBook
from remit.evidence.track_record import track_record
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.ledger.views import VIEWS
from remit.stats.label import LabelledCase, MaturityClock, Word, label_case
from remit.store.engine import Store

KINDS = ["", "big"]
CASES = [f"c{number}" for number in range(7)]
SPEAKERS = ["source:erp", "source:bank", "person:ada", "person:bo"]


def emptied(store: Store) -> Store:
    """The same store as if it were new."""
    with store.transaction() as transaction:
        for name in ("event", "setting", "track", "case_record", *VIEWS):
            transaction.execute(f"delete from {name}")
        transaction.execute("update head set size = 0, epoch = 0")
    return store


@contextmanager
def journal_of(store: Store) -> Iterator[Journal]:
    journal = Journal(store)
    try:
        yield journal
    finally:
        journal.close()


def book_of(store: Store, given: CaseTerms) -> TrackBook:
    def terms_of(agent: str, version: str, action: str) -> CaseTerms | None:
        return given if (agent, version, action) == (AGENT, VERSION, NAME) else None

    return TrackBook(store, terms_of)


STEPS = st.one_of(
    st.tuples(st.just("decide"), st.sampled_from(CASES), st.sampled_from([None, 3000, 8000, 9500]),
              st.sampled_from(KINDS), st.integers(0, 9999), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("again"), st.integers(0, 30)),
    st.tuples(st.just("end"), st.integers(0, 30), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 30), st.sampled_from(["ada", "bo"]), st.booleans()),
    st.tuples(st.just("expire"), st.integers(0, 30)),
    st.tuples(st.just("review"), st.integers(0, 30), st.sampled_from(["ada", "bo"]),
              st.sampled_from([True, False, None])),
    st.tuples(st.just("outcome"), st.integers(0, 30), st.sampled_from(SPEAKERS), st.sampled_from([True, False, None])),
    st.tuples(st.just("plant"), st.sampled_from(CASES)),
    st.tuples(st.just("stage"), st.sampled_from(KINDS),
              st.sampled_from([
                  ("supervised", "promoted", None, 0), ("sampled", "promoted", 8000, 5000),
                  ("autonomous", "promoted", 8000, 100), ("shadow", "demoted", None, 0),
                  ("supervised", "suspended", None, 0),
              ])),
    st.tuples(st.just("wait"), st.integers(1, 30)),
)  # fmt: skip


def play(written: Written, steps: list[tuple[Any, ...]]) -> Iterator[int]:
    """Write the steps, yielding the time after each."""
    now, attempts, done, known = 1_000, dict[str, int](), set[str](), set[str]()
    for step in steps:
        what, *how = step
        actions = list(written.cases)
        chosen = actions[how[0] % len(actions)] if actions and isinstance(how[0], int) else ""
        if what == "wait":
            now += how[0]
        elif what == "plant":
            written.plant(how[0])
        elif what == "stage":
            stage, cause, threshold, review = how[1]
            written.stage(stage, cause, how[0], threshold_bp=threshold, review_bp=review)
        elif what == "decide":
            case, confidence, kind, draw, number, also = how
            before, cases = len(written.events), dict(written.cases)
            digest = written.decide(case, now, confidence, kind, draw, number, also)
            if digest in known:  # the same proposal is one action
                del written.events[before:]
            if digest in known or also:  # and what is denied for another reason is no case
                written.cases = cases
            known.add(digest)
        elif chosen and what == "again":
            attempts[chosen] = attempts.get(chosen, 1) + 1
            written.again(chosen, now, attempts[chosen])
        elif chosen and what == "end" and chosen not in done:
            done.add(chosen)
            written.end(chosen, how[1])
        elif chosen and what in ("answer", "review", "outcome"):
            getattr(written, what)(chosen, *how[1:])
        elif chosen and what == "expire":
            written.expire(chosen)
        yield now


def kept(store: Store) -> tuple[list[Any], list[Any]]:
    rows = store.read("select id, track, case_id, seq, matures, deadline, state, data from case_record order by id")
    return rows, [(key, orjson.loads(text)) for key, text in store.read("select key, data from track order by key")]


def summed(book: TrackBook) -> dict[str, dict[str, Any]]:
    return {
        track.class_: {
            "cases": track.cases, "by_stage": track.by_stage, "counts": track.counts, "corrected": track.corrected,
            "contradicted": track.contradicted, "stage": track.stage, "threshold_bp": track.threshold_bp,
            "tallies": {
                "learn": [track.learn.trials, track.learn.errors, track.learn.missing],
                "alone": [track.alone.trials, track.alone.errors, track.alone.missing],
            },
        }
        for track in book.tracks.values()
    }  # fmt: skip


@given(steps=st.lists(STEPS, max_size=60), seed=st.integers(0, 2**32), everyone=st.booleans(), wait=st.integers(0, 80))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bit_by_bit_at_once_and_plainly_it_is_the_same(
    store: Store, steps: list[tuple[Any, ...]], seed: int, everyone: bool, wait: int
) -> None:
    emptied(store)
    given, written, now, random = terms(everyone=everyone), Written(), 1_000, Random(seed)
    with journal_of(store) as journal:
        books = [book_of(store, given) for _ in range(2)]  # as of two processes
        for time in play(written, steps):
            now, which = time, random.randrange(2)
            if random.random() < 0.5:
                written.flush(journal)
                books[which].look(moment(now))
            if random.random() < 0.3:
                books[which].save()
            if random.random() < 0.1:
                books[which] = book_of(store, given)
        written.flush(journal)
    book = books[0]
    now += wait
    book.look(moment(now))
    book.save()
    bit_by_bit, summed_up = kept(store), summed(book)
    forget(store)
    once = book_of(store, given)
    once.look(moment(now))
    once.save()
    assert kept(store) == bit_by_bit
    with store.snapshot() as reader:
        events = [(recorded.seq, recorded.event) for recorded in all_events(reader)]
    assert summed_up == plain_tracks(events, now, given)


@given(
    words=st.lists(st.tuples(st.sampled_from(["person:ada", "person:bo", "person:cy"]), st.booleans()), max_size=6),
    matures=st.integers(0, 20), more=st.integers(0, 20), age=st.integers(0, 60),
)  # fmt: skip
def test_of_one_action_and_no_source_of_record_it_says_what_the_rules_of_labels_say(
    words: list[tuple[str, bool]], matures: int, more: int, age: int
) -> None:
    record = CaseRecord("i", "t", "c", 1, 100, 100 + matures + more)
    record.actions["a"] = (100, {})
    record.finish("a", matures, matures + more)
    for speaker, right in words:
        record.say("a", speaker, right)
    said = tuple(Word(speaker, right, 100) for speaker, right in words)
    label = label_case(LabelledCase("c", 100, said), 100 + age, MaturityClock(matures, matures + more))
    assert record.fate(100 + age) == label.fate
    assert (record.corrected, record.contradicted) == (label.corrected, label.contradicted)


def test_a_source_of_record_outweighs_people_and_the_worse_of_two_counts(store: Store) -> None:
    written = Written()
    cases = {
        "people right, source wrong": [("person:ada", True), ("source:erp", False)],
        "people wrong, source right": [("person:ada", False), ("source:erp", True)],
        "sources differ": [("source:erp", True), ("source:bank", False)],
        "people differ": [("person:ada", True), ("person:bo", False)],
        "source corrected": [("source:erp", False), ("source:erp", True)],
    }
    for case, words in cases.items():
        action = written.decide(case, 1_000)
        for speaker, right in words:
            written.outcome(action, speaker, right)
    first, second = written.decide("two actions", 1_000), written.decide("two actions", 1_001, number=1)
    written.outcome(first, "source:erp", False)
    written.outcome(second, "source:erp", True)
    with journal_of(store) as journal:
        written.flush(journal)
    book = book_of(store, terms())
    book.look(moment(1_020))
    book.save()
    states: dict[str, str] = dict(store.read("select case_id, state from case_record"))
    assert states == {
        "people right, source wrong": "wrong", "people wrong, source right": "right", "sources differ": "wrong",
        "people differ": "wrong", "source corrected": "right", "two actions": "wrong",
    }  # fmt: skip


def test_the_first_that_is_not_settled_holds_up_those_behind_it(store: Store) -> None:
    written = Written()
    actions = [written.decide(f"c{number}", 1_000 + number) for number in range(5)]
    for action in actions[1:]:
        written.outcome(action, "source:erp", True)
    book = book_of(store, terms())
    with journal_of(store) as journal:
        written.flush(journal)
        book.look(moment(1_030))
        (track,) = book.tracks.values()
        assert track.learn.trials == 0, "the quick ones must not be counted ahead of the one that is awaited"
        book.look(moment(1_050))
        assert (track.learn.trials, track.learn.errors, track.learn.missing) == (5, 1, 1)
        written.outcome(actions[0], "source:erp", True)  # late, but said
        written.outcome(actions[3], "source:erp", False)  # and a correction
        written.flush(journal)
        book.look(moment(1_051))
        assert (track.learn.trials, track.learn.errors, track.learn.missing, track.corrected) == (5, 1, 0, 1)


def test_probes_are_nobodys_record(store: Store) -> None:
    written = Written()
    written.plant("before")
    for case in ("before", "after"):
        written.outcome(written.decide(case, 1_000), "person:ada", False)
    with journal_of(store) as journal:
        written.flush(journal)
        book = book_of(store, terms())
        book.look(moment(1_100))
        (track,) = book.tracks.values()
        assert track.learn.errors == 1
        written.plant("after")
        written.flush(journal)
        book.look(moment(1_101))
        assert (track.learn.trials, track.counts["probe"]) == (0, 2)


def test_two_processes_take_over_from_each_other(store: Store) -> None:
    written, given = Written(), terms()
    with journal_of(store) as journal:
        one, other = book_of(store, given), book_of(store, given)
        for number in range(6):
            written.outcome(written.decide(f"c{number}", 1_000 + number), "source:erp", number != 3)
            written.flush(journal)
            book = (one, other)[number % 2]
            book.look(moment(1_020 + number))
            if number % 3:
                book.save()
        one.look(moment(1_100))
        other.look(moment(1_100))
        other.save()
        one.save()
    assert summed(one) == summed(other) == summed(book_of(store, given))
    assert next(iter(summed(one).values()))["tallies"]["learn"] == [6, 1, 0]


def test_an_older_copy_put_back_is_folded_from_the_first_event(store: Store) -> None:
    written = Written()
    book = book_of(store, terms())
    with journal_of(store) as journal:
        for number in range(4):
            written.outcome(written.decide(f"c{number}", 1_000), "source:erp", False)
        written.flush(journal)
        book.look(moment(1_100))
        book.save()
    with store.transaction() as transaction:
        transaction.execute("delete from event where seq >= 2")
        transaction.execute("update head set size = 2")
    book.look(moment(1_100))
    book.save()
    assert store.read("select case_id, state from case_record") == [("c0", "wrong")]


def test_the_record_says_what_is_missing(store: Store) -> None:
    written = Written()
    for number in range(10):
        written.outcome(written.decide(f"c{number}", 1_000), "source:erp", True)
    with journal_of(store) as journal:
        written.flush(journal)
        (record,) = track_record(book_of(store, terms()), moment(1_020))
        assert (record.stage, record.trials, record.errors, record.lower) == ("shadow", 10, 0, 0.0)
        assert record.bound == 0.3 and 0.2 < record.upper < 0.5 and record.labels_missing in (0, 1, 2)
        written.stage("supervised")
        written.flush(journal)
        (record,) = track_record(book_of(store, terms()), moment(1_020))
        assert record.labels_missing == 115, "100 labels and the 25 cases that give candidates, less those 10"
        written.stage("sampled", threshold_bp=8000, review_bp=5000)
        for number in range(10):
            written.decide(f"d{number}", 1_030, draw=number * 1000)
        written.flush(journal)
        (record,) = track_record(book_of(store, terms()), moment(1_031))
        assert (record.share_bp, record.review_share_bp, record.waiting, record.bound) == (10_000, 5_000, 10, 0.05)
        assert record.labels_missing is not None and record.labels_missing > 50


@pytest.mark.parametrize("class_count", [3])
def test_a_watch_holds_all_classes_and_says_which(store: Store, class_count: int) -> None:
    written = Written()
    for kind in range(class_count):
        written.stage("autonomous", kind=str(kind), threshold_bp=8000, review_bp=10_000)
    number = 0
    for turn in range(60):
        for kind in range(class_count):
            number += 1
            action = written.decide(f"c{number}", 1_000 + turn * 20, kind=str(kind))
            written.end(action, True)
            written.outcome(action, "source:erp", kind != 1 or turn < 20)
    with journal_of(store) as journal:
        written.flush(journal)
        book = book_of(store, terms())
        book.look(moment(3_000))
    (watch,) = book.watches.values()
    first = watch.alarms[0]
    assert (first.kind, first.signal, first.about) in {("demote", "class", "1"), ("demote", "outcomes", "")}
    assert {alarm.about for alarm in watch.alarms} <= {"", "1"}
    assert any(alarm.about == "1" for alarm in watch.alarms)


def test_windows_begin_where_they_must(store: Store) -> None:
    """What was learned is forgotten after a suspension; what passed alone counts on from sampled to autonomous."""
    written = Written()
    with journal_of(store) as journal:
        book = book_of(store, terms())

        def five(prefix: str, at: int) -> tuple[int, int]:
            for number in range(5):
                written.outcome(written.decide(f"{prefix}{number}", at), "source:erp", True)
            for action in list(written.cases)[-5:]:
                written.end(action, True)
            written.flush(journal)
            book.look(moment(at + 20))
            (track,) = book.tracks.values()
            return track.learn.trials, track.alone.trials

        assert five("a", 1_000) == (5, 0)
        written.stage("sampled", threshold_bp=8_000, review_bp=10_000)
        assert five("b", 1_100) == (5, 5)
        written.stage("autonomous", threshold_bp=8_000, review_bp=10_000)
        assert five("c", 1_200) == (5, 10)
        written.stage("autonomous", threshold_bp=7_000, review_bp=10_000)
        assert five("d", 1_300) == (5, 5)
        written.stage("supervised", "suspended")
        assert five("e", 1_400) == (5, 0)


def test_a_deed_after_the_deadline_does_not_move_the_deadline(store: Store) -> None:
    written = Written()
    written.stage("supervised")
    late, soon = written.decide("late", 1_000), written.decide("soon", 1_000)
    for action, at in ((late, 1_051), (soon, 1_049)):
        written.again(action, at, 2)
        written.end(action, True)
    with journal_of(store) as journal:
        written.flush(journal)
    book = book_of(store, terms())
    book.look(moment(1_098))
    book.save()
    assert store.read("select case_id, matures, deadline, state from case_record order by case_id") == [
        ("late", 1_061, 1_050, "missing"), ("soon", 1_059, 1_099, "open"),
    ]  # fmt: skip


def test_what_was_counted_and_is_not_settled_any_more_is_taken_back(store: Store) -> None:
    written = Written()
    written.stage("supervised")
    action = written.decide("c", 1_000)
    book = book_of(store, terms())
    with journal_of(store) as journal:
        written.flush(journal)
        book.look(moment(1_050))
        (track,) = book.tracks.values()
        assert track.learn.missing == 1
        written.again(action, 1_050, 2)  # it was done after all, in the last second
        written.end(action, True)
        written.flush(journal)
        book.look(moment(1_051))
        (track,) = book.tracks.values()
        assert track.learn.trials == 0
        book.look(moment(1_100))
        assert track.learn.missing == 1


def test_an_outcome_reaches_the_watch_once(store: Store) -> None:
    written = Written()
    written.stage("autonomous", threshold_bp=8_000, review_bp=10_000)
    action = written.decide("c", 1_000)
    written.end(action, True)
    written.outcome(action, "source:erp", True)
    written.decide("later", 1_100)
    with journal_of(store) as journal:
        written.flush(journal)
        book = book_of(store, terms())
        book.look(moment(1_100))
        (watch,) = book.watches.values()
        before = watch.data()
        assert watch.heap == [] and before["watch"]["decisions"] == 2
        written.outcome(action, "source:erp", False)
        written.flush(journal)
        book.look(moment(1_100))
    assert watch.data() == before


def test_what_an_older_fold_wrote_is_built_again(store: Store) -> None:
    """Its watch has other bets, which nobody could go on from."""
    written = Written()
    written.stage("autonomous", threshold_bp=8_000, review_bp=10_000)
    action = written.decide("c", 1_000)
    written.end(action, True)
    written.outcome(action, "source:erp", True)
    with journal_of(store) as journal:
        written.flush(journal)
    book = book_of(store, terms())
    book.look(moment(1_100))
    book.save()
    (watch,), (track,) = book.watches.values(), book.tracks.values()
    ((key, text),) = store.read("select key, data from track where key like 'watch:%'")
    ((kept,),) = store.read("select value from setting where name = 'fold/track'")
    old = orjson.loads(text)
    old["watch"]["detectors"] = [row + row[-3:] for row in old["watch"]["detectors"]]
    with store.transaction() as transaction:
        transaction.upsert_many("track", "key", "key,data", [(key, orjson.dumps(old).decode())])
        before = orjson.dumps(orjson.loads(kept) | {"version": 1}).decode()
        transaction.upsert_many("setting", "name", "name,value", [("fold/track", before)])
    again = book_of(store, terms())
    assert again.tracks == {} and again.reached == 0
    again.look(moment(1_100))
    again.save()
    assert [one.data() for one in again.watches.values()] == [watch.data()]
    assert [one.data() for one in again.tracks.values()] == [track.data()]
    assert store.read("select key from track where key = ?", (key,)) == [(key,)]
