"""Random loads of every mode against a plain dict; what was known at each ledger size stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.knowledge.conftest import empty
from tests.knowledge.plain_load import COLUMNS, OPEN, PlainRow, PlainSource, Values, a_plain_source, known_values

from remit.errors import BadInput, Unreachable
from remit.knowledge.entity import find_entity
from remit.knowledge.erasing import erase_entity
from remit.knowledge.known_blocks import take_blocks
from remit.knowledge.load_table import load_table
from remit.knowledge.quarantine import release_held
from remit.knowledge.roots import batch_root, batch_roots
from remit.knowledge.source_file import SourceFile
from remit.ledger.journal import Journal
from remit.store.engine import Reader, Store
from remit.store.tables import TABLES
from remit.testing.knowledge_stand_ins import ListReader

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 1_000_000
WRITTEN = [(name, TABLES[name]) for name in ("record", "version", "member", "fact", "link")]
WRITTEN.append(("quarantine", "qid, rule, reason, position, raw, state, tx_from, tx_to"))  # erased keys vary
names = count()

rows = st.builds(
    PlainRow,
    key=st.sampled_from(["k1", "k2", "k3", "k4", ""]),
    minute=st.integers(1, 9),
    name=st.sampled_from(["Ann", "Bo", ""]),
    amount=st.sampled_from(["1", "2", "", "x"]),
    boss=st.sampled_from(["k1", "k5", ""]),
    gone=st.sampled_from([False, False, False, True]),
)
loads = st.tuples(
    st.sampled_from(["full", "full", "incremental", "events"]),
    st.lists(rows, max_size=6),
    st.integers(0, 2**16),  # seed of the ops
    st.one_of(st.none(), st.none(), st.integers(0, 5)),  # fails after so many rows
    st.integers(1, 3),  # rows a batch of the reader
    st.integers(1, 4),  # rows a commit
    st.booleans(),  # hold the known rows in memory
    st.booleans(),  # take few rows together, where nothing is known of them
)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(loads, min_size=1, max_size=6))
def test_loads_give_what_a_dict_gives(store: Store, journal: Journal, history: list) -> None:  # type: ignore[type-arg]
    source = a_plain_source(f"s{next(names)}")
    dataset, plain = f"{source.name}.person", PlainSource()
    kept: list[tuple[int, dict[str, Values]]] = []
    for hour, (mode, given_rows, seed, fails, batch, commit, ahead, together) in enumerate(history):
        drawn = Random(seed)
        ops = "".join(drawn.choice("uud") for _ in given_rows) if mode == "events" else None
        seen = given_rows
        if mode == "incremental" and plain.cursor is not None:
            seen = [row for row in given_rows if str(row.cells()[1]) >= plain.cursor]
        fails_after = None if fails is None or fails >= len(seen) else fails
        plain.load(seen[:fails_after], mode, ops, fails_after is None)
        reader = ListReader(
            {"person": (COLUMNS, [row.cells() for row in given_rows])},
            ops={"person": ops} if ops is not None else None,
            batch=batch,
            fail_after=fails_after,
            failure=Unreachable("cut") if fails_after is not None else None,
        )
        before = store.read("select coalesce(max(fid), 0) from fact")[0][0]
        with (
            patch("remit.knowledge.load_rows.KNOWN_ROWS_MAX", 2_000_000 if ahead else 0),
            patch("remit.knowledge.load_rows.FRESH_ROWS_MIN", 1 if together else 32),
        ):
            report = load_table(
                journal, store, source, "person", reader, mode="auto" if mode == "events" else mode,
                now=NOW + timedelta(hours=hour), batch_rows=commit,
            )  # fmt: skip
        counts = report.counts
        assert report.state == ("ok" if fails_after is None else "failed"), report
        assert report.mode == mode or fails_after == 0
        assert counts["read"] == len(seen[:fails_after])
        assert counts["read"] == sum(counts[name] for name in ("new", "changed", "unchanged", "deleted", "bad"))
        assert counts["facts"] == store.read("select coalesce(max(fid), 0) from fact")[0][0] - before
        with store.snapshot() as now:
            size = now.fetch("select size from head")[0][0]
            found = known_values(now, dataset, size, LATER)
            assert found == plain.values, (mode, given_rows)
            kept.append((size, found))
            _holds(now, dataset, report.load, counts)
    with store.snapshot() as now:
        for size, found in kept:
            assert known_values(now, dataset, size, LATER) == found, "what was known then has changed"
        _roots_hold(now)


steps = st.tuples(
    st.sampled_from(["same", "same", "without", "other", "reversed", "twice", "erase", "release"]), st.integers(0, 7)
)


clean = st.lists(
    st.builds(
        PlainRow,
        key=st.sampled_from([f"k{number}" for number in range(1, 13)]),
        minute=st.integers(1, 8),
        name=st.sampled_from(["Ann", "Bo", ""]),
        amount=st.sampled_from(["1", "2", ""]),
        boss=st.sampled_from(["k1", "k5", "k12", "k99", ""]),  # most come later than what leads to them, some in time
    ),
    min_size=4,
    max_size=12,
    unique_by=lambda row: row.key,
)


def _day(rows_now: list[PlainRow], what: str, place: int) -> list[PlainRow]:
    """The rows of the next day."""
    at = place % len(rows_now) if rows_now else 0
    if what == "without":
        return rows_now[:at] + rows_now[at + 1 :]
    if what == "other":
        return [replace(row, name="Cy", minute=9) if index == at else row for index, row in enumerate(rows_now)]
    if what == "twice":
        return rows_now + rows_now[at : at + 1]
    return rows_now[::-1] if what == "reversed" else rows_now


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.lists(rows, min_size=1, max_size=8), clean, clean, clean), st.lists(steps, min_size=1, max_size=5),
    st.sampled_from(["full", "full", "full", "incremental"]), st.integers(1, 4), st.integers(0, 99),
)  # fmt: skip
def test_short_ways_of_a_load_write_what_the_long_way_writes(
    emptied_store: Store, first: list[PlainRow], days: list[tuple[str, int]], mode: Any, batch: int, seed: int
) -> None:
    found = []
    for short in (True, False):
        empty(emptied_store)
        journal, source, given_rows = Journal(emptied_store), a_plain_source("s"), first
        told = []
        for hour, (what, place) in enumerate([("same", 0), *days]):
            given_rows = _day(given_rows, what, place)
            if what == "erase":
                _erase(emptied_store, journal, place + 1)
            elif what == "release":
                _release(emptied_store, journal, source)
            listed = ListReader({"person": (COLUMNS, [row.cells() for row in given_rows])}, batch=batch)
            with (
                patch("remit.knowledge.load_rows.FRESH_ROWS_MIN", 1 if short else 1_000),
                patch("remit.knowledge.load_claim.take_blocks", take_blocks if short else lambda *_: None),
            ):
                report = load_table(
                    journal, emptied_store, source, "person", listed, mode=mode, now=NOW + timedelta(hours=hour),
                    batch_rows=batch, random=Random(seed + hour).randbytes,
                )  # fmt: skip
            told.append((report.counts, report.state, report.notes, report.drift))
        journal.close()
        with emptied_store.snapshot() as reader:
            cells = {name: sorted(map(repr, reader.fetch(f"select {all_} from {name}"))) for name, all_ in WRITTEN}
        found.append((told, cells))
    assert found[0] == found[1]


def _erase(store: Store, journal: Journal, rid: int) -> None:
    with store.snapshot() as reader:
        if not reader.fetch("select 1 from record where rid = ? and salt is not null", (rid,)):
            return
        entity = find_entity(reader, f"e{rid}")
    erase_entity(journal, entity, why="asked for", actor="test")


def _release(store: Store, journal: Journal, source: SourceFile) -> None:
    held = store.read("select qid from quarantine where state = 'open' and skey not in ('', 'erased') order by qid")
    with suppress(BadInput):  # it may belong to one who was erased
        for (qid,) in held[:1]:
            release_held(journal, store, source, qid, {"amount": "7"}, by="test", random=Random(qid).randbytes)


def _holds(reader: Reader, dataset: str, load: int, counts: Mapping[str, int]) -> None:
    """What must be so after every load, whatever it loaded."""
    for table, number, owner in (("fact", "fid", "rid"), ("link", "lid", "src")):
        overlapping = reader.fetch(
            f"select a.{number} from {table} a join {table} b on a.{owner} = b.{owner} and a.pid = b.pid and "
            f"a.{number} < b.{number} and a.valid_from < b.valid_to and b.valid_from < a.valid_to "
            f"where a.tx_to = {OPEN} and b.tx_to = {OPEN}"
        )
        assert overlapping == []
        assert reader.fetch(f"select {number} from {table} where tx_from >= tx_to or valid_from >= valid_to") == []
    double = reader.fetch(
        "select q.skey, q.raw from quarantine q join dataset d on d.did = q.did where d.name = ? and q.state = 'open' "
        "group by q.skey, q.raw having count(*) > 1",
        (dataset,),
    )
    assert double == []
    said: dict[str, int] = {}
    for (body,) in reader.fetch("select body from event where kind = 'source.batch'"):
        data = orjson.loads(body)["data"]
        if data["load"] == load:
            for name, value in data["counts"].items():
                said[name] = said.get(name, 0) + value
    for name in ("new", "changed", "closed", "facts", "links"):
        assert said.get(name, 0) == counts[name], "the events of a load add up to its report"


def _roots_hold(reader: Reader) -> None:
    bodies = reader.fetch("select seq, body from event where kind = 'source.batch'")
    said = {seq: orjson.loads(body)["data"]["root"] for seq, body in bodies}
    found = dict(batch_roots(reader))
    assert {seq: root for seq, root in said.items() if seq in found} == found
    assert len({root for seq, root in said.items() if seq not in found}) <= len(said)
    for seq in [*said][-5:]:
        assert batch_root(reader, seq) == said[seq]
