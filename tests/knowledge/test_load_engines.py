"""SQLite and PostgreSQL hold the same after the same loads, given the same random bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from remit.knowledge.load_table import load_table
from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store
from remit.store.tables import TABLES
from remit.testing.knowledge_stand_ins import ListReader, a_fact, a_link, a_source, a_table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
COLUMNS = ("id", "name", "amount", "owner_id", "at")
KEPT = ("scope", "dataset", "property", "quarantine", "record", "version", "member", "fact", "link")


def _load(store: Store) -> None:
    drawn, journal = Random(7), Journal(store)
    facts = [a_fact("name"), a_fact("amount", "integer", see="money")]
    source = a_source(
        "crm", "sales",
        a_table("crm.account", "Customer", facts, links=(a_link("owner", "hr.person"),), changed="at"),
    )  # fmt: skip
    for turn in range(5):
        rows = [
            [f"A{drawn.randrange(40)}", f"n{drawn.randrange(3)}", drawn.choice(["1", "2", "x", ""]),
             f"p{drawn.randrange(9)}", f"2026-11-0{drawn.randrange(1, 9)}T00:00:00Z"]
            for _ in range(60)
        ]  # fmt: skip
        load_table(
            journal, store, source, "account", ListReader({"account": (COLUMNS, rows)}),
            mode="full" if turn % 2 else "incremental", now=NOW + timedelta(hours=turn), batch_rows=25,
            random=drawn.randbytes,
        )  # fmt: skip
    journal.close()


def _tables(store: Store) -> dict[str, list[tuple[object, ...]]]:
    result = {}
    for table in KEPT:
        rows = store.read(f"select {TABLES[table]} from {table} order by 1, 2")
        result[table] = [tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row) for row in rows]
    return result


def test_both_engines_hold_the_same_rows(store: Store, tmp_path: Path) -> None:
    other = open_store(f"sqlite:{tmp_path / 'other.db'}")
    _load(store)
    _load(other)
    held, wanted = _tables(store), _tables(other)
    other.close()
    assert len(wanted["fact"]) > 100 and wanted["quarantine"] and wanted["link"]
    for table in KEPT:
        assert held[table] == wanted[table], table
