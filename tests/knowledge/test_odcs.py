"""ODCS: what is exported is valid by the official schema and comes back whole; what is imported says what it lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.document import read_document
from remit.errors import BadSource
from remit.knowledge.odcs_export import to_odcs
from remit.knowledge.odcs_import import from_odcs
from remit.knowledge.source_file import SourceFile, load_source_file
from remit.knowledge.yaml_writing import write_yaml

OFFICIAL = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parent / "data/odcs/odcs-v3.1.0.schema.json").read_text())
)


def loaded(text: str) -> SourceFile:
    return load_source_file("sources/crm.yaml", text)


def plain(text: str) -> Any:
    document, found = read_document("contract.yaml", {}, text)
    assert document is not None and not found, found
    return document.value


def json_ready(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_ready(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


NAMES = st.from_regex("[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
COLUMNS = st.one_of(NAMES, st.text("abcXYZ09 _-.:#'\"{}[]&*!|>%@,\u00e4\u2028\x85", min_size=1, max_size=12))
KINDS = st.sampled_from(
    ["text", "integer", "money USD", "money JPY", "money EUR minor", "decimal", "boolean", "date", "moment"]
)
BOUNDS = st.one_of(st.integers(-1000, 1000), st.decimals("-10", "10", places=2))
PATTERNS = st.sampled_from(["[0-9]{5}", ".+@.+", "a|b", "(yes|no)", "x\\$", "\\^", "", "[^|]*"])


@st.composite
def facts(draw: st.DrawFn, name: str) -> dict[str, object]:
    kind = draw(KINDS)
    fact: dict[str, object] = {"from": f"{name} {draw(COLUMNS)}", "kind": kind}
    fact |= {mark: True for mark in ("required", "unique") if draw(st.booleans())}
    if draw(st.booleans()):
        fact["see"] = draw(st.sampled_from(["pii", "secret", "internal"]))
    if draw(st.booleans()):
        fact["about"] = "the customer: #1"
    if kind == "text" and draw(st.booleans()):
        fact["pattern"] = draw(PATTERNS.filter(bool))
    if kind in {"text", "integer"} and draw(st.booleans()):
        of = st.integers(-5, 5) if kind == "integer" else st.sampled_from(["yes", "null", "1", "a b", "\u00e9", "- x"])
        fact["one_of"] = draw(st.lists(of, min_size=1, max_size=4, unique=True))
    if kind == "text" and draw(st.booleans()):
        fact["match"] = draw(st.sampled_from(["name", "exact", "address"]))
    if kind in {"integer", "decimal", "money USD", "money EUR minor"} and draw(st.booleans()):
        low, high = sorted((draw(BOUNDS), draw(BOUNDS)))
        fact["range"] = [draw(st.sampled_from([low, None])), draw(st.sampled_from([high, None]))]
        if fact["range"] == [None, None]:
            del fact["range"]
    if kind == "date" and draw(st.booleans()):
        fact["form"] = draw(st.sampled_from(["%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%Y%j"]))
        if fact["form"] == "%Y%j":
            fact["form"] = "%Y-%m-%d"
    return fact


@st.composite
def descriptions(draw: st.DrawFn) -> str:
    tables: dict[str, object] = {}
    names = draw(st.lists(st.from_regex("[a-z][a-z0-9_-]{0,6}", fullmatch=True), min_size=1, max_size=3, unique=True))
    for name in names:
        own = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
        given_facts = {fact: draw(facts(fact)) for fact in own}
        columns = [str(fact["from"]) for fact in given_facts.values()]
        table: dict[str, object] = {
            "is": "Thing",
            "key": draw(st.sampled_from([columns[0], ["id"], ["id", columns[0]]])),
        }
        if draw(st.booleans()):
            table |= {"changed": "changed at", "deleted": "gone"}
        if draw(st.booleans()):
            table["valid"] = draw(st.sampled_from([{"from": "since"}, {"from": "since", "to": "until"}]))
        if draw(st.booleans()):
            table["fresh"] = draw(st.sampled_from(["90s", "15m", "4h", "30d", "2w", "999999s"]))
        if draw(st.booleans()):
            table["volume"] = draw(st.sampled_from([[1, None], [None, 9], [2, 2], [1, 5]]))
        table["facts"] = given_facts
        if draw(st.booleans()):
            target = draw(st.sampled_from([*(f"crm.{one}" for one in names), "hr.person"]))
            table["links"] = {"leads_to": {"to": target, "by": "leads to", "required": draw(st.booleans())}}
        if len(own) > 2 and ", " not in "".join(columns):
            table["depends"] = {own[0]: [columns[1]], f"{own[0]}, {own[1]}": [columns[2]]}
        tables[name] = table
    head = {"source": "crm", "department": draw(st.sampled_from(["sales", "R-D.1"])), "zone": "Europe/Berlin"}
    return write_yaml({**head, "connect": {"kind": "sql", "url": "${CRM_URL}"}, "tables": tables})


@settings(max_examples=12, deadline=None)
@given(descriptions())
def test_what_goes_out_is_valid_and_comes_back_whole(text: str) -> None:
    source = loaded(text)
    contract = to_odcs(source)
    assert [error.message for error in OFFICIAL.iter_errors(json_ready(plain(contract)))] == []
    again, found = from_odcs(contract)
    assert found == ()
    back = loaded(again)
    assert back.tables == source.tables
    assert (back.name, back.department, back.kind, back.connect, back.trust, back.zone) == (
        source.name, source.department, source.kind, source.connect, source.trust, source.zone
    )  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(descriptions())
def test_without_our_own_words_the_rules_of_columns_come_back_all_the_same(text: str) -> None:
    """As if another tool had kept the standard's words only."""
    source = loaded(text)
    stripped = json_ready(plain(to_odcs(source)))
    del stripped["customProperties"]
    for table in stripped["schema"]:
        del table["customProperties"]
        for one in table["properties"]:
            del one["customProperties"]
    again, _ = from_odcs(json.dumps(stripped))
    back = loaded(again)
    for name, table in source.tables.items():
        other = back.tables[name]
        assert (other.key, other.fresh_seconds, other.volume) == (table.key, table.fresh_seconds, table.volume)
        now = {fact.name: fact for fact in other.facts}
        for fact in table.facts:
            got = now[fact.name]
            assert (got.column, got.required, got.unique, got.pattern, got.one_of, got.low, got.high, got.see) == (
                fact.column, fact.required, fact.unique, fact.pattern, fact.one_of, fact.low, fact.high, fact.see
            )  # fmt: skip
            assert got.kind == {"money": "integer" if fact.minor else "decimal"}.get(fact.kind, fact.kind)
        assert {link.to.partition(".")[2] for link in other.links} == {
            link.to.partition(".")[2] for link in table.links
        }


