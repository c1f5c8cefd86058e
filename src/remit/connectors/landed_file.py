"""Files that another system puts into a folder: listing them, opening one, seeing that it stayed as it was."""

from __future__ import annotations

import fnmatch
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from remit.errors import BadInput, Unreachable

__all__ = ["LandedFile", "landed_file", "landed_files", "open_landed", "see_unchanged"]

ENTRIES_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A regular file as it was when it was looked at."""

    name: str
    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> LandedFile:
        """Return what ``status`` says of the file ``name``."""
        return cls(name, status.st_size, status.st_mtime_ns, status.st_ino)


def landed_files(folder: Path, pattern: str) -> list[LandedFile]:
    """Return the regular files in ``folder`` whose names match ``pattern``, in no order.

    Raises:
        Unreachable: the folder cannot be read, or holds more than 100,000 files.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= ENTRIES_MAX:
                    raise Unreachable(f"more than {ENTRIES_MAX} files in the folder")
                # A link could lead out of the folder; only what lies in it counts.
                if fnmatch.fnmatchcase(entry.name, pattern) and entry.is_file(follow_symlinks=False):
                    found.append(LandedFile.of(entry.name, entry.stat(follow_symlinks=False)))
    except OSError as error:
        raise Unreachable(f"the folder cannot be read: {error.strerror}") from None
    return found


def landed_file(path: Path) -> LandedFile:
    """Return the file at ``path``, following links: the path was named, not found.

    Raises:
        Unreachable: there is none.
        BadInput: it is not a regular file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise Unreachable(f"{path.name} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path.name} is not a regular file")
    return LandedFile.of(path.name, status)


def open_landed(folder: Path, file: LandedFile, follow_links: bool = False) -> BinaryIO:
    """Open a file that was looked at, unbuffered.

    Raises:
        BadInput: the name has come to mean something that is no regular file.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    handle = os.fdopen(os.open(folder / file.name, flags), "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise BadInput("not a regular file")
    return handle


def see_unchanged(handle: BinaryIO, file: LandedFile) -> None:
    """See that an open file is the one that was looked at, and that nobody wrote to it since.

    Raises:
        BadInput: it is another, or was written to.
    """
    if LandedFile.of(file.name, os.fstat(handle.fileno())) != file:
        raise BadInput("it was written to while it was read")
