"""The contract of a row against a slow, plain reading of the same rules."""

from __future__ import annotations

import json
import re
import tracemalloc
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.canonical import INTEGER_MAX, canonical
from remit.errors import BadInput
from remit.knowledge.cell_kinds import converter, plain_form
from remit.knowledge.checked import Broken, Checked
from remit.knowledge.contract import Contract, compile_contract, is_personal
from remit.knowledge.source_file import FactSpec, LinkSpec, TableSpec

KINDS = ("text", "integer", "money", "decimal", "boolean", "date", "moment")
ZONE = ZoneInfo("Europe/Berlin")


def contract_of(*facts: FactSpec, zone: str = "UTC", **changes: Any) -> Contract:
    table = TableSpec(**{"dataset": "crm.account", "type": "Customer", "key": ("id",), "facts": facts, **changes})
    contract = compile_contract(table, zone)
    contract.positions(table.columns)
    return contract


def kept(cell: object, kind: str, zone: str = "UTC", **changes: Any) -> object:
    """What is kept of one cell, as a value; the rule's name in a tuple when it is refused."""
    result = contract_of(FactSpec("fact", "cell", kind, **changes), zone=zone).check(["k", cell])
    if isinstance(result, Broken):
        assert result.key == "k" and result.column == "cell" and 0 < len(result.reason) <= 200
        return (result.rule,)
    text = result.values[0]
    if text is None:
        return None
    value = json.loads(text)
    assert canonical(value).decode() == text
    return value


def plain_number(cell: object) -> Fraction | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal | str):
        return None
    if isinstance(cell, float):
        cell = repr(cell)
    text = str(cell).strip()
    if len(text) > 100 or re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text) is None:
        return None
    mantissa, _, power = text.lower().partition("e")
    if abs(int(power or 0)) > 1000:
        return None
    number = Fraction(Decimal(mantissa)) * Fraction(10) ** int(power or 0)
    too_large = number != 0 and not Fraction(10) ** -50 <= abs(number) < Fraction(10) ** 51
    return None if too_large else number


def plain_reading(cell: object, kind: str) -> object:
    """The rules of the kinds once more, as plainly as can be; (``type``,) is refused."""
    if cell is None or (isinstance(cell, str) and cell.strip() == "") or cell != cell:
        return None
    refused = ("type",)
    if kind in {"integer", "money"}:
        number = plain_number(cell)
        if number is None:
            return refused
        units = number * (100 if kind == "money" else 1)
        return int(units) if units.denominator == 1 and abs(units) <= INTEGER_MAX else refused
    if kind == "boolean":
        word = str(cell).strip().lower() if isinstance(cell, str | bool) else cell
        if word in ("true", "yes", "y", "t", "1", 1):
            return True
        return False if word in ("false", "no", "n", "f", "0", 0) else refused
    if kind == "date" and isinstance(cell, str):
        match = re.fullmatch(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", cell.strip())
        if match is None or cell.strip().count("-") == 1:
            return refused
        try:
            return str(date(*map(int, match.groups())))
        except ValueError:
            return refused
    assert kind == "text" and isinstance(cell, str)
    return refused if "\0" in cell or any(0xD800 <= ord(one) <= 0xDFFF for one in cell) else cell


NUMBERS = st.one_of(
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=True),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**16), max_value=10**16),
    st.from_regex(r"[ ]?[+-]?0{0,2}[0-9]{0,17}[.]?[0-9]{0,4}([eE][+-]?[0-9]{1,2})?[ ]?", fullmatch=True),
    st.text("0123456789.,+-eE \u0663x_", max_size=12),
)
CELLS = {
    "integer": NUMBERS,
    "money": NUMBERS,
    "boolean": st.one_of(
        st.sampled_from(["yes", "No", " TRUE", "f", "y", "N ", "0", "1", "2", "", "  ", "ja", "o n"]),
        st.booleans(),
        st.integers(-1, 2),
        st.none(),
        st.text(max_size=4),
    ),
    "date": st.one_of(
        st.dates().map(str),
        st.dates().map(lambda day: day.strftime("%Y%m%d")),
        st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True),
        st.text("0123456789-/W ", max_size=10),
        st.sampled_from(["2026-W01-1", "2026-001", "2024-0229", "202402-29", "01.02.2026"]),
    ),
    "text": st.one_of(st.text(max_size=20), st.text('\0\ud800"\\\n\x7f\u2028 äa', max_size=8)),
}