FOREIGN = """
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.0.0
status: active
name: Sales Orders!
servers:
- {server: local, type: local, path: data/orders.csv, format: csv}
- {server: prod, type: postgres, host: db}
team: {name: us}
schema:
- name: order lines
  physicalName: tbl_orders
  properties:
  - {name: order_id, primaryKey: true, primaryKeyPosition: 2, logicalType: string}
  - {name: line, primaryKey: true, primaryKeyPosition: 1, logicalType: integer, required: true}
  - {name: e-mail, physicalName: EMAIL, logicalType: string, classification: Confidential,
     logicalTypeOptions: {pattern: '@'}}
  - {name: code, logicalType: string, logicalTypeOptions: {minLength: 2, maxLength: 4}}
  - {name: bad, logicalType: string, logicalTypeOptions: {pattern: '^(?!x).*$'}}
  - {name: alternatives, logicalType: string, logicalTypeOptions: {pattern: '^a|b$'}}
  - name: amount
    logicalType: number
    logicalTypeOptions: {minimum: 0, exclusiveMaximum: 500, multipleOf: 0.01}
    quality:
    - {metric: nullValues, mustBe: 0}
    - {metric: duplicateValues, mustBeLessThan: 3}
    - {type: sql, query: "select 1", mustBe: 0}
  - name: unit
    quality: [{metric: invalidValues, arguments: {validValues: [kg, 5]}, mustBe: 0}]
  - {name: day, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
  - {name: when, logicalType: timestamp, logicalTypeOptions: {format: EEE yyyy, timezone: true}}
  - {name: items, logicalType: array, items: {logicalType: string}}
  - {name: customer, logicalType: string, relationships: [{to: customers.id}]}
  - {name: clerk, logicalType: string, relationships: [{to: 'hr.yaml#/schema/person/properties/id'}]}
  - {name: store, logicalType: string}
  - {name: encrypted, encryptedName: other, transformLogic: x}
  - {name: line, logicalType: boolean}
  relationships:
  - {from: order lines.store, to: stores.id}
  - {from: [a, b], to: [c.a, c.b]}
  quality:
  - {metric: rowCount, mustBeGreaterThan: 9}
  - {metric: duplicateValues, mustBe: 0, arguments: {properties: [order_id, line]}}
- name: customers
  properties: [{name: id}]
- name: stores
  properties: [{name: id, primaryKey: true}, {name: town}]
slaProperties:
- {property: latency, value: 4, unit: h, element: order lines.when}
- {property: retention, value: 3, unit: y}
- {property: Freshness, value: 2, unit: days, element: stores}
"""


