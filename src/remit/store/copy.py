"""Copying a whole store into another, of the same kind or not: what backup, restore and moving to a server rest on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from remit.errors import BadInput
from remit.store.engine import Store
from remit.store.tables import TABLES

__all__ = ["copy_store"]

_ROWS: Final = 2_000


def copy_store(source: Store, target: Store, progress: Callable[[int], None] = lambda _rows: None) -> int:
    """Copy all of ``source``, as it is at one moment, into the empty ``target``; return how many events there were.

    The copy is one transaction: it is there whole or not at all.

    Raises:
        BadInput: the target has events.
    """
    copied = 0
    with source.snapshot() as reader, target.transaction() as transaction:
        if transaction.fetch("select count(*) from event")[0][0]:
            raise BadInput(f"{target.dialect} store to copy into is not empty; name a new one")
        transaction.execute("delete from setting")
        for table, columns in TABLES.items():
            first = columns.partition(",")[0]
            rows = iter(reader.stream(f"select {columns} from {table} order by {first}"))  # noqa: S608
            while batch := list(islice(rows, _ROWS)):
                transaction.insert_many(table, columns, batch)
                copied += len(batch)
                progress(copied)
        size, epoch = reader.fetch("select size, epoch from head")[0]
        transaction.execute("update head set size = ?, epoch = ?", (size, epoch))
    return int(size)
