"""The wiring, and the public verbs. Every face calls these; none of them holds a rule.

`open_company` opens one company's folder. What acts runs in one event loop in a thread of its own, so the verbs can be
called from plain code and from any other loop alike.
"""

from __future__ import annotations

import asyncio
import getpass
import secrets
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from remit.app_autonomy import Earnings
from remit.app_knowledge import Knowledge
from remit.canonical import from_moment, to_moment
from remit.connectors.connector import Connector
from remit.connectors.own_system import OwnOperation, OwnSystem
from remit.connectors.systems import open_connector
from remit.errors import BadInput, Conflict, Finding, NotFound, RemitError
from remit.evidence.fleet import AgentRecord, fleet
from remit.evidence.inbox import InboxItem, inbox
from remit.evidence.spend import Spend, spend
from remit.evidence.track_record import TrackRecord
from remit.ledger.checkpoint import Signer
from remit.ledger.erase import erase_subject
from remit.ledger.event import RecordedEvent
from remit.ledger.holds import LedgerReport
from remit.ledger.journal import Journal, Moved
from remit.ledger.keeper import Keeper, stored_checkpoints
from remit.ledger.query import EventFilter, documents_in_use, events_of, every_document, find_action, find_events, head
from remit.ledger.witness import FileWitness, UrlWitness, Witness
from remit.manifest.company import Company, load_company
from remit.oversight.approval import Answer, answer, find_pending
from remit.oversight.outcome import record_outcome
from remit.run.account import account_of
from remit.run.desk import Desk
from remit.run.draw import open_draw_key
from remit.run.effect import settle
from remit.run.facts import read_facts
from remit.run.halts import HaltStatus, halt_statuses, lift_halt, parse_scope, request_halt
from remit.run.law import OWN_SYSTEM, Law, kept_events, law_of, read_texts, texts_to_keep
from remit.run.presence import Presence, ProcessSeen, is_living, processes
from remit.run.propose import edit, propose
from remit.run.pulse import Pulse
from remit.run.recover import begun_event, ready_actions, record_crashes, recover
from remit.run.replay import Journey, replay
from remit.run.standing import StandingCache
from remit.run.worker import Worker
from remit.store.copy import copy_store
from remit.store.engine import Store, open_store
from remit.vocabulary import Action, Fact, Halt, Json, Outcome

if TYPE_CHECKING:
    from remit.connectors.webhook_source import Received
    from remit.gate.cases import CaseReport
    from remit.ledger.export import ExportReport
    from remit.ledger.restore import RestoreReport
    from remit.run.rejudge import RejudgeReport
    from remit.stats.two_sample import TwoSample

__all__ = [
    "AgentRecord",
    "CheckReport",
    "Control",
    "HaltStatus",
    "InboxItem",
    "Journey",
    "LedgerReport",
    "RecordedEvent",
    "Spend",
    "Status",
    "check_company",
    "init_company",
    "open_company",
    "restore_company",
    "run_policy_cases",
]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Status:
    """What there is at a glance."""

    company: str
    now: datetime
    events: int
    signed: int
    agents: tuple[AgentRecord, ...]
    waiting: int
    uncertain: int
    ready: int
    in_flight: int
    halts: tuple[HaltStatus, ...]
    processes: tuple[ProcessSeen, ...]
    tracks: tuple[TrackRecord, ...] = ()
    """What the versions in use have earned."""


