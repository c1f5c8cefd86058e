"""The sample company: its ten systems started, its clock moved, its secrets made for this run."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from remit.errors import Unreachable

from .clock import read_day, write_day
from .prices import LanePrices
from .story import read_shipments, story_shipments
from .systems.contracts import ContractBook, contracts_url
from .systems.office import billing_url, write_office
from .systems.safety import HoldExport

__all__ = ["TEMPLATE", "Company", "start_company"]

TEMPLATE: Final = Path(__file__).parent / "company"
"""The company's folder as ADR 2 describes it, to be copied."""

_SERVICES: Final = ("orders", "carrier", "finance", "crm")
_PACKAGE: Final = __name__.rpartition(".")[0]
_ROOT: Final = Path(__file__).resolve().parents[_PACKAGE.count(".") + 1]


class Company:
    """Ten systems: four services, two databases and four that drop files. ``environment`` is what the files in
    `TEMPLATE` ask for.
    """

    def __init__(
        self,
        directory: Path,
        processes: Mapping[str, subprocess.Popen[str]],
        environment: Mapping[str, str],
        contracts: ContractBook,
        holds: HoldExport,
    ) -> None:
        self.directory, self.processes, self.environment = directory, processes, environment
        self._contracts, self._holds = contracts, holds

    @property
    def day(self) -> date:
        """The story's day."""
        return read_day(self.directory)

    def advance(self, day: date) -> None:
        """Let it be ``day``: contracts that are due are renewed, the safety export is written, the clock is
        set.

        A day that has been already changes nothing, so a demo that starts again may begin where it likes.
        """
        last = self.day
        if day <= last:
            return
        self._contracts.refresh(day)
        self._holds.write_until(last, day)
        write_day(self.directory, day)

    def stop(self) -> None:
        """End the services; their records stay. Calling it again does nothing."""
        for process in self.processes.values():
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def __enter__(self) -> Company:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_company(directory: Path) -> Company:
    """Start the company's systems on free loopback ports with their records in ``directory``.

    The services end when the calling process ends, however it ends; on Linux also when the calling *thread*
    ends, so start it from a thread that stays.

    Raises:
        Unreachable: a service did not come up.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    given = {
        "ORDERS_CLIENT_ID": "remit",
        "ORDERS_SECRET": secrets.token_urlsafe(24),
        "CARRIER_KEY": secrets.token_urlsafe(24),
        "FINANCE_USER": "remit",
        "FINANCE_SECRET": secrets.token_urlsafe(24),
        "CRM_KEY": secrets.token_urlsafe(24),
    }
    processes = {name: _spawn(name, directory, given) for name in _SERVICES}
    shipments = read_shipments()
    told = story_shipments(shipments)
    orders = [shipment.order for shipment in told]
    write_office(directory, told)
    company = Company(
        directory,
        processes,
        given | _places(directory),
        ContractBook(directory, LanePrices(shipments), tuple(sorted({order.country for order in orders}))),
        HoldExport(directory / "safety", orders),
    )
    try:
        company.environment = dict(company.environment) | {
            f"{name.upper()}_URL": f"http://127.0.0.1:{_port(name, process)}" for name, process in processes.items()
        }
        company._contracts.refresh(company.day)
        company._holds.write_until(company.day - timedelta(days=1), company.day)
        write_day(directory, company.day)
    except BaseException:
        company.stop()
        raise
    return company


def _places(directory: Path) -> dict[str, str]:
    return {
        "CONTRACTS_URL": contracts_url(directory),
        "SAFETY_FOLDER": str(directory / "safety"),
        "BILLING_URL": billing_url(directory),
        "TICKETS_FOLDER": str(directory / "tickets"),
        "MAIL_BOX": str(directory / "supply.mbox"),
        "STOCK_FILE": str(directory / "stock.parquet"),
        "STAFF_FILE": str(directory / "staff.csv"),
    }


def _spawn(name: str, directory: Path, given: Mapping[str, str]) -> subprocess.Popen[str]:
    search = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {key: value for key, value in os.environ.items() if key not in given}
    environment |= {key: value for key, value in given.items() if key.startswith(name.upper())}
    environment |= {"PYTHONPATH": search, "FREIGHT_PARENT": str(os.getpid())}
    return subprocess.Popen(
        [sys.executable, "-m", f"{_PACKAGE}.systems.{name}", "--port", "0", "--dir", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )


def _port(name: str, process: subprocess.Popen[str]) -> int:
    line = process.stdout.readline() if process.stdout is not None else ""
    try:
        return int(json.loads(line)["port"])
    except (ValueError, KeyError, TypeError):
        raise Unreachable(f"the {name} service did not start: got {line!r:.200}, exit {process.poll()}") from None
