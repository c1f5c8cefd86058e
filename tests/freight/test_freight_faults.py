"""The demo's path, broken at each commit and each call in turn, on the real systems; then started again.

Each point gets orders of its own and a ledger of its own; the carrier is one and the same throughout, and its own
records say whether anything was booked twice.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from examples.freight.company import TEMPLATE, Company, start_company

from remit.app import open_company
from remit.ledger.audit import rebuild_views, view_rows
from remit.ledger.query import all_events

ROOT = Path(__file__).resolve().parents[2]
ORDERS_EACH = {"commit": 3, "call": 12}
"""Bookings are the only calls on the path, and many orders share a commit."""
ORDERS_IN_BLOCK = 240
POINTS_MIN = 8
LOADS_BROKEN_MIN = 4
POINTS_MAX = 120
ROUNDS_AT_ONCE = 2
NOW = "2012-02-10T12:00:00+00:00"
LATER = "2012-04-20T12:00:00+00:00"

DRIVER = """
# Forks one child a command, so that each starts warm and dies alone.
import json, os, sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from examples.freight.model import FreightModel
from examples.freight.story import CUT_DAY, read_shipments, story_shipments
from examples.freight.agent import AGENT, CarrierChoice
from examples.freight.market import LiveMarket
from remit.app import open_company
from remit.testing.faults import Fault, plant

shipments = read_shipments()
model = FreightModel.fit(shipments, CUT_DAY)
told = [shipment.order for shipment in story_shipments(shipments)]
agent = CarrierChoice(model, LiveMarket(dict(os.environ)))
agent.foresee(told[:1200])

def run(command):
    if command["fault"]:
        plant(Fault(*command["fault"]))
    orders = told[command["first"] : command["first"] + command["count"]]
    proposals = [(order, proposal) for order in orders for proposal in agent.propose(order)]
    with open_company(command["folder"], "faults") as control, open(command["acknowledged"], "a") as told_file:
        control.set_now(datetime.fromisoformat(command["now"]))
        for order, proposal in proposals:
            journey = control.propose(AGENT, proposal.action, order.id, dict(proposal.arguments),
                                      proposal.confidence_bp / 10_000, proposal.reasons)
            told_file.write(json.dumps([journey.action, journey.progress]) + "\\n")
            told_file.flush(); os.fsync(told_file.fileno())
        for item in control.inbox():
            if item.waits_for == "approval":
                people = {"supervisor": "luc.martin", "finance": "fin.okafor", "owner": "ana.sousa"}
                for role in item.roles:
                    journey = control.approve(item.action, people[role], role)
                told_file.write(json.dumps([item.action, "approved"]) + "\\n")
                told_file.flush(); os.fsync(told_file.fileno())
        control.work()

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(json.loads(line))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with start_company(tmp_path_factory.mktemp("systems")) as started:
        started.advance(date(2012, 2, 10))
        yield started