def open_company(
    folder: Path | str = ".",
    role: str = "agent",
    *,
    connectors: Mapping[str, Connector] | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> Control:
    """Open the company in ``folder`` to act in it; use it as a context manager.

    ``connectors`` stand in for systems of their names. ``report`` is told, in a line, what happens in the background.

    Raises:
        BadInput: there is no company there, or its files cannot be taken as written.
        StoreUnavailable: its store cannot be opened.
    """
    return Control(load_company(folder), role, connectors or {}, report)


class Control:
    """One company, opened by one process. Closing it waits for what is in flight."""

    def __init__(self, company: Company, role: str, connectors: Mapping[str, Connector], report: Callable[[str], None]):
        self.company = company
        self._report = report
        self.store: Store = open_store(company.store, company.folder)
        try:
            self.signer = Signer.open(company.state / "ledger.key", self._origin())
            self._check_key()
        except BaseException:
            self.store.close()
            raise
        self.journal = Journal(self.store)
        self.keeper = Keeper(self.store, self.signer, _witnesses(self.company), report)
        self.journal.counts.listeners.append(self.keeper.notice)
        self.knowledge = Knowledge(company, self.store, self.journal, lambda: self.law, self.now)
        self.autonomy = Earnings(
            self.journal, self.signer, self.now, self.submit_proposal, report, self.roles_of, self.knowledge.open_facts
        )  # fmt: skip
        self.watchers: list[Callable[[Future[Journey]], None]] = []
        """Are handed every proposal made through this object, once it has come as far as it goes now."""
        self._given, self._role = connectors, role
        self._desk: Desk | None = None
        self._pulse: Pulse | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._opening = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is in flight, sign what was appended, give everything back. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None and self._thread is not None and self._pulse is not None:
            self._wait(self._pulse.stop())
            self._wait(self._close_connectors())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None
        self.autonomy.close()
        self.journal.close()
        try:
            self.keeper.stop(sign=self.journal.counts.events > 0)
        finally:
            self.store.close()

    # Wiring.

    def _origin(self) -> str:
        rows = self.store.read("select value from setting where name = 'ledger/origin'")
        if rows:
            return str(rows[0][0])
        with self.store.transaction() as transaction:
            found = transaction.fetch("select value from setting where name = 'ledger/origin'")
            if found:
                return str(found[0][0])
            origin = f"remit.local/{secrets.token_hex(8)}"
            transaction.upsert_many("setting", "name", "name,value", [("ledger/origin", origin)])
        return origin

    def _check_key(self) -> None:
        """Hold the store to one key: a second one would sign what nobody who knows the first can check."""
        with self.store.transaction() as transaction:
            rows = transaction.fetch("select value from setting where name = 'ledger/vkey'")
            if not rows:
                transaction.upsert_many("setting", "name", "name,value", [("ledger/vkey", self.signer.vkey)])
                return
        if rows[0][0] != self.signer.vkey:
            raise BadInput(
                f"{self.company.state / 'ledger.key'} is not the key of this store's ledger; "
                "copy ledger.key from the folder where the ledger was begun"
            )

    @property
    def desk(self) -> Desk:
        """What the path works with; made when first needed, and with it this process's pulse and its recovery."""
        with self._opening:
            if self._desk is None:
                self._start()
        assert self._desk is not None
        return self._desk

    @property
    def pulse(self) -> Pulse:
        """This process's pulse."""
        _ = self.desk
        assert self._pulse is not None
        return self._pulse

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remit-loop", daemon=True)
        self._thread.start()
        self._take_into_use()
        self._desk = desk = self._wait(self._make_desk())
        self._pulse = Pulse(desk)
        self._wait(self._pulse.start())
        self._wait(recover(desk))
        self._wait(record_crashes(desk))
        self.keeper.start()

    def _take_into_use(self) -> None:
        texts = read_texts(self.company)
        law = law_of(texts)  # what cannot be taken as written never gets into use
        self.knowledge.parse(law.sources)
        texts = texts_to_keep(texts, law)
        in_use = {name: digest for name, (digest, _text) in documents_in_use(self.store).items()}
        events = kept_events(texts, in_use, f"person:{getpass.getuser()}")
        if events:
            self.journal.append_now(*events)

    async def _make_desk(self) -> Desk:
        standing = StandingCache(self.store)
        law = self._law()
        return Desk(
            self.store, self.journal, standing, Presence(self.store, self._role, lambda: datetime.now(UTC)), law,
            self._connectors(law), self._facts, self.now, open_draw_key(self.store), self._reload,
        )  # fmt: skip

    def _law(self) -> Law:
        return law_of({name.partition("/")[0]: text for name, (_, text) in documents_in_use(self.store).items()})

    def _connectors(self, law: Law) -> dict[str, Connector]:
        described = {name: system for name, system in law.systems.items() if name not in self._given}
        own = {OWN_SYSTEM: OwnSystem(self.own_operations())}
        return own | {name: open_connector(system) for name, system in described.items()} | dict(self._given)

    def own_operations(self) -> dict[str, OwnOperation]:
        """Return what the system ``remit`` can do: what passes through the gate and changes remit itself."""
        return {**self.autonomy.operations(), **self.knowledge.own_operations()}

    def _reload(self) -> None:
        desk, law = self._desk, self._law()
        assert desk is not None
        if law.systems != desk.law.systems:
            desk.connectors = self._connectors(law)
        desk.law = law

    async def _facts(self, action: Action) -> Mapping[str, Fact]:
        desk = self._desk
        assert desk is not None
        return await read_facts(action, desk.law.manifest(action.agent), desk.connectors, self.knowledge.facts)

    async def _close_connectors(self) -> None:
        if self._desk is not None:
            await asyncio.gather(*(connector.close() for connector in self._desk.connectors.values()))

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run ``work`` in the company's own loop; for callers that go on meanwhile."""
        _ = self.desk
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    # Time.

    def now(self) -> datetime:
        """Return business time: the wall clock, or where the story's clock was set last."""
        if self.company.clock == "wall":
            return datetime.now(UTC)
        rows = self.store.read("select value from setting where name = 'clock/now'")
        if not rows:
            raise BadInput("clock: story, but its time was never set; set it with Control.set_now")
        return to_moment(str(rows[0][0]))

    def set_now(self, moment: datetime) -> None:
        """Set the story's clock; it never goes back.

        Raises:
            BadInput: this company's clock is the wall's.
        """
        if self.company.clock != "story":
            raise BadInput("the clock can be set only where remit.yaml says clock: story")
        with self.store.transaction() as transaction:
            rows = transaction.fetch("select value from setting where name = 'clock/now'")
            if not rows or to_moment(str(rows[0][0])) < moment:
                transaction.upsert_many("setting", "name", "name,value", [("clock/now", from_moment(moment))])

    # Acting.

    def action(
        self,
        agent: str,
        name: str,
        case: str,
        arguments: Mapping[str, Any],
        confidence: float | str | Decimal | None = None,
        reasons: Sequence[str] = (),
    ) -> Action:
        """Make an action of ``agent``'s present version. ``confidence`` is a share from 0 to 1.

        Raises:
            BadInput: no such agent, no canonical form, or an impossible confidence.
        """
        version = self.desk.law.manifest(agent).version
        return Action(agent, version, name, case, dict(arguments), _basis_points(confidence), tuple(reasons))

    def propose(
        self,
        agent: str,
        name: str,
        case: str,
        arguments: Mapping[str, Any],
        confidence: float | str | Decimal | None = None,
        reasons: Sequence[str] = (),
    ) -> Journey:
        """Propose an action and take it along the path; return where it stands: denied, waiting, finished, failed...

        Raises:
            BadInput: as `action` does. StoreUnavailable: nothing was recorded, so nothing was begun.
        """
        return self.submit_proposal(self.action(agent, name, case, arguments, confidence, reasons)).result()

    def submit_proposal(self, action: Action, actor: str = "") -> Future[Journey]:
        """The same as `propose`, without waiting."""
        future = self.submit(propose(self.desk, action, actor))
        for watcher in self.watchers:
            future.add_done_callback(watcher)
        return future

    def work(self, *, until_idle: bool = True) -> int:
        """Carry on what was approved, pass deadlines, look after what was left behind; return how many were done."""
        worker = self.worker()
        self._wait(worker.run(until_idle=until_idle))
        self._look()
        return worker.carried

    def worker(self) -> Worker:
        """Return a worker to `submit`."""
        return Worker(self.desk, self._report, self._look)

    def _look(self) -> None:
        """See what follows from what was just said; what was said is on record whether or not that can be seen."""
        try:
            self.autonomy.look()
        except RemitError as error:
            self._report(f"autonomy: {error}")

    def ready(self) -> list[str]:
        """Return the approved actions that nobody has carried on yet."""
        return ready_actions(self.desk)

    def records(self, system: str, name: str, **parameters: Json) -> list[Mapping[str, Json]]:
        """Return all records of one of a system's lists.

        Raises:
            BadInput: no such system. Refused, Unreachable: as the connector says.
        """
        connector = self.desk.connectors.get(system)
        if connector is None:
            raise BadInput(
                f"system: got {system!r:.60}, described: {', '.join(sorted(self.desk.connectors)) or 'none'}"
            )

        async def collect() -> list[Mapping[str, Json]]:
            return [record async for record in connector.records(name, parameters)]

        return self.submit(collect()).result()

    def record_outcome(self, outcome: Outcome) -> bool:
        """Record what became of an action's case; False when it is on record already.

        Raises:
            NotFound: no such action. BadInput: the case is not the action's, or what is said cannot be taken.
        """
        fresh = record_outcome(self.journal, outcome)
        self._look()
        return fresh

    def receive(self, source: str, headers: Mapping[str, str], body: bytes, *, peer: str) -> Received:
        """Keep an event that a system sent for the next load; raises as `Knowledge.receive` does."""
        return self.knowledge.receive(source, headers, body, peer=peer)

    # Oversight.

    def roles_of(self, person: str, department: str) -> frozenset[str]:
        """Return the roles that ``person`` holds for ``department``."""
        people = self.law.people
        known = people.persons.get(person)
        roles = known.roles if known else frozenset[str]()
        return frozenset(role for role in roles if people.holds(person, role, department))

    @property
    def law(self) -> Law:
        """The law in use; what lies in the folder where nothing was taken into use yet."""
        if self._desk is not None:
            return self._desk.law
        return self._law() if documents_in_use(self.store) else law_of(read_texts(self.company))

    def approve(self, action: str, person: str, role: str = "", why: str = "", seconds: int | None = None) -> Journey:
        """Say yes to what waits at ``action``; raises as `oversight.approval.answer` does."""
        return self._answer(action, Answer(person, role, True, why, seconds))

    def reject(self, action: str, person: str, why: str, role: str = "", seconds: int | None = None) -> Journey:
        """Say no to what waits at ``action``; a reason is needed."""
        return self._answer(action, Answer(person, role, False, why, seconds))

    def _answer(self, prefix: str, given: Answer) -> Journey:
        digest = find_action(self.store, prefix)
        answer(self.journal, find_pending(self.store, digest), given, self.roles_of)
        self._look()
        return self.journey(digest)

    def edit(self, action: str, person: str, changed: Mapping[str, Json], why: str, role: str = "") -> Journey:
        """Put a changed action in place of the one that waits; it is judged anew. Returns the new action's journey."""
        digest = find_action(self.store, action)
        pending = find_pending(self.store, digest)
        given = Answer(person, role, False, why)
        return self.submit(edit(self.desk, pending, given, changed, self.roles_of)).result()

    def settle(self, action: str, person: str, *, done: bool, why: str) -> Journey:
        """Say what a person found out about an effect that is uncertain.

        Raises:
            NotFound: no such uncertain effect. Conflict: it was settled meanwhile.
        """
        digest = find_action(self.store, action)
        begun, journey = begun_event(self.store, digest)
        if begun is None or journey.progress != "uncertain":
            raise NotFound(f"{digest[:12]} is not uncertain: it is {journey.progress}")
        if person not in self.law.people.persons:
            raise BadInput(f"person: got {person!r:.60}, not in people.yaml")
        try:
            self.submit(settle(self.desk, begun, done=done, person=person, why=why)).result()
        except Moved:
            raise Conflict(f"{digest[:12]} was settled meanwhile") from None
        return self.journey(digest)

    def halt(self, scope: str, why: str, by: str) -> Halt:
        """Throw the switch: from the return on, nothing within ``scope`` begins in any process."""
        return request_halt(self.journal, parse_scope(scope), why, f"person:{by}")

    def resume(self, scope: str, why: str, by: str) -> tuple[Halt, ...]:
        """Set the switch back."""
        return lift_halt(self.journal, self.store, parse_scope(scope), why, f"person:{by}")

    def halts(self) -> tuple[HaltStatus, ...]:
        """Return all halts with who confirmed them."""
        return halt_statuses(self.store)

    # Showing.

    def journey(self, action: str) -> Journey:
        """Return where an action stands; ``action`` may be the beginning of its digest, or its case."""
        digest = find_action(self.store, action)
        return replay(digest, events_of(self.store, digest))

    def explain(self, action: str) -> str:
        """Tell the whole story of an action in words."""
        return account_of(self.store, find_action(self.store, action), self.knowledge.open_facts)

    def facts(self, journey: Journey) -> list[dict[str, Any]]:
        """Return what an action's last decision rests on: the facts as recorded, with what those of the graph said.

        Of a fact that was erased since, the value is null, and its problem says so.
        """
        with self.store.snapshot() as reader:
            return self.knowledge.open_facts(reader, journey.decided.get("facts", ()))

    def log(self, limit: int = 50, **wanted: Any) -> tuple[RecordedEvent, ...]:
        """Return the newest events that match; ``wanted`` are the fields of `ledger.query.EventFilter`."""
        if wanted.get("action"):
            wanted["action"] = find_action(self.store, wanted["action"])
        return find_events(self.store, EventFilter(**wanted), limit)

    def inbox(self) -> tuple[InboxItem, ...]:
        """Return what waits for a person."""
        return inbox(self.store)

    def fleet(self) -> tuple[AgentRecord, ...]:
        """Return every agent's counts."""
        return fleet(self.store)

    def spend(self) -> tuple[Spend, ...]:
        """Return what was drawn against each limit."""
        return spend(self.store, self.knowledge.open_facts)

    def cliff(
        self, agent: str, before: datetime | None, tried: list[dict[str, str | int | None]] | None, false_alarm_bp: int
    ) -> TwoSample:
        """Compare what an agent meets with what it was tried on. Raises as `evidence.cliff.cliff` does."""
        from remit.evidence.cliff import cliff

        self.law.manifest(agent)
        return cliff(
            self.store, agent, self.knowledge.open_facts, before=before, tried=tried, false_alarm_bp=false_alarm_bp
        )

    def status(self) -> Status:
        """Return what there is at a glance."""
        items = inbox(self.store)
        signed = self.store.read("select max(size) from checkpoint")[0][0] or 0
        now = datetime.now(UTC)
        return Status(
            self.company.name, self.now() if self._has_time() else now, head(self.store)[0], signed, fleet(self.store),
            sum(item.waits_for == "approval" for item in items), sum(item.waits_for == "settling" for item in items),
            self.store.read("select count(*) from ready")[0][0],
            self.store.read("select count(*) from open_effect where state = 'begun'")[0][0],
            tuple(status for status in self.halts() if not status.lifted),
            tuple(seen for seen in processes(self.store) if is_living(seen, now)),
            self.autonomy.in_force() if self._has_time() else (),
        )  # fmt: skip

    def _has_time(self) -> bool:
        return self.company.clock == "wall" or bool(self.store.read("select 1 from setting where name = 'clock/now'"))

    # Proving.

    def verify(self, progress: Callable[[int], None] | None = None) -> LedgerReport:
        """Check every event, checkpoint and witness; what this process appended just now is signed first."""
        from remit.ledger.audit import verify_store

        if self.journal.counts.events:
            try:
                self.keeper.checkpoint()
            except RemitError as error:  # the check itself says more about it
                self._report(f"checkpoint: {error}")
        return verify_store(self.store, self.signer, _witnesses(self.company), progress)

    def erase(self, subject: str, why: str, by: str) -> int:
        """Remove what is kept of a person beside the ledger; return how many values."""
        return erase_subject(self.journal, self.store, subject, why, f"person:{by}")

    def replay_decisions(self, progress: Callable[[int], None] | None = None) -> RejudgeReport:
        """Judge every recorded decision again and compare byte for byte."""
        from remit.run.rejudge import rejudge

        return rejudge(self.store, self.knowledge.open_facts, progress)

    def export(self, folder: Path) -> ExportReport:
        """Write the ledger to ``folder`` so that outsiders can check it with the one file that goes with it.

        Raises:
            BadInput: the folder is not empty. LedgerBroken: what is there is not what was signed.
        """
        from remit.ledger.export import export_ledger

        with self.store.snapshot() as reader:
            documents = {digest: text.encode() for digest, text in every_document(reader).items()}
            bodies = (body for (body,) in reader.stream("select body from event order by seq"))
            return export_ledger(folder, bodies, stored_checkpoints(reader), documents, self.signer.vkey)

    def backup(self, folder: Path, progress: Callable[[int], None] = lambda _rows: None) -> int:
        """Copy store and signing key into the new ``folder``; return how many events it holds.

        Raises:
            BadInput: the folder is there already.
        """
        if folder.exists():
            raise BadInput(f"{folder} is there already; name a new folder")
        folder.mkdir(parents=True, mode=0o700)
        target = open_store(f"sqlite:{folder / 'store.db'}")
        try:
            size = copy_store(self.store, target, progress)
        finally:
            target.close()
        key = folder / "ledger.key"
        key.touch(mode=0o600)
        key.write_bytes((self.company.state / "ledger.key").read_bytes())
        return size


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `remit check` found. ``agents``, ``rules``, ``systems`` and ``sources`` count what could be read."""

    findings: tuple[Finding, ...]
    agents: int
    rules: int
    systems: int
    sources: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing stands in the way; warnings do not."""
        return all(finding.severity != "error" for finding in self.findings)


def init_company(folder: Path | str) -> tuple[Path, ...]:
    """Write a small company that passes `check_company` into ``folder``; return the files written.

    Raises:
        BadInput: one of the files is there already.
    """
    from remit.manifest.scaffold import scaffold

    return scaffold(folder)


def check_company(folder: Path | str) -> CheckReport:
    """Check everything a person wrote: remit.yaml, people, manifests, policies, systems; all findings at once.

    Raises:
        BadInput: there is no company there, or remit.yaml itself cannot be read.
    """
    from remit.app_knowledge import check_sources
    from remit.run.law import check_law

    company = load_company(folder)
    findings, agents, rules, systems = check_law(company)
    found, sources = check_sources(company)
    return CheckReport((*findings, *found), agents, rules, systems, sources)


def run_policy_cases(folder: Path | str, names: Sequence[str] = ()) -> CaseReport:
    """Run the cases beside the policies, all or those in files whose name contains one of ``names``.

    Raises:
        BadInput: the company's own files cannot be taken as written.
    """
    from remit.gate.cases import run_cases

    company = load_company(folder)
    law = law_of(read_texts(company))
    paths = sorted(company.policies.glob("*.cases.yaml"))
    chosen = [path for path in paths if not names or any(name in path.name for name in names)]
    if not chosen:
        raise NotFound(f"no *.cases.yaml in {company.policies}" + (f" named like {', '.join(names)}" if names else ""))
    return run_cases(chosen, law.rules, tuple(law.manifests.values()))


def restore_company(folder: Path | str, backup: Path, accept_loss: str = "") -> RestoreReport:
    """Put a backup in place of a company's empty store; see `ledger.restore.restore`."""
    from remit.ledger.restore import restore

    company = load_company(folder)
    with closing(open_store(company.store)) as target:
        return restore(backup, target, company.state, _witnesses(company), accept_loss)


def _witnesses(company: Company) -> tuple[Witness, ...]:
    place = company.witness
    if place is None:
        return ()
    return (UrlWitness(place),) if place.startswith("https://") else (FileWitness(Path(place)),)


def _basis_points(confidence: float | str | Decimal | None) -> int | None:
    if confidence is None:
        return None
    try:
        share = Decimal(str(confidence))
    except InvalidOperation:
        share = Decimal("NaN")
    if not share.is_finite() or not 0 <= share <= 1:
        raise BadInput(f"confidence: got {confidence!r:.40}, expected a share from 0 to 1")
    return int(share * 10_000)
