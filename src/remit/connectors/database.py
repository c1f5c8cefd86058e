"""A system that is a database, spoken to in SQL."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import tzinfo
from typing import Any, Final, TypeVar

from remit.connectors.answer import as_cost, as_moment, as_record
from remit.connectors.connector import Done, Reading
from remit.connectors.database_engine import COUNTED_MAX, Change, DatabaseEngine, recorded
from remit.connectors.database_schema import DATABASE_SCHEMA, check_database
from remit.connectors.pace import Pace, PaceLimits, Timing
from remit.connectors.statement import bound_names
from remit.connectors.system_file import ConnectorKind, Opening, SystemFile
from remit.connectors.threads import NotStarted, StillRunning, Threads
from remit.errors import BadInput, CannotTell, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["DATABASE_KIND", "DatabaseConnector"]

RECORDS_MAX: Final = 1_000_000
T = TypeVar("T")
Row = dict[str, Json]


class DatabaseConnector:
    """Reads, lists and changes rows. Implements `Connector`; its work is done in threads of its own."""

    def __init__(self, system: SystemFile, database: DatabaseEngine, pace: Pace, local: tzinfo):
        self.name = system.name
        self._value = system.value
        self._database = database
        self._pace = pace
        self._local = local
        self._threads = Threads(system.name, pace.limits.at_once)

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        """Read one fact; see `Connector.read`. Columns are ``value``, ``observed`` and ``record``."""
        asking, what = self._asking("reads", name)
        select, bound = asking["select"], _bound(what, asking["select"], parameters)
        rows = await self._reading(lambda: self._database.first_rows(select, bound), what, parameters)
        if len(rows) != 1:
            count = str(len(rows)) if len(rows) <= COUNTED_MAX else f"more than {COUNTED_MAX}"
            return Reading(None, problem=f"{count} records" if rows else "no such record")
        row = rows[0]
        if "value" not in row:
            raise Refused(f"{what}: the select gives no column named value")
        try:
            value = recorded(row["value"])
        except BadInput as error:
            return Reading(None, problem=f"value: {error}")
        observed_at = as_moment(row.get("observed"), self._local)
        record = as_record(row.get("record"))
        if value is None:
            return Reading(None, record, observed_at, "the record has no value")
        unread = row.get("observed") is not None and observed_at is None
        return Reading(value, record, observed_at, "no moment that can be read in observed" if unread else "")

    async def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        """List records, in one transaction; see `Connector.records`."""
        asking, what = self._asking("lists", name)
        chunks = self._database.chunks(asking["select"], _bound(what, asking["select"], parameters))
        count = 0
        try:
            # Not tried again: rows already handed out would come twice, or the rest would be lost.
            while chunk := await self._reading(lambda: next(chunks, None), what, parameters, tries=1):
                for row in chunk:
                    count += 1
                    if count > RECORDS_MAX:
                        raise Refused(f"{what}: more than {RECORDS_MAX} records")
                    yield _record(f"{what}: record {count}", row)
        finally:
            # A chunk that is still being fetched keeps its connection until it is done.
            with contextlib.suppress(ValueError, NotStarted, StillRunning):
                await self._threads.run(chunks.close, self._pace.limits.timeout_seconds)

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        """Do it in one transaction; see `Connector.perform`.

        Where a look-up is described it is asked before, so that a key is done once, and after, so that what
        was done can be found again; both within the transaction.
        """
        asking, what = self._asking("does", operation)
        parameters = {**arguments, "key": key}
        change = Change(
            asking["execute"],
            _bound(what, asking["execute"], parameters),
            asking.get("lookup"),
            _bound(what, asking["lookup"], parameters) if "lookup" in asking else {},
        )

        try:
            row = await self._in_thread(lambda: self._database.change(change), what, arguments)
        except StillRunning as error:
            raise CannotTell(f"{what}: {error}") from None
        return _done(what, asking, row)

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        """Ask what became of ``key``; see `Connector.lookup`."""
        try:
            asking, what = self._asking("does", operation)
            if "lookup" not in asking:
                raise CannotTell(f"{what}: its description has no lookup")
            bound = _bound(what, asking["lookup"], {**arguments, "key": key})
            rows = await self._reading(lambda: self._database.first_rows(asking["lookup"], bound), what, arguments)
        except Refused as error:
            raise CannotTell(str(error)) from None
        if len(rows) > 1:
            raise CannotTell(f"{what}: lookup: {len(rows)} records under one key")
        return _done(what, asking, rows[0]) if rows else None

    async def close(self) -> None:
        """Close the connections."""
        self._threads.close()
        self._database.close()

    def _asking(self, section: str, name: str) -> tuple[Mapping[str, Any], str]:
        asking = self._value.get(section, {}).get(name)
        if asking is None:
            raise Refused(f"{self.name}: its description has no {name!r:.80} under {section}")
        return asking, f"{self.name}.{name}"

    async def _reading(
        self, work: Callable[[], T], what: str, parameters: Mapping[str, Json], tries: int | None = None
    ) -> T:
        """Do what only reads, again as often as the description says.

        Raises:
            Refused, Unreachable: as `Connector` says.
        """
        tries = tries or self._pace.limits.tries
        for attempt in range(1, tries + 1):
            try:
                return await self._in_thread(work, what, parameters)
            except StillRunning as error:
                # What hangs is not begun a second time beside itself.
                raise Unreachable(f"{what}: {error}") from None
            except Unreachable:
                if attempt == tries:
                    raise
            await self._pace.pause(attempt, None)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _in_thread(self, work: Callable[[], T], what: str, sent: Mapping[str, Json]) -> T:
        """Do ``work`` in the system's pace; a refusal says that the system is well."""

        def told() -> T:
            return self._database.told(work, what, sent)

        async with self._pace.turn() as turn:
            try:
                turn.well = False
                result = await self._threads.run(told, self._pace.limits.timeout_seconds)
                turn.well = True
            except Refused:
                turn.well = True
                raise
            except NotStarted as error:
                turn.well = None
                raise Unreachable(f"{what}: {error}") from None
            return result