@pytest.mark.parametrize("kind", CELLS)
def test_kinds_read_as_the_plain_reading_does(kind: str) -> None:
    @settings(max_examples=300, deadline=None)
    @given(CELLS[kind])
    @example("007")
    @example("-0")
    @example("12.30")
    @example("9007199254740992")
    @example("")
    def check(cell: object) -> None:
        assert kept(cell, kind) == plain_reading(cell, kind)

    check()


@settings(deadline=None)
@given(NUMBERS)
@example("1e3")
@example(".5")
@example("+1.50")
@example(Decimal("1E+2"))
@example(1e300)
def test_a_decimal_is_kept_as_its_digits(cell: object) -> None:
    number = None if isinstance(cell, str) and not cell.strip() else plain_number(cell)
    got = kept(cell, "decimal")
    if cell != cell or (isinstance(cell, str) and not cell.strip()):
        assert got is None
    elif number is None:
        assert got == ("type",)
    else:
        assert isinstance(got, str) and re.fullmatch(r"-?[0-9]+([.][0-9]+)?", got)
        assert Fraction(got) == number
        if isinstance(cell, str) and re.fullmatch(r"[1-9][0-9]*[.][0-9]+", cell):
            assert got == cell, "digits after the mark are kept as they were written"


@settings(deadline=None)
@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))]),
    st.sampled_from(["moment", "T", " ", "Z", "minutes"]),
)
def test_moments_are_read_in_their_zone(moment: datetime, named: timezone | None, form: str) -> None:
    moment = moment.replace(tzinfo=named)
    cell: object = moment
    if form == "Z":
        moment = moment.replace(tzinfo=UTC)
        cell = moment.strftime("%Y-%m-%dT%H:%M:%S.%f").zfill(26) + "Z"
    elif form == "minutes":
        moment = moment.replace(second=0, microsecond=0)
        cell = moment.isoformat(timespec="minutes")
    elif form != "moment":
        cell = moment.isoformat(form)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=ZONE)
    expected = aware.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    assert kept(cell, "moment", "Europe/Berlin") == expected
    contract = contract_of(observed="seen", zone="Europe/Berlin")
    checked = contract.check(["k", cell])
    assert isinstance(checked, Checked)
    assert checked.observed == (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("money", "1,234.50", ("type",)),
        ("money", "12.305", ("type",)),
        ("money", "12.3000", 1230),
        ("money", 12.3, 1230),
        ("money", "$5", ("type",)),
        ("integer", True, ("type",)),
        ("integer", "1_000", ("type",)),
        ("integer", "\u0661\u0662", ("type",)),
        ("integer", "12.0", 12),
        ("date", datetime(2026, 1, 5), "2026-01-05"),
        ("date", datetime(2026, 1, 5, 1), ("type",)),
        ("date", "2026-01-05 00:00:00", "2026-01-05"),
        ("date", "2026-01-05T10:00:00", ("type",)),
        ("date", "2026-02-30", ("type",)),
        ("date", "05/01/2026", ("type",)),
        ("moment", "2026-01-05", "2026-01-05T00:00:00.000000Z"),
        ("moment", "tomorrow", ("type",)),
        ("text", 12, "12"),
        ("text", 12.5, "12.5"),
        ("text", 17.0, "17"),
        ("text", True, "true"),
        ("text", b"raw", ("type",)),
        ("text", ["a"], ("type",)),
        ("text", "x" * 1_000_001, ("type",)),
        ("text", "  kept as it is ", "  kept as it is "),
        ("boolean", 2, ("type",)),
        ("decimal", "inf", ("type",)),
        ("decimal", "NaN", ("type",)),
        ("decimal", float("nan"), None),
    ],
)
def test_what_is_not_exactly_of_its_kind_is_refused(kind: str, cell: object, value: object) -> None:
    assert kept(cell, kind) == value


