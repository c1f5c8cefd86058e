"""A folder into which another system drops files: which of them counts.

The newest whole file counts (by the time it was written, then by name). A file that is not whole is left
alone: it is still being written, or was cut; until it is whole the one before it counts, and its age shows.
"""

from __future__ import annotations

import fnmatch
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remit.connectors.fixed_width import FixedWidthFile, Layout
from remit.errors import BadInput, Unreachable

__all__ = ["DropFolder", "DroppedFile"]

BYTES_MAX: Final = 67_108_864
ENTRIES_MAX: Final = 100_000
LOOKED_AT_MAX: Final = 50
_Identity = tuple[str, int, int, int]


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


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    size_bytes: int
    mtime_ns: int
    inode: int

    @property
    def identity(self) -> _Identity:
        return self.name, self.size_bytes, self.mtime_ns, self.inode


class DropFolder:
    """One folder and one pattern. Its methods block and may be called from several threads."""

    def __init__(self, folder: Path, pattern: str, layout: Layout):
        self._folder = folder
        self._pattern = pattern
        self._layout = layout
        self._known: dict[_Identity, DroppedFile | str] = {}
        self._one_at_a_time = threading.Lock()

    def newest(self) -> DroppedFile:
        """Return the newest whole file.

        Raises:
            Unreachable: there is none, or the folder cannot be read.
        """
        with self._one_at_a_time:
            candidates = sorted(self._candidates(), key=lambda file: (file.mtime_ns, file.name), reverse=True)
            looked_at: dict[_Identity, DroppedFile | str] = {}
            why = f"no file like {self._pattern!r}"
            try:
                for candidate in candidates[:LOOKED_AT_MAX]:
                    found = self._known.get(candidate.identity) or self._look(candidate)
                    looked_at[candidate.identity] = found
                    if isinstance(found, DroppedFile):
                        return found
                    why = found if len(looked_at) == 1 else why  # the newest one's fault is told
            finally:
                # Only what was looked at now is kept: one whole file and the unfinished ones after it.
                self._known = looked_at
        raise Unreachable(f"no whole file: {why}")

    def _candidates(self) -> list[_Candidate]:
        found = []
        try:
            with os.scandir(self._folder) as entries:
                for number, entry in enumerate(entries):
                    if number >= ENTRIES_MAX:
                        raise Unreachable(f"more than {ENTRIES_MAX} files in the folder")
                    # A link could lead out of the folder; only what lies in it counts.
                    if fnmatch.fnmatchcase(entry.name, self._pattern) and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found.append(_Candidate(entry.name, status.st_size, status.st_mtime_ns, status.st_ino))
        except OSError as error:
            raise Unreachable(f"the folder cannot be read: {error.strerror}") from None
        return found

    def _look(self, candidate: _Candidate) -> DroppedFile | str:
        """Read a file; a text says why it does not count."""
        try:
            return DroppedFile(
                candidate.name, self._layout.read(_read_unchanged(self._folder, candidate)), self._layout
            )
        except BadInput as error:
            return f"{candidate.name}: {error}"
        except OSError as error:
            return f"{candidate.name}: {error.strerror}"


def _read_unchanged(folder: Path, candidate: _Candidate) -> bytes:
    if candidate.size_bytes > BYTES_MAX:
        raise BadInput(f"larger than {BYTES_MAX} bytes: got {candidate.size_bytes}")
    # Between listing and opening the name may have come to mean something else.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(folder / candidate.name, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadInput("not a regular file")
        data = file.read(BYTES_MAX + 1)
        after = os.fstat(file.fileno())
    if (len(data), after.st_size, after.st_mtime_ns, after.st_ino) != (
        candidate.size_bytes,
        candidate.size_bytes,
        candidate.mtime_ns,
        candidate.inode,
    ):
        raise BadInput("it was written to while it was read")
    return data
