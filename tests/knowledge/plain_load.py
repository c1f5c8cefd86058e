"""A plain reading of what loads do: a dict of rows, changed row by row. Slow on purpose, and with none of our code."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.knowledge.source_file import FactSpec, SourceFile
from remit.store.engine import Reader
from remit.testing.knowledge_stand_ins import a_fact, a_link, a_source, a_table

COLUMNS = ("id", "changed", "gone", "name", "amount", "boss_id")
OPEN = 2**53 - 1

Values = tuple[str | None, int | None, str | None]
"""name, amount, key of the boss."""


@dataclass(frozen=True)
class PlainRow:
    """A row as a source has it. ``amount`` may be no number, then the row is bad; so is one without ``key``."""

    key: str
    minute: int
    name: str
    amount: str
    boss: str
    gone: bool = False

    def cells(self) -> list[object]:
        """The row as it is handed out."""
        return [
            self.key,
            f"2026-11-01T00:{self.minute:02}:00Z",
            "yes" if self.gone else "no",
            self.name,
            self.amount,
            self.boss,
        ]

    @property
    def bad(self) -> bool:
        return not self.key or (not self.gone and self.amount == "x")

    @property
    def values(self) -> Values:
        return self.name or None, int(self.amount) if self.amount else None, self.boss or None


@dataclass
class PlainSource:
    """What must be known after each load."""

    known: dict[str, tuple[int, Values]] = field(default_factory=dict)
    ever: dict[str, int] = field(default_factory=dict)
    """The latest moment known of each key, also of those that are gone."""
    cursor: str | None = None

    def load(self, rows: list[PlainRow], mode: str, ops: str | None, whole: bool) -> None:
        seen = set()
        for at, row in enumerate(rows):
            seen.add(row.key)
            if row.bad and not (row.key and ops is not None and ops[at] == "d"):
                continue
            minute = row.minute
            before = self.known.get(row.key)
            if (ops is not None and ops[at] == "d") or row.gone:
                if before is not None and minute >= before[0]:
                    del self.known[row.key]
                continue
            if before is None and ops is not None and minute <= self.ever.get(row.key, minute - 1):
                continue
            if before is None or minute >= before[0]:
                self.known[row.key] = (minute, row.values)
                self.ever[row.key] = max(minute, self.ever.get(row.key, minute))
        keyless = any(row.bad and not row.key for row in rows)  # it may be any record's
        if whole and mode == "full" and ops is None and not keyless:
            self.known = {key: value for key, value in self.known.items() if key in seen}
        if whole and rows:
            self.cursor = max(str(row.cells()[1]) for row in rows)

    @property
    def values(self) -> dict[str, Values]:
        return {key: values for key, (_, values) in self.known.items()}


def a_plain_source(name: str) -> SourceFile:
    """Describe the table that `PlainRow` is a row of."""
    facts: list[FactSpec | str] = ["name", a_fact("amount", "integer")]
    links = (a_link("boss", f"{name}.person"),)
    return a_source(
        name, "hr", a_table(f"{name}.person", "Person", facts, changed="changed", deleted="gone", links=links)
    )


def known_values(reader: Reader, dataset: str, as_of: int, valid_at: int) -> dict[str, Values]:
    """What the tables say of each key, as of a ledger size."""
    seen = "{0}.tx_from < ? and ? <= {0}.tx_to"
    holds = seen + " and {0}.valid_from <= ? and ? < {0}.valid_to"
    result: dict[str, list[object]] = {}
    for (key,) in reader.fetch(
        "select r.skey from record r join dataset d on d.did = r.did join version v on v.rid = r.rid "
        f"where d.name = ? and {seen.format('v')}",
        (dataset, as_of, as_of),
    ):
        assert key not in result, "a record has one version at a time"
        result[key] = [None, None, None]
    place = {"name": 0, "amount": 1, "boss": 2}
    facts = reader.fetch(
        "select r.skey, p.name, f.value from fact f join record r on r.rid = f.rid join dataset d on d.did = r.did "
        f"join property p on p.pid = f.pid where d.name = ? and {holds.format('f')}",
        (dataset, as_of, as_of, valid_at, valid_at),
    )
    links = reader.fetch(
        "select r.skey, p.name, t.skey from link l join record r on r.rid = l.src join dataset d on d.did = r.did "
        "join record t on t.rid = l.dst "
        f"join property p on p.pid = l.pid where d.name = ? and {holds.format('l')}",
        (dataset, as_of, as_of, valid_at, valid_at),
    )
    for key, name, value in facts:
        assert result[key][place[name]] is None, "one value at a time"
        result[key][place[name]] = int(value) if name == "amount" else value.strip('"')
    for key, name, far in links:
        assert result[key][place[name]] is None, "one value at a time"
        result[key][place[name]] = far
    return {key: (cells[0], cells[1], cells[2]) for key, cells in result.items()}  # type: ignore[misc]
