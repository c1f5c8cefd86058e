"""Files as sources as they really are: cut, half written, in old encodings, with rows that are no rows."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.source_reading import WasRead, read_source

from remit.connectors.answer import zone
from remit.connectors.fixed_width import Layout
from remit.connectors.pace import Timing
from remit.errors import Refused, Unreachable

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = "id,name,price\n"


def source(connect: str, options: str = "", facts: str = "{name: , price: }") -> str:
    table = f"    is: T\n    key: id\n    facts: {facts}\n    {options}\n"
    return f"source: s\ndepartment: d\nconnect: {{{connect}}}\ntables:\n  t:\n{table}"


def read(folder: Path, connect: str, options: str = "", facts: str = "{name: , price: }", **more: Any) -> WasRead:
    timing = Timing(now=lambda: NOW)
    return read_source(source(connect, options, facts), folder=folder, timing=timing, **more)


def put(path: Path, data: bytes | str, age: timedelta = timedelta(hours=1)) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    at = int((NOW - age).timestamp())
    os.utime(path, (at, at))
    return path


def csv_of(tmp_path: Path, data: bytes | str, options: str = "", connect: str = "", **more: Any) -> WasRead:
    put(tmp_path / "a.csv", data)
    return read(tmp_path, "kind: csv, path: a.csv" + connect, options, **more)


def good(was: WasRead) -> list[tuple[Any, ...]]:
    assert was.error is None, was.error
    return [tuple(row.values()) for row in was.rows]


# CSV


def test_a_plain_file(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + "1,Ana,2.50\n2,,\n")
    assert good(was) == [("1", "Ana", "2.50"), ("2", "", "")]
    assert was.places == ["a.csv:2", "a.csv:3"]
    assert was.notes == []


def test_line_ends_within_quotes_do_not_shift_where_rows_stand(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + '1,"A\n\nB",x\r\n\n2,b,y\r\n3,"c\r\nd",z\n4,e,w\n')
    assert good(was) == [("1", "A\n\nB", "x"), ("2", "b", "y"), ("3", "c\r\nd", "z"), ("4", "e", "w")]
    assert was.places == ["a.csv:2", "a.csv:6", "a.csv:7", "a.csv:9"]


@pytest.mark.parametrize(
    ("encoded", "name", "note"),
    [
        ("utf-8", "Zoë 東京", ""),
        ("utf-8-sig", "Zoë 東京", ""),
        ("utf-16", "Zoë 東京", ""),
        ("utf-16-le", "Zoe and a long name", ""),
        ("utf-16-be", "Zoe and a long name", ""),
        ("cp1252", "Zoë €", "taken for cp1252"),
        ("latin-1", "Zoë \x81", "taken for latin-1"),
    ],
)
def test_the_encoding_is_found_out(tmp_path: Path, encoded: str, name: str, note: str) -> None:
    was = csv_of(tmp_path, (HEAD + f"1,{name},2\n").encode(encoded))
    assert good(was) == [("1", name, "2")]
    assert note in " ".join(was.notes)
    assert bool(note) == bool(was.notes)


def test_a_few_bad_bytes_do_not_make_another_encoding_of_it(tmp_path: Path) -> None:
    was = csv_of(tmp_path, (HEAD + "1,Zoë,2\n2,José,3\n").encode() + b"3,Ren\xe9,4\n4,Ana,5\n")
    assert [row[1] for row in good(was)] == ["Zoë", "José", "Ana"]
    assert was.problems == {"a.csv:4": "bytes that are no text in its encoding, or NUL"}
    assert was.bad[0]["id"] == "3", "its key is known, so that it does not count as gone"
    assert was.raw == ["3,Ren\ufffd,4"]
    assert "rows with such bytes are not loaded" in was.notes[0]


def test_a_stated_encoding_that_is_wrong_holds_rows_back(tmp_path: Path) -> None:
    was = csv_of(tmp_path, (HEAD + "1,Zoë,2\n2,Ana,3\n").encode("cp1252"), "encoding: utf-8")
    assert [row[0] for row in good(was)] == ["2"]
    assert list(was.problems) == ["a.csv:2"]
    was = csv_of(tmp_path, HEAD.encode() + b"\xff\xfe\xfd", "encoding: utf-16")
    assert isinstance(was.error, Refused)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "name", "price"], ["1", "a, b; c", "2,50"], ["2", "d|e\tf", "3,75"], ["3", "g", "4"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    assert good(csv_of(tmp_path, text.getvalue())) == [tuple(row) for row in rows[1:]]


def test_a_dialect_that_is_stated(tmp_path: Path) -> None:
    text = "made by hand\n\n1^'a^b'^2\n"
    was = csv_of(
        tmp_path, text, 'skip: 2\n    header: false\n    columns: [id, name, price]\n    delimiter: ^\n    quote: "\'"'
    )
    assert good(was) == [("1", "a^b", "2")]
    assert was.places == ["a.csv:3"]


def test_rows_with_more_or_fewer_cells_are_never_cut_or_filled_in_silence(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + "1,Smith, John,2\n2,Ana\n3,Bo,4\n")
    assert good(was) == [("3", "Bo", "4")]
    assert was.problems == {"a.csv:2": "4 cells, expected 3", "a.csv:3": "2 cells, expected 3"}
    assert was.raw == ["1,Smith, John,2", "2,Ana"]
    assert [row["id"] for row in was.bad] == ["1", "2"]
    assert "2 rows that are not 3 readable cells" in was.notes[-1]


def test_short_rows_are_filled_where_the_file_says_so(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + "1,Ana\n2,Bo,3,4\n", "short_rows: fill")
    assert good(was) == [("1", "Ana", None)]
    assert list(was.problems) == ["a.csv:3"]


def test_a_row_quoted_wrongly_does_not_take_others_with_it(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + '1,a,2\n2,"b"c,3\n3,d,4\n')
    assert good(was) == [("1", "a", "2"), ("3", "d", "4")]
    assert list(was.problems) == ["a.csv:3"]
    assert was.raw == ['2,"b"c,3\n']
    assert was.bad[0]["id"] == "2", "its key is known, so that it does not count as gone"


def test_a_quote_that_does_not_end_is_an_error_and_no_row(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + '1,a,2\n2,"b,3\n3,d,4\n')
    assert isinstance(was.error, Unreachable)
    assert "ends within quotes" in str(was.error)
    assert [row["id"] for row in was.rows] == ["1"]
    was = csv_of(tmp_path, HEAD + '1,a,2\n2,"b,3\n' + "3,d,4\n" * 40_000)
    assert isinstance(was.error, Refused)
    assert [row["id"] for row in was.rows] == ["1"]


def test_a_cell_of_a_hundred_megabytes_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", HEAD)
    with path.open("ab") as file:
        file.truncate(100 * 2**20)  # a hole, not data
    was = read(tmp_path, "kind: csv, path: a.csv, encoding: latin-1")
    assert isinstance(was.error, Refused)
    assert "a line longer than" in str(was.error)


def test_nul_is_held_back(tmp_path: Path) -> None:
    was = csv_of(tmp_path, HEAD + "1,a\0b,2\n2,c,3\n")
    assert good(was) == [("2", "c", "3")]
    assert was.bad == [{"id": "1", "name": "a\ufffdb", "price": "2"}]


def test_the_end_of_file_mark_of_old_systems_is_no_row(tmp_path: Path) -> None:
    assert good(csv_of(tmp_path, HEAD + "1,a,2\n\x1a\0\0")) == [("1", "a", "2")]
    assert good(csv_of(tmp_path, HEAD + "1,a,2\x1a\n")) == [("1", "a", "2\x1a")], "within a row it is data"


def test_an_empty_file_is_no_empty_table(tmp_path: Path) -> None:
    for data in ("", "\n\n"):
        assert isinstance(csv_of(tmp_path, data).error, Unreachable)
    was = csv_of(tmp_path, HEAD)
    assert (good(was), was.columns) == ([], [("id", "name", "price")])


def test_a_header_with_odd_names(tmp_path: Path) -> None:
    was = csv_of(tmp_path, " id ,name,,name,price\n1,a,b,c,2\n")
    assert was.columns == [("id", "name", "column3", "name_4", "price")]
    assert "stands twice" in was.notes[0]


def test_a_header_that_changed(tmp_path: Path) -> None:
    assert csv_of(tmp_path, "id,price,name,new\n1,2,a,x\n").rows == [{"id": "1", "price": "2", "name": "a", "new": "x"}]
    assert csv_of(tmp_path, "id,NAME\n1,a\n").columns == [("id", "NAME")]
    was = csv_of(tmp_path, "1,a,2\n2,b,3\n")
    assert isinstance(was.error, Refused)
    assert "none of the mapped columns is among the 3" in str(was.error)


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert isinstance(read(tmp_path, "kind: csv, path: no.csv").error, Unreachable)
    assert isinstance(read(tmp_path, "kind: csv, path: .").error, Refused)
    os.mkfifo(tmp_path / "pipe.csv")
    assert isinstance(read(tmp_path, "kind: csv, path: pipe.csv").error, Refused)


def test_a_path_may_stand_in_the_environment(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", HEAD + "1,a,2\n")
    was = read(tmp_path / "elsewhere", 'kind: csv, path: "${DROP}/a.csv"', environment={"DROP": str(tmp_path)})
    assert good(was) == [("1", "a", "2")]


def test_a_file_that_is_written_to_while_it_is_read(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", HEAD + "1,a,2\n" * 5_000)

    def more(batch: int) -> None:
        if batch == 1:
            path.write_text(HEAD + "1,a,2\n" * 6_000)

    was = read(tmp_path, "kind: csv, path: a.csv", between=more)
    assert isinstance(was.error, Unreachable)
    assert "written to while it was read" in str(was.error)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=12)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=12),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_what_was_written_is_what_is_read(
    tmp_path: Path, rows: list[tuple[str, str, str]], delimiter: str, end: str, encoding: str, every: bool
) -> None:
    """Against rows that Python's own writer wrote, and lines counted as they were written."""
    if end == "\n" and not every:  # that writer leaves a lone \r without quotes then, and nobody can read it back
        rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]  # type: ignore[misc]
    text, lines = io.StringIO(newline=""), []
    writer = csv.writer(
        text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL
    )
    writer.writerow(["id", "name", "price"])
    for row in rows:
        lines.append(len(text.getvalue().replace("\r\n", "\n").replace("\r", "\n").split("\n")))
        writer.writerow(row)
    data = text.getvalue().encode(encoding)
    marked = "\\t" if delimiter == "\t" else delimiter
    stated = f'encoding: {encoding.removesuffix("-sig")}\n    delimiter: "{marked}"'
    was = csv_of(tmp_path, data, stated)
    assert good(was) == rows
    assert was.places == [f"a.csv:{line}" for line in lines]


