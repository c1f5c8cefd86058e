"""The contract suite itself: good connectors pass it, and each broken promise is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.turned_time import TurnedTime

from remit.connectors.connector import Connector, Done, Reading
from remit.connectors.systems import load_system, open_connector
from remit.errors import CannotTell, Refused, Unreachable
from remit.testing.connector_contract import ConnectorCase, EffectCase, ListCase, ReadCase, check_connector
from remit.testing.stand_ins import Fault, StandInConnector
from remit.vocabulary import Json


class Broken(StandInConnector):
    """A stand-in that breaks one promise."""

    def __init__(self, how: str, counts: dict[str, int]):
        moment = datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1)) if how == "zone" else UTC)
        super().__init__(
            "broken",
            facts={
                "fact": lambda p: Reading(5 if p["id"] == "a" else None, "", moment, "none" if p["id"] != "a" else "")
            },
            lists={"all": [{"n": 1}, {"n": 2}]},
            operations={"do": Done({"ok": True}, 5)},
        )
        self.how, self.counts = how, counts

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        if self.how == "unknown read" and name not in self.facts:
            return Reading(None, problem="unknown")
        if self.how == "read after close":
            self._closed = False
        reading = await super().read(name, parameters)
        if self.how == "absent value" and reading.value is None:
            return Reading(0)
        if self.how == "absent reason" and reading.value is None:
            return Reading(None)
        if self.how == "float":
            return Reading(0.5)  # type: ignore[arg-type]
        if self.how == "value":
            return Reading(6)
        return reading

    async def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        async for record in super().records(name, parameters):
            if self.how != "lost record" or record["n"] != 2:
                yield record
            if self.how == "doubled record":
                yield record

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        if self.how == "unknown effect" and operation not in self.operations:
            raise KeyError(operation)
        if self.how == "effect after close":
            self._closed = False
        done = await super().perform(operation, arguments, key)
        if self.how != "not done":
            self.counts[key] = self.counts.get(key, 0) + 1 if self.how == "done twice" else 1
        return Done({"again": len(self.attempts)}) if self.how == "another result" else done

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        if self.how == "unknown look-up" and operation not in self.operations:
            return None
        if self.how == "never found":
            return None
        if self.how == "always found":
            return Done({})
        return await super().lookup(operation, key, arguments)

    async def close(self) -> None:
        if self.how == "close twice" and self._closed:
            raise RuntimeError("closed already")
        await super().close()


def case(how: str) -> ConnectorCase:
    counts: dict[str, int] = {}
    return ConnectorCase(
        lambda: Broken(how, counts),
        reads=(ReadCase("fact", {"id": "a"}, 5, {"id": "b"}),),
        lists=(ListCase("all", {}, [{"n": 1}, {"n": 2}]),),
        effects=(EffectCase("do", {"x": 1}, lambda key: counts.get(key, 0)),),
        secrets=("hidden",),
    )


def test_a_good_one_passes() -> None:
    asyncio.run(check_connector(case("not at all")))


@pytest.mark.parametrize(
    "how",
    """unknown read, read after close, absent value, absent reason, float, value, zone, lost record, doubled record,
    unknown effect, effect after close, done twice, not done, another result, unknown look-up, never found,
    always found, close twice""".replace("\n    ", " ").split(", "),
)
def test_each_broken_promise_is_noticed(how: str) -> None:
    with pytest.raises((AssertionError, Exception)) as caught:
        asyncio.run(check_connector(case(how)))
    assert isinstance(caught.value, AssertionError) or how in {"float", "close twice"}


def test_a_repr_with_a_secret_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "__repr__", lambda self: "Broken(key=hidden)", raising=False)
    with pytest.raises(AssertionError, match="shows a secret"):
        asyncio.run(check_connector(case("not at all")))


def test_an_http_system_keeps_the_contract() -> None:
    done: dict[str, list[Any]] = {}

    def script(seen: Seen) -> Reply:
        if seen.path == "/facts/a":
            return as_json({"v": "12", "at": "2026-03-01T00:00:00Z"})
        if seen.path.startswith("/facts/"):
            return Reply(404)
        if seen.path == "/all":
            return as_json({"items": [{"n": "1"}] if seen.one("page") == "1" else []})
        key = seen.headers.get("idempotency-key") or seen.one("key") or ""
        if seen.method == "POST":
            done.setdefault(key, []).append(seen.json) if key not in done else None
            return as_json({"id": 1})
        return as_json({"items": [{"id": 1}] if key in done else []})

    text = """
system: crm
kind: http
url: ${URL}
auth: {kind: bearer, secret: env:KEY}
reads: {fact: {get: /facts/$id, value: v, observed: at}}
lists: {all: {get: /all, items: items, paging: {kind: page, parameter: page}}}
does:
  pay: {post: /pay, key_header: Idempotency-Key, lookup: {get: /pay, query: {key: $key}, items: items}}
  mail: {post: /mail, key_header: Idempotency-Key}
"""
    with ScriptedServer(script) as server:
        environment = {"URL": server.url, "KEY": "a-very-secret-key"}

        def opened() -> Connector:
            return open_connector(load_system("crm.yaml", text), environment, TurnedTime().timing)

        def count(key: str) -> int:
            return len(done.get(key, []))

        asyncio.run(
            check_connector(
                ConnectorCase(
                    opened,
                    reads=(ReadCase("fact", {"id": "a"}, "12", {"id": "b"}),),
                    lists=(ListCase("all", {}, [{"n": "1"}]),),
                    effects=(
                        EffectCase("pay", {"sum": 5}, count),
                        EffectCase("mail", {"to": "x"}, count, can_look_up=False),
                    ),
                    secrets=("a-very-secret-key",),
                )
            )
        )


def test_the_stand_in_fails_where_it_is_told_to() -> None:
    async def go() -> None:
        stand_in = StandInConnector(
            facts={"a": 1, "b": None}, lists={"l": [{"n": 1}, {"n": 2}]}, operations={"do": Done({"ok": 1}, 3)}
        )
        assert isinstance(stand_in, Connector)
        assert (await stand_in.read("b", {})).problem
        stand_in.fail("do", "refuse", "unreachable", "cut_before", "cut_after")
        for error, done in ((Refused, 0), (Unreachable, 0), (CannotTell, 0), (CannotTell, 1)):
            with pytest.raises(error):
                await stand_in.perform("do", {"x": 1}, "k")
            assert len(stand_in.deeds) == done
            assert (await stand_in.lookup("do", "k", {}) is not None) == bool(done)
        assert await stand_in.perform("do", {"x": 1}, "k") == Done({"ok": 1}, 3)
        assert (len(stand_in.deeds), stand_in.attempts) == (1, ["k", "k", "k"])
        stand_in.fail("do", "slow")
        slow = asyncio.ensure_future(stand_in.perform("do", {}, "k2"))
        await asyncio.sleep(0)
        assert not slow.done()
        assert "k2" not in stand_in.deeds
        stand_in.release()
        assert (await slow).cost_minor == 3
        stand_in.fail("l", "cut_after")
        got = []
        with pytest.raises(Unreachable):
            async for record in stand_in.records("l", {}):
                got.append(record)
        assert got == [{"n": 1}]
        faults: tuple[Fault, ...] = ("cut_before", "unreachable", "refuse")
        for fault in faults:
            stand_in.fail("lookup", fault)
            with pytest.raises((Unreachable, CannotTell)):
                await stand_in.lookup("do", "k", {})

    asyncio.run(go())
