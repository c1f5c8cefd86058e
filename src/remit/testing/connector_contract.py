"""What every connector must show, for ours and for other people's: `check_connector`.

Point it at the connector and at a system that it can truly change (a test instance), and say how to count
what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from remit.canonical import canonical
from remit.connectors.connector import Connector, Done, Reading
from remit.errors import CannotTell, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["ConnectorCase", "EffectCase", "ListCase", "ReadCase", "check_connector"]


@dataclass(frozen=True, slots=True)
class ReadCase:
    """A read that gives ``value``; ``absent`` are parameters for which the system has no record, None to
    leave out.
    """

    name: str
    parameters: Mapping[str, Json]
    value: Json
    absent: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ListCase:
    """A list that gives ``records``, in any order."""

    name: str
    parameters: Mapping[str, Json]
    records: list[dict[str, Json]]


@dataclass(frozen=True, slots=True)
class EffectCase:
    """An effect. ``count`` asks the system itself, not the connector, how often it was done under a key.

    ``knows_keys``: the same key twice is done once. ``can_look_up``: the system can be asked what became of a
    key.
    """

    operation: str
    arguments: Mapping[str, Json]
    count: Callable[[str], int]
    knows_keys: bool = True
    can_look_up: bool = True


@dataclass(frozen=True, slots=True)
class ConnectorCase:
    """One connector under test. ``open`` gives a fresh one each time, to the same system."""

    open: Callable[[], Awaitable[Connector] | Connector]
    reads: tuple[ReadCase, ...] = ()
    lists: tuple[ListCase, ...] = ()
    effects: tuple[EffectCase, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)


async def check_connector(case: ConnectorCase) -> None:
    """Check one connector against everything that `Connector` promises.

    Raises:
        AssertionError: it breaks a promise; the text says which.
    """
    connector = await _opened(case)
    try:
        assert isinstance(connector, Connector), "a method of Connector is missing"
        assert connector.name, "a connector has a name"
        assert not any(secret in repr(connector) for secret in case.secrets), "its repr shows a secret"
        for read in case.reads:
            await _check_read(connector, read)
        for listing in case.lists:
            await _check_list(connector, listing)
        for effect in case.effects:
            await _check_effect(connector, effect)
        await _check_unknown_names(connector)
    finally:
        await connector.close()
        await connector.close()
    await _check_closed(case, connector)


async def _opened(case: ConnectorCase) -> Connector:
    opened = case.open()
    return await opened if isinstance(opened, Awaitable) else opened


async def _check_read(connector: Connector, case: ReadCase) -> None:
    several = await asyncio.gather(*(connector.read(case.name, case.parameters) for _ in range(5)))
    for reading in several:
        assert isinstance(reading, Reading)
        canonical(reading.value)
        assert reading.value == case.value, f"{case.name}: got {reading.value!r}, expected {case.value!r}"
        if reading.observed_at is not None:
            assert reading.observed_at.utcoffset() == timedelta(0), f"{case.name}: observed_at is not in UTC"
    if case.absent is not None:
        missing = await connector.read(case.name, case.absent)
        assert missing.value is None, f"{case.name}: a value for a record that is not there: {missing.value!r}"
        assert missing.problem, f"{case.name}: a missing value must say why"


async def _check_list(connector: Connector, case: ListCase) -> None:
    got = [dict(record) async for record in connector.records(case.name, case.parameters)]
    assert sorted(map(canonical, got)) == sorted(map(canonical, case.records)), (
        f"{case.name}: other records: got {len(got)}, expected {len(case.records)}"
    )


async def _check_effect(connector: Connector, case: EffectCase) -> None:
    key, unused, what = f"contract-{id(case):x}-1", f"contract-{id(case):x}-2", case.operation
    assert case.count(key) == 0, f"{what}: the system knows the key before anything was done"
    if case.can_look_up:
        assert await connector.lookup(what, key, case.arguments) is None, f"{what}: found before it was done"
    done = await connector.perform(what, case.arguments, key)
    assert isinstance(done, Done)
    canonical(dict(done.result))
    assert case.count(key) == 1, f"{what}: done {case.count(key)} times, expected once"
    if case.knows_keys:
        again = await connector.perform(what, case.arguments, key)
        assert case.count(key) == 1, f"{what}: the same key did it {case.count(key)} times"
        assert canonical(dict(again.result)) == canonical(dict(done.result)), f"{what}: another result the second time"
        await asyncio.gather(*(connector.perform(what, case.arguments, key) for _ in range(3)))
        assert case.count(key) == 1, f"{what}: the same key at once did it {case.count(key)} times"
    if not case.can_look_up:
        await _expect(CannotTell, connector.lookup(what, key, case.arguments), f"{what}: lookup")
        return
    found = await connector.lookup(what, key, case.arguments)
    assert found is not None, f"{what}: done, and not found by its key"
    assert await connector.lookup(what, unused, case.arguments) is None, f"{what}: found, and never done"


async def _check_unknown_names(connector: Connector) -> None:
    nowhere = "there-is-no-such-name"
    await _expect(Refused, connector.read(nowhere, {}), "read of an unknown name")
    await _expect(Refused, _all(connector, nowhere), "list of an unknown name")
    await _expect(Refused, connector.perform(nowhere, {}, "key"), "effect of an unknown name")
    await _expect(CannotTell, connector.lookup(nowhere, "key", {}), "look-up of an unknown name")


async def _check_closed(case: ConnectorCase, connector: Connector) -> None:
    for read in case.reads[:1]:
        await _expect(Unreachable, connector.read(read.name, read.parameters), "read after close")
    for effect in case.effects[:1]:
        perform = connector.perform(effect.operation, effect.arguments, "after-close")
        await _expect(Unreachable, perform, "effect after close")
        assert effect.count("after-close") == 0, "an effect was done after close"


async def _all(connector: Connector, name: str) -> list[Mapping[str, Json]]:
    return [record async for record in connector.records(name, {})]


async def _expect(error: type[Exception], call: Awaitable[object], what: str) -> None:
    try:
        result = await call
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what}: raised {type(other).__name__}, expected {error.__name__}") from other
    raise AssertionError(f"{what}: gave {result!r:.80}, expected {error.__name__}")
