"""The company's own clock: the story's day, kept in one small file that every system reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

from .story import CUT_DAY

__all__ = ["moment_text", "read_day", "write_day"]

_NAME = "story-day"


def read_day(directory: Path) -> date:
    """Return the story's day; the cut day when none was set."""
    try:
        return date.fromisoformat((directory / _NAME).read_text(encoding="ascii"))
    except FileNotFoundError:
        return CUT_DAY


def write_day(directory: Path, day: date) -> None:
    """Set the story's day, whole or not at all."""
    part = directory / f"{_NAME}.part"
    part.write_text(day.isoformat(), encoding="ascii")
    part.replace(directory / _NAME)


def moment_text(day: date) -> str:
    """Return the first moment of ``day`` in UTC as RFC 3339 text."""
    return datetime.combine(day, time(), UTC).isoformat().replace("+00:00", "Z")
