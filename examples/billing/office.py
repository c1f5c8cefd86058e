"""The billing office: an invoicing database, a contracts export that fails at times, mail that is sent, tickets."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

__all__ = ["Office"]

INVOICES: Final = (
    # id, contract, quantity, as invoiced
    ("I-1001", "K-7", 40, 48_000),
    ("I-1002", "K-7", 25, 300_000),  # ten times too high
    ("I-1003", "K-7", 10, 120_000),  # ten times too high
    ("I-1004", "K-7", 60, 720_000),  # ten times too high
    ("I-1005", "K-7", 12, 144_000),  # ten times too high
    ("I-1006", "K-9", 30, 75_000),
    ("I-1007", "K-9", 8, 200_000),  # ten times too high
)
OLD_RATES: Final = {"K-7": 1_200, "K-9": 2_500}
NEW_RATES: Final = {"K-7": 950, "K-9": 2_500}
"""What was agreed for K-7 while its export failed."""
_BILLING: Final = """
create table invoice (id text primary key, contract text, quantity integer, amount_minor integer);
create table correction (key text primary key, invoice text, amount_minor integer);
create table payment (key text primary key, invoice text, amount_minor integer);
create table entry (key text primary key, invoice text, amount_minor integer);
create trigger corrected after insert on correction
begin update invoice set amount_minor = new.amount_minor where id = new.invoice; end;
"""


class Office:
    """The systems of one run, in one folder. ``environment`` is what the company's files ask for."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self._folder = folder
        self.environment = {
            "BILLING_URL": f"sqlite:///{(folder / 'billing.db').resolve()}",
            "MAIL_URL": f"sqlite:///{(folder / 'mail.db').resolve()}",
            "CONTRACTS_FILE": str((folder / "contracts.csv").resolve()),
            "TICKETS_FILE": str((folder / "tickets.jsonl").resolve()),
        }
        with closing(sqlite3.connect(folder / "billing.db")) as database, database:
            database.executescript(_BILLING)
            database.executemany("insert into invoice values (?, ?, ?, ?)", INVOICES)
        with closing(sqlite3.connect(folder / "mail.db")) as database, database:
            database.execute("create table letter (key text primary key, invoice text, amount_minor integer)")
        self.export(OLD_RATES)
        (folder / "tickets.jsonl").write_text("")

    def export(self, rates: dict[str, int]) -> None:
        """Write the contracts export."""
        with (self._folder / "contracts.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "customer", "rate_minor"])
            writer.writerows([contract, f"Customer of {contract}", rate] for contract, rate in rates.items())

    def break_export(self) -> None:
        """The export breaks off: what is there is no table."""
        (self._folder / "contracts.csv").write_bytes(b'id,customer,rate_minor\r\nK-7,"Custom')

    def complain(self, number: str, invoice: str) -> None:
        """A customer writes."""
        line = {"id": number, "invoice": invoice, "subject": "You charged the old rate, not the one we agreed"}
        with (self._folder / "tickets.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def amounts(self, table: str) -> dict[str, int]:
        """What the systems themselves say: invoice to amount, of ``invoice``, payment, entry or letter."""
        where, key = ("mail.db", "invoice") if table == "letter" else ("billing.db", "invoice")
        key = "id" if table == "invoice" else key
        with closing(sqlite3.connect(self._folder / where)) as database:
            return dict(database.execute(f"select {key}, amount_minor from {table} order by {key}"))
