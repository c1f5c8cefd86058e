"""Rows of Parquet files; the only file that knows the library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from remit.connectors.cells import as_cells
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk
from remit.errors import Refused, Unreachable

__all__ = ["parquet_rows"]


def parquet_rows(file: BinaryIO, where: str, ask: TableAsk) -> Iterator[SourceRows]:
    """Read the mapped columns of one file, a part of a row group at a time.

    Raises:
        Refused: the extra ``parquet`` is not installed.
        Unreachable: no whole Parquet file.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Refused(f"{where}: reading Parquet needs the extra: pip install 'remit[parquet]'") from None
    try:
        whole = pq.ParquetFile(file)
        names = tuple(dict.fromkeys(whole.schema_arrow.names))
        present = tuple(name for name in ask.columns if name in names)
        unread = tuple(name for name in names if name not in present)
        first = 1
        for batch in whole.iter_batches(BATCH_ROWS_MAX, columns=list(present), use_threads=False):
            cells = [_cells(batch.column(name), pa) for name in present]
            rows = as_cells(list(zip(*cells, strict=True)))
            yield SourceRows(present, rows, where, first, unread=unread)
            first += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreachable(f"{where}: no whole Parquet file: {str(error).splitlines()[0]:.200}") from None
    if first == 1:
        yield SourceRows(present, (), where, 1, unread=unread)


def _cells(column: Any, pa: Any) -> list[object]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)  # Python knows no shorter moments
    cells: list[object] = column.to_pylist()
    return cells
