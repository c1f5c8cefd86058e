"""Facts and lists over HTTP from servers that are slow, broken, limited, or hostile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.turned_time import TurnedTime

from remit.connectors.connector import Connector, Reading
from remit.connectors.systems import load_system, open_connector
from remit.errors import Refused, Unreachable
from remit.vocabulary import Json

SYSTEM = """
system: carrier
kind: http
url: ${URL}/v1
pace: {timeout: 1s, tries: 3}
reads:
  rate: {get: /rates, query: {country: $country}, value: rate.usd_minor, observed: as_of, record: id}
  one: {get: /things, query: {country: $country}, items: data.items, value: v, observed: at, record: id}
  part: {get: /orders/$order/parts/$part, value: v}
  whole: {get: /whole}
  search: {post: /search, body: {country: $country}, value: hits.0.v}
"""


def call(script: Callable[[Seen], Reply], what: Callable[[Connector], Any], text: str = SYSTEM) -> Any:
    """Run ``what`` against a server; returns its result and what the server saw."""
    time = TurnedTime()

    async def go() -> Any:
        connector = open_connector(load_system("carrier.yaml", text), {"URL": server.url}, time.timing)
        try:
            return await what(connector)
        finally:
            await connector.close()

    with ScriptedServer(script) as server:
        return asyncio.run(go()), server.seen


def read(script: Callable[[Seen], Reply], name: str = "rate", **parameters: Json) -> Reading:
    given_ = parameters or {"country": "PT"}
    reading, _ = call(script, lambda connector: connector.read(name, given_))
    assert isinstance(reading, Reading)
    return reading


def in_turn(*replies: Reply) -> Callable[[Seen], Reply]:
    left = list(replies)
    return lambda seen: left.pop(0) if len(left) > 1 else left[0]


GOOD = as_json({"rate": {"usd_minor": 1250}, "as_of": "2026-02-28T10:00:00+01:00", "id": 7})


def test_a_fact_with_its_record_and_moment() -> None:
    assert read(lambda seen: GOOD) == Reading(1250, "7", datetime(2026, 2, 28, 9, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    "bad",
    [
        Reply(500),
        Reply(503, headers={"Retry-After": "Sun, 01 Mar 2026 09:00:05 GMT"}),
        Reply(429, headers={"Retry-After": "1"}),
        Reply(408),
        Reply(drop=True),
        Reply(200, GOOD.body, cut_after=9),
    ],
)
def test_what_passes_is_asked_again(bad: Reply) -> None:
    assert read(in_turn(bad, GOOD)).value == 1250
    with pytest.raises(Unreachable, match="attempt 3 of 3"):
        read(in_turn(bad))


def test_an_answer_that_does_not_come() -> None:
    hold = threading.Event()
    with pytest.raises(Unreachable, match="no whole answer within 1 s"):
        call(
            lambda seen: Reply(200, GOOD.body, wait=hold),
            lambda connector: connector.read("rate", {"country": "PT"}),
            SYSTEM.replace("tries: 3", "tries: 1"),
        )
    hold.set()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>Maintenance</html>", content_type="text/html"),
        Reply(200, b"{"),
        Reply(200, b""),
        Reply(200, b'{"rate": {"usd_minor": NaN}}'),
        Reply(200, b'{"rate": {"usd_minor": Infinity}}'),
        Reply(200, b'{"rate": {"usd_minor": 1}, "rate": {"usd_minor": 2}}'),
        Reply(200, b'{"rate": {"usd_minor": "\\ud800"}}'),
        Reply(200, b'{"rate": "\xff"}'),
        Reply(200, b"[" * 100_000),
        Reply(200, b'{"a":' * 40 + b"1" + b"}" * 40),
        Reply(200, b'{"rate": "' + b"x" * 2**21 + b'"}'),
        Reply(200, GOOD.body, {"Content-Encoding": "gzip"}),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_fact(reply: Reply) -> None:
    with pytest.raises(Unreachable, match=r"carrier\.rate"):
        read(lambda seen: reply)


@pytest.mark.parametrize(
    ("answer", "value", "problem"),
    [
        ({"rate": {"usd_minor": None}}, None, "the record has no value"),
        ({"rate": {}}, None, "the answer has nothing at 'rate.usd_minor'"),
        ({"rate": [1]}, None, "the answer has nothing at 'rate.usd_minor'"),
        ({"rate": {"usd_minor": 1}}, 1, "no moment that can be read at 'as_of'"),
        ({"rate": {"usd_minor": False}, "as_of": "2026-01-01"}, False, ""),
        ({"rate": {"usd_minor": 0}, "as_of": 1_700_000_000}, 0, ""),
        ({"rate": {"usd_minor": ""}, "as_of": "2026-01-01T00:00:00"}, "", ""),
    ],
)
def test_missing_is_not_zero(answer: object, value: Json, problem: str) -> None:
    reading = read(lambda seen: as_json(answer))
    assert (reading.value, reading.problem) == (value, problem)


@pytest.mark.parametrize("status", [404, 410, 204])
def test_no_such_record_is_an_answer(status: int) -> None:
    reading = read(lambda seen: Reply(status))
    assert reading.value is None
    assert "no such record" in reading.problem


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with ScriptedServer(lambda seen: GOOD) as elsewhere:
        reply = Reply(status, headers={"Location": f"{elsewhere.url}/v1/rates"})
        with pytest.raises(Refused, match=str(status)):
            read(lambda seen: reply)
        assert elsewhere.seen == []


def test_numbers_become_text_exactly_as_written() -> None:
    body = b'{"v": [1.10, 1e3, -0.0, 9007199254740991, 9007199254740992, -9007199254740993, 123456789012345678901]}'
    reading = read(lambda seen: Reply(200, body), "part", order="1", part="2")
    assert reading.value == [
        "1.10", "1e3", "-0.0", 9007199254740991, "9007199254740992", "-9007199254740993", "123456789012345678901",
    ]  # fmt: skip


def test_a_read_of_items_needs_exactly_one() -> None:
    def answer(*items: object) -> Callable[[Seen], Reply]:
        return lambda seen: as_json({"data": {"items": list(items)}})

    item = {"v": 5, "at": "20260228", "id": "x"}
    assert read(answer(item), "one") == Reading(5, "x", datetime(2026, 2, 28, tzinfo=UTC))
    assert read(answer(), "one").problem == "no such record"
    assert read(answer(item, item), "one") == Reading(None, problem="2 records")


def test_a_read_may_be_a_post_and_the_whole_answer() -> None:
    reading, seen = call(
        lambda seen: as_json({"hits": [{"v": "a"}]}),
        lambda connector: connector.read("search", {"country": "PT"}),
    )
    assert (reading.value, seen[0].method, seen[0].json) == ("a", "POST", {"country": "PT"})
    assert read(lambda seen: as_json({"größe": [1]}), "whole").value == {"gr\\xf6\\xdfe": [1]}


@pytest.mark.parametrize("parameters", [{}, {"country": None}])
def test_a_filter_is_never_dropped(parameters: Mapping[str, Json]) -> None:
    def script(seen: Seen) -> Reply:
        raise AssertionError("nothing may be asked")

    async def what(connector: Connector) -> None:
        with pytest.raises(Refused, match="missing"):
            await connector.read("rate", parameters)

    _, seen = call(script, what)
    assert seen == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=20))
def test_no_parameter_leaves_its_place_in_the_address(pairs: list[tuple[str, str]]) -> None:
    """Whatever the text, the path keeps its five segments and each gives the parameter back."""

    async def what(connector: Connector) -> list[tuple[str, str]]:
        sent = []
        for order, part in pairs:
            try:
                await connector.read("part", {"order": order, "part": part})
                sent.append((order, part))
            except Refused:
                encodable = not any(0xD800 <= ord(character) <= 0xDFFF for character in order + part)
                assert {order, part} & {"", ".", ".."} or not encodable
        return sent

    sent, seen = call(lambda seen: as_json({"v": 1}), what)
    assert len(seen) == len(sent)
    for request, (order, part) in zip(seen, sent, strict=True):
        segments = urlsplit(request.target).path.split("/")
        assert [unquote(segment) for segment in segments] == ["", "v1", "orders", order, "parts", part]
        assert urlsplit(request.target).query == ""


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_query_gives_the_parameter_back(text: str) -> None:
    _, seen = call(lambda seen: GOOD, lambda connector: connector.read("rate", {"country": text}))
    assert seen[0].query == {"country": [text]}


LISTS = """
system: orders
kind: http
url: ${URL}
pace: {timeout: 1s, tries: 3}
lists:
  plain: {get: /orders, query: {since: $since, status: open}, items: orders}
  page: {get: /orders, items: orders, paging: {kind: page, parameter: page}}
  sized: {get: /orders, items: orders, paging: {kind: page, parameter: page, start: 0, size_parameter: n, size: 50}}
  offset: {get: /orders, items: orders, paging: {kind: offset, parameter: offset}}
  cursor: {get: /orders, items: orders, paging: {kind: cursor, parameter: cursor, next: meta.next}}
  total: {get: /orders, items: orders, paging: {kind: cursor, parameter: cursor, next: meta.next, total: total}}
  link: {get: /orders, query: {since: $since}, items: orders, paging: {kind: link}}
  url: {get: /orders, items: orders, paging: {kind: url, next: next}}
  few: {get: /orders, items: orders, paging: {kind: page, parameter: page, pages_max: 3}}
  top: {get: /orders}
