"""A source's description as loaded: which rows it has, what they say, who may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from remit.canonical import digest_bytes
from remit.connectors.pace import Timing
from remit.connectors.placeholder import as_text
from remit.connectors.source_kinds import SourceKind, nearest_source_kind, source_kind
from remit.connectors.source_reader import SourceReader, TableAsk
from remit.connectors.system_file import secrets_written_out
from remit.document import Document, PathKey, duration_seconds, read_document
from remit.errors import BadInput, BadSource, Finding
from remit.knowledge.currency import minor_digits
from remit.knowledge.source_check import column_named, deciding_names, link_findings, misplaced_keys, source_findings
from remit.knowledge.source_schema import HEAD_SCHEMA, source_schema

__all__ = [
    "FactSpec",
    "LinkSpec",
    "SourceFile",
    "TableSpec",
    "load_source_file",
    "load_source_files",
    "open_source",
]

FILES_MAX: Final = 1_000
_UNPLACED: Final = Document("", "", None, {})
"""The document of what was not read from a file."""


@dataclass(frozen=True, slots=True)
class FactSpec:
    """One column that becomes a fact ``name``.

    ``kind`` is text, integer, money, decimal, boolean, date or moment. Money holds a decimal in major units of
    ``currency`` and is kept as whole minor units, of which ``minor_digits`` decimals make one major unit; with
    ``minor`` the column holds minor units already. ``form`` is how dates and moments are written that are not
    ISO 8601, as `datetime.strptime` takes it.

    ``pattern`` must fit the whole text (see `remit.knowledge.linear_pattern`). ``low`` and ``high`` are in the
    column's own units, both included. ``see`` is the class of who may see it. ``match`` is what the column tells of
    who somebody is: name, exact, phone, date, address, text or postcode. ``about`` names whose personal data it is,
    empty when it is none.
    """

    name: str
    column: str
    kind: str = "text"
    currency: str | None = None
    required: bool = False
    see: str = "internal"
    match: str | None = None
    pattern: str | None = None
    one_of: tuple[str, ...] | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    unique: bool = False
    about: str = ""
    minor: bool = False
    minor_digits: int = 2
    form: str | None = None


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One column that holds the key of a row in data set ``to`` (as ``hr.person``)."""

    name: str
    to: str
    column: str
    see: str = "internal"
    required: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table of a source. Columns are named as the source names them.

    ``type`` is the entity type of its rows. Several ``key`` columns are joined by ``|``. ``changed`` is the cursor:
    None means that every load is a full one. ``deleted`` marks rows that are gone. ``fresh_seconds`` is the target
    for the age of the last whole load. ``depends`` says which columns a column decides. ``volume`` bounds the rows
    of a full load. ``documents`` are facts of long text, for search. ``options`` are the keys of the source's kind.
    """

    dataset: str
    type: str
    key: tuple[str, ...]
    changed: str | None = None
    deleted: str | None = None
    observed: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    fresh_seconds: int | None = None
    facts: tuple[FactSpec, ...] = ()
    links: tuple[LinkSpec, ...] = ()
    depends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    volume: tuple[int | None, int | None] = (None, None)
    documents: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    document: Document = field(default=_UNPLACED, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The table's name within its source."""
        return self.dataset.partition(".")[2]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every mapped column once: key, changed, deleted, observed, valid from and to, facts, links."""
        marks = (self.changed, self.deleted, self.observed, self.valid_from, self.valid_to)
        mapped = [*self.key, *(mark for mark in marks if mark is not None)]
        mapped += [fact.column for fact in self.facts]
        mapped += [link.column for link in self.links]
        return tuple(dict.fromkeys(mapped))

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """The mapped columns that must be there: those of the key, and of facts and links that are required."""
        required = [fact.column for fact in self.facts if fact.required]
        required += [link.column for link in self.links if link.required]
        return tuple(dict.fromkeys([*self.key, *required]))

    def ask(self, since: str | None = None, zone: str = "UTC") -> TableAsk:
        """Return what a reader is asked for; ``since`` is the cursor of the last whole load."""
        return TableAsk(self.name, self.options, self.columns, self.changed, since, self.key, zone)

    def place(self, path: PathKey, what: str, advice: str = "", severity: str = "error") -> Finding:
        """Say what is wrong at ``path`` below the table, with line and column where it was read from a file."""
        if self.document is _UNPLACED:
            return Finding(self.dataset, 0, 0, what, advice, severity)
        return self.document.finding(("tables", self.name, *path), what, advice, severity)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of ``sources/``, checked, not yet opened. ``warnings`` do not keep it from being used.

    ``trust`` is high, normal, low or untrusted. ``zone`` is the time zone of moments that name none. ``digest`` is the
    SHA-256 of ``text``, the file as written.
    """

    name: str
    department: str
    kind: str
    connect: Mapping[str, Any]
    trust: str
    zone: str
    tables: Mapping[str, TableSpec]
    digest: str
    text: str
    file: str
    warnings: tuple[Finding, ...] = ()
    document: Document = field(default=_UNPLACED, compare=False, repr=False)


