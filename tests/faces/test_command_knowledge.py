"""A new department by one file: check, audit, load, and an agent sees it within its scope, without a line of code."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.faces.stage import Remit

from remit.app import open_company
from remit.faces.api import build_api

SOURCE = """\
source: care
department: support
connect: {kind: csv, path: %s}
tables:
  customer:
    is: Customer
    key: id
    fresh: 30d
    volume: [1, 100]
    facts:
      name: {required: true, match: name}
      city: {match: text}
      mail: {match: exact, see: pii, pattern: ".+@.+"}
      tier: {one_of: [gold, silver]}
"""
ROWS = """\
id,name,city,mail,tier
C1,Acme Clinics,Lagos,a@acme.example,gold
C2,Good Hope,Accra,,tin
C3,Good Hope,Accra,g@hope.example,silver
"""


@pytest.fixture
def rows(company: Path, tmp_path: Path) -> Path:
    """The new department's file, and its description in a company that runs."""
    path = tmp_path / "customers.csv"
    path.write_text(ROWS)
    (company / "sources").mkdir()
    (company / "sources" / "care.yaml").write_text(SOURCE % path)
    manifest = company / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace("actions:\n", "knowledge: {see: [support/internal]}\nactions:\n", 1)
    manifest.write_text(text)
    return path


def test_a_new_department_takes_one_file(remit: Remit, rows: Path, company: Path) -> None:
    assert len((company / "sources" / "care.yaml").read_text().splitlines()) <= 25
    ran = remit("check")
    assert ran.code == 0 and "1 source: 0 errors" in ran.out
    ran = remit("load")
    assert ran.code == 0 and "3 read, 2 new, 1 bad" in ran.out
    seen = remit("context", "refund-desk", "Customer/C1", "--json").json
    assert {fact["name"]: fact["value"] for fact in seen["facts"]} == {
        "name": "Acme Clinics",
        "city": "Lagos",
        "tier": "gold",
    }
    everything = remit("graph", "Customer/C1", "--json").json
    assert {fact["name"] for fact in everything["facts"]} == {
        "name",
        "city",
        "mail",
        "tier",
    }  # mail is not in its scope
    again = remit("replay", seen["digest"][:12])
    assert again.code == 0 and json.loads(again.out.splitlines()[0]) == seen
    assert remit("replay").out.startswith("1 receipt: 1 the same")


def test_sources_say_how_old_they_are(remit: Remit, rows: Path) -> None:
    remit("load", "care.customer")
    (state,) = remit("sources", "--json").json
    assert (state["dataset"], state["last"], state["records"], state["held"]) == ("care.customer", "ok", 2, 1)
    assert state["stale"] is False and state["age_seconds"] < 600
    assert "never loaded" not in remit("sources").out


def test_what_is_held_back_can_be_put_right(remit: Remit, rows: Path) -> None:
    remit("load")
    assert "one_of" in remit("quarantine").out
    shown = remit("quarantine", "show", "1")
    assert "tier = tin" in shown.out and "customers.csv:3" in shown.out
    assert remit("quarantine", "release", "1", "--set", "tier=tin").code == 2
    ran = remit("quarantine", "release", "1", "--set", "tier=gold", "--why", "a typo")
    assert ran.code == 0 and "1 new" in ran.out
    assert remit("quarantine").out == "nothing is held back\n"
    facts = remit("graph", "Customer/C2", "--json").json["facts"]
    assert "released" in next(fact for fact in facts if fact["name"] == "tier")["flags"]
    assert remit("quarantine", "drop", "1", "--why", "late").code == 2
    assert remit("quarantine", "drop").code == 2


def test_an_audit_says_what_is_wrong_where(remit: Remit, rows: Path, tmp_path: Path) -> None:
    ran = remit("audit", "--page", str(tmp_path / "audit.html"))
    assert ran.code == 0
    assert "fault one_of     tier: 1 of 3" in ran.out
    assert "customers.csv:3" in ran.out
    page = (tmp_path / "audit.html").read_text()
    assert page.startswith("<!doctype html>") and "<script" not in page and "care.customer" in page
    assert remit("audit", "--strict").code == 2
    assert remit("sources", "--json").json[0]["last"] == "never loaded"  # an audit writes nothing
    table = remit("audit", "care.customer", "--json").json["tables"][0]
    assert (table["rows"], table["sound"]) == (3, 2)


