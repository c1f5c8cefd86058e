"""The billing story: every step technically right, one input stale, with the freshness rule and without it.

python -m examples.billing.demo [--dir D] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from remit.app import Control, open_company
from remit.errors import RemitError

from .office import INVOICES, NEW_RATES, OLD_RATES, Office

__all__ = ["Run", "main", "play"]

AGENT: Final = "billing-care"
STEPS: Final = ("invoice.correct", "payment.adjust", "ledger.post", "customer.notify")
ANOMALY_FACTOR: Final = 3
MONDAY: Final = datetime(2026, 3, 2, 7, tzinfo=UTC)
TEMPLATE: Final = Path(__file__).parent / "company"


@dataclass(slots=True)
class Run:
    """What one run came to, by the systems' own records. Money is cents of EUR."""

    rule: bool
    stopped: list[str] = field(default_factory=list)
    corrected: dict[str, int] = field(default_factory=dict)
    right: bool = False
    overcharged_minor: int = 0
    complaint: str = ""
    stale_fact: str = ""
    stale_record: str = ""
    stale_value: int = 0
    true_value: int = 0
    stale_age_hours: int = 0
    rests_on_it: list[str] = field(default_factory=list)
    cases_on_it: list[str] = field(default_factory=list)
    events: int = 0
    holds: bool = False


def play(folder: Path, *, rule: bool) -> Run:
    """Play the story in the new ``folder``, with the freshness rule or without it."""
    home = folder / "company"
    shutil.copytree(TEMPLATE, home)
    if not rule:
        manifest = home / "agents" / "billing-care.yaml"
        manifest.write_text(re.sub(r", fresh: 24h(, stale: refresh)?", "", manifest.read_text()))
    office = Office(folder / "systems")
    os.environ.update(office.environment)
    run = Run(rule)
    with open_company(home, "demo") as control:
        _monday(control, office)
        control.set_now(MONDAY + timedelta(days=2))  # Wednesday: Tuesday's export broke off, and so did tonight's
        _correct(control, run)
        run.corrected = office.amounts("letter")
        run.right = all(
            office.amounts(table).get(name) == amount
            for table in ("invoice", "payment", "entry", "letter")
            for name, amount in _due().items()
        )
        paid, due = office.amounts("payment"), _due()
        run.overcharged_minor = sum(amount - due[name] for name, amount in paid.items())
        if not run.right:
            _complaint(control, office, run)
        report = control.verify()
        run.events, run.holds = report.size, not report.problems
    return run


def _monday(control: Control, office: Office) -> None:
    """All is well on Monday. On Tuesday K-7 gets a better rate, and the export that would say so breaks off."""
    control.set_now(MONDAY)
    for source, table in (("contracts", "contract"), ("billing", "invoice")):
        assert control.desk and control.knowledge.load(source, table).state == "ok"
    control.set_now(MONDAY + timedelta(days=1))
    office.break_export()
    control.knowledge.load("contracts", "contract")
    control.set_now(MONDAY + timedelta(days=2) - timedelta(hours=1))
    control.knowledge.load("billing", "invoice")
    office.export(NEW_RATES)  # somebody mended the export; nobody has loaded it yet


def _due() -> dict[str, int]:
    """What each wrong invoice should come to."""
    return {name: quantity * NEW_RATES[contract] for name, contract, quantity, _ in _wrong(OLD_RATES)}


def _wrong(rates: dict[str, int]) -> list[tuple[str, str, int, int]]:
    """The anomaly: an invoice of more than three times quantity times rate."""
    return [row for row in INVOICES if row[3] > ANOMALY_FACTOR * row[2] * rates[row[1]]]


def _correct(control: Control, run: Run) -> None:
    for name, contract in _anomalies(control):
        for step in STEPS:
            for _ in range(2):  # what the gate denies, the agent looks at again, once
                facts = _facts(control, name, contract)
                arguments = {"invoice": name, "contract": contract, "amount_minor": facts[0] * facts[1]}
                journey = control.propose(AGENT, step, name, arguments, "0.97", [f"rate {facts[0]} x {facts[1]}"])
                if journey.progress == "finished":
                    break
                denied = [check for check in journey.decided["decision"]["checks"] if check["verdict"] == "deny"]
                run.stopped.append(f"{name} {step}: {denied[0]['rule']}: {denied[0]['reason']}")


def _anomalies(control: Control) -> list[tuple[str, str]]:
    """Ask the graph: which invoices are far beyond what their contract says?"""
    found = []
    for row in INVOICES:
        context = control.knowledge.context(AGENT, f"Invoice/{row[0]}").as_json()
        values = {fact["name"]: fact["value"] for fact in context["facts"]}
        if values["amount"] > ANOMALY_FACTOR * values["quantity"] * values["rate_minor"]:
            contract = next(link["to_record"] for link in context["links"] if link["name"] == "under")
            found.append((row[0], contract.partition("/")[2]))
    return found


