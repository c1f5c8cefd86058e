"""The audit: every rule of a source's description over all its rows, before anything is loaded.

`audit_source` reads through the source's own reader and writes nothing anywhere but a file of its own that is gone
afterwards; memory stays bounded however many rows there are. `with_graph` adds what only loads can tell.
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from remit.connectors.source_reader import SourceReader, SourceRows
from remit.errors import BadInput, CannotTell, NotFound, Refused, Unreachable
from remit.knowledge.audit_rules import (
    AGE_LIMITS,
    EXAMPLES_MAX,
    ColumnCount,
    Example,
    RowRules,
    RuleResult,
    TableAudit,
    shown,
)
from remit.knowledge.audit_scratch import AuditScratch
from remit.knowledge.contract import compile_contract
from remit.knowledge.depends import Undecided, find_disagreements
from remit.knowledge.source_file import SourceFile, TableSpec

__all__ = ["audit_source", "audit_table", "cell_findings"]

_FREQUENT_MIN: Final = 20
_RARE_LISTED_MAX: Final = 20
_LIKE: Final = 0.8
NOTE_LENGTH_MAX: Final = 500
_CELL_RULES: Final = ("key", "required", "type", "pattern", "one_of", "range", "valid", "unique", "depends")

_WHY: Final = {
    "unique": "another row has the same",
    "repeated": "a row with this key came before",
    "reference": "there is no such row",
}

Progress = Callable[[str, int], None]
"""Called with the data set's name and the rows read so far, after each batch."""


def audit_source(
    source: SourceFile,
    reader: SourceReader,
    *,
    now: datetime,
    tables: Sequence[str] = (),
    progress: Progress | None = None,
    rows_max: int | None = None,
) -> tuple[TableAudit, ...]:
    """Audit tables of a source (all of them when none is named), straight from the source; drives the reader itself.

    Links between the tables that are audited are followed. A source that breaks off is audited as far as it was
    read, and the audit says so; ``rows_max`` breaks off by itself.

    Raises:
        NotFound: a table that the source's description has not.
        StoreUnavailable: there is no room for what must be kept aside.
    """
    unknown = [name for name in tables if name not in source.tables]
    if unknown:
        raise NotFound(f"source {source.name} has no table {unknown[0]!r:.60}; it has {', '.join(source.tables)}")
    chosen = [source.tables[name] for name in tables or source.tables]
    with AuditScratch() as scratch:
        read = asyncio.run(_read_all(source, chosen, reader, scratch, now, progress, rows_max))
        # Whether a row is missing is known only of a table that was seen to its end.
        whole = {rules.table.dataset: rules for rules, broke in read if not broke}
        odd = tuple(shown(note, NOTE_LENGTH_MAX) for note in reader.notes)
        return tuple(_judged(rules, whole, broke, odd if at == 0 else ()) for at, (rules, broke) in enumerate(read))


async def _read_all(
    source: SourceFile,
    tables: Sequence[TableSpec],
    reader: SourceReader,
    scratch: AuditScratch,
    now: datetime,
    progress: Progress | None,
    rows_max: int | None,
) -> list[tuple[RowRules, str]]:
    """What was read of each table, and why it is not all where it is not."""
    read = []
    try:
        for table in tables:
            rules = RowRules(compile_contract(table, source.zone), scratch, int(now.timestamp()))
            broke = ""
            try:
                await _feed(rules, reader.read(table.ask(zone=source.zone)), progress, rows_max)
            except (Refused, Unreachable, CannotTell, BadInput) as error:
                broke = f"not read to its end: {error}"
            if rows_max is not None and rules.rows >= rows_max and not broke:
                broke = f"not read to its end: stopped after {rules.rows} rows, as asked"
            read.append((rules, broke))
    finally:
        await reader.close()
    return read


