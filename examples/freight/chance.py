"""Chance that is the same on every run: a draw is a hash of what it is for."""

from __future__ import annotations

import hashlib

__all__ = ["draw"]


def draw(below: int, *parts: str) -> int:
    """Return a whole number from 0 to ``below`` - 1 that depends on ``parts`` alone."""
    text = "\x00".join(parts).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % below