@pytest.fixture(scope="module")
def loaded(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's folder in which what its agent rests on is loaded, to be copied for each run."""
    folder = tmp_path_factory.mktemp("loaded") / "company"
    shutil.copytree(TEMPLATE, folder)
    (folder / "remit.yaml").write_text("clock: story\n")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in company.environment.items():
            patch.setenv(name, value)
        with open_company(folder, "load") as control:
            control.set_now(datetime.fromisoformat(NOW))
            _ = control.desk
            for source, table in (
                ("erp", "order"), ("safety", "hold"), ("finance", "budget"), ("contracts", "term"),
            ):  # fmt: skip
                assert control.knowledge.load(source, table).state == "ok"
    return folder


class Driver:
    """The warm process that forks the children."""

    def __init__(self, environment: dict[str, str]):
        search = {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **environment, **search},
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def run(self, **command: Any) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait(10)


@pytest.fixture(scope="module")
def driver(company: Company) -> Iterator[Driver]:
    started = Driver(dict(company.environment))
    yield started
    started.close()


def _records(company: Company) -> dict[str, Any]:
    environment = company.environment
    request = Request(f"{environment['CARRIER_URL']}/records", headers={"X-Api-Key": environment["CARRIER_KEY"]})
    with urlopen(request, timeout=10) as answer:
        counts: dict[str, Any] = json.loads(answer.read(65_536))
    return counts


def _problems(folder: Path, acknowledged: Path) -> list[str]:
    """Say what is not as it must be after a crash and a second start."""
    problems: list[str] = []
    with open_company(folder, "check") as control:
        report = control.verify()
        problems += report.problems
        with control.store.snapshot() as reader:
            events = [recorded.event for recorded in all_events(reader)]
        known = {event.action for event in events}
        lines = acknowledged.read_text().splitlines() if acknowledged.exists() else []
        problems += [f"acknowledged, but lost: {line}" for line in lines if json.loads(line)[0] not in known]
        ended = {event.action for event in events if event.step == "ended"}
        asked = {item.action for item in control.inbox() if item.waits_for == "settling"}
        begun = {event.action for event in events if event.kind == "action.begun"}
        problems += [f"begun, and neither ended nor in the inbox: {action}" for action in begun - ended - asked]
        kept = view_rows(control.store)
        rebuild_views(control.store)
        if view_rows(control.store) != kept:
            problems.append("the views are not what the events say")
    return problems


@pytest.mark.parametrize("at", ["commit", "call"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_broken_at_every_point_nothing_is_lost_and_nothing_is_doubled(
    company: Company,
    loaded: Path,
    driver: Driver,
    tmp_path: Path,
    at: str,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in company.environment.items():
        monkeypatch.setenv(name, value)
    block = {"commit before": 0, "commit after": 1, "call before": 2, "call after": 3}[f"{at} {moment}"]
    driven = Driven(driver, loaded, tmp_path, ORDERS_EACH[at], block, NOW)
    assert driven.die_everywhere(at, moment) >= POINTS_MIN, "the path has more points than that"
    counts = _records(company)
    assert counts["orders_booked_twice"] == 0
    assert counts["bookings"] == counts["orders"]


def test_broken_while_the_gate_loads_a_stale_source_it_is_loaded_again(
    company: Company, loaded: Path, driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weeks later the facts are stale: deciding one order loads sources, with a death after each commit of that."""
    for name, value in company.environment.items():
        monkeypatch.setenv(name, value)
    company.advance(date.fromisoformat(LATER[:10]))
    driven = Driven(driver, loaded, tmp_path, 1, 4, LATER)
    driven.die_everywhere("commit", "after")
    assert driven.loads_begun >= LOADS_BROKEN_MIN, "the gate loads sources, and some of the deaths are within that"
    assert _records(company)["orders_booked_twice"] == 0


class Driven:
    """One path, with one fault at a time, each followed by a second start."""

    def __init__(self, driver: Driver, loaded: Path, folder: Path, orders: int, block: int, now: str):
        self.driver, self.loaded, self.folder, self.orders, self.now = driver, loaded, folder, orders, now
        self.first = block * ORDERS_IN_BLOCK
        self.loads_begun = 0
        """How many deaths left a load behind that had begun and not ended."""

    def die_everywhere(self, at: str, moment: str) -> int:
        """Die at each point in turn, until there is none left; return how many there were."""
        for number in range(1, POINTS_MAX):
            folder = self.folder / f"{number}"
            shutil.copytree(self.loaded, folder)
            (folder / "remit.yaml").write_text(f"clock: story\nwitness: {self.folder / f'witness-{number}'}\n")
            command = {
                "folder": str(folder), "acknowledged": str(self.folder / f"{number}.acknowledged"),
                "count": self.orders, "now": self.now,
                "first": self.first + self.orders * (number % (ORDERS_IN_BLOCK // self.orders)),
            }  # fmt: skip
            code = self.driver.run(fault=[at, moment, number], **command)
            assert code in (0, -signal.SIGKILL), f"{at} {number} {moment}: exit {code}"
            self.loads_begun += code != 0 and _has_running_load(folder)
            assert self.driver.run(fault=None, **command) == 0, f"started again after dying {moment} {at} {number}"
            problems = _problems(folder, Path(str(command["acknowledged"])))
            assert problems == [], f"{moment} {at} {number}"
            if code == 0:
                return number - 1
        pytest.fail(f"{POINTS_MAX} points did not reach the end of the path")


def _has_running_load(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / ".remit" / "store.db")) as connection:
        return bool(connection.execute("select 1 from load where state = 'running'").fetchall())


def test_killed_at_any_moment_the_demo_goes_on(tmp_path: Path) -> None:
    """The whole demo, as a user runs it, killed four times and then left to finish."""
    command = [
        sys.executable,
        "-m",
        "examples.freight.demo",
        "--dir",
        str(tmp_path / "demo"),
        "--orders",
        "120",
        "--json",
    ]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    store = tmp_path / "demo" / "company" / ".remit" / "store.db"
    for kill in range(4):
        before = store.stat().st_size if store.exists() else 0
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 90
        while process.poll() is None and time.monotonic() < deadline:
            log = store.with_name("store.db-wal")
            if (
                store.exists()
                and log.exists()
                and log.stat().st_size + store.stat().st_size > before + 60_000 * (kill + 1)
            ):
                break
            time.sleep(0.05)
        time.sleep(0.11 * kill)
        process.kill()
        process.wait()
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["holds"] and summary["problems"] == []
    assert summary["orders"] >= 120
    assert summary["carrier"]["orders_booked_twice"] == 0
    assert summary["carrier"]["bookings"] == summary["finished"]
