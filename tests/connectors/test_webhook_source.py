"""Events that are sent to us: who may send them, that each counts once, and what a load makes of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.connectors.taking import NOW, known_now, load_into, take

from remit.connectors.change_events import change_of, read_event
from remit.connectors.credentials import Secret
from remit.connectors.webhook_signature import check_standard, signing_key
from remit.connectors.webhook_source import Arrival, Received, receive_webhook
from remit.errors import BadInput, BadSource, NotAllowed, NotFound, RemitError, StoreUnavailable, Unreachable
from remit.faces.api_webhooks import mount_webhooks
from remit.knowledge.arrivals import Arrivals, receive_event
from remit.knowledge.source_file import load_source_file
from remit.store.engine import Store

KEY, OLD = b"k" * 24, b"o" * 24
ENVIRONMENT = {
    "HOOK": "whsec_" + base64.b64encode(KEY).decode(),
    "OLD": "whsec_" + base64.b64encode(OLD).decode(),
}
SOURCE = """
source: crm
department: sales
connect: {kind: webhook, signature: standard, secret: env:HOOK}
tables:
  account:
    is: Customer
    key: id
    events: ["account.*"]
    facts: {name: {from: name, required: true}, city: address.city}
  visit:
    is: Visit
    key: id
    events: ["visit.*", "account.visited"]
    facts: {name: name}
"""
UNSIGNED = SOURCE.replace("signature: standard, secret: env:HOOK", "signature: none")
DEBEZIUM = UNSIGNED.replace("signature: none", "signature: none, envelope: debezium").replace(
    'events: ["account.*"]', 'events: ["*"]'
)


def signed(
    value: object, event_id: str = "m1", at: datetime = NOW, keys: tuple[bytes, ...] = (KEY,)
) -> tuple[dict[str, str], bytes]:
    """What a sender that follows Standard Webhooks sends."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    stamp = str(int(at.timestamp()))
    content = f"{event_id}.{stamp}.".encode() + body
    made = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    headers = {"webhook-id": event_id, "webhook-timestamp": stamp, "content-type": "application/json"}
    return headers | {"webhook-signature": " ".join(f"v1,{one}" for one in made)}, body


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": "2026-03-01T08:59:00Z", "data": data}


def receive(
    store: Store, headers: Mapping[str, str], body: bytes, text: str = SOURCE, peer: str = "203.0.113.9", **more: Any
) -> Received:
    source = load_source_file("sources/crm.yaml", text)
    return receive_event(store, source, headers, body, peer=peer, now=NOW, environment=ENVIRONMENT, **more)


class Kept:
    """An inbox that only keeps, for what is about senders and not about the store."""

    def __init__(self) -> None:
        self.events: list[tuple[tuple[str, ...], str]] = []

    def append(self, datasets: Sequence[str], event_id: str, body: str) -> bool:
        known = (tuple(datasets), event_id) in self.events
        self.events.append((tuple(datasets), event_id))
        return not known

    def waiting(self, dataset: str, after: int) -> Sequence[Arrival]:
        return []

    def mark(self, dataset: str, through: int) -> None:
        pass

    def take_in(
        self, headers: Mapping[str, str], body: bytes, text: str = SOURCE, peer: str = "203.0.113.9", **environment: str
    ) -> Received:
        source = load_source_file("sources/crm.yaml", text)
        tables = {name: table.options for name, table in source.tables.items()}
        known = ENVIRONMENT | environment
        return receive_webhook(
            source.name, source.connect, tables, headers, body, peer=peer, now=NOW, inbox=self, environment=known
        )


def send(store: Store, event_id: str, kind: str, text: str = SOURCE, **data: Any) -> Received:
    headers, body = signed(event(kind, **data), event_id)
    return receive(store, headers, body, text, peer="127.0.0.1")


def waiting(store: Store) -> list[tuple[Any, ...]]:
    return store.read("select source, id, place, body is null, load from arrival order by place")


# Who may send.


