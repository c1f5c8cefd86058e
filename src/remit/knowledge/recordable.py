"""Text from outside in a form that can be recorded: no character that JSON or a database refuses, and not too long."""

from __future__ import annotations

__all__ = ["recordable"]


def recordable(text: str, length_max: int) -> str:
    """Return ``text`` with NUL and lone surrogates replaced, cut to ``length_max`` characters."""
    text = text[:length_max]
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
