"""Resources of a real MCP server, over pipes and over HTTP, which dies, stalls, refuses and forgets."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.taking import Took, known_now, load_into, take
from tests.waiting import wait_until

from remit.connectors.http_exchange import one_origin_client
from remit.errors import BadSource, Refused, Unreachable
from remit.knowledge.source_file import load_source_file, open_source
from remit.store.engine import Store

SOURCE = """
source: shelf
department: legal
connect: {kind: mcp, CONNECT, timeout: 2s}
tables:
  paper:
    is: Paper
    key: uri
    facts: {name: name, body: {from: text, see: pii}, modified: modified}
  fresh:
    is: Paper
    key: uri
    changed: modified
    uri: "shelf://papers/*"
    facts: {body: text}
  person:
    is: Person
    key: id
    uri: "shelf://people/*"
    expand: true
    facts: {name: name, city: address.city, from: uri}
"""


class Shelf:
    """The folder that says what the server has and what goes wrong with it."""

    def __init__(self, folder: Path, connect: str):
        self.folder, self.connect = folder, connect

    def put(self, *resources: dict[str, Any], faults: dict[str, list[str]] | None = None) -> None:
        for name in ("circle", "token.txt", "status.txt", "reads.txt"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "resources.json").write_text(json.dumps(resources))
        (self.folder / "faults.json").write_text(json.dumps(faults or {}))

    def read(self, table: str = "paper", since: str | None = None, more: str = "", **environment: str) -> Took:
        return take(self.text(more), table, since=since, environment=environment)

    def text(self, more: str = "") -> str:
        return SOURCE.replace("CONNECT", self.connect + more)

    @property
    def asked(self) -> list[str]:
        path = self.folder / "reads.txt"
        return path.read_text().split() if path.exists() else []


def papers(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"uri": f"shelf://papers/{number}", "text": f"t{number}"} | more for number in numbers]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A server that speaks streamable HTTP on loopback."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "resources.json").write_text("[]")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.connectors.mcp_server", str(folder), str(port)])
    try:
        wait_until(lambda: _answers(port), "the server answers")
        yield Shelf(folder, f"url: 'http://127.0.0.1:{port}/mcp'")
    finally:
        process.kill()
        process.wait(20)


def _answers(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def pipes(tmp_path: Path) -> Shelf:
    """A command that is started for each reading and speaks over its pipes."""
    command = json.dumps([sys.executable, "-m", "tests.connectors.mcp_server", str(tmp_path)])
    return Shelf(tmp_path, f"command: {command}")


# Over pipes.


def test_over_pipes_a_server_that_dies_is_started_again(pipes: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_FOR_OTHERS", "mcp-secret")
    pipes.put(*papers(*range(60)), faults={"shelf://papers/40": ["exit"]})
    took = pipes.read(more=", environment: {SHELF: '${SHELF}'}", SHELF="s3")
    assert took.column("text") == [f"t{number}" for number in range(60)]
    assert took.column("name") == [str(number) for number in range(60)]
    assert took.failure is None and "asked again" in took.notes[0]
    assert pipes.asked.count("shelf://papers/39") == 1 and pipes.asked.count("shelf://papers/40") == 2
    known = json.loads((pipes.folder / "environment.json").read_text())
    assert known["SHELF"] == "s3" and "NOT_FOR_OTHERS" not in known


@pytest.mark.parametrize("command", ["[/no/such/command]", f"['{sys.executable}', -c, 'print(1)']"])
def test_a_command_that_is_no_server(tmp_path: Path, command: str) -> None:
    took = Shelf(tmp_path, f"command: {command}").read()
    assert isinstance(took.failure, Unreachable) and took.rows == []


# Over HTTP.


def test_every_resource_is_a_row(http: Shelf) -> None:
    http.put(*papers(1, 2, mime_type="text/plain", modified="2026-02-01T00:00:00Z"), *papers(3))
    took = http.read()
    assert took.column("uri") == [f"shelf://papers/{number}" for number in (1, 2, 3)]
    assert took.column("text") == ["t1", "t2", "t3"]
    assert took.column("modified") == ["2026-02-01T00:00:00Z"] * 2 + [None] and took.notes == []
    http.put()
    assert http.read().rows == []


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"list": ["error"]}, "broken within"),
        ({"read": ["error", "error"]}, "broken within"),
        ({"shelf://papers/2": ["error"], "shelf://papers/3": ["error", "error"]}, "broken within"),
        ({"shelf://papers/2": ["slow"]}, "ReadTimeout|timed out|no answer"),
    ],
)
def test_what_passes_is_asked_again(http: Shelf, faults: dict[str, list[str]], said: str) -> None:
    http.put(*papers(*range(5)), faults=faults)
    took = http.read()
    assert took.failure is None and took.column("text") == [f"t{number}" for number in range(5)]
    assert "asked again" in took.notes[0]
    assert any(part in " ".join(took.notes) for part in said.split("|")), took.notes


@pytest.mark.parametrize("statuses", ["500", "302", "500 503 500 502"])
def test_a_gateway_that_stumbles(http: Shelf, statuses: str) -> None:
    http.put(*papers(1, 2))
    (http.folder / "status.txt").write_text(statuses)
    took = http.read()
    assert took.failure is None and took.column("text") == ["t1", "t2"]
    assert (http.folder / "status.txt").read_text() == ""


def test_what_does_not_pass_fails_and_tells_no_secret(http: Shelf) -> None:
    http.put(*papers(*range(5)), faults={"shelf://papers/3": ["error"] * 9})
    (http.folder / "token.txt").write_text("mcp-secret")
    took = http.read(more=", auth: {kind: bearer, secret: env:TOKEN}", TOKEN="mcp-secret")
    assert took.column("text") == ["t0", "t1", "t2"]
    assert isinstance(took.failure, Unreachable) and "broken within" in str(took.failure)
    assert "mcp-secret" not in str(took.failure) + " ".join(took.notes)
    denied = http.read(more=", auth: {kind: bearer, secret: env:TOKEN}", TOKEN="another-one")
    assert isinstance(denied.failure, Unreachable) and "another-one" not in str(denied.failure)


def test_a_token_that_has_run_out_is_fetched_anew(http: Shelf) -> None:
    http.put(*papers(1, 2))
    (http.folder / "token.txt").write_text("t1")
    given: list[str] = []

    def script(seen: Seen) -> Reply:
        given.append(f"t{len(given)}")
        return as_json({"access_token": given[-1], "token_type": "bearer", "expires_in": 3600})

    with ScriptedServer(script) as server:
        auth = f"{{kind: oauth2, token_url: '{server.url}/token', client_id: me, secret: env:TOKEN}}"
        took = http.read(more=f", auth: {auth}", TOKEN="mcp-secret")
    assert took.failure is None and took.column("text") == ["t1", "t2"]
    assert given == ["t0", "t1"]


def test_another_host_than_the_one_described_is_not_asked() -> None:
    async def ask(url: str, other: str) -> None:
        async with one_origin_client(url, {"X-Key": "mcp-secret"}, 2.0) as client:
            with pytest.raises(Exception, match="another host"):
                await client.get(other)
            assert (await client.get(url)).status_code == 302

    def script(seen: Seen) -> Reply:
        return Reply(302, headers={"Location": other.url})

    with ScriptedServer(lambda seen: Reply()) as other, ScriptedServer(script) as server:
        asyncio.run(ask(server.url, other.url))
        assert other.seen == [] and server.seen[0].headers["x-key"] == "mcp-secret"


def test_an_answer_that_is_too_large_is_broken_off() -> None:
    async def ask(url: str, bytes_max: int) -> int:
        async with one_origin_client(url, {}, 2.0, bytes_max) as client:
            return len((await client.get(url)).content)

    with ScriptedServer(lambda seen: Reply(200, b"x" * 300_000)) as server:
        assert asyncio.run(ask(server.url, 300_000)) == 300_000
        with pytest.raises(Exception, match="larger than 299999 bytes"):
            asyncio.run(ask(server.url, 299_999))


def test_a_list_that_goes_round_in_a_circle(http: Shelf) -> None:
    http.put(*papers(*range(60)))
    (http.folder / "circle").touch()
    took = http.read()
    assert isinstance(took.failure, Refused) and "came again" in str(took.failure)


def test_a_resource_that_is_listed_and_not_given_is_not_taken_for_gone(http: Shelf) -> None:
    http.put(*papers(1), *papers(2, missing=True), *papers(3))
    took = http.read()
    assert took.column("text") == ["t1", "t3"]
    assert isinstance(took.failure, Unreachable) and "listed and not given, such as shelf://papers/2" in str(
        took.failure
    )


def test_only_what_changed_since_is_read(http: Shelf) -> None:
    old, new = papers(1, modified="2026-02-01T00:00:00Z"), papers(2, modified="2026-03-01T00:00:00Z")
    http.put(*old, *new, *papers(3), {"uri": "shelf://other/4", "text": "t4"})
    took = http.read("fresh", since="2026-02-15T00:00:00Z")
    assert took.column("text") == ["t2", "t3"]
    assert http.asked == ["shelf://papers/2", "shelf://papers/3"]


def test_json_in_resources_becomes_rows(http: Shelf) -> None:
    people = [{"id": 1, "name": "A", "address": {"city": "Lisbon"}}, {"id": 2, "name": "B"}]
    http.put(
        {"uri": "shelf://people/a", "text": json.dumps(people)},
        {"uri": "shelf://people/b", "text": '{"id": 3, "name": 1.50}'},
        {"uri": "shelf://other/c", "text": "no JSON"},
    )
    took = http.read("person")
    assert took.failure is None and took.column("id") == [1, 2, 3]
    assert took.column("address.city") == ["Lisbon", None, None] and took.column("name") == ["A", "B", "1.50"]
    assert took.column("uri") == ["shelf://people/a"] * 2 + ["shelf://people/b"]
    for broken in ("[1, 2]", "{", "7", '[{"id": 1}, null]'):
        http.put({"uri": "shelf://people/a", "text": broken}, {"uri": "shelf://people/b", "text": '{"id": 3}'})
        took = http.read("person")
        assert took.column("id") == [3]
        assert isinstance(took.failure, Unreachable) and "shelf://people/a" in str(took.failure)


def test_loads_close_what_is_gone_and_nothing_that_was_not_seen(http: Shelf, store: Store) -> None:
    def load(table: str = "paper") -> Any:
        return load_into(store, http.text(), table)

    http.put(*papers(*range(30)), faults={"shelf://papers/20": ["error"] * 9})
    broken = load()
    assert (broken.state, broken.counts["new"], broken.counts["closed"]) == ("failed", 20, 0)
    http.put(*papers(*range(30)), faults={"shelf://papers/20": ["error", "error"], "list": ["error"]})
    healed = load()
    assert (healed.state, healed.counts["new"], healed.counts["unchanged"]) == ("ok", 10, 20)
    http.put(*papers(*range(28)), *papers(29, missing=True))
    assert (load().state, len(known_now(store, "body"))) == ("failed", 30)
    http.put(*papers(*range(28)))
    assert load().counts["closed"] == 2
    assert known_now(store, "body") == {f"shelf://papers/{number}": f"t{number}" for number in range(28)}


# What a description must not say.


@pytest.mark.parametrize(
    ("connect", "said"),
    [
        ("command: [a], url: 'http://127.0.0.1/'", "expected one of url: and command:"),
        ("environment: {A: b}, url: 'http://127.0.0.1/'", "environment: goes with command:"),
        ("command: [a], auth: {kind: none}", "auth: goes with url:"),
        ("command: []", "command"),
        ("url: 'http://127.0.0.1/', auth: {kind: bearer, secret: written}", "never written"),
    ],
)
def test_what_a_description_must_not_say(connect: str, said: str) -> None:
    with pytest.raises(BadSource, match=said):
        load_source_file("shelf.yaml", SOURCE.replace("CONNECT", connect))


@pytest.mark.parametrize(
    ("connect", "said"),
    [
        ("url: 'http://shelf.example/', auth: {kind: bearer, secret: env:TOKEN}", "unencrypted"),
        ("url: 'ftp://shelf.example/'", "not an http"),
        ("url: 'https://${TOKEN}@shelf.example/'", "user or password"),
        ("url: 'https://shelf.example/', auth: {kind: bearer, secret: env:OTHER}", "OTHER is not set"),
    ],
)
def test_what_cannot_be_opened(connect: str, said: str) -> None:
    source = load_source_file("shelf.yaml", SOURCE.replace("CONNECT", connect))
    with pytest.raises(BadSource, match=said) as caught:
        open_source(source, {"TOKEN": "mcp-secret"})
    assert "mcp-secret" not in str(caught.value)
