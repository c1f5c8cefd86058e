"""Rate, places, breaker and waiting, with time turned by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.turned_time import TurnedTime

from remit.connectors.pace import Breaker, LeakyBucket, Pace, PaceLimits, Timing, asked_to_wait_seconds
from remit.errors import Unreachable


@settings(max_examples=200)
@given(st.integers(1, 50), st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=120))
def test_no_second_wherever_it_begins_sees_more_than_the_rate(rate: int, gaps: list[float]) -> None:
    now = 0.0
    bucket = LeakyBucket(rate, lambda: now)
    starts = []
    for gap in gaps:
        now += gap
        wait = bucket.take(1e9)
        assert wait is not None
        starts.append(now + wait)
    assert starts == sorted(starts)
    for start in starts:
        # Half a millionth of slack for the rounding of sums.
        assert sum(start <= other < start + 1 - 5e-7 for other in starts) <= rate


@given(st.integers(1, 50), st.integers(1, 200))
def test_the_rate_is_used_up(rate: int, count: int) -> None:
    bucket = LeakyBucket(rate, lambda: 0.0)
    waits = [bucket.take(1e9) for _ in range(count)]
    assert waits[-1] == pytest.approx((count - 1) / rate)


def test_a_place_beyond_the_most_is_not_taken() -> None:
    bucket = LeakyBucket(1, lambda: 0.0)
    assert [bucket.take(2.0) for _ in range(5)] == [0.0, 1.0, 2.0, None, None]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([0.0, 1.0, 11.0])), max_size=60))
def test_the_breaker_against_a_plain_reading(calls: list[tuple[bool | None, float]]) -> None:
    """One call after the other: open after five failures in a row, for ten seconds, then one trial."""
    now = 0.0
    breaker = Breaker(lambda: now)
    failures, open_until = 0, None
    for well, gap in calls:
        now += gap
        allowed = open_until is None or now >= open_until
        how = breaker.enter()
        assert (how is not None) == allowed
        if how is None:
            continue
        breaker.leave(how, well)
        if well is True:
            failures, open_until = 0, None
        elif well is False:
            failures += 1
            if failures >= 5:
                open_until = now + 10.0


def test_one_trial_at_a_time_and_a_trial_called_off_lets_the_next_one_try() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(5):
        assert breaker.enter() == "usual"
    for _ in range(5):
        breaker.leave("usual", False)
    assert breaker.enter() is None
    now = 10.0
    assert breaker.enter() == "trial"
    breaker.leave("usual", False)  # a straggler from before does not end the trial
    now = 20.0
    assert breaker.enter() is None
    breaker.leave("trial", None)
    assert breaker.enter() == "trial"
    breaker.leave("trial", True)
    assert breaker.enter() == "usual"


def paced(limits: PaceLimits, time: TurnedTime) -> Pace:
    return Pace("crm", limits, time.timing)


def test_never_more_at_once_than_allowed_and_all_get_their_turn() -> None:
    async def go() -> tuple[int, int]:
        pace, inside, most, done = paced(PaceLimits(at_once=3), TurnedTime()), 0, 0, 0

        async def call() -> None:
            nonlocal inside, most, done
            async with pace.turn() as turn:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                done += 1
                turn.well = True

        await asyncio.gather(*(call() for _ in range(20)))
        return most, done

    assert asyncio.run(go()) == (3, 20)


def test_an_open_breaker_is_unreachable_and_a_cancelled_call_frees_its_place() -> None:
    async def go() -> None:
        time = TurnedTime()
        pace = paced(PaceLimits(at_once=1), time)

        async def hang() -> None:
            async with pace.turn():
                await asyncio.Event().wait()

        hanging = asyncio.ensure_future(hang())
        await asyncio.sleep(0)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        for _ in range(5):
            with pytest.raises(ValueError, match="broken"):
                async with pace.turn() as turn:
                    turn.well = False
                    raise ValueError("broken")
        with pytest.raises(Unreachable, match="left alone"):
            async with pace.turn():
                raise AssertionError("must not pass")
        time.seconds += 10
        async with pace.turn() as turn:
            turn.well = True
        async with pace.turn():
            pass

    asyncio.run(go())


def test_a_queue_longer_than_half_a_minute_is_refused_at_once() -> None:
    async def go() -> int:
        time = TurnedTime()
        pace = Pace(
            "crm",
            PaceLimits(per_second=1, at_once=100),
            Timing(lambda: 0.0, time.now, time.sleep, lambda: 0.5),
        )
        passed = 0
        for _ in range(40):
            try:
                async with pace.turn():
                    passed += 1
            except Unreachable:
                pass
        return passed

    assert asyncio.run(go()) == 31


def test_waits_double_with_chance_and_are_capped() -> None:
    async def go() -> list[float]:
        time = TurnedTime()
        pace = paced(PaceLimits(), time)
        for attempt in range(1, 10):
            assert await pace.pause(attempt, None)
        assert await pace.pause(1, 30.0)
        assert not await pace.pause(1, 30.5)
        return time.slept

    assert asyncio.run(go()) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 30.1])


NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Sun, 01 Mar 2026 09:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 10:01:00 +0100", 60.0),
        ("Sun, 01 Mar 2026 08:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 500, None),
        ("Sun, 99 Mar 2026 09:01:00 GMT", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert asked_to_wait_seconds(text, NOW) == seconds


@given(st.text(max_size=50))
def test_retry_after_never_breaks(text: str) -> None:
    found = asked_to_wait_seconds(text, NOW)
    assert found is None or found >= 0
