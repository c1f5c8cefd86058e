"""A block of rows that comes again as it was is known by one hash; and only as long as that is true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from unittest.mock import patch

import pytest
from tests.knowledge.plain_load import COLUMNS, PlainRow, a_plain_source

from remit.errors import Unreachable
from remit.knowledge.entity import find_entity
from remit.knowledge.erasing import erase_entity
from remit.knowledge.load_rows import KnownRows
from remit.knowledge.load_table import LoadReport, load_table
from remit.knowledge.quarantine import release_held
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.testing.knowledge_stand_ins import ListReader, a_fact

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SOURCE = a_plain_source("s")
ROWS = [PlainRow(f"k{number}", 1, f"name {number}", str(number), "") for number in range(12)]
Load = Callable[..., LoadReport]


@pytest.fixture
def load(store: Store, journal: Journal) -> Load:
    """Load rows in blocks of three, each time an hour later."""
    hours = iter(range(1_000))

    def one(rows: list[PlainRow], source: object = SOURCE, **how: object) -> LoadReport:
        reader = ListReader({"person": (COLUMNS, [row.cells() for row in rows])}, batch=3, **how)  # type: ignore[arg-type]
        now = NOW + timedelta(hours=next(hours))
        return load_table(journal, store, source, "person", reader, mode="full", now=now)  # type: ignore[arg-type]

    return one


def kept(store: Store) -> list[str]:
    return [value for (value,) in store.read("select value from setting where name like 'knowledge/blocks/%'")]


def names(store: Store) -> Mapping[str, str]:
    rows = store.read(
        "select r.skey, f.value from fact f join record r on r.rid = f.rid join property p on p.pid = f.pid "
        "where p.name = 'name' and f.tx_to = ?",
        (2**53 - 1,),
    )
    return dict(rows)


def unread() -> object:
    """Have reading the current rows of a data set fail."""
    return patch.object(KnownRows, "_read_rows", side_effect=AssertionError("the rows were read"))


def test_nothing_is_read_where_every_block_comes_again_in_whatever_order(load: Load, store: Store) -> None:
    assert load(ROWS).counts["new"] == 12
    with unread():  # type: ignore[attr-defined]
        again = load(ROWS)
        assert (again.state, again.counts["unchanged"], again.counts["read"]) == ("ok", 12, 12)
        assert load(ROWS[6:] + ROWS[:6]).counts["unchanged"] == 12
    with pytest.raises(AssertionError, match="were read"), unread():  # type: ignore[attr-defined]
        load([replace(ROWS[0], name="Cy"), *ROWS[1:]])


@pytest.mark.parametrize("in_memory", [2_000_000, 0])
@pytest.mark.parametrize("place", [0, 4, 11])
def test_one_changed_row_is_written_and_nothing_is_closed(load: Load, store: Store, place: int, in_memory: int) -> None:
    load(ROWS)
    with patch("remit.knowledge.load_rows.KNOWN_ROWS_MAX", in_memory):
        counts = load([replace(row, name="Cy") if at == place else row for at, row in enumerate(ROWS)]).counts
    assert (counts["unchanged"], counts["changed"], counts["closed"]) == (11, 1, 0)
    assert names(store)[f"k{place}"] == '"Cy"'


@pytest.mark.parametrize("in_memory", [2_000_000, 0])
@pytest.mark.parametrize("gone", [[0], [3, 4, 5], [9, 10, 11], list(range(12))])
def test_what_is_absent_is_closed(load: Load, store: Store, gone: list[int], in_memory: int) -> None:
    load(ROWS)
    with patch("remit.knowledge.load_rows.KNOWN_ROWS_MAX", in_memory):
        counts = load([row for at, row in enumerate(ROWS) if at not in gone]).counts
    assert (counts["closed"], counts["changed"], counts["new"]) == (len(gone), 0, 0)
    assert names(store).keys() == {f"k{at}" for at in range(12) if at not in gone}


@pytest.mark.parametrize("in_memory", [2_000_000, 0])
def test_of_a_key_that_comes_twice_the_last_row_counts(load: Load, store: Store, in_memory: int) -> None:
    load(ROWS)
    first = [replace(ROWS[4], name="Cy"), replace(ROWS[0], key="x1"), replace(ROWS[0], key="x2")]
    with patch("remit.knowledge.load_rows.KNOWN_ROWS_MAX", in_memory):
        counts = load(first + ROWS).counts
    assert names(store)["k4"] == '"name 4"'
    assert (counts["changed"], counts["new"], counts["closed"]) == (2, 2, 0)
    assert load(ROWS + first).counts["changed"] == 1
    assert names(store)["k4"] == '"Cy"'


def test_an_erasure_leaves_no_block_and_its_row_is_held_back(load: Load, store: Store, journal: Journal) -> None:
    load(ROWS)
    assert "digests" in kept(store)[0]
    _erase(store, journal, "s.person/k4")
    assert kept(store) == []
    counts = load(ROWS).counts
    assert (counts["bad"], counts["unchanged"]) == (1, 11)


def test_an_erasure_while_a_load_runs_leaves_no_block(load: Load, store: Store, journal: Journal) -> None:
    load(ROWS)
    seen: list[int] = []

    def then(counts: Mapping[str, int]) -> None:
        seen.append(counts["read"])
        if len(seen) == 2:
            _erase(store, journal, "s.person/k0")

    reader = ListReader({"person": (COLUMNS, [row.cells() for row in ROWS])}, batch=3)
    report = load_table(journal, store, SOURCE, "person", reader, mode="full", now=NOW, progress=then)
    assert (report.state, report.counts["unchanged"], len(seen)) == ("ok", 12, 4)
    assert kept(store) == []
    assert load(ROWS).counts["bad"] == 1


def test_a_release_of_a_row_that_had_no_key_is_seen(load: Load, store: Store, journal: Journal) -> None:
    load([*ROWS, PlainRow("", 1, "nobody", "1", "")])
    load(ROWS)
    assert "digests" in kept(store)[0]
    (qid,) = [qid for (qid,) in store.read("select qid from quarantine where state = 'open'")]
    release_held(journal, store, SOURCE, qid, {"id": "k3", "name": "other"}, by="test", random=Random(1).randbytes)
    assert names(store)["k3"] == '"other"'
    assert load(ROWS).counts["changed"] == 1
    assert names(store)["k3"] == '"name 3"'


@pytest.mark.parametrize(
    "also",
    [
        pytest.param([PlainRow("", 1, "nobody", "1", "")], id="a bad row"),
        pytest.param([ROWS[0]], id="a row twice"),
        pytest.param([replace(ROWS[0], name="Cy")], id="a key twice"),
        pytest.param([PlainRow(" k99 ", 1, "blanks", "1", "")], id="a key that is read otherwise than written"),
        pytest.param([replace(ROWS[0], key="k77", gone=True)], id="a deletion"),
        pytest.param(ROWS[0:3], id="a page twice"),
    ],
)
def test_a_load_that_is_not_clean_keeps_no_blocks(load: Load, store: Store, also: list[PlainRow]) -> None:
    for _ in range(2):
        load([*ROWS, *also])
        assert "digests" not in kept(store)[0]


def test_a_load_that_fails_keeps_no_blocks(load: Load, store: Store) -> None:
    load(ROWS)
    assert load(ROWS, fail_after=5, failure=Unreachable("cut")).state == "failed"
    assert "digests" not in kept(store)[0]
    assert load(ROWS).counts["unchanged"] == 12
    assert "digests" in kept(store)[0]


def test_rows_that_would_be_read_otherwise_are_read_anew(load: Load, store: Store) -> None:
    load(ROWS)
    table = SOURCE.tables["person"]
    more = replace(table, facts=(*table.facts, a_fact("again", column="name")))
    counts = load(ROWS, replace(SOURCE, tables={"person": more})).counts
    assert counts["changed"] == 12
    assert store.read("select count(*) from property where name = 'again'") == [(1,)]


def _erase(store: Store, journal: Journal, name: str) -> None:
    with store.snapshot() as reader:
        entity = find_entity(reader, name)
    erase_entity(journal, entity, why="asked for", actor="test")
