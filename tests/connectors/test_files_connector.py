"""A drop folder as it really is: files half written, cut, resent, linked out of the folder, in old encodings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.connectors.answer import zone
from remit.connectors.connector import Connector, Reading
from remit.connectors.drop_folder import DropFolder
from remit.connectors.fixed_width import Layout
from remit.connectors.systems import load_system, open_connector
from remit.errors import BadInput, CannotTell, Refused, Unreachable
from remit.testing.connector_contract import ConnectorCase, ListCase, ReadCase, check_connector
from remit.vocabulary import Json

SYSTEM = """
system: safety
kind: files
folder: ${FOLDER}
pattern: HOLDS*.TXT
layout:
  {encoding: latin-1, header: 1, observed: [10, 21], trailer: TRL,
   columns: {order: [1, 12], code: [13, 16], level: [17, 20], reason: [21, 60]}}
reads:
  hold: {where: {order: $order}, value: code, absent: none}
  reason: {where: {order: $order}, value: reason, record: code}
  level: {where: {order: $order, code: $code}, value: level, type: integer}
lists:
  holds: {}
  by_code: {where: {code: $code}}
"""


def row(order: str, code: str = "H1", level: str = "", reason: str = "") -> str:
    return f"{order:<12}{code:<4}{level:>4}{reason:<40}"


def content(*rows: str, observed: str = "202602281830", count: int | None = None, end: str = "\n") -> bytes:
    lines = [f"HDRHOLDS {observed}", *rows, f"TRL{len(rows) if count is None else count:08d}"]
    return "".join(line + end for line in lines).encode("latin-1")


def drop(folder: Path, name: str, data: bytes, at: int) -> Path:
    path = folder / name
    path.write_bytes(data)
    os.utime(path, ns=(at * 10**9, at * 10**9))
    return path


def call(folder: Path, what: Callable[[Connector], Any], system: str = SYSTEM) -> Any:
    async def go() -> Any:
        connector = open_connector(load_system("safety.yaml", system), {"FOLDER": str(folder)})
        try:
            return await what(connector)
        finally:
            await connector.close()

    return asyncio.run(go())


def read(folder: Path, name: str = "hold", system: str = SYSTEM, **parameters: Json) -> Reading:
    reading = call(folder, lambda connector: connector.read(name, parameters or {"order": "A-1"}), system)
    assert isinstance(reading, Reading)
    return reading


OBSERVED = datetime(2026, 2, 28, 18, 30, tzinfo=UTC)


def test_a_fact_with_its_record_and_moment(tmp_path: Path) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("A-0"), row("A-1", "H7", "12", "Gefährlich")), 100)
    assert read(tmp_path) == Reading("H7", "HOLDS1.TXT:3", OBSERVED)
    assert read(tmp_path, "reason", order="A-1") == Reading("Gefährlich", "H7", OBSERVED)
    assert read(tmp_path, "level", order="A-1", code="H7").value == 12


def test_absent_is_a_value_only_where_declared(tmp_path: Path) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("A-0")), 100)
    assert read(tmp_path) == Reading("none", "HOLDS1.TXT", OBSERVED)
    assert read(tmp_path, "reason", order="A-9") == Reading(None, "HOLDS1.TXT", OBSERVED, "no such record")


@pytest.mark.parametrize(
    ("level", "value", "problem"),
    [
        ("", None, "the record has no value"),
        ("0", 0, ""),
        ("0012", 12, ""),
        ("-3", -3, ""),
        ("1.5", None, "the value is not a whole number"),
        ("²", None, "the value is not a whole number"),
    ],
)
def test_whole_numbers(tmp_path: Path, level: str, value: Json, problem: str) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("A-1", "H1", level)), 100)
    reading = read(tmp_path, "level", order="A-1", code="H1")
    assert (reading.value, reading.problem) == (value, problem)


def test_two_rows_for_one_fact_are_no_fact(tmp_path: Path) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("A-1", "H1"), row("A-1", "H2")), 100)
    assert read(tmp_path).problem == "2 records"
    assert read(tmp_path, "level", order="A-1", code="H2").problem == "the record has no value"


@settings(max_examples=80, deadline=None)
@given(cut=st.integers(0, 300))
def test_a_file_cut_anywhere_never_counts(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """While the new file is being written, at whatever byte, the whole one before it counts, with its age."""
    folder = tmp_path_factory.mktemp("drop")
    old = content(row("A-1", "OLD"), observed="202602270000")
    new = content(row("A-1", "NEW"), row("A-2", "NEW"), row("A-3", "NEW"))
    drop(folder, "HOLDS1.TXT", old, 100)
    drop(folder, "HOLDS2.TXT", new[:cut], 200)
    whole = cut >= len(new) - 1  # the line end after the trailer may be missing
    assert read(folder).value == ("NEW" if whole else "OLD")
    assert read(folder).observed_at == (OBSERVED if whole else datetime(2026, 2, 27, tzinfo=UTC))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        content(row("A-1", "BAD"), count=2),
        content(row("A-1", "BAD"), count=0),
        content(row("A-1", "BAD")) + b"one more row\n",
        content(row("A-1", "BAD")).replace(b"TRL", b"trl"),
        content(row("A-1", "BAD")).replace(b"TRL00000001", b"TRL"),
        content(row("A-1", "BAD")).replace(b"TRL00000001", b"TRL1x"),
        content(row("A-1", "BAD")).replace(b"TRL00000001", b"TRL" + b"9" * 5000),
        b"TRL00000000",
    ],
)
def test_what_is_not_whole_is_left_alone(tmp_path: Path, bad: bytes) -> None:
    drop(tmp_path, "HOLDS2.TXT", bad, 200)
    with pytest.raises(Unreachable, match=r"no whole file: HOLDS2\.TXT"):
        read(tmp_path)
    drop(tmp_path, "HOLDS1.TXT", content(row("A-1", "GOOD")), 100)
    assert read(tmp_path).value == "GOOD"


def test_the_newest_counts_and_changes_are_seen_by_one_connector(tmp_path: Path) -> None:
    async def what(connector: Connector) -> list[Json]:
        seen: list[Json] = []

        async def note() -> None:
            seen.append((await connector.read("hold", {"order": "A-1"})).value)

        drop(tmp_path, "HOLDS-B.TXT", content(row("A-1", "1")), 100)
        await note()
        drop(tmp_path, "HOLDS-A.TXT", content(row("A-1", "2")), 200)  # newer, though its name comes first
        await note()
        drop(tmp_path, "HOLDS-C.TXT", content(row("A-1", "3")), 200)  # as new: the name decides
        await note()
        path = drop(tmp_path, "HOLDS-D.TXT", content(row("A-1", "4"))[:-5], 300)  # being written
        await note()
        drop(tmp_path, "HOLDS-D.TXT", content(row("A-1", "4")), 300)  # whole now
        await note()
        drop(tmp_path, "HOLDS-D.TXT", content(row("A-1", "5")), 301)  # written anew, same size
        await note()
        path.unlink()
        await note()
        drop(tmp_path, "OTHER.TXT", content(row("A-1", "6")), 400)  # not of the pattern
        await note()
        return seen

    assert call(tmp_path, what) == ["1", "2", "3", "3", "4", "5", "3", "3"]


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("A-1")), 100)
    drop(tmp_path, "HOLDS2.TXT", b"half", 200)
    times = 0
    real = Layout.read

    def counted(self: Layout, data: bytes) -> Any:
        nonlocal times
        times += 1
        return real(self, data)

    monkeypatch.setattr(Layout, "read", counted)

    async def what(connector: Connector) -> None:
        for _ in range(5):
            await connector.read("hold", {"order": "A-1"})

    call(tmp_path, what)
    assert times == 2


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    secret = drop(outside, "HOLDS9.TXT", content(row("A-1", "OUT")), 900)
    (inside / "HOLDS8.TXT").symlink_to(secret)
    (inside / "HOLDS7.TXT").mkdir()
    os.mkfifo(inside / "HOLDS6.TXT")
    with pytest.raises(Unreachable, match="no file like"):
        read(inside)
    drop(inside, "HOLDS1.TXT", content(row("A-1", "IN")), 100)
    assert read(inside).value == "IN"


def test_a_name_that_becomes_a_link_between_listing_and_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = drop(tmp_path, "secret", content(row("A-1", "OUT")), 100)
    path = drop(tmp_path, "HOLDS1.TXT", content(row("A-1", "IN!")), 100)
    layout = Layout({"columns": {"order": [1, 12]}}, zone("UTC"))
    folder = DropFolder(tmp_path, "HOLDS*.TXT", layout)
    listed = folder._candidates()
    path.unlink()
    path.symlink_to(target)
    monkeypatch.setattr(folder, "_candidates", lambda: listed)
    with pytest.raises(Unreachable, match="no whole file"):
        folder.newest()


def test_a_file_that_changes_while_it_is_read_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop(tmp_path, "HOLDS1.TXT", content(row("A-1", "IN!")), 100)
    folder = DropFolder(tmp_path, "HOLDS*.TXT", Layout({"columns": {"order": [1, 12]}}, zone("UTC")))
    listed = folder._candidates()
    path.write_bytes(content(row("A-1", "NEW")))
    monkeypatch.setattr(folder, "_candidates", lambda: listed)
    with pytest.raises(Unreachable, match="written to while it was read"):
        folder.newest()


def test_a_file_that_is_too_large_does_not_count(tmp_path: Path) -> None:
    with (tmp_path / "HOLDS1.TXT").open("wb") as file:
        file.truncate(2**26 + 1)  # a hole, not data
    with pytest.raises(Unreachable, match="larger than"):
        read(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="folder cannot be read"):
        read(tmp_path / "absent")


@pytest.mark.parametrize(
    "parameters", [{"order": ""}, {"order": "   "}, {"order": None}, {"other": "x"}, {"order": []}]
)
def test_an_empty_parameter_does_not_find_the_rows_that_have_nothing(
    tmp_path: Path, parameters: Mapping[str, Json]
) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("", "H1")), 100)
    with pytest.raises(Refused):
        call(tmp_path, lambda connector: connector.read("hold", parameters))


def test_no_effects(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        call(tmp_path, lambda connector: connector.perform("write", {}, "key"))
    with pytest.raises(CannotTell):
        call(tmp_path, lambda connector: connector.lookup("write", "key", {}))


def test_the_contract(tmp_path: Path) -> None:
    drop(tmp_path, "HOLDS1.TXT", content(row("A-1", "H1", "5", "Wait"), row("A-2", "H2")), 100)
    rows: list[dict[str, Json]] = [{"order": "A-2", "code": "H2", "level": "", "reason": ""}]
    case = ConnectorCase(
        lambda: open_connector(load_system("safety.yaml", SYSTEM), {"FOLDER": str(tmp_path)}),
        reads=(ReadCase("reason", {"order": "A-1"}, "Wait", {"order": "A-7"}),),
        lists=(
            ListCase("by_code", {"code": "H2"}, rows),
            ListCase("holds", {}, [{"order": "A-1", "code": "H1", "level": "5", "reason": "Wait"}, *rows]),
        ),
    )
    asyncio.run(check_connector(case))


def test_the_folder_may_be_relative_to_the_description(tmp_path: Path) -> None:
    (tmp_path / "systems").mkdir()
    (tmp_path / "drop").mkdir()
    drop(tmp_path / "drop", "HOLDS1.TXT", content(row("A-1", "H1")), 100)
    path = tmp_path / "systems" / "safety.yaml"
    path.write_text(SYSTEM.replace("${FOLDER}", "../drop"))

    async def go() -> Json:
        connector = open_connector(load_system(path), {})
        try:
            return (await connector.read("hold", {"order": "A-1"})).value
        finally:
            await connector.close()

    assert asyncio.run(go()) == "H1"


@pytest.mark.parametrize(
    ("encoding", "text"), [("latin-1", "é\x85\x0b"), ("cp1252", "€"), ("cp850", "é"), ("utf-8", "漢"), ("ascii", "e")]
)
def test_encodings_and_line_ends(encoding: str, text: str) -> None:
    """Characters that other readers take for line ends are data; CRLF and old end-of-file marks are not."""
    layout = Layout(
        {"encoding": encoding, "header": 1, "trailer": "T", "columns": {"a": [1, 3], "b": [4, 5]}}, zone("UTC")
    )
    file = layout.read(f"head\r\n{text}{'':{3 - len(text)}}xy\r\nT1\r\n\x1a".encode(encoding))
    assert [layout.cell(line, "a") for line in file.rows] == [text.strip()]
    assert layout.cell(file.rows[0], "b") == "xy"
    assert file.line(0) == 2


def test_bytes_that_are_not_of_the_encoding() -> None:
    layout = Layout({"encoding": "utf-8", "columns": {"a": [1, 3]}}, zone("UTC"))
    with pytest.raises(BadInput, match="utf-8 at byte 1"):
        layout.read(b"a\xff")


@settings(max_examples=150)
@given(st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\n\r"), max_size=30), max_size=8))
def test_what_is_written_is_read_back(rows: list[str]) -> None:
    layout = Layout({"encoding": "latin-1", "header": 2, "trailer": "TRL", "columns": {"all": [1, 30]}}, zone("UTC"))
    data = "\n".join(["one", "two", *rows, f"TRL{len(rows)}", ""]).encode("latin-1")
    assert list(layout.read(data).rows) == rows
