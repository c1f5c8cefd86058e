"""What an audit finds in one table, and the rules that look at one row at a time.

The rules: ``row`` (it cannot be read as a row), ``key``, ``repeated`` (its key came before), ``required``, ``type``,
``pattern``, ``one_of``, ``range``, ``valid``, ``unique``, ``depends``, ``reference`` (a link to a row that is not
there); of the table as a whole: ``column`` (a mapped column that is not there), ``volume``, ``fresh``, ``held`` (rows
that wait in quarantine). Hints are no faults: ``rare`` values that resemble frequent ones, ``undecided`` groups,
columns that are ``unmapped``, ``drift`` since the last load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from remit.connectors.source_reader import SourceRows
from remit.knowledge.audit_scratch import AuditScratch
from remit.knowledge.cell_kinds import cell_text, is_missing, moment_seconds
from remit.knowledge.checked import Checked
from remit.knowledge.contract import Contract
from remit.knowledge.depends import Dependency, deciding_columns
from remit.knowledge.source_file import TableSpec
from remit.knowledge.value_rule import is_personal

__all__ = [
    "AGE_LIMITS",
    "ColumnCount",
    "Example",
    "RowRules",
    "RuleResult",
    "TableAudit",
    "is_shown_key",
    "kept_columns",
    "shown",
]

EXAMPLES_MAX: Final = 5
SHOWN_MAX: Final = 60
_DISTINCT_MAX: Final = 2_000
_KEPT_LENGTH_MAX: Final = 1_000
_COUNTED_LENGTH_MAX: Final = 200
AGE_LIMITS: Final = (300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 604_800, 2_592_000, 7_776_000, 31_536_000)
"""The ages, in seconds, up to which rows are counted where each row says when it was observed."""

Weight = Literal["fault", "hint"]


@dataclass(frozen=True, slots=True)
class Example:
    """One place where a rule is broken. ``got`` is empty where the column holds personal data."""

    position: str
    key: str
    got: str
    why: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule on one column: how many cells (or rows) it looked at, how many break it, and the first few."""

    rule: str
    column: str
    checked: int
    failed: int
    weight: Weight = "fault"
    examples: tuple[Example, ...] = ()

    @property
    def failed_bp(self) -> int | None:
        """The share that breaks it in basis points, rounded up so that one is never none; None of nothing."""
        return -(-self.failed * 10_000 // self.checked) if self.checked else None


@dataclass(frozen=True, slots=True)
class ColumnCount:
    """One mapped column: in how many rows something stands, and in how many it breaks no rule."""

    column: str
    fact: str
    kind: str
    rows: int
    present: int
    usable: int


@dataclass(frozen=True, slots=True)
class TableAudit:
    """Everything found in one table. ``rows`` counts those that are there; ``sound`` those in which nothing is wrong.

    ``ages`` pairs each of `AGE_LIMITS` with the number of rows observed within it, where rows say when. From the
    graph, None before any load: ``age_seconds`` since the last whole load began, ``volumes`` rows of the last whole
    loads (oldest first), ``quarantined`` rows waiting by rule.
    """

    dataset: str
    type: str
    rows: int
    deleted: int
    sound: int
    rules: tuple[RuleResult, ...]
    columns: tuple[ColumnCount, ...]
    fresh_seconds: int | None = None
    ages: tuple[tuple[int, int], ...] | None = None
    age_seconds: int | None = None
    volumes: tuple[int, ...] | None = None
    quarantined: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    whole: bool = True
    """Whether every row was seen."""

    def faults(self) -> tuple[RuleResult, ...]:
        """The rules that are broken, the most often broken first."""
        broken = [rule for rule in self.rules if rule.failed and rule.weight == "fault"]
        return tuple(sorted(broken, key=lambda one: (-one.failed, one.rule, one.column)))

    def hints(self) -> tuple[RuleResult, ...]:
        """What may be worth a look."""
        return tuple(rule for rule in self.rules if rule.failed and rule.weight == "hint")


def kept_columns(table: TableSpec) -> tuple[list[str], list[Dependency], list[str], list[str]]:
    """Return the columns whose cells rules over many rows need, the dependencies among them, and, of these columns,
    which must be unique and which are links.
    """
    columns: dict[str, int] = {}

    def place(column: str) -> int:
        return columns.setdefault(column, len(columns))

    dependencies = [
        Dependency(tuple(place(one) for one in deciding_columns(table, decides)), tuple(place(one) for one in decided))
        for decides, decided in table.depends.items()
    ]
    unique = list(dict.fromkeys(fact.column for fact in table.facts if fact.unique))
    links = list(dict.fromkeys(link.column for link in table.links))
    for column in (*unique, *links):
        place(column)
    return list(columns), dependencies, unique, links


@dataclass(slots=True)
class _Column:
    """What is counted of one mapped column."""

    name: str
    fact: str
    kind: str
    personal: bool
    missing: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    values: Counter[str] | None = None


class RowRules:
    """Looks at rows one by one: counts, flags what is wrong, and keeps what the rules over many rows need."""

    def __init__(self, contract: Contract, scratch: AuditScratch, now_seconds: int):
        self.contract, self.scratch, self._now = contract, scratch, now_seconds
        table = self.table = contract.table
        self.rows = self.deleted = self.unread = 0
        self.kept, self.dependencies, self.unique, self.links = kept_columns(table)
        self.number = scratch.add_table(len(self.kept))
        self.columns = list(_columns(table))
        self.index = {column.name: index for index, column in enumerate(self.columns)}
        self.places: list[str] = []
        self.unmapped: dict[str, None] = {}
        self.seen: set[str] = set()
        self.ages = Counter[int]()
        self.examples: dict[tuple[int, str], list[Example]] = {}
        first = {fact.column: place for place, fact in reversed(list(enumerate(table.facts)))}
        self._fact_at = [(place, self.columns[self.index[column]]) for column, place in first.items()]
        self._link_at = [
            (place, self.columns[self.index[link.column]])
            for place, link in enumerate(table.links)
            if link.column not in first
        ]
        self._observed = bool(table.observed)
        self._shows_keys = is_shown_key(table)

    def feed(self, batch: SourceRows) -> None:
        """Look at some rows.

        Raises:
            BadInput: a mapped column stands twice among their columns.
            StoreUnavailable: there is no room for what must be kept.
        """
        positions = self.contract.positions(batch.columns)
        self.seen.update(batch.columns)
        mapped = set(self.table.columns)
        for name in (*batch.columns, *batch.unread):
            if name not in mapped and len(self.unmapped) < 1_000:
                self.unmapped[shown(name)] = None
        raw_at = dict(zip(self.table.columns, positions, strict=True))
        if batch.where not in self.places[-1:]:
            self.places.append(batch.where)
        kept: list[tuple[object, ...]] = []
        flags: list[tuple[int, int, int, str]] = []
        for index, row in enumerate(batch.rows):
            if batch.ops is not None and batch.ops[index] == "d":
                self.deleted += 1
                continue
            number = self.rows
            self.rows += 1
            line = batch.first + index if batch.lines is None else batch.lines[index]
            if index in batch.problems:
                self.unread += 1
                self._note(number, 0, "row", batch.position(index), "", "", batch.problems[index], flags)
                continue
            found = self._look(row, raw_at, number, batch, index, flags)
            if found is None:
                self.rows -= 1
                self.deleted += 1
                continue
            key, cells = found
            kept.append((number, len(self.places) - 1, line, key or None, *cells))
        self.scratch.add_rows(self.number, kept)
        self.scratch.add_flags(flags)

    def _look(
        self,
        row: Sequence[object],
        raw_at: Mapping[str, int],
        number: int,
        batch: SourceRows,
        index: int,
        flags: list[tuple[int, int, int, str]],
    ) -> tuple[str, Sequence[str | None]] | None:
        checked = self.contract.check(row)
        wrong: list[tuple[str, str, str]] = []
        if isinstance(checked, Checked):
            if checked.deleted:
                return None
            values, links = checked.values, checked.links
        else:
            values, links, wrong = self.contract.read_cells(row)
            if checked.rule in {"key", "valid"} or checked.column not in {column for column, _, _ in wrong}:
                wrong.append((checked.column, checked.rule, checked.reason))
        bad = {column for column, _, _ in wrong}
        for column, rule, reason in wrong:
            cell = _cell(row, raw_at[column])
            self._note(number, self.index[column], rule, batch.position(index), checked.key, cell, reason, flags)
        self._count(values, links, bad)
        if self._observed:
            self._age(_cell(row, raw_at[str(self.table.observed)]))
        return checked.key, self._kept_cells(row, raw_at, values, links, bad)

    def _count(self, values: Sequence[str | None], links: Sequence[str | None], bad: set[str]) -> None:
        for place, column in self._fact_at:
            value = values[place]
            if value is None:
                column.missing += column.name not in bad
            elif column.values is not None and len(value) <= _COUNTED_LENGTH_MAX:
                column.values[value] += 1
                if len(column.values) > _DISTINCT_MAX:
                    column.values = None
        for place, column in self._link_at:
            column.missing += links[place] is None and column.name not in bad

    def _age(self, cell: object) -> None:
        seconds = None if is_missing(cell) else moment_seconds(cell, self.contract.local)
        if seconds is not None:
            age = self._now - seconds
            self.ages[next((limit for limit in AGE_LIMITS if age <= limit), AGE_LIMITS[-1] + 1)] += 1

    def _kept_cells(
        self,
        row: Sequence[object],
        raw_at: Mapping[str, int],
        values: Sequence[str | None],
        links: Sequence[str | None],
        bad: set[str],
    ) -> Sequence[str | None]:
        known: dict[str, str | None] = {}
        for link, key in zip(self.table.links, links, strict=True):
            known[link.column] = key
        for fact, value in zip(self.table.facts, values, strict=True):
            known.setdefault(fact.column, value)
        cells: list[str | None] = []
        for column in self.kept:
            if column in bad:
                cells.append(None)
                continue
            if column in known:
                text = known[column]
            else:
                cell = _cell(row, raw_at.get(column, -1))
                text = None if is_missing(cell) else cell_text(cell)
            cells.append(text if text is None or len(text) <= _KEPT_LENGTH_MAX else _shortened(text))
        return cells

    def _note(
        self,
        number: int,
        at: int,
        rule: str,
        position: str,
        key: str,
        cell: object,
        why: str,
        flags: list[tuple[int, int, int, str]],
    ) -> None:
        flags.append((self.number, number, at, rule))
        column = self.columns[at]
        column.failed[rule] += rule != "row"
        examples = self.examples.setdefault((at, rule), [])
        if len(examples) < EXAMPLES_MAX:
            got = "" if column.personal else shown(cell_text(cell) or "")
            examples.append(Example(shown(position), self.shown_key(key), got, shown(why, 300)))

    def shown_key(self, key: str) -> str:
        """Return a row's key as it may be shown: empty where a key column holds personal data."""
        return key if self._shows_keys else ""


def shown(text: str, length_max: int = SHOWN_MAX) -> str:
    """Return the beginning of a text from a source, with signs for what cannot be printed."""
    text = text[:length_max]
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)