def test_a_contract_of_somebody_else() -> None:
    text, found = from_odcs(FOREIGN)
    value = plain(text)
    assert value["source"] == "Sales-Orders" and value["department"] == "imported"
    assert value["connect"] == {"kind": "csv", "path": "data/orders.csv"}
    table = value["tables"]["order-lines"]
    assert (table["is"], table["key"], table["fresh"]) == ("OrderLines", ["line", "order_id"], "14400s")
    assert table["volume"] == [10, None]
    facts = table["facts"]
    assert facts["e_mail"] == {"from": "EMAIL", "see": "confidential", "pattern": "[\\s\\S]*(?:@)[\\s\\S]*"}
    assert facts["code"] == {"pattern": "[\\s\\S]{2,4}"}
    assert facts["bad"] == {}
    assert facts["alternatives"] == {"pattern": "[\\s\\S]*(?:^a|b$)[\\s\\S]*"}
    assert facts["amount"] == {"kind": "decimal", "required": True, "range": [0, None]}
    assert facts["unit"] == {"one_of": ["kg", 5]}
    assert facts["day"] == {"kind": "date", "form": "%d/%m/%Y"}
    assert facts["when"] == {"kind": "moment"}
    assert facts["line_2"] == {"from": "line", "kind": "boolean"}
    assert table["links"] == {
        "customer": {"to": "Sales-Orders.customers", "by": "customer"},
        "clerk": {"to": "hr.person", "by": "clerk"},
        "store": {"to": "Sales-Orders.stores", "by": "store"},
    }
    assert value["tables"]["stores"]["fresh"] == "172800s"
    said = "\n".join(str(one) for one in found)
    for lost in (
        "no domain", "team", "server prod", "exclusiveMaximum", "multipleOf", "duplicateValues", "rule sql", "format",
        "type array", "encryptedName", "transformLogic", "several columns", "retention", "look-ahead",
        "e-mail is called", "line is called line_2", "customers: no primary key",
        "rows are taken to be of type OrderLines",
    ):  # fmt: skip
        assert lost in said, lost
    assert all(one.severity == "warning" and one.line > 0 for one in found)
    with pytest.raises(BadSource, match="key"):
        loaded(text)
    whole = loaded(
        text.replace("is: Customers,", "is: Customers, key: id,").replace("hr.person", "Sales-Orders.stores")
    )
    assert [fact.name for fact in whole.tables["order-lines"].facts][:3] == ["order_id", "line", "e_mail"]


