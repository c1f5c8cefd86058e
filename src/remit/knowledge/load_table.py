"""Loading one table of a source: many small commits, each with its event, and one event at the end.

A load that dies is repeated from the old cursor, where rows that are there already cost one hash. Absence is deletion
only in a full load that saw its source to the end.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from remit.connectors.answer import zone as zone_of
from remit.connectors.source_reader import FILE_COLUMN, SourceReader, SourceRows, TableAsk
from remit.errors import BadInput, CannotTell, NotFound, Refused, RemitError, StoreUnavailable, Unreachable
from remit.knowledge.contract import Contract, compile_contract
from remit.knowledge.fresh_rows import FreshRows
from remit.knowledge.known_blocks import KnownBlocks
from remit.knowledge.load_claim import LoadClaim, claim_load
from remit.knowledge.load_cursor import LoadCursor
from remit.knowledge.load_drift import SourceLook, drift_between
from remit.knowledge.load_plan import AHEAD_SECONDS_MAX, TakenRow, table_fingerprint
from remit.knowledge.load_rows import KNOWN_ROWS_MAX, KnownRows, RowSorter
from remit.knowledge.load_write import Written, close_records, write_rows
from remit.knowledge.odd_rows import OddRows
from remit.knowledge.recordable import recordable
from remit.knowledge.source_file import SourceFile, TableSpec
from remit.ledger.journal import Journal
from remit.store.engine import Store, Transaction
from remit.uncollected import uncollected
from remit.vocabulary import Event, Json

if TYPE_CHECKING:
    from remit.knowledge.arrived import Arrived

__all__ = ["COUNTS", "LoadMode", "LoadReport", "load_table"]

LoadMode = Literal["auto", "full", "incremental", "events"]
COUNTS: Final = (
    "read", "new", "changed", "unchanged", "deleted", "bad", "closed", "late", "ahead", "facts", "links",
)  # fmt: skip
"""What a load counts. Rows: read = new + changed + unchanged + deleted + bad; late and ahead are some of them. closed
are records; facts and links are those written.
"""
GROWN_FACTS_MIN: Final = 10_000
_GROWING: Final = ("fact", "link", "record", "version", "member")
NOTES_MAX: Final = 100
NOTE_LENGTH_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of a load. ``state`` is ok or failed, ``problem`` says why it failed. ``counts`` has all of `COUNTS`.

    ``seconds`` is how long it took, by the wall clock. ``cursor`` is how far it came; it counts for the next load only
    if the state is ok. ``notes`` and ``drift`` say what was odd (see `remit.knowledge.load_drift`). ``arrived`` is what
    became of its records where those of their type are compared; None where they are not.
    """

    dataset: str
    load: int
    mode: str
    state: Literal["ok", "failed"]
    counts: Mapping[str, int]
    seconds: float
    notes: tuple[str, ...] = ()
    drift: tuple[Mapping[str, Json], ...] = ()
    cursor: str = ""
    problem: str = ""
    started: int = 0
    columns: tuple[str, ...] = ()
    arrived: Arrived | None = None


