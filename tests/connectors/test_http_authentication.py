"""Who asks: each kind of credential as the server sees it, tokens that end, and secrets that never show."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.turned_time import TurnedTime

from remit.connectors.connector import Connector
from remit.connectors.systems import load_system, open_connector
from remit.errors import BadSystem, CannotTell, Refused, RemitError, Unreachable

SECRET = 'hunter2/"+&%é-long'

SYSTEM = """
system: erp
kind: http
url: ${URL}
auth: AUTH
pace: {timeout: 2s, tries: 2}
reads:
  fact: {get: /fact, query: {id: $id}, value: v}
lists:
  all: {get: /all, items: items, paging: {kind: cursor, parameter: c, next: next}}
  by_url: {get: /all, items: items, paging: {kind: url, next: next}}
does:
  pay: {post: /pay, key_header: Idempotency-Key}
"""
OAUTH = "{kind: oauth2, token_url: /token, client_id: remit:1, secret: env:SECRET, scope: a b}"


def ask(
    auth: str,
    script: Callable[[Seen], Reply],
    what: Callable[[Connector, TurnedTime], Any],
    environment: Mapping[str, str] | None = None,
) -> tuple[Any, list[Seen]]:
    time = TurnedTime()

    async def go() -> Any:
        system = load_system("erp.yaml", SYSTEM.replace("AUTH", auth))
        connector = open_connector(system, {"URL": server.url, "SECRET": SECRET, **(environment or {})}, time.timing)
        try:
            return await what(connector, time)
        finally:
            await connector.close()

    with ScriptedServer(script) as server:
        return asyncio.run(go()), server.seen


async def one_fact(connector: Connector, time: TurnedTime) -> Any:
    return (await connector.read("fact", {"id": "x"})).value


CODED = base64.b64encode(f"ana:{SECRET}".encode()).decode()
PLAIN_SECRET = "s3cret-key-0123456789"


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("{kind: api_key, header: X-Api-Key, secret: env:SECRET}", "x-api-key", PLAIN_SECRET),
        ("{kind: api_key, secret: env:SECRET}", "x-api-key", PLAIN_SECRET),
        ("{kind: bearer, secret: env:SECRET}", "authorization", f"Bearer {PLAIN_SECRET}"),
        (
            "{kind: basic, user: ana, secret: env:SECRET}",
            "authorization",
            "Basic " + base64.b64encode(f"ana:{PLAIN_SECRET}".encode()).decode(),
        ),
        ("{kind: none}", "authorization", None),
    ],
)
def test_each_kind_as_the_server_sees_it(auth: str, header: str, value: str | None) -> None:
    _, seen = ask(auth, lambda seen: as_json({"v": 1}), one_fact, {"SECRET": PLAIN_SECRET})
    assert seen[0].headers.get(header) == value


def test_an_api_key_in_the_query_is_sent_with_every_page() -> None:
    def script(seen: Seen) -> Reply:
        return as_json({"items": [{"n": 1}], "next": "2" if seen.one("c") is None else None})

    async def what(connector: Connector, time: TurnedTime) -> int:
        return len([record async for record in connector.records("all", {})])

    count, seen = ask("{kind: api_key, query: api_key, secret: env:SECRET}", script, what)
    assert count == 2
    assert [request.one("api_key") for request in seen] == [SECRET, SECRET]


def test_a_next_address_that_repeats_the_key_still_leads_on() -> None:
    def script(seen: Seen) -> Reply:
        following = f"http://{seen.headers['host']}{seen.target}&c=2"
        return as_json({"items": [{"n": 1}], "next": following if seen.one("c") is None else None})

    async def what(connector: Connector, time: TurnedTime) -> int:
        return len([record async for record in connector.records("by_url", {})])

    count, seen = ask("{kind: api_key, query: k, secret: env:SECRET}", script, what)
    assert count == 2
    assert [request.query["k"] for request in seen] == [[SECRET], [SECRET]]


class TokenServer:
    """Gives numbered tokens and honours only those it has not ended."""

    def __init__(self, expires_in: object = 3600):
        self.expires_in = expires_in
        self.given = 0
        self.ended: set[str] = set()
        self.forms: list[dict[str, list[str]]] = []
        self.logins: list[str | None] = []
        self.tokens_used: list[str] = []
        self.paid: list[str] = []

    def __call__(self, seen: Seen) -> Reply:
        if seen.path == "/token":
            self.given += 1
            self.forms.append(parse_qs(seen.body.decode()))
            self.logins.append(seen.headers.get("authorization"))
            answer = {"access_token": f"token-number-{self.given}", "token_type": "Bearer"}
            return as_json(answer if self.expires_in is None else answer | {"expires_in": self.expires_in})
        token = seen.headers["authorization"].removeprefix("Bearer ")
        self.tokens_used.append(token)
        if token in self.ended:
            return Reply(401)
        if seen.path == "/pay":
            self.paid.append(seen.headers["idempotency-key"])
        at = int(seen.one("c") or 0)
        if at == 2:
            self.ended.add("token-number-1")  # it ends in the middle of a list
        return as_json({"v": 1, "items": [{"n": at}], "next": str(at + 1) if at < 5 else None})


def test_oauth2_asks_as_rfc_6749_says_and_keeps_the_token() -> None:
    server = TokenServer()

    async def what(connector: Connector, time: TurnedTime) -> None:
        await asyncio.gather(*(one_fact(connector, time) for _ in range(6)))

    ask(OAUTH, server, what)
    assert server.given == 1
    assert server.forms == [{"grant_type": ["client_credentials"], "scope": ["a b"]}]
    login = base64.b64decode(str(server.logins[0]).removeprefix("Basic ")).decode()
    assert login == "remit%3A1:hunter2%2F%22%2B%26%25%C3%A9-long"  # form-encoded before base64, section 2.3.1


def test_oauth2_may_put_id_and_secret_into_the_body() -> None:
    server = TokenServer()
    ask(OAUTH.replace("}", ", client: body, audience: api}"), server, one_fact)
    assert server.forms[0]["client_secret"] == [SECRET]
    assert server.forms[0]["client_id"] == ["remit:1"]
    assert server.forms[0]["audience"] == ["api"]
    assert server.logins == [None]


@pytest.mark.parametrize(("expires_in", "after_seconds"), [(3600, 3570), ("3600", 3570), (10, 5), (None, 270)])
def test_a_token_is_renewed_before_it_ends(expires_in: object, after_seconds: float) -> None:
    server = TokenServer(expires_in)

    async def what(connector: Connector, time: TurnedTime) -> None:
        await one_fact(connector, time)
        time.seconds = after_seconds - 0.5
        await one_fact(connector, time)
        assert server.given == 1
        time.seconds = after_seconds + 0.5
        await one_fact(connector, time)
        assert server.given == 2

    ask(OAUTH, server, what)


def test_a_token_that_ends_in_the_middle_of_a_list_loses_nothing() -> None:
    server = TokenServer()

    async def what(connector: Connector, time: TurnedTime) -> list[Any]:
        return [record["n"] async for record in connector.records("all", {})]

    records, _ = ask(OAUTH, server, what)
    assert records == [0, 1, 2, 3, 4, 5]
    assert server.given == 2


def test_a_401_on_an_effect_is_not_done_and_is_sent_once_more_with_a_new_token() -> None:
    server = TokenServer()
    server.ended.add("token-number-1")

    async def what(connector: Connector, time: TurnedTime) -> None:
        await connector.perform("pay", {}, "key-1")

    ask(OAUTH, server, what)
    assert (server.paid, server.tokens_used) == (["key-1"], ["token-number-1", "token-number-2"])


def test_a_late_401_on_the_old_token_does_not_throw_the_new_one_away() -> None:
    server = TokenServer()
    server.ended.add("token-number-1")
    renewed = threading.Event()

    def script(seen: Seen) -> Reply:
        reply = server(seen)
        late = seen.one("id") == "late" and reply.status == 401
        return Reply(401, wait=renewed) if late else reply

    async def what(connector: Connector, time: TurnedTime) -> None:
        late = asyncio.ensure_future(connector.read("fact", {"id": "late"}))
        while not server.tokens_used:
            assert not late.done(), late
            await asyncio.sleep(0.001)
        await one_fact(connector, time)
        renewed.set()
        assert (await late).value == 1

    ask(OAUTH, script, what)
    assert server.given == 2


def test_a_new_token_that_is_refused_too_is_refused() -> None:
    server = TokenServer()
    server.ended |= {f"token-number-{n}" for n in range(1, 10)}

    async def what(connector: Connector, time: TurnedTime) -> None:
        with pytest.raises(Refused, match="401"):
            await connector.perform("pay", {}, "key-1")

    ask(OAUTH, server, what)
    assert (server.paid, server.given) == ([], 2)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400), Refused),
        (Reply(401), Refused),
        (Reply(302, headers={"Location": "/other"}), Refused),
        (Reply(500), Unreachable),
        (Reply(429), Unreachable),
        (Reply(drop=True), Unreachable),
        (as_json({}), Unreachable),
        (as_json([]), Unreachable),
        (as_json({"access_token": "a\r\nb"}), Unreachable),
        (as_json({"access_token": "abc", "token_type": "mac"}), Refused),
    ],
)
def test_without_a_token_nothing_was_done(reply: Reply, error: type[RemitError]) -> None:
    async def what(connector: Connector, time: TurnedTime) -> None:
        with pytest.raises(error):
            await connector.perform("pay", {}, "key-1")

    _, seen = ask(OAUTH, lambda seen: reply, what)
    assert {request.path for request in seen} == {"/token"}


GUISES = (
    SECRET,
    json.dumps(SECRET)[1:-1],
    base64.b64encode(SECRET.encode()).decode()[:-2],
    "hunter2%2F%22%2B%26%25",
)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(
    "auth",
    ["{kind: api_key, query: k, secret: env:SECRET}", "{kind: basic, user: ana, secret: env:SECRET}", OAUTH],
)
def test_a_server_that_repeats_the_secret_cannot_make_us_show_it(
    status: int, auth: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything the server was sent comes back: in values, keys, header lines and error texts."""
    caplog.set_level(logging.INFO)
    shown: list[str] = []

    def script(seen: Seen) -> Reply:
        if seen.path == "/token":
            return as_json({"access_token": "token-0123456789", "expires_in": 60})
        coded = seen.headers.get("authorization", "").removeprefix("Basic ")
        sent = base64.b64decode(coded).decode() if auth.startswith("{kind: basic") else seen.one("k")
        echo = f"{seen.target} {dict(seen.headers)} {sent}"
        return as_json({"v": echo, "detail": echo}, status, {"X-Echo": seen.target})

    async def what(connector: Connector, time: TurnedTime) -> None:
        shown.append(repr(connector) + repr(vars(connector)))
        for call in (connector.read("fact", {"id": "x"}), connector.perform("pay", {}, "key-1")):
            try:
                shown.append(repr(await call))
            except (Refused, Unreachable, CannotTell) as error:
                shown.append("".join(traceback.format_exception(error)) + repr(error.__context__))

    _, seen = ask(auth, script, what)
    assert seen
    assert len(shown) == 3
    for text in (*shown, caplog.text):
        assert not [guise for guise in (*GUISES, CODED, "token-0123456789") if guise in text]


