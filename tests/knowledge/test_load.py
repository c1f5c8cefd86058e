"""Loading, case by case: what each kind of row and each kind of trouble leaves behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from tests.knowledge.plain_load import OPEN

from remit.canonical import canonical
from remit.connectors.source_reader import SourceRows, TableAsk
from remit.errors import BadInput, Conflict, NotFound, Refused, Unreachable
from remit.knowledge.fact_flags import AHEAD, CORRECTED, LATE
from remit.knowledge.fact_reading import GraphNeed, read_graph_facts
from remit.knowledge.load_claim import claim_load
from remit.knowledge.load_table import LoadReport, load_table
from remit.knowledge.pepper import erased_hash, make_pepper
from remit.knowledge.quarantine import release_held
from remit.knowledge.source_file import SourceFile
from remit.ledger.journal import Journal
from remit.store.engine import Store, Transaction
from remit.testing.knowledge_stand_ins import ListReader, a_fact, a_link, a_source, a_table
from remit.vocabulary import Event

NOW = datetime(2026, 11, 21, tzinfo=UTC)
COLUMNS = ("id", "name", "amount", "owner_id")
Rows = Sequence[Sequence[object]]
Load = Callable[..., LoadReport]


@pytest.fixture
def store(emptied_store: Store) -> Store:
    return emptied_store


def crm(**changes: object) -> SourceFile:
    facts = [a_fact("name", required=True), a_fact("amount", "integer", see="money")]
    table = a_table("crm.account", "Customer", facts, links=(a_link("owner", "hr.person"),), **changes)
    return a_source("crm", "sales", table)


def seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


@pytest.fixture
def load(journal: Journal, store: Store) -> Load:
    hours = iter(range(1_000))

    def load_rows(
        rows: Rows,
        source: SourceFile | None = None,
        columns: Sequence[str] = COLUMNS,
        ops: str | None = None,
        **how: object,
    ) -> LoadReport:
        reader = ListReader({"account": (columns, rows)}, ops=None if ops is None else {"account": ops})
        reader = how.pop("reader", reader)  # type: ignore[assignment]
        how.setdefault("now", NOW + timedelta(hours=next(hours)))
        return load_table(journal, store, source or crm(), "account", reader, **how)  # type: ignore[arg-type]

    return load_rows


def facts(store: Store, key: str, name: str = "name", *, closed: bool = False) -> list[tuple[object, ...]]:
    """value, valid from, valid to, flags of one property, oldest first."""
    return [
        tuple(row)
        for row in store.read(
            "select f.value, f.valid_from, f.valid_to, f.flags from fact f join record r on r.rid = f.rid "
            "join property p on p.pid = f.pid where r.skey = ? and p.name = ? and "
            f"(f.tx_to = {OPEN}) = ? order by f.valid_from, f.fid",
            (key, name, not closed),
        )
    ]


def test_a_row_becomes_facts_links_and_a_placeholder(load: Load, store: Store) -> None:
    report = load([["A1", "Acme", "12", "p7"]])
    assert (report.state, report.mode) == ("ok", "full")
    assert facts(store, "A1") == [('"Acme"', int(NOW.timestamp()), OPEN, 0)]
    rows = store.read(
        "select s.name, f.value from fact f join scope s on s.sc = f.sc join property p on p.pid = f.pid "
        "order by p.name"
    )
    assert [tuple(row) for row in rows] == [("sales/money", "12"), ("sales/internal", '"Acme"')]
    rows = store.read(
        "select a.skey, b.skey, d.name, b.type from link l join record a on a.rid = l.src join record b "
        "on b.rid = l.dst join dataset d on d.did = b.did"
    )
    assert [tuple(row) for row in rows] == [("A1", "p7", "hr.person", "")]
    assert store.read("select count(*) from version") == [(1,)], "a placeholder has no version"
    assert store.read("select count(*) from member where eid = rid and how = 'self' and score_bp = 10000") == [(2,)]


def test_the_placeholder_becomes_the_record_when_its_row_comes(load: Load, journal: Journal, store: Store) -> None:
    load([["A1", "Acme", "12", "p7"]])
    people = a_source("hr", "hr", a_table("hr.person", "Person", ["name"]))
    reader = ListReader({"person": (("id", "name"), [["p7", "Ann"]])})
    report = load_table(journal, store, people, "person", reader, now=NOW)
    assert report.counts["new"] == 1
    assert store.read("select count(*), min(type) from record where skey = 'p7'") == [(1, "Person")]
    assert facts(store, "p7") == [('"Ann"', int(NOW.timestamp()), OPEN, 0)]


def test_only_what_changed_is_written(load: Load, store: Store) -> None:
    load([["A1", "Acme", "12", "p7"], ["A2", "Bolt", "5", ""]])
    size = store.read("select size from head")
    report = load([["A1", "Acme", "12", "p7"], ["A2", "Bolt", "6", ""]])
    assert (report.counts["unchanged"], report.counts["changed"], report.counts["facts"]) == (1, 1, 2)
    again = load([["A1", "Acme", "12", "p7"], ["A2", "Bolt", "6", ""]])
    assert (again.counts["unchanged"], again.counts["facts"]) == (2, 0)
    ended = int(NOW.timestamp()) + 3_600
    assert facts(store, "A2", "amount") == [("5", ended - 3_600, ended, CORRECTED), ("6", ended, OPEN, 0)]
    kinds = [kind for (kind,) in store.read("select kind from event where seq >= ? order by seq", (size[0][0],))]
    assert kinds == ["source.batch", "source.loaded", "source.loaded"], "rows that did not change make no event"
    rows = [["A1", "Acme", "12", "p7"], ["A2", "Bolt", "7", ""], ["A1", "Acme", "12", "p7"], ["A2", "Bolt", "8", ""]]
    load(rows, reader=ListReader({"account": (COLUMNS, rows)}, batch=1), batch_rows=1)
    said = [orjson.loads(body)["data"] for (body,) in store.read("select body from event order by seq desc limit 3")]
    assert [data["counts"].get("read", 0) for data in said[1:]] == [2, 2], "they are counted in the next one"


def test_a_key_twice_in_one_commit_keeps_both_in_order(load: Load, store: Store) -> None:
    report = load([["A1", "first", "1", ""], ["A2", "x", "1", ""], ["A1", "second", "1", ""]])
    assert (report.counts["new"], report.counts["changed"]) == (2, 1)
    assert [row[0] for row in facts(store, "A1")] == ['"second"']
    assert [row[0] for row in facts(store, "A1", closed=True)] == ['"first"']
    roots = store.read("select body from event where kind = 'source.batch'")
    assert len(roots) == 2, "each in an event of its own"


def test_a_full_load_closes_what_is_absent_and_it_can_come_back(load: Load, store: Store) -> None:
    load([["A1", "Acme", "1", "p7"], ["A2", "Bolt", "1", ""]])
    report = load([["A2", "Bolt", "1", ""]])
    assert report.counts["closed"] == 1
    assert facts(store, "A1") == []
    assert store.read(f"select count(*) from link where tx_to = {OPEN}") == [(0,)]
    back = load([["A1", "Acme", "1", "p7"], ["A2", "Bolt", "1", ""]])
    assert back.counts["new"] == 1
    assert store.read("select count(*) from record where skey = 'A1'") == [(1,)], "the same record"
    assert [row[0] for row in facts(store, "A1")] == ['"Acme"']


@pytest.mark.parametrize("after", range(6))
def test_a_reader_that_fails_closes_nothing_and_can_be_repeated(load: Load, store: Store, after: int) -> None:
    source = crm(changed="at")
    columns = (*COLUMNS, "at")
    rows = [[f"A{n}", f"n{n}", str(n), f"p{n}", f"2026-11-0{n + 1}T00:00:00Z"] for n in range(5)]
    old = [["Z9", "gone soon", "1", "", "2026-10-01T00:00:00Z"]]
    load(old, source, columns)
    broken = ListReader({"account": (columns, rows)}, batch=1, fail_after=after, failure=Unreachable("cut off"))
    report = load([], source, columns, reader=broken, mode="full", batch_rows=2)
    assert broken.taken_asks == [] or after == 5
    if after < 5:
        assert (report.state, report.problem) == ("failed", "Unreachable: cut off")
        assert (report.counts["closed"], report.counts["new"], report.cursor) == (0, after, "")
        assert facts(store, "Z9")
    assert store.read("select cursor from load where state = 'ok' order by load desc limit 1")[0][0] == (
        "2026-10-01T00:00:00Z" if after < 5 else "2026-11-05T00:00:00Z"
    )
    whole = ListReader({"account": (columns, rows)}, batch=1)
    report = load([], source, columns, reader=whole, mode="full")
    assert report.state == "ok"
    assert report.counts["new"] == 5 - after
    assert report.counts["unchanged"] == after
    assert facts(store, "Z9") == []
    assert store.read(f"select count(*) from version where tx_to = {OPEN}") == [(5,)]
    assert store.read("select count(*) from fact where flags = 0") == [(12,)], "nothing is written twice"


def test_incremental_begins_where_the_last_whole_load_ended(load: Load, store: Store) -> None:
    source, columns = crm(changed="at", deleted="gone"), (*COLUMNS, "at", "gone")
    rows = [["A1", "Acme", "1", "", "2026-11-01T00:00:00Z", ""], ["A2", "Bolt", "1", "", "2026-11-02T00:00:00Z", ""]]
    assert load(rows, source, columns).cursor == "2026-11-02T00:00:00Z"
    rows = [*rows, ["A2", "", "", "", "2026-11-03T00:00:00Z", "yes"]]
    reader = ListReader({"account": (columns, rows)})
    report = load(rows, source, columns, reader=reader)
    assert (report.mode, reader.asked[0].since, report.cursor) == (
        "incremental", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"
    )  # fmt: skip
    assert (report.counts["unchanged"], report.counts["deleted"], report.counts["closed"]) == (1, 1, 1)
    assert facts(store, "A2") == []
    assert facts(store, "A1") != [], "absence says nothing in an incremental load"


def test_another_description_has_everything_read_again(load: Load, store: Store) -> None:
    columns = (*COLUMNS, "at")
    rows = [["A1", "Acme", "1", "p1", "2026-11-01T00:00:00Z"], ["A2", "Bolt", "2", "p2", "2026-11-03T00:00:00Z"]]
    load(rows, crm(changed="at"), columns)
    load([["A1", "Acme GmbH", "1", "p1", "2026-11-03T00:00:00Z"]], crm(changed="at"), columns)
    rows[0] = ["A1", "Acme GmbH", "1", "p1", "2026-11-03T00:00:00Z"]
    facts_now = [a_fact("name", see="pii"), a_fact("total", "integer", column="amount")]
    source = a_source("crm", "sales", a_table("crm.account", "Customer", facts_now, changed="at"))
    report = load(rows, source, columns)
    assert report.counts["changed"] == 2
    assert any("description" in note for note in report.notes)
    scopes = store.read(
        "select distinct p.name, s.name from fact f join scope s on s.sc = f.sc join property p on p.pid = f.pid "
        f"where f.tx_to = {OPEN} order by 1"
    )
    assert [tuple(row) for row in scopes] == [("name", "sales/pii"), ("total", "sales/internal")], "history too"
    assert store.read(f"select count(*) from link where tx_to = {OPEN}") == [(0,)], (
        "what is not mapped any more is closed"
    )
    assert [row[0] for row in facts(store, "A2", "total")] == ["2"]


def test_late_rows_are_history_and_rows_from_the_future_do_not_hide_the_present(load: Load, store: Store) -> None:
    source, columns = crm(changed="at"), (*COLUMNS, "at")
    load([["A1", "first", "1", "", "2026-11-01T00:00:00Z"]], source, columns)
    load([["A1", "third", "1", "", "2026-11-03T00:00:00Z"]], source, columns)
    report = load([["A1", "second", "1", "", "2026-11-02T00:00:00Z"]], source, columns, mode="full")
    assert (report.counts["late"], report.counts["changed"], report.counts["closed"]) == (1, 1, 0)
    one, two, three = (seconds(f"2026-11-0{day}T00:00:00+00:00") for day in (1, 2, 3))
    assert facts(store, "A1") == [
        ('"first"', one, two, CORRECTED), ('"second"', two, three, LATE), ('"third"', three, OPEN, 0)
    ]  # fmt: skip
    again = load([["A1", "second", "1", "", "2026-11-02T00:00:00Z"]], source, columns, mode="full")
    assert facts(store, "A1", "amount") == [("1", one, OPEN, 0)], "what it says of other properties was known"
    assert (again.counts["unchanged"], again.counts["facts"]) == (1, 0), "history is written once"
    ahead = load([["A1", "fourth", "1", "", "2027-11-21T00:00:00Z"]], source, columns, mode="full")
    assert ahead.counts["ahead"] == 1 and any("future" in note for note in ahead.notes)
    assert ahead.cursor == "2026-11-03T00:00:00Z" or ahead.cursor < "2027"
    value, begins, ends, flags = facts(store, "A1")[-1]
    assert (value, ends, flags) == ('"fourth"', OPEN, AHEAD) and begins <= NOW.timestamp() + 9 * 3_600  # type: ignore[operator]
    after = load(
        [["A1", "fifth", "1", "", "2026-11-22T00:00:00Z"]], source, columns, mode="full", now=NOW + timedelta(days=2)
    )
    assert (after.counts["late"], facts(store, "A1")[-1][0]) == (0, '"fifth"')


def test_a_late_value_holds_until_something_else_was_known(load: Load, store: Store) -> None:
    source, columns = crm(changed="at"), (*COLUMNS, "at")
    for day, name, amount in ((1, "a", "1"), (4, "b", "1"), (6, "c", "1"), (2, "a", "9"), (5, "b", "8")):
        load([["A1", name, amount, "", f"2026-11-0{day}T00:00:00Z"]], source, columns, mode="full")
    since = {number: seconds(f"2026-11-0{number}T00:00:00+00:00") for number in range(1, 7)}
    assert facts(store, "A1", "amount") == [
        ("1", since[1], since[2], CORRECTED), ("9", since[2], since[4], LATE), ("1", since[4], since[5], CORRECTED),
        ("8", since[5], since[6], LATE), ("1", since[6], OPEN, CORRECTED),
    ]  # fmt: skip


@pytest.mark.parametrize("rows_max", [0, 2_000_000])
def test_few_or_many_rows_known_a_full_load_sees_what_is_there(
    load: Load, store: Store, rows_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remit.knowledge.load_rows.KNOWN_ROWS_MAX", rows_max)
    first = [[f"A{n}", "x", "1", ""] for n in range(6)]
    load(first)
    second = [
        ["A0", "x", "1", ""],
        [" A1 ", "x", "1", ""],
        ["A2", "y", "1", ""],
        ["A3", "x", "bad", ""],
        [" A4 ", "x", "bad", ""],
    ]
    report = load(second)
    assert [report.counts[name] for name in ("unchanged", "changed", "bad", "closed")] == [1, 2, 2, 1]
    back = [["A0", "q", "1", ""], *first[:3], ["A3", "x", "1", ""], ["A4", "z", "1", ""], ["A4", "x", "1", ""]]
    reader = ListReader({"account": (COLUMNS, back)}, batch=1)
    report = load([], reader=reader, batch_rows=4)
    assert facts(store, "A0")[-1][0] == facts(store, "A4")[-1][0] == '"x"', (
        "the last row of a key counts, also one that is as it was before"
    )
    assert report.counts["closed"] == 0
    assert store.read("select count(*) from quarantine where state = 'superseded'") == [(2,)]


def test_valid_time_comes_from_the_row_where_it_has_one(load: Load, store: Store) -> None:
    source = crm(valid_from="from", valid_to="until")
    columns = (*COLUMNS, "from", "until")
    rows = [
        ["A1", "old", "1", "", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"],
        ["A1", "new", "1", "", "2021-01-01T00:00:00Z", ""],
        ["A2", "ended", "1", "", "", "2019-01-01T00:00:00Z"],
    ]
    load(rows, source, columns)
    begin, middle = seconds("2020-01-01T00:00:00+00:00"), seconds("2021-01-01T00:00:00+00:00")
    assert facts(store, "A1") == [('"old"', begin, middle, 0), ('"new"', middle, OPEN, 0)]
    ended = seconds("2019-01-01T00:00:00+00:00")
    assert facts(store, "A2") == [('"ended"', ended - 1, ended, 0)], "it ended before it was seen"


def test_columns_that_are_missing(load: Load, store: Store) -> None:
    load([["A1", "Acme", "12", "p7"]])
    report = load([["A1", "12", "p7"]], columns=("id", "amount", "owner_id"))
    assert report.state == "failed" and "'name'" in report.problem
    assert report.counts["read"] == 0
    report = load([["A1", "Acme GmbH"], ["A2", "Bolt"]], columns=("id", "name"))
    assert report.state == "ok"
    assert {(one["what"], one["column"]) for one in report.drift} == {
        ("missing column", "amount"), ("missing column", "owner_id")
    }  # fmt: skip
    assert [row[0] for row in facts(store, "A1", "amount") if row[2] == OPEN] == ["12"], "absent is not empty"
    assert store.read(f"select count(*) from link where tx_to = {OPEN} and valid_to = {OPEN}") == [(1,)]
    assert [row[0] for row in facts(store, "A1")] == ['"Acme"', '"Acme GmbH"']
    report = load([["A1", "Acme GmbH", "", ""], ["A2", "Bolt", "3", ""]])
    assert [row[0] for row in facts(store, "A1", "amount") if row[2] == OPEN] == [], "an empty one is"
    assert [row[0] for row in facts(store, "A2", "amount")] == ["3"], "the column is back, so its rows are read anew"


def test_drift_names_what_changed_since_the_last_load(load: Load, store: Store) -> None:
    rows = [[f"A{n}", f"n{n}", str(n), "p1", "x"] for n in range(100)]
    first = load(rows, columns=(*COLUMNS, "colour"))
    assert [(one["what"], one["column"]) for one in first.drift] == [("new column", "colour")]
    assert load(rows, columns=(*COLUMNS, "colour")).drift == ()
    changed = [[f"A{n}", n, "" if n % 2 else str(n), "p1", "x"] for n in range(100)]
    report = load(changed, columns=(*COLUMNS, "size"))
    assert {(one["what"], one["column"], one.get("was"), one.get("now")) for one in report.drift} == {
        ("new column", "size", None, None), ("gone column", "colour", None, None),
        ("kind changed", "name", "text", "number"), ("emptier", "amount", 0, 5_000),
    }  # fmt: skip
    said = orjson.loads(store.read("select body from event order by seq desc limit 1")[0][0])["data"]
    assert said["drift"] == [dict(one) for one in report.drift]


def test_volume_keeps_a_full_load_from_closing(load: Load, store: Store) -> None:
    rows = [[f"A{n}", "x", "1", ""] for n in range(10)]
    load(rows)
    report = load(rows[:4], crm(volume=(5, None)))
    assert report.state == "failed" and "read 4 rows, expected 5 to any number" in report.problem
    assert store.read(f"select count(*) from version where tx_to = {OPEN}") == [(10,)]
    report = load(rows, crm(volume=(None, 9)))
    assert report.state == "failed"
    assert load(rows[:5], crm(volume=(5, 9))).counts["closed"] == 5


def test_a_bad_row_is_held_once_and_a_good_one_ends_that(load: Load, store: Store) -> None:
    good, bad = ["A1", "Acme", "12", ""], ["A1", "Acme", "twelve", ""]
    load([good])
    first, second = load([bad]), load([bad])
    assert (first.counts["bad"], second.counts["bad"], second.counts["closed"]) == (1, 1, 0)
    entries = store.read("select skey, rule, position, raw, state from quarantine")
    raw = canonical({"cells": bad, "columns": list(COLUMNS)}).decode()
    assert [tuple(entry) for entry in entries] == [("A1", "type", "account:1", raw, "open")]
    assert [row[0] for row in facts(store, "A1", "amount")] == ["12"], "what was known stays"
    assert load([good]).counts["unchanged"] == 1
    state, since, until = store.read("select state, tx_from, tx_to from quarantine")[0]
    assert state == "superseded" and since < until < OPEN
    load([bad])
    assert store.read("select count(*) from quarantine where state = 'open'") == [(1,)], "bad again is held again"


def test_rows_that_are_no_rows_are_held_with_what_was_written(load: Load, store: Store) -> None:
    class Torn(ListReader):
        async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
            rows: Rows = [["A1", "Acme", "1", ""], ["A2", "x\0\ud800", "1", "", "more"], [None]]
            yield SourceRows(
                COLUMNS, rows, "a\udcff.csv", 2, problems={1: "5 cells, 4 columns"}, raw={1: "A2;x\0;1;;more"}
            )

    load([["A2", "Bolt", "1", ""]])
    report = load([], reader=Torn({}))
    assert (report.state, report.counts["new"], report.counts["bad"], report.counts["closed"]) == ("ok", 1, 2, 0)
    entries = store.read("select skey, rule, reason, position, raw from quarantine order by qid")
    assert tuple(entries[0][:4]) == ("A2", "row", "5 cells, 4 columns", "a?.csv:3")
    held = orjson.loads(entries[0][4])
    assert held == {
        "cells": ["A2", "x\ufffd?", "1", "", "more"], "columns": [*COLUMNS, "+4"], "written": "A2;x\ufffd;1;;more"
    }  # fmt: skip
    assert entries[1][:2] == ("", "key")
    assert [row[0] for row in facts(store, "A2")] == ['"Bolt"']


def test_what_is_held_is_bounded(load: Load, store: Store) -> None:
    columns = (*COLUMNS, *(f"c{n}" for n in range(40)))
    load([["A1", "ä" * 50_000, "x" * 50_000, ""] + ["y" * 5_000] * 40], columns=columns)
    raw = store.read("select raw from quarantine")[0][0]
    assert len(raw.encode()) <= 16_384
    held = orjson.loads(raw)
    assert held["cut"] is True and held["columns"] == list(COLUMNS) and held["cells"][0] == "A1"


def test_what_is_said_again_is_as_young_as_the_row_that_said_it_last(load: Load, store: Store) -> None:
    """The fact is written once; its age counts from the last row of its record, which said the same."""
    source, columns = crm(observed="at"), (*COLUMNS, "at")
    for day in (1, 3):
        report = load([["A1", "a", "1", "", f"2026-11-0{day}T00:00:00Z"]], source, columns)
        assert report.counts["facts"] == (2 if day == 1 else 0)
    scopes, need = [f"{source.department}/internal"], GraphNeed("it", "crm.account/A1", "name", 60)
    with store.snapshot() as reader:
        size = reader.fetch("select size from head")[0][0]
        (first,) = reader.fetch("select tx_to from version where tx_to < ?", (OPEN,))[0]
        now = datetime(2026, 11, 5, tzinfo=UTC)
        young = read_graph_facts(reader, [need], scopes, size, now)["it"]
        then = read_graph_facts(reader, [need], scopes, first, now)["it"]
    assert young.observed_at == datetime(2026, 11, 3, tzinfo=UTC)
    assert then.observed_at == datetime(2026, 11, 1, tzinfo=UTC), "as of before the second row was loaded"


def test_events_say_what_is_so_and_what_is_gone(load: Load, store: Store) -> None:
    source, columns = crm(observed="at"), (*COLUMNS, "at")
    load(
        [["A1", "a", "1", "", "2026-11-01T00:00:00Z"], ["A2", "b", "1", "", "2026-11-01T00:00:00Z"]],
        source,
        columns,
        "uu",
    )
    rows = [
        ["A1", None, None, None, "2026-11-03T00:00:00Z"],
        ["A1", "late", "1", "", "2026-11-01T00:00:00Z"],
        ["A9", None, None, None, None],
    ]
    report = load(rows, source, columns, "dud")
    assert (report.mode, report.counts["deleted"], report.counts["closed"], report.counts["late"]) == (
        "events",
        2,
        1,
        1,
    )
    assert facts(store, "A1") == [], "a late event brings nothing back that is gone"
    assert facts(store, "A2") != []
    report = load([["A1", "again", "1", "", "2026-11-04T00:00:00Z"]], source, columns, "u")
    assert report.counts["new"] == 1


def test_an_erased_subject_does_not_come_back(load: Load, journal: Journal, store: Store) -> None:
    load([["A1", "Acme", "1", "p7"]])
    people = store.read("select did from dataset where name = 'hr.person'")[0][0]
    own = store.read("select did from dataset where name = 'crm.account'")[0][0]

    def erase(transaction: Transaction, seq: int) -> list[Event]:
        pepper = make_pepper(transaction)
        hashes = [(erased_hash(pepper, people, "p7"),), (erased_hash(pepper, own, "A2"),)]
        transaction.insert_many("erased_key", "hash", hashes)
        transaction.execute("update record set skey = 'erased/00', salt = null where skey = 'p7'")
        return [Event("knowledge.erased", "someone", {"why": "asked"})]

    journal.append_with(erase)
    rows = [
        ["A1", "Acme 2", "1", "p7"],
        ["A2", "Bolt", "1", ""],
        ["A3", "Cart", "1", "p7"],
        ["erased/00", "Evil", "1", ""],
    ]
    report = load(rows)
    assert report.counts["bad"] == 2
    assert report.counts["changed"] == 1
    held = store.read("select skey, rule, raw from quarantine order by qid")
    assert [row[1:] for row in held] == [("erased", None)] * 2
    assert "A2" not in str(held)
    assert store.read("select count(*) from record where skey in ('p7', 'A2')") == [(0,)]
    linked = store.read(
        "select a.skey, b.skey from link l join record a on a.rid = l.src join record b on b.rid = l.dst "
        f"where l.tx_to = {OPEN} and l.valid_to = {OPEN}"
    )
    assert [tuple(row) for row in linked] == [("A1", "erased/00")], "the old link stays, and no new one names the key"


def test_one_load_of_a_data_set_at_a_time(load: Load, journal: Journal, store: Store) -> None:
    source = crm()
    spec = source.tables["account"]
    given = {"mode": "full", "started": 1, "random": bytes}
    claim = claim_load(journal, store, source, spec, **given)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match=r"load 1 of crm\.account is running"):
        load([["A1", "Acme", "1", ""]])
    claim.forget(store)  # its process has gone on without it
    report = load([["A1", "Acme", "1", ""]])
    assert (report.load, report.state) == (2, "ok")
    assert store.read("select state from load order by load") == [("failed",), ("ok",)]
    said = orjson.loads(store.read("select body from event order by seq limit 1")[0][0])
    assert (said["kind"], said["data"]["load"], said["data"]["state"]) == ("source.loaded", 1, "failed")
    with pytest.raises(Conflict, match="taken for dead"):
        journal.append_with(lambda transaction, _: [claim.guard(transaction)])  # type: ignore[func-returns-value,list-item]


@pytest.mark.parametrize(
    ("process", "beat", "refused"),
    [
        (["elsewhere", 1, "1"], 0, False),
        (["elsewhere", 1, "1"], 2**40, True),
        (["here", 2**22 + 1, "1"], 2**40, False),
        (["here", 1, "never"], 2**40, False),
    ],
)
def test_a_load_is_dead_when_its_process_is(
    load: Load,
    journal: Journal,
    store: Store,
    process: list[object],
    beat: int,
    refused: bool,
) -> None:
    import socket

    claim = claim_load(journal, store, crm(), crm().tables["account"], mode="full", started=1, random=bytes)
    process[0] = socket.gethostname() if process[0] == "here" else process[0]
    data = canonical({"by_observed": False, "process": process, "beat": beat}).decode()
    with store.transaction() as transaction:
        transaction.execute("update load set data = ?", (data,))
    claim.forget(store)
    if refused:
        with pytest.raises(Conflict):
            load([])
    else:
        assert load([]).state == "ok"


def test_a_load_that_was_taken_over_writes_nothing_more(load: Load, store: Store) -> None:
    class Slow(ListReader):
        async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
            yield SourceRows(COLUMNS, [["A1", "Acme", "1", ""]], "slow", 1)
            with store.transaction() as transaction:
                transaction.execute("update load set state = 'failed'")
            yield SourceRows(COLUMNS, [["A2", "Bolt", "1", ""]], "slow", 2)

    with pytest.raises(Conflict, match="taken for dead"):
        load([], reader=Slow({}), batch_rows=1)
    assert store.read("select skey from record") == [("A1",)]


def test_a_reader_that_breaks_its_promise_fails_the_load_at_once(load: Load, store: Store) -> None:
    broken = ListReader(
        {"account": (COLUMNS, [["A1", "x", "1", ""]] * 3)}, batch=1, fail_after=1, failure=ValueError("a bug")
    )
    with pytest.raises(ValueError, match="a bug"):
        load([], reader=broken)
    assert store.read("select state from load") == [("failed",)]
    assert load([["A1", "x", "1", ""]]).state == "ok"


def test_what_cannot_be_asked_for_is_said(load: Load, journal: Journal, store: Store) -> None:
    with pytest.raises(NotFound, match="no table 'orders'"):
        load_table(journal, store, crm(), "orders", ListReader({}), now=NOW)
    with pytest.raises(BadInput, match="needs `changed`"):
        load([], mode="incremental")
    load([["A1", "Acme", "1", ""]])
    other = a_source("crm", "sales", a_table("crm.account", "Client", ["name"]))
    with pytest.raises(BadInput, match="type Customer, its description says Client"):
        load([], other)
    assert store.read("select count(*) from load where state = 'running'") == [(0,)]


def test_taken_is_told_after_the_commit_and_may_fail(load: Load, store: Store) -> None:
    class Untold(ListReader):
        async def taken(self, ask: TableAsk) -> None:
            assert store.read("select state from load") == [("ok",)]
            raise Unreachable("no answer")

    report = load([], reader=Untold({"account": (COLUMNS, [["A1", "x", "1", ""]])}))
    assert report.state == "ok" and any("no answer" in note for note in report.notes)


def test_refused_readers_say_why(load: Load) -> None:
    failing = ListReader({"account": (COLUMNS, [])}, fail_after=-1, failure=Refused("no such table \0"))
    report = load([], reader=failing)
    assert (report.state, report.problem) == ("failed", "Refused: no such table \ufffd")


def test_an_export_is_as_old_as_it_says_from_before_anything_of_it_is_seen(load: Load, store: Store) -> None:
    began: list[int] = []

    class Dated(ListReader):
        async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
            for number in range(3):
                rows = [[f"A{number}", "x", "1", ""]]
                yield SourceRows(COLUMNS, rows, "export", number, as_of=NOW - timedelta(days=2 + number))
                began.append(store.read("select started from load")[0][0])

    load([], reader=Dated({}), batch_rows=1)
    dated = int((NOW - timedelta(days=2)).timestamp())
    assert began == [dated] * 3, "an age that was shown does not change while the load goes on"
    assert store.read("select started, state from load") == [(dated, "ok")]


def test_what_somebody_else_wrote_since_is_not_closed_as_absent(load: Load, journal: Journal, store: Store) -> None:
    load([["A1", "Acme", "1", ""], ["A2", "Bolt", "bad", ""]])

    class Releasing(ListReader):
        async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
            yield SourceRows(COLUMNS, [["A1", "Acme", "1", ""]], "slow", 1)
            release_held(journal, store, crm(), 1, {"amount": "2"}, by="ann")

    report = load([], reader=Releasing({}))
    assert (report.state, report.counts["closed"]) == ("ok", 0)
    assert [row[0] for row in facts(store, "A2", "amount")] == ["2"]
    assert load([["A1", "Acme", "1", ""]]).counts["closed"] == 1, "the next load may close it"


@pytest.mark.parametrize("rows_max", [0, 2_000_000])
def test_what_was_released_while_a_full_load_reads_is_not_closed(
    load: Load, journal: Journal, store: Store, rows_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remit.knowledge.load_rows.KNOWN_ROWS_MAX", rows_max)
    load([["A1", "Acme", "1", ""], ["A2", "Bolt", "1", ""]])
    load([["A1", "Acme", "1", ""], ["A2", "Bolt", "bad", ""]])

    class Releasing(ListReader):
        async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
            yield SourceRows(COLUMNS, [["A1", "Acme", "1", ""]], "slow", 1)
            release_held(journal, store, crm(), 1, {"amount": "2"}, by="ann")
            yield SourceRows(COLUMNS, [["A3", "Cart", "1", ""]], "slow", 2)

    report = load([], reader=Releasing({}), batch_rows=1)
    assert report.counts["closed"] == 0
    assert [row[0] for row in facts(store, "A2", "amount")][-1] == "2"
