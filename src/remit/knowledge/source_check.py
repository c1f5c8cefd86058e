"""What can be wrong with a source's description that its form does not show."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from remit.connectors.answer import zone
from remit.connectors.source_kinds import SourceKind, source_kind, source_kinds
from remit.document import Document, PathKey, duration_seconds
from remit.errors import BadInput, Finding
from remit.knowledge.linear_pattern import linear_pattern
from remit.knowledge.match_words import WORDS
from remit.knowledge.source_schema import KIND_WORDS

__all__ = ["column_named", "deciding_names", "link_findings", "misplaced_keys", "source_findings"]

_MATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "exact": ("text", "integer"),
    "phone": ("text", "integer"),
    "date": ("date", "moment", "text"),
    "postcode": ("text", "integer"),
}
"""Which kinds of column a match word fits; the others fit text."""
_MONEY: Final = re.compile("money [A-Z]{3}( minor)?").fullmatch
_NUMBERS: Final = ("integer", "money", "decimal")


def source_findings(document: Document, kind: SourceKind) -> tuple[Finding, ...]:
    """Find errors and warnings in a file whose form is right."""
    found = list(kind.check(document))
    value: Mapping[str, Any] = document.value
    try:
        zone(value.get("zone", "UTC"))
    except BadInput as error:
        found.append(document.finding(("zone",), str(error)))
    for name, table in value["tables"].items():
        found += _table_findings(document, ("tables", name), table)
        for link, one in (table.get("links") or {}).items():
            source, _, target = one["to"].partition(".")
            if source == value["source"] and target not in value["tables"]:
                path = ("tables", name, "links", link, "to")
                found.append(document.finding(path, *_unknown("table", target, value["tables"])))
    return tuple(found)


def link_findings(document: Document, datasets: Iterable[str]) -> tuple[Finding, ...]:
    """Find links that lead to none of ``datasets``, which are those of every source of the folder."""
    known = set(datasets)
    return tuple(
        document.finding(("tables", name, "links", link, "to"), *_unknown("data set", one["to"], known))
        for name, table in document.value["tables"].items()
        for link, one in (table.get("links") or {}).items()
        if one["to"] not in known
    )


def misplaced_keys(found: Iterable[Finding], document: Document, kind_name: str) -> Iterator[Finding]:
    """Yield the findings; a key of a table that belongs to another kind of source is told to do so."""
    unknown = {}
    for name, table in (document.value.get("tables") or {}).items() if isinstance(document.value, dict) else ():
        for key in table if isinstance(table, dict) else ():
            unknown[document.finding(("tables", name, key), f"unknown key {key!r}")] = key
    for finding in found:
        bare = Finding(finding.file, finding.line, finding.column, finding.what)
        if bare in unknown:
            key = unknown[bare]
            owners = [other for other in source_kinds() if other != kind_name and _has_key(other, key)]
            if owners:
                advice = f"{key} belongs to sources of kind {' or '.join(owners)}; this one is {kind_name}"
                yield Finding(finding.file, finding.line, finding.column, finding.what, advice)
                continue
        yield finding


def _has_key(kind_name: str, key: str) -> bool:
    kind = source_kind(kind_name)
    return kind is not None and key in kind.table_schema.get("properties", {})


def _unknown(what: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"no {what} {name!r}", f"did you mean {close[0]!r}?" if close else f"known: {listed}"


def column_named(table: Mapping[str, Any], name: str) -> str | None:
    """Return the column that ``name`` means in a table as written: a mapped column, else a fact's or link's."""
    named = _columns_by_name(table)
    return name if name in named.values() or name in _marks(table) else named.get(name)


def deciding_names(table: Mapping[str, Any], decides: str) -> list[str]:
    """Return what a key of ``depends`` names: one column, or several with commas between that decide together."""
    return [decides] if column_named(table, decides) else [name.strip() for name in decides.split(",")]


def _columns_by_name(table: Mapping[str, Any]) -> dict[str, str]:
    named = {}
    for name, fact in (table.get("facts") or {}).items():
        named[name] = fact if isinstance(fact, str) else (fact or {}).get("from", name)
    return named | {name: link["by"] for name, link in (table.get("links") or {}).items()}


def _marks(table: Mapping[str, Any]) -> list[str]:
    key = [table["key"]] if isinstance(table["key"], str) else list(table["key"])
    valid = table.get("valid", {})
    marks = [table.get("changed"), table.get("deleted"), table.get("observed"), valid.get("from"), valid.get("to")]
    return key + [mark for mark in marks if mark is not None]


def _table_findings(document: Document, path: PathKey, table: Mapping[str, Any]) -> Iterator[Finding]:
    facts: Mapping[str, Any] = table.get("facts") or {}
    links: Mapping[str, Any] = table.get("links") or {}
    name = path[-1]
    if not facts and not links:
        yield document.finding(path, f"{name}: neither facts nor links", "map at least one column")
    for both in sorted(facts.keys() & links.keys()):
        what = f"{name}: {both!r} is a fact and a link"
        yield document.finding((*path, "links", both), what, "give one of them another name")
    yield from _mark_findings(document, path, table)
    for fact, spec in facts.items():
        if isinstance(spec, dict):
            yield from _fact_findings(document, (*path, "facts", fact), spec)
    yield from _doubled(document, path, facts)
    for key in ("unique", "documents"):
        for index, fact in enumerate(table.get(key, ())):
            if fact not in facts:
                yield document.finding((*path, key, index), *_unknown("fact", fact, facts))
            elif key == "documents" and _kind(facts[fact]) != "text":
                yield document.finding((*path, key, index), f"documents: {fact} is {_kind(facts[fact])}, not text")
    yield from _depends_findings(document, path, table)
    low, high = table.get("volume", (None, None))
    if low is not None and high is not None and low > high:
        yield document.finding((*path, "volume"), f"volume: at least {low} rows and at most {high}", "turn them round")


def _mark_findings(document: Document, path: PathKey, table: Mapping[str, Any]) -> Iterator[Finding]:
    name = path[-1]
    if "deleted" in table and "changed" not in table:
        what = f"{name}: deleted: marks rows that are gone, and there is no changed: to ask for changes by"
        advice = "name the column that says when a row changed; without it every load reads everything"
        yield document.finding((*path, "deleted"), what, advice, "warning")
    if "changed" in table and "deleted" not in table:
        what = f"{name}: a load that asks only for changes does not see that a row is gone"
        advice = "name a column under deleted:, or load everything from time to time"
        yield document.finding((*path, "changed"), what, advice, "warning")
    if "fresh" in table:
        try:
            seconds = duration_seconds(table["fresh"])
        except BadInput as error:
            yield document.finding((*path, "fresh"), f"fresh: {error}")
        else:
            if seconds == 0:
                yield document.finding((*path, "fresh"), "fresh: no data is ever that fresh: got 0")
    valid = table.get("valid", {})
    if "from" in valid and valid.get("from") == valid.get("to"):
        yield document.finding((*path, "valid", "to"), "valid: from and to are the same column")
    key = table["key"]
    for index, column in enumerate(key if isinstance(key, list) else ()):
        if column in (table.get("changed"), table.get("deleted")):
            what = f"{name}: {column} is part of the key and says that the row changed"
            yield document.finding((*path, "key", index), what, "a key stays when the row changes")


def _kind(spec: object) -> str:
    written = spec.get("kind", "text") if isinstance(spec, dict) else "text"
    return str(written).partition(" ")[0]


def _doubled(document: Document, path: PathKey, facts: Mapping[str, Any]) -> Iterator[Finding]:
    """One column under two names is allowed only in different kinds; otherwise somebody mistyped a column."""
    seen: dict[tuple[str, str], str] = {}
    for name, spec in facts.items():
        column = spec if isinstance(spec, str) else (spec or {}).get("from", name)
        first = seen.setdefault((column, _kind(spec)), name)
        if first != name:
            what = f"column {column!r} is fact {first!r} already"
            yield document.finding((*path, "facts", name), what, "name another column, or remove one")


def _fact_findings(document: Document, path: PathKey, spec: Mapping[str, Any]) -> Iterator[Finding]:
    name, kind = path[-1], _kind(spec)
    match = spec.get("match")
    if kind not in KIND_WORDS:
        yield document.finding((*path, "kind"), *_unknown("kind of value", kind, KIND_WORDS))
        return
    if kind == "money" and not _MONEY(spec["kind"]):
        yield document.finding(
            (*path, "kind"), f"{name}: money of which currency?", "like money USD, or money USD minor"
        )
    elif kind != "money" and spec.get("kind", kind) != kind:
        yield document.finding((*path, "kind"), f"{name}: {kind} stands alone: got {spec['kind']!r:.60}")
    if match is not None and match not in WORDS:
        yield document.finding((*path, "match"), *_unknown("match word", match, WORDS))
    elif match is not None and kind not in _MATCHED.get(match, ("text",)):
        fits = " or ".join(_MATCHED.get(match, ("text",)))
        yield document.finding((*path, "match"), f"{name}: match {match} is for {fits}: got {kind}")
    if "pattern" in spec:
        if kind != "text":
            yield document.finding((*path, "pattern"), f"{name}: a pattern is for text: got {kind}")
        try:
            linear_pattern(spec["pattern"])
        except BadInput as error:
            yield document.finding((*path, "pattern"), f"{name}: {error}")
    if "one_of" in spec and kind not in {"text", "integer"}:
        yield document.finding((*path, "one_of"), f"{name}: one_of is for text or integer: got {kind}")
    if "range" in spec:
        low, high = spec["range"]
        if kind not in _NUMBERS:
            yield document.finding((*path, "range"), f"{name}: a range is for {', '.join(_NUMBERS)}: got {kind}")
        elif low is not None and high is not None and Decimal(low) > Decimal(high):
            yield document.finding((*path, "range"), f"{name}: range from {low} to {high} holds nothing")
    if "form" in spec:
        yield from _form_findings(document, path, spec["form"], kind)


def _form_findings(document: Document, path: PathKey, form: str, kind: str) -> Iterator[Finding]:
    name = path[-1]
    if kind not in {"date", "moment"}:
        yield document.finding((*path, "form"), f"{name}: a form is for date or moment: got {kind}")
        return
    sample = datetime(2026, 11, 21, 13, 14, 15)
    try:
        read = datetime.strptime(sample.strftime(form), form)
    except ValueError:
        read = None
    if read is None or read.date() != sample.date():
        what = f"{name}: form {form!r} does not say day, month and year"
        yield document.finding((*path, "form"), what, "like %d.%m.%Y or %m/%d/%Y %H:%M")


def _depends_findings(document: Document, path: PathKey, table: Mapping[str, Any]) -> Iterator[Finding]:
    known = {*_columns_by_name(table), *_columns_by_name(table).values(), *_marks(table)}
    for decides, decided in (table.get("depends") or {}).items():
        place = (*path, "depends", decides)
        names = [decided] if isinstance(decided, str) else decided
        deciding = deciding_names(table, decides)
        joined = [column_named(table, one) or "" for one in deciding] if len(deciding) > 1 else []
        if any(", " in column for column in joined):
            yield document.finding(place, "depends: of columns with a comma in their name only one can decide")
        for index, name in enumerate((*deciding, *names), -len(deciding)):
            at = place if index < 0 or isinstance(decided, str) else (*place, index)
            if column_named(table, name) is None:
                yield document.finding(at, *_unknown("mapped column or fact", name, known))
            elif index >= 0 and column_named(table, name) in {column_named(table, one) for one in deciding}:
                yield document.finding(at, f"depends: {name} decides itself")