async def _feed(
    rules: RowRules, batches: AsyncIterator[SourceRows], progress: Progress | None, rows_max: int | None
) -> None:
    async for batch in batches:
        rules.feed(batch)
        if progress is not None:
            progress(rules.table.dataset, rules.rows)
        if rows_max is not None and rules.rows >= rows_max:
            return


def audit_table(batches: Iterable[SourceRows], table: TableSpec, *, now: datetime, zone: str = "UTC") -> TableAudit:
    """Audit rows that somebody has already; links are not followed.

    Raises:
        BadInput: a column stands twice, or no such zone.
        StoreUnavailable: there is no room for what must be kept aside.
    """
    with AuditScratch() as scratch:
        rules = RowRules(compile_contract(table, zone), scratch, int(now.timestamp()))
        for batch in batches:
            rules.feed(batch)
        return _judged(rules, {}, "", ())


def cell_findings(batches: Iterable[SourceRows], table: TableSpec, *, zone: str = "UTC") -> set[tuple[int, str]]:
    """Return every cell that breaks a rule, as the row's number from 0 and the source's column.

    Hints and references are not among them, nor is a key that came twice: which of the two is wrong is not known.
    Raises what `audit_table` raises.
    """
    with AuditScratch() as scratch:
        rules = RowRules(compile_contract(table, zone), scratch, 0)
        for batch in batches:
            rules.feed(batch)
        _over_many_rows(rules)
        marks = ", ".join(f"'{rule}'" for rule in _CELL_RULES)
        found = scratch.fetch(f"select distinct row, col from flag where rule in ({marks})")  # noqa: S608 - our words
        return {(row, rules.columns[at].name) for row, at in found}


def _over_many_rows(rules: RowRules) -> tuple[Undecided, ...]:
    """Flag what only all rows together show: values and keys that come twice, disagreements."""
    scratch, t = rules.scratch, rules.number
    for column in rules.unique:
        place, at = rules.kept.index(column), rules.index[column]
        scratch.run(
            f"insert into flag select ?, row, ?, 'unique' from t{t} where v{place} in (select v{place} from t{t} "  # noqa: S608 - our numbers
            f"where v{place} is not null group by v{place} "
            "having count(distinct coalesce('=' || key, row)) > 1)",
            (t, at),
        )
    scratch.run(
        f"insert into flag select ?, row, ?, 'repeated' from (select row, row_number() over "  # noqa: S608 - our numbers
        f"(partition by key order by row) as place from t{t} where key is not null) where place > 1",
        (t, rules.index[rules.table.key[0]]),
    )
    columns = {place: rules.index[name] for place, name in enumerate(rules.kept)}
    return find_disagreements(scratch, t, rules.dependencies, columns) if rules.dependencies else ()


def _judged(rules: RowRules, others: Mapping[str, RowRules], broke: str, notes: tuple[str, ...]) -> TableAudit:
    undecided = _over_many_rows(rules)
    references = dict(_follow_links(rules, others))
    scratch, t = rules.scratch, rules.number
    table = rules.table
    sound = rules.rows - scratch.count("select count(distinct row) from flag where t = ?", (t,))
    return TableAudit(
        dataset=table.dataset,
        type=table.type,
        rows=rules.rows,
        deleted=rules.deleted,
        sound=sound,
        rules=(*_results(rules, references), *_table_results(rules, undecided)),
        columns=tuple(_column_counts(rules)),
        fresh_seconds=table.fresh_seconds,
        ages=_ages(rules),
        notes=(*((shown(broke, NOTE_LENGTH_MAX),) if broke else ()), *notes),
        whole=not broke,
    )


def _ages(rules: RowRules) -> tuple[tuple[int, int], ...] | None:
    if not rules.table.observed:
        return None
    counted = 0
    pairs = []
    for limit in AGE_LIMITS:
        counted += rules.ages[limit]
        pairs.append((limit, counted))
    return tuple(pairs)