def _facts(control: Control, invoice: str, contract: str) -> tuple[int, int]:
    """What the agent sees as it proposes: the rate and the quantity, from its context."""
    context = control.knowledge.context(AGENT, f"Invoice/{invoice}").as_json()
    values = {fact["name"]: fact["value"] for fact in context["facts"]}
    return int(values["rate_minor"]), int(values["quantity"])


def _complaint(control: Control, office: Office, run: Run) -> None:
    """Three days later a customer complains; the case leads to the fact, the fact to everything that rests on it."""
    control.set_now(MONDAY + timedelta(days=5))
    office.complain("T-1", "I-1003")
    control.knowledge.load("tickets", "ticket")
    run.complaint = "I-1003"
    decided = next(
        event.event.data for event in reversed(control.log(200, case="I-1003", kind="action.decided"))
        if event.event.data["decision"]["verdict"] == "allow"  # type: ignore[index,call-overload]
    )  # fmt: skip
    rested: list[dict[str, Any]] = decided["facts"]  # type: ignore[assignment]
    control.knowledge.load("contracts", "contract")  # what does the source say today?
    for fact in rested:
        lineage = control.knowledge.lineage(fact["id"])
        if lineage.fact.until is None:
            continue  # the source still says so
        at = datetime.fromisoformat(decided["standing"]["now"])  # type: ignore[index,arg-type,call-overload]
        observed = datetime.fromisoformat(fact["observed_at"])
        run.stale_fact, run.stale_record = lineage.fact.id, f"{lineage.fact.record} {lineage.fact.name}"
        run.stale_value, run.stale_age_hours = (
            int(str(lineage.fact.value)),
            int((at - observed).total_seconds() // 3600),
        )
        newer = control.knowledge.lineage(f"f{max(lineage.values)}")
        run.true_value = int(str(newer.fact.value))
        uses = [use for use in lineage.uses if use.kind == "decision" and use.how == "fact"]
        run.rests_on_it = [use.digest for use in uses]
        run.cases_on_it = sorted({use.case for use in uses})


def _print(with_rule: Run, without: Run, folder: Path) -> None:
    line = "{:<34} {:>22}  {:>22}".format
    print(line("", "with the freshness rule", "with it switched off"))
    print(line("invoices corrected", str(len(with_rule.corrected)), str(len(without.corrected))))
    print(line("actions stopped first", str(len(with_rule.stopped)), str(len(without.stopped))))
    print(
        line("billing, payment, ledger, letter", *("right" if run.right else "WRONG" for run in (with_rule, without)))
    )
    over = [f"{run.overcharged_minor / 100:,.2f} EUR" for run in (with_rule, without)]
    print(line("customers charged too much", *over))
    print(
        line(
            "ledger", *(f"{run.events:,} events, {'holds' if run.holds else 'BROKEN'}" for run in (with_rule, without))
        )
    )
    print("\nWith the rule:")
    for stopped in with_rule.stopped[:2]:
        print(f"  stopped  {stopped}")
    print("\nWithout it, three days later a customer complains about", without.complaint)
    print(
        f"  the fact  {without.stale_fact}: {without.stale_record} = {without.stale_value}, {without.stale_age_hours} h"
        f" old when it was decided; its source says {without.true_value}"
    )
    cases = f"{len(without.cases_on_it)} cases: {', '.join(without.cases_on_it)}"
    print(f"  on it rest {len(without.rests_on_it)} decisions in {cases}")
    installed = os.path.relpath(Path(sys.prefix) / "bin" / "remit")
    remit = "remit" if installed.startswith("..") else installed
    company = os.path.relpath(folder / "without-rule" / "company")
    print("\nLook next:")
    print(f"  {remit} --company {company} lineage {without.complaint}")
    print(f"  {remit} --company {company} lineage {without.stale_fact}")
    print(f"  {remit} --company {company} explain {without.complaint}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="remit demo billing", description="Play the billing story, twice.")
    parser.add_argument("--dir", type=Path, default=Path("billing-demo"), help="where it lives (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print both runs as JSON")
    options = parser.parse_args(arguments)
    folder = options.dir.resolve()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        runs = play(folder / "with-rule", rule=True), play(folder / "without-rule", rule=False)
    except RemitError as error:
        print(f"{error}\n{error.advice}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps([asdict(run) for run in runs], indent=2))
    else:
        _print(*runs, folder)
    return 0 if runs[0].right and not runs[1].right and all(run.holds for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