def test_cut_anywhere_nothing_that_was_cut_passes_for_whole(tmp_path: Path) -> None:
    """A trailer shows every cut; without one, what may be cut is noted or held back."""
    rows = [("1", "Ana", "2.50"), ("2", "B, o", "37.5"), ("3", 'C "q"', "4")]
    body = HEAD + '1,Ana,2.50\n2,"B, o",37.5\n3,"C ""q""",4\n'
    whole = body + "END 3\n"
    done = "done: {trailer: END}"
    assert good(csv_of(tmp_path, whole, done)) == rows
    for size in range(len(whole) - 1):
        assert isinstance(csv_of(tmp_path, whole[:size], done).error, Unreachable), whole[:size]
    for size in range(len(HEAD), len(body)):
        was = csv_of(tmp_path, body[:size])
        if was.error is not None:
            continue
        cut = [row for row in good(was) if row not in rows]
        assert len(cut) <= 1
        assert not cut or "the last line does not end" in was.notes[-1], body[:size]


def test_a_trailer_that_counts_otherwise(tmp_path: Path) -> None:
    for last, whole in (("END 2", True), ("END;2", True), ("END 3", False), ("2 END", False), ("END", False)):
        was = csv_of(tmp_path, HEAD + f'1,"a\nb",2\n2,c,3\n{last}\n', "done: {trailer: END}")
        assert (was.error is None) == whole, last