def _follow_links(rules: RowRules, others: Mapping[str, RowRules]) -> Iterator[tuple[str, int]]:
    """Flag links to rows that are not there, where their table was audited whole; yield columns and rows looked at."""
    for link in rules.table.links:
        target = others.get(link.to)
        if target is None:
            continue
        scratch, t, place = rules.scratch, rules.number, rules.kept.index(link.column)
        scratch.run(f"create index if not exists key_{target.number} on t{target.number}(key)")
        scratch.run(
            f"insert into flag select ?, row, ?, 'reference' from t{t} c where v{place} is not null and not exists "  # noqa: S608 - our numbers
            f"(select 1 from t{target.number} o where o.key = c.v{place})",
            (t, rules.index[link.column]),
        )
        yield link.column, scratch.count(f"select count(*) from t{t} where v{place} is not null")  # noqa: S608


def _results(rules: RowRules, references: Mapping[str, int]) -> Iterator[RuleResult]:
    counted = rules.scratch.fetch(
        "select col, rule, count(distinct row) from flag where t = ? group by col, rule order by col, rule",
        (rules.number,),
    )
    failed = {(at, rule): count for at, rule, count in counted}
    table = rules.table
    facts = {fact.column: fact for fact in reversed(table.facts)}
    links = {link.column: link for link in table.links}
    decided = {place for dependency in rules.dependencies for place in (*dependency.decides, *dependency.decided)}
    read = rules.rows - rules.unread
    if rules.unread:
        yield _result(rules, 0, "row", rules.rows, failed)
    for at, column in enumerate(rules.columns):
        fact = facts.get(column.name)
        if column.name in table.key:
            yield _result(rules, at, "key", read, failed)
        if column.name == table.key[0]:
            yield _result(rules, at, "repeated", read, failed)
        if (fact and fact.required) or (column.name in links and links[column.name].required):
            yield _result(rules, at, "required", read, failed)
        left = read - column.missing - column.failed["required"]
        yield _result(rules, at, "type", left, failed)
        left -= column.failed["type"]
        for rule, asked in (
            ("pattern", fact and fact.pattern is not None),
            ("one_of", fact and fact.one_of is not None),
            ("range", fact and (fact.low is not None or fact.high is not None)),
        ):
            if asked:
                yield _result(rules, at, rule, left, failed)
                left -= column.failed[rule]
        if column.name == table.valid_to:
            yield _result(rules, at, "valid", left, failed)
        if column.name in rules.unique:
            yield _result(rules, at, "unique", left, failed)
        if column.name in rules.kept and rules.kept.index(column.name) in decided:
            yield _result(rules, at, "depends", left, failed)
        if column.name in references:
            yield _result(rules, at, "reference", references[column.name], failed)


def _result(rules: RowRules, at: int, rule: str, checked: int, failed: Mapping[tuple[int, str], int]) -> RuleResult:
    count = failed.get((at, rule), 0)
    examples = tuple(rules.examples.get((at, rule), ())) if count else ()
    if count and not examples:
        examples = tuple(_examples_of(rules, at, rule))
    name = rules.columns[at].name if rule != "row" else ""
    if rule == "repeated":
        name = ", ".join(rules.table.key)
    return RuleResult(rule, name, checked, count, examples=examples)


def _examples_of(rules: RowRules, at: int, rule: str) -> Iterator[Example]:
    column, scratch, t = rules.columns[at], rules.scratch, rules.number
    if rule == "depends":
        columns, source = "f.got, f.value, f.votes, f.total, f.dep", "said f"
    else:
        cell = f"c.v{rules.kept.index(column.name)}" if column.name in rules.kept else "c.key"
        columns, source = f"{cell}, null, null, null, null", "flag f"
    rows = scratch.fetch(
        f"select c.place, c.line, c.key, {columns} from {source} join t{t} c on c.row = f.row where f.t = ? "  # noqa: S608
        f"and f.col = ? {'' if rule == 'depends' else 'and f.rule = ?'} group by c.row order by c.row limit ?",
        (t, at, EXAMPLES_MAX) if rule == "depends" else (t, at, rule, EXAMPLES_MAX),
    )
    for where, line, key, got, value, votes, total, dependency in rows:
        got_shown = "" if column.personal or got is None else _unquoted(got)
        why = _WHY.get(rule, "")
        if dependency is not None:
            by = ", ".join(rules.kept[one] for one in rules.dependencies[dependency].decides)
            says = "something else" if column.personal else _unquoted(value or "")
            why = f"{votes} of {total} rows with the same {by} say {says}"
            if votes is None:
                whose = "another" if column.personal or value is None else says
                why = f"what it decides is, in this row, what belongs to {whose}"
        yield Example(shown(f"{rules.places[where]}:{line}"), rules.shown_key(key or ""), got_shown, why)


