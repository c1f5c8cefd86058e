"""Integrity: every cell edited in place is found, and exactly the receipts that it touches are named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.knowledge.leak_trial import RandomWorld

from remit.errors import NotFound, StoreUnavailable
from remit.knowledge.context import ContextAsk, read_context
from remit.knowledge.integrity import KnowledgeReport, check_graph, check_knowledge
from remit.knowledge.load_table import load_table
from remit.knowledge.receipt import all_receipts, record_context
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.store.engine import Reader, Store, Transaction
from remit.store.tables import TABLES
from remit.testing.knowledge_stand_ins import ListReader, a_fact, a_source, a_table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEYS = {"fact": "fid", "link": "lid", "version": "rid", "member": "rid", "record": "rid"}
CELLS = [(table, column) for table in KEYS for column in TABLES[table].split(",")]


def with_receipts(journal: Journal, seed: int, receipts: int) -> RandomWorld:
    """A world with a history, of which contexts were read and recorded all along."""
    world = RandomWorld(journal, seed, rounds=12, erasing=True)
    taken = 0
    while taken < receipts:
        world.step()
        size = world.graph.size
        contexts = []
        with journal.store.snapshot() as reader:
            for _ in range(4):
                with suppress(NotFound):
                    contexts.append(read_context(reader, world.ask(size)))
        for context in contexts:
            record_context(journal, context)
            taken += 1
    return world


@dataclass(frozen=True)
class Shown:
    """What a receipt's context is, read anew without any digest: all it shows, and the records it shows facts of."""

    data: bytes | None
    rids: frozenset[int]


def shown_now(reader: Reader) -> dict[str, Shown]:
    """Every receipt's context as it comes out now."""
    found = {}
    for recorded in list(all_receipts(reader)):
        data: Any = recorded.event.data
        names = ("as_of", "valid_at", "now", "hops", "cap", "entities_max", "facts_max")
        bounds = {name: data[name] for name in names}
        ask = ContextAsk(data["agent"], int(data["entity"][1:]), tuple(data["scopes"]), **bounds)
        try:
            context = read_context(reader, ask, frozenset(data["contradicted"]))
        except Exception:  # an edited row may break anything
            found[data["digest"]] = Shown(None, frozenset())
            continue
        rows = sorted(
            (row[0], row[1], bytes(row[2])) for row in reader.fetch_in("fact", "fid,rid,vh", "fid", context.facts)
        )
        data_now = context.as_bytes() + str(rows).encode()
        found[data["digest"]] = Shown(data_now, frozenset(row[1] for row in rows))
    return found


def other(value: Any, column: str, chance: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bytes | memoryview):
        return bytes(value)[:-1] + bytes([bytes(value)[-1] ^ 1])
    if isinstance(value, int):
        return value + chance.choice((1, -1)) if value < 2**53 - 1 else value - chance.randint(1, 2**52)
    if value is None:
        return {"salt": b"0123456789abcdef", "observed": 7, "value": '"back again"'}[column]
    return '"edited"' if column == "value" else f"{value}x"


class _Back(Exception):
    """Rolls back."""


def test_every_edit_of_one_cell_is_found_and_the_receipts_it_touches_are_named(store: Store, journal: Journal) -> None:
    embedded = store.dialect == "sqlite"  # many edits there, and one of each cell over the wire
    with_receipts(journal, 31, 20 if embedded else 10)
    with store.snapshot() as reader:
        before = shown_now(reader)
    chance = random.Random(31)
    named = 0
    for table, column in CELLS:
        for _ in range(3 if embedded else 1):
            try:
                with store.transaction() as transaction:
                    named += _edit(transaction, table, column, chance, before)
                    raise _Back
            except _Back:
                continue
            except AssertionError:
                raise
            except Exception as error:  # two rows of one key, which the tables refuse
                assert "nique" in str(error) or "UNIQUE" in str(error), error
    assert named > (20 if embedded else 3)


def _edit(transaction: Transaction, table: str, column: str, chance: random.Random, before: dict[str, Shown]) -> int:
    key = KEYS[table]
    extra = ",tx_from" if table in ("version", "member") else ""
    row = chance.choice(transaction.fetch(f"select {key},{column}{extra} from {table} order by {key}{extra}"))
    value = other(row[1], column, chance)
    place = f"{key} = ?" + (" and tx_from = ?" if extra else "")
    assert transaction.execute(f"update {table} set {column} = ? where {place}", (value, row[0], *row[2:])) == 1
    report = check_graph(transaction)
    after = shown_now(transaction)
    what = f"{table}.{column} of {row} to {value!r}: {report}"
    touched = {digest for digest, shown in before.items() if after[digest] != shown}
    if (table, column) == (
        "record",
        "type",
    ):  # of a record that only a link names no root covers the type, nor is it shown
        has_version = transaction.fetch("select 1 from version where rid = ?", (row[0],))
        assert report.holds == (not has_version), what
        assert not report.receipts and not touched, what
        return 0
    assert not report.holds, what
    if table == "record":  # whatever of it was edited, its facts can no longer be told to be what was shown
        expected = touched | {digest for digest, shown in before.items() if row[0] in shown.rids}
    else:
        expected = touched
    assert set(report.receipts) == expected, what
    if (table, column) == ("fact", "value"):
        assert report.edited == (f"f{row[0]}",) and not report.problems, what
    return len(expected)


