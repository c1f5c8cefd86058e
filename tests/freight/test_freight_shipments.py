"""The history is read exactly: every dirty field counted, every reference followed or missing, never zero."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from examples.freight.shipments import HISTORY_FILE, Line, count_problems, read_lines

from remit.errors import BadInput

SCRAMBLED = "day, month and year changed places"


@pytest.fixture(scope="module")
def lines() -> tuple[Line, ...]:
    return read_lines()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with HISTORY_FILE.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_is_there(lines: tuple[Line, ...], rows: list[dict[str, str]]) -> None:
    assert len(lines) == 10_324
    assert [line.id for line in lines] == [row["ID"] for row in rows]
    assert {line.country for line in lines if line.country.startswith("C")} == {
        "Cameroon",
        "Congo, DRC",
        "Côte d'Ivoire",
    }


def test_freight_counts(lines: tuple[Line, ...], rows: list[dict[str, str]]) -> None:
    own = sum(line.freight.record == line.id for line in lines)
    refers = [line for line, row in zip(lines, rows, strict=True) if row["Freight Cost (USD)"].startswith("See ")]
    assert own == 6_198
    assert len(refers) == 2_445
    assert sum(line.freight.value is not None for line in refers) == 2_340
    assert sum(line.freight.value is None for line in refers) == 105
    assert count_problems(line.freight for line in lines) == {
        "Freight Included in Commodity Cost": 1_442,
        "Invoiced Separately": 239 + 105,
    }


def test_weight_counts(lines: tuple[Line, ...]) -> None:
    assert sum(line.weight.record == line.id for line in lines) == 6_372
    assert sum(line.weight.value is not None for line in lines) == 6_372 + 2_319
    assert count_problems(line.weight for line in lines) == {"Weight Captured Separately": 1_507 + 126}


def test_numbers_equal_a_plain_reading(lines: tuple[Line, ...], rows: list[dict[str, str]]) -> None:
    by_id = {row["ID"]: row for row in rows}

    def plain(row: dict[str, str]) -> int | None:
        text = row["Freight Cost (USD)"]
        if named := re.search(r"ID#:(\d+)", text):
            text = by_id[named[1]]["Freight Cost (USD)"]
        whole, _, part = text.partition(".")
        return int(whole) * 100 + int(part.ljust(2, "0")) if whole.isdigit() else None

    assert [line.freight.value for line in lines] == [plain(row) for row in rows]


def test_no_bill_is_zero_and_missing_has_a_reason(lines: tuple[Line, ...]) -> None:
    for line in lines:
        for amount in (line.freight, line.weight):
            assert (amount.value is None) == bool(amount.problem)
        assert line.freight.value is None or line.freight.value > 0


def test_shared_bills_are_flagged_on_both_sides(lines: tuple[Line, ...]) -> None:
    named = Counter(line.freight.record for line in lines if line.freight.value is not None)
    for line in lines:
        assert line.freight.shared == (line.freight.value is not None and named[line.freight.record] > 1)
    assert sum(line.freight.shared for line in lines) == 3_581


def test_modes_and_days(lines: tuple[Line, ...]) -> None:
    assert Counter(line.mode for line in lines) == {
        "Air": 6_113, "Truck": 2_830, "Air Charter": 650, "Ocean": 371, None: 360
    }  # fmt: skip
    assert sum(line.delivered > line.scheduled for line in lines) == 1_186
    assert Counter(line.order_sent.problem.partition(":")[0] for line in lines) == {
        "N/A - From RDC": 5_404, "": 2_880, SCRAMBLED: 1_712, "Date Not Captured": 328
    }  # fmt: skip
    assert Counter(line.quote_sent.problem.partition(":")[0] for line in lines) == {
        "": 4_495, SCRAMBLED: 3_148, "Pre-PQ Process": 2_476, "Date Not Captured": 205
    }  # fmt: skip
    assert all((line.order_sent.value is None) == bool(line.order_sent.problem) for line in lines)
    assert lines[0].delivered == date(2006, 6, 2)


def _history(folder: Path, *changes: tuple[int, str, str]) -> Path:
    with HISTORY_FILE.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[:3]
    for row, column, text in changes:
        rows[row][rows[0].index(column)] = text
    path = folder / "history.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("See ASN-8 (ID#:999999)", "there is no such record"),
        ("See ASN-9 (ID#:1)", "there is no such record"),
        ("See ASN-85 (ID#:3)", "See ASN-85 (ID#:3)"),
        ("", "empty"),
        ("-5", "-5"),
        ("1e3", "1e3"),
        ("NaN", "NaN"),
    ],
)
def test_an_odd_bill_is_missing_with_its_words(tmp_path: Path, text: str, why: str) -> None:
    line = read_lines(_history(tmp_path, (2, "Freight Cost (USD)", text)))[1]
    assert line.freight.value is None
    assert why in line.freight.problem


def test_a_reference_is_followed_one_step_only(tmp_path: Path) -> None:
    path = _history(
        tmp_path,
        (1, "Freight Cost (USD)", "See ASN-85 (ID#:3)"),
        (2, "Freight Cost (USD)", "See ASN-8 (ID#:1)"),
    )
    assert [line.freight.value for line in read_lines(path)] == [None, None]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Line Item Quantity", "many"),
        ("Line Item Value", "1.234"),
        ("Scheduled Delivery Date", "N/A"),
        ("ID", "1"),
    ],
)
def test_a_file_that_is_not_the_history_is_refused(tmp_path: Path, column: str, text: str) -> None:
    with pytest.raises(BadInput, match=r"history\.csv"):
        read_lines(_history(tmp_path, (2, column, text)))


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected"):
        read_lines(_history(tmp_path, (0, "Country", "Land")))
