"""Events from senders that sign, over a real socket: the signature stands for the token, there and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.faces.stage import Remit

from remit.app import Control, open_company
from remit.errors import StoreUnavailable
from remit.faces.api import build_api
from remit.faces.api_guard import BODY_BYTES_MAX, ApiGuard
from remit.faces.api_token import ApiToken

KEY = b"k" * 24
HOOK = "whsec_" + base64.b64encode(KEY).decode()
TABLES = """
department: support
tables:
  account: {is: Customer, key: id, facts: {name: name}}
"""
SOURCES = {
    "crm": "connect: {kind: webhook, signature: standard, secret: env:HOOK}",
    "hub": "connect: {kind: webhook, signature: github, secret: env:HOOK}",
    "bare": "connect: {kind: webhook, signature: none}",
    "file": "connect: {kind: csv, path: ../accounts.csv}",
}
EVENT = {"type": "account.made", "timestamp": "2026-03-01T08:59:00Z", "data": {"id": "a", "name": "Acme"}}
BODY = json.dumps(EVENT).encode()


def signed(event_id: str, late_seconds: int = 0, key: bytes = KEY, body: bytes = BODY) -> dict[str, str]:
    stamp = str(int(time.time()) - late_seconds)
    made = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
        "content-type": "application/json",
    }


@dataclass
class Server:
    """The API as it listens, called as any client calls."""

    port: int
    token: str

    def post(self, path: str, headers: dict[str, str], body: bytes = BODY, method: str = "POST") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()


@pytest.fixture
def sources(company: Path) -> None:
    (company / "sources").mkdir()
    for name, connect in SOURCES.items():
        (company / "sources" / f"{name}.yaml").write_text(f"source: {name}\n{connect}{TABLES}")
    (company / "accounts.csv").write_text("id,name\n")


@pytest.fixture
def server(remit_process: Callable[..., subprocess.Popen[bytes]], sources: None) -> Iterator[Server]:
    process = remit_process("serve", "--port", "0", HOOK=HOOK)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1].decode()
    token = Path(process.stdout.readline().split(maxsplit=1)[1].decode().strip()).read_text().strip()
    yield Server(int(url.rsplit(":", 1)[1]), token)


EVENTS = "/v1/sources/crm/events"


def test_a_sender_needs_its_signature_and_no_token(server: Server, company: Path) -> None:
    taken = {"id": "m1", "tables": ["account"], "repeated": False}
    assert server.post(EVENTS, signed("m1")) == (200, taken)
    # It calls the public name of whatever stands before the server.
    assert server.post(EVENTS, signed("m2") | {"Host": "hooks.example.com"})[0] == 200
    refused: list[tuple[dict[str, str], bytes]] = [
        ({}, BODY),
        ({"Authorization": "Bearer wrong"}, BODY),
        (signed("m3", key=b"x" * 24), BODY),
        (signed("m3"), BODY.replace(b"Acme", b"Evil")),
        (signed("m3") | {"webhook-id": "m4"}, BODY),
        (signed("m3") | {"webhook-timestamp": str(int(time.time()) - 1)}, BODY),
        (signed("m3", late_seconds=400), BODY),
        (signed("m3", late_seconds=-400), BODY),
        ({name: text for name, text in signed("m3").items() if name != "webhook-signature"}, BODY),
    ]
    for headers, body in refused:
        status, answer = server.post(EVENTS, headers, body)
        assert (status, answer["error"]) == (403, "NotAllowed"), (headers, answer)
        assert HOOK[6:] not in json.dumps(answer)
    assert server.post(EVENTS, signed("m3") | {"webhook-signature": "v1,?"})[0] == 422
    with open_company(company, "test") as control:
        kept = control.store.read("select id from arrival order by place")
    assert kept == [("m1",), ("m2",)]


def test_what_is_sent_again_adds_nothing(server: Server, company: Path) -> None:
    first = signed("m1", late_seconds=1)
    body = json.dumps(EVENT).encode()
    shown = {"x-hub-signature-256": "sha256=" + hmac.new(HOOK.encode(), body, hashlib.sha256).hexdigest()}
    for headers, path in ((first, EVENTS), (shown, "/v1/sources/hub/events")):
        assert server.post(path, headers)[1]["repeated"] is False
        assert server.post(path, headers)[1]["repeated"] is True
    assert server.post("/v1/sources/hub/events", shown | {"x-github-delivery": "new"})[1]["repeated"] is True
    assert server.post(EVENTS, signed("m1"))[1]["repeated"] is True  # as a sender does that got no answer
    with open_company(company, "test") as control:
        assert control.store.read("select count(*) from arrival") == [(2,)]


def test_nothing_else_goes_without_the_token(server: Server) -> None:
    good = signed("m9")
    for path in (
        "/v1/sources/bare/events", "/v1/sources/file/events", "/v1/sources/none/events", "/v1/sources/crm/events/",
        "/v1/sources/crm/events/x", "/v1/sources/crm", "/v1/sources//events",
        "/v1/sources/bare%2F..%2Fcrm/events", "/v1/actions", "/v1/halts", "/V1/sources/crm/events",
        "//v1/sources/crm/events", "/v1/sources/bare/../crm/events", "/v1/actions?x=/v1/sources/crm/events",
    ):  # fmt: skip
        assert server.post(path, good)[0] == 401, path
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert server.post(EVENTS, good, method=method)[0] == 401, method
    with_token = {"Authorization": f"Bearer {server.token}", "content-type": "application/json"}
    assert server.post("/v1/sources/bare/events", with_token)[0] == 200
    assert server.post("/v1/sources/none/events", with_token)[0] == 404
    assert server.post(EVENTS, with_token)[0] == 403  # the token is no signature
    assert server.post(EVENTS, with_token | good)[0] == 200
    other_site = good | {"Host": "hooks.example.com"}
    assert server.post("/v1/sources/bare/events", other_site | with_token)[0] == 403


def test_a_large_body_is_refused_before_it_is_sent(server: Server) -> None:
    head = (
        f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: {BODY_BYTES_MAX + 1}\r\n"
        + "".join(f"{name}: {text}\r\n" for name, text in signed("m1").items())
        + "\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode())  # and nothing of the body
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.replace(f"Content-Length: {BODY_BYTES_MAX + 1}", "Transfer-Encoding: chunked").encode())
        connection.sendall(chunk * 17)  # its end is never told
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_events_that_were_sent_are_loaded(server: Server, remit: Remit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", HOOK)
    assert server.post(EVENTS, signed("m1"))[0] == 200
    loaded = remit("load", "crm")
    assert loaded.code == 0, loaded
    assert "Acme" in remit("graph", "Customer/a").out


def test_a_source_that_signs_no_more_takes_nothing_without_the_token(
    sources: None, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The law can change between the guard and the route: what was let in for its signature is not taken unsigned."""
    monkeypatch.setattr(type(control.knowledge), "takes_signed", lambda _self, _source: True)
    local = ("127.0.0.1", 50_000)
    with TestClient(build_api(control), base_url="http://127.0.0.1", client=local) as client:
        assert client.post("/v1/sources/bare/events", content=BODY).status_code == 403


def test_a_guard_that_cannot_ask_or_waits_too_long_says_so() -> None:
    def away(_source: str) -> bool:
        raise StoreUnavailable("the disk is gone")

    assert asyncio.run(_status(ApiGuard(_never, ApiToken("t"), away))) == 503
    assert asyncio.run(_status(ApiGuard(_never, ApiToken("t"), lambda _: True, patience_seconds=0.01))) == 408


async def _never(*_: object) -> None:
    raise AssertionError("reached")


async def _status(guard: ApiGuard) -> int:
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await guard({"type": "http", "method": "POST", "path": EVENTS, "headers": [(b"host", b"localhost")]}, receive, send)
    return int(sent[0]["status"])
