"""A source's description: what it says, and everything that can be wrong with it, with line and column."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from remit.connectors.source_kinds import source_kind, source_kinds
from remit.errors import BadSource, Finding
from remit.knowledge.contract import compile_contract
from remit.knowledge.linear_pattern import linear_pattern
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, load_source_file, load_source_files, open_source

CRM = """\
source: crm
department: sales
connect: {kind: sql, url: "${CRM_URL}"}
tables:
  account:
    is: Customer
    key: id
    changed: updated_at
    deleted: is_deleted
    valid: {from: effective_from}
    fresh: 4h
    facts:
      name:  {from: account_name, required: true, match: name}
      email: {from: billing_email, see: pii, match: exact, pattern: ".+@.+"}
      arr:   {from: arr_usd, kind: money USD, range: [0, 1e9]}
      tier:  {one_of: [gold, silver, bronze]}
      zip:
      town: city
    depends: {zip: [town]}
    links:
      owner: {to: hr.person, by: owner_id}
"""
HR = """\
source: hr
department: people
connect: {kind: csv, path: people.csv}
tables:
  person: {is: Person, key: [country, number], facts: {name: {required: true}}}
"""


def source(text: str) -> SourceFile:
    return load_source_file("sources/it.yaml", text)


def wrong(text: str) -> tuple[Finding, ...]:
    with pytest.raises(BadSource) as caught:
        source(text)
    return caught.value.findings


def told(text: str) -> str:
    """The findings without file, one a line, as people read them."""
    return "\n".join(str(finding).removeprefix("sources/it.yaml:") for finding in wrong(text))


def table(body: str, connect: str = "{kind: sql, url: sqlite:///x.db}") -> str:
    inner = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"source: s\ndepartment: d\nconnect: {connect}\ntables:\n  t:\n    is: T\n    key: id\n{inner}"


def test_a_department_is_one_short_file() -> None:
    crm = source(CRM)
    assert len(CRM.splitlines()) <= 25
    assert (crm.name, crm.department, crm.kind, crm.trust, crm.zone) == ("crm", "sales", "sql", "normal", "UTC")
    assert crm.connect == {"url": "${CRM_URL}"}, "a variable is not looked up when the file is read"
    account = crm.tables["account"]
    assert (account.dataset, account.type, account.key, account.fresh_seconds) == (
        "crm.account", "Customer", ("id",), 14_400,
    )  # fmt: skip
    assert account.columns == (
        "id", "updated_at", "is_deleted", "effective_from", "account_name", "billing_email", "arr_usd", "tier", "zip",
        "city", "owner_id",
    )  # fmt: skip
    assert account.facts[0] == FactSpec("name", "account_name", required=True, match="name")
    assert account.facts[1] == FactSpec("email", "billing_email", see="pii", match="exact", pattern=".+@.+")
    arr = account.facts[2]
    assert (arr.kind, arr.currency, arr.minor, arr.low, arr.high) == ("money", "USD", False, Decimal(0), Decimal(10**9))
    assert account.facts[3].one_of == ("gold", "silver", "bronze")
    assert account.depends == {"zip": ("city",)}, "depends is written in names of facts and kept in columns"
    assert account.links == (LinkSpec("owner", "hr.person", "owner_id"),)
    assert len(crm.digest) == 64
    assert crm.text == CRM


def test_what_a_reader_is_asked() -> None:
    ask = source(CRM).tables["account"].ask("2026-01-01", "Europe/Lisbon")
    assert (ask.table, ask.cursor_column, ask.since, ask.key, ask.zone) == (
        "account", "updated_at", "2026-01-01", ("id",), "Europe/Lisbon",
    )  # fmt: skip
    assert ask.columns == source(CRM).tables["account"].columns


def test_defaults_that_stand_once() -> None:
    text = table(
        "see: pii\nunique: [mail]\ndocuments: [note]\nvolume: [10, null]\nfacts: {mail: , note: , open: {see: public}}",
        '{kind: csv, folder: "${DROP}", pattern: "*.csv", decimal: ","}',
    )
    one = source(text).tables["t"]
    assert [(fact.see, fact.unique) for fact in one.facts] == [("pii", True), ("pii", False), ("public", False)]
    assert one.documents == ("note",)
    assert one.volume == (10, None)
    assert one.options == {"pattern": "*.csv", "decimal": ","}, "what stands under connect holds for every table"


@pytest.mark.parametrize(
    ("kind", "currency", "minor", "digits"),
    [("money USD", "USD", False, 2), ("money JPY minor", "JPY", True, 0), ("money KWD", "KWD", False, 3)],
)
def test_money(kind: str, currency: str, minor: bool, digits: int) -> None:
    fact = source(table(f"facts: {{a: {{kind: {kind}}}}}")).tables["t"].facts[0]
    assert (fact.kind, fact.currency, fact.minor, fact.minor_digits) == ("money", currency, minor, digits)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("facts: {a: {kind: money}}", r"8:17  a: money of which currency"),
        ("facts: {a: {kind: money usd}}", r"8:17  a: money of which currency"),
        ("facts: {a: {kind: monye USD}}", r"8:17  no kind of value 'monye'  \(did you mean 'money'\?\)"),
        ("facts: {a: {kind: integer 4}}", r"8:17  a: integer stands alone"),
        ("facts: {a: {from: x, require: true}}", r"8:26  unknown key 'require'  \(did you mean 'required'\?\)"),
        ("facts: {a: {kind: integer, match: name}}", r"match name is for text: got integer"),
        ("facts: {a: {kind: boolean, match: date}}", r"match date is for date or moment or text: got boolean"),
        ("facts: {a: {match: surname}}", r"8:17  no match word 'surname'  \(did you mean 'name'"),
        ("facts: {a: {pattern: '('}}", r"8:17  a: not a pattern"),
        ("facts: {a: {pattern: '(?=x)y'}}", r"look-ahead"),
        (f"facts: {{a: {{pattern: '{'x' * 501}'}}}}", r"longer than 500"),
        ("facts: {a: {kind: integer, pattern: x}}", r"a pattern is for text: got integer"),
        ("facts: {a: {kind: integer, range: [5, 1]}}", r"range from 5 to 1 holds nothing"),
        ("facts: {a: {range: [1, 5]}}", r"a range is for integer, money, decimal: got text"),
        ("facts: {a: {kind: date, one_of: [x]}}", r"one_of is for text or integer: got date"),
        ("facts: {a: {form: '%d.%m.%Y'}}", r"a form is for date or moment: got text"),
        ("facts: {a: {kind: date, form: '%d.%m'}}", r"does not say day, month and year"),
        ("facts: {a: x, b: x}", r"8:19  column 'x' is fact 'a' already"),
        ("facts: {a: }\nlinks: {a: {to: s.t, by: y}}", r"'a' is a fact and a link"),
        ("facts: {a: }\nfresh: 4 hours", r"9:5  fresh: not a length of time: got '4 hours', expected like 90s"),
        ("facts: {a: }\nfresh: 0s", r"no data is ever that fresh"),
        ("facts: {a: }\nvolume: [10, 5]", r"at least 10 rows and at most 5"),
        ("facts: {a: }\nunique: [b]", r"no fact 'b'"),
        ("facts: {name: }\nunique: [nmae]", r"did you mean 'name'\?"),
        ("facts: {a: {kind: integer}}\ndocuments: [a]", r"a is integer, not text"),
        ("facts: {a: , b: }\ndepends: {a: [c]}", r"9:19  no mapped column or fact 'c'"),
        ("facts: {a: , b: }\ndepends: {a: [b, a]}", r"a decides itself"),
        ("facts: {a: }\nvalid: {from: x, to: x}", r"from and to are the same column"),
        ("links: {a: {to: s.u, by: y}}", r"8:17  no table 'u'"),
        ("links: {a: {to: person, by: y}}", r"8:17"),
        ("fresh: 1h", r"neither facts nor links"),
        ("facts: {a: }\npath: x.csv", r"9:5  unknown key 'path'  \(path belongs to sources of kind csv or fixed or"),
        ("facts: {a: }\nqueri: x", r"9:5  unknown key 'queri'  \(did you mean 'query'\?\)"),
        ("facts: {a: }\nquery: delete from x", r"query: "),
        ("facts: {a: }\nquery: select * from x where a > :since", r"nothing is bound to :since"),
        ("facts: {a: }\nquery: select 1\ntable: x", r"exclude each other"),
        ("facts: {'a b': }", r"8:"),
    ],
)
def test_mistakes_of_a_table(body: str, expected: str) -> None:
    assert re.search(expected, told(table(body))), told(table(body))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source: s\n", r"connect"),
        (table("facts: {a: }", "{kind: sqll, url: x}"), r"3:11  unknown kind .*'sqll'  \(did you mean 'sql'\?\)"),
        (table("facts: {a: }", "{kind: sql, url: x, ulr: y}"), r"unknown key 'ulr'"),
        (table("facts: {a: }", "{kind: sql}"), r"url"),
        (table("facts: {a: }", "{kind: sql, url: 'postgresql://u:hunter2@h/d'}"), r"a password stands in this address"),
        (table("facts: {a: }", "{kind: sql, url: x, secret: hunter2}"), r"a secret is named here, never written"),
        (table("facts: {a: }", "{kind: csv}"), r"path: or pattern: says which files: got neither"),
        (table("facts: {a: }", "{kind: csv, path: x, pattern: y}"), r"got both"),
        (table("facts: {a: }", "{kind: csv, path: x, header: false}"), r"header: false needs columns:"),
        (table("facts: {a: }", "{kind: fixed, path: x}"), r"layout: is missing"),
        (table("facts: {a: }", "{kind: fixed, path: x, layout: {columns: {a: [5, 2]}}}"), r"5 to 2"),
        (table("facts: {a: }").replace("department: d", "zone: Mars/Base\ndepartment: d"), r"no time zone 'Mars/Base'"),
        (table("facts: {a: }").replace("department: d", "trust: some\ndepartment: d"), r"2:"),
        (table("facts: {a: }").replace("source: s", "source: s.t"), r"1:"),
        (table("facts: {a: }") + "  t: {is: T, key: id}\n", r"stands twice"),
        ("tables: [", r"not YAML"),
        ("", r"empty file"),
    ],
)  # fmt: skip
def test_mistakes_of_a_file(text: str, expected: str) -> None:
    assert re.search(expected, told(text)), told(text)
    assert "hunter2" not in told(text)


def test_a_secret_is_looked_for_where_a_source_connects() -> None:
    """A fact may be called so, and a pattern may look like an address: what is no secret is not taken for one."""
    text = table("facts:\n  secret: secret\n  other: {from: secret_word, pattern: '://a:b@'}", "{kind: csv, path: x}")
    assert load_source_file("s.yaml", text).tables["t"].facts[0].column == "secret"


def test_every_mistake_is_told_at_once() -> None:
    text = table("facts:\n  a: {kind: integer, match: name}\n  b: {pattern: '['}\nunique: [c]\nvolume: [2, 1]")
    assert [finding.line for finding in wrong(text)] == [9, 10, 11, 12]


def test_what_is_only_odd_is_a_warning() -> None:
    no_tombstone = source(table("facts: {a: }\nchanged: x"))
    assert [finding.severity for finding in no_tombstone.warnings] == ["warning"]
    no_cursor = source(table("facts: {a: }\ndeleted: x"))
    assert "no changed:" in no_cursor.warnings[0].what
    assert source(table("facts: {a: }\ndeleted: x\nchanged: y")).warnings == ()


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "crm.yaml").write_text(CRM)
    (tmp_path / "hr.yml").write_text(HR)
    assert sorted(load_source_files(tmp_path)) == ["crm", "hr"]
    assert load_source_files(tmp_path / "absent") == {}
    assert load_source_files(tmp_path)["hr"].tables["person"].key == ("country", "number")


def test_a_link_to_a_data_set_that_no_file_has(tmp_path: Path) -> None:
    (tmp_path / "crm.yaml").write_text(CRM)
    (tmp_path / "hr.yaml").write_text(HR.replace("person:", "persons:"))
    with pytest.raises(BadSource, match=r"crm.yaml:21:15  no data set 'hr.person'  \(did you mean 'hr.persons'\?\)"):
        load_source_files(tmp_path)


def test_a_source_that_stands_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HR)
    (tmp_path / "b.yaml").write_text(HR)
    with pytest.raises(BadSource, match=r"b.yaml:1:1  source 'hr' is also described in .*a.yaml"):
        load_source_files(tmp_path)


def test_a_file_that_cannot_be_read_hides_no_other_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "b.yaml").write_text("source: 1")
    with pytest.raises(BadSource) as caught:
        load_source_files(tmp_path)
    assert {Path(finding.file).name for finding in caught.value.findings} == {"a.yaml", "b.yaml"}


def test_variables_are_put_in_when_it_is_opened_and_never_shown() -> None:
    crm = source(CRM)
    with pytest.raises(BadSource, match="variable CRM_URL is not set"):
        open_source(crm, {})
    with pytest.raises(BadSource) as caught:
        open_source(crm, {"CRM_URL": "hunter2 is no address"})
    assert "hunter2" not in str(caught.value)
    assert caught.value.findings[0].line == 3


def test_every_kind_brings_what_it_must() -> None:
    for name in source_kinds():
        kind = source_kind(name)
        assert kind is not None
        assert kind.connect_schema.get("additionalProperties") is False, name
        ours = {"is", "key", "changed", "deleted", "observed", "valid", "fresh", "facts", "links", "depends", "unique"}
        assert not ours & set(kind.table_schema.get("properties", {})), name


def test_a_pattern_fits_the_whole_text_in_linear_time() -> None:
    assert linear_pattern("[a-z]+")("abc")
    assert not linear_pattern("[a-z]+")("abc1")
    assert not linear_pattern("[a-z]+")("abc\n")
    assert not linear_pattern("(a+)+b")("a" * 100_000)  # `re` would not end


def test_what_a_table_says_of_a_place() -> None:
    crm = source(CRM)
    finding = crm.tables["account"].place(("facts", "arr"), "too few")
    assert (finding.line, finding.column) == (15, 7)


def test_the_contract_takes_every_kind(tmp_path: Path) -> None:
    text = table(
        "facts: {a: , b: {kind: integer}, c: {kind: money EUR}, d: {kind: decimal}, e: {kind: boolean},"
        " f: {kind: date, form: '%d.%m.%Y'}, g: {kind: moment}}"
    )
    contract = compile_contract(source(text).tables["t"], "UTC")
    contract.positions(("id", "a", "b", "c", "d", "e", "f", "g"))
    checked = contract.check(["1", "x", "2", "3.50", "4.5", "yes", "21.11.2026", "2026-11-21T10:00:00Z"])
    assert checked[2] == ['"x"', "2", "350", '"4.5"', "true", '"2026-11-21"', '"2026-11-21T10:00:00.000000Z"']
