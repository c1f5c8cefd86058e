"""What the agent asks the carriers and the contracts over the wire, with this run's addresses and secrets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from remit.errors import Unreachable

from .agent import Rate, Term
from .prices import quarter_start

__all__ = ["LiveMarket"]

ANSWER_BYTES_MAX = 65_536


class LiveMarket:
    """Reads rates (kept for the quarter they are for) and terms (read anew each time)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._url, self._key = environment["CARRIER_URL"], environment["CARRIER_KEY"]
        self._contracts = environment["CONTRACTS_URL"].removeprefix("sqlite:///")
        self._kept: dict[tuple[str, str, date], tuple[Rate, ...]] = {}

    def rates(self, country: str, mode: str, day: date) -> tuple[Rate, ...]:
        """Return every carrier's rate on the lane.

        Raises:
            Unreachable: the carriers' system did not answer, or not as it should.
        """
        lane = (country, mode, quarter_start(day))
        if lane not in self._kept:
            self._kept[lane] = self._ask(country, mode)
        return self._kept[lane]

    def term(self, country: str, carrier: str) -> Term | None:
        """Return the contract's term as it stands; None when there is none."""
        database = sqlite3.connect(f"file:{self._contracts}?mode=ro", uri=True)
        try:
            row = database.execute(
                "select id, rate_minor, updated_at from term where country = ? and carrier = ?",
                (country, carrier),
            ).fetchone()
        finally:
            database.close()
        return None if row is None else Term(*row)

    def _ask(self, country: str, mode: str) -> tuple[Rate, ...]:
        query = urlencode({"country": country, "mode": mode})
        request = Request(f"{self._url}/rates?{query}", headers={"X-Api-Key": self._key})
        try:
            with urlopen(request, timeout=10) as answer:
                rates = json.loads(answer.read(ANSWER_BYTES_MAX))["rates"]
            return tuple(Rate(str(rate["carrier"]), int(rate["usd_minor"])) for rate in rates)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"the carriers' rates could not be read: {type(error).__name__}") from None