def test_the_example_of_the_specification() -> None:
    """The vector of the Standard Webhooks reference libraries."""
    secret = signing_key(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    assert check_standard(headers, body, [secret], 1614265330 + 300, 300) == headers["webhook-id"]
    for late in (301, -301):
        with pytest.raises(NotAllowed, match="webhook-timestamp"):
            check_standard(headers, body, [secret], 1614265330 + late, 300)


def test_a_signed_event_is_kept_for_each_table_that_wants_it(store: Store) -> None:
    assert send(store, "m1", "account.visited", id="a", name="A") == Received("m1", ("account", "visit"), False)
    assert send(store, "m2", "other.kind", id="b") == Received("m2", (), False)
    assert waiting(store) == [("crm.account", "m1", 0, False, -1), ("crm.visit", "m1", 1, False, -1)]


BODY = json.dumps(event("account.made", id="a", name="A")).encode()
GOOD, _ = signed(BODY)


@pytest.mark.parametrize(
    ("change", "body", "error"),
    [
        ({"webhook-signature": ""}, BODY, NotAllowed),
        ({"webhook-id": ""}, BODY, BadInput),
        ({"webhook-id": "x" * 257}, BODY, BadInput),
        ({"webhook-id": "m2"}, BODY, NotAllowed),
        ({"webhook-timestamp": "soon"}, BODY, BadInput),
        ({"webhook-timestamp": "9" * 400}, BODY, BadInput),
        ({"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, BODY, NotAllowed),
        ({}, BODY + b" ", NotAllowed),
        ({"webhook-signature": "v1a," + GOOD["webhook-signature"][3:]}, BODY, BadInput),
        ({"webhook-signature": "v1,not base64"}, BODY, BadInput),
        ({"webhook-signature": "v1," + base64.b64encode(b"0" * 32).decode()}, BODY, NotAllowed),
        ({"webhook-signature": signed(BODY, keys=(b"x" * 24,))[0]["webhook-signature"]}, BODY, NotAllowed),
        (signed(BODY, at=NOW - timedelta(seconds=301))[0], BODY, NotAllowed),
        (signed(BODY, at=NOW + timedelta(seconds=301))[0], BODY, NotAllowed),
    ],
)
def test_what_is_not_signed_as_it_should_be_is_not_kept(
    change: dict[str, str], body: bytes, error: type[RemitError]
) -> None:
    inbox = Kept()
    with pytest.raises(error) as caught:
        inbox.take_in(GOOD | change, body)
    assert ENVIRONMENT["HOOK"][6:] not in str(caught.value)
    assert inbox.events == []


def test_a_secret_is_changed_without_a_gap() -> None:
    both = SOURCE.replace("secret: env:HOOK", "secret: env:HOOK, former: {secret: env:OLD}")
    inbox = Kept()
    for number, keys in enumerate([(KEY,), (OLD,), (b"?" * 24, OLD), (KEY, OLD)]):
        headers, body = signed(event("account.made", id="a", name="A"), f"m{number}", keys=keys)
        assert not inbox.take_in(headers, body, both).repeated
    headers, body = signed(event("account.made", id="a", name="A"), "m9", keys=(OLD,))
    with pytest.raises(NotAllowed):
        inbox.take_in(headers, body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", "whsec_" + base64.b64encode(b"short").decode(), "k" * 40])
def test_a_secret_of_another_form_is_the_companys_fault(secret: str) -> None:
    with pytest.raises(BadInput) as caught:
        Kept().take_in(GOOD, BODY, HOOK=secret)
    assert len(secret) < 10 or secret not in str(caught.value)


@pytest.mark.parametrize("peer", ["203.0.113.9", "", "::ffff:8.8.8.8", "localhost.example"])
def test_unsigned_events_come_from_this_machine_only(peer: str) -> None:
    inbox = Kept()
    with pytest.raises(NotAllowed, match="unsigned"):
        inbox.take_in({}, BODY, UNSIGNED, peer)
    assert inbox.events == []
    assert inbox.take_in({}, BODY, UNSIGNED, "127.0.0.1").tables == ("account",)
    assert inbox.take_in({}, BODY, UNSIGNED, "::1").repeated  # its bytes are its id


def test_an_id_that_is_not_signed_does_not_make_old_bytes_new() -> None:
    inbox = Kept()
    headers, body = signed({"id": "a", "name": "A"})
    cloud = {"ce-specversion": "1.0", "ce-source": "/crm", "ce-type": "account.made", "ce-id": "7"}
    assert inbox.take_in(headers | cloud, body) == Received("m1", ("account",), False)
    assert inbox.take_in(headers | cloud | {"ce-id": "8"}, body).repeated


def test_github_signs_the_body_so_the_same_bytes_are_one_event() -> None:
    text = SOURCE.replace("signature: standard", "signature: github").replace("account.*", 'account.*", "issues.*')
    body = json.dumps({"action": "opened", "id": 7, "name": "N"}).encode()
    shown = "sha256=" + hmac.new(ENVIRONMENT["HOOK"].encode(), body, hashlib.sha256).hexdigest()
    inbox = Kept()
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "d1", "X-Hub-Signature-256": shown}
    assert inbox.take_in(headers, body, text) == Received(hashlib.sha256(body).hexdigest(), ("account",), False)
    assert inbox.take_in(headers | {"X-GitHub-Delivery": "d2"}, body, text).repeated
    for wrong in ("sha256=" + "0" * 64, "sha1=" + "0" * 40, ""):
        with pytest.raises((NotAllowed, BadInput)):
            inbox.take_in(headers | {"X-Hub-Signature-256": wrong}, body + b" ", text)


def test_a_source_of_another_kind_takes_no_events(store: Store) -> None:
    text = "source: f\ndepartment: d\nconnect: {kind: csv, path: a.csv}\n"
    text += "tables:\n  t: {is: T, key: id, facts: {name: name}}\n"
    with pytest.raises(NotFound):
        receive(store, GOOD, BODY, text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'"x"',
        b"\xff",
        b'{"a": NaN}',
        b'{"a": "\\u0000"}',
        b"[" * 5_000,
        b'{"a":1,"a":2}',
        b" " * 2**21,
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    inbox = Kept()
    headers, body = signed(body)
    with pytest.raises(BadInput):
        inbox.take_in(headers, body)
    assert inbox.events == []


# Each counts once.


def test_the_same_event_64_times_at_once_is_kept_once(store: Store) -> None:
    headers, body = signed(event("account.made", id="a", name="A"))
    answers: list[Received] = []
    threads = [threading.Thread(target=lambda: answers.append(receive(store, headers, body))) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.repeated for answer in answers) == [False] + [True] * 63
    assert len(waiting(store)) == 1


@settings(max_examples=10, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 6), st.booleans()),
            st.tuples(st.sampled_from(["load", "fail"]), st.just(0), st.just(False)),
        ),
        max_size=14,
    )
)
def test_however_often_things_are_sent_and_loads_fail_the_last_word_counts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    """Against a plain dictionary: each event id counts the first time, in the order of arrival."""
    from remit.store.engine import open_store

    store = open_store(f"sqlite:{tmp_path_factory.mktemp('hooks') / 'store.db'}")
    expected: dict[str, str] = {}
    seen: set[int] = set()
    for number, (what, event_number, deleted) in enumerate(steps):
        if what == "send":
            key = f"k{event_number % 3}"
            kind = "account.deleted" if deleted else "account.made"
            answer = send(store, f"m{event_number}", kind, id=key, name=f"n{number}")
            assert answer.repeated is (event_number in seen)
            if event_number not in seen:
                expected.pop(key, None)
                expected |= {} if deleted else {key: f"n{number}"}
            seen.add(event_number)
        else:
            inbox: Any = Arrivals(store) if what == "load" else _BreaksOff(store)
            load_into(store, SOURCE, "account", inbox=inbox, environment=ENVIRONMENT)
    load_into(store, SOURCE, "account", inbox=Arrivals(store), environment=ENVIRONMENT)
    assert known_now(store, "name") == expected
    assert all(gone and load > 0 for _, _, _, gone, load in waiting(store))
    store.close()