EDITS: list[tuple[str, Callable[[Transaction], object]]] = [
    ("its rows are gone", lambda t: [t.execute(f"delete from {one}") for one in ("fact", "link", "version", "member")]),
    ("rows say that event 0", lambda t: t.execute("update fact set tx_from = 0 where fid = 3")),
    ("its rows are not what it wrote", lambda t: t.execute("delete from fact where fid = 1")),
    ("its rows are not what it wrote", lambda t: t.execute("delete from link where lid = 1")),
    ("no event made it so", lambda t: t.execute("update member set how = 'guess' where how <> 'self'")),
    ("no event made it so", lambda t: t.execute("delete from member where how <> 'self'")),
    ("no event made it so", lambda t: t.execute("update member set tx_to = tx_to - 1 where tx_to < 1000000")),
    ("no memberships, and events moved it", lambda t: t.execute("delete from member")),
    ("no event says that it was erased", lambda t: t.execute("update record set salt = null")),
    ("not the one it was loaded with", lambda t: t.execute("update record set skey = 'K99' where rid = 1")),
    ("its end is not what an event says", lambda t: t.execute("update load set state = 'failed' where load = 1")),
    ("its end is not what an event says", lambda t: t.execute("update load set tx = tx + 1 where load = 1")),
    ("the load that event", lambda t: t.execute("delete from load where load = 1")),
    ("the list of receipts does not have it", lambda t: t.execute("delete from receipt")),
    ("has no event", lambda t: t.insert_many("receipt", "digest,seq", [("f" * 64, 1)])),
]  # fmt: skip


def test_what_is_wrong_is_said_in_words(store: Store, journal: Journal) -> None:
    with_receipts(journal, 21, 20)
    seen: list[tuple[str, int]] = []
    whole = check_knowledge(store, lambda what, done: seen.append((what, done)))
    assert whole.holds, whole
    assert whole.shown >= 20 and whole.batches > 5 and whole.facts > 50 and whole.erased > 0
    for words, edit in EDITS:
        report = after(store, edit)
        assert any(words in problem for problem in report.problems), (words, report)
    (fid,) = store.read("select min(fid) from fact where value is null")[0]
    put_back = after(store, lambda t: t.execute("update fact set value = ? where fid = ?", ('"a"', fid)))
    assert put_back.edited == (f"f{fid}",)


def after(store: Store, edit: Callable[[Transaction], object]) -> KnowledgeReport:
    """What the check says after ``edit``, which is then taken back."""
    reports = []
    with suppress(_Back, StoreUnavailable), store.transaction() as transaction:
        edit(transaction)
        reports.append(check_graph(transaction))
        raise _Back
    return reports[0]


def test_what_a_load_says_of_its_facts_cannot_be_edited_unseen(store: Store, journal: Journal) -> None:
    """How old facts may be, and whether they tell their own age, decides later whether one was stale."""
    facts = [a_fact("name", required=True), a_fact("city")]
    table = a_table("crm.account", "Customer", facts, fresh_seconds=3_600, observed="seen")
    plain = a_table("crm.shop", "Shop", [a_fact("name")])
    source = a_source("crm", "sales", table, plain)
    columns = ("id", "name", "city", "seen")
    rows = {"account": (columns, [["A1", "Acme", "Oslo", "2026-11-20T00:00:00Z"], ["A2", "", "", ""]]),
            "shop": (("id", "name"), [["S1", "Kiosk"]])}  # fmt: skip
    for name in rows:
        assert load_table(journal, store, source, name, ListReader(rows), now=NOW).state == "ok"
    assert check_knowledge(store).holds
    with store.snapshot() as reader:
        said = [recorded.event.data for recorded in all_events(reader, ("source.loaded",))]
    assert [(one["fresh_seconds"], one["by_observed"]) for one in said] == [(3_600, True), (-1, False)]

    def told(column: str, value: object, load: int) -> list[str]:
        with suppress(_Undone), store.transaction() as transaction:
            transaction.execute(f"update load set {column} = ? where load = ?", (value, load))
            found = list(check_graph(transaction).problems)
            raise _Undone
        return found

    with store.snapshot() as reader:
        data = {load: json.loads(text) for load, text in reader.fetch("select load, data from load")}
    cells = {"mode": "events", "state": "failed", "started": 1, "ended": 1, "fresh_seconds": 9**9, "trust": "high"}
    for load in (1, 2):
        edits: dict[str, Any] = {
            "by_observed": not data[load]["by_observed"], "counts": {}, "notes": ["x"], "drift": [1], "problem": "x",
            "batches": 9,
        }  # fmt: skip
        texts = [json.dumps({**data[load], name: value}) for name, value in edits.items()]
        texts += [json.dumps({name: cell for name, cell in data[load].items() if name != gone}) for gone in edits]
        tried = [*cells.items(), ("spec", "f" * 64), ("cursor", "z"), ("did", 3 - load)]
        for column, value in (*tried, *(("data", text) for text in (*texts, "[]", "x"))):
            assert told(column, value, load) == [f"load {load}: its end is not what an event says"], (column, value)
    assert check_knowledge(store).holds


class _Undone(Exception):
    """Ends an edit without keeping it."""
