"""Writing rows under the head lock: what they say is compared with what is known, and only the difference is written.

Rows of one call have different keys. All of it stands in the commit of the one event that names its root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, NamedTuple

from remit.knowledge.checked import Checked
from remit.knowledge.commitment import COMMITMENT_BYTES, SALT_BYTES, draw_salts, key_commitment
from remit.knowledge.fact_columns import FactColumns, Said
from remit.knowledge.fact_flags import AHEAD, LATE
from remit.knowledge.fresh_rows import FreshRows
from remit.knowledge.held_rows import HeldRow, hold_rows, supersede
from remit.knowledge.load_plan import AHEAD_SECONDS_MAX, LoadPlan, NewRecord, TakenRow, row_hash
from remit.knowledge.pepper import erased_hash, read_pepper
from remit.knowledge.roots import Columns, root_of
from remit.knowledge.timeline import OPEN
from remit.store.engine import Cells, Packed, Transaction

__all__ = ["ERASED", "Written", "close_records", "write_rows"]

ERASED: Final = "erased"
"""The rule under which rows of erased subjects are held back."""
_ERASED_KEY: Final = "erased/"
_CERTAIN_BP: Final = 10_000
_SALTS_AT_ONCE: Final = 64


@dataclass(slots=True)
class Written:
    """What one call wrote. ``root`` is empty when it wrote nothing. ``rids`` are records that were there before."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    root: str = ""
    rids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Record:
    rid: int
    type: str
    salt: bytes | None
    hash: bytes | None = None
    """None: there is no current version."""
    observed: int | None = None


class _Change(NamedTuple):
    row: TakenRow
    checked: Checked
    record: _Record
    late: bool


def write_rows(transaction: Transaction, seq: int, plan: LoadPlan, rows: Sequence[TakenRow] | FreshRows) -> Written:
    """Write what ``rows`` say, as the batch at ``seq``; the caller appends its event there if there is a root."""
    batch = _Batch(transaction, seq, plan)
    keys = rows.checked.keys if isinstance(rows, FreshRows) else [row.key for row in rows if row.key]
    batch.look_up(keys)
    batch.block((plan.did, key) for key in keys if key not in batch.records)
    if not isinstance(rows, FreshRows):
        return batch.write(rows)
    held_back = batch.blocked or any(key.startswith(_ERASED_KEY) for key in keys)
    known = batch.records and (plan.events or any(record.hash is not None for record in batch.records.values()))
    return batch.write(rows.taken()) if held_back or known else batch.write_fresh(rows)


def close_records(transaction: Transaction, seq: int, plan: LoadPlan, keys: Iterable[str], before: int) -> Written:
    """Close the records of ``keys`` that the source no longer has, as the batch at ``seq``.

    A record whose version is not from before ledger size ``before`` was written by somebody else since, and stays.
    """
    batch = _Batch(transaction, seq, plan)
    batch.look_up(keys)
    rids = {record.rid for record in batch.records.values() if record.hash is not None}
    for rid, tx_from in transaction.fetch_in("version", "rid,tx_from", "rid", sorted(rids), f"tx_to = {OPEN}"):
        if tx_from < before:
            batch.closing.append(rid)
    batch.written.counts["closed"] = len(batch.closing)
    return batch.finish()


