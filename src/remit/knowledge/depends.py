"""One column decides another: the rows that say otherwise than most rows with the same deciding value.

Within each group of rows that agree on the deciding cells the decided ones should agree too. Where they do not, the
most frequent value is taken as right, and the cells that differ are doubted: among those of a group that disagrees so
much, at most one value is right. Where two are as frequent, or even the most frequent is rare, nobody is doubted. Cells
known to be wrong neither group nor vote, and missing cells say nothing.

Which end is wrong? Whichever takes fewer mistakes to explain. When several cells that one decides look wrong in a row,
and next to all of them are what other rows say under another deciding value, the deciding cell was mistaken; so it was
when what it contradicts is upheld by another deciding column. Then everything is judged a second time with what most
likely belongs into those cells, or without them, so that a wrong cell neither makes right ones look wrong nor hides
another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remit.knowledge.audit_scratch import AuditScratch
from remit.knowledge.source_file import TableSpec

__all__ = ["Dependency", "Undecided", "deciding_columns", "find_disagreements"]

GROUP_PART: Final = 4
"""A value that stands in less than one in so many rows of its group says nothing about the others."""
OTHERS_MIN: Final = 2
"""Other rows that must agree with a cell before it counts as upheld by them."""


def deciding_columns(table: TableSpec, decides: str) -> list[str]:
    """Return the columns that a key of `TableSpec.depends` names: one, or several joined by a comma and a blank."""
    return [decides] if decides in table.columns else decides.split(", ")


@dataclass(frozen=True, slots=True)
class Dependency:
    """Cells that decide others, as places among the cells kept of a row."""

    decides: tuple[int, ...]
    decided: tuple[int, ...]

    @property
    def value(self) -> str:
        """The deciding cells as one SQL expression; null when one of them is missing."""
        return " || char(31) || ".join(f"v{place}" for place in self.decides)


@dataclass(frozen=True, slots=True)
class Undecided:
    """Groups that disagree without one value that comes most often: how many groups, how many rows in them."""

    dependency: int
    place: int
    groups: int
    rows: int


def find_disagreements(
    scratch: AuditScratch, number: int, dependencies: Sequence[Dependency], columns: Mapping[int, int]
) -> tuple[Undecided, ...]:
    """Flag, under rule ``depends``, the cells of table ``number`` that others contradict.

    ``columns`` gives for each place the column under which it is flagged. What the others say is left in the table
    ``said`` (t, row, col, dep, got, value, votes, total) for the report; value is null for a deciding cell.
    """
    for table in (
        "most(dep integer, col integer, d text, value text, votes integer, total integer, primary key (dep, col, d))"
        " without rowid",
        "doubt(row integer, col integer, dep integer, got text, value text, votes integer, total integer)",
        "said(t integer, row integer, col integer, dep integer, got text, value text, votes integer, total integer)",
    ):
        scratch.run(f"create table if not exists {table}")
    scratch.run("create index if not exists doubt_row on doubt(row, dep)")
    undecided = _judge(scratch, number, dependencies)
    deciding = {place for dependency in dependencies for place in dependency.decides}
    doubted = scratch.fetch(
        "select row, col, case when count(value) = count(*) and min(value) = max(value) then min(value) end "
        "from doubt group by row, col order by row, col"
    )
    mistaken = [(row, place, instead) for row, place, instead in doubted if place in deciding]
    if mistaken:
        _flag(scratch, number, {place: columns[place] for place in deciding})
        for place in deciding:
            scratch.correct(number, place, ((instead, row) for row, at, instead in mistaken if at == place))
        undecided = _judge(scratch, number, dependencies)
    _flag(scratch, number, columns)
    return undecided


def _flag(scratch: AuditScratch, number: int, columns: Mapping[int, int]) -> None:
    for place, column in columns.items():
        scratch.run(
            "insert into flag select distinct ?, row, ?, 'depends' from doubt where col = ?", (number, column, place)
        )
        scratch.run(
            "insert into said select ?, row, ?, dep, got, value, votes, total from doubt where col = ?",
            (number, column, place),
        )


def _judge(scratch: AuditScratch, number: int, dependencies: Sequence[Dependency]) -> tuple[Undecided, ...]:
    found = []
    scratch.run("delete from doubt")
    scratch.run("delete from most")
    for index, dependency in enumerate(dependencies):
        for place in dependency.decided:
            tally = _Tally(index, place)
            statement = (
                f"select {dependency.value} as d, v{place} as v, count(*) from t{number} "  # noqa: S608 - our numbers
                "where d is not null and v is not null group by d, v order by d"
            )
            scratch.insert("most", tally.read(scratch.fetch(statement)), 6)
            scratch.run(
                f"insert into doubt select c.row, ?, ?, c.v{place}, m.value, m.votes, m.total from t{number} c "  # noqa: S608 - our numbers
                f"join most m on m.dep = ? and m.col = ? and m.d = {dependency.value} where c.v{place} <> m.value",
                (place, index, index, place),
            )
            if tally.groups:
                found.append(Undecided(index, place, tally.groups, tally.rows))
        if len(dependency.decides) == 1 and len(dependency.decided) > 1:
            _blame_the_deciding(scratch, number, index, dependency)
    for index, dependency in enumerate(dependencies):
        for other in dependencies:
            if len(dependency.decides) == 1 and dependency.decides[0] not in other.decides:
                _uphold(scratch, number, index, dependency, other)
    return tuple(found)


def _uphold(scratch: AuditScratch, number: int, index: int, dependency: Dependency, other: Dependency) -> None:
    """Doubt the deciding cell where what it contradicts is just what another column, itself in no doubt, decides."""
    own, columns = dependency.decides[0], ", ".join(map(str, other.decides))
    for place in dependency.decided:
        if place not in other.decided:
            continue
        suspects = f"from t{number} where row in (select row from doubt where dep = {index} and col = {place})"  # noqa: S608
        scratch.run("create table held(d text, v text, votes integer, primary key (d, v)) without rowid")
        scratch.run(
            f"insert into held select {other.value} as d, v{place} as v, count(*) from t{number} "  # noqa: S608
            f"where d in (select {other.value} {suspects}) and v is not null group by 1, 2"
        )
        upheld = scratch.fetch(
            f"select row, own from (select row, {other.value} as d, v{place} as v, v{own} as own {suspects}) s "  # noqa: S608
            f"join held h on h.d = s.d and h.v = s.v where h.votes > {OTHERS_MIN} and not exists "
            "(select 1 from held where d = s.d and v <> s.v and votes >= h.votes) "
            f"and not exists (select 1 from doubt where row = s.row and col in ({columns}))"
        )
        for row, value in list(upheld):
            scratch.run("delete from doubt where row = ? and dep = ?", (row, index))
            scratch.insert("doubt", [(row, own, index, value, None, None, None)], 7)
        scratch.run("drop table held")


class _Tally:
    """Goes over the values of each group; yields what most say where not all say the same, and counts ties."""

    def __init__(self, index: int, place: int):
        self._head = (index, place)
        self.groups = self.rows = 0

    def read(self, counts: Iterator[tuple[str, str, int]]) -> Iterator[tuple[object, ...]]:
        group: str | None = None
        values: list[tuple[int, str]] = []
        for decided_by, value, count in counts:
            if decided_by != group:
                yield from self._end(group, values)
                group, values = decided_by, []
            values.append((count, value))
        yield from self._end(group, values)

    def _end(self, group: str | None, values: list[tuple[int, str]]) -> Iterator[tuple[object, ...]]:
        if len(values) < 2:
            return
        total = sum(count for count, _ in values)
        (first, value), (second, _) = sorted(values, key=lambda one: -one[0])[:2]
        if first > second and first * GROUP_PART >= total:
            yield (*self._head, group, value, first, total)
        else:
            self.groups += 1
            self.rows += total


def _blame_the_deciding(scratch: AuditScratch, number: int, index: int, dependency: Dependency) -> None:
    """Turn doubts about what a cell decides into one about the cell, where that takes fewer mistakes to explain."""
    doubts = scratch.fetch(
        "select row, group_concat(col) from doubt where dep = ? group by row having count(*) > 1", (index,)
    )
    suspects = [(row, {int(place) for place in places.split(",")}) for row, places in doubts]
    if not suspects:
        return
    telling = _gather(scratch, number, dependency)
    cells = ", ".join(f"v{place}" for place in dependency.decided)
    for row, wrong in suspects:
        statement = f"select {dependency.value}, {cells} from t{number} where row = ?"  # noqa: S608 - our numbers
        own, *values = scratch.first(statement, (row,)) or (None,)
        present = {place: value for place, value in zip(dependency.decided, values, strict=True) if value is not None}
        # Who agrees often enough agrees in one of any so many columns, so the most telling ones lead to them all.
        leading = [place for place in telling if place in present][: len(wrong) - 1]
        elsewhere = scratch.fetch(
            f"select d, count(*) from say where d in (select d from say where {_either(leading)}) and d <> ? "  # noqa: S608
            f"and ({_either(present)}) group by d order by 2 desc limit 2",
            (*(present[place] for place in leading), own, *present.values()),
        )
        (instead, most), (_, next_most) = [*elsewhere, (None, 0), (None, 0)][:2]
        if 1 + len(present) - most < len(wrong):
            instead = instead if most > next_most else None
            scratch.run("delete from doubt where row = ? and dep = ?", (row, index))
            scratch.insert("doubt", [(row, dependency.decides[0], index, own, instead, None, None)], 7)
    scratch.run("drop table say")


def _gather(scratch: AuditScratch, number: int, dependency: Dependency) -> list[int]:
    """Gather into ``say`` (d, col, value) what each deciding value goes with most often, where at least twice.

    Returns the decided columns, those with the most different values first.
    """
    scratch.run("create table say(d text, col integer, value text, primary key (d, col)) without rowid")
    for place in dependency.decided:
        scratch.run(
            f"insert into say select d, ?, v from (select {dependency.value} as d, v{place} as v, row_number() over "  # noqa: S608
            f"(partition by {dependency.value} order by count(*) desc, v{place}) as place from t{number} "
            "where d is not null and v is not null group by d, v having count(*) > 1) where place = 1",
            (place,),
        )
    scratch.run("create index say_value on say(col, value)")
    different = dict(scratch.fetch("select col, count(distinct value) from say group by col"))
    return sorted(dependency.decided, key=lambda place: -different.get(place, 0))


def _either(places: Iterable[int]) -> str:
    return " or ".join(f"(col = {place} and value = ?)" for place in places)
