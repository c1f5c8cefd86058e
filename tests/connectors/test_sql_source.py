"""A database as a source, on SQLite and PostgreSQL: every row that may have changed comes, and nothing is written."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text
from tests.connectors.source_reading import WasRead, read_source

from remit.connectors.answer import as_moment, zone
from remit.connectors.cells import as_cells
from remit.connectors.sql_select import lower_bound
from remit.errors import Refused, Unreachable
from remit.testing.postgres import own_schema, server_url

SOURCE = """
source: s
department: d
connect: {kind: sql, url: "${URL}", timeout: 2s}
tables:
  t:
    is: T
    key: id
    OPTIONS
    facts: {name: , price: {kind: decimal}}
"""


class Place:
    """A database and what the test itself does to it."""

    def __init__(self, url: str):
        self.url = url
        self.engine: Engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self.sqlite = url.startswith("sqlite")

    def do(self, *statements: str, **bound: Any) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), bound)

    def read(self, options: str = "", since: str | None = None, source: str = SOURCE, **more: Any) -> WasRead:
        return read_source(source.replace("OPTIONS", options), since=since, environment={"URL": self.url}, **more)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'crm.db'}"
            sqlite3.connect(tmp_path / "crm.db").close()
        else:
            server = server_url()
            if server is None:
                pytest.skip("no PostgreSQL: none answers on 127.0.0.1:5432 and REMIT_TEST_POSTGRES names none")
            url = stack.enter_context(own_schema(server))
        made = Place(url)
        stack.callback(made.engine.dispose)
        yield made


def ids(was: WasRead) -> list[Any]:
    return [row["id"] for row in was.rows]


def fill(place: Place, count: int, moment: str = "timestamp") -> None:
    place.do(f"create table t (id integer primary key, name varchar(40), price numeric(12,2), changed {moment})")
    place.do(
        "insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < :count)"
        " select i, 'name ' || i, 1.5, '2026-01-01 00:00:00' from n where i <= :count"
        if place.sqlite
        else "insert into t select i, 'name ' || i, 1.5, timestamp '2026-01-01' from generate_series(1, :count) i",
        count=count,
    )


def test_all_rows_of_a_table_with_what_is_left_there(place: Place) -> None:
    fill(place, 4_001)
    was = place.read()
    assert was.error is None
    assert ids(was) == list(range(1, 4_002))
    assert was.rows[-1] == {"id": 4001, "name": "name 4001", "price": 1.5}
    assert was.places[-1] == "t:4001"
    assert was.unread == {"changed"}
    assert len(was.columns) == 3


def test_a_table_without_rows_tells_its_columns(place: Place) -> None:
    fill(place, 0)
    was = place.read()
    assert (was.rows, was.columns, was.error) == ([], [("id", "name", "price")], None)


def test_a_column_that_was_dropped_is_not_there(place: Place) -> None:
    fill(place, 3)
    place.do("alter table t drop column price")
    was = place.read()
    assert was.error is None
    assert was.columns == [("id", "name")]


def test_the_table_may_have_another_name_and_its_columns_any(place: Place) -> None:
    place.do('create table "Order Lines" ("Line: No%" integer, "select" varchar(9))')
    place.do("""insert into "Order Lines" values (7, 'x')""")
    source = SOURCE.replace("key: id", 'key: "Line: No%"').replace("{name: , price: {kind: decimal}}", "{select: }")
    was = place.read('table: "Order Lines"', source=source)
    assert was.error is None
    assert was.rows == [{"Line: No%": 7, "select": "x"}]


def test_a_schema(place: Place) -> None:
    schema = "main" if place.sqlite else str(place.url).rpartition("%3D")[2]
    fill(place, 2)
    assert ids(place.read(f"schema: {schema}")) == [1, 2]


def test_a_query_is_asked_for_changes_too(place: Place) -> None:
    fill(place, 10)
    place.do("update t set changed = '2026-06-01 10:00:00' where id > 7")
    query = 'query: "select id, name, changed from t where id <> 9; "\n    changed: changed'
    assert sorted(ids(place.read(query))) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert sorted(ids(place.read(query, "2026-06-01T00:00:00Z"))) == [8, 10]


def test_two_columns_of_one_name_are_refused(place: Place) -> None:
    fill(place, 1)
    was = place.read('query: "select id, name, name from t"')
    assert isinstance(was.error, Refused)
    assert "stand twice" in str(was.error)


def test_rows_without_a_cursor_come_every_time(place: Place) -> None:
    fill(place, 5)
    place.do("update t set changed = null where id = 2", "update t set changed = '2026-06-01 10:00:00' where id = 4")
    was = place.read("changed: changed", "2026-06-01 10:00:00")
    assert sorted(ids(was)) == [2, 4]
    assert was.notes == []


def test_a_transaction_that_committed_late_is_seen(place: Place) -> None:
    fill(place, 3)
    place.do("update t set changed = '2026-06-01 10:00:00' where id = 1")
    place.do("update t set changed = '2026-06-01 09:51:00' where id = 2")  # committed after the first was read
    assert sorted(ids(place.read("changed: changed", "2026-06-01 10:00:00"))) == [1, 2]


def test_a_cursor_in_another_zone_leaves_nothing_out(place: Place) -> None:
    fill(place, 3)
    place.do("update t set changed = '2026-06-01 23:30:00' where id = 2")
    source = SOURCE.replace("department: d", "department: d\nzone: America/New_York")
    # 23:30 in New York is 03:30 of the next day in UTC, which is how aware cursors are kept.
    assert ids(place.read("changed: changed", "2026-06-02T03:30:00.000000Z", source)) == [2]


def test_a_cursor_that_is_a_number(place: Place) -> None:
    place.do("create table t (id integer primary key, name varchar(9), price integer, version bigint)")
    place.do(*(f"insert into t values ({i}, 'x', 1, {i * 3})" for i in range(1, 9)))
    assert ids(place.read("changed: version", "18")) == [6, 7, 8]
    assert ids(place.read("changed: version\n    overlap: 4", "18")) == [5, 6, 7, 8]


def test_a_cursor_that_cannot_be_compared_reads_everything_and_says_so(place: Place) -> None:
    fill(place, 3, "varchar(40)")
    place.do("update t set changed = '1.6.2026'")
    was = place.read("changed: changed", "1.6.2026")
    assert sorted(ids(was)) == [1, 2, 3]
    assert "cannot be compared" in was.notes[0]


def test_moments_written_in_several_ways_are_all_seen(place: Place) -> None:
    fill(place, 6, "varchar(40)")
    for number, written in enumerate(
        ("20260601 10:00", "2026-06-01T10:00:00Z", "1/6/2026", "2026-05-01", "unknown"), 1
    ):
        place.do("update t set changed = :written where id = :id", written=written, id=number)
    assert sorted(ids(place.read("changed: changed", "2026-06-01 10:00:00"))) == [1, 2, 3, 5]


def test_rows_come_in_the_order_of_the_cursor(place: Place) -> None:
    fill(place, 4)
    place.do("update t set changed = '2026-06-01 10:00:00' where id = 1")
    assert ids(place.read("changed: changed")) == [2, 3, 4, 1]


def test_rows_from_the_future_come_too(place: Place) -> None:
    fill(place, 2)
    place.do("update t set changed = '2199-01-01 00:00:00' where id = 2")
    assert ids(place.read("changed: changed", "2026-06-01")) == [2]


FORMS = {
    "T": lambda moment: moment.isoformat(),
    "blank": lambda moment: moment.isoformat(" "),
    "Z": lambda moment: moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"),
    "offset": lambda moment: moment.replace(tzinfo=zone("Asia/Tokyo")).isoformat(),
    "west": lambda moment: moment.replace(tzinfo=zone("Pacific/Honolulu")).isoformat(" "),
    "day": lambda moment: moment.date().isoformat(),
    "compact": lambda moment: moment.strftime("%Y%m%d%H%M"),
    "compact day": lambda moment: moment.strftime("%Y%m%d"),
}
MOMENTS = st.datetimes(datetime(2025, 12, 28), datetime(2026, 1, 5)).map(lambda moment: moment.replace(microsecond=0))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(MOMENTS, st.sampled_from(sorted(FORMS))), min_size=1, max_size=12),
    st.integers(0, 11),
    st.sampled_from(["UTC", "Europe/Lisbon", "Pacific/Auckland"]),
)
def test_no_row_since_the_cursor_is_left_out_whatever_its_form(
    rows: list[tuple[datetime, str]], which: int, local: str
) -> None:
    """The text as SQLite compares it, against the moments that the texts mean."""
    texts = [FORMS[form](moment) for moment, form in rows]
    moments = [as_moment(one, zone(local)) for one in texts]
    since = texts[which % len(texts)]
    known = as_moment(since, zone(local))
    assert known is not None
    bound = lower_bound(since, min(texts), max(texts), zone(local), "0s")
    chosen = [one for one in texts if bound is None or one >= str(bound) or one[4:5] != "-" or one[7:8] != "-"]
    new = [one for one, at in zip(texts, moments, strict=True) if at is not None and at >= known]
    assert set(new) <= set(chosen)


@settings(max_examples=100, deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=8), st.integers(0, 7), st.sampled_from(["UTC", "Europe/Lisbon"]))
def test_no_moment_without_zone_is_left_out(moments: list[datetime], which: int, local: str) -> None:
    since = moments[which % len(moments)]
    for written in (since.isoformat(), since.replace(tzinfo=zone(local)).astimezone(UTC).isoformat()):
        bound = lower_bound(written, min(moments), max(moments), zone(local), "0s")
        assert isinstance(bound, datetime)
        assert bound <= since
        assert since - bound < timedelta(hours=4), "and not much more than needed is read again"


def test_the_hour_that_a_zone_repeats_is_read_again() -> None:
    """01:10 may be later than 01:50, the second time round."""
    bound = lower_bound(
        "2026-10-25T01:50:00", datetime(2026, 1, 1), datetime(2026, 10, 25, 2), zone("Europe/Lisbon"), "0s"
    )
    assert isinstance(bound, datetime)
    assert bound <= datetime(2026, 10, 25, 1, 0)


@pytest.mark.parametrize(
    ("since", "low", "high"),
    [
        ("2026-01-01", 1.5, 2.5),
        ("2026-01-01", True, True),
        ("1.1.2026", "1.1.2026", "2.1.2026"),
        ("17", "16", "18"),
        ("abc", "abb", "abd"),
        ("9", "1", "10"),
        ("rubbish", datetime(2026, 1, 1), datetime(2026, 1, 2)),
        ("2026-01-01", 5, 7),
        ("2026-01-01", b"1", b"2"),
        ("2026-01-01", None, None),
    ],
)
def test_what_cannot_be_compared_soundly_is_not(since: str, low: object, high: object) -> None:
    assert lower_bound(since, low, high, UTC, "10m") is None


@pytest.mark.parametrize(
    ("since", "low", "high", "expected"),
    [
        ("17", 1, 99, 17),
        ("17", Decimal(1), Decimal(99), 17),
        ("2026-01-02T00:00:00Z", 1_700_000_000, 1_800_000_000, 1_767_311_400),
        ("2026-01-02", datetime(2026, 1, 1).date(), datetime(2026, 1, 3).date(), datetime(2025, 12, 31).date()),
        ("2026-01-02", "2025-01-01", "2026-01-03", "2025-12-31"),
    ],
)
def test_what_can_be_compared_is(since: str, low: object, high: object, expected: object) -> None:
    assert lower_bound(since, low, high, UTC, "10m") == expected


def test_cells_of_other_kinds_become_text(place: Place) -> None:
    if place.sqlite:
        place.do("create table t (id integer, name blob, price numeric)", "insert into t values (1, x'00ff', 2.5)")
        assert place.read().rows == [{"id": 1, "name": "00ff", "price": 2.5}]
        return
    place.do("create table t (id uuid, name jsonb, price interval)")
    place.do("""insert into t values ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, "é"]}', '1 day')""")
    row = place.read().rows[0]
    assert row == {"id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "name": '{"a": [1, "é"]}', "price": "1 day, 0:00:00"}


def test_only_cells_that_need_it_are_touched() -> None:
    rows = [(1, "x", None, True, 1.5, Decimal(2), datetime(2026, 1, 1), datetime(2026, 1, 1).date())]
    assert as_cells(rows) is rows


def test_nothing_is_written(place: Place) -> None:
    fill(place, 1)
    if place.sqlite:
        return  # a select of SQLite has no way to write
    place.do("create function sneaky() returns integer language sql as 'insert into t values (9) returning id'")
    was = place.read('query: "select sneaky() as id"')
    assert isinstance(was.error, Refused)
    assert "read-only" in str(was.error)
    with place.engine.connect() as connection:
        assert connection.execute(text("select count(*) from t")).scalar() == 1


def test_a_table_that_is_not_there(place: Place) -> None:
    was = place.read()
    assert was.error is not None
    assert str(was.error).startswith("s.t: ")


def test_none_of_the_columns(place: Place) -> None:
    place.do("create table t (other integer)")
    was = place.read()
    assert isinstance(was.error, Refused)
    assert "none of the mapped columns" in str(was.error)


def test_a_connection_cut_in_the_middle_is_unreachable_and_never_an_end(place: Place, tmp_path: Path) -> None:
    fill(place, 20_000)
    name = f"cut_{secrets.token_hex(6)}"

    def cut(batch: int) -> None:
        if batch != 2:
            return
        if place.sqlite:
            path = tmp_path / "crm.db"
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
            return
        place.do("select pg_terminate_backend(pid) from pg_stat_activity where application_name = :name", name=name)

    place.engine.dispose()
    named = SOURCE if place.sqlite else SOURCE.replace("${URL}", f"${{URL}}&application_name={name}")
    was = place.read(source=named, between=cut)
    assert was.error is not None, f"{len(was.rows)} rows were taken for all"
    assert ids(was) == list(range(1, len(was.rows) + 1))
    assert 4_000 <= len(was.rows) < 20_000


def test_a_locked_database_is_unreachable(tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    place = Place(f"sqlite:///{path}")
    fill(place, 1)
    place.engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as locker:
        locker.execute("begin exclusive")
        was = place.read(source=SOURCE.replace("timeout: 2s", "timeout: 1s"))
    assert isinstance(was.error, Unreachable)
    assert "locked" in str(was.error)


def test_a_slow_database_is_unreachable(place: Place) -> None:
    if place.sqlite:
        query = 'query: "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as id from n"'
    else:
        query = 'query: "select count(*) as id, pg_sleep(60) from generate_series(1, 2)"'
    was = place.read(query, source=SOURCE.replace("timeout: 2s", "timeout: 1s"))
    assert was.error is not None
    if not place.sqlite:
        assert isinstance(was.error, Unreachable)


def test_no_error_shows_the_password(tmp_path: Path) -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/x"
    was = read_source(SOURCE.replace("OPTIONS", ""), environment={"URL": url})
    assert isinstance(was.error, Unreachable)
    assert "hunter2" not in str(was.error)


@pytest.mark.parametrize(
    ("url", "told"),
    [("oracle+oracledb://h/x", "driver is not installed: no module 'oracledb'"), ("foo://h/x", "no driver")],
)
def test_a_driver_that_is_not_installed(url: str, told: str) -> None:
    was = read_source(SOURCE.replace("OPTIONS", ""), environment={"URL": url})
    assert isinstance(was.error, Refused)
    assert told in str(was.error)


def test_a_mistyped_sqlite_file_is_not_made(tmp_path: Path) -> None:
    was = read_source(SOURCE.replace("OPTIONS", ""), environment={"URL": f"sqlite:///{tmp_path / 'no.db'}"})
    assert isinstance(was.error, Unreachable)
    assert list(tmp_path.iterdir()) == []


MANY = """
import asyncio, resource, sys
from remit.knowledge.source_file import load_source_file, open_source
source = load_source_file("x.yaml", sys.argv[1])
reader = open_source(source)
async def go():
    rows, before = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async for part in reader.read(source.tables["t"].ask()):
        rows += len(part.rows)
    return rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
print(*asyncio.run(go()))
"""


def test_millions_of_rows_do_not_fill_the_memory(place: Place) -> None:
    count = 2_000_000 if place.sqlite else 600_000
    query = (
        f"with recursive n(id) as (select 1 union all select id + 1 from n where id < {count})"
        " select id, 'name ' || id as name, 1 as price from n"
        if place.sqlite
        else f"select id, repeat('name', 50) as name, 1 as price from generate_series(1, {count}) id"
    )
    source = SOURCE.replace("${URL}", place.url).replace("2s", "60s").replace("OPTIONS", f'query: "{query}"')
    done = subprocess.run([sys.executable, "-c", MANY, source], capture_output=True, text=True, check=True)
    rows, grown_mib = map(int, done.stdout.split())
    assert rows == count
    assert grown_mib < 80, "SQLAlchemy and a driver take about half of it"
