"""What agents ask of the graph, held against what the sources can say: before anybody is denied for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from remit.errors import Finding
from remit.knowledge.source_file import SourceFile, TableSpec
from remit.manifest.grant import FactNeed, Manifest

__all__ = ["need_findings"]


def need_findings(manifest: Manifest, sources: Mapping[str, SourceFile]) -> tuple[Finding, ...]:
    """Find the facts that no source can give, and scopes that no source has. A scope that is missing is a warning."""
    tables = [table for source in sources.values() for table in source.tables.values()]
    scopes = set()
    for source in sources.values():
        for table in source.tables.values():
            classes = {fact.see for fact in table.facts} | {link.see for link in table.links}
            scopes |= {f"{source.department}/{name}" for name in classes}
    found = []
    for scope in manifest.see:
        if scope not in scopes:
            what = f"scope {scope!r:.80}: no source has it"
            found.append(Finding(manifest.file, 0, 0, what, _advice(scope, scopes), "warning"))
    for grant in manifest.actions.values():
        for need in grant.facts:
            for what, advice in _wrong(need, tables) if need.about else ():
                found.append(Finding(manifest.file, 0, 0, f"{grant.name}: fact {need.name}: {what}", advice))
    return tuple(found)


def _wrong(need: FactNeed, tables: Sequence[TableSpec]) -> Iterator[tuple[str, str]]:
    kind = need.about.partition("/")[0]
    here = [table for table in tables if kind in (table.type, table.dataset)]
    if not here:
        yield f"no source tells of {kind!r:.60}", _advice(kind, {name for table in tables for name in _names(table)})
        return
    datasets = {table.dataset for table in tables}
    if need.absent_in and need.absent_in not in datasets:
        yield f"absent in {need.absent_in!r:.80}, which no source has", _advice(need.absent_in, datasets)
    *links, name = need.get.split(".")
    for link in links:
        onward = _linked(link, here, tables)
        if not onward:
            known = {spec.name for table in tables for spec in table.links}
            yield f"no link {link!r:.60} leads on from {_types(here)}", _advice(link, known)
            return
        here = onward
    known = {fact.name for table in here for fact in table.facts}
    if name not in known:
        yield f"{_types(here)} has no property {name!r:.60}", _advice(name, known)


def _names(table: TableSpec) -> tuple[str, str]:
    return table.type, table.dataset


def _types(tables: Iterable[TableSpec]) -> str:
    return " or ".join(sorted({table.type for table in tables}))


def _linked(link: str, here: Sequence[TableSpec], tables: Sequence[TableSpec]) -> list[TableSpec]:
    """Where ``link`` leads from these tables, in either direction; an entity may have records in other tables of its
    type, so those count too.
    """
    types = {table.type for table in here}
    same = [table for table in tables if table.type in types]
    ahead = {spec.to for table in same for spec in table.links if spec.name == link}
    datasets = {table.dataset for table in same}
    back = {table.type for table in tables for spec in table.links if spec.name == link and spec.to in datasets}
    reached = back | {table.type for table in tables if table.dataset in ahead}
    return [table for table in tables if table.type in reached]


def _advice(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
