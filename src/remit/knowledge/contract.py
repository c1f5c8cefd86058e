"""The contract of a row: what its table's description asks of it, and what is kept of it when it holds.

The rules, in the order in which a row meets them: ``key`` (it can be identified), then for each column ``required``,
``type``, ``pattern``, ``one_of``, ``range``; last ``valid`` (the end is after the beginning). Reasons never repeat a
cell, which may be personal: they show its shape, or nothing where the column holds personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Final

from remit.canonical import canonical_sound
from remit.connectors.answer import as_moment
from remit.connectors.answer import zone as zone_of
from remit.connectors.source_reader import FILE_COLUMN
from remit.errors import BadInput
from remit.knowledge.cell_columns import ReadColumn, column_reader, no_short_way, plain_keys
from remit.knowledge.cell_kinds import (
    KEY_LENGTH_MAX,
    cell_text,
    converter,
    expected_form,
    is_missing,
    key_text,
    moment_seconds,
    plain_form,
    shape_of,
    truth_of,
)
from remit.knowledge.checked import Broken, Checked, CheckedColumns, Marks
from remit.knowledge.source_file import FactSpec, LinkSpec, TableSpec
from remit.knowledge.value_rule import WrongCell, is_personal, value_rule

__all__ = ["Contract", "compile_contract", "is_personal"]

_REMEMBERED_MAX: Final = 4_096
_REMEMBERED_LENGTH_MAX: Final = 200
_TOGETHER_MIN: Final = 32
"""Fewer rows than this are checked one by one."""

ReadCell = Callable[[object], str | None]
"""Takes a cell and returns what is kept of it as canonical JSON text, None when it is missing; raises `WrongCell`."""


def compile_contract(table: TableSpec, zone: str) -> Contract:
    """Return the contract of a table's rows. ``zone`` is the time zone of moments that name none.

    Raises:
        BadInput: no such zone on this machine, or a kind or pattern that does not exist.
    """
    return Contract(table, zone_of(zone))


class Contract:
    """Checks rows, once it is bound to the columns they come in. One instance serves one thread."""

    def __init__(self, table: TableSpec, local: tzinfo):
        self.table = table
        self.local = local
        mark = table.options.get("decimal", "")
        self._fact_cells = [_fact_cell(fact, local, mark if mark in {".", ","} else "") for fact in table.facts]
        self._fact_columns = [_fact_column(fact) for fact in table.facts]
        self._link_cells = [_link_cell(link) for link in table.links]
        self._columns: tuple[str, ...] | None = None
        self._facts: list[tuple[ReadCell, int]] = []
        self._at_once: list[ReadColumn] = []
        self._keys_at_once: list[ReadColumn] = []
        self._links: list[tuple[ReadCell, int]] = []
        self._marks: list[tuple[str, int]] = []
        self._key: tuple[int, ...] = ()
        self._width = 0

    def positions(self, columns: Sequence[str]) -> tuple[int, ...]:
        """Bind to the columns that rows come in; return where `TableSpec.columns` stand among them, -1 for absent.

        An absent column is a missing cell in every row.

        Raises:
            BadInput: a mapped column stands twice.
        """
        places = {name: place for place, name in reversed(list(enumerate(columns)))}
        wanted = self.table.columns
        for name in wanted:
            if list(columns).count(name) > 1:
                raise BadInput(f"{self.table.dataset}: column {name!r:.80} stands twice; name each column once")
        result = tuple(places.get(name, -1) for name in wanted)
        if self._columns == tuple(columns):
            return result
        self._columns, self._width = tuple(columns), len(columns)
        table = self.table
        facts, links = zip(self._fact_cells, table.facts, strict=True), zip(self._link_cells, table.links, strict=True)
        self._facts = [_at(read, places.get(fact.column)) for read, fact in facts]
        self._at_once = [
            short if fact.column in places else no_short_way
            for short, fact in zip(self._fact_columns, table.facts, strict=True)
        ]
        self._keys_at_once = [plain_keys if link.column in places else no_short_way for link in table.links]
        self._links = [_at(read, places.get(link.column)) for read, link in links]
        self._key = tuple(places.get(name, -1) for name in table.key)
        named = {"changed": table.changed, "deleted": table.deleted, "observed": table.observed}
        named |= {"valid_from": table.valid_from, "valid_to": table.valid_to}
        self._marks = [(mark, places.get(name, -1)) for mark, name in named.items() if name is not None]
        return result

    def check(self, row: Sequence[object]) -> Checked | Broken:
        """Check one row in the columns that `positions` was given; a row cut short misses its last cells."""
        try:
            return self._check(row)
        except IndexError:
            return self._check(self._whole_row(row))

    def check_all(self, rows: Sequence[Sequence[object]]) -> list[Checked | Broken]:
        """Check several rows, each as `check` does; where all of them hold, column by column, which is much cheaper."""
        if len(rows) < _TOGETHER_MIN:
            return [self.check(row) for row in rows]
        found = self.check_columns(rows)
        if found is not None:
            return [*found.rows()]
        half = len(rows) // 2  # the rows that do not hold are most likely few
        return self.check_all(rows[:half]) + self.check_all(rows[half:])

    def check_columns(self, rows: Sequence[Sequence[object]]) -> CheckedColumns | None:
        """Check rows column by column; None unless all of them hold and none is deleted."""
        if set(map(len, rows)) != {self._width}:
            return None
        columns = list(zip(*rows, strict=True))
        keys = plain_keys(columns[self._key[0]]) if len(self._key) == 1 and self._key[0] >= 0 else None
        if keys is None:
            named = [self.key_of(row) for row in rows]
            keys = [key for key in named if isinstance(key, str)]
        if len(keys) < len(rows):
            return None
        try:
            values = [
                short(columns[place]) or [read(cell) for cell in columns[place]]
                for (read, place), short in zip(self._facts, self._at_once, strict=True)
            ]
            links = [
                short(columns[place]) or [read(cell) for cell in columns[place]]
                for (read, place), short in zip(self._links, self._keys_at_once, strict=True)
            ]
        except WrongCell:
            return None
        if not self._marks:
            return CheckedColumns(keys, values, links, None)
        marks: list[Marks] = []
        for key, row in zip(keys, rows, strict=True):
            found = self._read_marks(key, row)
            if isinstance(found, Broken) or found[0]:
                return None
            marks.append(found[1:])
        return CheckedColumns(keys, values, links, marks)

    def _whole_row(self, row: Sequence[object]) -> Sequence[object]:
        return [*row, *[None] * (self._width - len(row))] or [None]

    def read_cells(
        self, row: Sequence[object]
    ) -> tuple[list[str | None], list[str | None], list[tuple[str, str, str]]]:
        """Read every cell of a row whatever is wrong with others, where `check` stops at the first.

        Returns values, links, and column, rule and reason of each cell that breaks a rule; such a cell reads as None.
        """
        row = self._whole_row(row) if len(row) < self._width or not row else row
        wrong: list[tuple[str, str, str]] = []

        def read_all(cells: list[tuple[ReadCell, int]], columns: Iterable[str]) -> list[str | None]:
            kept: list[str | None] = []
            for (read, place), column in zip(cells, columns, strict=True):
                try:
                    kept.append(read(row[place]))
                except WrongCell as found:
                    wrong.append((column, found.rule, found.reason))
                    kept.append(None)
            return kept

        values = read_all(self._facts, (fact.column for fact in self.table.facts))
        links = read_all(self._links, (link.column for link in self.table.links))
        return values, links, wrong

    def _check(self, row: Sequence[object]) -> Checked | Broken:
        key = self.key_of(row)
        if type(key) is not str:
            return key  # type: ignore[return-value]
        observed = valid_from = valid_to = changed = None
        if self._marks:
            marks = self._read_marks(key, row)
            if isinstance(marks, Broken):
                return marks
            deleted, observed, valid_from, valid_to, changed = marks
            if deleted:
                none: list[str | None] = [None]
                facts, links = none * len(self._facts), none * len(self._links)
                return Checked(key, True, facts, links, observed, valid_from, valid_to, changed)
        try:
            values = [read(row[place]) for read, place in self._facts]
            links = [read(row[place]) for read, place in self._links]
        except WrongCell:
            column, rule, reason = self.read_cells(row)[2][0]
            return Broken(key, rule, column, reason)
        return Checked(key, False, values, links, observed, valid_from, valid_to, changed)

    def key_of(self, row: Sequence[object]) -> str | Broken:
        """Return the row's key, or what keeps it from having one."""
        if len(self._key) == 1:
            place = self._key[0]
            cell = row[place] if place >= 0 else None
            text = key_text(cell)
            return self._no_key(0, cell) if text is None else text
        parts = []
        for index, place in enumerate(self._key):
            cell = row[place] if place >= 0 else None
            text = key_text(cell)
            if text is None or "|" in text:
                return self._no_key(index, cell)
            parts.append(text)
        key = "|".join(parts)
        return key if len(key) <= KEY_LENGTH_MAX else self._no_key(0, key)

    def _no_key(self, index: int, cell: object) -> Broken:
        column = self.table.key[index]
        if is_missing(cell):
            return Broken("", "key", column, "the key is missing")
        several = ", and without | as there are several key columns" if len(self.table.key) > 1 else ""
        return Broken("", "key", column, f"not a key: expected 1 to {KEY_LENGTH_MAX} printable characters{several}")

    def _read_marks(
        self, key: str, row: Sequence[object]
    ) -> tuple[bool, int | None, int | None, int | None, str | None] | Broken:
        seconds: dict[str, int | None] = {}
        deleted, changed = False, None
        for mark, place in self._marks:
            cell = row[place] if place >= 0 else None
            if mark == "deleted":
                gone = _is_deleted(cell, self.local)
                if gone is None:
                    reason = "not a mark of deletion: expected yes or no, or a moment"
                    return Broken(key, "type", str(self.table.deleted), reason)
                deleted = gone
                continue
            moment = seconds[mark] = None if cell is None else moment_seconds(cell, self.local)
            if mark == "changed" and cell is not None and not is_missing(cell):
                changed = cell if type(cell) is str else cell_text(cell)
                if moment is None and (_is_count(cell) or self.table.changed == FILE_COLUMN):
                    continue
            if moment is None and not is_missing(cell):
                reason = f"not a moment: got {shape_of(cell)}, expected like 2026-11-21T09:00:00Z"
                return Broken(key, "type", str(getattr(self.table, mark)), reason)
        start, end = seconds.get("valid_from"), seconds.get("valid_to")
        if start is not None and end is not None and end <= start:
            reason = "the end of its valid time is not after the beginning"
            return Broken(key, "valid", str(self.table.valid_to), reason)
        observed = seconds["observed"] if "observed" in seconds else seconds.get("changed")
        return deleted, observed, start, end, changed


