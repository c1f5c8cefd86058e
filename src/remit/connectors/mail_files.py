"""Mails that lie in files: an mbox file (RFC 4155) or a Maildir folder. They are read and never touched."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from remit.connectors.mail_message import MESSAGE_BYTES_MAX
from remit.errors import Refused, Unreachable

__all__ = ["mails_in"]

LINE_BYTES_MAX: Final = 1_048_576
ENTRIES_MAX: Final = 5_000_000
_QUOTED: Final = re.compile(rb">+From ")


def mails_in(path: Path, note: Callable[[str], None]) -> Iterator[bytes]:
    """Yield each mail as it was sent, in the order of the file or of the names; too large ones are cut, with a note.

    Raises:
        Refused: neither an mbox file nor a Maildir folder.
        Unreachable: it is not there or cannot be read.
    """
    try:
        if path.is_dir():
            if not (path / "cur").is_dir():
                raise Refused(f"{path.name}: a folder without cur is no Maildir")
            yield from _maildir(path, note)
        else:
            yield from _mbox(path, note)
    except OSError as error:
        raise Unreachable(f"{path.name} cannot be read: {error.strerror}") from None


def _maildir(path: Path, note: Callable[[str], None]) -> Iterator[bytes]:
    for part in ("cur", "new"):
        folder = path / part
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            # A link could lead out of the folder; only what lies in it counts.
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        if len(names) > ENTRIES_MAX:
            raise Refused(f"{path.name}: more than {ENTRIES_MAX} mails")
        for name in sorted(names):
            try:
                yield _one_file(folder / name, note)
            except FileNotFoundError:  # a reader of mail moved it, from new to cur or to another name
                note(f"{name} went away while the folder was read")


def _one_file(path: Path, note: Callable[[str], None]) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        data = file.read(MESSAGE_BYTES_MAX + 1)
    if len(data) > MESSAGE_BYTES_MAX:
        note(f"{path.name} is larger than {MESSAGE_BYTES_MAX} bytes; the rest is left out")
    return data[:MESSAGE_BYTES_MAX]


def _mbox(path: Path, note: Callable[[str], None]) -> Iterator[bytes]:
    """A mail begins after an empty line with ``From ``; within it ``>From `` stands for that."""
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused(f"{path.name} is no regular file")
        lines: list[bytes] = []
        size, empty_before, begun, number = 0, True, False, 0
        while line := file.readline(LINE_BYTES_MAX):
            if empty_before and line.startswith(b"From "):
                if begun:
                    yield _joined(lines)
                lines, size, begun, number = [], 0, True, number + 1
            elif not begun and line.strip():
                raise Refused(f"{path.name} is no mbox file: it does not begin with `From `")
            elif begun:
                size += len(line)
                if size <= MESSAGE_BYTES_MAX:
                    lines.append(line)
                elif size - len(line) <= MESSAGE_BYTES_MAX:
                    note(f"mail {number} is larger than {MESSAGE_BYTES_MAX} bytes; the rest is left out")
            empty_before = not line.strip()
        if begun:
            yield _joined(lines)


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line[1:] if _QUOTED.match(line) else line for line in lines)
