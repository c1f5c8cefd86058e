# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The contracts database: SQLite, one term for each country and carrier, renewed every 75 to 114 story days.

A term's rate is the lane's real median of the year before its renewal, with an invented difference by
carrier; a lane with fewer than three deliveries in that year has no term. Contracts are looked at about
once a quarter and some desks are slower, so a few terms are older than 90 days when they are needed.
"""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from ..chance import draw
from ..clock import moment_text
from ..prices import CARRIERS, LanePrices, carrier_rate_minor

__all__ = ["ContractBook", "contracts_url"]

PERIOD_DAYS_MIN: Final = 75
PERIOD_DAYS_SPREAD: Final = 40
_FILE: Final = "contracts.db"
_TABLE: Final = """
create table if not exists term (
    id text primary key, country text not null, carrier text not null, mode text not null,
    rate_minor integer not null, updated_at text not null, unique (country, carrier));
"""


class ContractBook:
    """Keeps the database as it stands on a day. ``countries`` are those there may be contracts for."""

    def __init__(self, directory: Path, prices: LanePrices, countries: tuple[str, ...]) -> None:
        self._path, self._prices, self._countries = directory / _FILE, prices, countries

    def refresh(self, day: date) -> int:
        """Write every term as renewed last on or before ``day``; return how many changed."""
        due = {}
        for country in self._countries:
            for mode, carriers in CARRIERS.items():
                for carrier in carriers:
                    renewed = renewed_on(country, carrier, day)
                    due[country, carrier] = (mode, renewed, moment_text(renewed))
        database = sqlite3.connect(self._path, isolation_level=None)
        try:
            database.executescript(_TABLE)
            stands = {
                (row[0], row[1]): row[2] for row in database.execute("select country, carrier, updated_at from term")
            }
            changed = 0
            database.execute("begin immediate")
            for (country, carrier), (mode, renewed, text) in due.items():
                if stands.get((country, carrier)) != text:
                    changed += self._renew(database, country, carrier, mode, renewed)
            database.execute("commit")
            return changed
        finally:
            database.close()

    def _renew(self, database: sqlite3.Connection, country: str, carrier: str, mode: str, renewed: date) -> int:
        lane = self._prices.lane_minor(country, mode, renewed)
        if lane is None:
            return database.execute("delete from term where country = ? and carrier = ?", (country, carrier)).rowcount
        rate = carrier_rate_minor(lane, carrier, country, "contract")
        row = (f"{carrier} {country}", country, carrier, mode, rate, moment_text(renewed))
        return database.execute("insert or replace into term values (?, ?, ?, ?, ?, ?)", row).rowcount


def renewed_on(country: str, carrier: str, day: date) -> date:
    """Return the last day on or before ``day`` on which this contract was renewed."""
    period = PERIOD_DAYS_MIN + draw(PERIOD_DAYS_SPREAD, "period", country, carrier)
    return day - timedelta(days=(day.toordinal() - draw(period, "phase", country, carrier)) % period)


def contracts_url(directory: Path) -> str:
    """Return the database's SQLAlchemy URL."""
    return f"sqlite:///{(directory / _FILE).resolve()}"