def _at(read: ReadCell, place: int | None) -> tuple[ReadCell, int]:
    """The cell of a column that may be absent, where every cell is missing."""
    return (read, place) if place is not None else (lambda _: read(None), 0)


def _is_count(cell: object) -> bool:
    """Whether a cursor is a version number, which is no moment and yet says what changed."""
    if isinstance(cell, str):
        return len(cell) < 40 and cell.isascii() and cell.strip().isdecimal()
    return isinstance(cell, int) and not isinstance(cell, bool)


def _is_deleted(cell: object, local: tzinfo) -> bool | None:
    """Whether a tombstone column says that the row is gone; a moment says since when. None when it says neither."""
    if is_missing(cell):
        return False
    truth = truth_of(cell)
    if truth is None and as_moment(cell, local) is not None:
        return True
    return truth


def _link_cell(link: LinkSpec) -> ReadCell:
    def read(cell: object) -> str | None:
        if is_missing(cell):
            if link.required:
                raise WrongCell("required", "missing, and every row has one")
            return None
        text = key_text(cell)
        if text is None:
            raise WrongCell("type", f"not a key: expected 1 to {KEY_LENGTH_MAX} printable characters")
        return text

    return read


def _fact_cell(fact: FactSpec, local: tzinfo, mark: str) -> ReadCell:
    """What reads a fact's cells: text in plain form the short way, the rest the long way.

    Where reading or a rule takes long, texts that come often are read once.
    """
    digits = 0 if fact.minor or fact.kind != "money" else fact.minor_digits
    plain = plain_form(fact.kind, minor_digits=digits, mark=mark, form=fact.form)
    slow = _slow_cell(fact, local, mark, digits)
    rule = value_rule(fact)
    remembers = rule is not None or fact.kind in {"boolean", "date", "moment"}
    whole = fact.kind in {"integer", "money"}
    optional = not fact.required
    remembered: dict[str, str] = {}

    def read(cell: object) -> str | None:
        if type(cell) is not str:
            return None if cell is None and optional else slow(cell)
        kept = plain(cell)
        return slow(cell) if kept is None else kept

    def read_and_remember(cell: object) -> str | None:
        if type(cell) is not str:
            return None if cell is None and optional else slow(cell)
        kept = remembered.get(cell)
        if kept is None:
            kept = plain(cell)
            if kept is None:
                kept = slow(cell)
            elif rule is not None:
                rule(int(kept) if whole else cell)
            if kept is not None and len(remembered) < _REMEMBERED_MAX and len(cell) <= _REMEMBERED_LENGTH_MAX:
                remembered[cell] = kept
        return kept

    return read_and_remember if remembers else read


def _fact_column(fact: FactSpec) -> ReadColumn:
    """What reads a fact's column at once; nothing does where a rule looks at each value."""
    ruled = value_rule(fact) is not None
    digits = 0 if fact.minor or fact.kind != "money" else fact.minor_digits
    return column_reader("" if ruled else fact.kind, minor_digits=digits, required=fact.required)


def _slow_cell(fact: FactSpec, local: tzinfo, mark: str, digits: int) -> ReadCell:
    convert = converter(fact.kind, local, minor_digits=digits, mark=mark, form=fact.form)
    form = expected_form(fact.kind, minor_digits=digits, form=fact.form)
    rule = value_rule(fact)

    def slow(cell: object) -> str | None:
        if is_missing(cell):
            if fact.required:
                raise WrongCell("required", "missing, and every row has one")
            return None
        value = convert(cell)
        if value is None:
            got = "" if is_personal(fact) else f"got {shape_of(cell)}, "
            raise WrongCell("type", f"not of its kind: {got}expected {form}")
        if rule is not None:
            rule(value)
        return str(value) if type(value) is int else canonical_sound(value).decode()

    return slow