def load_table(
    journal: Journal,
    store: Store,
    source: SourceFile,
    table: str,
    reader: SourceReader,
    *,
    mode: LoadMode = "auto",
    now: datetime,
    progress: Callable[[Mapping[str, int]], None] = lambda _counts: None,
    batch_rows: int = 2_000,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> LoadReport:
    """Load ``table`` from ``reader`` and return what became of it; blocks, so call it where no event loop runs.

    ``now`` is business time. ``mode`` auto is: change events where the reader gives these, incremental where the table
    names its ``changed`` column, else full. ``batch_rows`` rows share a commit. A source that cannot be read to its end
    makes a failed load, not an exception: what was read is kept, nothing is closed, the cursor stays.

    Raises:
        Conflict: another load of this data set runs, or took this one for dead.
        NotFound: the source has no such table.
        BadInput: the mode does not go with the table.
        StoreUnavailable: the store failed; the load is marked failed by the next one.
    """
    spec = source.tables.get(table)
    if spec is None:
        raise NotFound(f"source {source.name} has no table {table!r:.60}; it has {', '.join(source.tables)}")
    if mode == "incremental" and spec.changed is None:
        raise BadInput(f"{spec.dataset}: an incremental load needs `changed`, the column that says when a row changed")
    chosen = mode if mode != "auto" else "full" if spec.changed is None else "incremental"
    contract = compile_contract(spec, source.zone)
    started = int(now.timestamp())
    claim = claim_load(journal, store, source, spec, mode=chosen, started=started, random=random)
    try:
        run = _Run(journal, store, source, spec, claim, chosen, now, batch_rows, progress, contract)
        return asyncio.run(run.go(reader))
    finally:
        claim.forget(store)


class _Run:
    """One load as it runs."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        source: SourceFile,
        spec: TableSpec,
        claim: LoadClaim,
        mode: str,
        now: datetime,
        batch_rows: int,
        progress: Callable[[Mapping[str, int]], None],
        contract: Contract,
    ):
        self.journal, self.store, self.source, self.spec, self.claim = journal, store, source, spec, claim
        self.plan, self.mode, self.batch_rows, self.progress = claim.plan, mode, batch_rows, progress
        self.started = time.monotonic()
        self.asked_at = int(now.timestamp())
        """When all that was read was so, in seconds of business time: ages count from here."""
        self.counts: Counter[str] = Counter()
        self.unsaid: Counter[str] = Counter()
        """What was counted since the last event, and stands in the next one."""
        self.waiting: list[TakenRow] = []
        self.waiting_few: FreshRows | None = None
        """They wait as they came, as long as nothing else does: often they are the last."""
        self.waiting_keys: set[str] = set()
        self.number = 0
        self.notes: list[str] = []
        self.keyless = 0
        self.look = SourceLook(spec.columns)
        self.odd = OddRows(spec, since=False)
        self.zone = zone_of(source.zone)
        latest = now + timedelta(seconds=AHEAD_SECONDS_MAX)
        self.cursor = LoadCursor(self.zone, latest, names=spec.changed == FILE_COLUMN)
        self.contract = contract
        self.fingerprint = table_fingerprint(source, spec)
        self.known: KnownRows | None = None
        self.sorter: RowSorter | None = None

    async def go(self, reader: SourceReader) -> LoadReport:
        """Read, write and end the load."""
        since = self._since()
        self.odd = OddRows(self.spec, since=since is not None)
        ask = self.spec.ask(since, self.source.zone)
        problem = ""
        rows = reader.read(ask)
        try:
            async for batch in rows:
                if batch.as_of is not None:
                    self._date(int(batch.as_of.timestamp()))
                with uncollected():
                    self._take(batch)
            self._flush()
            problem = self._close_absent()
        except (Refused, Unreachable, CannotTell) as error:
            self._flush()
            problem = recordable(f"{type(error).__name__}: {error}", NOTE_LENGTH_MAX)
        except StoreUnavailable:
            raise  # nothing can be written; the next load will find this one and end it
        except BaseException as error:
            with suppress(RemitError):
                self._end(f"ended by {type(error).__name__}")
            raise
        finally:
            close = getattr(rows, "aclose", None)
            if close is not None:
                await close()
        for note in (*reader.notes, *self.odd.notes):
            self._note(note)
        report = self._end(problem)
        if self.counts["facts"] >= GROWN_FACTS_MIN:
            self.store.grown(_GROWING)
        if report.state == "ok":
            report = await self._say_taken(reader, ask, report)
        return report

    def _date(self, moment: int) -> None:
        """Have ages count from ``moment``: an export is as old as it says, however late it is read.

        Only before anything of it was written: an age that was shown must not come out otherwise later.
        """
        if moment < self.asked_at and self.number == 0:
            self.asked_at = moment
            self.claim.date(self.journal, moment)

    def _since(self) -> str | None:
        """Where an incremental load begins; None, from the first row, where rows read before were read otherwise."""
        last = self.claim.last
        if self.mode != "incremental" or last is None or not self.claim.since:
            return None
        if last.get("fingerprint") != self.fingerprint.hex():
            self._note("the table's description is another than at the last load, so everything is read")
            return None
        return self.claim.since

    def _take(self, batch: SourceRows) -> None:
        if batch.ops is not None and self.mode != "events":
            self.mode, self.plan = "events", replace(self.plan, events=True)
        if self.sorter is None:
            self.known = KnownRows(self.store, self.plan.did, self.claim.blocks) if self.mode == "full" else None
            new = self.known is not None or self.claim.last is None
            random = self.plan.random if new else None
            self.sorter = RowSorter(self.spec, self.contract, self.zone, self.fingerprint, self.known, random)
        batch = self.odd.settle(batch)
        self.sorter.bind(batch)
        self.look.see_columns(batch.columns, batch.unread)
        self.look.see_rows(batch.columns, batch.rows)
        if self.spec.changed in batch.columns:
            place = batch.columns.index(self.spec.changed)
            self.cursor.take(row[place] for row in batch.rows if place < len(row))
        before = self.sorter.unchanged
        taken = self.sorter.sort(batch, self.waiting_keys)
        unchanged = self.sorter.unchanged - before
        self._count({"read": unchanged, "unchanged": unchanged})
        if taken:
            self._wait(taken)
        self.progress(dict(self.counts))

    def _wait(self, taken: list[TakenRow] | FreshRows) -> None:
        """Write rows once there are enough of them for a commit."""
        alone = self.waiting_few is None and not self.waiting
        if alone and isinstance(taken, FreshRows) and len(taken) <= self.batch_rows:
            if self.batch_rows <= 2 * len(taken):
                self._write_together([taken])
            else:
                self.waiting_few = taken
                self.waiting_keys.update(taken.checked.keys)
            return
        few, self.waiting_few = self.waiting_few, None
        for rows in (few, taken):
            if rows is not None:
                self._wait_by_row(rows.taken() if isinstance(rows, FreshRows) else rows)

    def _wait_by_row(self, taken: Sequence[TakenRow]) -> None:
        self.keyless += sum(not row.key for row in taken)
        self.waiting += taken
        self.waiting_keys.update(row.key for row in taken)
        while len(self.waiting) >= self.batch_rows:
            some, self.waiting = self.waiting[: self.batch_rows], self.waiting[self.batch_rows :]
            self._write(some)
        if not self.waiting:
            self.waiting_keys.clear()

    def _flush(self) -> None:
        if self.waiting_few is not None:
            few, self.waiting_few = self.waiting_few, None
            self._write_together([few])
            self.waiting_keys.clear()
        if self.waiting:
            some, self.waiting = self.waiting, []
            self._write(some)
            self.waiting_keys.clear()

    def _write(self, rows: Sequence[TakenRow]) -> None:
        """Write rows in one commit; a key that comes again in it begins another batch there, so that both are kept."""
        self._write_together(_rounds(rows))

    def _write_together(self, rounds: Sequence[Sequence[TakenRow] | FreshRows]) -> None:
        self._commit([lambda t, seq, some=some: write_rows(t, seq, self.plan, some) for some in rounds])  # type: ignore[misc]

    def _commit(self, writes: Sequence[Callable[[Transaction, int], Written]]) -> None:
        done: list[Written] = []
        events: list[Event] = []

        def work(transaction: Transaction, seq: int) -> list[Event]:
            done.clear()
            events.clear()
            self.claim.guard(transaction)
            unsaid = self.unsaid.copy()
            for write in writes:
                written = write(transaction, seq + len(events))
                done.append(written)
                unsaid.update(written.counts)
                if written.root:
                    events.append(self._event(self.number + len(events), unsaid, written.root))
                    unsaid.clear()
            return events

        self.journal.append_with(work)
        self.number += len(events)
        said = [written.root for written in done]
        if any(said):
            self.unsaid.clear()
        for place, written in enumerate(done):
            self.counts.update(written.counts)
            if not any(said[place:]):
                self.unsaid.update(written.counts)
            if self.known is not None:
                self.known.mark(written.rids)

    def _event(self, number: int, counts: Counter[str], root: str) -> Event:
        data: dict[str, Json] = {
            "dataset": self.plan.dataset, "load": self.plan.load, "number": number,
            "counts": {name: counts[name] for name in COUNTS if counts[name]}, "root": root,
        }  # fmt: skip
        return Event("source.batch", f"source:{self.source.name}", data)

    def _count(self, counts: Mapping[str, int]) -> None:
        self.counts.update(counts)
        self.unsaid.update(counts)

    def _close_absent(self) -> str:
        """Close what a full load did not see; return why that was refused, if it was."""
        if self.known is None or self.mode != "full":
            return ""
        low, high = self.spec.volume
        read = self.counts["read"]
        if (low is not None and read < low) or (high is not None and read > high):
            bounds = f"{'any number' if low is None else low} to {'any number' if high is None else high}"
            return f"volume: read {read} rows, expected {bounds}; nothing that was absent was closed"
        if self.keyless:  # any of the absent ones may be one of these
            self._note(f"{self.keyless} rows have no key that can be read, so nothing that was absent was closed")
            return ""
        for keys in self.known.unseen(self.batch_rows):
            self._commit([lambda t, seq, keys=keys: close_records(t, seq, self.plan, keys, self.claim.before)])  # type: ignore[misc]
            self.progress(dict(self.counts))
        return ""

    def _note(self, note: str) -> None:
        note = recordable(note, NOTE_LENGTH_MAX)
        if len(self.notes) < NOTES_MAX and note not in self.notes:
            self.notes.append(note)

    def _end(self, problem: str) -> LoadReport:
        if self.counts["ahead"]:
            self._note(f"{self.counts['ahead']} rows say that they were observed in the future")
        look, mapped = self.look.as_json(), self.spec.columns
        before = None if self.claim.last is None else self.claim.last.get("look")
        drift = drift_between(before, look, mapped) if look["columns"] else []
        counts = {name: self.counts[name] for name in COUNTS}
        seconds = time.monotonic() - self.started
        ended = self.plan.started + int(seconds)
        state: Literal["ok", "failed"] = "failed" if problem else "ok"
        cursor = (self.cursor.text or self.claim.since) if state == "ok" else ""
        said: dict[str, Json] = {
            "counts": dict(counts), "drift": list(drift), "notes": list(self.notes), "problem": problem
        }  # fmt: skip
        kept: dict[str, Json] = {
            **said, "batches": self.number, "look": look, "by_observed": self.claim.begun["by_observed"],
            "fingerprint": self.claim.begun["fingerprint"],
        }  # fmt: skip
        event: dict[str, Json] = {
            **said, "dataset": self.plan.dataset, "load": self.plan.load, "mode": self.mode, "state": state,
            "cursor": cursor, "spec": self.source.digest, "batches": self.number, "started": self.asked_at,
            "ended": ended, "trust": self.source.trust, "by_observed": self.claim.begun["by_observed"],
            "fresh_seconds": -1 if self.spec.fresh_seconds is None else self.spec.fresh_seconds,
        }  # fmt: skip
        self.claim.end(
            self.journal, mode=self.mode, state=state, ended=ended, cursor=cursor, data=kept,
            event=Event("source.loaded", f"source:{self.source.name}", event),
            blocks=self._blocks() if state == "ok" else None,
        )  # fmt: skip
        return LoadReport(
            self.plan.dataset, self.plan.load, self.mode, state, counts, seconds, tuple(self.notes), tuple(drift),
            cursor, problem, self.asked_at, self.spec.columns,
        )  # fmt: skip

    def _blocks(self) -> KnownBlocks | None:
        """The blocks of a full load that was clean: all of its rows held, and each is current, once."""
        found = None if self.sorter is None else self.sorter.blocks
        if found is None or self.known is None or self.known.count is None or self.mode != "full":
            return None
        counts, digests = self.counts, frozenset(found)
        current = self.known.count + counts["new"] - counts["closed"]
        odd = counts["bad"] + counts["deleted"] + counts["late"] + counts["ahead"]
        if odd or current != counts["read"] or current > KNOWN_ROWS_MAX or len(digests) < len(found):
            return None
        return KnownBlocks(current, digests)

    async def _say_taken(self, reader: SourceReader, ask: TableAsk, report: LoadReport) -> LoadReport:
        try:
            await reader.taken(ask)
        except RemitError as error:
            note = f"the source could not be told what was taken, and will hand it out again: {error}"
            return replace(report, notes=(*report.notes, note[:NOTE_LENGTH_MAX]))
        return report


def _rounds(rows: Sequence[TakenRow]) -> list[list[TakenRow]]:
    """Split rows so that no key stands twice in one part, and each key's rows stay in order."""
    if len({row.key for row in rows}) == len(rows):
        return [list(rows)]
    rounds: list[list[TakenRow]] = []
    times: Counter[str] = Counter()
    for row in rows:
        at = times[row.key] if row.key else 0
        times[row.key] += 1
        if at == len(rounds) or not rounds:
            rounds.append([])
        rounds[at].append(row)
    return rounds
