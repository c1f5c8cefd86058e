"""The audit: against plain references, on injected errors of every kind, on a real dirty file with its clean twin."""

from __future__ import annotations

import csv
import random
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.connectors.source_reader import SourceRows, TableAsk
from remit.errors import BadInput, NotFound, Refused, StoreUnavailable, Unreachable
from remit.knowledge.audit_form import audit_json, audit_lines
from remit.knowledge.audit_rules import TableAudit
from remit.knowledge.audit_scratch import AuditScratch
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, TableSpec, load_source_file
from remit.knowledge.table_audit import audit_source, audit_table, cell_findings
from remit.testing.knowledge_stand_ins import ListReader, a_source

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOSPITAL = Path(__file__).parent / "data/hospital"


def batches(columns: Sequence[str], rows: Sequence[Sequence[object]], size: int = 7) -> Iterator[SourceRows]:
    for first in range(0, max(len(rows), 1), size):
        yield SourceRows(tuple(columns), rows[first : first + size], "file.csv", first + 2)


def found(audit: TableAudit) -> dict[tuple[str, str], int]:
    return {(rule.rule, rule.column): rule.failed for rule in audit.rules if rule.failed and rule.weight == "fault"}


def test_on_a_real_dirty_file_nearly_every_wrong_cell_is_found_and_no_other() -> None:
    table = load_source_file(HOSPITAL / "hospital.yaml").tables["measure"]
    with (HOSPITAL / "hospital.csv").open(newline="") as file:
        columns, *rows = csv.reader(file)
    with (HOSPITAL / "hospital_clean.csv").open(newline="") as file:
        right = {(int(one["tid"]), one["attribute"]): one["correct_val"] for one in csv.DictReader(file)}
    wrong = {
        (row, column)
        for row, cells in enumerate(rows)
        for column, cell in zip(columns, cells, strict=True)
        if right[row, column] != cell
    }
    assert len(wrong) == 509
    flagged = cell_findings(batches(columns, rows, 300), table)
    hits = len(flagged & wrong)
    precision, recall = hits / len(flagged), hits / len(wrong)
    assert precision >= 0.99 and recall >= 0.98, (precision, recall)
    clean = [[right[row, column] for column in columns] for row in range(len(rows))]
    assert len(cell_findings(batches(columns, clean, 300), table)) <= 2, "the twin is clean, or nearly"


def plain_disagreements(
    rows: Sequence[Sequence[str]], depends: Sequence[tuple[int, Sequence[int]]]
) -> set[tuple[int, int]]:
    """What `remit.knowledge.depends` says it does, in plain loops; empty text is missing."""
    cells = [list(row) for row in rows]

    def votes(decides: int, column: int) -> dict[str, Counter[str]]:
        said: dict[str, Counter[str]] = defaultdict(Counter)
        for row in cells:
            if row[decides] and row[column]:
                said[row[decides]][row[column]] += 1
        return said

    def judge() -> dict[tuple[int, int], set[str]]:
        """The cells in doubt, and what belongs there instead; nothing where that is not known."""
        doubts: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
        for index, (decides, decided) in enumerate(depends):
            usual: dict[str, dict[int, str]] = defaultdict(dict)
            for column in decided:
                for group, counts in votes(decides, column).items():
                    (most, first), *others = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
                    if first > 1:
                        usual[group][column] = most
                    if others and first * 4 >= counts.total() and first > others[0][1]:
                        for number, row in enumerate(cells):
                            if row[decides] == group and row[column] not in ("", most):
                                doubts[number, index][column] = most
            for number, row in enumerate(cells):
                wrong, present = doubts[number, index], [column for column in decided if row[column]]
                agreeing = [
                    (-sum(says.get(column) == row[column] for column in present), group)
                    for group, says in usual.items()
                    if group != row[decides]
                ]
                agree, group = min(agreeing, default=(0, ""))
                if len(wrong) > 1 and 1 + len(present) + agree < len(wrong):
                    only = sum(one == agree for one, _ in agreeing) == 1
                    doubts[number, index] = {decides: group if only else ""}
        for index, (decides, decided) in enumerate(depends):
            for by, also in depends:
                for column in [one for one in decided if one in also and by != decides]:
                    said = votes(by, column)
                    upheld = []
                    for number, row in enumerate(cells):
                        if column in doubts[number, index] and row[by]:
                            (most, first), *others = said[row[by]].most_common()
                            clear = first > 2 and not (others and others[0][1] == first)
                            in_doubt = any(by in doubts[number, one] for one in range(len(depends)))
                            if clear and most == row[column] and not in_doubt:
                                upheld.append(number)
                    for number in upheld:
                        doubts[number, index] = {decides: ""}
        found: dict[tuple[int, int], set[str]] = defaultdict(set)
        for (number, _), columns in doubts.items():
            for column, instead in columns.items():
                found[number, column].add(instead)
        return found

    first = judge()
    deciding = {decides for decides, _ in depends}
    mistaken = {(number, column) for number, column in first if column in deciding}
    if not mistaken:
        return set(first)
    for number, column in mistaken:
        instead = first[number, column]
        cells[number][column] = next(iter(instead)) if len(instead) == 1 else ""
    return mistaken | set(judge())


