# ruff: noqa: TID252 (the folder is also installed inside the package, under another parent)
"""The safety system: an old one that exports its holds every story day as a fixed-width file, and now and
then breaks off.

Line 1 is the header with the day in columns 10 to 17; then one line for each hold (order 1-12, code 13-16,
reason 17-56); the last is ``TRL`` and the number of holds in eight digits. A file without the right trailer
is torn and must be ignored. The history knows no holds: that 15 in 1,000 orders are held is invented.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from ..chance import draw
from ..story import Order

__all__ = ["HoldExport", "held_code", "is_torn_day"]

HELD_IN_1000: Final = 15
TORN_ONE_IN: Final = 60
FILES_KEPT: Final = 7
HOLD_BEFORE: Final = timedelta(days=20)
HOLD_AFTER: Final = timedelta(days=10)
_HOLDS: Final = (
    ("RCL1", "Batch under recall"),
    ("TMP2", "Cold chain not confirmed"),
    ("DOC3", "Import permit missing"),
)


def held_code(order: str) -> int | None:
    """Return which kind of hold is on an order, None when it is free."""
    return draw(len(_HOLDS), "hold-code", order) if draw(1000, "hold", order) < HELD_IN_1000 else None


def is_torn_day(day: date) -> bool:
    """Return whether the export breaks off on this day."""
    return draw(TORN_ONE_IN, "torn", day.isoformat()) == 0


class HoldExport:
    """Writes the export into a folder. A hold stands from 20 days before its order is booked until 10 days
    after.
    """

    def __init__(self, folder: Path, orders: Iterable[Order]) -> None:
        self._folder = folder
        self._held = [(order, code) for order in orders if (code := held_code(order.id)) is not None]

    def write_until(self, last: date, day: date) -> int:
        """Write the files of the days after ``last`` to ``day``, no more than are kept; return how many."""
        self._folder.mkdir(parents=True, exist_ok=True)
        first = max(last + timedelta(days=1), day - timedelta(days=FILES_KEPT - 1))
        days = [first + timedelta(days=offset) for offset in range((day - first).days + 1)]
        for each in days:
            self._write(each)
        for old in sorted(self._folder.glob("HOLDS*.TXT"))[:-FILES_KEPT]:
            old.unlink()
        return len(days)

    def text(self, day: date) -> str:
        """Return the whole file of a day."""
        lines = [f"HOLDS    {day:%Y%m%d}"]
        for order, code in self._held:
            if order.booked_on - HOLD_BEFORE <= day <= order.booked_on + HOLD_AFTER:
                name, reason = _HOLDS[code]
                lines.append(f"{order.id:<12.12}{name:<4}{reason:<40.40}")
        lines.append(f"TRL{len(lines) - 1:08d}")
        return "\r\n".join(lines) + "\r\n"

    def _write(self, day: date) -> None:
        data = self.text(day).encode("latin-1")
        if is_torn_day(day):
            data = data[: max(1, len(data) - len("TRL00000000\r\n") - draw(30, "cut", day.isoformat()))]
        part = self._folder / f"{day:%Y%m%d}.part"
        part.write_bytes(data)
        part.replace(self._folder / f"HOLDS{day:%Y%m%d}.TXT")