def _record(what: str, row: Mapping[str, Any]) -> Row:
    try:
        record = recorded(row)
    except BadInput as error:
        raise Unreachable(f"{what}: {error}") from None
    assert isinstance(record, dict)
    return record


def _bound(what: str, statement: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
    """Pick the parameters that a statement binds.

    Raises:
        Refused: one is missing, or is a list or an object.
    """
    bound: dict[str, Json] = {}
    for name in sorted(bound_names(statement)):
        if name not in parameters:
            raise Refused(f"{what}: parameter {name!r} is missing")
        if isinstance(parameters[name], list | dict):
            raise Refused(f"{what}: parameter {name!r} is a list or an object, which cannot be bound")
        bound[name] = parameters[name]
    return bound


def _done(what: str, asking: Mapping[str, Any], row: Mapping[str, Any]) -> Done:
    try:
        result = recorded(row)
    except BadInput as error:
        raise CannotTell(f"{what}: what was done cannot be recorded: {error}") from None
    assert isinstance(result, dict)
    return Done(result, as_cost(result.get(asking["cost"])) if "cost" in asking else None)


def _open(system: SystemFile, environment: Mapping[str, str] | None, timing: Timing) -> DatabaseConnector:
    opening = Opening(system, environment)
    limits = PaceLimits.from_description(system.value)
    url = opening.text("url")
    password = opening.secret("secret") if "secret" in system.value else None
    local = opening.zone()
    opening.finish()
    try:
        engine = DatabaseEngine(url, limits.at_once, limits.timeout_seconds, password)
    except BadInput as error:
        opening.wrong(("url",), f"url: {error}", "like postgresql://host/name or sqlite:///path")
    opening.finish()
    return DatabaseConnector(system, engine, Pace(system.name, limits, timing), local)


DATABASE_KIND: Final = ConnectorKind(DATABASE_SCHEMA, check_database, _open)
"""The kind ``database``."""
