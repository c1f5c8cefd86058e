"""Sources that are files: CSV, fixed width, JSON lines and Parquet, each one file or a folder into which they drop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from remit.connectors.answer import as_moment, zone
from remit.connectors.csv_rows import CSV_KEYS, csv_rows
from remit.connectors.fixed_rows import fixed_rows
from remit.connectors.fixed_width import LAYOUT_SCHEMA, Layout, layout_findings, see_trailer
from remit.connectors.json_rows import json_rows, keys_in_file
from remit.connectors.landed_file import LandedFile, landed_file, landed_files, open_landed, see_unchanged
from remit.connectors.pace import Timing
from remit.connectors.parquet_rows import parquet_rows
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import FILE_COLUMN, WRITTEN_COLUMN, SourceRows, TableAsk, add_note
from remit.connectors.text_scan import ENCODINGS, ScannedText, open_scanned, scan_text
from remit.connectors.whole_file import DONE_SCHEMA, QUIET_DEFAULT, why_not_landed
from remit.document import Document, PathKey, expand_environment
from remit.errors import BadInput, Finding, Refused, Unreachable

__all__ = ["CSV_SOURCE", "FIXED_SOURCE", "JSONL_SOURCE", "PARQUET_SOURCE", "FileSource"]

Notes = list[str]


class _Format(Protocol):
    """How one kind of file is read: its whole content, or an error."""

    def __call__(
        self, handle: BinaryIO, where: str, ask: TableAsk, options: Mapping[str, Any], notes: Notes
    ) -> Iterator[SourceRows]: ...


class _NotWhole(Exception):
    """The file is not all there, or not yet."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read for one ask: options of connection and table together, the folder and the files in it."""

    ask: TableAsk
    options: Mapping[str, Any]
    folder: Path
    named: str
    """The one file's name; empty for a drop folder."""

    @property
    def done(self) -> Mapping[str, Any]:
        """What shows that a file is whole."""
        done: Mapping[str, Any] = self.options.get("done", {} if self.named else {"quiet": QUIET_DEFAULT})
        return done