class _Batch:
    """The rows of one batch, from looking up what is known of them to inserting what they change."""

    def __init__(self, transaction: Transaction, seq: int, plan: LoadPlan):
        self.transaction, self.seq, self.plan = transaction, seq, plan
        self.written = Written()
        self.records: dict[str, _Record] = {}
        self.closing: list[int] = []
        self.changes: list[_Change] = []
        self.versions: list[tuple[int, bytes, int | None]] = []
        self.new_records: list[tuple[int, int, str, str, bytes, bytes]] = []
        self.replaced: list[int] = []
        self.typed: list[int] = []
        self.good: list[str] = []
        self.held: list[HeldRow] = []
        self.salts: list[bytes] = []
        self.blocked: dict[tuple[int, str], str] = {}
        self.facts = FactColumns("fact", plan.pids, plan.scopes)
        self.links = FactColumns("link", plan.link_pids, plan.link_scopes)
        found = transaction.fetch("select (select max(rid) from record), (select max(fid) from fact)")[0]
        self.next_rid, self.next_fid = (0 if number is None else number for number in found)
        self.next_lid = transaction.fetch("select coalesce(max(lid), 0) from link")[0][0]

    def write(self, rows: Sequence[TakenRow]) -> Written:
        """Write rows that were looked up."""
        self.written.counts["read"] = len(rows)
        gone_since = self._gone_since(rows)
        for row in rows:
            self._judge(row, gone_since)
        links = zip(*(change.checked.links for change in self.changes), strict=True)
        targets = self._targets(list(links), {key: record.rid for key, record in self.records.items()})
        moments = self._moments()
        said = [self._said(change, moments) for change in self.changes]
        changing = [change.record.rid for change in self.changes if change.record.hash is not None]
        if changing:
            since = -1 if self.plan.anew else min(one.begin for one, _ in said)
            self.facts.read_known(self.transaction, changing, since)
            self.links.read_known(self.transaction, changing, since)
        for change, (one, known_at) in zip(self.changes, said, strict=True):
            self._apply(change, targets, one, known_at)
        return self.finish()

    def write_fresh(self, rows: FreshRows) -> Written:
        """Write rows that were looked up and of none of which anything is known but that something links to it."""
        plan, keys, marks, count = self.plan, rows.checked.keys, rows.checked.marks, len(rows)
        self.written.counts["read"] = self.written.counts["new"] = count
        self.good += keys
        rids, rows = self._number(rows)
        if marks is None:
            times = [self._when(None, None, None)] * count
        else:
            times = [self._when(observed, begin, end) for observed, begin, end, _ in marks]
        said = [one for one, _ in times]
        targets = self._targets(rows.checked.links, dict(zip(keys, rids, strict=True)))
        linked = [
            [None if key is None else targets[did, key] for key in column]
            for did, column in zip(plan.link_dids, rows.checked.links, strict=True)
        ]
        self.facts.add_rows(rids, rows.values, said, rows.commitments)
        self.links.add_rows(rids, list(zip(*linked, strict=True)), said)
        moments = (known_at for _, known_at in times)
        self.versions += zip(rids, rows.row_hashes, moments, strict=True)
        return self.finish()

    def _number(self, rows: FreshRows) -> tuple[Sequence[int], FreshRows]:
        """Make the records of rows that have none; return all numbers, and the rows under their records' salts."""
        plan, known = self.plan, self.records
        new = [place for place, key in enumerate(rows.checked.keys) if key not in known] if known else range(len(rows))
        numbers = range(self.next_rid + 1, self.next_rid + 1 + len(new))
        self.next_rid += len(new)
        own = [list(map(cells.__getitem__, new)) for cells in (rows.checked.keys, rows.salts, rows.key_commitments)]
        self.new_records += zip(numbers, repeat(plan.did), own[0], repeat(plan.type), *own[1:], strict=False)
        if not known:
            return numbers, rows
        self.typed += [record.rid for record in known.values() if record.type == ""]
        rids = dict(zip(own[0], numbers, strict=True)) | {key: record.rid for key, record in known.items()}
        salts = {key: record.salt for key, record in known.items() if record.salt is not None}
        return [rids[key] for key in rows.checked.keys], rows.under(salts)

    def look_up(self, keys: Iterable[str]) -> None:
        """Read the records of ``keys`` with their current versions."""
        plan, transaction = self.plan, self.transaction
        rows = transaction.fetch_each("record", "rid,skey,type,salt", "skey", list(keys), f"did = {plan.did}")
        by_rid = {rid: _Record(rid, type_name, salt) for rid, _, type_name, salt in rows}
        self.records = {skey: by_rid[rid] for rid, skey, _, _ in rows}
        if by_rid:
            versions = transaction.fetch_in("version", "rid,hash,observed", "rid", list(by_rid), f"tx_to = {OPEN}")
            for rid, row_hashed, observed in versions:
                by_rid[rid].hash, by_rid[rid].observed = row_hashed, observed
            self.written.rids = list(by_rid)

    def block(self, keys: Iterable[tuple[int, str]]) -> None:
        """Find out which keys belong to erased subjects and must not come back."""
        if not self.transaction.fetch("select hash from erased_key limit 1"):
            return
        pepper = read_pepper(self.transaction)
        if pepper is None:
            return
        hashes = {erased_hash(pepper, did, key): (did, key) for did, key in keys}
        for (blocked,) in self.transaction.fetch_in("erased_key", "hash", "hash", list(hashes)):
            self.blocked[hashes[blocked]] = blocked

    def _gone_since(self, rows: Sequence[TakenRow]) -> dict[int, int]:
        """Of records that are closed: the last moment that was known of them, for change events that come late."""
        gone = [record.rid for record in self.records.values() if record.hash is None] if self.plan.events else []
        result: dict[int, int] = {}
        if gone:
            moments = self.transaction.fetch_in("version", "rid,observed", "rid", gone, "observed is not null")
            for rid, observed in moments:
                result[rid] = max(observed, result.get(rid, observed))
        return result

    def _judge(self, row: TakenRow, gone_since: dict[int, int]) -> None:
        counts, record = self.written.counts, self.records.get(row.key)
        blocked = self.blocked.get((self.plan.did, row.key))
        if blocked is not None or row.key.startswith(_ERASED_KEY):
            self._hold_erased(row, blocked or "")
        elif row.broken is not None:
            counts["bad"] += 1
            self.held.append(HeldRow(row.key, row.broken.rule, row.broken.reason, row.position, row.raw))
        elif row.gone:
            self._judge_gone(row, record)
        elif record is not None and record.hash is not None and self._is_same(row, record):
            counts["unchanged"] += 1
            self.good.append(row.key)
        elif row.checked is not None:
            self._judge_change(row, row.checked, record, gone_since)

    def _hold_erased(self, row: TakenRow, hashed: str) -> None:
        self.written.counts["bad"] += 1
        reason = "its subject was erased" if hashed else f"a key must not begin with {_ERASED_KEY}"
        self.held.append(HeldRow(f"{_ERASED_KEY}{hashed}", ERASED, reason, row.position, None))

    def _is_same(self, row: TakenRow, record: _Record) -> bool:
        return record.salt is not None and row_hash(record.salt, row.data, row.fingerprint) == record.hash

    def _judge_gone(self, row: TakenRow, record: _Record | None) -> None:
        self.written.counts["deleted"] += 1
        if record is None or record.hash is None:
            return
        if row.moment is not None and record.observed is not None and row.moment < record.observed:
            self.written.counts["late"] += 1
            return
        self.good.append(row.key)
        self.closing.append(record.rid)
        self.written.counts["closed"] += 1

    def _judge_change(
        self, row: TakenRow, checked: Checked, record: _Record | None, gone_since: dict[int, int]
    ) -> None:
        counts, moment = self.written.counts, checked.observed
        self.good.append(row.key)
        if record is None:
            record = self.records[row.key] = self._new_record(self.plan.did, row.key, self.plan.type, row.new)
        elif record.type == "":
            self.typed.append(record.rid)
        if record.hash is None and moment is not None and moment <= gone_since.get(record.rid, moment - 1):
            counts["late"] += 1
            counts["unchanged"] += 1
            return
        late = moment is not None and record.observed is not None and moment < record.observed
        counts["late"] += late
        if not late:
            counts["new" if record.hash is None else "changed"] += 1
        self.changes.append(_Change(row, checked, record, late))

    def _new_record(self, did: int, key: str, type_name: str, new: NewRecord | None = None) -> _Record:
        self.next_rid += 1
        if new is None:
            if not self.salts:
                self.salts = draw_salts(self.plan.random, _SALTS_AT_ONCE)
            salt = self.salts.pop()
            kh = key_commitment(salt, key)
        else:
            salt, kh = new.salt, new.kh
        self.new_records.append((self.next_rid, did, key, type_name, salt, kh))
        return _Record(self.next_rid, type_name, salt)

    def _targets(
        self, links: Sequence[Sequence[str | None]], here: Mapping[str, int]
    ) -> dict[tuple[int, str], int | None]:
        """Find the records that rows link to, and make a placeholder for each that is not loaded yet.

        ``links`` are the keys of each of the table's links, ``here`` the records of this data set that are known by
        now. None stands for a record that was erased: no placeholder brings its key back.
        """
        plan = self.plan
        wanted: dict[int, dict[str, str]] = {}
        for did, type_name, column in zip(plan.link_dids, plan.link_types, links, strict=False):
            keys = wanted.setdefault(did, {})
            for key in column:
                if key is not None and key not in keys:
                    keys[key] = type_name
        result: dict[tuple[int, str], int | None] = {}
        for did, keys in wanted.items():
            found = self.transaction.fetch_each("record", "skey,rid", "skey", list(keys), f"did = {did}")
            result.update(((did, skey), rid) for skey, rid in found)
            if did == plan.did:
                result.update(((did, key), here[key]) for key in keys if key in here)
            missing = [(did, key) for key in keys if (did, key) not in result]
            self.block(missing)
            for _, key in missing:
                closed = (did, key) in self.blocked or key.startswith(_ERASED_KEY)
                result[did, key] = None if closed else self._new_record(did, key, keys[key]).rid
        return result

    def _moments(self) -> dict[int, list[int]]:
        """Of records with a late row: all moments at which something was known of them."""
        rids = [change.record.rid for change in self.changes if change.late]
        result: dict[int, list[int]] = defaultdict(list)
        if rids:
            rows = self.transaction.fetch_in("version", "rid,observed", "rid", rids, "observed is not null")
            for rid, observed in rows:
                result[rid].append(observed)
        return result

    def _said(self, change: _Change, moments: dict[int, list[int]]) -> tuple[Said, int | None]:
        """`_when` of a row, with its flags."""
        row, checked, record, late = change
        said, known_at = self._when(checked.observed, checked.valid_from, checked.valid_to)
        until = None
        if late and known_at is not None and checked.valid_from is None:
            until = min((known for known in moments[record.rid] if known > known_at), default=None)
        flags = said.flags | row.flags | (LATE if late else 0)
        return said._replace(flags=flags, late=late, until=until), known_at

    def _when(self, moment: int | None, valid_from: int | None, valid_to: int | None) -> tuple[Said, int | None]:
        """When a row's values hold; and the moment it was so, no later than the load (None: it does not say)."""
        started = self.plan.started
        ahead = moment is not None and moment > started + AHEAD_SECONDS_MAX
        self.written.counts["ahead"] += ahead
        known_at = None if moment is None else min(moment, started)
        begin = valid_from if valid_from is not None else started if known_at is None else known_at
        end = OPEN if valid_to is None else valid_to
        begin = min(begin, end - 1)  # a row may say that it ended before it was seen, and not since when it was so
        return Said(begin, end, started if moment is None else moment, AHEAD if ahead else 0), known_at

    def _apply(
        self, change: _Change, targets: dict[tuple[int, str], int | None], said: Said, known_at: int | None
    ) -> None:
        row, checked, record, late = change
        plan, rid, salt = self.plan, record.rid, record.salt
        assert salt is not None, "an erased record is never found by its key"
        linked = [
            None if key is None else targets[did, key] for did, key in zip(plan.link_dids, checked.links, strict=True)
        ]
        new = row.new if row.new is not None and row.new.salt is salt else None
        if record.hash is None:
            self.facts.add_all(rid, checked.values, said, salt, None if new is None else new.commitments)
            self.links.add_all(rid, linked, said, salt)
        else:
            kept = self._kept_erased(rid, linked, checked.links)
            different = self.facts.compare(rid, checked.values, said, row.absent[0], salt)
            different |= self.links.compare(rid, linked, said, row.absent[1] | kept, salt)
            if late:
                self.written.counts["changed" if different else "unchanged"] += 1
                return
            self.replaced.append(rid)
        hashed = row_hash(salt, row.data, row.fingerprint) if new is None else new.row_hashed
        self.versions.append((rid, hashed, known_at))

    def _kept_erased(self, rid: int, linked: Sequence[int | None], keys: Sequence[str | None]) -> frozenset[int]:
        """The places of links that stay as they are: the row still names a key that was erased since."""
        lost = [at for at, key in enumerate(keys) if key is not None and linked[at] is None]
        known = self.links.known_values(rid) if lost else []
        if not known:
            return frozenset()
        far = [value for _, value in known]
        erased = {rid for rid, salt in self.transaction.fetch_in("record", "rid,salt", "rid", far) if salt is None}
        pids = {pid for pid, value in known if value in erased}
        return frozenset(at for at in lost if self.plan.link_pids[at] in pids)

    def finish(self) -> Written:
        """Insert and close everything, and work out the root."""
        transaction, seq, plan, written = self.transaction, self.seq, self.plan, self.written
        superseded = supersede(transaction, seq, plan.did, self.good)
        held = hold_rows(transaction, seq, plan.did, plan.load, self.held)
        if self.closing:
            self.facts.close_all(transaction, self.closing)
            self.links.close_all(transaction, self.closing)
        closed = sorted({*self.closing, *self.replaced})
        if self.typed:
            transaction.update_in("record", "type", plan.type, "rid", self.typed)
        sections: dict[str, Columns] = {}
        if closed:
            rows = transaction.fetch_in("version", "rid,tx_from", "rid", closed, f"tx_to = {OPEN}")
            sections["closed version"] = list(zip(*sorted(rows), strict=True))
            transaction.update_in("version", "tx_to", seq, "rid", closed, f"tx_to = {OPEN}")
        self._insert_records(sections)
        sections["fact"] = self.facts.write(transaction, self.next_fid + 1, seq, plan.load)
        sections["link"] = self.links.write(transaction, self.next_lid + 1, seq, plan.load)
        sections["closed fact"], sections["closed link"] = [sorted(self.facts.closed)], [sorted(self.links.closed)]
        written.counts["facts"], written.counts["links"] = len(self.facts), len(self.links)
        if superseded or held or any(columns and columns[0] for columns in sections.values()):
            written.root = root_of(seq, sections)
        return written

    def _insert_records(self, sections: dict[str, Columns]) -> None:
        transaction, seq, plan = self.transaction, self.seq, self.plan
        if self.new_records:
            count = len(self.new_records)
            rids, dids, keys, types, salts, commitments = zip(*self.new_records, strict=True)
            kept = Packed(b"".join(commitments), COMMITMENT_BYTES)
            record: dict[str, Cells] = {
                "rid": rids,
                "did": dids,
                "skey": keys,
                "type": types,
                "salt": Packed(b"".join(salts), SALT_BYTES),
                "kh": kept,
            }
            transaction.insert_columns("record", record, count)
            member: dict[str, Cells] = {
                "rid": rids,
                "eid": rids,
                "tx_from": seq,
                "tx_to": OPEN,
                "how": "self",
                "score_bp": _CERTAIN_BP,
            }
            transaction.insert_columns("member", member, count)
            sections["record"] = [rids, rids, _CERTAIN_BP, dids, kept]
        if self.versions:
            count = len(self.versions)
            rids, row_hashes, moments = zip(*sorted(self.versions), strict=True)
            hashes = Packed(b"".join(row_hashes), COMMITMENT_BYTES)
            cells: dict[str, Cells] = {
                "rid": rids,
                "tx_from": seq,
                "tx_to": OPEN,
                "load": plan.load,
                "hash": hashes,
                "observed": moments,
            }
            transaction.insert_columns("version", cells, count)
            sections["version"] = [rids, plan.load, hashes, moments, plan.did, [plan.type] * count]