def test_a_stated_decimal_mark_lets_digits_be_grouped() -> None:
    def read(cell: str, mark: str) -> object:
        contract = contract_of(FactSpec("fact", "cell", "money"), options={"decimal": mark})
        result = contract.check(["k", cell])
        return result.rule if isinstance(result, Broken) else json.loads(result.values[0] or "null")

    assert read("1.234,50", ",") == 123_450
    assert read("1234,5", ",") == 123_450
    assert read("1.234", ",") == 123_400
    assert read("12.34", ",") == "type", "a group of two digits is a decimal mark that nobody stated"
    assert read("1,234.50", ".") == 123_450
    assert read("1,23", ".") == "type"
    assert read("1,234", "") == "type"


def test_forms_of_dates_and_minor_units() -> None:
    assert kept("05.01.2026", "date", form="%d.%m.%Y") == "2026-01-05"
    assert kept("2026-01-05", "date", form="%d.%m.%Y") == ("type",)
    assert kept("01/05/2026 14:30", "moment", "Europe/Berlin", form="%m/%d/%Y %H:%M") == "2026-01-05T13:30:00.000000Z"
    assert kept("1230", "money", minor=True, currency="EUR") == 1230
    assert kept("12.30", "money", minor=True, currency="EUR") == ("type",)
    assert kept("12", "money", minor_digits=0, currency="JPY") == 12
    assert kept("1.234", "money", minor_digits=3, currency="KWD") == 1234


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(KINDS), st.text('0123456789.-+ ,eEtTZ:yn\u0661"\\', max_size=24), st.sampled_from(["", ".", ","])
)
@example("date", "2026-W01-1", "")
@example("money", "0.05", "")
@example("money", "1.23", ",")
@example("decimal", "1.234", ",")
def test_the_short_way_agrees_with_the_long_one(kind: str, text: str, mark: str) -> None:
    for digits in (0, 2, 3):
        short = plain_form(kind, minor_digits=digits, mark=mark)(text)
        if short is not None:
            value = converter(kind, UTC, minor_digits=digits, mark=mark)(text)
            assert value is not None and canonical(value).decode() == short


CENTS = st.one_of(st.integers(-3000, 3000), st.integers(-20, 40))


@pytest.mark.parametrize("kind", ["integer", "money", "decimal"])
@settings(deadline=None)
@given(
    cell=st.one_of(st.integers(-3000, 3000), st.integers(-20, 40)), low=st.integers(-30, 30), width=st.integers(0, 40)
)
def test_ranges_include_both_ends(kind: str, cell: int, low: int, width: int) -> None:
    number = Decimal(cell) / 100 if kind != "integer" else Decimal(cell)
    ends: dict[str, Any] = {"low": Decimal(low) / 2, "high": Decimal(low + width) / 2}
    inside = ends["low"] <= number <= ends["high"]
    for given_cell in (str(number), number):
        assert (kept(given_cell, kind, currency="EUR", **ends) != ("range",)) == inside
    assert (kept(str(number), kind, low=ends["low"]) != ("range",)) == (ends["low"] <= number)
    assert (kept(str(number), kind, high=ends["high"]) != ("range",)) == (number <= ends["high"])


def test_rules_in_their_order() -> None:
    assert kept(None, "text", required=True) == ("required",)
    assert kept("  ", "text", required=True, pattern="x") == ("required",)
    assert kept("", "text", pattern="x", one_of=("y",)) is None
    assert kept("abc", "text", pattern="b") == ("pattern",), "the whole text must fit"
    assert kept("b\n", "text", pattern="b") == ("pattern",)
    assert kept("b", "text", pattern="a|b", one_of=("c",)) == ("one_of",)
    assert kept(3, "integer", one_of=("3", "4")) == 3
    assert kept("5", "integer", one_of=("3", "4")) == ("one_of",)
    with pytest.raises(BadInput, match="range is for numbers"):
        contract_of(FactSpec("fact", "cell", "text", low=Decimal(1)))
    with pytest.raises(BadInput, match="no such kind"):
        contract_of(FactSpec("fact", "cell", "colour"))
    with pytest.raises(BadInput, match="no time zone"):
        contract_of(zone="Mars/Olympus")


