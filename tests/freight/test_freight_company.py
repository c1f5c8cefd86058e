"""The company as a whole: torn exports, contracts that age, restarts, and nobody left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from examples.freight.company import TEMPLATE, Company, start_company
from examples.freight.market import LiveMarket
from examples.freight.prices import LanePrices
from examples.freight.story import CUT_DAY, Shipment, story_shipments
from examples.freight.systems.contracts import ContractBook
from examples.freight.systems.safety import HoldExport, held_code, is_torn_day
from tests.waiting import wait_until

from remit.errors import Unreachable

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[..., tuple[int, dict[str, Any], dict[str, str]]]


def _holds(data: bytes) -> dict[str, str] | None:
    """Read an export plainly; None when it is torn."""
    lines = data.decode("latin-1").split("\r\n")
    if lines[-1] != "" or len(lines) < 3 or lines[-2] != f"TRL{len(lines) - 3:08d}":
        return None
    return {line[0:12].strip(): line[12:16].strip() for line in lines[1:-2]}


def test_the_export_is_whole_unless_it_is_a_torn_day(tmp_path: Path, shipments: tuple[Shipment, ...]) -> None:
    orders = [shipment.order for shipment in story_shipments(shipments)]
    export, torn = HoldExport(tmp_path / "all", orders), 0
    empty = HoldExport(tmp_path / "none", [])
    for number in range(400):
        day = CUT_DAY + timedelta(days=number)
        name = f"HOLDS{day:%Y%m%d}.TXT"
        assert export.write_until(day - timedelta(days=1), day) == 1
        data = (tmp_path / "all" / name).read_bytes()
        empty.write_until(day - timedelta(days=1), day)
        bare = _holds((tmp_path / "none" / name).read_bytes())
        if is_torn_day(day):
            torn += 1
            assert (_holds(data), bare) == (None, None)
            continue
        assert data[9:17] == f"{day:%Y%m%d}".encode()
        expected = {order.id for order in orders if order.booked_on == day and held_code(order.id) is not None}
        holds = _holds(data)
        assert holds is not None
        assert bare == {}
        assert expected <= set(holds)
        assert set(holds.values()) <= {"RCL1", "TMP2", "DOC3"}
        assert not {order.id for order in orders if order.booked_on == day and order.id not in expected} & set(holds)
    assert torn >= 2
    assert len(list((tmp_path / "all").iterdir())) == 7


def test_fixed_width_lines(tmp_path: Path, shipments: tuple[Shipment, ...]) -> None:
    orders = [shipment.order for shipment in shipments]
    assert max(len(order.id) for order in orders) <= 12
    held = next(order for order in orders if held_code(order.id) is not None)
    lines = HoldExport(tmp_path, orders).text(held.booked_on).split("\r\n")
    assert all(len(line) == 56 for line in lines[1:-2])
    assert 0.008 < sum(held_code(order.id) is not None for order in orders) / len(orders) < 0.022


def _terms(path: Path) -> dict[tuple[str, str], tuple[int, str]]:
    database = sqlite3.connect(path)
    try:
        rows = database.execute("select country, carrier, rate_minor, updated_at from term").fetchall()
    finally:
        database.close()
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def test_contracts_age_and_are_renewed(tmp_path: Path, shipments: tuple[Shipment, ...]) -> None:
    book = ContractBook(tmp_path, LanePrices(shipments), ("Nigeria", "Vietnam", "Zambia", "Mali"))
    ages = []
    for number in range(0, 360, 6):
        day = CUT_DAY + timedelta(days=number)
        book.refresh(day)
        terms = _terms(tmp_path / "contracts.db")
        assert terms
        ages += [(day - date.fromisoformat(text[:10])).days for _, text in terms.values()]
        assert all(rate > 0 for rate, _ in terms.values())
    assert min(ages) >= 0
    assert max(ages) <= 113
    assert 0.01 < sum(age > 90 for age in ages) / len(ages) < 0.20
    # A jump arrives where the steps arrived.
    other = ContractBook(tmp_path / "jump", LanePrices(shipments), ("Nigeria", "Vietnam", "Zambia", "Mali"))
    (tmp_path / "jump").mkdir()
    other.refresh(day)
    assert _terms(tmp_path / "jump" / "contracts.db") == terms
    assert book.refresh(day) == 0


def test_a_term_rests_on_the_past_alone(tmp_path: Path, shipments: tuple[Shipment, ...]) -> None:
    day = date(2011, 7, 1)
    for name, known in (("all", shipments), ("past", [s for s in shipments if s.delivery.recorded < day])):
        (tmp_path / name).mkdir()
        ContractBook(tmp_path / name, LanePrices(known), ("Nigeria", "Vietnam")).refresh(day)
    assert _terms(tmp_path / "all" / "contracts.db") == _terms(tmp_path / "past" / "contracts.db")


def test_the_environment_is_what_the_template_asks_for(company: Company) -> None:
    text = "".join(path.read_text() for path in [*TEMPLATE.glob("systems/*.yaml"), *TEMPLATE.glob("sources/*.yaml")])
    for name in company.environment:
        assert f"${{{name}}}" in text or f"env:{name}" in text
    assert set(company.environment) == {
        "ORDERS_URL", "ORDERS_CLIENT_ID", "ORDERS_SECRET", "CARRIER_URL", "CARRIER_KEY",
        "FINANCE_URL", "FINANCE_USER", "FINANCE_SECRET", "CONTRACTS_URL", "SAFETY_FOLDER",
        "CRM_URL", "CRM_KEY", "BILLING_URL", "TICKETS_FOLDER", "MAIL_BOX", "STOCK_FILE", "STAFF_FILE",
    }  # fmt: skip


def test_time_goes_forward_only(company: Company) -> None:
    company.advance(CUT_DAY + timedelta(days=100))
    day = company.day
    company.advance(CUT_DAY)
    assert company.day == day
    assert (company.directory / "safety" / f"HOLDS{day:%Y%m%d}.TXT").exists()


def test_the_agents_market_reads_the_systems(company: Company) -> None:
    market = LiveMarket(company.environment)
    rates = market.rates("Nigeria", "Air", company.day)
    assert len(rates) == 3
    assert market.rates("Nigeria", "Air", company.day) is rates
    stored = _terms(company.directory / "contracts.db")
    for rate in rates:
        term = market.term("Nigeria", rate.carrier)
        assert term is not None
        assert (term.rate_minor, term.updated_at) == stored["Nigeria", rate.carrier]
    assert market.term("Nigeria", "Nobody") is None
    with pytest.raises(Unreachable):
        LiveMarket({**company.environment, "CARRIER_KEY": "guess"}).rates("Nigeria", "Air", company.day)


def _book(company: Company, call: Call, order: str) -> int:
    headers = {"X-Api-Key": company.environment["CARRIER_KEY"], "Idempotency-Key": f"key-{order}"}
    body = {"order": order, "country": "Nigeria", "carrier": "Meridian Air", "mode": "Air"}
    return call(company.environment["CARRIER_URL"] + "/bookings", headers, body)[0]


def test_what_was_booked_survives_a_kill_and_a_restart(tmp_path: Path, call: Call) -> None:
    with start_company(tmp_path) as first:
        first.advance(CUT_DAY + timedelta(days=40))
        orders = [f"R-{number}" for number in range(60)]
        answers = [_book(first, call, order) for order in orders]
        for process in first.processes.values():
            process.kill()
        secret = first.environment["CARRIER_KEY"]
    assert set(answers) <= {201, 503}
    with start_company(tmp_path) as second:
        assert second.day == CUT_DAY + timedelta(days=40)
        assert second.environment["CARRIER_KEY"] != secret
        assert {_book(second, call, order) for order in orders} == {201}
        headers = {"X-Api-Key": second.environment["CARRIER_KEY"]}
        _, records, _ = call(second.environment["CARRIER_URL"] + "/records", headers)
    assert records == {
        "attempts": 120, "keys_sent_again": 60, "bookings": 60, "orders": 60,
        "orders_booked_twice": 0, "cancellations": 0,
    }  # fmt: skip


def test_stop_ends_all_and_may_be_called_again(tmp_path: Path) -> None:
    company = start_company(tmp_path)
    company.stop()
    company.stop()
    assert all(process.poll() is not None for process in company.processes.values())


def test_a_service_that_cannot_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "carrier.db").write_bytes(b"not a database" * 100)
    with pytest.raises(Unreachable, match="carrier"):
        start_company(tmp_path)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until_gone(ports: list[int]) -> None:
    wait_until(lambda: not any(map(_listens, ports)), "no service outlives its parent")


_PARENT = """
import json, sys, time
from pathlib import Path
from examples.freight.company import start_company
company = start_company(Path(sys.argv[1]))
urls = [text for text in company.environment.values() if text.startswith("http")]
print(json.dumps([int(url.rpartition(":")[2]) for url in urls]), flush=True)
time.sleep(600)
"""


def test_services_die_with_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as parent:
        assert parent.stdout is not None
        ports = json.loads(parent.stdout.readline())
        assert len(ports) == 4
        assert all(_listens(port) for port in ports)
        parent.send_signal(signal.SIGKILL)
        _wait_until_gone(ports)


def _service(directory: Path, **options: Any) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "examples.freight.systems.finance", "--dir", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True, **options)
    assert process.stdout is not None
    return process, int(json.loads(process.stdout.readline())["port"])


def test_the_end_of_standard_input_alone_ends_a_service(tmp_path: Path) -> None:
    process, port = _service(tmp_path, stdin=subprocess.PIPE)
    assert _listens(port)
    with process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    assert not _listens(port)


_GO_BETWEEN = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "examples.freight.systems.finance", "--dir", sys.argv[1]])
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ends a process by its parent")
def test_on_linux_the_kernel_alone_ends_a_service(tmp_path: Path) -> None:
    """The pipe stays open in this process, so only the death of the parent can be the sign."""
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-c", _GO_BETWEEN, str(tmp_path)]
        with subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE, cwd=ROOT, text=True) as parent:
            assert parent.stdout is not None
            port = int(json.loads(parent.stdout.readline())["port"])
            assert _listens(port)
            parent.send_signal(signal.SIGKILL)
            _wait_until_gone([port])
    finally:
        os.close(reading)
        os.close(writing)
