"""What only loads can tell of a table: how old it is, how many rows it had, what changed, waits or leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from remit.knowledge.audit_rules import EXAMPLES_MAX, Example, RuleResult, TableAudit, is_shown_key
from remit.knowledge.source_file import TableSpec
from remit.knowledge.timeline import OPEN
from remit.store.engine import Reader

__all__ = ["with_graph"]

LOADS_MAX: Final = 30
_JUMP: Final = 2
"""A full load with more than twice or less than half the rows of the one before is worth a look."""


def with_graph(audit: TableAudit, reader: Reader, table: TableSpec, now: datetime) -> TableAudit:
    """Return ``audit`` with what the loads of the table tell; unchanged when it was never loaded.

    Adds the rules ``fresh`` (the last whole load against its target), ``reference`` (links whose record no load has
    brought; in place of the one found in the source), ``volume`` (a hint when it jumped), ``drift`` (a hint for each
    column that differs from the load before) and ``held`` (rows in quarantine, by rule).
    """
    found = reader.fetch("select did from dataset where name = ?", (table.dataset,))
    if not found:
        return audit
    did = found[0][0]
    loads = reader.fetch(
        "select started, mode, data from load where did = ? and state = 'ok' order by tx desc limit ?", (did, LOADS_MAX)
    )
    if not loads:
        return audit
    age = max(0, int(now.timestamp()) - max(started for started, _, _ in loads))
    volumes = [_rows_read(orjson.loads(data)) for _, mode, data in reversed(loads) if mode == "full"]
    known = tuple(rows for rows in volumes if rows is not None)
    references = list(_references(reader, did, table))
    renewed = {rule.column for rule in references}
    kept = [rule for rule in audit.rules if rule.rule != "reference" or rule.column not in renewed]
    held: dict[str, int] = dict(
        reader.fetch(
            "select rule, count(*) from quarantine where did = ? and state = 'open' and tx_to = ? group by rule",
            (did, OPEN),
        )
    )
    added = [*references, *_fresh(table, age), *_volume(known), *_drift(orjson.loads(loads[0][2]))]
    added += [RuleResult("held", "", sum(held.values()), sum(held.values()), examples=_held(held))] if held else []
    return replace(audit, rules=(*kept, *added), age_seconds=age, volumes=known, quarantined=dict(sorted(held.items())))


def _rows_read(data: Mapping[str, Any]) -> int | None:
    counts = data.get("counts")
    read = counts.get("read") if isinstance(counts, Mapping) else None
    return read if isinstance(read, int) else None


def _references(reader: Reader, did: int, table: TableSpec) -> Iterator[RuleResult]:
    for link in table.links:
        where = (
            "from link l join record r on r.rid = l.src join property p on p.pid = l.pid "
            "where r.did = ? and p.name = ? and l.tx_to = ?"
        )
        parameters = (did, link.name, OPEN)
        nowhere = " and not exists (select 1 from version v where v.rid = l.dst and v.tx_to = ?)"
        checked = reader.fetch(f"select count(*) {where}", parameters)[0][0]
        failed = reader.fetch(f"select count(*) {where}{nowhere}", (*parameters, OPEN))[0][0]
        some = reader.fetch(
            f"select r.skey {where}{nowhere} order by l.lid limit ?",
            (*parameters, OPEN, EXAMPLES_MAX),
        )
        shown = is_shown_key(table)
        why = f"no load has brought its row of {link.to}"
        examples = tuple(Example(table.dataset, key if shown else "", "", why) for (key,) in some)
        yield RuleResult("reference", link.column, checked, failed, examples=examples)


def _fresh(table: TableSpec, age: int) -> Iterator[RuleResult]:
    if table.fresh_seconds is not None:
        stale = age > table.fresh_seconds
        why = f"the last whole load began {age} s ago, the target is {table.fresh_seconds} s"
        yield RuleResult("fresh", "", 1, int(stale), examples=(Example("", "", "", why),) if stale else ())


def _volume(volumes: tuple[int, ...]) -> Iterator[RuleResult]:
    if len(volumes) > 1:
        before, last = volumes[-2:]
        jumped = last > before * _JUMP or last * _JUMP < before
        why = f"the last full load read {last} rows, the one before {before}"
        yield RuleResult("volume", "", 1, int(jumped), "hint", (Example("", "", "", why),) if jumped else ())


def _drift(data: Mapping[str, Any]) -> Iterator[RuleResult]:
    for one in data.get("drift") or ():
        was = f": was {one['was']}, is {one['now']}" if "was" in one and "now" in one else ""
        why = Example("", "", "", f"{one.get('what', 'changed')} since the load before{was}")
        yield RuleResult("drift", str(one.get("column", "")), 1, 1, "hint", (why,))


def _held(held: Mapping[str, int]) -> tuple[Example, ...]:
    return tuple(Example("", "", "", f"{count} for rule {rule}") for rule, count in sorted(held.items()))
