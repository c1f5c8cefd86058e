"""Writes records, facts and links straight into the tables, each batch in the commit of its event, as a loader would.

It knows no rule of the loader's: what a test wants written is written. Salts come from a seed, so the same calls give
the same rows on every store.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remit.canonical import INTEGER_MAX as OPEN
from remit.canonical import canonical
from remit.knowledge.commitment import key_commitment, value_commitment
from remit.knowledge.number_list import among, number_list
from remit.knowledge.roots import batch_root
from remit.ledger.journal import Journal
from remit.store.engine import Transaction
from remit.store.tables import TABLES
from remit.vocabulary import Event, Json

START = 1_700_000_000


@dataclass
class Put:
    """One row as it shall be known from now on; None as ``facts`` takes it away. ``facts`` map to value and scope."""

    dataset: str
    key: str
    facts: Mapping[str, tuple[Json, str]] | None
    links: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Name to data set, key and scope."""
    valid_from: int = 0
    valid_to: int = OPEN
    observed: int = START
    flags: int = 0


class GraphBuilder:
    """A graph under construction. ``types`` maps data sets to the type of their records."""

    def __init__(self, journal: Journal, types: Mapping[str, str], seed: int = 0):
        self.journal = journal
        self.types = dict(types)
        self.rids: dict[tuple[str, str], int] = {}
        self.salts: dict[int, bytes] = {}
        self.load = 0
        self._random = random.Random(seed)
        self._numbers: dict[str, dict[Any, int]] = {"scope": {}, "dataset": {}, "property": {}}
        self._next = {"rid": 1, "fid": 1, "lid": 1, "qid": 1}

    @property
    def size(self) -> int:
        """How many events there are."""
        return int(self.journal.store.read("select size from head")[0][0])

    def begin_load(
        self, dataset: str, started: int, fresh: int = -1, trust: str = "normal", by_observed: bool = False
    ) -> int:
        """Begin a load of ``dataset``; what is put from now on was seen by it."""
        self.load += 1
        number = self.load

        def work(transaction: Transaction, seq: int) -> list[Event]:
            data = canonical({"by_observed": True} if by_observed else {}).decode()
            did = self._number(transaction, "dataset", dataset)
            row = (number, did, "full", "running", started, started, fresh, trust, "0" * 64, "", data, seq)
            transaction.insert_many("load", TABLES["load"], [row])
            return [Event("source.batch", "loader", {"dataset": dataset, "load": number})]

        self.journal.append_with(work)
        return number

    def end_load(self, number: int, state: str = "ok") -> None:
        """End load ``number``."""

        def work(transaction: Transaction, seq: int) -> list[Event]:
            transaction.execute("update load set state = ?, tx = ? where load = ?", (state, seq, number))
            return [Event("source.loaded", "loader", {"load": number, "state": state})]

        self.journal.append_with(work)

    def put(self, *puts: Put) -> int:
        """Write rows in one batch of the load begun last; return the event's place."""

        def work(transaction: Transaction, seq: int) -> list[Event]:
            for row in puts:
                self._put(transaction, seq, row)
            root = batch_root(transaction, seq)
            return [Event("source.batch", "loader", {"load": self.load, "rows": len(puts), "root": root})]

        return self.journal.append_with(work)[0].seq

    def hold_back(self, dataset: str, key: str, reason: str = "out of range", raw: str = "{}") -> int:
        """Put a row of ``key`` into quarantine; return its number."""
        qid = self._take("qid")

        def work(transaction: Transaction, seq: int) -> list[Event]:
            did = self._number(transaction, "dataset", dataset)
            row = (qid, did, self.load, key, "range", reason, "x:1", raw, "open", "", seq, OPEN)
            transaction.insert_many("quarantine", TABLES["quarantine"], [row])
            return [Event("source.batch", "loader", {"load": self.load})]

        self.journal.append_with(work)
        return qid

    def let_go(self, qid: int) -> None:
        """Take the row ``qid`` out of quarantine."""

        def work(transaction: Transaction, seq: int) -> list[Event]:
            transaction.execute("update quarantine set tx_to = ?, state = 'superseded' where qid = ?", (seq, qid))
            return [Event("quarantine.moved", "ana", {"qid": qid})]

        self.journal.append_with(work)

    def _put(self, transaction: Transaction, seq: int, row: Put) -> None:
        rid = self._record(transaction, seq, row.dataset, row.key)
        for table, column in (("fact", "rid"), ("link", "src"), ("version", "rid")):
            transaction.execute(
                f"update {table} set tx_to = ? where {column} {among(transaction)} and tx_to = ? and tx_from < ?",
                (seq, number_list(transaction, [rid]), OPEN, seq),
            )
        if row.facts is None:
            return
        facts, links = [], []
        common = (row.valid_from, row.valid_to, row.observed, seq, OPEN, self.load)
        for name, (value, scope) in row.facts.items():
            text = canonical(value).decode()
            vh = value_commitment(self.salts[rid], text)
            pid, sc = self._property(transaction, row.dataset, name), self._number(transaction, "scope", scope)
            facts.append((self._take("fid"), rid, pid, text, *common, sc, row.flags, vh))
        for name, (dataset, key, scope) in row.links.items():
            far = self._record(transaction, seq, dataset, key)
            pid, sc = self._property(transaction, row.dataset, name), self._number(transaction, "scope", scope)
            links.append((self._take("lid"), rid, pid, far, *common, sc, row.flags))
        transaction.insert_many("fact", TABLES["fact"], facts)
        transaction.insert_many("link", TABLES["link"], links)
        transaction.insert_many(
            "version", TABLES["version"], [(rid, seq, OPEN, self.load, b"%016d" % seq, row.observed)]
        )

    def _record(self, transaction: Transaction, seq: int, dataset: str, key: str) -> int:
        place = (dataset, key)
        if place not in self.rids:
            rid = self.rids[place] = self._take("rid")
            salt = self.salts[rid] = self._random.randbytes(16)
            did = self._number(transaction, "dataset", dataset)
            row = (rid, did, key, self.types[dataset], salt, key_commitment(salt, key))
            transaction.insert_many("record", TABLES["record"], [row])
            transaction.insert_many("member", TABLES["member"], [(rid, seq, OPEN, rid, "self", 10_000)])
        return self.rids[place]

    def _property(self, transaction: Transaction, dataset: str, name: str) -> int:
        return self._number(transaction, "property", (self.types[dataset], name))

    def _number(self, transaction: Transaction, table: str, name: Any) -> int:
        known = self._numbers[table]
        if name not in known:
            known[name] = len(known) + 1
            cells = name if isinstance(name, tuple) else (name,)
            transaction.insert_many(table, TABLES[table], [(known[name], *cells)])
        return known[name]

    def _take(self, kind: str) -> int:
        self._next[kind] += 1
        return self._next[kind] - 1


def dump(journal: Journal, tables: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Every row of the graph's tables as plain dictionaries: what a plain reference reads."""
    wanted = tables or (
        "scope",
        "dataset",
        "property",
        "load",
        "quarantine",
        "record",
        "version",
        "member",
        "fact",
        "link",
    )
    result = {}
    for table in wanted:
        names = TABLES[table].split(",")
        rows = journal.store.read(f"select {TABLES[table]} from {table} order by {names[0]}, {names[1]}")
        result[table] = [
            {name: bytes(cell) if isinstance(cell, memoryview) else cell for name, cell in zip(names, row, strict=True)}
            for row in rows
        ]
    return result