CELL = st.sampled_from(["", "a", "b", "c"])
DECIDED = st.sampled_from(["", *"aaabcdef"])
DEPENDS: list[list[tuple[int, list[int]]]] = [
    [(0, [1])],
    [(0, [1, 2, 3])],
    [(0, [1, 2]), (1, [0])],
    [(0, [1, 2, 3]), (3, [2]), (2, [0, 1])],
    [(0, [2]), (1, [2])],
    [(0, [1, 2, 3]), (1, [2, 3]), (3, [2])],
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.tuples(CELL, CELL, CELL, CELL), st.tuples(CELL, DECIDED, DECIDED, CELL)), max_size=14),
    st.sampled_from(DEPENDS),
)
@example([("a", "b", "c", "a")] * 3 + [("b", "a", "a", "b")] * 3 + [("b", "b", "c", "a")], DEPENDS[1])
@example([("a", one, "", "") for one in "aabcd"], DEPENDS[0])
@example([("a", "b", "c", "a")] * 3 + [("b", "a", "a", "b")] * 3 + [("b", "b", "c", "a")], DEPENDS[3])
def test_disagreements_are_those_of_the_plain_reference(
    rows: list[tuple[str, str, str, str]], depends: list[tuple[int, list[int]]]
) -> None:
    names = "wxyz"
    table = TableSpec(
        "crm.account", "Customer", ("id",),
        facts=tuple(FactSpec(name, name) for name in names),
        depends={names[decides]: tuple(names[column] for column in decided) for decides, decided in depends},
    )  # fmt: skip
    got = cell_findings(batches(["id", *names], [[str(place), *row] for place, row in enumerate(rows)]), table)
    assert got == {(number, names[column]) for number, column in plain_disagreements(rows, depends)}


FACTS = (
    FactSpec("mail", "mail", pattern="[a-z0-9]+@[a-z]+", unique=True, see="pii"),
    FactSpec("tier", "tier", required=True, one_of=("gold", "silver")),
    FactSpec("worth", "worth", "money", currency="EUR", low=Decimal(0), high=Decimal(1000)),
    FactSpec("since", "since", "date"),
    FactSpec("zip", "zip", pattern="[0-9]{5}"),
    FactSpec("city", "city", required=True),
    FactSpec("state", "state"),
    FactSpec("clerk", "clerk"),
)
TABLE = TableSpec(
    "crm.account", "Customer", ("id",), facts=FACTS,
    depends={"zip": ("city", "state"), "tier, state": ("clerk",)},
)  # fmt: skip
COLUMNS = TABLE.columns
INJECTIONS: dict[str, tuple[str, Any]] = {
    "key": ("id", ["", "a\nb", None]),
    "required": ("tier", ["", None, "  "]),
    "type": ("since", ["2026-13-01", "soon", "1.2.2026"]),
    "type of money": ("worth", ["12.345", "lots", "1,000.00"]),
    "pattern": ("mail", ["nobody", "A@B"]),
    "one_of": ("tier", ["Gold", "bronze"]),
    "range": ("worth", ["-0.01", "1000.01"]),
    "city": ("city", ["Birminghxm", "elsewhere"]),
    "state": ("state", ["XX"]),
    "clerk": ("clerk", ["nobody"]),
    "zip": ("zip", ["1234", "12a45"]),
    "unique": ("mail", ["n0@x"]),
}


