"""A database as a system, on SQLite and PostgreSQL: what it holds in the end is the judge."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.connectors.turned_time import TurnedTime

from remit.connectors.connector import Connector, Done, Reading
from remit.connectors.credentials import Secret
from remit.connectors.systems import load_system, open_connector
from remit.errors import BadSystem, CannotTell, Refused, Unreachable
from remit.testing.connector_contract import ConnectorCase, EffectCase, ListCase, ReadCase, check_connector
from remit.testing.postgres import own_schema, server_url
from remit.vocabulary import Json

SYSTEM = """
system: contracts
kind: database
url: ${URL}
pace: {timeout: 2s, tries: 2, at_once: 4}
reads:
  term: {select: "select rate_minor as value, updated_at as observed, id as record from term where country = :country"}
  price: {select: "select price as value from term where country = :country"}
  unnamed: {select: "select rate_minor from term where country = :country"}
lists:
  terms: {select: "select id, country, rate_minor, price from term where id > :after order by id"}
does:
  pay:
    execute: "insert into payment (reference, country, amount_minor) values (:key, :country, :amount_minor)"
    lookup: "select reference, country, amount_minor from payment where reference = :key"
    cost: amount_minor
  raise:
    execute: "update term set rate_minor = rate_minor + :by where country = :country"
  note:
    execute: "insert into note (reference, word) values (:key, :word)"
    lookup: "select reference, word from note where reference = :key"
  move:
    execute: "update term set country = :to where country = :country and cast(:key as varchar) <> ''"
    lookup: "select id from term where country = :to and cast(:key as varchar) = 'never'"
"""
TABLES = [
    "create table note (reference varchar(80), word varchar(40))",
    "create table term (id integer primary key, country varchar(40), rate_minor integer, price numeric(12,4),"
    " updated_at timestamp)",
    "create table payment (reference varchar(80) primary key, country varchar(40),"
    " amount_minor integer check (amount_minor > 0))",
    "insert into term values (1, 'Portugal', 800, 12.5, '2026-02-01 10:00:00')",
    "insert into term values (2, 'Vietnam', null, null, null)",
    "insert into term values (3, 'Ghana', 5, 1, '2026-02-01 10:00:00')",
    "insert into term values (4, 'Ghana', 6, 1, '2026-02-01 10:00:00')",
]


class Database:
    """The database itself, asked directly."""

    def __init__(self, url: str):
        self.url = url.replace("postgresql://", "postgresql+psycopg://")
        self.engine = create_engine(self.url)
        with self.engine.begin() as connection:
            for statement in TABLES:
                connection.execute(text(statement))

    def one(self, sql: str, **parameters: Any) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(sql), parameters).scalar()

    def count(self, key: str) -> int:
        return int(self.one("select count(*) from payment where reference = :key", key=key))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'contracts.db'}"
            sqlite3.connect(tmp_path / "contracts.db").close()
        else:
            server = server_url()
            if server is None:
                pytest.skip("no PostgreSQL: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none")
            url = stack.enter_context(own_schema(server))
        database = Database(url)
        stack.callback(database.engine.dispose)
        yield database


def call(url: str, what: Callable[[Connector], Any], system: str = SYSTEM) -> Any:
    async def go() -> Any:
        connector = open_connector(load_system("contracts.yaml", system), {"URL": url}, TurnedTime().timing)
        try:
            return await what(connector)
        finally:
            await connector.close()

    return asyncio.run(go())


def test_a_fact_with_its_record_and_moment(database: Database) -> None:
    reading = call(database.url, lambda connector: connector.read("term", {"country": "Portugal"}))
    assert reading == Reading(800, "1", datetime(2026, 2, 1, 10, tzinfo=UTC))


def test_the_zone_of_moments_that_name_none(database: Database) -> None:
    system = SYSTEM + "zone: Asia/Tokyo\n"
    reading = call(database.url, lambda connector: connector.read("term", {"country": "Portugal"}), system)
    assert reading.observed_at == datetime(2026, 2, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("country", "problem"),
    [
        ("Vietnam", "the record has no value"),
        ("Nowhere", "no such record"),
        ("Ghana", "2 records"),
        (None, "no such record"),
        ("' or '1'='1", "no such record"),
    ],
)
def test_missing_says_why(database: Database, country: str | None, problem: str) -> None:
    reading = call(database.url, lambda connector: connector.read("term", {"country": country}))
    assert (reading.value, reading.problem) == (None, problem)


def test_many_records_are_not_all_fetched(database: Database) -> None:
    with database.engine.begin() as connection:
        for number in range(10, 40):
            connection.execute(text(f"insert into term values ({number}, 'Chile', 1, 1, null)"))
    reading = call(database.url, lambda connector: connector.read("term", {"country": "Chile"}))
    assert reading.problem == "more than 10 records"


def test_a_decimal_is_text(database: Database) -> None:
    reading = call(database.url, lambda connector: connector.read("price", {"country": "Portugal"}))
    assert reading.value in {"12.5000", "12.5"}  # SQLite does not keep the zeros


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("term", {}, "'country' is missing"),
        ("term", {"country": ["a"]}, "cannot be bound"),
        ("unnamed", {"country": "Portugal"}, "no column named value"),
    ],
)
def test_reads_that_cannot_be_asked(database: Database, name: str, parameters: dict[str, Any], words: str) -> None:
    async def what(connector: Connector) -> None:
        with pytest.raises(Refused, match=words):
            await connector.read(name, parameters)

    call(database.url, what)


def test_what_the_database_says_is_told_without_what_it_was_sent(database: Database) -> None:
    """PostgreSQL repeats what it was sent; so does SQLite in what a trigger raises."""
    with database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text(
                    "create trigger loud before insert on note begin"
                    " select raise(abort, 'invalid: secret-word for hunter2-password'); end"
                )
            )

    async def what(connector: Connector) -> str:
        with pytest.raises(Refused, match="invalid") as caught:
            await connector.perform("number", {"word": "secret-word"}, "key-1")
        return str(caught.value)

    number = """  number:
    execute: "insert into note (reference, word) values (:key, cast(:word as NUMBER))"
  move:
