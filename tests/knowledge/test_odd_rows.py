"""One odd record does not cost a load its others; a source that no longer has a column does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from remit.connectors.record_rows import in_batches
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk
from remit.knowledge.load_table import LoadReport, load_table
from remit.knowledge.odd_rows import ODD_ROWS_MAX
from remit.knowledge.quarantine import list_held
from remit.knowledge.source_file import SourceFile
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.testing.knowledge_stand_ins import ListReader, a_fact, a_source, a_table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Record = Mapping[str, Any]
Load = Callable[..., LoadReport]


class Records:
    """A source that gives records, page by page. Implements `SourceReader`."""

    def __init__(self, pages: Sequence[Sequence[Record]]):
        self.notes: list[str] = []
        self._pages = pages

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        async def groups() -> AsyncGenerator[Sequence[Record], None]:
            for page in self._pages:
                yield page

        return in_batches(groups(), ask, "accounts")

    async def taken(self, ask: TableAsk) -> None:
        pass

    async def close(self) -> None:
        pass


def source(**more: object) -> SourceFile:
    more = {"changed": "changed", **more}
    facts = [a_fact("name", required=True), a_fact("city")]
    return a_source("crm", "sales", a_table("crm.account", "Customer", facts, **more))


def record(number: int, day: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": f"A{number}", "changed": f"2026-01-{day:02}T00:00:00Z", "name": f"N{number}", "city": "Oslo"} | more


def without(number: int, *names: str) -> dict[str, Any]:
    return {name: cell for name, cell in record(number, 2).items() if name not in names}


@pytest.fixture
def store(emptied_store: Store) -> Store:
    return emptied_store


@pytest.fixture
def load(journal: Journal, store: Store) -> Load:
    hours = iter(range(1_000))

    def load_pages(*pages: Sequence[Record], of: SourceFile | None = None) -> LoadReport:
        now = NOW + timedelta(hours=next(hours))
        return load_table(journal, store, of or source(), "account", Records(pages), now=now)

    return load_pages


def held(store: Store) -> list[tuple[str, str, str, str]]:
    with store.snapshot() as reader:
        found = list_held(reader)
    return sorted((one.key, one.rule, one.position, one.reason) for one in found)


def names(store: Store) -> set[str]:
    rows = store.read(
        "select f.value from fact f join property p on p.pid = f.pid where p.name = 'name' and f.tx_to = ?",
        (2**53 - 1,),
    )
    return {value.strip('"') for (value,) in rows}


def test_one_odd_record_is_held_back_with_reason_and_position(load: Load, store: Store) -> None:
    assert load([record(1), record(2)]).state == "ok"
    report = load([without(3, "name")])
    assert (report.state, report.counts["read"], report.counts["bad"], report.counts["new"]) == ("ok", 1, 1, 0)
    assert report.cursor == "2026-01-02T00:00:00Z"
    assert report.notes == ("1 row lacks the column 'name', which every row needs",)
    ((key, rule, position, reason),) = held(store)
    assert (key, rule, position) == ("A3", "required", "accounts:1")
    assert reason == "missing, and every row has one"
    # It is put right at its source, and its entry closes.
    report = load([record(3, 3)])
    assert (report.state, report.counts["new"], held(store)) == ("ok", 1, [])
    assert names(store) == {"N1", "N2", "N3"}


def test_a_record_without_its_key_is_held_back(load: Load, store: Store) -> None:
    load([record(1)])
    report = load([without(2, "id"), without(3, "id", "name")])
    assert (report.state, report.counts["bad"]) == ("ok", 2)
    assert [(key, rule, position) for key, rule, position, _ in held(store)] == [
        ("", "key", "accounts:1"), ("", "key", "accounts:2"),
    ]  # fmt: skip


def test_the_last_page_of_a_full_read_may_be_odd_as_well(load: Load, store: Store) -> None:
    report = load([record(number) for number in range(BATCH_ROWS_MAX)], [without(9_999, "name")])
    assert (report.state, report.counts["new"], report.counts["bad"]) == ("ok", BATCH_ROWS_MAX, 1)
    ((key, rule, position, _),) = held(store)
    assert (key, rule, position) == ("A9999", "required", f"accounts:{BATCH_ROWS_MAX + 1}")


def test_what_is_not_required_stays_unknown_and_not_empty(load: Load, store: Store) -> None:
    load([record(1)])
    report = load([without(1, "city") | {"name": "M1"}])
    assert (report.state, report.counts["changed"], report.counts["bad"]) == ("ok", 1, 0)
    rows = store.read("select count(*) from fact f join property p on p.pid = f.pid where p.name = 'city'")
    assert rows == [(1,)]


def test_a_column_that_the_source_no_longer_has_refuses_the_load(load: Load, store: Store) -> None:
    first = load([record(1)])
    many = [without(number, "name") | {"title": "x"} for number in range(ODD_ROWS_MAX + 1)]
    report = load(many)
    assert (report.state, report.counts["read"], report.cursor) == ("failed", 0, "")
    assert "has no column 'name', which every row of crm.account needs" in report.problem
    assert held(store) == [] and names(store) == {"N1"}
    # The cursor stays, so nothing is lost once the description follows.
    assert load([record(5, 5)], of=source()).counts["new"] == 1
    assert first.cursor == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("pages", [[[without(1, "name")]], [[without(1, "id"), without(2, "id")]]])
def test_the_first_read_needs_every_column(load: Load, store: Store, pages: list[list[Record]]) -> None:
    report = load(*pages)
    assert report.state == "failed" and "has no column" in report.problem
    assert store.read("select count(*) from record") == [(0,)]


def test_a_source_with_columns_of_its_own_is_refused_however_few_rows_it_has(journal: Journal, store: Store) -> None:
    """A header that lacks a column says so of the whole file."""
    columns = ("id", "changed", "name", "city")
    reader = ListReader({"account": (columns, [["A1", "2026-01-01T00:00:00Z", "N1", "Oslo"]])})
    assert load_table(journal, store, source(), "account", reader, now=NOW).state == "ok"
    reader = ListReader({"account": (("id", "changed"), [["A2", "2026-01-02T00:00:00Z"]])})
    report = load_table(journal, store, source(), "account", reader, now=NOW + timedelta(hours=1))
    assert report.state == "failed" and "has no column 'name'" in report.problem
