"""A folder into which another system drops files: which of them counts.

The newest whole file counts (by the time it was written, then by name). A file that is not whole is left
alone: it is still being written, or was cut; until it is whole the one before it counts, and its age shows.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from remit.connectors.fixed_width import FixedWidthFile, Layout
from remit.connectors.landed_file import LandedFile, landed_files, open_landed, see_unchanged
from remit.errors import BadInput, Unreachable

__all__ = ["DropFolder", "DroppedFile"]

BYTES_MAX: Final = 67_108_864
LOOKED_AT_MAX: Final = 50


class DroppedFile:
    """A whole file that counts. Rows are found by the fields asked for; the index is kept with the file."""

    def __init__(self, name: str, content: FixedWidthFile, layout: Layout):
        self.name = name
        self.content = content
        self._layout = layout
        self._indexes: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
        self._one_at_a_time = threading.Lock()

    def find(self, where: dict[str, str]) -> list[int]:
        """Return the indexes of the rows whose fields equal ``where``; all of them when it is empty."""
        if not where:
            return list(range(len(self.content.rows)))
        columns = tuple(sorted(where))
        with self._one_at_a_time:
            index = self._indexes.get(columns)
            if index is None:
                index = self._indexes[columns] = self._index(columns)
        return index.get(tuple(where[column] for column in columns), [])

    def _index(self, columns: tuple[str, ...]) -> dict[tuple[str, ...], list[int]]:
        index: dict[tuple[str, ...], list[int]] = {}
        for number, row in enumerate(self.content.rows):
            cells = tuple(self._layout.cell(row, column) for column in columns)
            index.setdefault(cells, []).append(number)
        return index


class DropFolder:
    """One folder and one pattern. Its methods block and may be called from several threads."""

    def __init__(self, folder: Path, pattern: str, layout: Layout):
        self._folder = folder
        self._pattern = pattern
        self._layout = layout
        self._known: dict[LandedFile, DroppedFile | str] = {}
        self._one_at_a_time = threading.Lock()

    def newest(self) -> DroppedFile:
        """Return the newest whole file.

        Raises:
            Unreachable: there is none, or the folder cannot be read.
        """
        with self._one_at_a_time:
            candidates = sorted(self._candidates(), key=lambda file: (file.mtime_ns, file.name), reverse=True)
            looked_at: dict[LandedFile, DroppedFile | str] = {}
            why = f"no file like {self._pattern!r}"
            try:
                for candidate in candidates[:LOOKED_AT_MAX]:
                    found = self._known.get(candidate) or self._look(candidate)
                    looked_at[candidate] = found
                    if isinstance(found, DroppedFile):
                        return found
                    why = found if len(looked_at) == 1 else why  # the newest one's fault is told
            finally:
                # Only what was looked at now is kept: one whole file and the unfinished ones after it.
                self._known = looked_at
        raise Unreachable(f"no whole file: {why}")

    def _candidates(self) -> list[LandedFile]:
        return landed_files(self._folder, self._pattern)

    def _look(self, candidate: LandedFile) -> DroppedFile | str:
        """Read a file; a text says why it does not count."""
        try:
            return DroppedFile(
                candidate.name, self._layout.read(_read_unchanged(self._folder, candidate)), self._layout
            )
        except BadInput as error:
            return f"{candidate.name}: {error}"
        except OSError as error:
            return f"{candidate.name}: {error.strerror}"


def _read_unchanged(folder: Path, file: LandedFile) -> bytes:
    if file.size_bytes > BYTES_MAX:
        raise BadInput(f"larger than {BYTES_MAX} bytes: got {file.size_bytes}")
    with open_landed(folder, file) as handle:
        data = bytearray()
        while chunk := handle.read(BYTES_MAX + 1 - len(data)):
            data += chunk
        see_unchanged(handle, file)
    if len(data) != file.size_bytes:
        raise BadInput("it was written to while it was read")
    return bytes(data)