"""


def listed(script: Callable[[Seen], Reply], name: str, **parameters: Json) -> tuple[list[Any], list[Seen]]:
    async def what(connector: Connector) -> list[Any]:
        return [record["n"] async for record in connector.records(name, parameters)]

    records, seen = call(script, what, LISTS)
    return records, seen


def paged(style: str, count: int, size: int, trouble: Mapping[int, Reply] | None = None) -> Callable[[Seen], Reply]:
    """A server with ``count`` orders in pages of ``size``; ``trouble`` answers the request of that number."""
    left = dict(trouble or {})
    number = 0

    def answer(seen: Seen) -> Reply:
        nonlocal number
        number += 1
        if number in left:
            return left.pop(number)
        base = f"http://{seen.headers['host']}"
        at = {
            "page": (int(seen.one("page") or 1) - 1) * size,
            "sized": int(seen.one("page") or 0) * size,
            "offset": int(seen.one("offset") or 0),
        }.get(style, int(seen.one("cursor") or 0))
        orders = [{"n": n} for n in range(at, min(at + size, count))]
        more = at + size < count
        following = f"{base}/orders?cursor={at + size}"
        return as_json(
            {
                "orders": orders,
                "meta": {"next": str(at + size) if more else None},
                "next": following if more else None,
                "total": count,
            },
            headers={"Link": f'<{base}/>; rel="first", <{following}>; title="a, b"; rel="next"'} if more else {},
        )

    return answer


@pytest.mark.parametrize("style", ["page", "sized", "offset", "cursor", "total", "link", "url"])
@pytest.mark.parametrize(("count", "size"), [(0, 10), (1, 10), (30, 10), (37, 10)])
def test_every_style_gives_each_record_once(style: str, count: int, size: int) -> None:
    records, _ = listed(paged(style, count, size), style)
    assert records == list(range(count))


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "link", "url"])
def test_trouble_in_the_middle_neither_loses_nor_doubles(style: str) -> None:
    whole = json.dumps({"orders": [{"n": n} for n in range(10, 20)]}).encode()
    trouble = {2: Reply(503), 3: Reply(200, whole, cut_after=30), 5: Reply(429, headers={"Retry-After": "1"})}
    records, seen = listed(paged(style, 35, 10, trouble), style)
    assert records == list(range(35))
    assert len(seen) >= 7


def test_a_list_that_breaks_does_not_end_as_if_whole() -> None:
    got = []

    async def what(connector: Connector) -> None:
        async for record in connector.records("cursor", {}):
            got.append(record["n"])

    with pytest.raises(Unreachable):
        call(paged("cursor", 35, 10, dict.fromkeys(range(3, 9), Reply(500))), what, LISTS)
    assert got == list(range(20))


@pytest.mark.parametrize("style", ["page", "sized", "offset"])
def test_a_server_that_ignores_the_page_is_noticed_before_a_record_is_doubled(style: str) -> None:
    got = []

    async def what(connector: Connector) -> None:
        async for record in connector.records(style, {}):
            got.append(record["n"])

    with pytest.raises(Refused, match="same page"):
        call(lambda seen: as_json({"orders": [{"n": 1}, {"n": 2}]}), what, LISTS)
    assert got == [1, 2]


@pytest.mark.parametrize(("style", "what"), [("cursor", "cursor"), ("link", "address"), ("url", "address")])
def test_going_round_in_a_circle_is_noticed(style: str, what: str) -> None:
    def answer(seen: Seen) -> Reply:
        following = {"a": "b", "b": "c", "c": "a"}[seen.one("cursor") or "a"]
        url = f"http://{seen.headers['host']}/orders?cursor={following}"
        body = {"orders": [{"n": following}], "meta": {"next": following}, "next": url}
        return as_json(body, headers={"Link": f"<{url}>; rel=next"})

    with pytest.raises(Refused, match=f"same {what}"):
        listed(answer, style)


def test_more_pages_than_allowed_is_an_error_not_an_end() -> None:
    with pytest.raises(Refused, match="pages_max"):
        listed(paged("page", 1000, 10), "few")


def test_fewer_records_than_the_system_says_is_an_error() -> None:
    def short(seen: Seen) -> Reply:
        return as_json({"orders": [{"n": 1}], "meta": {}, "total": 2})

    with pytest.raises(Unreachable, match="says 2 records and gave 1"):
        listed(short, "total")


@pytest.mark.parametrize("style", ["link", "url"])
@pytest.mark.parametrize(
    "target",
    [
        "http://{other}/orders",
        "//{other}/orders",
        "http://user:pw@{host}/",
        "file:///etc/passwd",
        "http://[::1",
        "ftp://x/",
    ],
)
def test_the_next_page_is_not_asked_from_another_host(style: str, target: str) -> None:
    with ScriptedServer(lambda seen: as_json({"orders": []})) as elsewhere:
        other = elsewhere.url.removeprefix("http://")

        def answer(seen: Seen) -> Reply:
            url = target.format(other=other, host=seen.headers["host"])
            return as_json({"orders": [{"n": 1}], "next": url}, headers={"Link": f'<{url}>; rel="next"'})

        with pytest.raises((Refused, Unreachable)):
            listed(answer, style)
        assert elsewhere.seen == []


def test_a_list_leaves_out_a_query_whose_parameter_is_missing() -> None:
    _, seen = listed(lambda seen: as_json({"orders": []}), "plain")
    assert seen[0].query == {"status": ["open"]}
    _, seen = listed(lambda seen: as_json({"orders": []}), "plain", since="2026-01-01")
    assert seen[0].query == {"since": ["2026-01-01"], "status": ["open"]}


@pytest.mark.parametrize("answer", [{"orders": {"n": 1}}, {"orders": [1]}, {}, []])
def test_a_list_that_is_no_list_is_an_error(answer: object) -> None:
    with pytest.raises(Unreachable, match="no list of records"):
        listed(lambda seen: as_json(answer), "plain")


def test_a_list_may_be_the_whole_answer_and_a_404_is_no_empty_list() -> None:
    assert listed(lambda seen: as_json([{"n": 3}]), "top")[0] == [3]
    with pytest.raises(Refused, match="404"):
        listed(lambda seen: Reply(404), "top")


def test_one_slow_call_does_not_hold_up_the_others() -> None:
    hold = threading.Event()

    def script(seen: Seen) -> Reply:
        if seen.one("country") == "slow":
            return Reply(200, GOOD.body, wait=hold)
        return GOOD

    async def what(connector: Connector) -> list[Json]:
        slow = asyncio.ensure_future(connector.read("rate", {"country": "slow"}))
        quick = await asyncio.gather(*(connector.read("rate", {"country": str(n)}) for n in range(20)))
        assert not slow.done()
        hold.set()
        return [reading.value for reading in [*quick, await slow]]

    values, _ = call(script, what)
    assert values == [1250] * 21


@pytest.mark.parametrize(("status", "opens"), [(500, True), (503, True), (404, False), (403, False), (429, False)])
def test_a_system_that_keeps_failing_is_left_alone_and_one_that_answers_is_not(status: int, opens: bool) -> None:
    async def what(connector: Connector) -> list[str]:
        told = []
        for _ in range(8):
            try:
                await connector.read("rate", {"country": "PT"})
            except (Refused, Unreachable) as error:
                told.append(str(error))
        return told

    told, seen = call(lambda seen: Reply(status), what, SYSTEM.replace("tries: 3", "tries: 1"))
    assert len(seen) == (5 if opens else 8)
    assert any("left alone" in text for text in told) == opens
