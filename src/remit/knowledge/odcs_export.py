"""A source's description as an Open Data Contract Standard document (ODCS v3.1.0, bitol-io, Apache-2.0).

What the standard has words for is written in them; what it has none for (entity types, links to other sources, valid
time, match words) goes into custom properties named ``remit``, which other readers leave alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from remit.knowledge.depends import deciding_columns
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, TableSpec
from remit.knowledge.yaml_writing import write_yaml

__all__ = ["CUSTOM", "JDK_LETTERS", "LOGICAL_TYPES", "ODCS_VERSION", "to_odcs"]

ODCS_VERSION: Final = "v3.1.0"
CUSTOM: Final = "remit"
"""The name of our custom properties."""
JDK_LETTERS: Final = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"))
"""How the standard writes parts of dates, and how `datetime.strptime` takes them."""

LOGICAL_TYPES: Final = {
    "text": "string",
    "integer": "integer",
    "money": "number",
    "decimal": "number",
    "boolean": "boolean",
    "date": "date",
    "moment": "timestamp",
}
"""Each kind of column as the standard calls it; money in minor units is an integer."""
_SHORT_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*").fullmatch


def to_odcs(source: SourceFile) -> str:
    """Return ``source`` as the text of an ODCS document, a file of its own."""
    tables = [_table(source, table) for table in source.tables.values()]
    fresh = [
        {"property": "latency", "value": table.fresh_seconds, "unit": "s", "element": table.name}
        for table in source.tables.values()
        if table.fresh_seconds is not None
    ]
    carried = {"connect": {"kind": source.kind, **source.connect}, "trust": source.trust, "zone": source.zone}
    return write_yaml(
        {
            "apiVersion": ODCS_VERSION,
            "kind": "DataContract",
            "id": source.name,
            "name": source.name,
            "version": "1.0.0",
            "status": "active",
            "domain": source.department,
            "schema": tables,
            **({"slaProperties": fresh} if fresh else {}),
            "customProperties": _custom(carried),
        }
    )


def _custom(value: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"property": CUSTOM, "value": value}]


def _table(source: SourceFile, table: TableSpec) -> dict[str, object]:
    keys = {column: place for place, column in enumerate(table.key, 1)}
    properties: list[dict[str, object]] = []
    for name, column, parts in _parts(source, table):
        head: dict[str, object] = {"id": _identifier(name, properties), "name": name, "physicalName": column}
        if column in keys:
            head |= {"primaryKey": True, "primaryKeyPosition": keys.pop(column)}
        properties.append(head | parts)
    valid = {key: column for key, column in (("from", table.valid_from), ("to", table.valid_to)) if column}
    marks: dict[str, object] = {
        "changed": table.changed,
        "deleted": table.deleted,
        "observed": table.observed,
        "valid": valid,
        "depends": dict(_depends(table)),
        "documents": list(table.documents),
        "options": dict(table.options),
    }
    carried = {"is": table.type, **{key: value for key, value in marks.items() if value}}
    return {
        "id": table.name,
        "name": table.name,
        "logicalType": "object",
        "physicalType": "table",
        "properties": properties,
        **({"quality": [_volume(table)]} if table.volume != (None, None) else {}),
        "customProperties": _custom(carried),
    }


def _depends(table: TableSpec) -> Iterator[tuple[str, list[str]]]:
    """What decides what, by the names of facts where there are any: a column may be called what no key may."""
    names = {link.column: link.name for link in table.links} | {fact.column: fact.name for fact in table.facts}
    for decides, decided in table.depends.items():
        deciding = deciding_columns(table, decides)
        yield ", ".join(names.get(one, one) for one in deciding), [names.get(one, one) for one in decided]


def _volume(table: TableSpec) -> dict[str, object]:
    low, high = table.volume
    if low is not None and high is not None and low != high:
        return {"metric": "rowCount", "mustBeBetween": [low, high]}
    if low is not None and high is not None:
        return {"metric": "rowCount", "mustBe": low}
    if low is not None:
        return {"metric": "rowCount", "mustBeGreaterOrEqualTo": low}
    return {"metric": "rowCount", "mustBeLessOrEqualTo": high}


def _identifier(name: str, before: list[dict[str, object]]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name) or "column"
    taken = {one["id"] for one in before}
    return (
        plain if plain not in taken else next(f"{plain}-{n}" for n in range(2, 10_000) if f"{plain}-{n}" not in taken)
    )


def _parts(source: SourceFile, table: TableSpec) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Name, column and the rest of each property: facts, links, then columns that are neither."""
    for fact in table.facts:
        yield fact.name, fact.column, _fact(fact)
    for link in table.links:
        yield link.name, link.column, _link(source, link)
    mapped = {fact.column for fact in table.facts} | {link.column for link in table.links}
    moments = {table.changed, table.observed, table.valid_from, table.valid_to}
    for column in table.columns:
        if column not in mapped:
            logical = "timestamp" if column in moments and column not in table.key else "string"
            yield column, column, {"logicalType": logical, "customProperties": _custom({"fact": False})}


def _fact(fact: FactSpec) -> dict[str, object]:
    parts: dict[str, object] = {
        "logicalType": "integer" if fact.kind == "money" and fact.minor else LOGICAL_TYPES[fact.kind],
        "classification": fact.see,
    }
    parts |= {key: True for key in ("required", "unique") if getattr(fact, key)}
    options: dict[str, object] = {}
    if fact.pattern is not None:
        options["pattern"] = f"^(?:{fact.pattern})$"
    if fact.low is not None:
        options["minimum"] = _number(fact.low)
    if fact.high is not None:
        options["maximum"] = _number(fact.high)
    if fact.form is not None and (written := _jdk(fact.form)):
        options["format"] = written
    if options:
        parts["logicalTypeOptions"] = options
    if fact.one_of is not None:
        values = [int(one) if fact.kind == "integer" else one for one in fact.one_of]
        parts["quality"] = [{"metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0}]
    kind = f"money {fact.currency}{' minor' if fact.minor else ''}" if fact.kind == "money" else fact.kind
    carried = {"kind": kind, "match": fact.match, "form": fact.form, "about": fact.about}
    parts["customProperties"] = _custom({key: value for key, value in carried.items() if value})
    return parts


def _number(bound: Any) -> object:
    return int(bound) if bound == bound.to_integral_value() else bound


def _jdk(form: str) -> str:
    """The form in the standard's letters, empty when these cannot say it."""
    for letters, percent in JDK_LETTERS:
        form = form.replace(percent, letters)
    return "" if "%" in form or re.search("[A-Za-z]", re.sub("yyyy|MM|dd|HH|mm|ss", "", form)) else form


def _link(source: SourceFile, link: LinkSpec) -> dict[str, object]:
    owner, _, name = link.to.partition(".")
    target = source.tables.get(name) if owner == source.name else None
    to = f"schema/{name}" if owner == source.name else f"{owner}.yaml#/schema/{name}"
    if target is not None and _SHORT_NAME(name):
        facts = {fact.column: fact.name for fact in reversed(target.facts)}
        key = facts.get(target.key[0], target.key[0])
        to = f"{name}.{key}" if _SHORT_NAME(key) and len(target.key) == 1 else to
    parts: dict[str, object] = {"logicalType": "string", "classification": link.see}
    if link.required:
        parts["required"] = True
    parts["relationships"] = [{"type": "foreignKey", "to": to}]
    parts["customProperties"] = _custom({"link": link.to})
    return parts