def is_shown_key(table: TableSpec) -> bool:
    """Say whether the keys of a table's rows may be shown: not where a key column holds personal data."""
    return not any(is_personal(fact) for fact in table.facts if fact.column in table.key)


def _cell(row: Sequence[object], place: int) -> object:
    return row[place] if 0 <= place < len(row) else None


def _shortened(text: str) -> str:
    from hashlib import blake2b

    return f"{text[:_KEPT_LENGTH_MAX]} {blake2b(text.encode(), digest_size=16).hexdigest()}"


def _columns(table: TableSpec) -> list[_Column]:
    facts = {fact.column: fact for fact in reversed(table.facts)}
    links = {link.column: link for link in table.links}
    marks = {name for name in (table.changed, table.deleted, table.observed, table.valid_from, table.valid_to) if name}
    columns = []
    for name in table.columns:
        fact, link = facts.get(name), links.get(name)
        personal = any(is_personal(one) for one in table.facts if one.column == name) or (
            link is not None and link.see == "pii"
        )
        kind = fact.kind if fact else "link" if link else "moment" if name in marks else "key"
        column = _Column(name, fact.name if fact else link.name if link else "", kind, personal)
        plain = fact is not None and fact.kind == "text" and not personal and fact.name not in table.documents
        if plain and name not in table.key:
            column.values = Counter()
        columns.append(column)
    return columns