# A folder into which files drop

DROP = 'kind: csv, folder: "${DROP}", pattern: "a*.csv"'


def dropped(tmp_path: Path, options: str = "", connect: str = DROP, **more: Any) -> WasRead:
    return read(tmp_path, connect, options, environment={"DROP": str(tmp_path / "in")}, **more)


@pytest.fixture
def inbound(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def one(number: int | str) -> str:
    return f"{HEAD}{number},n,1\n"


def numbers(was: WasRead) -> list[str]:
    assert was.error is None, was.error
    return [row["id"] for row in was.rows]


def test_without_a_cursor_the_newest_whole_file_counts(tmp_path: Path, inbound: Path) -> None:
    put(inbound / "a1.csv", one(1), timedelta(hours=1))
    put(inbound / "a2.csv", one(2), timedelta(hours=3))
    put(inbound / "b.csv", one(9), timedelta(minutes=5))
    assert numbers(dropped(tmp_path)) == ["1"]
    put(inbound / "a3.csv", one(3), timedelta(seconds=30))
    was = dropped(tmp_path)
    assert numbers(was) == ["1"]
    assert was.notes == ["a3.csv: written to less than 1m ago"]
    assert numbers(dropped(tmp_path, "done: {quiet: 10s}")) == ["3"]
    assert isinstance(dropped(tmp_path, "done: {quiet: 2d}").error, Unreachable)


def test_a_marker_says_that_a_file_is_whole(tmp_path: Path, inbound: Path) -> None:
    put(inbound / "a1.csv", one(1), timedelta(hours=3))
    put(inbound / "a1.csv.done", "")
    put(inbound / "a2.csv", one(2))
    assert numbers(dropped(tmp_path, "done: {marker: .done}")) == ["1"]
    put(inbound / "a2.csv.done", "")
    assert numbers(dropped(tmp_path, "done: {marker: .done}")) == ["2"]


def test_a_cut_file_leaves_the_one_before_it_in_force(tmp_path: Path, inbound: Path) -> None:
    put(inbound / "a1.csv", one(1) + "END 1\n", timedelta(hours=3))
    put(inbound / "a2.csv", one(2))
    was = dropped(tmp_path, "done: {trailer: END}")
    assert numbers(was) == ["1"]
    assert "a2.csv: no trailer" in was.notes[0]


def test_with_the_cursor_on_names_new_files_come_in_their_order(tmp_path: Path, inbound: Path) -> None:
    for number in (3, 1, 2, 10):
        put(inbound / f"a{number:02}.csv", one(number), timedelta(hours=number))
    changed = "changed: _file"
    was = dropped(tmp_path, changed)
    assert numbers(was) == ["1", "2", "3", "10"]
    assert [row["_file"] for row in was.rows] == ["a01.csv", "a02.csv", "a03.csv", "a10.csv"]
    assert was.places == ["a01.csv:2", "a02.csv:2", "a03.csv:2", "a10.csv:2"]
    assert numbers(dropped(tmp_path, changed, since="a02.csv")) == ["3", "10"]
    nothing = dropped(tmp_path, changed, since="a10.csv")
    assert numbers(nothing) == []
    assert nothing.columns == [("id", "_file", "name", "price")], "no file is not a file without columns"


def test_a_file_that_is_not_whole_holds_back_those_after_it(tmp_path: Path, inbound: Path) -> None:
    """Otherwise the cursor would move past it, and it would never be read."""
    for number in (1, 2, 3):
        put(inbound / f"a{number}.csv", one(number), timedelta(hours=1) if number != 2 else timedelta(seconds=5))
    was = dropped(tmp_path, "changed: _file")
    assert numbers(was) == ["1"]
    assert was.notes == ["a2.csv: written to less than 1m ago; 1 files after it wait"]
    was = dropped(tmp_path, "changed: _file", since="a1.csv")
    assert numbers(was) == []
    put(inbound / "a2.csv", one(2))
    assert numbers(dropped(tmp_path, "changed: _file", since="a1.csv")) == ["2", "3"]


def test_with_the_cursor_on_when_they_were_written(tmp_path: Path, inbound: Path) -> None:
    for number, hours in ((1, 1), (2, 5), (3, 3)):
        put(inbound / f"a{number}.csv", one(number), timedelta(hours=hours))
    was = dropped(tmp_path, "changed: _written")
    assert numbers(was) == ["2", "3", "1"]
    assert was.rows[0]["_written"] == NOW - timedelta(hours=5)
    assert numbers(dropped(tmp_path, "changed: _written", since="2026-11-21T09:00:00.000000Z")) == ["3", "1"]


def test_another_cursor_reads_every_file_and_says_so(tmp_path: Path, inbound: Path) -> None:
    put(inbound / "a2.csv", one(2))
    put(inbound / "a1.csv", one(1))
    was = dropped(tmp_path, "changed: price", since="0")
    assert numbers(was) == ["1", "2"]
    assert "changed: _file" in was.notes[0]


def test_a_folder_without_files_or_none(tmp_path: Path, inbound: Path) -> None:
    assert isinstance(dropped(tmp_path).error, Unreachable)
    assert isinstance(dropped(tmp_path, "changed: _file").error, Unreachable)
    inbound.rmdir()
    assert isinstance(dropped(tmp_path).error, Unreachable)


def test_nothing_outside_the_folder_is_read(tmp_path: Path, inbound: Path) -> None:
    secret = put(tmp_path / "secret.csv", one("secret"))
    (inbound / "a1.csv").symlink_to(secret)
    os.mkfifo(inbound / "a2.csv")
    (inbound / "a3.csv").mkdir()
    assert isinstance(dropped(tmp_path).error, Unreachable)


# JSON lines


def jsonl_of(tmp_path: Path, data: bytes | str, options: str = "", facts: str = "{name: , price: }") -> WasRead:
    put(tmp_path / "a.jsonl", data)
    return read(tmp_path, "kind: jsonl, path: a.jsonl", options, facts)


def test_json_lines(tmp_path: Path) -> None:
    was = jsonl_of(tmp_path, '{"id": 1, "name": "Zoë", "price": null, "more": [1]}\n\n{"id": 2, "price": true}\n')
    assert good(was) == [(1, "Zoë", None), (2, None, True)]
    assert was.places == ["a.jsonl:1", "a.jsonl:3"]
    assert was.unread == {"more"}


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    long = 123456789012345678901234567890
    lines = f'{{"id": 1, "price": 7}}\n{{"id": 2, "price": 1.10}}\n{{"id": 3, "price": {long}}}\n'
    cells = [row[1] for row in good(jsonl_of(tmp_path, lines, facts="{price: }"))]
    assert cells == [7, Decimal("1.10"), long]
    assert str(cells[1]) == "1.10"


def test_values_within_values(tmp_path: Path) -> None:
    facts = "{city: address.city, first: lines.0.sku, plain: a.b, all: lines, tag: tags.1}"
    was = jsonl_of(
        tmp_path,
        '{"id": 1, "address": {"city": "Faro"}, "lines": [{"sku": "x"}, {"sku": "y"}], "a.b": 5, "a": {"b": 6},'
        ' "tags": ["p", "q"]}\n'
        '{"id": 2, "address": "none", "lines": []}\n',
        facts=facts,
    )
    assert [list(row.values()) for row in was.rows] == [
        [1, "Faro", "x", 5, '[{"sku": "x"}, {"sku": "y"}]', "q"],
        [2, None, None, None, "[]", None],
    ]
    assert was.unread == set()


def test_a_key_that_is_nowhere_is_a_column_that_is_not_there(tmp_path: Path) -> None:
    was = jsonl_of(tmp_path, '{"id": 1}\n' * 2_500 + '{"id": 2, "name": "x"}\n')
    assert was.columns == [("id", "name")] * 2
    assert was.rows[-1] == {"id": 2, "name": "x"}


@pytest.mark.parametrize(
    "line",
    ['{"id": 1, "na', "[1]", "7", '{"id": NaN}', '{"id": 1, "name": "\\ud800"}', "\udcff", '{"name": "a\\u0000"}'],
)
def test_a_line_that_is_no_object(tmp_path: Path, line: str) -> None:
    data = b'{"id": 0, "price": 1.5}\n' + line.encode("utf-8", "surrogateescape") + b'\n{"id": 2}\n'
    was = jsonl_of(tmp_path, data)
    assert [row["id"] for row in was.rows] == [0, 2]
    assert list(was.problems) == ["a.jsonl:2"]
    assert "1 lines" in was.notes[-1]
    json.dumps(was.raw).encode()


def test_files_that_are_not_json_lines(tmp_path: Path) -> None:
    assert "begins with [" in str(jsonl_of(tmp_path, "[\n{}]\n").error)
    assert "UTF-8" in str(jsonl_of(tmp_path, '{"id": 1, "name": "x"}\n'.encode("utf-16")).error)
    assert isinstance(jsonl_of(tmp_path, "").error, Unreachable)


def test_json_lines_cut_anywhere(tmp_path: Path) -> None:
    body = '{"id": 1, "name": "Zoë"}\n{"id": 2, "name": "B"}\n'
    rows = [{"id": 1, "name": "Zoë"}, {"id": 2, "name": "B"}]
    for size in range(1, len(body.encode())):
        was = jsonl_of(tmp_path, body.encode()[:size], facts="{name: }")
        assert was.error is not None or all(row in rows for row in was.rows)
        assert jsonl_of(tmp_path, body.encode()[:size] + b"END 2\n", "done: {trailer: END}").error is not None
    assert jsonl_of(tmp_path, body + "END 2\n", "done: {trailer: END}", facts="{name: }").rows == rows
    assert good(jsonl_of(tmp_path, "END 0\n", "done: {trailer: END}")) == [], "an empty file that says so is one"


# Fixed width

COLUMNS = {"id": [1, 4], "name": [5, 12], "price": [13, 18]}
LAYOUT = f"{{header: 1, observed: [5, 16], trailer: TRL, encoding: cp1252, columns: {json.dumps(COLUMNS)}}}"


def fixed_of(tmp_path: Path, data: bytes, layout: str = LAYOUT, options: str = "") -> WasRead:
    put(tmp_path / "a.txt", data)
    return read(tmp_path, f"kind: fixed, path: a.txt, layout: {layout}", options)


def test_fixed_width(tmp_path: Path) -> None:
    data = "HDR 202602281830\n1   Zoë     2.50\r\n2\nTRL 2\n\x1a".encode("cp1252")
    was = fixed_of(tmp_path, data, options="observed: _observed")
    moment = datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    assert good(was) == [("1", "Zoë", "2.50", moment), ("2", "", "", moment)]
    assert was.places == ["a.txt:2", "a.txt:3"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(codec="cp1252", exclude_characters="\0\x1a\r\n"), max_size=24), max_size=8),
    st.booleans(),
)
def test_fixed_width_is_read_as_the_drop_folder_of_a_system_reads_it(
    tmp_path: Path, rows: list[str], windows: bool
) -> None:
    end = "\r\n" if windows else "\n"
    data = end.join(["HDR", *rows, f"TRL{len(rows)}", ""]).encode("cp1252")
    layout = Layout(
        {"header": 1, "trailer": "TRL", "encoding": "cp1252", "columns": COLUMNS},
        zone("UTC"),
    )
    expected = [tuple(layout.cell(row, column) for column in layout.columns) for row in layout.read(data).rows]
    was = fixed_of(tmp_path, data, LAYOUT.replace("observed: [5, 16], ", ""))
    assert [row[:3] for row in good(was)] == expected


