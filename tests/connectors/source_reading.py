"""Reading a source as a load would, and keeping everything it said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remit.connectors.pace import Timing
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceReader, SourceRows
from remit.errors import RemitError
from remit.knowledge.source_file import load_source_file, open_source

__all__ = ["WasRead", "read_source"]


@dataclass
class WasRead:
    """What came out: good rows as dictionaries, where each stood, what was wrong with the others."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    bad: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    columns: list[tuple[str, ...]] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    error: RemitError | None = None

    def take(self, part: SourceRows) -> None:
        """Take one batch, which must be as every reader promises."""
        assert len(part.rows) <= BATCH_ROWS_MAX
        assert set(part.problems) == set(part.raw) or not part.raw
        self.columns.append(part.columns)
        self.unread |= set(part.unread)
        for index, row in enumerate(part.rows):
            assert len(row) == len(part.columns)
            cells = dict(zip(part.columns, row, strict=True))
            if index in part.problems:
                self.problems[part.position(index)] = part.problems[index]
                self.bad.append(cells)
                self.raw.append(part.raw.get(index, ""))
            else:
                self.rows.append(cells)
                self.places.append(part.position(index))


def read_source(
    text: str,
    *,
    folder: Path = Path("sources"),
    table: str = "t",
    since: str | None = None,
    environment: Mapping[str, str] | None = None,
    timing: Timing | None = None,
    between: Callable[[int], None] = lambda batch: None,
) -> WasRead:
    """Read ``table`` of the source that ``text`` describes; what is raised is kept as ``error``.

    ``between`` is called after each batch with its number, from 1.
    """
    source = load_source_file(folder / "it.yaml", text)
    was = WasRead()

    async def go(reader: SourceReader) -> None:
        try:
            number = 0
            async for part in reader.read(source.tables[table].ask(since, source.zone)):
                was.take(part)
                number += 1
                between(number)
            await reader.taken(source.tables[table].ask(since, source.zone))
        except RemitError as error:
            was.error = error
        finally:
            await reader.close()
            await reader.close()

    reader = open_source(source, environment, timing)
    asyncio.run(go(reader))
    assert isinstance(reader, SourceReader)
    was.notes = reader.notes
    return was