def clean_rows(count: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for number in range(count):
        place, tier = number % 4, ("gold", "silver")[number // 4 % 2]
        state = f"S{place % 2}"
        rows.append([
            f"k{number}", f"n{number}@x", tier, f"{number % 900}.50", "2026-01-05", f"{place:05d}", f"city{place}",
            state, f"clerk of {tier} {state}",
        ])  # fmt: skip
    return rows


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_injected_errors_of_every_kind_are_found_and_nothing_else(data: st.DataObject) -> None:
    rows = clean_rows(80)
    assert cell_findings(batches(COLUMNS, rows), TABLE) == set()
    wrong: set[tuple[int, str]] = set()
    touched = data.draw(st.lists(st.integers(1, 79), max_size=10, unique=True))
    for row in touched:
        kind = data.draw(st.sampled_from(list(INJECTIONS)))
        column, values = INJECTIONS[kind]
        rows[row][COLUMNS.index(column)] = data.draw(st.sampled_from(values))
        wrong.add((row, column))
        if kind == "unique":
            wrong.add((0, "mail"))
    assert cell_findings(batches(COLUMNS, rows), TABLE) == wrong


def test_a_deciding_cell_that_was_swapped_is_blamed_and_not_what_it_decides() -> None:
    rows = clean_rows(80)
    rows[8][COLUMNS.index("zip")] = "00003"
    assert cell_findings(batches(COLUMNS, rows), TABLE) == {(8, "zip")}
    audit = audit_table(batches(COLUMNS, rows), TABLE, now=NOW)
    (rule,) = audit.faults()
    (one,) = rule.examples
    assert (one.position, one.key, one.got, one.why) == (
        "file.csv:10", "k8", "00003", "what it decides is, in this row, what belongs to 00000"
    )  # fmt: skip


def depends_findings(rows: Sequence[Sequence[str]], depends: Mapping[str, tuple[str, ...]]) -> set[tuple[int, str]]:
    names = [f"c{place}" for place in range(len(rows[0]))]
    table = TableSpec(
        "crm.account", "Customer", ("id",), facts=tuple(FactSpec(name, name) for name in names), depends=depends
    )
    return cell_findings(batches(["id", *names], [[str(at), *row] for at, row in enumerate(rows)]), table)


@pytest.mark.parametrize(
    ("odd", "others", "blamed"),
    [
        ("a2211", 3, {"c0"}),  # one mistake in the key instead of two elsewhere
        ("a2221", 3, {"c0"}),
        ("a2251", 3, {"c0", "c3"}),  # and it is judged as what it most likely is
        ("a2225", 3, {"c0", "c4"}),
        ("a2511", 3, {"c1", "c2"}),  # nobody says that of another key
        ("a2111", 3, {"c1"}),  # one mistake either way
        ("a2221", 1, {"c1", "c2", "c3"}),
    ],
)
def test_whichever_end_takes_fewer_mistakes_to_explain_is_blamed(odd: str, others: int, blamed: set[str]) -> None:
    rows = [list(odd), *[list("a1111")] * 3, *[["b", "2", "2", odd[3].replace("5", "2"), "1"]] * others]
    found = depends_findings(rows, {"c0": ("c1", "c2", "c3", "c4")})
    assert found == {(0, column) for column in blamed}


def test_what_comes_most_often_is_right_from_a_quarter_of_the_rows_on() -> None:
    def group(said: str) -> set[int]:
        return {row for row, _ in depends_findings([["k", one] for one in said], {"c0": ("c1",)})}

    assert group("aabcd") == {2, 3, 4}
    assert group("aabcdefg") == {2, 3, 4, 5, 6, 7}
    assert group("aabcdefgh") == set(), "two of nine say nothing about the others"
    assert group("aabbc") == set()
    assert group("ab") == set()


def test_a_cell_that_another_column_upholds_is_right_and_the_deciding_cell_is_wrong() -> None:
    """A project says one country, the delivery another, and the delivery's other rows say the same."""
    rows = [["p1", "d1", "x"]] * 4 + [["p2", "d2", "y"]] * 3
    depends = {"c0": ("c2",), "c1": ("c2",)}
    assert depends_findings([*rows, ["p1", "d2", "y"]], depends) == {(7, "c0")}
    assert depends_findings([*rows, ["p2", "d1", "x"]], depends) == {(7, "c0")}
    assert depends_findings([*rows, ["p1", "d1", "y"]], depends) == {(7, "c2")}, "both speak against it"
    assert depends_findings([*rows, ["p1", "d3", "y"]], depends) == {(7, "c2")}, "and nobody for it"
    few = [*rows[:5], ["p1", "d2", "y"]]
    assert depends_findings(few, depends) == {(5, "c2")}, "one other row is not enough"


def test_a_row_that_comes_again_shares_its_values_with_nobody() -> None:
    rows = clean_rows(10)
    rows.append(list(rows[4]))
    assert cell_findings(batches(COLUMNS, rows), TABLE) == set()
    assert found(audit_table(batches(COLUMNS, rows), TABLE, now=NOW)) == {("repeated", "id"): 1}
    rows[10][0] = None
    assert {cell for cell in cell_findings(batches(COLUMNS, rows), TABLE) if cell[1] == "mail"} == {
        (4, "mail"), (10, "mail")
    }  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_counts_are_those_of_a_plain_count(data: st.DataObject) -> None:
    rows = clean_rows(data.draw(st.integers(0, 30)))
    for row in rows:
        for column, values in INJECTIONS.values():
            if column in {"tier", "worth", "since", "mail"} and data.draw(st.integers(0, 5)) == 0:
                row[COLUMNS.index(column)] = data.draw(st.sampled_from([*values, "", "twice@x"]))
    audit = audit_table(batches(COLUMNS, rows), TABLE, now=NOW)
    flagged = cell_findings(batches(COLUMNS, rows), TABLE)
    assert audit.rows == len(rows) and audit.sound == len(rows) - len({row for row, _ in flagged})
    for count in audit.columns:
        filled = {
            number for number, row in enumerate(rows) if str(row[COLUMNS.index(count.column)] or "").strip() != ""
        }
        wrong = {row for row, column in flagged if column == count.column}
        assert (count.rows, count.present, count.usable) == (len(rows), len(filled), len(filled - wrong))
    by_rule = {(rule.rule, rule.column): rule for rule in audit.rules}
    tiers = [str(row[COLUMNS.index("tier")] or "").strip() for row in rows]
    assert (by_rule["required", "tier"].checked, by_rule["required", "tier"].failed) == (len(rows), tiers.count(""))
    named = [tier for tier in tiers if tier]
    one_of = by_rule["one_of", "tier"]
    assert (one_of.checked, one_of.failed) == (len(named), sum(tier not in {"gold", "silver"} for tier in named))
    mails = [str(row[COLUMNS.index("mail")]) for row in rows if row[COLUMNS.index("mail")]]
    assert by_rule["unique", "mail"].failed == sum(
        mails.count(mail) > 1 and "@" in mail and mail.islower() for mail in mails
    )


@pytest.mark.parametrize("key", ["id", "mail"])
def test_what_is_personal_is_shown_nowhere(key: str) -> None:
    rows = clean_rows(30)
    at = COLUMNS.index("mail")
    rows[3][at] = "SECRETMAIL"
    rows[5][at] = rows[6][at] = "secretagain@x"
    table = TableSpec(
        "crm.account", "Customer", (key,),
        facts=(*FACTS, FactSpec("who", "who", about="the customer"), FactSpec("where", "where", see="pii")),
        depends={"zip": ("who", "where")},
    )  # fmt: skip
    columns = [*COLUMNS, "who", "where"]
    people = [[*row, "Secretname One", "Secretplace"] for row in rows]
    people[4][-2:] = ["Secretname Two", "Secretplace Two"]
    audit = audit_table(batches(columns, people), table, now=NOW)
    twice = "unique" if key == "id" else "repeated"
    assert {("pattern", "mail"), (twice, "mail"), ("depends", "who"), ("depends", "where")} <= set(found(audit))
    from remit.knowledge.audit_page import audit_page

    for text in (str(audit_json([audit])), "\n".join(audit_lines([audit])), audit_page([audit]), repr(audit)):
        assert "secret" not in text.lower()
        assert "@x" not in text
    assert any(example.position for rule in audit.rules for example in rule.examples)


def test_rows_that_are_no_rows_deleted_rows_and_columns_that_come_and_go() -> None:
    table = TableSpec(
        "crm.account", "Customer", ("id",), deleted="gone", volume=(10, None),
        facts=(FactSpec("name", "name", required=True), FactSpec("age", "age", "integer")),
    )  # fmt: skip
    some = [
        SourceRows(("id", "name", "gone", "extra"), [["1", "a", "", "x"], ["2", "b", "yes", ""], ["3", "", "no", ""]],
                   "one.csv", 2, problems={2: "a cell too many"}, unread=("left",)),
        SourceRows(("id", "name", "gone"), [["4", "d", None], ["5", "e", None], ["1", "z", None]], "two.csv", 2,
                   ops=["u", "d", "u"], lines=[20, 21, 30]),
    ]  # fmt: skip
    audit = audit_table(some, table, now=NOW)
    assert (audit.rows, audit.deleted, audit.sound) == (4, 2, 2)
    assert found(audit) == {
        ("row", ""): 1, ("repeated", "id"): 1, ("column", "age"): 1, ("volume", ""): 1
    }  # fmt: skip
    by_rule = {rule.rule: rule for rule in audit.rules if rule.failed}
    assert by_rule["row"].examples[0].position == "one.csv:4"
    assert by_rule["repeated"].examples[0].position == "two.csv:30"
    assert {rule.column for rule in audit.hints()} == {"extra", "left"}
    with pytest.raises(BadInput, match="stands twice"):
        audit_table([SourceRows(("id", "name", "name"), [], "x", 1)], table, now=NOW)


def test_rare_values_that_resemble_frequent_ones_are_hints_and_no_faults() -> None:
    table = TableSpec("crm.account", "Customer", ("id",), facts=(FactSpec("city", "city"), FactSpec("size", "size")))
    rows = [[str(n), "Birmingham", "500 beds"] for n in range(40)]
    rows += [["x", "Birminghxm", "501 beds"], ["y", "Ulm", "7 beds"]]
    audit = audit_table(batches(table.columns, rows), table, now=NOW)
    assert found(audit) == {}
    (hint,) = audit.hints()
    assert (hint.rule, hint.column, hint.failed, hint.examples[0].got) == ("rare", "city", 1, "Birminghxm")
    assert cell_findings(batches(table.columns, rows), table) == set()


def test_groups_without_a_majority_are_hints_and_blame_nobody() -> None:
    table = TableSpec(
        "crm.account",
        "Customer",
        ("id",),
        facts=(FactSpec("zip", "zip"), FactSpec("city", "city")),
        depends={"zip": ("city",)},
    )
    rows = [["1", "z", "a"], ["2", "z", "b"], ["3", "y", "c"], ["4", "y", "c"]]
    audit = audit_table(batches(table.columns, rows), table, now=NOW)
    assert found(audit) == {}
    (hint,) = audit.hints()
    assert (hint.rule, hint.column, hint.failed) == ("undecided", "city", 2)


def test_ages_of_rows_that_say_when_they_were_observed() -> None:
    table = TableSpec("crm.account", "Customer", ("id",), observed="at", facts=(FactSpec("name", "name"),))
    ages = [0, 300, 301, 86_400, 86_401, 10**9]
    rows = [[str(age), datetime.fromtimestamp(NOW.timestamp() - age, UTC), "x"] for age in ages]
    rows.append(["none", None, "x"])
    audit = audit_table(batches(table.columns, rows), table, now=NOW)
    assert audit.ages is not None
    within = dict(audit.ages)
    assert (within[300], within[900], within[86_400], within[172_800], within[31_536_000]) == (2, 3, 4, 5, 5)


ACCOUNT = TableSpec(
    "crm.account", "Customer", ("id",), facts=(FactSpec("name", "name"),),
    links=(LinkSpec("parent", "crm.account", "parent_id"), LinkSpec("owner", "hr.person", "owner_id")),
)  # fmt: skip
ORDER = TableSpec(
    "crm.order", "Order", ("id",), facts=(FactSpec("total", "total", "money", currency="EUR"),),
    links=(LinkSpec("account", "crm.account", "account_id"),),
)  # fmt: skip
ROWS: dict[str, tuple[Sequence[str], list[list[object]]]] = {
    "order": (
        ("id", "total", "account_id"),
        [["o1", "1.00", "1"], ["o2", "2.00", " 2 "], ["o3", "3", "9"], ["o4", "4", ""]],
    ),
    "account": (
        ("id", "name", "parent_id", "owner_id"), [[1, "a", None, "p1"], [2, "b", 1, "p2"], [3, "c", 7, None]]
    ),
}  # fmt: skip


def crm() -> SourceFile:
    return a_source("crm", "sales", ORDER, ACCOUNT)


def test_a_source_is_audited_straight_and_links_between_its_tables_are_followed() -> None:
    reader = ListReader(ROWS, batch=2)
    seen: list[tuple[str, int]] = []
    order, account = audit_source(crm(), reader, now=NOW, progress=lambda name, rows: seen.append((name, rows)))
    assert found(order) == {("reference", "account_id"): 1}
    assert found(account) == {("reference", "parent_id"): 1}, "who is not audited is not missed"
    (rule,) = order.faults()
    assert (rule.checked, rule.examples[0].position, rule.examples[0].got) == (3, "order:3", "9")
    assert order.sound == 3 and order.whole and reader.closed and reader.taken_asks == []
    assert seen == [("crm.order", 2), ("crm.order", 4), ("crm.account", 2), ("crm.account", 3)]
    (alone,) = audit_source(crm(), ListReader(ROWS), now=NOW, tables=["order"])
    assert found(alone) == {}, "accounts were not read, so nobody knows"
    with pytest.raises(NotFound, match="no table 'nope'"):
        audit_source(crm(), ListReader(ROWS), now=NOW, tables=["nope"])


@pytest.mark.parametrize("failure", [Unreachable("the line is dead"), Refused("no such table")])
def test_a_source_that_breaks_off_is_audited_as_far_as_it_was_read(failure: Exception) -> None:
    reader = ListReader(ROWS, batch=2, fail_after=3, failure=failure)
    order, account = audit_source(crm(), reader, now=NOW)
    assert (order.rows, order.whole) == (3, False) and str(failure) in order.notes[0]
    assert account.rows == 3 and reader.closed
    assert not account.whole or found(account)


def test_reading_stops_where_it_was_asked_to() -> None:
    reader = ListReader(ROWS, batch=1)
    order, account = audit_source(crm(), reader, now=NOW, rows_max=2)
    assert (order.rows, order.whole, account.rows) == (2, False, 2) and "as asked" in order.notes[0]


class _HalfOfAccounts(ListReader):
    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        self.fail_after = 1 if ask.table == "account" else None
        self.failure = Unreachable("gone") if ask.table == "account" else None
        async for batch in super().read(ask):
            yield batch


def test_links_into_a_table_that_was_not_read_to_its_end_are_not_judged() -> None:
    order, account = audit_source(crm(), _HalfOfAccounts(ROWS, batch=1), now=NOW)
    assert order.whole and not account.whole and (order.rows, account.rows) == (4, 1)
    assert found(order) == {} and found(account) == {}


class _Hostile(ListReader):
    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        self.notes.append("odd\x1b[31m")
        rows: list[list[object]] = [
            ["o\x00", b"bytes", ["list"], 1], [object(), {"a": 1}, float("nan"), 2], [], ["1"] * 40,
            ["\ud800", "\ud800", "x" * 10**5],
        ]  # fmt: skip
        yield SourceRows(("id", "total", "account_id", "bad\x00name\ud800"), rows, "who\nknows", 1)


def test_hostile_cells_are_findings_and_no_tracebacks() -> None:
    (audit,) = audit_source(crm(), _Hostile({}), now=NOW, tables=["order"])
    assert audit.rows == 5
    from remit.canonical import canonical
    from remit.knowledge.audit_page import audit_page

    text = canonical(audit_json([audit])).decode() + audit_page([audit]) + "\n".join(audit_lines([audit]))
    text.encode()
    assert "\x1b" not in text and "\x00" not in text


def test_memory_stays_bounded_however_many_rows_there_are() -> None:
    text = "x" * 150

    def rows() -> Iterator[SourceRows]:
        for first in range(0, 20_000, 2_000):
            some = [[f"k{n}", f"{text}{n}", f"{n % 4_500}", f"{text}{n % 4_500}"] for n in range(first, first + 2_000)]
            yield SourceRows(("id", "a", "zip", "city"), some, "f", first)

    table = TableSpec(
        "crm.account", "Customer", ("id",), depends={"zip": ("city",)},
        facts=(FactSpec("a", "a", unique=True), FactSpec("zip", "zip"), FactSpec("city", "city")),
    )  # fmt: skip
    tracemalloc.start()
    try:
        audit = audit_table(rows(), table, now=NOW)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (audit.rows, audit.sound) == (20_000, 20_000)
    assert peak < 4_000_000, "about 7 MB of text went through"


def test_no_room_for_the_scratch_file_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with AuditScratch() as scratch:
        scratch.run("pragma max_page_count = 20")
        number = scratch.add_table(1)
        with pytest.raises(StoreUnavailable, match="make room"):
            scratch.add_rows(number, [(n, 0, 0, str(n), "x" * 1000) for n in range(1000)])


def test_lines_for_a_terminal_put_the_worst_first() -> None:
    rows = clean_rows(40)
    for row in rows[1:4]:
        row[COLUMNS.index("city")] = ""
    rows[5][COLUMNS.index("since")] = "soon"
    lines = list(audit_lines([audit_table(batches(COLUMNS, rows), TABLE, now=NOW)]))
    assert lines[0] == "crm.account  40 rows, 36 sound (90.00 %)"
    assert lines[1].split() == ["fault", "required", "city:", "3", "of", "40"]
    assert lines[2].strip() == "file.csv:3 k1: missing, and every row has one"
    assert any("since: 1 of 40" in line for line in lines)


def test_batches_of_any_size_give_the_same_audit() -> None:
    picker = random.Random(3)
    rows = clean_rows(60)
    for _ in range(25):
        column, values = picker.choice(list(INJECTIONS.values()))
        rows[picker.randrange(60)][COLUMNS.index(column)] = picker.choice(values)
    whole = audit_table([SourceRows(COLUMNS, rows, "file.csv", 2)], TABLE, now=NOW)
    for size in (1, 7, 59):
        assert audit_table(batches(COLUMNS, rows, size), TABLE, now=NOW) == whole
