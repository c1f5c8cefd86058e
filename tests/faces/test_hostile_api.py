"""Whatever is sent to the API, the answer is one of ours: never a traceback, never 500 for the caller's fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.faces.refund_shop import Shop
from tests.faces.stage import make_company, proposal

from remit.app import open_company
from remit.faces.api import build_api
from remit.faces.api_bodies import BODIES
from remit.faces.api_token import TOKEN_FILE

POSTS = {
    "/v1/actions": "proposal",
    "/v1/approvals/case-A1/answer": "answer",
    "/v1/approvals/case-A1/edit": "edit",
    "/v1/approvals/case-A1/settle": "settlement",
    "/v1/halts/lift": "halt",
    "/v1/outcomes": "outcome",
}
FAULTS = {400, 403, 404, 409, 413, 422}
NASTY = [
    "\x00", "\x1b[2J", "\u202e", "<script>alert(1)</script>", "' or 1=1; drop table event; --", "../../../etc/passwd",
    "{{7*7}}", "$order", "${HOME}", "%s%n", "\u2028", "a" * 10_000, "NaN", "", " ", "-1", "null", "é" * 150,
]  # fmt: skip

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@pytest.fixture(scope="module")
def client(shop_server: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = make_company(tmp_path_factory.mktemp("hostile"), shop_server)
    with open_company(home, "test") as control:
        api = build_api(control)
        token = (control.company.state / TOKEN_FILE).read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with TestClient(api, base_url="http://127.0.0.1", headers=headers) as client:
            client.post("/v1/actions", json=proposal("A1", 12_500))
            yield client


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert "internal error" not in capsys.readouterr().err


def send(client: TestClient, path: str, body: bytes) -> int:
    answer = client.post(path, content=body)
    if answer.status_code != 200:
        assert answer.status_code in FAULTS, (path, body[:200], answer.text)
        assert set(answer.json()) == {"error", "what", "advice"}
        assert "Traceback" not in answer.text
        assert len(answer.text) < 5_000
    return answer.status_code


def whole(name: str) -> dict[str, Any]:
    """A body that would do."""
    return {
        "proposal": proposal("H1"),
        "answer": {"person": "nobody", "verdict": "approve"},
        "edit": {"person": "nobody", "changed": {"amount_minor": 1}, "why": "x"},
        "settlement": {"person": "nobody", "done": True, "why": "x"},
        "halt": {"person": "nobody", "scope": "agent:x", "why": "x"},
        "outcome": {"action": "case-A1", "right": None, "said_by": "nobody"},
    }[name]


CORPUS = [
    b"", b" ", b"null", b"[]", b"{", b"}", b'"x"', b"1e400", b"NaN", b"-Infinity", b"\xff\xfe{}", b"\xef\xbb\xbf{}",
    b'{"a":1,"a":1}', b'{"person":"\\ud800"}', b'{"person":"\\udfff","verdict":"approve"}', b"[" * 50_000,
    b'{"a":' * 50_000, b"1" * 100_000, b'{"\xc3\xa9":1}', b'{"person":0.5}', '{"a":1}'.encode("utf-16"),
    b'{"arguments":{"confidence":0.5}}', b"{} {}", b"/* */{}", b"{'a':1}", b'{"a":1,}', b"\x00" * 100,
    b'{"confidence":1e-999999999}', b'{"confidence":' + b"9" * 5_000 + b"}", b'{"x":"' + b"\x7f" * 1_000 + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("path", POSTS)
def test_what_is_no_body_at_all_is_422(client: TestClient, path: str) -> None:
    for body in CORPUS:
        assert send(client, path, body) == 422, body[:80]


@pytest.mark.parametrize(("path", "name"), POSTS.items())
def test_each_body_is_closed_and_typed(client: TestClient, path: str, name: str) -> None:
    good, schema = whole(name), BODIES[name]
    assert send(client, path, json.dumps({**good, "more": 1}).encode()) == 422
    for key in schema["required"]:
        assert send(client, path, json.dumps({k: v for k, v in good.items() if k != key}).encode()) == 422
    for key in schema["properties"]:
        assert send(client, path, json.dumps({**good, key: [[1]]}).encode()) == 422
    doubled = json.dumps(good)[:-1] + f', "{schema["required"][0]}": "x"}}'
    assert send(client, path, doubled.encode()) == 422


@pytest.mark.parametrize(
    "confidence", ["-0.01", "1.01", "1e400", "NaN", '"NaN"', '"high"', "true", "[0.5]", '"' + "1" * 41 + '"']
)
def test_a_confidence_is_a_share(client: TestClient, confidence: str) -> None:
    body = json.dumps(proposal("C1"))[:-1].replace('"confidence": 0.93', f'"confidence": {confidence}') + "}"
    assert confidence in body
    assert send(client, "/v1/actions", body.encode()) == 422


@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_bodies_of_nearly_the_right_form(client: TestClient, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(POSTS)))
    body = dict(whole(POSTS[path]))
    for key in data.draw(st.lists(st.sampled_from(sorted(BODIES[POSTS[path]]["properties"])), max_size=3)):
        body[key] = data.draw(values)
    if isinstance(body.get("arguments"), dict):
        body["arguments"] = data.draw(st.one_of(st.just(body["arguments"]), st.dictionaries(texts, values, max_size=3)))
    send(client, path, json.dumps(body).encode())


@given(body=st.binary(max_size=200), path=st.sampled_from(sorted(POSTS)))
@settings(max_examples=60, deadline=None)
def test_any_bytes(client: TestClient, body: bytes, path: str) -> None:
    assert send(client, path, body) == 422


@given(
    name=texts.filter(lambda text: text not in ("", ".", "..")),
    tail=st.sampled_from(["", "/answer", "/edit", "/settle"]),
)
@settings(max_examples=60, deadline=None)
def test_any_name_of_an_action(client: TestClient, name: str, tail: str) -> None:
    from urllib.parse import quote

    where = quote(name, safe="", errors="replace")
    if not tail:
        for room in ("actions", "approvals"):
            answer = client.get(f"/v1/{room}/{where}")
            assert answer.status_code in FAULTS
    else:
        send(client, f"/v1/approvals/{where}{tail}", json.dumps(whole(POSTS[f"/v1/approvals/case-A1{tail}"])).encode())


@given(
    query=st.dictionaries(
        st.sampled_from(["case", "agent", "action", "kind", "verdict", "since", "until", "before", "limit"]), texts
    )
)
@settings(max_examples=60, deadline=None)
def test_any_query(client: TestClient, query: dict[str, str]) -> None:
    answer = client.get("/v1/log", params=query)
    assert answer.status_code == 200 or answer.status_code in FAULTS


def test_the_ledger_still_holds(client: TestClient) -> None:
    assert client.get("/v1/verify").json()["holds"]
    waiting = {item["case"] for item in client.get("/v1/approvals").json()}
    assert "case-A1" in waiting  # nobody unknown answered for anybody
