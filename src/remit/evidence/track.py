"""The track record: a fold of the ledger into cases and what they add up to, kept so that looking again is cheap.

It lives in memory and is saved now and then; what is saved can be deleted, and the next look builds it again from the
first event. Two processes may each have one: they fold the same events to the same rows, and whoever is behind when it
saves reads the other's.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import orjson

from remit.canonical import to_moment
from remit.evidence.case_label import CASE_COLUMNS, NEVER, SETTLED, CaseRecord, CaseTerms, case_record_id, read_case
from remit.evidence.drift import DriftWatch
from remit.evidence.track_state import TrackState
from remit.store.engine import Row, Store, Transaction
from remit.uncollected import uncollected
from remit.vocabulary import Event

__all__ = ["TermsOf", "TrackBook"]

TermsOf = Callable[[str, str, str], CaseTerms | None]
"""``terms_of(agent, version, action)``: the terms in that version's remit; None where autonomy is not earned."""

_VERSION: Final = 2
_SETTING: Final = "fold/track"
_KINDS: Final = (
    "action.decided", "action.failed", "action.finished", "approval.answered", "approval.expired", "certificate.issued",
    "outcome.recorded", "probe.planted", "review.answered", "stage.changed", "threshold.learned",
)  # fmt: skip
_SELECT: Final = (
    "select seq, kind, case_id, action, body from event where seq >= ? and seq < ? and kind in "  # noqa: S608  ours
    f"({','.join('?' * len(_KINDS))}) order by seq limit ?"
)
BATCH_EVENTS: Final = 5_000
CACHED_CASES_MAX: Final = 200_000
BACKLOG_EVENTS: Final = 50_000
_CASE_OF: Final = itemgetter(2)
SAVE_EVENTS: Final = 2_000_000
"""After so many events what changed is written, whoever asks; more often would take longer than folding them again."""


