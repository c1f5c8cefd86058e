# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The systems that are files and databases: billing, tickets, mail, the warehouse's stock and the staff list.

They are written once, when the company starts for the first time, from the history and from the invented consignees.
"""

from __future__ import annotations

import csv
import json
import mailbox
import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from ..chance import draw
from ..clock import moment_text
from ..customers import Account, accounts, billed, consignees, tickets_from
from ..story import CUT_DAY, Shipment

__all__ = ["billing_url", "write_office"]

TICKETS: Final = 400
MAILS: Final = 120
_SUBJECTS: Final = (
    "Where is our order?",
    "Short delivery",
    "Invoice does not match",
    "Cold chain alarm",
    "New contact",
)
_ROLES: Final = ("Planner", "Dispatcher", "Buyer", "Clerk", "Supervisor")
_FIRST: Final = ("Ana", "José", "Zoë", "Luc", "Amélie", "Kofi", "Noor", "Søren", "Maria", "Ibrahim", "Chloé", "Tomás")
_LAST: Final = ("Sousa", "Müller", "Okafor", "Nguyễn", "Martin", "García", "Banda", "Lefèvre", "Osei", "Pereira")
_BILLING: Final = """
create table customer (id text primary key, name text, city text, country text, postcode text, phone text, email text);
create table invoice (id text primary key, customer text, order_id text, rate_minor integer, amount_minor integer,
    state text, issued_at text, updated_at text);
create table payment (id text primary key, invoice text, amount_minor integer, state text, key text unique);
create table entry (id integer primary key, account text, amount_minor integer, about text, key text unique);
"""


def billing_url(directory: Path) -> str:
    """Return the billing database's SQLAlchemy URL."""
    return f"sqlite:///{(directory / 'billing.db').resolve()}"


def write_office(directory: Path, shipments: Sequence[Shipment]) -> None:
    """Write everything that is not there yet."""
    if (directory / "staff.csv").exists():  # the last one that is written
        return
    everybody = consignees(sorted({shipment.order.country for shipment in shipments}))
    _write_billing(directory, everybody)
    _write_tickets(directory, everybody)
    _write_mail(directory, everybody)
    _write_stock(directory, shipments)
    _write_staff(directory)
    (directory / "truth.json").write_text(json.dumps(_truth(everybody)), "utf-8")


def _truth(everybody: Sequence[Account]) -> dict[str, str]:
    """Who each record really is; for scoring only."""
    crm = {f"crm.account/{account.id}": account.truth for account in accounts(everybody)}
    return crm | {f"billing.customer/{account.id}": account.truth for account in billed(everybody)}


def _write_billing(directory: Path, everybody: Sequence[Account]) -> None:
    path = directory / "billing.db"
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript(_BILLING)
        database.execute("begin")
        for account in billed(everybody):
            empty = [account.postcode or None, account.phone or None, account.email or None]
            database.execute(
                "insert into customer values (?, ?, ?, ?, ?, ?, ?)",
                (account.id, account.name, account.city, account.country, *empty),
            )
        database.execute("commit")
    finally:
        database.close()


def _write_tickets(directory: Path, everybody: Sequence[Account]) -> None:
    folder = directory / "tickets"
    folder.mkdir(exist_ok=True)
    crm = accounts(everybody)
    lines = []
    for number, account in tickets_from(crm, TICKETS):
        opened = CUT_DAY - timedelta(days=draw(60, "opened", number))
        lines.append(
            json.dumps(
                {
                    "id": number,
                    "account": {"id": account.id, "country": account.country},
                    "subject": _SUBJECTS[draw(len(_SUBJECTS), "subject", number)],
                    "status": ("open", "closed")[draw(2, "status", number)],
                    "severity": 9 if draw(200, "severity", number) == 0 else 1 + draw(3, "severe", number),
                    "opened_at": moment_text(opened),
                }
            )
        )
    lines.insert(len(lines) // 2, '{"id": "T-broken", "account": ')  # a line that was cut off
    (folder / "tickets-2011.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _write_mail(directory: Path, everybody: Sequence[Account]) -> None:
    box = mailbox.mbox(directory / "supply.mbox", create=True)
    crm = [account for account in accounts(everybody) if account.email]
    try:
        for at in range(MAILS):
            account = crm[draw(len(crm), "mail", str(at))]
            message = EmailMessage()
            message["Message-ID"] = f"<{at}@supply.example>"
            message["From"], message["To"] = account.email, "orders@freight.example"
            message["Subject"] = _SUBJECTS[draw(len(_SUBJECTS), "mail-subject", str(at))]
            sent = CUT_DAY - timedelta(days=draw(60, "sent", str(at)))
            message["Date"] = f"{sent:%a, %d %b %Y} 09:00:00 +0000"
            message.set_content(f"Dear team,\nplease look into this.\n{account.name}, {account.city}\n")
            box.add(message)
    finally:
        box.close()


def _write_stock(directory: Path, shipments: Sequence[Shipment]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stock: dict[tuple[str, str], int] = {}
    for shipment in shipments:
        key = (shipment.order.country, shipment.order.product_group)
        stock[key] = stock.get(key, 0) + shipment.order.quantity
    rows = [(country, group, draw(max(quantity, 1), "stock", country, group)) for (country, group), quantity in
            sorted(stock.items())]  # fmt: skip
    table = pa.table(
        {
            "site": [row[0] for row in rows],
            "product_group": [row[1] for row in rows],
            "on_hand": [row[2] for row in rows],
            "counted_on": [_counted(row[0]) for row in rows],
        }
    )
    pq.write_table(table, directory / "stock.parquet")


def _counted(site: str) -> date:
    return CUT_DAY - timedelta(days=draw(30, "counted", site))


def _write_staff(directory: Path) -> None:
    part = directory / "staff.part"
    with part.open("w", encoding="cp1252", errors="replace", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["personnel_no", "name", "role", "team", "since"])
        for at in range(90):
            name = f"{_FIRST[draw(len(_FIRST), 'first', str(at))]} {_LAST[draw(len(_LAST), 'last', str(at))]}"
            since = CUT_DAY - timedelta(days=draw(4_000, "since", str(at)))
            writer.writerow(
                [
                    f"P{at:04d}",
                    name,
                    _ROLES[draw(5, "role", str(at))],
                    f"Team {1 + draw(6, 'team', str(at))}",
                    f"{since:%d.%m.%Y}",
                ]
            )
    part.replace(directory / "staff.csv")
