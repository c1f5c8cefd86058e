"""Sources and loader together: whatever breaks on the way, in the end the store holds what the source holds."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from remit.connectors.pace import Timing
from remit.knowledge.load_table import LoadReport, load_table
from remit.knowledge.source_file import SourceFile, load_source_file, open_source
from remit.ledger.journal import Journal
from remit.store.engine import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPEN = 2**53 - 1
HEAD = "id,name,price\n"


def described(folder: Path, connect: str, table: str = "") -> SourceFile:
    text = (
        f"source: s\ndepartment: d\nconnect: {{{connect}}}\ntables:\n  t:\n    is: T\n    key: id\n{table}"
        "    facts: {name: {required: true}, price: {kind: money EUR}}\n"
    )
    return load_source_file(folder / "s.yaml", text)


def load(journal: Journal, store: Store, source: SourceFile, now: datetime = NOW) -> LoadReport:
    reader = open_source(source, timing=Timing(now=lambda: NOW))
    report = load_table(journal, store, source, "t", reader, now=now)
    counts = report.counts
    assert counts["read"] == sum(counts[word] for word in ("new", "changed", "unchanged", "deleted", "bad"))
    return report


def held(store: Store) -> dict[str, dict[str, Any]]:
    """Every fact that is in force, by record and name; none of them twice."""
    rows = store.read(
        "select r.skey, p.name, f.value from fact f join record r on r.rid = f.rid join property p on p.pid = f.pid"
        " where f.tx_to = ? and f.valid_to = ? order by f.fid",
        (OPEN, OPEN),
    )
    found: dict[str, dict[str, Any]] = {}
    for key, name, value in rows:
        assert name not in found.setdefault(key, {})
        found[key][name] = json.loads(value)
    return found


def put(path: Path, text: str, age_seconds: int = 3_600) -> None:
    path.write_text(text)
    at = int(NOW.timestamp()) - age_seconds
    os.utime(path, (at, at))


def test_a_file_cut_anywhere_loses_and_doubles_nothing(journal: Journal, store: Store, tmp_path: Path) -> None:
    source = described(tmp_path, "kind: csv, path: a.csv, done: {trailer: END}")
    rows = {str(number): {"name": f'n "{number}"\n', "price": number * 100} for number in range(1, 9)}
    lines = [f'{key},"n ""{key}""\n",{key}.00\n' for key in rows]
    whole = HEAD + "".join(lines) + "END 8\n"
    put(tmp_path / "a.csv", whole)
    assert load(journal, store, source).state == "ok"
    assert held(store) == rows
    for size in range(0, len(whole) - 1, 11):
        put(tmp_path / "a.csv", whole[:size])
        report = load(journal, store, source)
        assert (report.state, report.counts["closed"]) == ("failed", 0)
        assert held(store) == rows
    put(tmp_path / "a.csv", whole.replace("8.00", "8,00"))
    report = load(journal, store, source)
    assert (report.state, report.counts["bad"], report.counts["closed"]) == ("ok", 1, 0)
    assert held(store) == rows, "a row that cannot be read is held back; its record is not gone"
    put(tmp_path / "a.csv", HEAD + "".join(lines[1:]) + "END 7\n")
    assert load(journal, store, source).counts["closed"] == 1
    assert held(store) == {key: row for key, row in rows.items() if key != "1"}


def test_a_row_whose_key_cannot_be_read_closes_nobody(journal: Journal, store: Store, tmp_path: Path) -> None:
    source = described(tmp_path, "kind: jsonl, path: a.jsonl")
    lines = [f'{{"id": {number}, "name": "n", "price": {number}.10}}\n' for number in (1, 2, 3)]
    put(tmp_path / "a.jsonl", "".join(lines))
    load(journal, store, source)
    before = held(store)
    assert before["3"] == {"name": "n", "price": 310}
    put(tmp_path / "a.jsonl", lines[0] + lines[1][:20] + "\n" + lines[2])
    report = load(journal, store, source)
    assert (report.counts["bad"], report.counts["closed"]) == (1, 0)
    assert "nothing that was absent was closed" in " ".join(report.notes)
    assert held(store) == before


def test_files_that_arrive_in_any_state_are_each_loaded_once_and_in_order(
    journal: Journal, store: Store, tmp_path: Path
) -> None:
    """Change files drop at random, some half written for a while; a plain dictionary takes them in their order."""
    source = described(tmp_path, "kind: csv, pattern: 'd*.csv', done: {trailer: END}", "    changed: _file\n")
    chance = random.Random(7)
    expected: dict[str, dict[str, Any]] = {}
    waiting: list[tuple[Path, str]] = []
    loaded = 0
    for round_number in range(14):
        rows = {str(chance.randrange(8)): chance.randrange(1_000) for _ in range(3)}
        text = HEAD + "".join(f"{key},n{cents},{cents / 100:.2f}\n" for key, cents in rows.items())
        path, whole = tmp_path / f"d{round_number:02}.csv", f"{text}END {len(rows)}\n"
        if chance.random() < 0.4:
            put(path, whole[: chance.randrange(1, len(whole) - 2)])
            waiting.append((path, whole))
        else:
            put(path, whole)
        for key, cents in rows.items():
            expected[key] = {"name": f"n{cents}", "price": cents}
        if chance.random() < 0.5 or round_number == 13:
            while waiting:
                put(*waiting.pop())
        report = load(journal, store, source, NOW + timedelta(hours=round_number))
        loaded += report.counts["read"]
        if report.state == "failed":
            assert loaded == 0, "only while there is no whole file at all"
        if not waiting:
            assert held(store) == expected
    assert held(store) == expected
    assert loaded == sum(1 for path in tmp_path.glob("d*.csv") for _ in path.read_text().splitlines()) - 2 * 14


def test_changes_of_a_database_come_whole_however_their_moments_are_written(
    journal: Journal, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "crm.db"
    table = "    changed: at\n    deleted: gone\n    overlap: 1h\n"
    source = described(tmp_path, f"kind: sql, url: 'sqlite:///{path}'", table)
    chance = random.Random(11)
    expected: dict[str, dict[str, Any]] = {}
    forms = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("create table t (id integer primary key, name text, price numeric, at text, gone integer)")
        for round_number in range(12):
            for _ in range(chance.randrange(4)):
                key, cents = chance.randrange(6), chance.randrange(1_000)
                gone = chance.random() < 0.2
                # Written up to half an hour late, as after a long transaction, but each row's own moments in order.
                at = NOW + timedelta(days=round_number, minutes=-chance.randrange(30))
                database.execute(
                    "insert or replace into t values (?, ?, ?, ?, ?)",
                    (key, f"n{cents}", cents / 100, at.strftime(forms[chance.randrange(3)]), int(gone)),
                )
                expected.pop(str(key), None)
                if not gone:
                    expected[str(key)] = {"name": f"n{cents}", "price": cents}
            if round_number % 3 == 1:
                database.execute("begin exclusive")
                quick = described(tmp_path, f"kind: sql, timeout: 1s, url: 'sqlite:///{path}'", table)
                assert load(journal, store, quick, NOW + timedelta(days=round_number)).state == "failed"
                database.execute("rollback")
            report = load(journal, store, source, NOW + timedelta(days=round_number))
            assert (report.state, report.counts["bad"]) == ("ok", 0)
            assert held(store) == expected, round_number
    assert len(expected) > 2