""".replace("NUMBER", "varchar" if database.url.startswith("sqlite") else "integer")
    told = call(database.url, what, SYSTEM.replace("  move:\n", number))
    assert "$word" in told
    assert "secret-word" not in told


def test_the_password_is_taken_out_of_what_the_database_says() -> None:
    from remit.connectors.database_engine import DatabaseEngine

    server = server_url()
    if server is None:
        pytest.skip("no PostgreSQL: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none")
    engine = DatabaseEngine(server, 2, 2.0, lambda: Secret("hunter2-password"))
    with pytest.raises(Refused, match="invalid input") as caught:
        engine.told(lambda: engine.first_rows("select cast('hunter2-password' as integer)", {}), "x", {})
    assert "hunter2" not in str(caught.value)
    engine.close()


def test_a_read_cannot_write_even_if_a_description_smuggles_it(database: Database) -> None:
    """The second guard: the transaction itself may not write."""
    from remit.connectors.database_engine import DatabaseEngine

    engine = DatabaseEngine(database.url, 2, 2.0, None)
    for _ in range(3):
        with pytest.raises((Refused, Unreachable)):
            engine.told(lambda: engine.first_rows("delete from term returning id", {}), "x", {})
    assert database.one("select count(*) from term") == 4
    assert engine.told(lambda: engine.first_rows("select 1 as value", {}), "x", {}) == [{"value": 1}]
    engine.close()


def test_lists_give_every_record_once_over_chunks(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            text("insert into term (id, country, rate_minor) values (:id, 'X', :id)"),
            [{"id": n} for n in range(10, 2600)],
        )

    async def what(connector: Connector) -> list[Any]:
        return [record["id"] async for record in connector.records("terms", {"after": 2})]

    assert call(database.url, what) == [3, 4, *range(10, 2600)]


def test_a_list_left_early_gives_its_connection_back(database: Database) -> None:
    async def what(connector: Connector) -> None:
        for _ in range(10):  # more often than there are connections
            records = connector.records("terms", {"after": 0})
            assert (await anext(records))["id"] == 1
            await records.aclose()  # type: ignore[attr-defined]

    call(database.url, what)


def test_the_contract(database: Database) -> None:
    ids = '  ids: {select: "select id, country, rate_minor from term where id > :after"}\n  terms: {'
    system = load_system("contracts.yaml", SYSTEM.replace("  terms: {", ids))
    case = ConnectorCase(
        lambda: open_connector(system, {"URL": database.url}, TurnedTime().timing),
        reads=(ReadCase("term", {"country": "Portugal"}, 800, {"country": "Nowhere"}),),
        lists=(ListCase("ids", {"after": 3}, [{"id": 4, "country": "Ghana", "rate_minor": 6}]),),
        effects=(EffectCase("pay", {"country": "Portugal", "amount_minor": 5}, database.count),),
    )
    asyncio.run(check_connector(case))


PAYMENT: dict[str, Json] = {"country": "Portugal", "amount_minor": 250}


def test_an_effect_with_its_cost_and_look_up(database: Database) -> None:
    async def what(connector: Connector) -> None:
        assert await connector.lookup("pay", "key-1", PAYMENT) is None
        done = await connector.perform("pay", PAYMENT, "key-1")
        assert done == Done({"reference": "key-1", "country": "Portugal", "amount_minor": 250}, 250)
        assert await connector.lookup("pay", "key-1", PAYMENT) == done
        assert await connector.perform("pay", PAYMENT, "key-1") == done

    call(database.url, what)
    assert database.count("key-1") == 1


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("pay", {"country": "Portugal", "amount_minor": -5}, "(?i)check"),
        ("pay", {"country": "Portugal"}, "'amount_minor' is missing"),
        ("raise", {"country": "Nowhere", "by": 5}, "changed no row"),
        ("move", {"country": "Portugal", "to": "Spain"}, "does not find what execute wrote"),
    ],
)
def test_a_refusal_is_certain(database: Database, operation: str, arguments: dict[str, Any], words: str) -> None:
    async def what(connector: Connector) -> None:
        for _ in range(7):  # refusals are no failures of the system: the breaker stays closed
            with pytest.raises(Refused, match=words):
                await connector.perform(operation, arguments, "key-1")

    call(database.url, what)
    assert database.count("key-1") == 0
    assert database.one("select count(*) from term where country = 'Portugal' and rate_minor = 800") == 1


def test_an_effect_without_a_look_up_counts_rows_and_cannot_be_looked_up(database: Database) -> None:
    async def what(connector: Connector) -> None:
        assert await connector.perform("raise", {"country": "Ghana", "by": 5}, "key-1") == Done({"rows": 2})
        with pytest.raises(CannotTell, match="no lookup"):
            await connector.lookup("raise", "key-1", {})

    call(database.url, what)
    assert database.one("select sum(rate_minor) from term where country = 'Ghana'") == 21


def test_many_attempts_with_one_key_at_once_do_it_once(database: Database) -> None:
    async def what(connector: Connector) -> list[Any]:
        calls = (connector.perform("pay", PAYMENT, "key-1") for _ in range(12))
        return await asyncio.gather(*calls, return_exceptions=True)

    results = call(database.url, what)
    assert database.count("key-1") == 1
    assert [result for result in results if isinstance(result, Refused)] == []
    assert Done({"reference": "key-1", "country": "Portugal", "amount_minor": 250}, 250) in results


def test_a_key_is_done_once_even_where_the_database_does_not_insist(database: Database) -> None:
    async def what(connector: Connector) -> None:
        first = await connector.perform("note", {"word": "a"}, "key-1")
        assert await connector.perform("note", {"word": "a"}, "key-1") == first

    call(database.url, what)
    assert database.one("select count(*) from note") == 1


def test_two_rows_under_one_key_are_unclear(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("insert into note values ('key-1', 'a'), ('key-1', 'a')"))

    async def what(connector: Connector) -> None:
        with pytest.raises(CannotTell, match="2 records under one key"):
            await connector.lookup("note", "key-1", {"word": "a"})
        with pytest.raises(CannotTell, match="2 records under one key"):
            await connector.perform("note", {"word": "a"}, "key-1")

    call(database.url, what)
    assert database.one("select count(*) from note") == 2


def test_a_list_that_breaks_does_not_end_as_if_whole() -> None:
    def breaks(select: str, bound: object) -> Iterator[list[dict[str, int]]]:
        yield [{"id": 1}]
        raise Unreachable("the connection is gone")

    async def what(connector: Connector) -> None:
        double: Any = connector
        double._database.chunks = breaks
        got = []
        with pytest.raises(Unreachable, match="gone"):
            async for record in connector.records("terms", {"after": 0}):
                got.append(record["id"])
        assert got == [1]

    call("sqlite:///nowhere.db", what)


def test_a_failure_of_the_commit_itself_is_unclear_and_can_be_looked_up(tmp_path: Path) -> None:
    """A reader holds SQLite's shared lock: the insert passes, the commit cannot."""
    path = tmp_path / "contracts.db"
    sqlite3.connect(path).close()
    database = Database(f"sqlite:///{path}")
    reader = sqlite3.connect(path)
    reading = reader.execute("select * from term")
    reading.fetchone()

    async def what(connector: Connector) -> None:
        with pytest.raises(CannotTell, match="the commit failed"):
            await connector.perform("pay", PAYMENT, "key-1")
        reading.close()
        reader.close()
        assert await connector.lookup("pay", "key-1", PAYMENT) is None

    call(database.url, what, SYSTEM.replace("timeout: 2s", "timeout: 1s"))
    assert database.count("key-1") == 0
    database.engine.dispose()


