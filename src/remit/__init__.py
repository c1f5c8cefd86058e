"""remit: the control plane that takes AI agents from pilot to production."""

from __future__ import annotations

__all__ = ["__version__", "open_company"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "open_company":
        from remit.app import open_company

        return open_company
    raise AttributeError(f"module 'remit' has no attribute {name!r}")