def test_patterns_keep_their_meaning() -> None:
    """Theirs are searched for; ours must fit the whole text."""
    for theirs, fits, fails in (
        ("@", ["a@b", "@", "\n@"], ["", "ab"]),
        ("^a|b$", ["ax", "xb", "a", "b"], ["xa", "bx", "x"]),
        ("^[0-9]+$", ["12"], ["a12", "12\n", ""]),
        ("^(?:a|b)$", ["a", "b"], ["ab"]),
        ("b$", ["ab", "b"], ["ba"]),
    ):
        text, _ = from_odcs(
            json.dumps({
                "apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1", "domain": "d",
                "schema": [{"name": "t", "properties": [{"name": "c", "primaryKey": True, "logicalType": "string",
                                                         "logicalTypeOptions": {"pattern": theirs}}]}],
            })
        )  # fmt: skip
        from remit.knowledge.checked import Broken
        from remit.knowledge.contract import compile_contract

        table = loaded(text).tables["t"]
        contract = compile_contract(table, "UTC")
        contract.positions(["c"])
        for cell in fits:
            assert contract.read_cells([cell])[2] == [], (theirs, cell)
        for cell in fails:
            if cell:
                assert isinstance(contract.check([cell]), Broken), (theirs, cell)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("kind: DataContract\napiVersion: v3.1.0\n", "schema"),
        ("kind: DataContract\napiVersion: v2.2.0\nschema: [{name: a}]\n", "apiVersion"),
        ("a: &b [*b]", "anchors"),
        (FOREIGN.replace("name: order_id, primaryKey: true", "name: order_id, primaryKey: perhaps"), "primaryKey"),
    ],
)
def test_what_is_no_contract_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadSource, match=said):
        from_odcs(text)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**7), st.sampled_from(["", "a", "x.y", "#/", "0", "remit"])
)
KEYS = st.sampled_from(["value", "to", "kind"])
ODD = st.recursive(
    LEAVES, lambda of: st.one_of(st.lists(of, max_size=3), st.dictionaries(KEYS, of, max_size=2)), max_leaves=4
)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_stands_in_it_nothing_but_a_finding_comes_of_it(data: st.DataObject) -> None:
    contract = json_ready(plain(FOREIGN)) if data.draw(st.booleans()) else json_ready(plain(to_odcs(loaded(OURS))))
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = contract
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and data.draw(st.integers(0, 3)):
                at = at[key]
                continue
            at[key] = data.draw(ODD)
            break
    try:
        text, _ = from_odcs(json.dumps(contract))
        loaded(text)
    except BadSource:
        pass


OURS = """
source: crm
department: sales
connect: {kind: sql, url: "${CRM_URL}"}
tables:
  account:
    is: Customer
    key: [id, city]
    changed: at
    valid: {from: since}
    fresh: 4h
    volume: [1, 9]
    facts: {city: {pattern: "[a-z]+"}, arr: {kind: money USD, range: [0, 5]}, tier: {one_of: [a, b]}}
    depends: {city: [tier]}
    links: {parent: {to: crm.account, by: parent}}
"""


def test_what_somebody_changed_in_their_words_counts() -> None:
    contract = json_ready(plain(to_odcs(loaded(OURS))))
    properties = {one["name"]: one for one in contract["schema"][0]["properties"]}
    properties["arr"]["logicalType"] = "integer"
    properties["tier"] |= {"required": True, "classification": "pii"}
    contract["slaProperties"][0] |= {"value": 2, "unit": "d"}
    table = loaded(from_odcs(json.dumps(contract))[0]).tables["account"]
    facts = {fact.name: fact for fact in table.facts}
    assert facts["arr"].kind == "integer" and facts["tier"].required and facts["tier"].see == "pii"
    assert table.fresh_seconds == 172_800
