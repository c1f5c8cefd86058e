"""One pass over the bytes of a text file before it is read: its encoding, where its rows end, and what is odd in it."""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from remit.errors import BadInput

__all__ = ["ENCODINGS", "LINE_BYTES_MAX", "ScannedText", "open_scanned", "scan_text"]

LINE_BYTES_MAX: Final = 1_048_576
"""A line of twice this length or more is refused; shorter ones may be taken."""
ENCODINGS: Final = (
    "ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "iso-8859-2", "iso-8859-15", "cp1250", "cp1251",
    "cp1252", "cp437", "cp850", "shift_jis", "euc-jp", "euc-kr", "gb18030", "big5",
)  # fmt: skip

_TAIL_BYTES: Final = 65_536
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_END_MARK: Final = re.compile(rb"(?<=[\r\n])[\x1a\x00]")  # how files of old systems end
_NOT_IN_CP1252: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]").search
_ESCAPED: Final = re.compile("[\udc80-\udcff]")
_FOREIGN: Final = re.compile("[^\x00-\x7f\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class ScannedText:
    """What the scan of a file found.

    Rows stand in the bytes from ``start`` (after a byte order mark) to ``end`` (before a trailer and end-of-file
    marks), on ``lines`` lines. ``odd`` means that some of it is not in its encoding, which is read as lone surrogates,
    or holds NUL. ``trailer`` is the last line where one was asked for. ``open_end`` means that the last line does not
    end. ``found`` are those of the texts looked for that occur anywhere.
    """

    encoding: str
    start: int
    end: int
    lines: int
    odd: bool
    open_end: bool
    trailer: str
    found: frozenset[bytes]
    note: str


def scan_text(
    handle: BinaryIO, encoding: str | None, trailer: bool = False, look_for: Iterable[bytes] = ()
) -> ScannedText:
    """Read a file once, a megabyte at a time.

    Without ``encoding`` it is found out: by a byte order mark; UTF-16 where every second byte is 0; UTF-8 where most
    of what is not ASCII is that; else the Windows code page 1252, or Latin 1 where that has holes.

    Raises:
        BadInput: a line too long; not in UTF-16 though it says so; a trailer in UTF-16.
        OSError: it cannot be read.
    """
    handle.seek(0)
    head = handle.read(4096) or b""
    start, marked = next(((len(mark), name) for mark, name in _MARKS if head.startswith(mark)), (0, ""))
    stated = "utf-16-le" if encoding == "utf-16" else encoding
    if marked and (stated is None or marked[:6] == stated[:6]):
        stated = marked
    name = stated or _wide(head) or "utf-8"
    sight = _Sight(name, look_for)
    sight.run(handle, start)
    note, wrong = "", sight.wrong_at is not None
    if wrong and name.startswith("utf-16"):
        raise BadInput(f"not {name} near byte {sight.wrong_at}; state its encoding")
    if wrong and stated is None and not _mostly_utf8(handle, start):
        name, wrong = ("latin-1" if sight.holes else "cp1252"), False
        note = f"not UTF-8, taken for {name}; state its encoding"
    if wrong:
        note = f"not {name} near byte {sight.wrong_at}: rows with such bytes are not loaded"
    end, last, open_end = _ending(handle, start, name, trailer)
    handle.seek(end)
    after = (handle.read(_TAIL_BYTES) or b"").count(b"\n")
    lines = sight.lines - after + (1 if open_end else 0)
    return ScannedText(name, start, end, lines, wrong or sight.nul, open_end, last, frozenset(sight.found), note)


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: of text in Latin letters every second byte is 0."""
    half = len(head) // 2
    first, second = head[0::2].count(0), head[1::2].count(0)
    if half < 8 or max(first, second) * 10 < half * 4 or min(first, second) * 20 > half:
        return ""
    return "utf-16-le" if second > first else "utf-16-be"


class _Sight:
    """What one pass over the bytes sees."""

    def __init__(self, encoding: str, look_for: Iterable[bytes]):
        self.lines = 0
        self.nul = self.holes = False
        self.wrong_at: int | None = None
        self.found: set[bytes] = set()
        self._wide = encoding.startswith("utf-16")
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._ascii_as_is = not self._wide
        self._sought = set(look_for)

    def run(self, handle: BinaryIO, start: int) -> None:
        handle.seek(start)
        place, before = start, b""
        overlap = max(map(len, self._sought), default=1) - 1
        while chunk := handle.read(LINE_BYTES_MAX):
            if len(chunk) == LINE_BYTES_MAX and b"\n" not in chunk and b"\r" not in chunk:
                raise BadInput(f"a line longer than {LINE_BYTES_MAX} bytes near byte {place}")
            self.lines += chunk.count(b"\n")
            self.nul = self.nul or (not self._wide and b"\0" in chunk)
            self.holes = self.holes or _NOT_IN_CP1252(chunk) is not None
            if self._sought:
                here = before + chunk
                seen = {text for text in self._sought if text in here}
                self.found |= seen
                self._sought -= seen
                before = here[-overlap:] if overlap else b""
            self._decode(chunk, place)
            place += len(chunk)
        self._decode(b"", place)

    def _decode(self, chunk: bytes, place: int) -> None:
        if self.wrong_at is not None:
            return
        if self._ascii_as_is and chunk.isascii() and chunk and not self._decoder.getstate()[0]:
            return
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            self.wrong_at = max(0, place + error.start)


def _mostly_utf8(handle: BinaryIO, start: int) -> bool:
    """Tell whether more of what is not ASCII is UTF-8 than not: a few bad bytes do not make another encoding of it."""
    handle.seek(start)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    bad = good = 0
    while chunk := handle.read(LINE_BYTES_MAX):
        text = decoder.decode(chunk)
        if not text.isascii():
            bad += len(_ESCAPED.findall(text))
            good += len(_FOREIGN.findall(text))
    return good > bad


def _ending(handle: BinaryIO, start: int, encoding: str, trailer: bool) -> tuple[int, str, bool]:
    """Where the rows end, the last line when it is a trailer, and whether the last line of the rows does not end."""
    size = handle.seek(0, os.SEEK_END)
    from_byte = max(start, size - _TAIL_BYTES)
    handle.seek(from_byte)
    tail = handle.read(_TAIL_BYTES) or b""
    if encoding.startswith("utf-16"):
        if trailer:
            raise BadInput("a trailer is not looked for in UTF-16")
        return size, "", not tail.endswith((b"\n\0", b"\0\n", b"\r\0", b"\0\r"))
    marks = tail.rstrip(b" \r\n\x1a\x00")
    last = ""
    if trailer:
        begin = max(marks.rfind(b"\n"), marks.rfind(b"\r")) + 1
        last = marks[begin:].decode(encoding, "replace")
        tail = tail[:begin]
    else:
        ending = _END_MARK.search(tail, len(marks))
        tail = tail if ending is None else tail[: ending.start()]
    return from_byte + len(tail), last, bool(tail) and not tail.endswith((b"\n", b"\r"))


class _Span(io.RawIOBase):
    """The bytes of a file from here to ``end``."""

    def __init__(self, handle: BinaryIO, end: int):
        self._handle, self._left = handle, end - handle.tell()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._handle.read(min(len(buffer), self._left)) or b""
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def open_scanned(handle: BinaryIO, scanned: ScannedText) -> io.BufferedReader:
    """Return the bytes in which the rows stand, without byte order mark and trailer."""
    handle.seek(scanned.start)
    return io.BufferedReader(_Span(handle, scanned.end), LINE_BYTES_MAX)
