"""The JSON API: every route on a company with a real shop, and who may call it."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.faces.refund_shop import Shop
from tests.faces.stage import proposal

from remit.app import Control
from remit.errors import StoreUnavailable
from remit.faces.api import build_api
from remit.faces.api_guard import BODY_BYTES_MAX, ApiGuard
from remit.faces.api_token import TOKEN_FILE, ApiToken

BASE = "http://127.0.0.1:8765"


@pytest.fixture
def client(control: Control) -> Iterator[TestClient]:
    """Calls the API as it should be called."""
    api = build_api(control)
    token = (control.company.state / TOKEN_FILE).read_text().strip()
    with TestClient(api, base_url=BASE, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def propose(client: TestClient, **more: Any) -> Any:
    answer = client.post("/v1/actions", json=proposal(**more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_proposal_is_carried_out_once_however_often_it_is_sent(client: TestClient, shop: Shop) -> None:
    first = propose(client)
    assert first["progress"] == "finished"
    assert first["effect"]["result"]["order"] == "A1"
    assert first["proposed"]["confidence_bp"] == 9_300
    assert propose(client) == first
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: propose(client, order="A2"), range(16)))
    assert {answer["action"] for answer in answers} == {propose(client, order="A2")["action"]}
    assert shop.attempts == 2


def test_an_action_is_told_with_its_account(client: TestClient) -> None:
    digest = propose(client)["action"]
    for name in (digest, digest[:8], "case-A1"):
        found = client.get(f"/v1/actions/{name}").json()
        assert found["action"] == digest
        assert "refund-desk asked for refund.create on case case-A1: allowed" in found["account"]
    missing = client.get("/v1/actions/nothing")
    assert (missing.status_code, missing.json()["error"]) == (404, "NotFound")


def test_people_answer(client: TestClient, control: Control, shop: Shop) -> None:
    digest = propose(client, amount=12_500)["action"]
    (item,) = client.get("/v1/approvals").json()
    assert (item["action"], item["roles"]) == (digest, ["finance"])
    assert client.get(f"/v1/approvals/{digest}").json()["progress"] == "waiting"
    yes: dict[str, Any] = {"person": "ben.deputy", "verdict": "approve"}
    refused = client.post(f"/v1/approvals/{digest}/answer", json=yes)
    assert (refused.status_code, refused.json()["error"]) == (403, "NotAllowed")
    yes = {"person": "cleo.finance", "verdict": "approve", "role": "finance", "why": "fine", "seconds": 40}
    assert client.post(f"/v1/approvals/{digest}/answer", json=yes).json()["progress"] == "approved"
    again = client.post(f"/v1/approvals/{digest}/answer", json=yes)
    assert again.status_code == 404
    assert not shop.refunds
    control.work()
    assert client.get(f"/v1/actions/{digest}").json()["progress"] == "finished"


def test_people_reject_and_edit(client: TestClient, shop: Shop) -> None:
    first = propose(client, order="A1", amount=12_500)["action"]
    answered = client.post(
        f"/v1/approvals/{first}/answer", json={"person": "cleo.finance", "verdict": "reject", "why": "no"}
    )
    assert answered.json()["progress"] == "rejected"
    second = propose(client, order="A2", amount=12_500)["action"]
    edited = client.post(
        f"/v1/approvals/{second}/edit",
        json={"person": "cleo.finance", "changed": {"amount_minor": 2_000}, "why": "less"},
    ).json()
    assert (edited["progress"], edited["proposer"]) == ("finished", "person:cleo.finance")
    assert client.get(f"/v1/actions/{second}").json()["replaced_by"] == edited["action"]
    assert [refund["amount_minor"] for refund in shop.refunds.values()] == [2_000]


def test_what_is_uncertain_is_settled(client: TestClient, shop: Shop) -> None:
    shop.lose, shop.deaf = 100, True
    digest = propose(client)["action"]
    (item,) = client.get("/v1/approvals").json()
    assert item["waits_for"] == "settling"
    settled = client.post(
        f"/v1/approvals/{digest}/settle", json={"person": "ada.owner", "done": False, "why": "not in the books"}
    )
    assert settled.json()["progress"] == "failed"
    assert client.get("/v1/approvals").json() == []


def test_a_halt_holds_until_it_is_lifted(client: TestClient, shop: Shop) -> None:
    body = {"person": "ada.owner", "scope": "system:shop", "why": "odd"}
    thrown = client.post("/v1/halts", json=body).json()
    assert propose(client)["progress"] == "denied"
    (halt,) = client.get("/v1/halts").json()
    assert (halt["id"], halt["scope"], halt["lifted"]) == (thrown["id"], "system:shop", False)
    assert [lifted["id"] for lifted in client.post("/v1/halts/lift", json=body).json()] == [thrown["id"]]
    assert client.post("/v1/halts/lift", json=body).status_code == 404
    assert propose(client, order="A2")["progress"] == "finished"
    assert len(shop.refunds) == 1


def test_outcomes_are_recorded(client: TestClient) -> None:
    digest = propose(client)["action"]
    body = {"action": digest[:12], "right": False, "said_by": "complaints", "matured_at": "2026-11-21T09:00:00+02:00",
            "value": {"cost_minor": 5}}  # fmt: skip
    assert client.post("/v1/outcomes", json=body).json() == {"action": digest, "case": "case-A1", "right": False}
    (event,) = client.get("/v1/log", params={"kind": "outcome.recorded"}).json()
    assert event["data"]["matured_at"] == "2026-11-21T07:00:00.000000Z"
    (counts,) = client.get("/v1/agents").json()["counts"]
    assert (counts["right"], counts["wrong"], counts["unjudged"]) == (0, 1, 0)
    assert client.post("/v1/outcomes", json={**body, "action": "nothing"}).status_code == 404


def test_what_is_shown(client: TestClient) -> None:
    propose(client)
    propose(client, order="A2", amount=99_999)
    assert client.get("/v1/status").json()["agents"][0]["seen"] == 2
    (agent,) = client.get("/v1/agents").json()["agents"]
    assert (agent["agent"], agent["owner"]) == ("refund-desk", "ada.owner")
    assert {one["used"] for one in client.get("/v1/spend").json()} == {1, 2_500}
    found = client.get("/v1/verify").json()
    assert found["problems"] == []
    assert found["holds"]
    events = client.get("/v1/log", params={"limit": 3}).json()
    older = client.get("/v1/log", params={"limit": 3, "before": events[-1]["seq"]}).json()
    assert [event["seq"] for event in [*events, *older]] == list(range(events[0]["seq"], events[0]["seq"] - 6, -1))
    assert [event["action"] for event in client.get("/v1/log", params={"verdict": "deny"}).json()] != []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=99999", "limit=x", "before=-1", f"before={2**64}", "since=yesterday", "since=2026-01-01",
     "verdict=maybe", "case=%00", "agent=%1b", "action=nothing-like-it", f"kind={'x' * 201}", "case=%ff%0a"],
)  # fmt: skip
def test_a_query_that_cannot_be_asked(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/log?{query}")
    assert answer.status_code in (404, 422)
    assert set(answer.json()) == {"error", "what", "advice"}


def test_a_path_that_is_none(client: TestClient) -> None:
    for method, path, status in (("GET", "/", 404), ("GET", "/docs", 404), ("DELETE", "/v1/status", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "what", "advice"}


def test_openapi_lists_every_route_and_body(client: TestClient) -> None:
    listed = client.get("/v1/openapi.json").json()["paths"]
    events = "/v1/sources/{source}/events"  # whose bodies and signatures are as other systems make them
    assert {(method, path) for path, methods in listed.items() for method in methods} == {
        ("get", "/health"), ("get", "/v1/status"), ("get", "/v1/agents"), ("get", "/v1/log"), ("get", "/v1/spend"),
        ("get", "/v1/verify"), ("get", "/v1/actions/{action_id}"), ("post", "/v1/actions"), ("post", "/v1/outcomes"),
        ("get", "/v1/approvals"), ("get", "/v1/approvals/{action_id}"), ("post", "/v1/approvals/{action_id}/answer"),
        ("post", "/v1/approvals/{action_id}/edit"), ("post", "/v1/approvals/{action_id}/settle"),
        ("get", "/v1/halts"), ("post", "/v1/halts"), ("post", "/v1/halts/lift"),
        ("get", "/v1/reviews"), ("get", "/v1/reviews/next"), ("post", "/v1/reviews/{action_id}/own"),
        ("post", "/v1/reviews/{action_id}/answer"), ("get", "/v1/tax"), ("get", "/v1/context"),
        ("post", events),
    }  # fmt: skip
    for path, methods in listed.items():
        for method, about in methods.items():
            assert about["description"] or about["summary"]
            if method == "post" and path != events:
                schema = about["requestBody"]["content"]["application/json"]["schema"]
                assert schema["additionalProperties"] is False, path
            if path not in ("/health", events):
                assert {"401", "403", "413", "422", "500", "503"} <= set(about["responses"])


# Who may call.


def test_health_needs_no_token_and_nothing_else_goes_without(control: Control) -> None:
    with TestClient(build_api(control), base_url=BASE) as client:
        assert client.get("/health").json() == {"status": "up"}
        for method, path in (("GET", "/v1/status"), ("GET", "/v1/openapi.json"), ("POST", "/v1/halts"), ("GET", "/x")):
            for shown in (None, "Bearer", "Bearer ", "Bearer wrong", "Basic eDp5", "Bearer " + "A" * 43):
                answer = client.request(method, path, headers={"Authorization": shown} if shown else {})
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert set(answer.json()) == {"error", "what", "advice"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:8765", "127.9.9.9"])
def test_loopback_hosts_are_served(client: TestClient, host: str) -> None:
    assert client.get("/v1/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8765", "0.0.0.0", "[::]", "",
     "127.0.0.1:8765@evil.example", "127.0.0.1:8765, evil.example", "192.168.0.1"],
)  # fmt: skip
def test_another_host_is_a_rebound_name(client: TestClient, host: str) -> None:
    answer = client.get("/v1/status", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (403, "NotAllowed")
    assert client.get("/health", headers={"Host": host}).status_code == 403


def test_pages_of_other_sites_are_refused(client: TestClient) -> None:
    for origin in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:8765",
        "http://localhost:8765",
    ):
        assert client.post("/v1/actions", json=proposal(), headers={"Origin": origin}).status_code == 403
    assert client.get("/v1/status", headers={"Origin": BASE}).status_code == 200


def test_a_header_that_stands_twice_is_malformed() -> None:
    for name in (b"host", b"authorization", b"origin", b"content-length"):
        headers = [(b"host", b"localhost"), (b"authorization", b"Bearer t"), (name, b"localhost"), (name, b"localhost")]
        assert asyncio.run(_status_of(headers)) == 400


async def _status_of(headers: list[tuple[bytes, bytes]], *parts: bytes) -> int:
    """Send a request past the guard, in front of an application that must not be reached."""
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def never(*_: object) -> None:
        raise AssertionError("reached")

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/actions", "headers": headers}
    await ApiGuard(never, ApiToken("t"), lambda _source: False)(scope, receive, send)
    return int(sent[0]["status"])


def test_a_large_body_is_refused_before_it_is_read() -> None:
    known = [(b"host", b"localhost"), (b"authorization", b"Bearer t")]
    told = [*known, (b"content-length", str(BODY_BYTES_MAX + 1).encode())]
    assert asyncio.run(_status_of(told)) == 413
    assert asyncio.run(_status_of([*known, (b"content-length", b"9" * 5_000)])) == 413
    assert asyncio.run(_status_of(known, *[b"x" * 65_536] * 17)) == 413


def test_a_body_of_just_the_size_is_read(client: TestClient) -> None:
    body = b'{"x":"' + b"y" * (BODY_BYTES_MAX - 8) + b'"}'
    assert len(body) == BODY_BYTES_MAX
    assert client.post("/v1/actions", content=body).status_code == 422
    assert client.post("/v1/actions", content=body + b" ").status_code == 413


# What goes wrong behind.


def test_a_failure_of_ours_is_one_line_without_a_traceback(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_self: Control) -> object:
        raise ZeroDivisionError("the password is swordfish")

    monkeypatch.setattr(Control, "spend", fail)
    answer = client.get("/v1/spend")
    assert (answer.status_code, set(answer.json())) == (500, {"error", "what", "advice"})
    assert "swordfish" not in answer.text
    told = capsys.readouterr().err
    assert told == "remit: internal error: ZeroDivisionError; REMIT_DEBUG=1 shows where\n"


def test_a_store_that_is_away_is_503(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> object:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(Control, "log", fail)
    for path in ("/health", "/v1/log"):
        assert client.get(path).status_code == 503


# The token.


def test_the_token_is_kept_and_only_its_owner_reads_it(client: TestClient, control: Control) -> None:
    path = control.company.state / TOKEN_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert len(text.strip()) == 43
    build_api(control)
    assert path.read_text() == text
    assert [found.name for found in path.parent.iterdir() if "token" in found.name] == [TOKEN_FILE]


def test_a_token_cannot_be_printed() -> None:
    token = ApiToken("swordfish")
    assert "swordfish" not in f"{token} {token!r}"
    assert not hasattr(token, "__dict__")
    assert token.is_shown_by(b"bearer swordfish")
    assert not token.is_shown_by(b"Bearer swordfish2")
    assert not token.is_shown_by(b"swordfish")
    assert not token.is_shown_by(b"Basic swordfish")


@pytest.mark.parametrize("how", ["open", "group", "short", "link", "folder"])
def test_a_token_file_that_is_not_safe_is_not_used(control: Control, tmp_path: Path, how: str) -> None:
    from remit.errors import BadInput

    path = control.company.state / TOKEN_FILE
    if how == "folder":
        path.mkdir()
    elif how == "link":
        (tmp_path / "elsewhere").write_text("x" * 43)
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("x" * (10 if how == "short" else 43))
        path.chmod({"open": 0o604, "group": 0o640, "short": 0o600}[how])
    with pytest.raises(BadInput):
        build_api(control)


def test_tokens_made_at_once_are_one(tmp_path: Path) -> None:
    from remit.faces.api_token import make_token

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: make_token(tmp_path), range(16)))
    text = (tmp_path / TOKEN_FILE).read_bytes().strip()
    assert all(token.is_shown_by(b"Bearer " + text) for token in tokens)
    with contextlib.suppress(FileNotFoundError):
        assert [path.name for path in tmp_path.iterdir()] == [TOKEN_FILE]