class _BreaksOff(Arrivals):
    """Fails after the first events were handed out, and when they are marked."""

    def waiting(self, dataset: str, after: int) -> Any:
        if after >= 0:
            raise Unreachable("the store went away")
        return super().waiting(dataset, after)[:2]

    def mark(self, dataset: str, through: int) -> None:
        raise Unreachable("the store went away")


def test_a_load_that_could_not_mark_is_repeated_without_harm(store: Store) -> None:
    send(store, "m1", "account.made", id="a", name="A", address={"city": "Lisbon"})
    send(store, "m2", "account.made", id="b", name="B")

    class Forgetful(Arrivals):
        def mark(self, dataset: str, through: int) -> None:
            raise Unreachable("the store went away")

    first = load_into(store, SOURCE, "account", inbox=Forgetful(store), environment=ENVIRONMENT)
    assert (first.state, first.mode, first.counts["new"]) == ("ok", "events", 2)
    assert any("hand it out again" in note for note in first.notes)
    send(store, "m3", "account.deleted", id="b")
    second = load_into(store, SOURCE, "account", inbox=Arrivals(store), environment=ENVIRONMENT)
    assert (second.counts["read"], second.counts["unchanged"], second.counts["deleted"]) == (3, 2, 1)
    assert known_now(store, "name") == {"a": "A"} and known_now(store, "city") == {"a": "Lisbon"}
    nothing = load_into(store, SOURCE, "account", inbox=Arrivals(store), environment=ENVIRONMENT)
    assert (nothing.state, nothing.mode, nothing.counts["read"], nothing.counts["closed"]) == ("ok", "events", 0, 0)
    assert known_now(store, "name") == {"a": "A"}


