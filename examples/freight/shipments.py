"""The delivery history read exactly: one `Line` per row, dirty fields kept as missing with their reason.

Where several lines travel together, one of them carries the number (freight bill, weight) and the others say
``See DN-304 (ID#:10589)``: the number belongs to the line with that ID and covers all of them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

from remit.errors import BadInput

__all__ = ["HISTORY_FILE", "Amount", "Day", "Line", "count_problems", "read_lines"]

HISTORY_FILE: Final = Path(__file__).parent / "data" / "scms_delivery_history.csv"
COLUMNS: Final = (
    "ID",
    "Project Code",
    "PQ #",
    "PO / SO #",
    "ASN/DN #",
    "Country",
    "Managed By",
    "Fulfill Via",
    "Vendor INCO Term",
    "Shipment Mode",
    "PQ First Sent to Client Date",
    "PO Sent to Vendor Date",
    "Scheduled Delivery Date",
    "Delivered to Client Date",
    "Delivery Recorded Date",
    "Product Group",
    "Sub Classification",
    "Vendor",
    "Item Description",
    "Molecule/Test Type",
    "Brand",
    "Dosage",
    "Dosage Form",
    "Unit of Measure (Per Pack)",
    "Line Item Quantity",
    "Line Item Value",
    "Pack Price",
    "Unit Price",
    "Manufacturing Site",
    "First Line Designation",
    "Weight (Kilograms)",
    "Freight Cost (USD)",
    "Line Item Insurance (USD)",
)
_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,2})?")
_REFERENCE: Final = re.compile(r"See ((?:DN|ASN)-\d{1,9}) \(ID#:(\d{1,9})\)")
_SCRAMBLED: Final = re.compile(r"20\d\d-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Amount:
    """A whole number, or none with the reason in words. Missing is not zero.

    ``record`` is the ID of the line that carries the number. ``shared`` means that it covers more than one
    line.
    """

    value: int | None
    problem: str = ""
    record: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day, or none with the reason in words."""

    value: date | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the history. ``freight`` and ``value_minor`` are US cents, ``weight`` is whole kilograms."""

    id: str
    shipment: str
    country: str
    fulfil_via: str
    incoterm: str
    mode: str | None
    quote_sent: Day
    order_sent: Day
    scheduled: date
    delivered: date
    recorded: date
    product_group: str
    sub_classification: str
    vendor: str
    dosage_form: str
    quantity: int
    value_minor: int
    weight: Amount
    freight: Amount


def read_lines(path: Path = HISTORY_FILE) -> tuple[Line, ...]:
    """Read the history, every row of it, in the file's order.

    Raises: BadInput: not the file it should be: other columns, a row too short or too long, an ID
    twice, or a field that must be a date or a number and is not.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = tuple(next(rows, ()))
        if header != COLUMNS:
            raise BadInput(f"{path.name}: got columns {header[:3]}..., expected {COLUMNS[:3]}...")
        lines = tuple(_line(path.name, number, row) for number, row in enumerate(rows, start=2))
    by_id = {line.id: line for line in lines}
    if len(by_id) != len(lines):
        raise BadInput(f"{path.name}: an ID stands twice: got {len(lines)} rows with {len(by_id)} IDs")
    freight = _resolve({line.id: line.freight for line in lines}, by_id)
    weight = _resolve({line.id: line.weight for line in lines}, by_id)
    return tuple(
        line
        if freight[line.id] is line.freight and weight[line.id] is line.weight
        else replace(line, freight=freight[line.id], weight=weight[line.id])
        for line in lines
    )


def _line(file: str, number: int, row: list[str]) -> Line:
    if len(row) != len(COLUMNS):
        raise BadInput(f"{file}:{number}: got {len(row)} fields, expected {len(COLUMNS)}")
    field = dict(zip(COLUMNS, row, strict=True))
    try:
        return Line(
            id=field["ID"],
            shipment=field["ASN/DN #"],
            country=field["Country"],
            fulfil_via=field["Fulfill Via"],
            incoterm=field["Vendor INCO Term"],
            mode=None if field["Shipment Mode"] == "N/A" else field["Shipment Mode"],
            quote_sent=_day(field["PQ First Sent to Client Date"]),
            order_sent=_day(field["PO Sent to Vendor Date"]),
            scheduled=_certain_day(field["Scheduled Delivery Date"]),
            delivered=_certain_day(field["Delivered to Client Date"]),
            recorded=_certain_day(field["Delivery Recorded Date"]),
            product_group=field["Product Group"],
            sub_classification=field["Sub Classification"],
            vendor=field["Vendor"],
            dosage_form=field["Dosage Form"],
            quantity=int(field["Line Item Quantity"]),
            value_minor=_scaled(field["Line Item Value"], 100),
            weight=_amount(field["ID"], field["Weight (Kilograms)"], 1),
            freight=_amount(field["ID"], field["Freight Cost (USD)"], 100),
        )
    except ValueError as error:
        raise BadInput(f"{file}:{number}: {error}") from None


@cache
def _certain_day(text: str) -> date:
    return datetime.strptime(text, "%d-%b-%y").date()


@cache
def _day(text: str) -> Day:
    """Read a day as month/day/year; words stay words.

    Some 5,000 of these were once read as year/month/day and rewritten: ``2006-12-08`` has the year of the
    2000s last. Which of the other two is the month is a guess, so the day is missing.
    """
    if _SCRAMBLED.fullmatch(text):
        return Day(None, f"day, month and year changed places: {text}")
    try:
        return Day(datetime.strptime(text, "%m/%d/%y").date())
    except ValueError:
        return Day(None, text[:60])


def _scaled(text: str, scale: int) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: got {text!r:.40}")
    number = Decimal(text) * scale
    if number != number.to_integral_value():
        raise ValueError(f"finer than 1/{scale}: got {text!r:.40}")
    return int(number)


def _amount(record: str, text: str, scale: int) -> Amount:
    """Read a number; a reference keeps the named record until `_resolve` follows it."""
    if _NUMBER.fullmatch(text):
        return Amount(_scaled(text, scale), record=record)
    if reference := _REFERENCE.fullmatch(text):
        return Amount(None, text, record=reference[2])
    return Amount(None, text[:60] or "empty")


def _resolve(amounts: Mapping[str, Amount], lines: Mapping[str, Line]) -> dict[str, Amount]:
    followed = {record: _follow(amount, amounts, lines) for record, amount in amounts.items()}
    sharers = Counter(amount.record for amount in followed.values() if amount.value is not None)
    return {
        record: replace(amount, shared=True) if amount.value is not None and sharers[amount.record] > 1 else amount
        for record, amount in followed.items()
    }


def _follow(amount: Amount, amounts: Mapping[str, Amount], lines: Mapping[str, Line]) -> Amount:
    reference = _REFERENCE.fullmatch(amount.problem)
    if reference is None:
        return amount
    shipment, record = reference.groups()
    named = lines.get(record)
    if named is None or named.shipment != shipment:
        return Amount(None, f"{amount.problem}: there is no such record")
    target = amounts[record]
    if target.value is None:
        return Amount(None, f"{amount.problem}: {target.problem}")
    return Amount(target.value, record=record)


def count_problems(amounts: Iterable[Amount]) -> Counter[str]:
    """Count why numbers are missing; a reference counts under what it led to."""
    return Counter(amount.problem.rpartition(": ")[2] for amount in amounts if amount.value is None)