def test_a_secret_that_is_gone_when_it_is_needed() -> None:
    environment = {"SECRET": "there-at-first"}

    async def go() -> None:
        system = load_system("erp.yaml", SYSTEM.replace("AUTH", "{kind: bearer, secret: env:SECRET}"))
        environment["URL"] = server.url
        connector = open_connector(system, environment)
        await connector.read("fact", {"id": "x"})
        environment["SECRET"] = "changed-since"  # fetched for each call, so a changed secret is used at once
        await connector.read("fact", {"id": "x"})
        del environment["SECRET"]
        with pytest.raises(Unreachable, match="env:SECRET is not set"):
            await connector.perform("pay", {}, "key-1")
        await connector.close()

    with ScriptedServer(lambda seen: as_json({"v": 1})) as server:
        asyncio.run(go())
    assert [seen.headers["authorization"] for seen in server.seen] == [
        "Bearer there-at-first",
        "Bearer changed-since",
    ]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("http://erp.example", False),
        ("https://erp.example", True),
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("ftp://erp.example", False),
        ("https://user:pw@erp.example", False),
        ("https://", False),
        ("//erp.example", False),
        ("https://erp.example/?x=1", False),
        ("https://[::1", False),
    ],
)
def test_which_addresses_are_opened(url: str, fine: bool) -> None:
    system = load_system("erp.yaml", SYSTEM.replace("AUTH", "{kind: bearer, secret: env:SECRET}"))
    environment = {"URL": url, "SECRET": "s" * 10}
    if fine:
        assert open_connector(system, environment).name == "erp"
        return
    with pytest.raises(BadSystem) as caught:
        open_connector(system, environment)
    assert caught.value.findings[0].line == 4
    assert "pw" not in str(caught.value)


def test_unencrypted_must_be_said() -> None:
    text = SYSTEM.replace("AUTH", "{kind: bearer, secret: env:SECRET}") + "unencrypted: true\n"
    open_connector(load_system("erp.yaml", text), {"URL": "http://erp.example", "SECRET": "s" * 10})


@pytest.mark.parametrize("token_url", ["'http://[::1'", "ftp://login.example/token", "https://u@login.example/"])
def test_a_token_address_that_is_none_is_found(token_url: str) -> None:
    text = SYSTEM.replace("AUTH", OAUTH.replace("/token", token_url))
    with pytest.raises(BadSystem, match="token_url"):
        open_connector(load_system("erp.yaml", text), {"URL": "https://erp.example", "SECRET": "s" * 10})
