"""One column decides another: the rows that say otherwise than most rows with the same deciding value.

Within each group of rows that agree on the deciding cells the decided ones should agree too. Where they do not, the
value of at least half of the group that is also the most frequent is taken as right, and the cells that differ are
doubted; without such a value nobody is. Cells known to be wrong neither group nor vote, and missing cells say nothing.

Which end is wrong? When most of what a cell decides looks wrong in a row, and just that combination is what other rows
say under another deciding value, it is the deciding cell that was mistaken. What is found that way is then left out
and everything judged a second time, so that a wrong cell does not make right ones look wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from remit.knowledge.audit_scratch import AuditScratch
from remit.knowledge.source_file import TableSpec

__all__ = ["Dependency", "Undecided", "deciding_columns", "find_disagreements"]


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
    """Groups that disagree without a majority: how many groups, how many rows in them."""

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
    undecided = _judge(scratch, number, dependencies)
    deciding = {place for dependency in dependencies for place in dependency.decides}
    doubted = scratch.fetch("select distinct row, col from doubt order by row, col")
    mistaken = [(row, place) for row, place in doubted if place in deciding]
    if mistaken:
        _flag(scratch, number, {place: columns[place] for place in deciding})
        for place in deciding:
            scratch.forget(number, place, ((row,) for row, at in mistaken if at == place))
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
    return tuple(found)


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
        if first * 2 >= total and first > second:
            yield (*self._head, group, value, first, total)
        else:
            self.groups += 1
            self.rows += total


def _blame_the_deciding(scratch: AuditScratch, number: int, index: int, dependency: Dependency) -> None:
    """Turn doubts about most of what a cell decides into one about the cell, where other rows support that."""
    doubts = scratch.fetch(
        "select row, group_concat(col) from doubt where dep = ? group by row having count(*) > 1", (index,)
    )
    suspects = [(row, {int(place) for place in places.split(",")}) for row, places in doubts]
    if not suspects:
        return
    cells = ", ".join(f"v{place}" for place in dependency.decided)
    name = f"profile_{number}_{index}"
    scratch.run(f"create index {name} on t{number}({cells})")
    for row, wrong in suspects:
        statement = f"select {dependency.value}, {cells} from t{number} where row = ?"  # noqa: S608 - our numbers
        own, *values = scratch.first(statement, (row,)) or (None,)
        present = {place: value for place, value in zip(dependency.decided, values, strict=True) if value is not None}
        if len(wrong) * 2 <= len(present):
            continue
        same = " and ".join(f"v{place} = ?" for place in present)
        elsewhere = scratch.first(
            f"select 1 from t{number} where {same} and {dependency.value} <> ? group by {dependency.value} "  # noqa: S608
            "having count(*) > 1 limit 1",
            (*present.values(), own),
        )
        if elsewhere is not None:
            scratch.run("delete from doubt where row = ? and dep = ?", (row, index))
            scratch.insert("doubt", [(row, dependency.decides[0], index, own, None, None, None)], 7)
    scratch.run(f"drop index {name}")
