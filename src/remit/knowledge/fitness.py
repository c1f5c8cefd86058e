"""Whether the data carries the use: for each fact an action rests on, in how many rows it could be relied upon.

A row is usable for a need when every column on the way has something, breaks no rule and is fresh enough for the
action. Over several columns the share is a lower bound (Fréchet): of 98 % and 97 % at least 95 % of rows have both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from remit.knowledge.audit_rules import ColumnCount, TableAudit
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, TableSpec
from remit.manifest.grant import FactNeed, Manifest

__all__ = ["VERDICTS", "FitnessLimits", "FitnessVerdict", "NeedFitness", "fitness"]

FitnessVerdict = Literal["supported", "at risk", "not supported"]
VERDICTS: Final[tuple[FitnessVerdict, ...]] = ("not supported", "at risk", "supported")
"""The worst first."""
_FITS: Final[Mapping[str, frozenset[str]]] = {
    "integer": frozenset({"integer", "money"}),
    "boolean": frozenset({"boolean"}),
    "text": frozenset({"text", "decimal", "date", "moment"}),
    "texts": frozenset(),
}
"""Which kinds of column give which type of fact."""


@dataclass(frozen=True, slots=True)
class FitnessLimits:
    """From which share of usable rows on, in basis points, a need counts as supported, and as at risk.

    The defaults: 99 % supported, 90 % at risk. Every row below is a case that a person must answer or that is denied,
    so the first should be what people can take on, the second what makes the action pointless.
    """

    supported_bp: int = 9_900
    at_risk_bp: int = 9_000


@dataclass(frozen=True, slots=True)
class NeedFitness:
    """One fact of one action: on which columns it leans (``source.table.column``, from the entity to the property).

    ``usable_bp`` is the share of rows, in basis points, rounded down; None when it is not known. ``reason`` says in
    words what decides the verdict.
    """

    agent: str
    action: str
    need: str
    about: str
    get: str
    columns: tuple[str, ...]
    verdict: FitnessVerdict
    reason: str
    usable_bp: int | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class _Step:
    """One column on the way to what is needed, with the scope it takes to see it."""

    table: TableSpec
    column: str
    scope: str
    fact: FactSpec | None


def fitness(
    manifests: Iterable[Manifest],
    sources: Iterable[SourceFile],
    audits: Iterable[TableAudit],
    limits: FitnessLimits = FitnessLimits(),
) -> tuple[NeedFitness, ...]:
    """Judge every fact that any action reads from the graph, in the order of the manifests.

    Where several tables could give a fact the best one counts, as it would when it is read.
    """
    known, counted = _Tables(tuple(sources)), {audit.dataset: audit for audit in audits}
    found = []
    for manifest in manifests:
        for action in manifest.actions.values():
            for need in action.facts:
                if need.about:
                    verdicts = [_judge(way, need, manifest, counted, limits) for way in known.ways(need)]
                    found.append(_best(manifest, action.name, need, verdicts))
    return tuple(found)


class _Tables:
    """Every table of every source, with its scopes."""

    def __init__(self, sources: Sequence[SourceFile]):
        self._tables = [(source.department, table) for source in sources for table in source.tables.values()]

    def ways(self, need: FactNeed) -> Iterator[tuple[_Step, ...]]:
        """Yield each sequence of columns that leads from the entity to the property; an empty one where none does."""
        head = need.about.partition("/")[0]
        *links, name = need.get.split(".")
        starts = [pair for pair in self._tables if head in {pair[1].type, pair[1].dataset}]
        for way, (department, table) in self._along(links, [((), start) for start in starts]):
            for fact in table.facts:
                if fact.name == name:
                    yield (*way, _Step(table, fact.column, f"{department}/{fact.see}", fact))

    def _along(
        self, links: Sequence[str], ways: list[tuple[tuple[_Step, ...], tuple[str, TableSpec]]]
    ) -> list[tuple[tuple[_Step, ...], tuple[str, TableSpec]]]:
        """Follow links by name, in either direction. Records of one entity may stand in any table of its type."""
        for name in links:
            further = []
            for way, (_, at) in ways:
                for department, table, link in self._links(name):
                    step = _Step(table, link.column, f"{department}/{link.see}", None)
                    target = [pair for pair in self._tables if pair[1].dataset == link.to]
                    if table.type == at.type:
                        types = {pair[1].type for pair in target}
                        further += [((*way, step), pair) for pair in self._tables if pair[1].type in types]
                    elif any(pair[1].type == at.type for pair in target):
                        further += [((*way, step), pair) for pair in self._tables if pair[1].type == table.type]
            ways = further
        return ways

    def _links(self, name: str) -> Iterator[tuple[str, TableSpec, LinkSpec]]:
        for department, table in self._tables:
            for link in table.links:
                if link.name == name:
                    yield department, table, link


@dataclass(frozen=True, slots=True)
class _Verdict:
    verdict: FitnessVerdict
    reason: str
    usable_bp: int | None
    rows: int | None
    columns: tuple[str, ...]


def _best(manifest: Manifest, action: str, need: FactNeed, verdicts: Sequence[_Verdict]) -> NeedFitness:
    nowhere = _Verdict("not supported", f"no source says {need.get} of {need.about.partition('/')[0]}", None, None, ())
    best = max(verdicts, key=lambda one: (VERDICTS.index(one.verdict), one.usable_bp or 0), default=nowhere)
    return NeedFitness(
        manifest.agent, action, need.name, need.about, need.get,
        best.columns, best.verdict, best.reason, best.usable_bp, best.rows,
    )  # fmt: skip


def _judge(
    way: tuple[_Step, ...], need: FactNeed, manifest: Manifest, audits: Mapping[str, TableAudit], limits: FitnessLimits
) -> _Verdict:
    columns = tuple(f"{step.table.dataset}.{step.column}" for step in way)

    def say(verdict: FitnessVerdict, reason: str, usable_bp: int | None = None, rows: int | None = None) -> _Verdict:
        return _Verdict(verdict, reason, usable_bp, rows, columns)

    hidden = next((step.scope for step in way if step.scope not in manifest.see), None)
    if hidden is not None:
        return say("not supported", f"the agent may not see {hidden}; it needs it under knowledge: see:")
    kind = way[-1].fact.kind if way[-1].fact else ""
    if kind not in _FITS.get(need.type, frozenset()):
        return say("not supported", f"{columns[-1]} is {kind}, the action takes {need.type}")
    counts = [_count(step, audits) for step in way]
    if any(count is None for count in counts):
        unseen = next(step.table.dataset for step, count in zip(way, counts, strict=True) if count is None)
        return say("at risk", f"{unseen} was not audited, so nobody knows")
    rows = min(count.rows for count in counts if count is not None)
    if rows == 0:
        return say("not supported", f"{way[-1].table.dataset} has no rows", 0, 0)
    shares = [_share_bp(count, need) for count in counts if count is not None]
    lost = [(10_000 - share, column, "unusable") for share, column in zip(shares, columns, strict=True)]
    risk = ""
    for table in {step.table.dataset: step.table for step in way}.values():
        fresh_bp, why = _freshness(table, audits[table.dataset], need)
        risk = risk or (why if fresh_bp is None else "")
        lost.append((0 if fresh_bp is None else 10_000 - fresh_bp, table.dataset, why or "stale"))
    usable = max(0, 10_000 - sum(share for share, _, _ in lost))
    share, where, what = max(lost)
    reason = f"{_percent(usable)} of rows can be relied upon"
    if share:
        reason += f"; {_percent(share)} of {where} {'are ' + what if what in {'unusable', 'stale'} else what}"
    if usable < limits.at_risk_bp:
        return say("not supported", f"{reason}, {_percent(limits.at_risk_bp)} are the least", usable, rows)
    if usable < limits.supported_bp:
        return say("at risk", f"{reason}, {_percent(limits.supported_bp)} are wanted", usable, rows)
    if not all(audits[step.table.dataset].whole for step in way):
        return say("at risk", f"{reason}, of those that were read", usable, rows)
    return say("at risk", f"{reason}, but {risk}", usable, rows) if risk else say("supported", reason, usable, rows)


def _count(step: _Step, audits: Mapping[str, TableAudit]) -> ColumnCount | None:
    audit = audits.get(step.table.dataset)
    return next((count for count in audit.columns if count.column == step.column), None) if audit else None


def _share_bp(count: ColumnCount, need: FactNeed) -> int:
    """Rows that are usable, rounded down; where a missing value has a meaning, nothing is missing."""
    usable = count.usable + (count.rows - count.present if need.absent_in else 0)
    return usable * 10_000 // count.rows


def _freshness(table: TableSpec, audit: TableAudit, need: FactNeed) -> tuple[int | None, str]:
    """The share of rows fresh enough in basis points, None with the reason when nobody can say."""
    if need.fresh_seconds is None:
        return 10_000, ""
    if audit.ages is not None:
        within = max((rows for limit, rows in audit.ages if limit <= need.fresh_seconds), default=0)
        return within * 10_000 // max(audit.rows, 1), ""
    if need.stale == "refresh":
        return 10_000, ""
    if audit.age_seconds is not None and audit.age_seconds > need.fresh_seconds:
        return 0, f"were last loaded {audit.age_seconds} s ago, the action takes {need.fresh_seconds} s"
    if table.fresh_seconds is None:
        return None, f"{table.dataset} promises no freshness, the action needs {need.fresh_seconds} s"
    if table.fresh_seconds > need.fresh_seconds:
        return None, f"{table.dataset} promises {table.fresh_seconds} s, the action needs {need.fresh_seconds} s"
    return 10_000, ""


def _percent(share_bp: int) -> str:
    return f"{share_bp // 100}.{share_bp % 100:02d} %" if share_bp % 100 else f"{share_bp // 100} %"
