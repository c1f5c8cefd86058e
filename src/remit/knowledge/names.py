"""The numbers of data sets, scopes and properties: made when first needed, under the head lock, and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from remit.store.engine import Transaction

__all__ = ["number_dataset", "number_properties", "number_scopes"]

_FIRST: Final = 1


def number_dataset(transaction: Transaction, name: str) -> int:
    """Return the number of data set ``name`` (as ``crm.account``), giving it one on first use."""
    return _numbers(transaction, "dataset", "did", "name", [(name,)])[0]


def number_scopes(transaction: Transaction, names: Sequence[str]) -> list[int]:
    """Return the numbers of scopes (as ``sales/internal``), giving them on first use."""
    return _numbers(transaction, "scope", "sc", "name", [(name,) for name in names])


def number_properties(transaction: Transaction, type_name: str, names: Sequence[str]) -> list[int]:
    """Return the numbers of properties of an entity type, giving them on first use."""
    return _numbers(transaction, "property", "pid", "type,name", [(type_name, name) for name in names])


def _numbers(
    transaction: Transaction, table: str, number: str, columns: str, wanted: Sequence[tuple[str, ...]]
) -> list[int]:
    rows = transaction.fetch(f"select {columns},{number} from {table}")  # noqa: S608
    known = {row[:-1]: row[-1] for row in rows}
    following = max(known.values(), default=_FIRST - 1) + 1
    new: list[tuple[object, ...]] = []
    for names in dict.fromkeys(wanted):
        if names not in known:
            known[names] = following
            new.append((following, *names))
            following += 1
    transaction.insert_many(table, f"{number},{columns}", new)
    return [known[names] for names in wanted]
