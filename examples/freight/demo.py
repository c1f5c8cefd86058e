"""The freight story: ten systems, one agent, three people, and remit between them.

    python -m examples.freight.demo [--dir D] [--orders N] [--json]

Run again it goes on where it was; nothing is booked twice. Killed at any moment and started again, the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from remit.app import Control, open_company
from remit.errors import RemitError
from remit.vocabulary import Outcome

from .agent import AGENT, CarrierChoice, Proposal
from .autonomy import autonomy_lines, would_have_earned
from .company import TEMPLATE, Company, start_company
from .market import LiveMarket
from .model import FreightModel
from .outcomes import judge
from .people import word_on
from .story import CUT_DAY, Order, Shipment, read_shipments, story_shipments

__all__ = ["Summary", "main", "play"]

AT_ONCE: Final = 16
LOADED_EVERY_DAYS: Final = {
    "erp.order": 1, "safety.hold": 1, "contracts.term": 30, "billing.customer": 365,
    "billing.invoice": 365, "crm.account": 365, "hr.person": 365, "tickets.ticket": 365, "mail.message": 365,
    "warehouse.stock": 365,
}  # fmt: skip
"""How often each table is loaded, at least; what an action finds stale is loaded again besides."""


@dataclass(slots=True)
class Summary:
    """What the story came to. Money is US cents."""

    orders: int = 0
    proposals: int = 0
    allowed: int = 0
    escalated: int = 0
    denied: int = 0
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    approved: int = 0
    rejected: int = 0
    expired: int = 0
    finished: int = 0
    failed: int = 0
    right: int = 0
    wrong: int = 0
    unknown: int = 0
    spent_minor: int = 0
    cap_minor: int = 0
    budgets_refusing: int = 0
    loads: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    uncertain: int = 0
    events: int = 0
    root: str = ""
    holds: bool = False
    problems: list[str] = field(default_factory=list)
    carrier: dict[str, Any] = field(default_factory=dict)
    seconds: int = 0


class Story:
    """One run of the story on a company that is open."""

    def __init__(self, company: Company, control: Control, agent: CarrierChoice, shipments: Sequence[Shipment]):
        self._company, self._control, self._agent = company, control, agent
        self._shipments = {shipment.order.id: shipment for shipment in shipments}
        self._by_day: dict[date, list[Order]] = {}
        for shipment in shipments:
            self._by_day.setdefault(shipment.order.booked_on, []).append(shipment.order)
        self._matures: list[tuple[date, str, str]] = []
        self._loaded: dict[str, date] = {}
        self.denials: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()

    def begin(self) -> None:
        """Take up what an earlier run left: bookings whose outcome is not on record yet."""
        known = {event.event.action for event in self._control.log(10_000_000, kind="outcome.recorded")}
        for event in self._control.log(10_000_000, kind="action.finished"):
            if event.event.action not in known:
                self._await_outcome(event.event.action)

    def day(self, day: date) -> int:
        """Play one day: the agent proposes for each order, people answer, outcomes come in; return the orders seen."""
        self._company.advance(day)
        self._control.set_now(datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12))
        self._load(day)
        orders = self._by_day.get(day, [])
        for batch in _in_parts(orders, AT_ONCE):
            self._propose(batch)
        self._answer()
        self._outcomes(day)
        return len(orders)

    def _load(self, day: date) -> None:
        """Load what the day brings: orders and holds each day, the others as often as a company would."""
        for name, days in LOADED_EVERY_DAYS.items():
            last = self._loaded.get(name)
            if last is None or (day - last).days >= days:
                self._load_table(name, day)
        # Budgets are set on the first of a month; finance brings the late ones on the 11th.
        last = self._loaded.get("finance.budget", date.min)
        if (last.year, last.month, last.day >= 11) != (day.year, day.month, day.day >= 11):
            self._load_table("finance.budget", day)

    def _load_table(self, name: str, day: date) -> None:
        source, _, table = name.partition(".")
        report = self._control.knowledge.load(source, table)
        self.loads[report.state] += 1
        self.loads["facts"] += report.counts["facts"]
        self.loads["held back"] += report.counts["bad"]
        self._loaded[name] = day

    def _propose(self, orders: Sequence[Order]) -> None:
        proposals = [proposal for order in orders for proposal in self._agent.propose(order)]
        waiting: list[tuple[Proposal, Future[Any]]] = []
        for proposal in proposals:
            action = self._control.action(
                AGENT, proposal.action, proposal.order.id, dict(proposal.arguments), proposal.confidence_bp / 10_000,
                proposal.reasons,
            )  # fmt: skip
            waiting.append((proposal, self._control.submit_proposal(action)))
        for _proposal, future in waiting:
            journey = future.result()
            if journey.progress == "finished":
                self._await_outcome(journey.action)

    def _answer(self) -> None:
        for item in self._control.inbox():
            if item.waits_for != "approval":
                continue
            journey = self._control.journey(item.action)
            word = word_on(
                item.case,
                tuple(role.partition(" ")[0] for role in item.roles),
                item.number,
                {**journey.decided, "facts": self._control.facts(journey)},
            )
            if word is None:
                continue
            if word.approve:
                self._control.approve(item.action, word.person, word.role, word.why, word.seconds)
            else:
                self._control.reject(item.action, word.person, word.why, word.role, word.seconds)
        approved = self._control.ready()
        if approved:
            self._control.work()
        for digest in approved:
            if self._control.journey(digest).progress == "finished":
                self._await_outcome(digest)

    def _await_outcome(self, digest: str) -> None:
        journey = self._control.journey(digest)
        action = journey.decided["action"]
        if action["name"] != "booking.create":
            return
        judgement = self._judge(action)
        self._matures.append((judgement.matured_on, action["case"], digest))

    def _judge(self, action: dict[str, Any]) -> Any:
        arguments = action["arguments"]
        return judge(self._shipments[action["case"]], arguments["mode"], arguments["expected_cost_minor"])

    def _outcomes(self, day: date) -> None:
        due = sorted(item for item in self._matures if item[0] <= day)
        self._matures = [item for item in self._matures if item[0] > day]
        for matured_on, case, digest in due:
            judgement = self._judge(self._control.journey(digest).decided["action"])
            self._control.record_outcome(
                Outcome(
                    case, digest, judgement.right, "delivery-records",
                    datetime.combine(matured_on, datetime.min.time(), UTC),
                    {"cost_minor": judgement.cost_minor, "days_late": judgement.days_late, "why": judgement.why},
                )
            )  # fmt: skip


def _in_parts(items: Sequence[Order], size: int) -> Iterator[Sequence[Order]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def play(directory: Path, orders_max: int | None, show: Callable[[str, int, int], None]) -> Summary:
    """Play the story in ``directory`` until ``orders_max`` orders were seen in all, or to its end.

    ``show`` is told what is going on: words, how far, out of how much.
    """
    began = time.monotonic()
    show("reading ten years of shipments", 0, 0)
    shipments = read_shipments()
    told = story_shipments(shipments)
    show(f"fitting the agent on deliveries before {CUT_DAY}", 0, 0)
    model = FreightModel.fit(shipments, CUT_DAY)
    agent_orders = [shipment.order for shipment in told[: orders_max or len(told)]]
    show("starting the company's ten systems", 0, 0)
    home = directory / "company"
    if not home.exists():
        shutil.copytree(TEMPLATE, home)
    with start_company(directory / "systems") as company:
        os.environ.update(company.environment)
        with open_company(home, "demo") as control:
            agent = CarrierChoice(model, LiveMarket(company.environment))
            agent.foresee(agent_orders)  # in one go, which is quick; each forecast rests on its own order alone
            story = Story(company, control, agent, told)
            story.begin()
            seen = _run(story, company, told, orders_max, show)
            show("verifying the ledger", 0, 0)
            summary = _summary(control, seen)
            summary.loads = dict(story.loads)
        summary.carrier = _carrier_counts(company)
    summary.seconds = round(time.monotonic() - began)
    return summary


def _run(
    story: Story,
    company: Company,
    told: Sequence[Shipment],
    orders_max: int | None,
    show: Callable[[str, int, int], None],
) -> int:
    goal = min(orders_max or len(told), len(told))
    per_day = Counter(shipment.order.booked_on for shipment in told)
    resumed, seen = company.day, 0
    for day in sorted(per_day):
        if seen >= goal:
            break
        if day < resumed:  # an earlier run has played this day to its end
            seen += per_day[day]
            continue
        seen += story.day(day)
        show(f"{day}", min(seen, goal), goal)
    return seen


def _summary(control: Control, orders: int) -> Summary:
    record = next((item for item in control.fleet() if item.agent == AGENT), None)
    report = control.verify()
    items = control.inbox()
    summary = Summary(orders=orders, events=report.size, root=report.root.hex(), holds=not report.problems)
    summary.problems = list(report.problems)
    summary.waiting = sum(item.waits_for == "approval" for item in items)
    summary.uncertain = sum(item.waits_for == "settling" for item in items)
    budgets = [item for item in control.spend() if "/country-month/" in item.key]
    summary.spent_minor = sum(item.used for item in budgets)
    summary.cap_minor = sum(item.at_most for item in budgets if item.at_most is not None)
    summary.budgets_refusing = sum(item.refused > 0 for item in budgets)
    if record is not None:
        summary.proposals, summary.allowed = record.seen, record.allowed
        summary.escalated, summary.denied = record.escalated, record.denied
        for (verdict, rule), count in record.reasons.items():
            summary.reasons.setdefault(verdict, {})[rule] = count
        summary.approved, summary.rejected, summary.expired = record.approved, record.rejected, record.expired
        summary.finished, summary.failed = record.finished, record.failed
        summary.right, summary.wrong, summary.unknown = record.right, record.wrong, record.unjudged
    return summary


def _carrier_counts(company: Company) -> dict[str, Any]:
    from urllib.request import Request, urlopen

    environment = company.environment
    request = Request(f"{environment['CARRIER_URL']}/records", headers={"X-Api-Key": environment["CARRIER_KEY"]})
    with urlopen(request, timeout=10) as answer:
        counts: dict[str, Any] = json.loads(answer.read(65_536))
    return counts


def _print(summary: Summary, home: Path) -> None:
    line = "{:<14} {:>9}  {}".format
    executed = summary.right + summary.wrong
    share = (
        f"{100 * summary.wrong / executed:.0f} % of {executed:,} that can be judged" if executed else "none matured yet"
    )
    print()
    loads = f"loads of 11 tables, {summary.loads.get('facts', 0):,} facts; {summary.loads.get('failed', 0)} failed"
    print(line("knowledge", f"{summary.loads.get('ok', 0) + summary.loads.get('failed', 0):,}", loads))
    print(line("orders", f"{summary.orders:,}", f"{summary.proposals:,} actions proposed, each decided once"))
    for verdict, count in (("allowed", summary.allowed), ("escalated", summary.escalated), ("denied", summary.denied)):
        key = {"allowed": "allow", "escalated": "escalate", "denied": "deny"}[verdict]
        print(line(verdict, f"{count:,}", ""))
        for rule, times in sorted(summary.reasons.get(key, {}).items(), key=lambda item: -item[1]):
            print(line("", f"{times:,}", rule))
    answers = f"{summary.approved:,} yes, {summary.rejected:,} no; {summary.expired:,} questions expired"
    print(line("people", f"{summary.approved + summary.rejected:,}", f"answers: {answers}"))
    print(
        line(
            "booked",
            f"{summary.finished:,}",
            f"{summary.failed:,} refused by the carrier, {summary.uncertain} uncertain",
        )
    )
    print(line("wrong", f"{summary.wrong:,}", f"{share}; {summary.unknown:,} cannot be known"))
    budgets = f"USD drawn of {summary.cap_minor // 100:,}; {summary.budgets_refusing} country-months refused more"
    print(line("budget", f"{summary.spent_minor // 100:,}", budgets))
    print(line("waiting", f"{summary.waiting:,}", "questions wait for a person"))
    carrier = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in summary.carrier.items())
    print(line("the carrier", "", f"says: {carrier}"))
    verdict = "holds" if summary.holds else f"BROKEN: {summary.problems[0]}"
    print(line("ledger", f"{summary.events:,}", f"events, root {summary.root[:16]}..., {verdict}"))
    print(line("time", f"{summary.seconds} s", ""))
    installed = os.path.relpath(Path(sys.prefix) / "bin" / "remit")
    remit = "remit" if installed.startswith("..") else installed  # here it need not be on the user's path
    print("\nLook next:")
    print(f"  {remit} --company {home} approvals            # what waits for a person")
    print(f"  {remit} --company {home} log --verdict deny   # what was stopped; then: explain ID")
    print(f"  {remit} --company {home} verify --decisions   # every proof, and every decision judged again")


def _shower(quiet: bool) -> Callable[[str, int, int], None]:
    live = sys.stderr.isatty()
    last = [0.0]

    def show(words: str, done: int, total: int) -> None:
        now = time.monotonic()
        if quiet or (total and done < total and now - last[0] < (0.2 if live else 10)):
            return
        last[0] = now
        text = words
        if total:
            filled = 30 * done // total
            text = f"{words}  [{'#' * filled}{'.' * (30 - filled)}] {done:,} of {total:,} orders"
        sys.stderr.write(f"\r\x1b[K{text}" if live else f"{text}\n")
        if live and (not total or done == total):
            sys.stderr.write("\n")
        sys.stderr.flush()

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="remit demo freight", description="Play the freight story.")
    parser.add_argument("--dir", type=Path, default=Path("freight-demo"), help="where it lives (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=None, help="stop after so many orders (default: all 3,962)")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    if options.orders is not None and options.orders < 1:
        parser.error("--orders: at least 1")
    try:
        summary = play(options.dir.resolve(), options.orders, _shower(options.json))
    except RemitError as error:
        print(f"{error}\n{error.advice}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps(asdict(summary), indent=2))
    else:
        _print(summary, Path(os.path.relpath(options.dir / "company")))
        if options.orders is None:  # it is of the whole history
            print("\n" + "\n".join(autonomy_lines(would_have_earned(read_shipments()))))
    return 0 if summary.holds else 1


if __name__ == "__main__":
    sys.exit(main())