def _unquoted(value: str) -> str:
    return shown(value[1:-1] if value[:1] == '"' == value[-1:] and len(value) > 1 else value)


def _column_counts(rules: RowRules) -> Iterator[ColumnCount]:
    unusable = dict(
        rules.scratch.fetch(
            "select col, count(distinct row) from flag where t = ? and rule not in ('repeated', 'row') group by col",
            (rules.number,),
        )
    )
    read = rules.rows - rules.unread
    for at, column in enumerate(rules.columns):
        present = read - column.missing - column.failed["required"]
        if column.kind in {"key", "moment"}:
            present = read - column.failed["key"]
        wrong = unusable.get(at, 0) - column.failed["required"]
        usable = max(0, present - max(0, wrong))
        yield ColumnCount(column.name, column.fact, column.kind, rules.rows, present, usable)


def _table_results(rules: RowRules, undecided: Sequence[Undecided]) -> Iterator[RuleResult]:
    table = rules.table
    if rules.seen:
        for name in table.columns:
            if name not in rules.seen:
                yield RuleResult("column", name, 1, 1, examples=(Example("", "", "", "the source has no such column"),))
    for name in rules.unmapped:
        why = Example("", "", "", "the source has this column, and nothing is said about it")
        yield RuleResult("unmapped", name, 1, 1, "hint", (why,))
    low, high = table.volume
    if low is not None or high is not None:
        outside = (low is not None and rules.rows < low) or (high is not None and rules.rows > high)
        bounds = f"{rules.rows} rows, expected {low or 0} to {'any number' if high is None else high}"
        yield RuleResult("volume", "", 1, int(outside), examples=(Example("", "", "", bounds),) if outside else ())
    for one in undecided:
        by = ", ".join(rules.kept[place] for place in rules.dependencies[one.dependency].decides)
        some = "1 group disagrees" if one.groups == 1 else f"{one.groups} groups disagree"
        why = Example("", "", "", f"of those with the same {by}, {some}, and no value is clearly the most frequent")
        yield RuleResult("undecided", rules.kept[one.place], rules.rows, one.rows, "hint", (why,))
    yield from _rare(rules)


def _rare(rules: RowRules) -> Iterator[RuleResult]:
    """Values that come once and resemble one that comes often: perhaps mistyped, perhaps not.

    Values that differ in their digits only are other values.
    """
    for column in rules.columns:
        if column.values is None or not column.values:
            continue
        frequent = [_unquoted(value) for value, count in column.values.most_common(200) if count >= _FREQUENT_MIN]
        once = [_unquoted(value) for value, count in column.values.items() if count == 1][:200]
        found = []
        for value in once if frequent else ():
            close = difflib.get_close_matches(value, frequent, 1, _LIKE)
            if close and _without_digits(close[0]) != _without_digits(value):
                found.append(Example("", "", value, f"once, and resembles {close[0]}, which comes often"))
        if found:
            total = sum(column.values.values())
            yield RuleResult("rare", column.name, total, len(found), "hint", tuple(found[:_RARE_LISTED_MAX]))


def _without_digits(text: str) -> str:
    return re.sub(r"[0-9]+", "9", text)
