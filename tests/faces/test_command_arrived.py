"""`remit load` compares what is new with what is known, once `remit resolve` has trained a model."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.faces.stage import Remit
from tests.knowledge.generated_people import Person, people
from tests.knowledge.people_world import doubtful_person

from remit.app import open_company

SOURCE = """\
source: {name}
department: support
connect: {{kind: csv, path: {path}}}
tables:
  person:
    is: Person
    key: id
    facts:
      first: {{match: name}}
      last: {{match: name}}
      born: {{match: date}}
      zip: {{match: postcode}}
      email: {{match: exact}}
"""
STEWARD = """\
agent: steward
purpose: Ask whether two records are one
owner: ada.owner
deputy: ben.deputy
department: support
built_by: []
runs: {model: none-yet}
success: nobody parts them again
escalation:
  - {role: supervisor, within: 4h}
  - {role: owner, within: 1d}
actions:
  entity.merge:
    system: remit
    arguments:
      type: object
      required: [left, right, score_bp, why]
      properties:
        left: {type: string, maxLength: 20}
        right: {type: string, maxLength: 20}
        score_bp: {type: integer, minimum: 0, maximum: 10000}
        why: {type: string, maxLength: 1000}
    oversight: in_the_loop
    ask: supervisor
    irreversible: false
"""
PERMIT = """\
@id("merging") @reason("the steward may ask")
permit (principal == Remit::Agent::"steward", action == Remit::Action::"entity.merge", resource);
"""
COLUMNS = ("id", "first", "last", "born", "zip", "email")


def write(path: Path, rows: list[Person]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows({"id": f"P{place}", **row} for place, row in enumerate(rows))


def trained(remit: Remit, company: Path, place: Path) -> list[Person]:
    """Load and resolve people of two sources; return what the first has."""
    rows, _ = people(120, doubled=0.5, seed=4, wrong=0.1)
    (company / "sources").mkdir()
    for name, some in (("crm", rows[::2]), ("erp", rows[1::2])):
        (company / "sources" / f"{name}.yaml").write_text(SOURCE.format(name=name, path=place / f"{name}.csv"))
        write(place / f"{name}.csv", some)
    for report in remit("load", "--json").json:
        assert (report["state"], report["arrived"]) == ("ok", None)  # no model was trained yet
    (resolved,) = remit("resolve", "--json").json
    assert resolved["lane"] == "fields"
    return rows


def test_new_records_are_compared_as_they_are_loaded(remit: Remit, company: Path, tmp_path: Path) -> None:
    rows = trained(remit, company, tmp_path)
    person = next(row for row in rows if all(row[name] for name in COLUMNS[1:]))
    write(tmp_path / "crm.csv", [*rows[::2], person])
    (report,) = remit("load", "crm", "--json").json
    assert report["counts"]["new"] == 1
    assert report["arrived"] == {"indexed": 1, "joined": 1, "left": 0, "doubtful": 0, "proposed": 0}
    (merged,) = remit("log", "--kind", "entity.merged", "--limit", "1", "--json").json
    assert (merged["data"]["why"], len(merged["data"]["moves"])) == ("arrival", 1)
    write(tmp_path / "erp.csv", [*rows[1::2], person])
    assert "1 joined to what was known, 0 doubtful" in remit("load", "erp").out
    (report,) = remit("load", "erp", "--json").json
    assert report["arrived"] is None  # nothing was new


def test_a_doubtful_record_becomes_a_question_and_an_approved_question_one_entity(
    remit: Remit, company: Path, tmp_path: Path
) -> None:
    (company / "agents" / "steward.yaml").write_text(STEWARD)
    (company / "policies" / "steward.cedar").write_text(PERMIT)
    rows = trained(remit, company, tmp_path)
    with open_company(company, "test") as control:
        person, other = doubtful_person(control.store, rows)
    write(tmp_path / "crm.csv", [*rows[::2], person])
    ran = remit("load", "crm", "--propose", "steward", "--json")
    (report,) = ran.json
    assert (report["arrived"]["doubtful"], report["arrived"]["proposed"]) == (1, 1)
    (question,) = remit("approvals", "--json").json
    assert remit("approvals", "approve", question["action"], "--role", "supervisor").code == 0
    assert remit("worker", "--until-idle").code == 0
    (merged,) = remit("log", "--kind", "entity.merged", "--limit", "1", "--json").json
    assert (merged["actor"], merged["data"]["how"]) == (f"action:{question['action']}", "approved")
    assert other.rid in {place for move in merged["data"]["moves"] for place in move}