def test_an_audit_looks_at_all_that_is_named_once(remit: Remit, rows: Path, company: Path) -> None:
    second = "  shop: {is: Shop, key: id, facts: {name: name}}\n  town: {is: Town, key: id, facts: {city: city}}\n"
    source = company / "sources" / "care.yaml"
    source.write_text(source.read_text() + second)

    def audited(*names: str) -> list[str]:
        return [table["dataset"] for table in remit("audit", *names, "--json").json["tables"]]

    assert audited("care.shop") == ["care.shop"]
    assert audited("care.town", "care.shop", "care.town") == ["care.town", "care.shop"]
    everything = {"care.customer", "care.shop", "care.town"}
    for names in ((), ("care",), ("care", "care.shop"), ("care.shop", "care")):
        found = audited(*names)
        assert (len(found), set(found)) == (3, everything), names
    assert remit("audit", "care", "care.none").code == 2


def test_numbers_with_a_decimal_comma(remit: Remit, rows: Path, company: Path) -> None:
    rows.write_text('id;rate;price\nR1;0,25;"1.234,50"\nR2;1,5;12\n')
    source = company / "sources" / "care.yaml"
    head = source.read_text().partition("tables:")[0]
    kinds = "{rate: {kind: decimal}, price: {kind: money EUR}}"
    source.write_text(f'{head}tables:\n  tariff: {{is: Tariff, key: id, decimal: ",", facts: {kinds}}}\n')
    assert "2 read, 2 new" in remit("load").out
    facts = remit("graph", "Tariff/R1", "--json").json["facts"]
    assert {fact["name"]: fact["value"] for fact in facts} == {"rate": "0.25", "price": 123_450}


def test_records_that_are_one_are_found_and_can_be_parted_again(remit: Remit, rows: Path) -> None:
    people = [f"{place} {kind}" for place in ("North", "South", "East", "West", "Lake") for kind in ("Clinic", "Store")]
    lines = [f"D{at},{name} {at % 7},City{at % 5},d{at}@x.example,gold" for at, name in enumerate(people * 3)]
    twins = [line.replace("D", "E", 1).replace("Clinic", "Clinik") for line in lines[:6]]
    rows.write_text("\n".join(["id,name,city,mail,tier", *lines, *twins]) + "\n")
    remit("load")
    (found,) = remit("resolve", "--json").json
    assert found["records"] == 36 and found["entities"] < 36
    merged = remit("log", "--kind", "entity.merged", "--json").json
    assert merged
    ran = remit("resolve", "--undo", str(merged[0]["seq"]), "--why", "they are two")
    assert ran.code == 0
    (again,) = remit("resolve", "--json").json
    assert again["entities"] == found["entities"] + 1  # a person's word is not overruled


def test_search_lineage_and_erasure(remit: Remit, rows: Path) -> None:
    remit("load")
    assert "Acme Clinics" in remit("search", "acme").out
    assert "a@acme.example" in remit("search", "a@acme.example").out
    assert "a@acme.example" not in remit("search", "a@acme.example", "--agent", "refund-desk").out
    facts = remit("graph", "Customer/C1", "--json").json["facts"]
    told = remit("lineage", facts[0]["id"])
    assert told.code == 0 and "brought by load 1 (full)" in told.out
    assert remit("lineage", "f9999").code == 2
    seen = remit("context", "refund-desk", "Customer/C1", "--json").json
    assert remit("erase", "entity:Customer/C1", "--why", "asked to").code == 0
    ran = remit("replay", seen["digest"])
    assert ran.code == 0 and "Acme" not in ran.out and "same, erased" in ran.out
    ran = remit("verify")
    assert (
        ran.code == 0 and ran.out.endswith("holds\n") and "2 of them with values erased" in ran.out
    )  # a search is shown too
    assert remit("graph", "Customer/C1").code == 2


