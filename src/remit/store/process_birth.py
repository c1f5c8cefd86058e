"""When a process of this host was born: tells one that is gone, and a number used again, from one that is there."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["process_birth"]


def process_birth(pid: int) -> str:
    """Return when process ``pid`` started, in the system's own words; empty when there is none of that number.

    Where the system does not say when (no ``/proc``), the word "running" stands for any moment.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] in ("Z", "X"):
            return ""
        return fields[19]
    except (OSError, IndexError):
        pass
    if not Path("/proc/self").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            pass
        return "running"
    return ""
