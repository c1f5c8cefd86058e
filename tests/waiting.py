"""Waiting for what another thread or process does: with an end, and with words when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(true: Callable[[], object], what: str, seconds_max: float = 120.0) -> None:
    """Return once ``true()`` is; fail, saying ``what`` did not come, after ``seconds_max``: far longer than it takes.

    A loop that waits without an end would keep the whole run from ending where something else went wrong.
    """
    deadline = time.monotonic() + seconds_max
    while not true():
        assert time.monotonic() < deadline, f"in {seconds_max:.0f} s it did not come to this: {what}"
        time.sleep(0.01)
