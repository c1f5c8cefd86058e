"""Which files of a drop folder are whole: the ones that have landed, not those that are still being written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from remit.connectors.landed_file import LandedFile
from remit.document import duration_seconds

__all__ = ["DONE_SCHEMA", "QUIET_DEFAULT", "why_not_landed"]

QUIET_DEFAULT: Final = "1m"

DONE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "marker": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,40}$"},
        "quiet": {"type": "string", "pattern": "^[0-9]{1,6}[smhd]$"},
        "trailer": {"type": "string", "minLength": 1, "maxLength": 40},
    },
}
"""The key ``done``: what shows that a file is whole. ``marker``: beside it lies a file of its name with this at its
end. ``quiet``: nobody has written to it for so long. ``trailer``: its last line begins with this and says how many rows
there are. Several must all hold.
"""


def why_not_landed(folder: Path, file: LandedFile, done: Mapping[str, Any], now: datetime) -> str:
    """Say why a file is not whole by what its folder shows; empty when nothing speaks against it."""
    marker = done.get("marker")
    if marker is not None and not (folder / (file.name + marker)).is_file():
        return f"{file.name}: no {file.name + marker} beside it yet"
    if "quiet" in done:
        still_seconds = now.timestamp() - file.mtime_ns / 1e9
        if still_seconds < duration_seconds(done["quiet"]):
            return f"{file.name}: written to less than {done['quiet']} ago"
    return ""
