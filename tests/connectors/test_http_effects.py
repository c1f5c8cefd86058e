"""An effect over HTTP: done once, or certainly not, or known not to be known. The server's record is the judge."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.turned_time import TurnedTime

from remit.connectors.connector import Done
from remit.connectors.systems import load_system, open_connector
from remit.errors import CannotTell, Refused, RemitError, Unreachable

ARGUMENTS = {"order": "A-100", "carrier": "Nordic Lines", "contact": "bo@example.org"}

KEYED = """
system: carrier
kind: http
url: ${URL}
pace: {timeout: 1s, tries: 3}
does:
  book:
    post: /bookings
    key_header: Idempotency-Key
    cost: cost_minor
    lookup: {get: /bookings, query: {key: $key}, items: bookings}
"""
PLAIN = KEYED.replace("    key_header: Idempotency-Key\n", "")


class BookingServer:
    """Books once per key and plays tricks: each trick is what becomes of one request, in turn."""

    def __init__(self, *tricks: str | Reply):
        self.tricks = list(tricks)
        self.done: dict[str, Mapping[str, Any]] = {}
        self.repeats = 0
        self.server = ScriptedServer(self.answer)

    def answer(self, seen: Seen) -> Reply:
        if seen.method == "GET":
            key = seen.one("key") or ""
            return as_json({"bookings": [self.done[key]] if key in self.done else []})
        trick = self.tricks.pop(0) if self.tricks else "book"
        if isinstance(trick, Reply):
            return trick
        key = seen.headers.get("idempotency-key", f"none-{len(self.done)}")
        if trick.startswith("book"):
            self.repeats += key in self.done
            self.done.setdefault(key, {"id": f"B{len(self.done)}", "cost_minor": 1250, "key": key})
        booked = as_json(self.done.get(key, {}), 201)
        return {
            "book": booked,
            "book, then 503": Reply(503),
            "book, then drop": Reply(drop=True),
            "book, then cut": Reply(201, booked.body, cut_after=5),
            "book, then hang": Reply(201, booked.body, wait=self.server.held),
            "book, then a web page": Reply(200, b"<html>Thank you</html>", content_type="text/html"),
            "book, then 2 MiB": Reply(200, b"[" + b"1," * 2**20 + b"1]"),
            "book, then NaN": Reply(200, b'{"cost_minor": NaN}'),
            "drop": Reply(drop=True),
        }[trick]


def perform(booking: BookingServer, text: str, key: str = "key-1", time: TurnedTime | None = None) -> Done:
    async def go() -> Done:
        connector = open_connector(
            load_system("carrier.yaml", text), {"URL": booking.server.url}, (time or TurnedTime()).timing
        )
        try:
            return await connector.perform("book", ARGUMENTS, key)
        finally:
            await connector.close()

    with booking.server:
        return asyncio.run(go())


def test_done_with_result_and_cost() -> None:
    booking = BookingServer()
    done = perform(booking, KEYED)
    assert done == Done({"id": "B0", "cost_minor": 1250, "key": "key-1"}, 1250)
    seen = booking.server.seen[0]
    assert (seen.method, seen.path, seen.json) == ("POST", "/bookings", ARGUMENTS)
    assert seen.headers["idempotency-key"] == "key-1"


@pytest.mark.parametrize(
    "trick",
    [
        "book, then 503",
        "book, then drop",
        "book, then cut",
        "book, then hang",
        "drop",
        Reply(500),
        Reply(408),
    ],
)
def test_the_same_key_is_sent_again_and_done_once(trick: str | Reply) -> None:
    booking = BookingServer(trick)
    assert perform(booking, KEYED).result["id"] == "B0"
    assert len(booking.done) == 1
    assert {seen.headers["idempotency-key"] for seen in booking.server.seen} == {"key-1"}
    assert len(booking.server.seen) == 2


@pytest.mark.parametrize(
    "trick",
    [
        "book, then 503",
        "book, then drop",
        "book, then cut",
        "book, then hang",
        "drop",
        Reply(500),
        Reply(408),
    ],
)
def test_without_a_key_header_an_unclear_attempt_is_never_repeated(trick: str | Reply) -> None:
    booking = BookingServer(trick)
    with pytest.raises(CannotTell):
        perform(booking, PLAIN)
    assert len(booking.server.seen) == 1


@pytest.mark.parametrize("text", [KEYED, PLAIN])
@pytest.mark.parametrize("trick", ["book, then a web page", "book, then 2 MiB", "book, then NaN"])
def test_an_answer_that_makes_no_sense_is_unclear(text: str, trick: str) -> None:
    booking = BookingServer(trick)
    with pytest.raises(CannotTell):
        perform(booking, text)
    assert len(booking.server.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 202, 203, 206, 207])
def test_a_status_that_may_mean_done_is_unclear(status: int) -> None:
    booking = BookingServer(Reply(status, b"{}", {"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(CannotTell):
        perform(booking, KEYED)
    assert len(booking.server.seen) == 1


@pytest.mark.parametrize("status", [307, 308, 400, 401, 403, 404, 405, 410, 415, 422])
def test_a_refusal_is_certain(status: int) -> None:
    booking = BookingServer(Reply(status, b'{"detail": "no"}', {"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(Refused, match=str(status)):
        perform(booking, KEYED)
    assert (len(booking.server.seen), booking.done) == (1, {})


def test_a_refusal_after_an_unclear_attempt_is_not_certain() -> None:
    booking = BookingServer("book, then drop", Reply(422, b'{"detail": "already booked"}'))
    with pytest.raises(CannotTell):
        perform(booking, KEYED)
    assert len(booking.done) == 1


def test_409_waits_for_the_attempt_in_progress_then_cannot_tell() -> None:
    booking = BookingServer(Reply(409), "book")
    assert perform(booking, KEYED).cost_minor == 1250
    booking = BookingServer(Reply(409), Reply(409), Reply(409))
    with pytest.raises(CannotTell):
        perform(booking, KEYED)
    booking = BookingServer(Reply(409))
    with pytest.raises(Refused):
        perform(booking, PLAIN)


@pytest.mark.parametrize("text", [KEYED, PLAIN])
@pytest.mark.parametrize("status", [429, 425])
def test_told_to_come_back_nothing_was_done_and_it_comes_back(text: str, status: int) -> None:
    time = TurnedTime()
    booking = BookingServer(Reply(status, headers={"Retry-After": "7"}), "book")
    assert perform(booking, text, time=time).result["id"] == "B0"
    assert len(time.slept) == 1
    assert 7.0 <= time.slept[0] <= 8.0
    booking = BookingServer(*[Reply(status)] * 3)
    with pytest.raises(Unreachable):
        perform(booking, text)
    assert len(booking.server.seen) == 3


def test_a_system_that_asks_for_an_hour_is_left_alone() -> None:
    time = TurnedTime()
    booking = BookingServer(Reply(429, headers={"Retry-After": "3600"}))
    with pytest.raises(Unreachable, match="3600 s"):
        perform(booking, KEYED, time=time)
    assert (time.slept, len(booking.server.seen)) == ([], 1)


def test_when_the_tries_are_used_up() -> None:
    booking = BookingServer("book, then 503", "book, then 503", "book, then 503")
    with pytest.raises(CannotTell, match="attempt 3 of 3"):
        perform(booking, KEYED)
    assert (len(booking.done), booking.repeats) == (1, 2)


@pytest.mark.parametrize("text", [KEYED, PLAIN])
def test_nobody_listens_and_nothing_was_done(text: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        time = TurnedTime()

        async def go() -> None:
            connector = open_connector(load_system("carrier.yaml", text), {"URL": url}, time.timing)
            with pytest.raises(Unreachable, match="attempt 3 of 3"):
                await connector.perform("book", ARGUMENTS, "key-1")
            await connector.close()

        asyncio.run(go())
    assert len(time.slept) == 2  # refused connections are tried again, key or not
    assert time.slept[0] < time.slept[1]


def test_202_can_be_declared_to_mean_done() -> None:
    text = KEYED + "    accepted_is_done: true\n"
    booking = BookingServer(as_json({"ticket": 1}, 202))
    assert perform(booking, text).result == {"ticket": 1}


def test_no_body_is_done_without_a_result() -> None:
    assert perform(BookingServer(Reply(204)), KEYED) == Done({}, None)
    assert perform(BookingServer(as_json([1, 2])), KEYED) == Done({"answer": [1, 2]}, None)


@pytest.mark.parametrize("cost", ["12.50", 12.5, True, -1, None])
def test_a_cost_that_is_no_whole_number_is_not_known(cost: object) -> None:
    assert perform(BookingServer(as_json({"cost_minor": cost})), KEYED).cost_minor is None


def test_what_the_system_says_is_told_without_what_it_was_sent() -> None:
    said = as_json({"detail": "bo@example.org may not book A-100\n\x1b[31m"}, 422)
    with pytest.raises(Refused) as caught:
        perform(BookingServer(said), KEYED)
    assert "$contact may not book $order" in str(caught.value)
    assert "bo@example.org" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_body_template_leaves_out_what_is_not_given() -> None:
    text = KEYED.replace("post: /bookings", "post: /orders/$order/bookings") + (
        "    body: {ref: $key, note: 'for $order', optional: $nothing, items: [{name: $carrier}]}\n"
    )
    booking = BookingServer()
    perform(booking, text)
    seen = booking.server.seen[0]
    assert seen.path == "/orders/A-100/bookings"
    assert seen.json == {"ref": "key-1", "note": "for A-100", "items": [{"name": "Nordic Lines"}]}


@pytest.mark.parametrize("key", ["a\r\nX-Evil: 1", "a\nb", "é", "a\x00b", " a", "a\x7f"])
def test_a_header_cannot_be_injected(key: str) -> None:
    booking = BookingServer()
    with pytest.raises(Refused, match="header"):
        perform(booking, KEYED, key)
    assert booking.server.seen == []


def test_a_missing_argument_is_refused_before_anything_is_sent() -> None:
    booking = BookingServer()
    with pytest.raises(Refused, match="'weight' is missing"):
        perform(booking, KEYED.replace("post: /bookings", "post: /bookings/$weight"))
    assert booking.server.seen == []


def look_up(answer: Callable[[Seen], Reply], text: str = KEYED) -> Done | None:
    async def go() -> Done | None:
        system = load_system("carrier.yaml", text)
        connector = open_connector(system, {"URL": server.url}, TurnedTime().timing)
        try:
            return await connector.lookup("book", "key-1", ARGUMENTS)
        finally:
            await connector.close()

    with ScriptedServer(answer) as server:
        return asyncio.run(go())


def test_look_up_finds_what_was_done_and_its_cost() -> None:
    found = look_up(lambda seen: as_json({"bookings": [{"id": "B7", "cost_minor": 5, "for": seen.one("key")}]}))
    assert found == Done({"id": "B7", "cost_minor": 5, "for": "key-1"}, 5)
    assert look_up(lambda seen: as_json({"bookings": []})) is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (as_json({"bookings": [{}, {}]}), CannotTell),
        (as_json({"bookings": None}), Unreachable),
        (as_json({"other": []}), Unreachable),
        (as_json({"bookings": ["text"]}), Unreachable),
        (as_json([]), Unreachable),
        (Reply(200, b"<html>", content_type="text/html"), Unreachable),
        (Reply(204), CannotTell),
        (Reply(404), CannotTell),
        (Reply(403), CannotTell),
        (Reply(302, headers={"Location": "/login"}), CannotTell),
        (Reply(500), Unreachable),
        (Reply(drop=True), Unreachable),
    ],
)
def test_look_up_never_says_not_done_unless_it_is_certain(reply: Reply, error: type[RemitError]) -> None:
    with pytest.raises(error):
        look_up(lambda seen: reply)


def test_look_up_by_path_takes_404_for_not_done() -> None:
    text = KEYED.replace("{get: /bookings, query: {key: $key}, items: bookings}", "{get: /bookings/$key}")
    assert look_up(lambda seen: Reply(404), text) is None
    found = look_up(lambda seen: as_json({"id": seen.path}), text)
    assert found is not None
    assert found.result == {"id": "/bookings/key-1"}


def test_look_up_keeps_only_the_records_that_where_wants() -> None:
    text = KEYED.replace("items: bookings}", "items: bookings, where: {key: $key}}")
    others = [{"key": "key-0", "id": 1}, {"key": "key-2", "id": 2}]
    assert look_up(lambda seen: as_json({"bookings": others}), text) is None
    found = look_up(lambda seen: as_json({"bookings": [*others, {"key": "key-1", "id": 3}]}), text)
    assert found is not None
    assert found.result["id"] == 3


def test_without_a_look_up_nothing_can_be_told() -> None:
    text = KEYED.replace("    lookup: {get: /bookings, query: {key: $key}, items: bookings}\n", "")
    with pytest.raises(CannotTell, match="no lookup"):
        look_up(lambda seen: as_json({}), text)


def test_an_unclear_attempt_stays_unclear_when_the_breaker_opens() -> None:
    """The breaker says that nothing was sent; the attempt before it may still have been done."""
    text = KEYED.replace("tries: 3", "tries: 9")
    booking = BookingServer(*["book, then drop"] * 9)
    with pytest.raises(CannotTell, match="left alone"):
        perform(booking, text)
    assert len(booking.server.seen) == 5
    assert len(booking.done) == 1