SECRET = "Zebediah Q. Underwood-77"


@pytest.mark.parametrize("changes", [{"see": "pii"}, {"about": "the customer"}, {}])
@pytest.mark.parametrize(
    "rule", [{"pattern": "[0-9]+"}, {"one_of": ("a",)}, {"kind": "integer"}, {"kind": "moment"}, {"kind": "boolean"}]
)
def test_a_reason_never_repeats_a_cell(changes: dict[str, Any], rule: dict[str, Any]) -> None:
    fact = FactSpec("fact", "cell", **changes, **rule)
    result = contract_of(fact).check(["k", SECRET])
    assert isinstance(result, Broken)
    assert not any(word in result.reason for word in SECRET.split())
    assert is_personal(fact) == bool(changes)
    if changes:
        assert "Aaaa" not in result.reason, "not even its shape"


def test_keys() -> None:
    def key(*cells: object) -> str | tuple[str, str]:
        names = tuple(f"k{index}" for index in range(len(cells)))
        result = contract_of(key=names).check(list(cells))
        return (result.key, result.rule) if isinstance(result, Broken) else result.key

    assert key(" A17 ") == "A17"
    assert key(17) == key("17") == key(17.0) == key(Decimal("17.0")) == "17"
    assert key("Größe 4") == "Größe 4"
    assert key("a", 2) == "a|2"
    assert key("a|b", "c") == key("a", "b|c") == ("", "key")
    assert key("a|b") == "a|b"
    for bad in (None, "", "  ", "a\nb", "a\0", "\ud800", True, b"x", float("nan"), "x" * 257, ["a"]):
        assert key(bad) == ("", "key"), bad
    assert key("x" * 256) == "x" * 256
    assert key("x" * 200, "y" * 200) == ("", "key")


def test_links_are_keys() -> None:
    contract = contract_of(
        links=(LinkSpec("owner", "hr.person", "owner"), LinkSpec("shop", "crm.shop", "shop", required=True))
    )
    assert contract.check(["k", " 7 ", 8.0]) == Checked("k", False, [], ["7", "8"], None, None, None, None)
    assert contract.check(["k", "", "x"]).links == [None, "x"]  # type: ignore[union-attr]
    missing, not_a_key = contract.check(["k", "a", None]), contract.check(["k", "a\nb", "x"])
    assert isinstance(missing, Broken) and (missing.rule, missing.column) == ("required", "shop")
    assert isinstance(not_a_key, Broken) and (not_a_key.rule, not_a_key.column) == ("type", "owner")


def test_tombstones() -> None:
    contract = contract_of(FactSpec("name", "name", required=True), deleted="gone", changed="at")
    columns = ["id", "at", "gone", "name"]
    assert contract.table.columns == tuple(columns)
    gone = contract.check(["k", "2026-01-05T00:00:00Z", "yes", None])
    assert gone == Checked("k", True, [None], [], 1_767_571_200, None, None, "2026-01-05T00:00:00Z")
    for mark in (True, 1, "1", "2026-01-04", datetime(2026, 1, 4)):
        assert contract.check(["k", None, mark, None]).deleted is True  # type: ignore[union-attr]
    for absent in (None, "", False, 0, "no"):
        assert contract.check(["k", None, absent, "x"]).deleted is False  # type: ignore[union-attr]
    unclear = contract.check(["k", None, "perhaps", "x"])
    assert isinstance(unclear, Broken) and (unclear.rule, unclear.column) == ("type", "gone")