def test_a_lock_held_by_somebody_else_is_unreachable_and_nothing_was_done(tmp_path: Path) -> None:
    path = tmp_path / "contracts.db"
    sqlite3.connect(path).close()
    database = Database(f"sqlite:///{path}")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin exclusive")

    async def what(connector: Connector) -> None:
        with pytest.raises(Unreachable, match="locked"):
            await connector.perform("pay", PAYMENT, "key-1")

    call(database.url, what, SYSTEM.replace("timeout: 2s", "timeout: 1s"))
    holder.close()
    assert database.count("key-1") == 0
    database.engine.dispose()


def test_work_that_hangs_is_unclear_for_an_effect_and_unreachable_for_a_read() -> None:
    hold = threading.Event()

    async def what(connector: Connector) -> None:
        slow: Any = connector
        slow._database.change = lambda change: hold.wait(30) and {}
        slow._database.first_rows = lambda select, bound: hold.wait(30) and []
        with pytest.raises(CannotTell, match="no answer within 1 s"):
            await connector.perform("pay", PAYMENT, "key-1")
        with pytest.raises(Unreachable, match="no answer within 1 s"):
            await connector.lookup("pay", "key-1", PAYMENT)
        hold.set()

    call("sqlite:///nowhere.db", what, SYSTEM.replace("timeout: 2s", "timeout: 1s"))


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    async def what(connector: Connector) -> None:
        with pytest.raises(Unreachable):
            await connector.read("term", {"country": "Portugal"})
        with pytest.raises(Unreachable):
            await connector.perform("pay", PAYMENT, "key-1")

    call(f"sqlite:///{tmp_path / 'absent.db'}", what)
    assert list(tmp_path.iterdir()) == []
    call("postgresql://postgres:hunter2hunter2@127.0.0.1:1/nowhere", what)


def test_a_wrong_password_is_never_shown() -> None:
    server = server_url()
    if server is None:
        pytest.skip("no PostgreSQL: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none")

    async def what(connector: Connector) -> list[str]:
        shown = [repr(vars(connector))]
        for _ in range(2):
            with pytest.raises(Unreachable) as caught:
                await connector.read("term", {"country": "Portugal"})
            shown.append(repr(caught.value) + repr(caught.value.__context__))
        return shown

    url = server.replace("postgres@", "hunter2-not-a-user:hunter2-password@")
    assert not any("hunter2-password" in shown for shown in call(url, what))


@pytest.mark.parametrize("url", ["nonsense", "postgresql://h:port/x", ""])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(BadSystem, match="4:"):
        open_connector(load_system("contracts.yaml", SYSTEM), {"URL": url})
