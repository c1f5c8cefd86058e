"""Pausing the collection of cycles while much is made that has none: looking for them is a fifth of such work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause it, for the whole process, until the block ends. What is counted by references goes at once as always."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