def test_what_arrives_while_a_load_runs_waits_for_the_next(store: Store) -> None:
    send(store, "m1", "account.made", id="a", name="A")

    class Meanwhile(Arrivals):
        def mark(self, dataset: str, through: int) -> None:
            send(store, "m2", "account.made", id="a", name="B")
            super().mark(dataset, through)

    load_into(store, SOURCE, "account", inbox=Meanwhile(store), environment=ENVIRONMENT)
    assert [(row[1], row[4] > 0) for row in waiting(store)] == [("m1", True), ("m2", False)]
    load_into(store, SOURCE, "account", inbox=Arrivals(store), environment=ENVIRONMENT)
    assert known_now(store, "name") == {"a": "B"}


def test_thousands_of_events_are_handed_out_in_order_and_in_parts(store: Store) -> None:
    with store.transaction() as transaction:
        kept = '{"data":{"id":"%d","name":"n%d"},"time":"","type":"account.made"}'
        rows = [("crm.account", f"m{n}", n, 0, kept % (n % 7, n), -1) for n in range(2_500)]
        transaction.insert_many("arrival", "source,id,place,at,body,load", rows)
    took = take(SOURCE, "account", inbox=Arrivals(store), environment=ENVIRONMENT)
    assert took.column("name") == [f"n{n}" for n in range(2_500)]
    assert len(took.batches) == 3 and took.batches[1].position(0) == "arrival:1000"


def test_large_events_are_handed_out_a_few_at_a_time(store: Store) -> None:
    with store.transaction() as transaction:
        large = json.dumps({"data": {"id": "1", "name": "x" * 6_000_000}, "time": "", "type": "account.made"})
        transaction.insert_many(
            "arrival", "source,id,place,at,body,load", [("crm.account", f"m{n}", n, 0, large, -1) for n in range(5)]
        )
    assert [
        len(batch) for batch in (Arrivals(store).waiting("crm.account", -1), Arrivals(store).waiting("crm.account", 3))
    ] == [2, 1]


# What they say.


CLOUD = {"specversion": "1.0", "id": "7", "source": "/crm", "type": "account.made", "time": "2026-03-01T08:00:00Z"}


@pytest.mark.parametrize("mode", ["structured", "binary", "base64"])
def test_cloud_events(mode: str) -> None:
    data = {"id": "a", "name": "Größe", "price": 1.10}
    if mode == "binary":
        headers = {f"ce-{name}": text for name, text in CLOUD.items()} | {"content-type": "application/json"}
        body = json.dumps(data).encode()
    else:
        coded = base64.b64encode(json.dumps(data).encode()).decode()
        headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
        body = json.dumps(CLOUD | ({"data": data} if mode == "structured" else {"data_base64": coded})).encode()
    inbox = Kept()
    first = inbox.take_in(headers, body, UNSIGNED, "127.0.0.1")
    assert (first.id, first.tables, first.repeated) == ("/crm\n7", ("account",), False)
    assert inbox.take_in(headers, body, UNSIGNED, "127.0.0.1").repeated
    found = read_event({name.lower(): text for name, text in headers.items()}, body)
    assert found.data == data | {"price": "1.1"} and found.time == CLOUD["time"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/cloudevents+json"}, b"{}"),
        ({"content-type": "application/cloudevents+json"}, json.dumps(CLOUD | {"specversion": "0.3"}).encode()),
        ({"content-type": "application/cloudevents+json"}, json.dumps(CLOUD | {"id": ""}).encode()),
        ({"content-type": "application/cloudevents+json"}, json.dumps(CLOUD | {"data_base64": "?"}).encode()),
        ({"content-type": "application/cloudevents+json"}, b"[]"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ({"content-type": "application/json", "ce-specversion": "1.0"}, b"{}"),
        ({"content-type": "text/plain"}, b"{}"),
        ({"content-type": "application/json"}, b'{"type": "%s", "data": {}}' % (b"x" * 201)),
    ],
)
def test_what_is_no_cloud_event(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadInput):
        read_event(headers, body)