def load_source_file(path: Path | str, text: str | None = None) -> SourceFile:
    """Read one description (``text`` under that name when given). Environment variables are not looked at.

    Raises:
        BadSource: everything that is wrong with it, with line and column.
    """
    head, found = read_document(path, HEAD_SCHEMA, text)
    if head is None or found:
        raise BadSource(found)
    name = head.value["connect"]["kind"]
    kind = source_kind(name)
    if kind is None:
        finding = head.finding(("connect", "kind"), f"unknown kind of source {name!r:.60}", nearest_source_kind(name))
        raise BadSource((finding,))
    document, found = read_document(path, source_schema(kind), head.text)
    found = (*misplaced_keys(found, head, name), *secrets_written_out(head, ("connect",)))
    # A file whose form is wrong is not looked into further: the checks rely on the form.
    if document is not None and not found:
        found = source_findings(document, kind)
    if document is None or any(finding.severity == "error" for finding in found):
        raise BadSource(tuple(sorted(set(found), key=lambda one: (one.line, one.column, one.what))))
    return _source(document, kind, found)


def load_source_files(folder: Path | str) -> dict[str, SourceFile]:
    """Read every ``*.yaml`` of a folder, by source name. A folder that is not there has no sources.

    Raises:
        BadSource: everything that is wrong in all of them: also sources that stand twice, and links to data sets that
            none of them has.
    """
    sources: dict[str, SourceFile] = {}
    found: list[Finding] = []
    paths = sorted(path for path in Path(folder).glob("*.y*ml") if path.suffix in {".yaml", ".yml"})
    if len(paths) > FILES_MAX:
        raise BadSource((Finding(str(folder), 0, 0, f"more than {FILES_MAX} files: got {len(paths)}"),))
    for path in paths:
        try:
            source = load_source_file(path)
        except BadSource as error:
            found += error.findings
            continue
        first = sources.setdefault(source.name, source)
        if first is not source:
            what = f"source {source.name!r} is also described in {first.file}"
            found.append(source.document.finding(("source",), what, "give it another name, or remove one"))
    if found:  # a link may lead into a file that could not be read
        raise BadSource(tuple(found))
    datasets = {table.dataset for source in sources.values() for table in source.tables.values()}
    found = [one for source in sources.values() for one in link_findings(source.document, datasets)]
    if found:
        raise BadSource(tuple(found))
    return sources