def test_what_says_when() -> None:
    contract = contract_of(changed="at", observed="seen", valid_from="since", valid_to="until")
    assert contract.table.columns == ("id", "at", "seen", "since", "until")
    day = 86_400
    assert contract.check(["k", 12, "1970-01-02", "1970-01-03", "1970-01-04"]) == Checked(
        "k", False, [], [], day, 2 * day, 3 * day, "12"
    )
    assert contract.check(["k", "1970-01-02", None, None, None]).observed is None  # type: ignore[union-attr]
    by_change = contract_of(changed="at")
    assert by_change.check(["k", "1970-01-02"]) == Checked("k", False, [], [], day, None, None, "1970-01-02")
    assert by_change.check(["k", "v7"])[:3] == ("k", "type", "at")
    assert by_change.check(["k", ""]) == Checked("k", False, [], [], None, None, None, None)
    for bad in (["k", 1, "soon", None, None], ["k", 1, None, "x", None], ["k", 1, None, None, "0000-00-00"]):
        result = contract.check(bad)
        assert isinstance(result, Broken) and result.rule == "type"
    for until in ("1970-01-03", "1970-01-02"):
        result = contract.check(["k", 1, None, "1970-01-03", until])
        assert isinstance(result, Broken) and (result.rule, result.column) == ("valid", "until")


FACTS = (
    FactSpec("a", "a", "integer", required=True, low=Decimal(0), high=Decimal(5)),
    FactSpec("b", "b", "text", pattern="[ab]*", one_of=("a", "ab", "b")),
    FactSpec("c", "c", "boolean"),
)
CELL = st.sampled_from([None, "", "a", "ab", "abc", "1", "9", 3, "yes", True, 2.5])


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=0, max_size=4), max_size=8),
    order=st.permutations(["id", "a", "b", "c"]),
    dropped=st.sampled_from([None, "id", "a", "b"]),
)
def test_rows_in_any_column_order_cut_short_or_with_columns_missing(
    rows: list[list[object]], order: list[str], dropped: str | None
) -> None:
    columns = [name for name in order if name != dropped]
    contract = contract_of(*FACTS)
    assert contract.positions(columns) == tuple(columns.index(n) if n in columns else -1 for n in ("id", "a", "b", "c"))
    for row in rows:
        cells = {name: row[place] if place < len(row) else None for place, name in enumerate(columns)}
        got = contract.check(row)
        if plain_key(cells.get("id")) is None:
            assert isinstance(got, Broken) and (got.key, got.rule, got.column) == ("", "key", "id")
            continue
        wrong = [(name, rule) for name in "abc" if (rule := plain_rule(name, cells.get(name)))]
        assert [found[:2] for found in contract.read_cells(row)[2]] == wrong
        if wrong:
            assert isinstance(got, Broken) and (got.column, got.rule) == wrong[0] and got.key == plain_key(cells["id"])
        else:
            assert isinstance(got, Checked)
            assert [None if text is None else json.loads(text) for text in got.values] == [
                plain_reading(cells.get(fact.name), fact.kind) for fact in FACTS
            ]


def plain_key(cell: object) -> str | None:
    if cell is None or cell == "" or cell is True:
        return None
    return str(cell)


def plain_rule(name: str, cell: object) -> str:
    fact = next(fact for fact in FACTS if fact.name == name)
    if cell is None or cell == "":
        return "required" if fact.required else ""
    if name == "b":
        text = "true" if cell is True else str(cell)
        return "pattern" if set(text) - set("ab") else ""
    value = plain_reading(cell, fact.kind)
    if value == ("type",):
        return "type"
    return "range" if name == "a" and not 0 <= value <= 5 else ""  # type: ignore[operator]


