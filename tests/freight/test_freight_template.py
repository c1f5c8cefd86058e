"""The company's folder is taken as written, and its numbers are what its README says they are."""

from __future__ import annotations

from collections import Counter
from datetime import date

from examples.freight.company import TEMPLATE
from examples.freight.prices import MODES
from examples.freight.story import CUT_DAY, Shipment, story_shipments

from remit.app import run_policy_cases
from remit.connectors.systems import load_systems
from remit.document import read_document
from remit.knowledge.graph_needs import need_findings
from remit.knowledge.source_file import load_source_files
from remit.manifest.company import load_company
from remit.manifest.load import load_manifest
from remit.manifest.people import load_people

MANIFEST = TEMPLATE / "agents" / "carrier-choice.yaml"


def test_the_manifest_grants_booking_and_not_contracts() -> None:
    manifest = load_manifest(MANIFEST)
    assert set(manifest.actions) == {"booking.create", "booking.cancel"}
    document, findings = read_document(MANIFEST, {})
    assert findings == ()
    assert document is not None
    modes = document.value["actions"]["booking.create"]["arguments"]["properties"]["mode"]["enum"]
    assert tuple(modes) == MODES


def test_company_people_and_systems_load() -> None:
    assert load_company(TEMPLATE).clock == "story"
    assert load_people(TEMPLATE / "people.yaml").holds("fin.okafor", "finance", "logistics")
    assert set(load_systems(TEMPLATE / "systems")) == {"carrier"}  # what is written to; the rest are sources


def test_the_cases_are_of_this_manifest() -> None:
    document, findings = read_document(TEMPLATE / "policies" / "freight.cases.yaml", {})
    assert findings == ()
    assert document is not None
    cases = document.value["cases"]
    assert len({case["name"] for case in cases}) == len(cases) >= 12
    assert {case["expect"]["verdict"] for case in cases} == {"allow", "escalate", "deny"}
    policy = (TEMPLATE / "policies" / "freight.cedar").read_text()
    for case in cases:
        assert "rule" not in case["expect"] or f'@id("{case["expect"]["rule"]}")' in policy


def test_every_source_fits_in_a_page_and_every_fact_has_one() -> None:
    sources = load_source_files(TEMPLATE / "sources")
    assert len(sources) == 10
    assert len({source.department for source in sources.values()}) == 7
    assert {source.kind for source in sources.values()} == {
        "rest",
        "sql",
        "csv",
        "fixed",
        "jsonl",
        "parquet",
        "mailbox",
    }
    for path in (TEMPLATE / "sources").glob("*.yaml"):
        assert len(path.read_text().splitlines()) <= 25, path
    assert need_findings(load_manifest(MANIFEST), sources) == ()
    assert {need.system for need in load_manifest(MANIFEST).actions["booking.create"].facts} == {
        ""
    }  # none but the graph


def test_before_the_cut_the_bills_were_as_the_readme_says(shipments: tuple[Shipment, ...]) -> None:
    bills = [s.delivery.freight.value for s in shipments if s.delivery.recorded < CUT_DAY]
    known = [bill for bill in bills if bill is not None]

    def share(over: int) -> tuple[int, int]:
        high = [bill for bill in known if bill > over]
        return round(100 * len(high) / len(known)), round(100 * sum(high) / sum(known))

    assert share(1_000_000) == (25, 67)
    assert share(5_000_000) == (1, 11)


def test_no_day_is_near_the_limits(shipments: tuple[Shipment, ...]) -> None:
    days: Counter[date] = Counter(shipment.order.booked_on for shipment in story_shipments(shipments))
    assert max(days.values()) < 100


def test_its_policy_cases_come_out_as_written() -> None:
    report = run_policy_cases(TEMPLATE)
    assert report.findings == ()
    assert [case.name for case in report.results if not case.passed] == []
    assert len(report.results) >= 12
