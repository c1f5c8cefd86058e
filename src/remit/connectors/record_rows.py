"""From records as they come in JSON to rows of mapped columns.

A column is the path of a value in the record: ``id``, ``billing.email``, ``lines.0.sku``. What is a list or an object
there becomes JSON text. A column that no record of a batch has is not among that batch's columns: it is not known,
which is something else than empty.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from remit.connectors.answer import MISSING, walk
from remit.connectors.cells import as_cells
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk
from remit.errors import BadInput, CannotTell, Refused, Unreachable

__all__ = ["RECORDS_MAX", "RECORDS_MAX_SCHEMA", "in_batches", "parse_records", "rows_of"]

RECORDS_MAX: Final = 5_000_000
RECORDS_MAX_SCHEMA: Final[Mapping[str, Any]] = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}
"""The key ``records_max`` of a table: a source that gives more is not believed."""

UNREAD_MAX: Final = 500


def parse_records(body: bytes) -> Any:
    """Read JSON that a source wrote, so that one odd record does not cost the others.

    A number with a fraction is text exactly as written. NUL, lone surrogates and great numbers are left for the
    contract to refuse, row by row; of a key that stands twice in an object the last counts.

    Raises:
        BadInput: not UTF-8, not JSON, or nested too deep.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=str, parse_constant=str)
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadInput("nested too deep") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise BadInput(f"not JSON that can be used: {str(error)[:80]}") from None


def rows_of(records: Sequence[Mapping[str, Any]], ask: TableAsk, where: str, first: int) -> SourceRows:
    """Return ``records`` as rows of the columns that are asked for, as far as any record has them."""
    keys = set().union(*records) if records else set()
    places: list[tuple[str, list[object]]] = []
    heads = set()
    for column in ask.columns:
        if column in keys:
            heads.add(column)
            places.append((column, [record.get(column) for record in records]))
            continue
        head, dot, _ = column.partition(".")
        if dot and head in keys:
            cells = [walk(record, column) for record in records]  # type: ignore[arg-type]
            if any(cell is not MISSING for cell in cells):
                heads.add(head)
                places.append((column, [None if cell is MISSING else cell for cell in cells]))
    columns = tuple(column for column, _ in places) if records else ask.columns
    rows = list(zip(*(cells for _, cells in places), strict=True)) if places else [()] * len(records)
    unread = tuple(sorted(str(key)[:200] for key in keys - heads)[:UNREAD_MAX])
    return SourceRows(columns, as_cells(rows), where, first, unread=unread, by_record=True)


async def in_batches(
    groups: AsyncGenerator[Sequence[Mapping[str, Any]], None], ask: TableAsk, where: str
) -> AsyncIterator[SourceRows]:
    """Yield the records of ``groups`` (as they come: pages, answers) as batches; one of no rows when there are none.

    When ``groups`` fails, what came before is handed out all the same: it is so, only not everything.

    Raises:
        Refused, Unreachable, CannotTell: what ``groups`` raises.
        Refused: more records than the table's ``records_max``.
    """
    records_max = ask.options.get("records_max", RECORDS_MAX)
    waiting: list[Mapping[str, Any]] = []
    count, failure, given = 0, None, False
    async with aclosing(groups):
        try:
            async for group in groups:
                waiting.extend(group)
                while len(waiting) >= BATCH_ROWS_MAX:
                    yield rows_of(waiting[:BATCH_ROWS_MAX], ask, where, count + 1)
                    count, given = count + BATCH_ROWS_MAX, True
                    del waiting[:BATCH_ROWS_MAX]
                if count + len(waiting) > records_max:
                    raise Refused(f"{where}: more than {records_max} records; raise records_max if that is right")
        except (Refused, Unreachable, CannotTell) as error:
            failure = error
    if waiting or not (given or failure):
        yield rows_of(waiting, ask, where, count + 1)
    if failure is not None:
        raise failure
