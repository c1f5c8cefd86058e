"""How many decimals one major unit of a currency has."""

from __future__ import annotations

from typing import Final

__all__ = ["minor_digits"]

_NONE: Final = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"),
        *("UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
_THREE: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_FOUR: Final = frozenset({"CLF", "UYW"})


def minor_digits(currency: str) -> int:
    """Return how many decimals the currency's major unit has (ISO 4217); 2 for codes that are not listed there."""
    if currency in _NONE:
        return 0
    return 3 if currency in _THREE else 4 if currency in _FOUR else 2