class FileSource:
    """Reads files of one kind. Implements `SourceReader`; reading blocks for the time of one batch.

    Of one file everything is read. Of a drop folder: without a cursor the newest whole file; with the cursor ``_file``
    every file whose name comes after the last one loaded, in the order of the names; with ``_written`` every file that
    was written since, in that order; with another cursor all of them by name. A file that is not whole holds back
    those after it, because they would move the cursor past it.

    Columns besides those in the files: ``_file`` is the file's name, ``_written`` when it was written.
    """

    def __init__(
        self, name: str, connect: Mapping[str, Any], folder: Path, read_file: _Format, now: Callable[[], datetime]
    ):
        self.notes: list[str] = []
        self._name = name
        self._connect = connect
        self._folder = folder
        self._read_file = read_file
        self._now = now

    async def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one table's files; see `SourceReader.read`."""
        reading = self._reading(ask)
        try:
            for part in self._one(reading) if reading.named else self._folder_parts(reading):
                yield part
        except _NotWhole as error:
            raise Unreachable(f"{self._name}.{ask.table}: {error}") from None
        except (Refused, Unreachable) as error:
            raise type(error)(f"{self._name}.{ask.table}: {error}") from None
        except BadInput as error:
            raise Refused(f"{self._name}.{ask.table}: {error}") from None
        except OSError as error:
            raise Unreachable(f"{self._name}.{ask.table}: {error.strerror or type(error).__name__}") from None

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: files stay where they are."""

    async def close(self) -> None:
        """Do nothing: a file is closed when it is read."""

    def _reading(self, ask: TableAsk) -> _Reading:
        options = {**self._connect, **ask.options}
        folder = self._folder / Path(options.get("folder", "")).expanduser()
        if "path" in options:
            path = folder / Path(options["path"]).expanduser()
            return _Reading(ask, options, path.parent, path.name)
        return _Reading(ask, options, folder, "")

    def _one(self, reading: _Reading) -> Iterator[SourceRows]:
        file = landed_file(reading.folder / reading.named)
        yield from self._whole(reading, file)

    def _folder_parts(self, reading: _Reading) -> Iterator[SourceRows]:
        ask, pattern = reading.ask, reading.options["pattern"]
        files = landed_files(reading.folder, pattern)
        if ask.cursor_column is None:
            yield from self._newest(reading, files)
            return
        files = self._in_order(ask, files)
        if not files and ask.since is None:
            raise _NotWhole(f"no file like {pattern!r}")
        read = 0
        for file in files:
            try:
                for part in self._whole(reading, file):
                    read += 1
                    yield part
            except _NotWhole as error:
                later = len(files) - files.index(file) - 1
                add_note(self.notes, f"{error}" + (f"; {later} files after it wait" if later else ""))
                if read == 0 and ask.since is None:
                    raise
                break
        if read == 0:  # nothing new
            yield SourceRows(ask.columns, (), pattern, 1)

    def _in_order(self, ask: TableAsk, files: list[LandedFile]) -> list[LandedFile]:
        """The files that may hold what is new, those first that must be loaded first."""
        if ask.cursor_column == FILE_COLUMN:
            return sorted((file for file in files if file.name > (ask.since or "")), key=lambda file: file.name)
        if ask.cursor_column == WRITTEN_COLUMN:
            since = as_moment(ask.since, UTC)
            new = (file for file in files if since is None or _written(file) >= since)
            return sorted(new, key=lambda file: (file.mtime_ns, file.name))
        add_note(self.notes, f"{ask.table}: every file was read; with changed: {FILE_COLUMN} only new ones are")
        return sorted(files, key=lambda file: file.name)

    def _newest(self, reading: _Reading, files: list[LandedFile]) -> Iterator[SourceRows]:
        why = f"no file like {reading.options['pattern']!r}"
        for number, file in enumerate(sorted(files, key=lambda one: (one.mtime_ns, one.name), reverse=True)):
            try:
                yield from self._whole(reading, file)
                return
            except _NotWhole as error:
                add_note(self.notes, str(error))
                why = why if number else str(error)
        raise _NotWhole(f"no whole file: {why}")

    def _whole(self, reading: _Reading, file: LandedFile) -> Iterator[SourceRows]:
        """The rows of one file; that it is not whole is known before the first of them."""
        why = why_not_landed(reading.folder, file, reading.done, self._now())
        if why:
            raise _NotWhole(why)
        try:
            handle = open_landed(reading.folder, file, follow_links=bool(reading.named))
        except FileNotFoundError:
            raise _NotWhole(f"{file.name}: gone since it was listed") from None
        columns = {FILE_COLUMN: file.name, WRITTEN_COLUMN: _written(file)}
        wanted = [name for name in columns if name in reading.ask.columns]
        # What a kind of file has of its own is not offered to it as a column of the file.
        within = replace(reading.ask, columns=tuple(name for name in reading.ask.columns if name not in wanted))
        with handle:
            notes: Notes = []
            for part in self._read_file(handle, file.name, within, {**reading.options, "done": reading.done}, notes):
                if within.columns and not set(within.columns) & set(part.columns):
                    count = len(part.columns) + len(part.unread)
                    raise Refused(f"{file.name}: none of the mapped columns is among the {count} that it has")
                yield _with(part, wanted, tuple(columns[name] for name in wanted)) if wanted else part
            for note in notes:
                add_note(self.notes, note)
            try:
                see_unchanged(handle, file)
            except BadInput as error:
                raise Unreachable(f"{file.name}: {error}") from None


def _written(file: LandedFile) -> datetime:
    return datetime.fromtimestamp(file.mtime_ns // 10**9, UTC)


def _with(part: SourceRows, names: list[str], cells: tuple[object, ...]) -> SourceRows:
    return replace(part, columns=(*part.columns, *names), rows=[(*row, *cells) for row in part.rows])


def _scanned(
    handle: BinaryIO, where: str, encoding: str | None, trailer: str | None, done: Mapping[str, Any], notes: Notes,
    look_for: Iterable[bytes] = (),
) -> ScannedText:  # fmt: skip
    """Scan a text file.

    Raises:
        _NotWhole: it is empty and nothing says that it should be.
    """
    scanned = scan_text(handle, encoding, trailer is not None, look_for)
    if scanned.note:
        notes.append(f"{where}: {scanned.note}")
    if scanned.end == scanned.start and trailer is None and "marker" not in done:
        raise _NotWhole(f"{where}: empty, and nothing shows that it should be")
    return scanned


def _csv(handle: BinaryIO, where: str, ask: TableAsk, options: Mapping[str, Any], notes: Notes) -> Iterator[SourceRows]:
    trailer = options["done"].get("trailer")
    scanned = _scanned(handle, where, options.get("encoding"), trailer, options["done"], notes)
    if trailer is not None:  # quoted line ends make it necessary to read it twice
        count = sum(len(part.rows) for part in csv_rows(open_scanned(handle, scanned), scanned, where, options, []))
        _see_trailer(where, scanned, trailer, count)
    yield from csv_rows(open_scanned(handle, scanned), scanned, where, options, notes)


def _fixed(
    handle: BinaryIO, where: str, ask: TableAsk, options: Mapping[str, Any], notes: Notes
) -> Iterator[SourceRows]:
    layout = Layout(options["layout"], zone(ask.zone))
    trailer = layout.trailer or options["done"].get("trailer")
    scanned = _scanned(handle, where, layout.encoding, trailer, options["done"], notes)
    if trailer is not None:
        _see_trailer(where, scanned, trailer, scanned.lines - layout.header)
    yield from fixed_rows(open_scanned(handle, scanned), scanned, where, layout, notes)


def _jsonl(
    handle: BinaryIO, where: str, ask: TableAsk, options: Mapping[str, Any], notes: Notes
) -> Iterator[SourceRows]:
    trailer = options["done"].get("trailer")
    look_for = keys_in_file(ask.columns).values()
    scanned = _scanned(handle, where, None, trailer, options["done"], notes, look_for)
    if not scanned.encoding.startswith("utf"):  # some bytes are not; the lines that hold them are held back
        scanned = replace(scanned, encoding="utf-8")
    if trailer is not None:
        _see_trailer(where, scanned, trailer, scanned.lines)
    yield from json_rows(open_scanned(handle, scanned), scanned, where, ask, notes)


def _parquet(
    handle: BinaryIO, where: str, ask: TableAsk, options: Mapping[str, Any], notes: Notes
) -> Iterator[SourceRows]:
    handle.seek(max(0, handle.seek(0, os.SEEK_END) - 4))
    if handle.read(4) != b"PAR1":
        raise _NotWhole(f"{where}: the end of a Parquet file is missing")
    handle.seek(0)
    yield from parquet_rows(handle, where, ask)


def _see_trailer(where: str, scanned: ScannedText, trailer: str, rows: int) -> None:
    try:
        see_trailer(scanned.trailer, trailer, rows)
    except BadInput as error:
        raise _NotWhole(f"{where}: {error}") from None


_FILES: Final[Mapping[str, Any]] = {
    "path": {"type": "string", "minLength": 1, "maxLength": 1000},
    "pattern": {"type": "string", "pattern": "^[^/\\\\]+$", "maxLength": 200},
    "done": DONE_SCHEMA,
}
"""``path`` is one file; or ``pattern`` says which files of the folder count, by default once they are quiet for a
minute. Paths start from ``folder``, which starts from where the description lies.
"""
_FOLDER: Final = {"type": "string", "minLength": 1, "maxLength": 1000}


def _kind(read_file: _Format, keys: Mapping[str, Any], needed: tuple[str, ...] = ()) -> SourceKind:
    of_table = {**_FILES, **keys}

    def opened(
        name: str,
        connect: Mapping[str, Any],
        folder: Path,
        environment: Mapping[str, str] | None,
        timing: Timing,
        inbox: object,
    ) -> FileSource:
        filled = {key: expand_environment(connect[key], environment) for key in ("folder", "path") if key in connect}
        return FileSource(name, {**connect, **filled}, folder, read_file, timing.now)

    return SourceKind(
        {"type": "object", "additionalProperties": False, "properties": {"folder": _FOLDER, **of_table}},
        {"type": "object", "properties": of_table},
        lambda document: tuple(_findings(document, needed)),
        opened,
    )


def _findings(document: Document, needed: tuple[str, ...]) -> Iterator[Finding]:
    connect = document.value["connect"]
    if "layout" in connect:
        yield from layout_findings(document, ("connect", "layout"), connect["layout"])
    for name, table in document.value["tables"].items():
        path: PathKey = ("tables", name)
        options = {**connect, **table}
        if ("path" in options) == ("pattern" in options):
            got = "both" if "path" in options else "neither"
            yield document.finding(path, f"{name}: path: or pattern: says which files: got {got}")
        for key in needed:
            if key not in options:
                yield document.finding(path, f"{name}: {key}: is missing", f"write {key}: here or under connect:")
        if "layout" in table:
            yield from layout_findings(document, (*path, "layout"), table["layout"])
        if options.get("header", True) == ("columns" in options):
            what = "header: false needs columns:" if "columns" not in options else "columns: needs header: false"
            yield document.finding(path, f"{name}: {what}", "name the columns, or let the header do it")


CSV_SOURCE: Final = _kind(_csv, {"encoding": {"enum": list(ENCODINGS)}, **CSV_KEYS})
"""The kind ``csv``."""
FIXED_SOURCE: Final = _kind(_fixed, {"layout": LAYOUT_SCHEMA}, ("layout",))
"""The kind ``fixed``."""
JSONL_SOURCE: Final = _kind(_jsonl, {})
"""The kind ``jsonl``."""
PARQUET_SOURCE: Final = _kind(_parquet, {})
"""The kind ``parquet``."""
