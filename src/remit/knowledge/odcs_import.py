"""A source's description from an Open Data Contract Standard document (ODCS v3, bitol-io, Apache-2.0).

The result is text for a person to look over: it is checked when it is loaded, like any description. Whatever the
document says that ours cannot say is a finding at its line, never silently dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from remit.document import Document, PathKey, read_document
from remit.errors import BadInput, BadSource, Finding
from remit.knowledge.linear_pattern import linear_pattern
from remit.knowledge.odcs_export import CUSTOM, JDK_LETTERS, LOGICAL_TYPES
from remit.knowledge.odcs_schema import ODCS_SCHEMA
from remit.knowledge.yaml_writing import write_yaml

__all__ = ["from_odcs"]

_KINDS: Final = {
    "string": "text",
    "integer": "integer",
    "number": "decimal",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "moment",
}
_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_ISO_FORMS: Final = frozenset({"yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm"})
_KNOWN_PROPERTY: Final = frozenset({
    "id", "name", "physicalName", "physicalType", "description", "businessName", "tags", "primaryKey", "examples",
    "primaryKeyPosition", "logicalType", "logicalTypeOptions", "required", "unique", "classification", "enum",
    "relationships", "quality", "customProperties", "semanticType", "criticalDataElement", "authoritativeDefinitions",
})  # fmt: skip
"""What is carried, or says nothing that a description could hold."""


def from_odcs(text: str, file: str = "contract.odcs.yaml") -> tuple[str, tuple[Finding, ...]]:
    """Return the text of a source's description, and what of the document is not in it.

    Raises:
        BadSource: the document cannot be read, or is not ODCS v3.
    """
    document, found = read_document(file, ODCS_SCHEMA, text)
    if document is None or found:
        raise BadSource(found)
    reading = _Reading(document)
    return write_yaml(reading.source()), tuple(
        sorted(set(reading.found), key=lambda one: (one.line, one.column, one.what))
    )


class _Reading:
    """One document on its way; ``found`` collects what is not carried."""

    def __init__(self, document: Document):
        self.document = document
        self.found: list[Finding] = []
        self.source_name = ""

    def lose(self, path: PathKey, what: str, advice: str = "say it in the description by hand") -> None:
        """Note that something is not carried."""
        self.found.append(self.document.finding(path, what, advice, "warning"))

    def source(self) -> dict[str, object]:
        """The whole description."""
        value: Mapping[str, Any] = self.document.value
        ours = _ours(value)
        self.source_name = _name(str(value.get("name") or value.get("id") or "imported"), "-")
        department = re.sub(r"[^A-Za-z0-9_.-]", "-", str(value.get("domain") or "")).strip("-.")[:64]
        if not department:
            department = "imported"
            self.lose((), "no domain, so the department is called imported", "name the department")
        for key in ("team", "support", "price", "roles", "dataProduct", "tenant"):
            if value.get(key):
                self.lose((key,), f"{key} is not carried", "people and roles stand in people.yaml")
        result: dict[str, object] = {
            "source": self.source_name,
            "department": department,
            "connect": ours.get("connect") or self._connect(value),
            **{key: ours[key] for key in ("trust", "zone") if ours.get(key)},
        }
        fresh = dict(self._fresh(value))
        tables = {}
        for index, schema in enumerate(value["schema"]):
            name = _name(schema["name"], "-")
            tables[name] = self._table(("schema", index), schema, fresh.get(schema["name"], fresh.get("")))
        result["tables"] = tables
        return result

    def _connect(self, value: Mapping[str, Any]) -> dict[str, object]:
        servers: Sequence[Mapping[str, Any]] = value.get("servers") or ()
        for index, server in enumerate(servers[1:], 1):
            self.lose(
                ("servers", index), f"server {server.get('server', index)} is not carried", "one source, one place"
            )
        server = servers[0] if servers else {}
        kind, path = str(server.get("type", "")), server.get("path")
        if kind == "local" and isinstance(path, str) and server.get("format", "csv") in {"csv", "parquet"}:
            return {"kind": server.get("format", "csv"), "path": path}
        variable = re.sub("[^A-Z0-9]", "_", self.source_name.upper()) + "_URL"
        self.lose(
            ("servers",), f"how to connect is not carried: set {variable}, or describe it", "see kinds of sources"
        )
        return {"kind": "sql", "url": "${" + variable + "}"}

    def _fresh(self, value: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        for index, one in enumerate(value.get("slaProperties") or ()):
            path: PathKey = ("slaProperties", index)
            name = str(one["property"]).lower()
            unit = re.sub(
                r"^(second|minute|hour|day|week)s?$", lambda found: found[1][0], str(one.get("unit", "d")).lower()
            )
            amount = one.get("value")
            whole = isinstance(amount, int) and not isinstance(amount, bool)
            if name not in {"latency", "ly", "freshness", "fr"} or unit not in _UNITS or not whole or not amount:
                self.lose(path, f"service level {one['property']} is not carried")
                continue
            for element in str(one.get("element") or "").split(","):
                yield element.strip().partition(".")[0], int(amount) * _UNITS[unit]

    def _table(self, path: PathKey, schema: Mapping[str, Any], fresh: int | None) -> dict[str, object]:
        ours, name = _ours(schema), str(schema["name"])
        result: dict[str, object] = {
            "is": ours.get("is") or "".join(part.title() for part in re.findall("[A-Za-z0-9]+", name))
        }
        if not ours.get("is"):
            self.lose(path, f"{name}: its rows are taken to be of type {result['is']}", "name the type under is:")
        options = {key: value for key, value in _mapping(ours.get("options")).items() if value is not None}
        if not ours and schema.get("physicalName") and "servers" not in self.document.value:
            options = {"table": schema["physicalName"]}
        properties = [(index, one) for index, one in enumerate(schema.get("properties") or ())]
        key = sorted(
            (one.get("primaryKeyPosition") or 0, index, _column(one))
            for index, one in properties
            if one.get("primaryKey")
        )
        if key:
            columns = [column for _, _, column in key]
            result["key"] = columns[0] if len(columns) == 1 else columns
        else:
            self.lose(path, f"{name}: no primary key", "name the columns that identify a row under key:")
        result |= {mark: ours[mark] for mark in ("changed", "deleted", "observed", "valid") if ours.get(mark)}
        result |= {"fresh": f"{fresh}s" if fresh < 1_000_000 else f"{-(-fresh // 86_400)}d"} if fresh else {}
        facts, links = self._columns(path, schema, properties)
        result |= {"facts": facts} if facts else {}
        result |= {"links": links} if links else {}
        result |= {mark: ours[mark] for mark in ("depends", "documents") if ours.get(mark)}
        volume = self._table_quality(path, schema, facts)
        result |= {"volume": volume} if volume else {}
        return result | options

    def _columns(
        self, path: PathKey, schema: Mapping[str, Any], properties: Sequence[tuple[int, Mapping[str, Any]]]
    ) -> tuple[dict[str, object], dict[str, object]]:
        targets = dict(self._schema_links(path, schema))
        facts: dict[str, object] = {}
        links: dict[str, object] = {}
        for index, one in properties:
            at: PathKey = (*path, "properties", index)
            ours = _ours(one)
            if ours.get("fact") is False:
                continue
            for lost in one.keys() - _KNOWN_PROPERTY:
                self.lose((*at, lost), f"{one['name']}: {lost} is not carried")
            name = _free(_name(str(one["name"]), "_"), {**facts, **links})
            if name != one["name"]:
                self.lose(at, f"{one['name']} is called {name} here", "names are letters, digits and _")
            target = ours.get("link") or targets.get(str(one["name"])) or self._property_link(at, one)
            if target:
                link = {"to": target, "by": _column(one), **_see(one)}
                links[name] = link | ({"required": True} if one.get("required") else {})
                continue
            fact = self._fact(at, one, ours, name)
            if fact is not None:
                facts[name] = fact
        return facts, links

    def _schema_links(self, path: PathKey, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for index, one in enumerate(schema.get("relationships") or ()):
            origin, target = one.get("from"), one.get("to")
            dataset = self._dataset(target) if isinstance(target, str) else None
            if not isinstance(origin, str) or dataset is None:
                self.lose((*path, "relationships", index), "a relationship of several columns is not carried")
                continue
            yield re.split("[./]", origin)[-1], dataset

    def _property_link(self, path: PathKey, one: Mapping[str, Any]) -> str | None:
        relations = one.get("relationships") or ()
        for index, relation in enumerate(relations):
            target = relation.get("to")
            dataset = self._dataset(target) if isinstance(target, str) else None
            if dataset is not None and index == 0:
                return dataset
            self.lose((*path, "relationships", index), f"{one['name']}: this relationship is not carried")
        return None

    def _dataset(self, target: str) -> str | None:
        """The data set of a reference: ``table.column``, ``schema/table/...`` or ``file.yaml#/schema/table/...``."""
        file, _, inside = target.rpartition("#")
        parts = [part for part in inside.split("/") if part]
        source = _name(re.split("[./]", file.removesuffix(".yaml"))[-1], "-") if file else self.source_name
        if len(parts) >= 2 and parts[0] == "schema":
            return f"{source}.{_name(parts[1], '-')}"
        table, dot, _ = target.partition(".")
        return f"{source}.{_name(table, '-')}" if dot and "/" not in target else None

    def _fact(
        self, path: PathKey, one: Mapping[str, Any], ours: Mapping[str, Any], name: str
    ) -> dict[str, object] | None:
        logical = one.get("logicalType") or "string"
        kind = str(ours.get("kind") or "")
        meant = "integer" if kind.endswith(" minor") else LOGICAL_TYPES.get(kind.partition(" ")[0])
        # What their words say counts: somebody may have changed them and left ours.
        kind = kind if meant == logical else _KINDS.get(logical, "")
        if not kind:
            self.lose(
                (*path, "logicalType"), f"{one['name']}: type {logical} is not carried", "map its parts as columns"
            )
            return None
        fact: dict[str, object] = {"from": _column(one)} if _column(one) != name else {}
        if kind != "text":
            fact["kind"] = kind
        fact |= {mark: True for mark in ("required", "unique") if one.get(mark) is True}
        fact |= _see(one)
        fact |= {mark: ours[mark] for mark in ("match", "form", "about") if ours.get(mark)}
        self._options(path, one, kind, fact)
        self._quality(path, one, fact)
        if one.get("enum"):
            fact["one_of"] = [item.get("value") for item in one["enum"] if isinstance(item, Mapping)]
        return fact

    def _options(self, path: PathKey, one: Mapping[str, Any], kind: str, fact: dict[str, object]) -> None:
        options = dict(one.get("logicalTypeOptions") or {})
        at = (*path, "logicalTypeOptions")
        pattern = options.pop("pattern", None)
        if pattern is not None:
            self._pattern((*at, "pattern"), str(pattern), fact)
        number = kind in {"integer", "decimal"} or kind.startswith("money")
        low, high = options.get("minimum"), options.get("maximum")
        if number and all(one is None or _is_number(one) for one in (low, high)) and (low, high) != (None, None):
            fact["range"] = [options.pop("minimum", None), options.pop("maximum", None)]
        low, high = options.get("minLength"), options.get("maxLength")
        if kind == "text" and "pattern" not in fact and (low is not None or high is not None):
            fact["pattern"] = f"[\\s\\S]{{{low or 0},{'' if high is None else high}}}"
            options.pop("minLength", None)
            options.pop("maxLength", None)
        written = options.pop("format", None)
        if written is not None and "form" not in fact and kind in {"date", "moment"} and written not in _ISO_FORMS:
            form = _percent(str(written))
            if form:
                fact["form"] = form
            else:
                options["format"] = written
        for key in ("timezone", "defaultTimezone", *(("format",) if kind == "decimal" else ())):
            options.pop(key, None)
        for key in options:
            self.lose((*at, key), f"{one['name']}: {key} is not carried")

    def _pattern(self, path: PathKey, written: str, fact: dict[str, object]) -> None:
        """A pattern of theirs is searched for, one of ours must fit the whole text."""
        whole = re.fullmatch(r"\^\(\?:(.*)\)\$", written, re.DOTALL)
        bare = re.fullmatch(r"\^([^|]*[^|\\])\$", written, re.DOTALL)
        found = whole or bare
        pattern = found[1] if found else f"[\\s\\S]*(?:{written})[\\s\\S]*"
        try:
            linear_pattern(pattern)
        except BadInput as error:
            self.lose(path, str(error))
            return
        fact["pattern"] = pattern

    def _quality(self, path: PathKey, one: Mapping[str, Any], fact: dict[str, object]) -> None:
        for index, rule in enumerate(one.get("quality") or ()):
            metric = rule.get("metric") or rule.get("rule")
            none_wrong = rule.get("mustBe") == 0
            arguments = _mapping(rule.get("arguments"))
            if none_wrong and metric in {"nullValues", "missingValues"}:
                fact["required"] = True
            elif none_wrong and metric == "duplicateValues":
                fact["unique"] = True
            elif none_wrong and metric == "invalidValues" and isinstance(arguments.get("validValues"), list):
                fact["one_of"] = arguments["validValues"]
            elif none_wrong and metric == "invalidValues" and isinstance(arguments.get("pattern"), str):
                self._pattern((*path, "quality", index), arguments["pattern"], fact)
            else:
                self.lose(
                    (*path, "quality", index),
                    f"{one['name']}: quality rule {metric or rule.get('type', index)} is not carried",
                )

    def _table_quality(
        self, path: PathKey, schema: Mapping[str, Any], facts: Mapping[str, object]
    ) -> list[int | None] | None:
        volume: list[int | None] | None = None
        keys = {one["name"] for one in schema.get("properties") or () if one.get("primaryKey")}
        for index, rule in enumerate(schema.get("quality") or ()):
            metric = rule.get("metric") or rule.get("rule")
            bounds = _row_bounds(rule) if metric == "rowCount" else None
            arguments = _mapping(rule.get("arguments"))
            if bounds is not None:
                volume = bounds
            elif (
                metric == "duplicateValues"
                and rule.get("mustBe") == 0
                and set(arguments.get("properties") or ()) == keys
            ):
                continue  # a key is unique anyway
            else:
                what = metric or rule.get("type", index)
                self.lose((*path, "quality", index), f"{schema['name']}: quality rule {what} is not carried")
        return volume


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _ours(value: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in value.get("customProperties") or ():
        if one.get("property") == CUSTOM:
            return _mapping(one.get("value"))
    return {}


def _column(one: Mapping[str, Any]) -> str:
    return str(one.get("physicalName") or one["name"])


def _see(one: Mapping[str, Any]) -> dict[str, object]:
    see = re.sub("[^a-z0-9_-]", "-", str(one.get("classification") or "").lower()).strip("-")[:32]
    return {"see": see} if re.match("[a-z]", see) and see != "internal" else {}


def _name(text: str, joint: str) -> str:
    """A name of ours: as it is where it can be one, else its letters and digits with ``joint`` between."""
    if re.fullmatch("[A-Za-z][A-Za-z0-9_" + ("-" if joint == "-" else "") + "]{0,63}", text):
        return text
    plain = re.sub(f"[^A-Za-z0-9_{joint}]+", joint, text).strip(joint)[:64]
    return plain if re.match("[A-Za-z]", plain) else f"x{joint}{plain}"[:64].rstrip(joint)


def _free(name: str, taken: Mapping[str, object]) -> str:
    names = (name, *(f"{name[:60]}_{number}" for number in range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def _percent(written: str) -> str:
    """The standard's letters as `datetime.strptime` takes them, empty when it cannot."""
    form = re.sub("'([^']*)'", r"\1", written).replace("%", "%%")
    for letters, percent in JDK_LETTERS:
        form = form.replace(letters, percent)
    return "" if re.search("[A-SU-Za-z]", re.sub("%[YmdHMS%]", "", form)) else form


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _row_bounds(rule: Mapping[str, Any]) -> list[int | None] | None:
    def whole(key: str, change: int = 0) -> int | None:
        value = rule.get(key)
        if not isinstance(value, int | Decimal) or isinstance(value, bool) or value != int(value):
            return None
        return max(0, int(value) + change)

    if whole("mustBe") is not None:
        return [whole("mustBe"), whole("mustBe")]
    between = rule.get("mustBeBetween")
    if isinstance(between, list) and len(between) == 2 and all(isinstance(one, int) and one >= 0 for one in between):
        return list(between)
    low = whole("mustBeGreaterOrEqualTo")
    low = whole("mustBeGreaterThan", 1) if low is None else low
    high = whole("mustBeLessOrEqualTo")
    high = whole("mustBeLessThan", -1) if high is None else high
    return None if low is None and high is None else [low, high]