def open_source(
    source: SourceFile,
    environment: Mapping[str, str] | None = None,
    timing: Timing | None = None,
    inbox: object = None,
) -> SourceReader:
    """Open a source. Nothing is asked yet; connections are made by the first read.

    ``environment`` is what ``${NAME}`` and ``env:NAME`` name, None for the process's own; ``timing`` is for tests;
    ``inbox`` is where arrivals wait, for the kinds that receive.

    Raises:
        BadSource: variables or secrets that are not set, an address that cannot be one.
    """
    kind = source_kind(source.kind)
    if kind is None:
        raise BadSource((source.document.finding(("connect", "kind"), f"unknown kind of source {source.kind!r:.60}"),))
    folder = Path(source.file).parent
    try:
        return kind.open(source.name, source.connect, folder, environment, timing or Timing(), inbox)
    except BadInput as error:
        raise BadSource((source.document.finding(("connect",), f"connect: {error}"),)) from None


def _source(document: Document, kind: SourceKind, warnings: tuple[Finding, ...]) -> SourceFile:
    value: Mapping[str, Any] = document.value
    connect = {key: item for key, item in value["connect"].items() if key != "kind"}
    of_table = kind.table_schema.get("properties", {})
    # What holds an environment variable stays where it is put in.
    defaults = {key: item for key, item in connect.items() if key in of_table and "${" not in str(item)}
    return SourceFile(
        name=value["source"],
        department=value["department"],
        kind=value["connect"]["kind"],
        connect=connect,
        trust=value.get("trust", kind.trust),
        zone=value.get("zone", "UTC"),
        tables={
            name: _table(
                document, name, table, defaults | {key: item for key, item in table.items() if key in of_table}
            )
            for name, table in value["tables"].items()
        },
        digest=digest_bytes(document.text.encode()),
        text=document.text,
        file=document.file,
        warnings=warnings,
        document=document,
    )


def _table(document: Document, name: str, table: Mapping[str, Any], options: Mapping[str, Any]) -> TableSpec:
    valid = table.get("valid", {})
    low, high = table.get("volume", (None, None))
    see = table.get("see", "internal")
    unique = table.get("unique", ())
    return TableSpec(
        dataset=f"{document.value['source']}.{name}",
        type=table["is"],
        key=(table["key"],) if isinstance(table["key"], str) else tuple(table["key"]),
        changed=table.get("changed"),
        deleted=table.get("deleted"),
        observed=table.get("observed"),
        valid_from=valid.get("from"),
        valid_to=valid.get("to"),
        fresh_seconds=duration_seconds(table["fresh"]) if "fresh" in table else None,
        facts=tuple(_fact(fact, spec, see, unique) for fact, spec in (table.get("facts") or {}).items()),
        links=tuple(
            LinkSpec(link, spec["to"], spec["by"], spec.get("see", see), spec.get("required", False))
            for link, spec in (table.get("links") or {}).items()
        ),
        depends={
            ", ".join(_column(table, one) for one in deciding_names(table, decides)): tuple(
                _column(table, one) for one in ([decided] if isinstance(decided, str) else decided)
            )
            for decides, decided in (table.get("depends") or {}).items()
        },
        volume=(low, high),
        documents=tuple(table.get("documents", ())),
        options=options,
        document=document,
    )


def _column(table: Mapping[str, Any], name: str) -> str:
    return column_named(table, name) or name


def _fact(name: str, written: object, see: str, unique: Sequence[str]) -> FactSpec:
    spec: Mapping[str, Any] = written if isinstance(written, dict) else {"from": written or name}
    kind, *unit = str(spec.get("kind", "text")).split()
    low, high = spec.get("range", (None, None))
    return FactSpec(
        name=name,
        column=spec.get("from", name),
        kind=kind,
        currency=unit[0] if unit else None,
        required=spec.get("required", False),
        see=spec.get("see", see),
        match=spec.get("match"),
        pattern=spec.get("pattern"),
        one_of=tuple(as_text(one) for one in spec["one_of"]) if "one_of" in spec else None,
        low=None if low is None else Decimal(low),
        high=None if high is None else Decimal(high),
        unique=spec.get("unique", False) or name in unique,
        about=spec.get("about", ""),
        minor="minor" in unit,
        minor_digits=minor_digits(unit[0]) if unit else 2,
        form=spec.get("form"),
    )