def test_an_edit_in_place_is_found_with_the_receipts_it_touches(remit: Remit, rows: Path, company: Path) -> None:
    remit("load")
    first = remit("context", "refund-desk", "Customer/C1", "--json").json
    remit("context", "refund-desk", "Customer/C3", "--json")
    fact = next(fact for fact in first["facts"] if fact["name"] == "tier")
    with sqlite3.connect(company / ".remit" / "store.db") as store:
        store.execute("update fact set value = '\"silver\"' where fid = ?", (int(fact["id"][1:]),))
    store.close()
    ran = remit("verify", "--json")
    assert ran.code == 1
    assert ran.json["knowledge"]["edited"] == [fact["id"]]
    assert ran.json["knowledge"]["receipts"] == [first["digest"]]
    ran = remit("replay")
    assert ran.code == 1 and f"differs  {first['digest']}" in ran.out


def test_a_load_that_fails_says_so_and_the_rest_is_loaded(
    remit: Remit, rows: Path, company: Path, tmp_path: Path
) -> None:
    (company / "sources" / "gone.yaml").write_text((SOURCE % (tmp_path / "gone.csv")).replace("care", "gone"))
    ran = remit("load", "--openlineage", str(tmp_path / "events.jsonl"))
    assert ran.code == 1
    assert "care.customer" in ran.out and "gone.customer" in ran.out and "failed" in ran.out
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE", "START", "FAIL"]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("kind: csv", "kind: cvs", 3, "did you mean 'csv'"),
        ("required: true", "requird: true", 11, "did you mean 'required'"),
        ("is: Customer", "is: 7", 6, "is"),
        ("fresh: 30d", "fresh: soon", 8, "fresh"),
        ("match: name", "match: names", 11, "match"),
        ("department: support\n", "", 1, "department"),
    ],
)
def test_a_bad_description_is_named_by_line(
    remit: Remit, rows: Path, company: Path, old: str, new: str, line: int, words: str
) -> None:
    file = company / "sources" / "care.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    ran = remit("check")
    assert ran.code == 2
    assert any(f"care.yaml:{line}:" in one and words in one for one in (ran.out + ran.err).splitlines()), ran
    assert remit("load").code == 2


def test_needs_that_no_source_meets_are_found_before_anybody_is_denied(remit: Remit, rows: Path, company: Path) -> None:
    manifest = company / "agents" / "refund-desk.yaml"
    fact = '      tier: {about: "Custmer/$order", get: tier, type: text}\n'
    manifest.write_text(manifest.read_text().replace("    facts:\n", "    facts:\n" + fact))
    ran = remit("check")
    assert ran.code == 2 and "did you mean 'Customer'" in ran.out + ran.err


def test_a_cliff_needs_cases_on_both_sides(remit: Remit) -> None:
    assert remit("cliff", "refund-desk", "--before", "2026-01-01").code == 2  # nothing was met yet
    assert remit("cliff", "nobody", "--before", "2026-01-01").code == 2


def test_an_agent_over_http_is_handed_its_context_and_proposes_with_the_receipt(
    remit: Remit, rows: Path, company: Path
) -> None:
    remit("load")
    with open_company(company, "test") as control, TestClient(build_api(control), base_url="http://127.0.0.1") as api:
        token = (company / ".remit" / "api.token").read_text().strip()
        api.headers["Authorization"] = f"Bearer {token}"
        answer = api.get("/v1/context", params={"agent": "refund-desk", "entity": "Customer/C1"})
        assert answer.status_code == 200
        seen = answer.json()
        assert {fact["name"] for fact in seen["facts"]} == {"name", "city", "tier"}
        assert control.knowledge.replay(seen["digest"]).state == "same"
        assert api.get("/v1/context", params={"agent": "refund-desk", "entity": "Customer/C9"}).status_code == 404
        assert api.get("/v1/context", params={"agent": "nobody", "entity": "Customer/C1"}).status_code == 422
        assert api.post("/v1/sources/care/events", content=b"{}").status_code == 404  # a file takes no events


def test_search_by_meaning_as_a_person_types_it(remit: Remit, rows: Path, company: Path) -> None:
    remit("load")
    found = remit("search", "--near", "good clinics", "--agent", "refund-desk", "--json").json
    assert {fact["value"] for fact in found["facts"]} == {"Acme Clinics", "Good Hope"}
    assert remit("replay", found["digest"]).code == 0
    assert remit("search", "zebra", "--near").out == "nothing is found that may be seen\n"