class TrackBook:
    """All tracks of one company, folded as far as somebody last looked. Safe to call from any thread.

    `look` takes in what is new, counts what is settled by then, and is followed by reading ``tracks`` and ``watches``;
    `save` keeps it. ``terms_of`` must give for ever what it gave once: terms belong to a version.
    """

    def __init__(self, store: Store, terms_of: TermsOf):
        self.tracks: dict[str, TrackState] = {}
        self.watches: dict[tuple[str, str, str], DriftWatch] = {}
        self.reached = 0
        self.clock = 0
        """The latest business time of the decisions so far, in seconds since 1970."""
        self._store, self._terms_of = store, terms_of
        self._lock = threading.RLock()
        self._cases: dict[str, list[CaseRecord]] = {}
        """The records in memory by their case; a case is either here with all its records, or not at all."""
        self._dirty: dict[str, CaseRecord] = {}
        self._probes: set[str] = set()
        self._unsettled: set[str] = set()
        """The tracks in which a case that was counted is not settled any more."""
        self._looked = self._count = self._unsaved = 0
        self._based = self._recalled = False
        self._token = ""
        """Names what was written last, by whom ever, as far as this book knows; empty where nothing usable was."""
        self._load()

    # Looking.

    def look(self, now: datetime) -> None:
        """Take in what is new, and count what is settled at ``now``, or at the latest look so far if that is later.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._lock:
            self.catch_up()
            moment = self._looked = max(self._looked, int(now.timestamp()))
            for track in self.tracks.values():
                if track.next_due <= moment:
                    track.next_due = NEVER
                    self._dirty.update((case.id, case) for case in self._open(track).advance(moment))

    def catch_up(self) -> int:
        """Take in the events since the last time; return how many concern tracks."""
        with self._lock:
            size = self._store.read("select size from head")[0][0]
            if size < self.reached:  # an older copy was put back
                self._forget()
            elif size > self.reached and self._other_wrote():
                self._load()
            with uncollected() if size - self.reached > BACKLOG_EVENTS else nullcontext():
                taken = 0
                while self.reached < size:
                    taken += self._batch(size)
            return taken

    def _batch(self, size: int) -> int:
        rows = self._store.read(_SELECT, (self.reached, size, *_KINDS, BATCH_EVENTS))
        self._take(rows)
        self.reached = size if len(rows) < BATCH_EVENTS else rows[-1][0] + 1
        if self._recalled and self._other_wrote():  # what was recalled may be ahead of what was folded here
            self._load()
            return 0
        while self._unsettled:  # not before the batch is whole: what is saved must not be ahead of `reached`
            self._recount(self._unsettled.pop())
        self._unsaved += len(rows)
        if self._unsaved >= SAVE_EVENTS or self._count > CACHED_CASES_MAX:
            self.save()
        return len(rows)

    def cases(self, track: TrackState, after: int = -1) -> list[CaseRecord]:
        """Return the cases of ``track`` decided after the event ``after``, oldest first.

        Where another process has written meanwhile, this book goes on from what that one wrote: then ``track`` is no
        longer the object in ``tracks``, and what was made of it should be made again.
        """
        statement = f"select {CASE_COLUMNS} from case_record where track = ? and seq > ? order by seq"  # noqa: S608
        with self._lock:
            while True:
                self.save()
                rows = self._store.read(statement, (track.key, after))
                found = [self._known(row) for row in rows]
                if not self._other_wrote():
                    return found
                self._load()

    # Saving.

    def save(self) -> None:
        """Write what changed, unless another process has written meanwhile: then go on from what that one wrote."""
        with self._lock:
            with self._store.transaction() as transaction:
                rows = transaction.fetch("select value from setting where name = ?", (_SETTING,))
                ours = _token(rows) == self._token
                if ours:
                    if not self._based:  # what is written there is of another version, or of another ledger
                        transaction.execute("delete from case_record")
                        transaction.execute("delete from track")
                    token = secrets.token_hex(8)
                    self._write(transaction, token)
            if not ours:
                self._load()
                return
            self._token, self._based = token, True
            self._dirty.clear()
            self._unsaved = 0
            if self._count > CACHED_CASES_MAX:
                self._cases, self._count = {}, 0
                for track in self.tracks.values():  # their queues would go on with records that nobody else knows
                    track.ahead, track.next_due = None, 0

    def _other_wrote(self) -> bool:
        rows = self._store.read("select value from setting where name = ?", (_SETTING,))
        self._recalled = False
        return _token(rows) != self._token

    def _write(self, transaction: Transaction, token: str) -> None:
        if self._dirty:
            cells = sorted(case.row() for case in self._dirty.values())
            transaction.upsert_many("case_record", "id", CASE_COLUMNS, cells)
        tracks = [(f"track:{key}", _text(track.data())) for key, track in self.tracks.items()]
        tracks += [(f"watch:{'/'.join(key)}", _text(watch.data())) for key, watch in self.watches.items()]
        if tracks:
            transaction.upsert_many("track", "key", "key,data", sorted(tracks))
        state = {
            "version": _VERSION, "token": token, "reached": self.reached, "clock": self.clock, "looked": self._looked,
            "probes": sorted(self._probes),
        }  # fmt: skip
        transaction.upsert_many("setting", "name", "name,value", [(_SETTING, _text(state))])

    def _load(self) -> None:
        """Begin from what is written; from nothing where that is not usable."""
        self._forget()
        rows = self._store.read("select value from setting where name = ?", (_SETTING,))
        kept = orjson.loads(rows[0][0]) if rows else {}
        self._token = _token(rows)
        if not self._token or kept["reached"] > self._store.read("select size from head")[0][0]:
            return
        self._based = True
        self.reached, self.clock, self._looked = kept["reached"], kept["clock"], kept["looked"]
        self._probes = set(kept["probes"])
        for key, text in self._store.read("select key, data from track"):
            data = orjson.loads(text)
            if key.startswith("watch:"):
                self._watch(data["agent"], data["version"], data["action"]).read(data)
                continue
            track = self._new_track(data["agent"], data["version"], data["action"], data["class_"])
            if track is not None:
                track.read(data)

    def _forget(self) -> None:
        self.tracks, self.watches, self._cases, self._dirty = {}, {}, {}, {}
        self._probes, self._unsettled = set(), set()
        self._based = False
        self.reached = self.clock = self._looked = self._count = self._unsaved = 0

    # Finding.

    def _new_track(self, agent: str, version: str, action: str, class_: str) -> TrackState | None:
        terms = self._terms_of(agent, version, action)
        if terms is None:
            return None
        track = TrackState(agent, version, action, class_, terms)
        self.tracks[track.key] = track
        return track

    def _watch(self, agent: str, version: str, action: str) -> DriftWatch:
        watch = self.watches.get((agent, version, action))
        if watch is None:
            watch = self.watches[agent, version, action] = DriftWatch(agent, version, action)
        return watch

    def _saved(self) -> bool:
        """Whether the store's rows are of this fold; notes that they were read."""
        self._recalled |= self._based
        return self._based

    def _known(self, row: Row) -> CaseRecord:
        """The record of a row: the one in memory, or read and kept there."""
        known = self._cases.get(row[2])
        if known is None:
            self._recall((row[2],))
            known = self._cases[row[2]]
        return next(case for case in known if case.id == row[0])

    def _recall(self, cases: Iterable[str]) -> None:
        """Read the records of ``cases`` that are not in memory."""
        missing = sorted(set(cases).difference(self._cases))
        found: dict[str, list[CaseRecord]] = {case: [] for case in missing}
        if missing and self._saved():
            for start in range(0, len(missing), 500):
                part = missing[start : start + 500]
                marks = ",".join("?" * len(part))
                statement = f"select {CASE_COLUMNS} from case_record where case_id in ({marks}) order by seq"  # noqa: S608
                for row in self._store.read(statement, part):
                    found[row[2]].append(read_case(row))
        self._cases.update(found)
        self._count += len(missing)

    def _find(self, case: str, id_: str) -> CaseRecord:
        if case not in self._cases:
            self._recall((case,))
        return next(record for record in self._cases[case] if record.id == id_)

    def _open(self, track: TrackState) -> TrackState:
        """Have the queue of cases that are not counted in memory."""
        if track.ahead is None:
            track.ahead = deque()
            if self._saved():
                columns = f"select {CASE_COLUMNS} from case_record where track = ? and seq >= ? order by seq"  # noqa: S608
                rows = self._store.read(columns, (track.key, track.pointer))
                self._recall(row[2] for row in rows)
                track.ahead = deque(self._find(row[2], row[0]) for row in rows)
        return track

    # Folding.

    def _take(self, rows: list[Row]) -> None:
        self._recall(filter(None, map(_CASE_OF, rows)))
        loads, cases = orjson.loads, self._cases
        for seq, kind, case, action, body in rows:
            event = loads(body)
            data = event["data"]
            if kind == "outcome.recorded":  # by far the most
                right = data["right"]
                for record in cases[case] if right is not None else ():
                    if action in record.actions:
                        before = record.corrected, record.contradicted
                        if record.say(action, data["said_by"], right):
                            self._moved(record, before)
                        break
            elif kind == "action.decided":
                self._decided(seq, case, action, data)
            elif kind in ("stage.changed", "threshold.learned", "certificate.issued"):
                self._changed(seq, Event(kind, event["actor"], data))
            elif kind == "probe.planted":
                self._planted(data)
            elif kind == "approval.answered":
                self._said(case, action, f"person:{data['person']}", data["verdict"] == "approve")
                if data["verdict"] == "reject":
                    self._ended(case, action, done=False)
            elif kind == "review.answered":
                if data["right"] is not None:
                    self._said(case, action, f"person:{data['person']}", data["right"])
            else:
                self._ended(case, action, done=kind == "action.finished")

    def _of(self, case: str, action: str) -> CaseRecord | None:
        for record in self._cases[case]:
            if action in record.actions:
                return record
        return None

    def _said(self, case: str, action: str, speaker: str, right: bool) -> None:
        record = self._of(case, action)
        if record is None:
            return
        before = record.corrected, record.contradicted
        if record.say(action, speaker, right):
            self._moved(record, before)

    def _ended(self, case: str, action: str, *, done: bool) -> None:
        record = self._of(case, action)
        if record is None:
            return
        terms, before = self.tracks[record.track].terms, (record.corrected, record.contradicted)
        moved = (
            record.finish(action, terms.matures_seconds, terms.deadline_seconds)
            if done
            else record.no_deed(terms.matures_seconds)
        )
        if moved:
            self._moved(record, before)

    def _moved(self, record: CaseRecord, before: tuple[bool, bool]) -> None:
        """Count anew what changed about a case; ``before``: whether it was corrected and contradicted until now."""
        self._dirty[record.id] = record
        track = self.tracks[record.track]
        track.corrected += record.corrected - before[0]
        track.contradicted += record.contradicted - before[1]
        if record.alone and not record.fed:
            self._watch(track.agent, track.version, track.action).known(record, self.clock)
            self._ripen(track)
        if record.state == "open":
            track.next_due = 0
        elif track.key not in self._unsettled:
            fate = record.fate(self._looked)
            if fate not in SETTLED:
                self._unsettled.add(track.key)
            elif fate != record.state:
                track.count(record, record.state, -1)
                track.count(record, fate)

    def _recount(self, key: str) -> None:
        """Count a track from its first case on: one that was counted is not settled any more. Rare."""
        every = self.cases(self.tracks[key])
        track = self.tracks[key]
        track.begin_again()
        for case in every:
            case.state = "open"
            self._dirty[case.id] = case
        track.ahead = deque(every)

    def _decided(self, seq: int, name: str, digest: str, data: Mapping[str, Any]) -> None:
        action = data["action"]
        moment = int(to_moment(data["standing"]["now"]).timestamp())
        known = self._of(name, digest)
        if known is not None:
            known.actions[digest] = (moment, known.actions[digest][1])
            self._dirty[known.id] = known
            self._tick(moment, self.tracks[known.track])
            return
        terms = self._terms_of(action["agent"], action["version"], action["name"])
        if terms is None or data["attempt"] != 1 or not _is_case(data["decision"]):
            return
        id_ = case_record_id(action["agent"], action["version"], action["name"], name)
        record = next((one for one in self._cases[name] if one.id == id_), None)
        if record is None:
            record = self._new_case(seq, id_, name, digest, data, terms, moment)
        else:
            record.actions[digest] = (moment, {})
        if data["decision"]["verdict"] == "deny":
            record.no_deed(terms.matures_seconds)
        self._dirty[id_] = record
        self._tick(moment, self.tracks[record.track])

    def _new_case(
        self, seq: int, id_: str, name: str, digest: str, data: Mapping[str, Any], terms: CaseTerms, moment: int
    ) -> CaseRecord:
        action, review = data["action"], data["decision"].get("review")
        agent, version = action["agent"], action["version"]
        earned = next(iter(data["standing"].get("earned", ())), None)
        prefix = f"{agent}/{version}/{action['name']}/"
        class_ = earned["key"].removeprefix(prefix) if earned else terms.class_of(action["arguments"])
        track = self.tracks.get(prefix + class_) or self._new_track(agent, version, action["name"], class_)
        assert track is not None
        self._open(track)
        record = CaseRecord(id_, track.key, name, seq, moment, moment + terms.deadline_seconds)
        record.confidence_bp, record.everyone = action["confidence_bp"], terms.everyone
        record.actions[digest] = (moment, {})
        record.stage = earned["stage"] if earned else terms.starts
        certificate = earned["certificate"] if earned else ""
        if earned and record.stage in ("sampled", "autonomous"):
            if earned["expires_at"] is not None and earned["expires_at"] <= data["standing"]["now"]:
                record.stage = "supervised"
            else:
                record.threshold_bp, record.least_bp = earned["threshold_bp"], earned["review_bp"]
        if review is not None:
            record.chance_bp, record.drawn = review["probability_bp"], review["drawn"]
        if record.everyone:
            record.chance_bp = record.least_bp = 10_000
        threshold, stated = record.threshold_bp, record.confidence_bp
        record.alone = threshold is not None and stated is not None and stated >= threshold
        record.probe = _probe(agent, action["name"], name) in self._probes
        self._cases[name].append(record)
        assert track.ahead is not None
        track.ahead.append(record)
        track.next_due = 0
        track.joined(record)
        self._watch(agent, version, action["name"]).decided(record, digest, class_, terms.promise_bp, certificate)
        return record

    def _tick(self, moment: int, track: TrackState) -> None:
        self.clock = max(self.clock, moment)
        self._ripen(track)

    def _ripen(self, track: TrackState) -> None:
        watch = self._watch(track.agent, track.version, track.action)
        if watch.heap and watch.heap[0][0] <= self.clock:
            watch.ripen(self.clock, self._fed, lambda case: self.tracks[case.track].class_)

    def _fed(self, case: str, id_: str) -> CaseRecord:
        record = self._find(case, id_)
        self._dirty[id_] = record
        return record

    def _planted(self, data: Mapping[str, Any]) -> None:
        probe = _probe(data["agent"], data["action_name"], data["case"])
        self._probes.add(probe)
        self._recall((data["case"],))
        for record in self._cases[data["case"]]:
            track = self.tracks[record.track]
            if not record.probe and probe == _probe(track.agent, track.action, record.case):
                record.probe = True
                self._dirty[record.id] = record
                if record.state != "open":
                    self._unsettled.add(track.key)
                track.next_due = 0

    def _changed(self, seq: int, event: Event) -> None:
        data: Mapping[str, Any] = event.data
        agent, version, action, class_ = data["agent"], data["version"], data["action"], data["class"]
        key = f"{agent}/{version}/{action}/{class_}"
        track = self.tracks.get(key) or self._new_track(agent, version, action, class_)
        if track is None:
            return
        if event.kind == "certificate.issued":
            track.proposes(data["digest"], data["body"]["at"])
            return
        self._open(track)
        track.changed(seq, event)
        if event.kind == "stage.changed":
            self._watch(agent, version, action).begin_anew(forget=data["cause"] == "suspended")


def _is_case(decision: Mapping[str, Any]) -> bool:
    """Whether a first decision makes a case: not what was denied for another reason than being in shadow."""
    if decision["verdict"] != "deny":
        return True
    return all(
        check["name"] == "stage" and check["rule"] == "shadow"
        for check in decision["checks"]
        if check["verdict"] == "deny"
    )


def _probe(agent: str, action: str, case: str) -> str:
    return "\0".join((agent, action, case))


def _token(rows: list[Row]) -> str:
    """What the fold's setting names as written last; empty where it is not there or of another version."""
    kept = orjson.loads(rows[0][0]) if rows else {}
    return str(kept["token"]) if kept.get("version") == _VERSION else ""


def _text(data: Mapping[str, Any]) -> str:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()