TOGETHER = st.one_of(
    st.none(), st.sampled_from(["", " ", "  ", "x", " x", "x ", "0", "07", "12", "-3", "1.50", "0.5"]),
    st.sampled_from(['a"b', "a\\b", "tab\t", "nul\0", "del\x7f", "\u00e9", "\u0663", "\ud800", "a|b", "k" * 300]),
    st.sampled_from(["1" * 15, "1" * 16]), st.integers(-(2**60), 2**60), st.booleans(), st.floats(),
    st.decimals(allow_nan=True),
    st.sampled_from([date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), b"bytes"]), st.text(max_size=8),
)  # fmt: skip
WHOLE_COLUMNS: dict[str, st.SearchStrategy[object]] = {
    "words": st.sampled_from(["a", "b c", "d-e"]),
    "patchy": st.sampled_from(["a", "", None]),
    "numbers": st.integers(-5, 10**6),
    "digits": st.integers(1, 10**9).map(str),
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["words", "patchy", "numbers", "digits"]), min_size=3, max_size=3),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 4), TOGETHER), max_size=3),
    st.sampled_from(KINDS), st.booleans(), st.sampled_from([None, "f", "far", "id"]), st.sampled_from([None, "at"]),
    st.data(),
)  # fmt: skip
def test_rows_checked_together_are_as_checked_one_by_one(
    forms: list[str],
    odd: list[tuple[int, int, object]],
    kind: str,
    required: bool,
    absent: str | None,
    observed: str | None,
    data: st.DataObject,
) -> None:
    """Columns that are plain but for a few cells, of every kind, with a column missing and rows cut short."""
    facts = (FactSpec("f", "f", kind, required=required), FactSpec("g", "g"), FactSpec("n", "n", "integer"))
    contract = contract_of(*facts, links=(LinkSpec("far", "far", "crm.account"),), observed=observed)
    count = data.draw(st.sampled_from([1, 31, 32, 33, 70, 100]))
    cells = [data.draw(st.lists(WHOLE_COLUMNS[form], min_size=count, max_size=count)) for form in forms]
    keys = [f"K{number}" for number in range(count)]
    rows = [list(row) for row in zip(keys, *cells[:2], cells[2], keys, strict=True)]
    for at, place, cell in odd:
        rows[at % count][place] = cell
    names = ["id", "f", "g", "n", "far", "at"]
    for row in rows:
        row.append(None)
    if absent is not None:
        for row in rows:
            del row[names.index(absent)]
        names.remove(absent)
    cut: bool = data.draw(st.booleans())
    if odd and cut:
        del rows[odd[0][0] % count][-1]
    contract.positions(names)
    assert [alike(one) for one in contract.check_all(rows)] == [alike(contract.check(row)) for row in rows]


def alike(result: Checked | Broken) -> tuple[object, ...]:
    if isinstance(result, Broken):
        return result
    return (*result._replace(values=tuple(result.values), links=tuple(result.links)),)


def test_a_column_that_stands_twice_is_refused() -> None:
    contract = contract_of(*FACTS)
    with pytest.raises(BadInput, match="'a' stands twice"):
        contract.positions(["id", "a", "b", "a"])
    assert contract.positions(["x", "id", "x", "a"]) == (1, 3, -1, -1), "what is not mapped may"


def test_one_contract_serves_batches_with_different_columns() -> None:
    contract = contract_of(FactSpec("name", "name"))
    for columns, row in ((["id", "name"], ["k", "x"]), (["name", "id"], ["x", "k"]), (["id", "name"], ["k", "x"])):
        contract.positions(columns)
        assert contract.check(row)[:3] == ("k", False, ['"x"'])


def test_memory_does_not_grow_with_the_rows() -> None:
    contract = contract_of(FactSpec("zip", "zip", pattern="[0-9a-z ]+"))
    tracemalloc.start()
    try:
        for number in range(15_000):
            assert isinstance(contract.check(["k", f"{number} {'x' * 60}"]), Checked)
        assert tracemalloc.get_traced_memory()[0] < 1_500_000
    finally:
        tracemalloc.stop()


def test_what_was_seen_often_is_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.knowledge.contract._REMEMBERED_MAX", 2)
    contract = contract_of(FactSpec("zip", "zip", pattern="[0-9]{2}"), FactSpec("on", "on", "boolean"))
    rows = [["k", f"{number:02d}", "yes" if number % 2 else "NO"] for number in range(10)] * 2
    for row in rows:
        checked = contract.check(row)
        assert isinstance(checked, Checked) and checked.values == [
            f'"{row[1]}"',
            "true" if row[2] == "yes" else "false",
        ]
