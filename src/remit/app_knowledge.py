"""The wiring of knowledge, and its public verbs: sources, loads, facts for the gate, contexts. `Control.knowledge`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from remit.canonical import INTEGER_MAX, from_moment, to_moment
from remit.errors import BadInput, BadManifest, BadSource, Finding, NotFound, RemitError
from remit.manifest.company import Company
from remit.manifest.grant import FactNeed, Manifest
from remit.manifest.load import load_manifest
from remit.manifest.template import fill_value
from remit.run.law import Law
from remit.store.engine import Reader, Store
from remit.vocabulary import Action, Fact, Json

if TYPE_CHECKING:
    from remit.connectors.own_system import OwnOperation
    from remit.connectors.webhook_source import Received
    from remit.knowledge.arrived import Arrived
    from remit.knowledge.audit_rules import TableAudit
    from remit.knowledge.context import Context
    from remit.knowledge.doubtful import MergeQuestion
    from remit.knowledge.erasing import Erasure
    from remit.knowledge.fitness import NeedFitness
    from remit.knowledge.integrity import KnowledgeReport
    from remit.knowledge.lineage import Lineage
    from remit.knowledge.load_table import LoadMode, LoadReport
    from remit.knowledge.quarantine import HeldEntry
    from remit.knowledge.receipt import Replayed
    from remit.knowledge.resolve_type import TypeResolution
    from remit.knowledge.search import SearchResult
    from remit.knowledge.source_file import SourceFile, TableSpec
    from remit.ledger.journal import Journal

__all__ = ["Knowledge", "TableState", "check_sources"]

REFRESH_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class TableState:
    """How one table stands. ``last`` is how its last load ended; ``age_seconds`` counts from the last whole one.

    ``stale`` None: it has no target, or was never loaded whole. ``held`` are rows in quarantine.
    """

    dataset: str
    kind: str
    department: str
    type: str
    last: str
    age_seconds: int | None
    fresh_seconds: int | None
    stale: bool | None
    records: int
    held: int


class Knowledge:
    """One company's knowledge, as its process sees it."""

    def __init__(
        self, company: Company, store: Store, journal: Journal, law: Callable[[], Law], now: Callable[[], datetime]
    ):
        self._company, self._store, self._journal, self._law, self._now = company, store, journal, law, now
        self._parsed: tuple[Mapping[str, str], dict[str, SourceFile]] = ({}, {})
        self._lock = threading.Lock()
        self._refreshing: dict[str, asyncio.Task[str]] = {}

    # Sources.

    def sources(self) -> Mapping[str, SourceFile]:
        """Return the sources in use, by name."""
        texts = self._law().sources
        with self._lock:
            if self._parsed[0] != texts:
                self._parsed = (texts, self.parse(texts))
            return self._parsed[1]

    def parse(self, texts: Mapping[str, str]) -> dict[str, SourceFile]:
        """Read the descriptions in ``texts``, by file name.

        Raises:
            BadSource: everything that is wrong in the first that has something wrong, or a name that stands twice.
        """
        from remit.knowledge.source_file import load_source_file

        sources: dict[str, SourceFile] = {}
        for name, text in texts.items():
            source = load_source_file(self._company.folder / name, text)
            if source.name in sources:
                finding = source.document.finding(("source",), f"source {source.name!r:.60} stands in two files")
                raise BadSource((finding,))
            sources[source.name] = source
        return sources

    def source(self, name: str) -> SourceFile:
        """Return one source in use.

        Raises:
            NotFound: no such source.
        """
        sources = self.sources()
        if name not in sources:
            raise NotFound(f"source: got {name!r:.60}, in use: {', '.join(sorted(sources)) or 'none'}")
        return sources[name]

    def load(
        self,
        source: str,
        table: str,
        mode: LoadMode = "auto",
        progress: Callable[[Mapping[str, int]], None] = lambda _counts: None,
    ) -> LoadReport:
        """Load one table of a source, and compare what is new where a model was trained; blocks.

        Raises as `knowledge.load_table.load_table` does; what keeps its records from being compared is a note.
        """
        from remit.knowledge.arrivals import Arrivals
        from remit.knowledge.load_table import load_table
        from remit.knowledge.source_file import open_source

        described = self.source(source)
        reader = open_source(described, inbox=Arrivals(self._store))
        try:
            report = load_table(
                self._journal, self._store, described, table, reader, mode=mode, now=self._now(), progress=progress
            )
        finally:
            asyncio.run(reader.close())
        if not (report.counts["new"] or report.counts["changed"]):
            return report
        try:
            return replace(report, arrived=self._match_arrived(described.tables[table]))
        except RemitError as error:
            return replace(report, notes=(*report.notes, f"what is new was not compared: {error}"[:300]))

    def _match_arrived(self, table: TableSpec) -> Arrived | None:
        from remit.knowledge.arrived import match_arrived

        if not any(fact.match for fact in table.facts):
            return None
        return match_arrived(self._journal, self._store, table.type)

    def source_states(self) -> tuple[TableState, ...]:
        """Return every table of every source in use with how it stands, by name."""
        states = []
        now = int(self._now().timestamp())
        with self._store.snapshot() as reader:
            for _, source in sorted(self.sources().items()):
                states += [_table_state(reader, source, table, now) for table in source.tables.values()]
        return tuple(states)

    def openlineage(self, source: str, report: LoadReport) -> tuple[dict[str, Json], ...]:
        """Return the OpenLineage events of a load: that it began, and how it ended."""
        from remit.knowledge.openlineage import run_event

        described, company = self.source(source), self._company.name
        return run_event(report, described, company, began=True), run_event(report, described, company)

    def receive(self, source: str, headers: Mapping[str, str], body: bytes, *, peer: str) -> Received:
        """Keep an event that a system sent, for the next load. Raises as `knowledge.arrivals.receive_event` does."""
        from remit.knowledge.arrivals import receive_event

        return receive_event(self._store, self.source(source), headers, body, peer=peer, now=datetime.now(UTC))

    def takes_signed(self, source: str) -> bool:
        """Whether ``source`` is in use and takes events that are signed, so that its sender needs no token."""
        described = self.sources().get(source)
        return described is not None and described.kind == "webhook" and described.connect["signature"] != "none"

    # Quality.

    def audit(
        self, names: Sequence[str] = (), progress: Callable[[str, int], None] | None = None
    ) -> tuple[tuple[TableAudit, ...], tuple[NeedFitness, ...]]:
        """Audit sources against their contracts, read anew and written nowhere, and what the agents' needs get of them.

        ``names`` are sources or ``SOURCE.TABLE``; all when there is none.
        """
        from remit.knowledge.arrivals import Arrivals
        from remit.knowledge.audit_graph import with_graph
        from remit.knowledge.fitness import fitness
        from remit.knowledge.source_file import open_source
        from remit.knowledge.table_audit import audit_source

        chosen: dict[str, tuple[str, ...]] = {}
        for name in names or sorted(self.sources()):
            source, _, table = name.partition(".")
            wanted = (table,) if table else tuple(self.source(source).tables)
            chosen[source] = tuple(dict.fromkeys((*chosen.get(source, ()), *wanted)))
        audits: list[TableAudit] = []
        for name, tables in chosen.items():
            described = self.source(name)
            reader = open_source(described, inbox=Arrivals(self._store))
            found = audit_source(described, reader, now=self._now(), tables=tables, progress=progress)
            with self._store.snapshot() as snapshot:
                by_dataset = {table.dataset: table for table in described.tables.values()}
                audits += [with_graph(one, snapshot, by_dataset[one.dataset], self._now()) for one in found]
        needs = fitness(self._law().manifests.values(), self.sources().values(), audits)
        return tuple(audits), needs

    def audit_page(self, audits: Sequence[TableAudit], needs: Sequence[NeedFitness]) -> str:
        """Return an audit as one self-contained HTML page."""
        from remit.knowledge.audit_page import audit_page

        return audit_page(audits, needs, f"Data audit of {self._company.name}")

    def audit_json(self, audits: Sequence[TableAudit], needs: Sequence[NeedFitness]) -> dict[str, Json]:
        """Return an audit as plain values."""
        from remit.knowledge.audit_form import audit_json

        return audit_json(audits, needs)

    def audit_lines(self, audits: Sequence[TableAudit], needs: Sequence[NeedFitness]) -> Iterator[str]:
        """Return an audit as lines for a terminal."""
        from remit.knowledge.audit_form import audit_lines

        return audit_lines(audits, needs)

    def questions(self, found: TypeResolution | Arrived) -> list[MergeQuestion]:
        """Return the doubtful pairs as actions to propose."""
        from remit.knowledge.doubtful import doubtful_actions

        return doubtful_actions(found.doubtful)

    def held(self, **filters: Any) -> tuple[HeldEntry, ...]:
        """Return rows that were held back, newest first; filters as `knowledge.quarantine.list_held` takes them."""
        from remit.knowledge.quarantine import list_held

        with self._store.snapshot() as reader:
            return list_held(reader, **filters)

    def held_row(self, number: int) -> HeldEntry:
        """Return one row that was held back.

        Raises:
            NotFound: none has that number.
        """
        from remit.knowledge.quarantine import held_entry

        with self._store.snapshot() as reader:
            return held_entry(reader, number)

    def release(self, number: int, repaired: Mapping[str, Json], by: str, why: str = "") -> Mapping[str, int]:
        """Load a row that was held back, put right. Raises as `knowledge.quarantine.release_held` does."""
        from remit.knowledge.quarantine import release_held

        dataset = self.held_row(number).dataset
        source = self.source(dataset.partition(".")[0])
        counts = release_held(self._journal, self._store, source, number, repaired, by=f"person:{by}", why=why)
        with suppress(RemitError):  # it is released all the same; the next load compares it
            self._match_arrived(source.tables[dataset.partition(".")[2]])
        return counts

    def drop(self, number: int, why: str, by: str) -> None:
        """Close a row that was held back without loading it. Raises as `knowledge.quarantine.drop_held` does."""
        from remit.knowledge.quarantine import drop_held

        drop_held(self._journal, number, why, by=f"person:{by}")

    # Which records are one.

    def resolve(self, type_name: str) -> TypeResolution:
        """Find which records of a type are one, and record what is sure. Raises as `resolve_type` does."""
        from remit.knowledge.resolve_type import resolve_type

        now = int(self._now().timestamp())
        return resolve_type(self._journal, self._store, type_name, self.sources(), now=now)

    def undo(self, seq: int, why: str, by: str) -> int:
        """Undo the merge or split that stands at ``seq``; return where that is recorded."""
        from remit.knowledge.entity import undo_move

        return undo_move(self._journal, seq, why=why, actor=f"person:{by}").seq

    def own_operations(self) -> dict[str, OwnOperation]:
        """Return what agents may propose of the graph: merging two entities, through the gate."""
        from remit.knowledge.merge_operation import merge_operation

        return {"entity.merge": merge_operation(self._journal, self._store)}

    # Facts for the gate.

    async def facts(self, manifest: Manifest, action: Action, needs: Sequence[FactNeed]) -> Mapping[str, Fact]:
        """Read what ``action`` rests on, as its agent may see it. A stale fact that is to be refreshed is read again
        once its source has been loaded; what could not be loaded stays as old as it is, and says why.
        """
        facts = await asyncio.to_thread(self._read, manifest, action, needs)
        stale = [need for need in needs if need.stale == "refresh" and self._is_stale(need, facts[need.name])]
        if not stale:
            return facts
        datasets = {need.name: self._rests_on(need, facts[need.name]) for need in stale}
        problems = dict(zip(datasets, await asyncio.gather(*map(self._refresh, datasets.values())), strict=True))
        facts = await asyncio.to_thread(self._read, manifest, action, needs)
        refreshed = {name: _after_refresh(facts[name], problem) for name, problem in problems.items()}
        return {**facts, **refreshed}

    def _read(self, manifest: Manifest, action: Action, needs: Sequence[FactNeed]) -> dict[str, Fact]:
        from remit.knowledge.fact_reading import GraphNeed, read_graph_facts

        wanted, unfilled = [], {}
        for need in needs:
            try:
                about = fill_value(need.about, action.arguments)
            except BadInput as error:
                unfilled[need.name] = Fact(need.name, None, "knowledge", "", None, need.fresh_seconds, str(error)[:500])
                continue
            absent_in = need.absent_in if self._may_miss(manifest, need.absent_in) else ""
            wanted.append(GraphNeed(need.name, str(about), need.get, need.fresh_seconds, absent_in, need.absent))
        with self._store.snapshot() as reader:
            as_of = int(reader.fetch("select size from head")[0][0])
            return read_graph_facts(reader, wanted, manifest.see, as_of, self._now()) | unfilled

    def _may_miss(self, manifest: Manifest, dataset: str) -> bool:
        """Whether the agent may see what is said there at all: else silence must not tell it anything."""
        source = self.sources().get(dataset.partition(".")[0])
        return source is not None and any(scope.startswith(f"{source.department}/") for scope in manifest.see)

    def _is_stale(self, need: FactNeed, fact: Fact) -> bool:
        if need.fresh_seconds is None:
            return False
        if fact.observed_at is None:  # never loaded, or nothing known of it: its source may know by now
            return True
        return (self._now() - fact.observed_at).total_seconds() > need.fresh_seconds

    def _rests_on(self, need: FactNeed, fact: Fact) -> str:
        """The data set to load anew: the one that the fact came from, else the one whose silence would count."""
        return fact.source if fact.observed_at is not None else need.absent_in

    async def _refresh(self, dataset: str) -> str:
        """Load a data set anew, once for all who wait for it; return why that failed, empty when it did not."""
        task = self._refreshing.get(dataset)
        if task is None:
            task = self._refreshing[dataset] = asyncio.ensure_future(asyncio.to_thread(self._load_again, dataset))
            task.add_done_callback(lambda _task: self._refreshing.pop(dataset, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), REFRESH_SECONDS_MAX)
        except TimeoutError:
            return f"{dataset} was not loaded within {REFRESH_SECONDS_MAX:.0f} s"

    def _load_again(self, dataset: str) -> str:
        source, _, table = dataset.partition(".")
        if not table:
            return "it is not known which source would say"
        try:
            return self.load(source, table).problem
        except RemitError as error:
            return str(error)[:300]

    # Showing.

    def scopes(self, agent: str) -> tuple[str, ...]:
        """Return what ``agent`` may see, by its manifest; every scope there is when ``agent`` is empty."""
        if agent:
            return self._law().manifest(agent).see
        return tuple(name for (name,) in self._store.read("select name from scope order by name"))

    def context(
        self, agent: str, entity: str, *, as_of: int | None = None, record: bool = True, **bounds: int
    ) -> Context:
        """Return what ``agent`` may see of ``entity`` and record that it was shown; ``bounds`` as in `ContextAsk`.

        Without an agent everything is shown, and no receipt is written.

        Raises:
            NotFound: there is no such entity, or nothing of it may be seen.
        """
        from remit.knowledge.context import ContextAsk, read_context, visible_entity
        from remit.knowledge.receipt import record_context

        scopes, now = self.scopes(agent), int(self._now().timestamp())
        with self._store.snapshot() as reader:
            size = int(reader.fetch("select size from head")[0][0]) if as_of is None else as_of
            rid = visible_entity(reader, entity, scopes, size, now)
            context = read_context(reader, ContextAsk(agent, rid, scopes, size, now, now, **bounds))
        if agent and record:
            record_context(self._journal, context)
        return context

    def size_at(self, when: str) -> int:
        """Return the ledger size that ``when`` names: a number, or a moment by the wall clock.

        Raises:
            BadInput: neither of the two.
        """
        if when.isdecimal():
            return int(when)
        at = from_moment(to_moment(when if "T" in when else f"{when}T23:59:59.999999Z"))
        return int(self._store.read("select coalesce(max(seq), -1) from event where at <= ?", (at,))[0][0]) + 1

    def search(self, agent: str, text: str, limit: int = 20, *, near: bool = False) -> SearchResult:
        """Return the facts that hold the words of ``text``, as ``agent`` may see them, and record what was shown.

        With ``near`` those whose texts are near in meaning, whether they share words or not (extra ``embed``).
        """
        from remit.knowledge.near import search_near
        from remit.knowledge.receipt import record_search
        from remit.knowledge.search import SearchAsk, index_text, search

        if not near:
            index_text(self._store)
        now = int(self._now().timestamp())
        with self._store.snapshot() as reader:
            size = int(reader.fetch("select size from head")[0][0])
            ask = SearchAsk(agent, text, self.scopes(agent), size, now, now, limit, near=near)
            found = search_near(reader, ask) if near else search(reader, ask)
        if agent:
            record_search(self._journal, ask, found)
        return found

    def replay(self, receipt: str) -> Replayed:
        """Read again what a receipt says was shown, and compare; ``receipt`` may be the beginning of its digest.

        Raises:
            NotFound: no receipt, or several, begin so.
        """
        from remit.knowledge.receipt import replay_receipt

        with self._store.snapshot() as reader:
            found = reader.fetch(
                "select digest from receipt where digest >= ? and digest < ? limit 2", (receipt, receipt + "g")
            )
            if len(found) != 1 or not receipt:
                raise NotFound(f"{'several receipts begin' if found else 'no receipt begins'} with {receipt!r:.80}")
            return replay_receipt(reader, found[0][0])

    def replay_all(self) -> Iterator[Replayed]:
        """Replay every receipt, oldest first."""
        from remit.knowledge.receipt import all_receipts, replay_event

        with self._store.snapshot() as reader:
            for recorded in all_receipts(reader):
                yield replay_event(reader, recorded)

    def lineage(self, fact: str) -> Lineage:
        """Tell where a fact comes from, and what rests on it.

        Raises:
            NotFound: no such fact. BadInput: not a fact's id.
        """
        from remit.knowledge.lineage import fact_number, lineage_of

        with self._store.snapshot() as reader:
            return lineage_of(reader, fact_number(fact))

    def open_facts(self, reader: Reader, facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Put back what recorded facts said, as `knowledge.sealed_facts.open_facts` does."""
        from remit.knowledge.sealed_facts import open_facts

        return open_facts(reader, facts)

    def check(self, progress: Callable[[str, int], None] = lambda _what, _done: None) -> KnowledgeReport:
        """Check every fact, batch and receipt."""
        from remit.knowledge.integrity import check_knowledge

        return check_knowledge(self._store, progress)

    def erase(self, entity: str, why: str, by: str) -> Erasure:
        """Erase all that is known of an entity; its receipts still verify. Raises as `erase_entity` does."""
        from remit.knowledge.entity import find_entity
        from remit.knowledge.erasing import erase_entity

        with self._store.snapshot() as reader:
            found = find_entity(reader, entity)
        return erase_entity(self._journal, found, why=why, actor=f"person:{by}")


def _table_state(reader: Reader, source: SourceFile, table: TableSpec, now: int) -> TableState:
    loads = reader.fetch(
        "select l.state, l.started, l.data from load l join dataset d on d.did = l.did where d.name = ?"
        " order by l.load desc",
        (table.dataset,),
    )
    whole = [started for state, started, _ in loads if state == "ok"]
    age = now - whole[0] if whole else None
    records, held = reader.fetch(
        "select (select count(*) from record r join dataset d on d.did = r.did join version v on v.rid = r.rid"
        " where d.name = ? and v.tx_to = ?), (select count(*) from quarantine q join dataset d on d.did = q.did"
        " where d.name = ? and q.state = 'open')",
        (table.dataset, INTEGER_MAX, table.dataset),
    )[0]
    stale = None if age is None or table.fresh_seconds is None else age > table.fresh_seconds
    last = loads[0][0] if loads else "never loaded"
    return TableState(
        table.dataset, source.kind, source.department, table.type, last, age, table.fresh_seconds, stale, records, held
    )


def _after_refresh(fact: Fact, problem: str) -> Fact:
    flag = "not refreshed" if problem else "refreshed"
    told = f"{fact.problem}; {problem}"[:500] if fact.problem and problem else fact.problem
    return replace(fact, flags=(*fact.flags, flag), problem=told)


def check_sources(company: Company) -> tuple[tuple[Finding, ...], int]:
    """Find everything wrong in a company's sources, and in what its agents ask of the graph; also count the sources."""
    from remit.knowledge.graph_needs import need_findings
    from remit.knowledge.source_file import load_source_files

    try:
        sources = load_source_files(company.sources)
    except BadSource as error:
        return error.findings, 0
    found = [finding for source in sources.values() for finding in source.warnings]
    for path in sorted(company.agents.glob("*.yaml")):
        try:
            manifest = load_manifest(path)
        except BadManifest:  # told by who checks the manifests
            continue
        found += need_findings(manifest, sources)
    return tuple(found), len(sources)