def test_fixed_width_cut_anywhere_is_not_whole(tmp_path: Path) -> None:
    data = b"HDR\n1   a       2\n2   b       3\nTRL 2\n"
    layout = LAYOUT.replace("observed: [5, 16], ", "")
    assert len(good(fixed_of(tmp_path, data, layout))) == 2
    for size in range(len(data) - 1):
        assert isinstance(fixed_of(tmp_path, data[:size], layout).error, Unreachable), data[:size]


def test_fixed_width_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    was = fixed_of(tmp_path, b"HDR\n1   a\x81      2\n2   b       3\nTRL2\n", LAYOUT.replace("observed: [5, 16], ", ""))
    assert [row["id"] for row in was.rows] == ["2"]
    assert [row["id"] for row in was.bad] == ["1"]


# Parquet


def parquet(path: Path, columns: dict[str, Any], rows_per_group: int = 1_000) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=rows_per_group)
    at = int((NOW - timedelta(hours=1)).timestamp())
    os.utime(path, (at, at))
    return path.read_bytes()


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa

    columns = {
        "id": list(range(5_000)),
        "name": pa.array(["x", None] * 2_500).dictionary_encode(),
        "price": [Decimal("1.10")] * 5_000,
        "at": pa.array([1_700_000_000_123_456_789] * 5_000, pa.timestamp("ns", "UTC")),
        "tags": [["a"]] * 5_000,
        "unmapped": ["y"] * 5_000,
    }
    parquet(tmp_path / "a.parquet", columns)
    was = read(tmp_path, "kind: parquet, path: a.parquet", facts="{name: , price: , at: , tags: , none: }")
    assert was.error is None
    assert [row["id"] for row in was.rows] == list(range(5_000))
    assert was.rows[0] == {
        "id": 0, "name": "x", "price": Decimal("1.10"), "tags": '["a"]',
        "at": datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_456),
    }  # fmt: skip
    assert was.rows[1]["name"] is None
    assert was.unread == {"unmapped"}
    assert was.places[-1] == "a.parquet:5000"


