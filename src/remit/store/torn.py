"""What a crash left at the end of SQLite's write-ahead log: bytes of a commit that never became whole.

SQLite leaves such a tail out by itself when it opens the file; this only tells how much there was, so that it can be
recorded. Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

__all__ = ["torn_bytes"]

_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_MAGIC: Final = (0x377F0682, 0x377F0683)


def torn_bytes(database: Path) -> int:
    """Return how many bytes of the log of ``database`` belong to a commit that is not whole; 0 when there are none.

    Counted are a frame cut short and whole frames behind the last commit; whether a frame's content is sound is left
    to SQLite.
    """
    log = database.with_name(database.name + "-wal")
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            header = file.read(_HEADER)
            if len(header) < _HEADER:
                return len(header)
            magic, _version, page, _checkpoint, salt = struct.unpack(">IIII8s8x", header)
            if magic not in _MAGIC or not 512 <= page <= 65_536:
                return 0
            committed, place = _HEADER, _HEADER
            while place < size:
                file.seek(place)
                frame = file.read(_FRAME_HEADER)
                if len(frame) < _FRAME_HEADER or frame[8:16] != salt:
                    break  # frames of an earlier round of the log, or a header cut short
                place += _FRAME_HEADER + page
                if place <= size and struct.unpack(">I", frame[4:8])[0]:
                    committed = place
            torn = min(place, size) - committed
            return torn or (size - place if size - place < _FRAME_HEADER and size > place else 0)
    except OSError:
        return 0