@pytest.mark.parametrize("around", [lambda value: value, lambda value: {"schema": {}, "payload": value}])
def test_debezium_envelopes(store: Store, around: Any) -> None:
    changes = [
        {"op": "r", "before": None, "after": {"id": "a", "name": "A"}},
        {"op": "c", "before": None, "after": {"id": "b", "name": "B"}},
        {"op": "u", "before": {"id": "a", "name": "A"}, "after": {"id": "a", "name": "AA"}},
        {"op": "d", "before": {"id": "b", "name": "B"}, "after": None},
        {"op": "t"},
        {"op": "u", "after": None},
    ]
    for change in changes:
        receive(store, {}, json.dumps(around(change)).encode(), DEBEZIUM, peer="127.0.0.1")
    report = load_into(store, DEBEZIUM, "account", inbox=Arrivals(store))
    assert known_now(store, "name") == {"a": "AA"}
    assert (report.counts["deleted"], report.counts["bad"]) == (1, 2)
    assert report.state == "ok" and any("Debezium" in note for note in report.notes)
    held = store.read("select rule, reason, position from quarantine order by qid")
    assert [row[0] for row in held] == ["row", "row"] and "expected op c, u, r or d" in held[0][1]


def test_an_event_without_what_every_row_needs_is_held_back_alone(store: Store) -> None:
    send(store, "m1", "account.made", id="a")
    send(store, "m2", "account.made", name="B")
    send(store, "m3", "account.made", id="c", name="C")
    send(store, "m4", "account.deleted")
    report = load_into(store, SOURCE, "account", inbox=Arrivals(store), environment=ENVIRONMENT)
    assert (report.state, report.counts["new"], report.counts["bad"]) == ("ok", 1, 3)
    assert {row[0] for row in store.read("select rule from quarantine")} == {"required", "key"}
    assert known_now(store, "name") == {"c": "C"}


@pytest.mark.parametrize(
    ("kind", "options", "op"),
    [
        ("account.deleted", {}, "d"),
        ("com.crm.account.removed", {}, "d"),
        ("account.undeleted", {}, "u"),
        ("deleted", {}, "u"),
        ("account.deleted", {"deletes": ["*.closed"]}, "u"),
        ("account.closed", {"deletes": ["*.closed"]}, "d"),
    ],
)
def test_which_events_say_that_a_record_is_gone(kind: str, options: dict[str, Any], op: str) -> None:
    assert change_of(kind, {"record": {"id": 1}}, options | {"item": "record"}).op == op


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("signature: standard, secret: env:HOOK", "signature: standard"), "a signature needs secret:"),
        (("signature: standard", "signature: none"), "means nothing"),
        (("signature: standard, ", ""), "signature"),
        (("secret: env:HOOK", "secret: whsec_abcdefgh"), "named here, never written"),
        (("secret: env:HOOK", "secret: env:HOOK, envelope: debezium, item: x"), "item: means nothing|additional"),
    ],
)
def test_what_a_description_must_not_say(change: tuple[str, str], said: str) -> None:
    if "item" in change[1]:
        change = ('events: ["account.*"]', "envelope: debezium\n    item: x")
    with pytest.raises(BadSource, match=said):
        load_source_file("crm.yaml", SOURCE.replace(*change))


def test_events_cannot_be_read_where_nothing_receives_them() -> None:
    with pytest.raises(BadSource, match="open the company"):
        take(SOURCE, "account", environment=ENVIRONMENT)


# Over HTTP.


@dataclass
class Company:
    """Has the one verb that the route calls."""

    store: Store
    text: str = SOURCE
    away: bool = False

    def receive(self, source: str, headers: Mapping[str, str], body: bytes, *, peer: str) -> Received:
        if self.away:
            raise StoreUnavailable("the store is away")
        assert source == "crm"
        return receive(self.store, headers, body, self.text, peer=peer)


def test_over_http(store: Store) -> None:
    from remit.faces.api import _remit_error

    company = Company(store)
    api = FastAPI()
    api.state.control = company
    api.add_exception_handler(RemitError, _remit_error)
    mount_webhooks(api)
    with TestClient(api, base_url="http://127.0.0.1:8765", client=("203.0.113.9", 4_000)) as client:
        headers, body = signed(event("account.made", id="a", name="A"))
        first = client.post("/v1/sources/crm/events", headers=headers, content=body)
        assert (first.status_code, first.json()) == (200, {"id": "m1", "tables": ["account"], "repeated": False})
        again = client.post("/v1/sources/crm/events", headers=headers, content=body)
        assert (again.status_code, again.json()["repeated"]) == (200, True)
        assert client.post("/v1/sources/crm/events", headers=headers, content=body + b" ").status_code == 403
        assert client.post("/v1/sources/crm/events", content=body).status_code == 403
        twice = [(name, text) for name, text in headers.items()] + [("webhook-id", "m2")]
        assert client.post("/v1/sources/crm/events", headers=twice, content=body).status_code == 422
        company.text = UNSIGNED
        assert client.post("/v1/sources/crm/events", content=body).status_code == 403
        company.away = True
        assert client.post("/v1/sources/crm/events", headers=headers, content=body).status_code == 503
    assert len(waiting(store)) == 1