def test_parquet_without_rows_and_with_other_columns(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", {"id": [], "name": []})
    was = read(tmp_path, "kind: parquet, path: a.parquet")
    assert (good(was), was.columns) == ([], [("id", "name")])
    parquet(tmp_path / "a.parquet", {"other": [1]})
    assert isinstance(read(tmp_path, "kind: parquet, path: a.parquet").error, Refused)


def test_parquet_cut_or_broken_is_an_error(tmp_path: Path) -> None:
    data = parquet(tmp_path / "a.parquet", {"id": list(range(3_000)), "name": [f"n{i}" for i in range(3_000)]})
    for size in range(0, len(data), 997):
        put(tmp_path / "a.parquet", data[:size])
        assert isinstance(read(tmp_path, "kind: parquet, path: a.parquet").error, Unreachable)
    put(tmp_path / "a.parquet", b"PAR1" + b"x" * 100 + b"PAR1")
    assert isinstance(read(tmp_path, "kind: parquet, path: a.parquet").error, Unreachable)


def test_parquet_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet", {"id": [1], "name": ["x"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    was = read(tmp_path, "kind: parquet, path: a.parquet")
    assert isinstance(was.error, Refused)
    assert "remit[parquet]" in str(was.error)


# Very many rows

MANY = """
import asyncio, resource, sys
from remit.knowledge.source_file import load_source_file, open_source
source = load_source_file(sys.argv[1] + "/x.yaml", sys.argv[2])
async def go():
    rows = before = 0
    async for part in open_source(source).read(source.tables["t"].ask()):
        rows += len(part.rows)
        before = before or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
print(*asyncio.run(go()))
"""


def write_csv(path: Path, count: int) -> None:
    path.write_text(HEAD + "".join(f"{i},name {i},1\n" for i in range(count)))


def write_jsonl(path: Path, count: int) -> None:
    path.write_text("".join(f'{{"id":{i},"name":"n","price":1}}\n' for i in range(count)))


def write_fixed(path: Path, count: int) -> None:
    path.write_text("".join(f"{i:>8}{i:>8}1\n" for i in range(count)))


def write_parquet(path: Path, count: int) -> None:
    parquet(path, {"id": range(count), "name": ["a name of some length"] * count, "price": [1] * count}, count)


@pytest.mark.parametrize(
    ("kind", "write", "count"),
    [
        ("csv", write_csv, 2_000_000),
        ("jsonl", write_jsonl, 500_000),
        ("fixed, layout: {columns: {id: [1, 8], name: [9, 16], price: [17, 17]}}", write_fixed, 500_000),
        ("parquet", write_parquet, 500_000),
    ],
)
def test_very_many_rows_do_not_fill_the_memory(
    tmp_path: Path, kind: str, write: Callable[[Path, int], None], count: int
) -> None:
    write(tmp_path / "many", count)
    arguments = [str(tmp_path), source(f"kind: {kind}, path: many")]
    done = subprocess.run([sys.executable, "-c", MANY, *arguments], capture_output=True, text=True, check=True)
    rows, grown_mib = map(int, done.stdout.split())
    assert rows == count
    assert grown_mib < 40
