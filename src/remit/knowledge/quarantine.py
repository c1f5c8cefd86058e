"""Quarantine: rows that broke a rule, each until a good row of its key comes or a person decides."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from remit.connectors.answer import zone
from remit.connectors.source_reader import SourceRows
from remit.errors import BadInput, Conflict, NotFound, Refused
from remit.knowledge.contract import compile_contract
from remit.knowledge.fact_flags import RELEASED
from remit.knowledge.fresh_rows import FreshRows
from remit.knowledge.held_rows import close_held
from remit.knowledge.known_blocks import forget_blocks
from remit.knowledge.load_plan import TakenRow, plan_load, table_fingerprint
from remit.knowledge.load_rows import RowSorter
from remit.knowledge.load_write import write_rows
from remit.knowledge.source_file import SourceFile, TableSpec
from remit.knowledge.timeline import OPEN
from remit.ledger.journal import Journal
from remit.store.engine import Reader, Store, Transaction
from remit.vocabulary import Event, Json

__all__ = ["HeldEntry", "drop_held", "held_entry", "list_held", "release_held"]

LIST_MAX: Final = 1_000
_COLUMNS: Final = (
    "q.qid, d.name, q.load, q.skey, q.rule, q.reason, q.position, q.raw, q.state, q.why, q.tx_from, q.tx_to"
)


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """A row that is or was held back. ``key`` is empty where the row has none.

    ``rule`` and ``reason`` say what is wrong, ``position`` where it stood. ``raw`` has ``columns`` and ``cells``, None
    where nothing may be kept. ``state`` is open, released, dropped, superseded (a good row came) or erased.
    ``since`` and ``until`` are sequence numbers; ``until`` None means still.
    """

    qid: int
    dataset: str
    load: int
    key: str
    rule: str
    reason: str
    position: str
    raw: Mapping[str, Any] | None
    state: str
    why: str
    since: int
    until: int | None


def list_held(
    reader: Reader,
    *,
    dataset: str = "",
    state: str = "open",
    rule: str = "",
    key: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[HeldEntry, ...]:
    """Return entries, newest first; empty filters match all. ``before`` is a number to page on from."""
    conditions, parameters = ["1 = 1"], list[object]()
    wanted = {"d.name": dataset, "q.state": state, "q.rule": rule}
    for column, value in wanted.items():
        if value:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    if key is not None:
        conditions.append("q.skey = ?")
        parameters.append(key)
    if before is not None:
        conditions.append("q.qid < ?")
        parameters.append(before)
    statement = (
        f"select {_COLUMNS} from quarantine q join dataset d on d.did = q.did "  # noqa: S608
        f"where {' and '.join(conditions)} order by q.qid desc limit ?"
    )
    rows = reader.fetch(statement, (*parameters, max(1, min(limit, LIST_MAX))))
    return tuple(_entry(row) for row in rows)


def held_entry(reader: Reader, qid: int) -> HeldEntry:
    """Return one entry.

    Raises:
        NotFound: there is none of that number.
    """
    rows = reader.fetch(
        f"select {_COLUMNS} from quarantine q join dataset d on d.did = q.did where q.qid = ?",  # noqa: S608
        (qid,),
    )
    if not rows:
        raise NotFound(f"nothing with number {qid} was ever held back")
    return _entry(rows[0])


def release_held(
    journal: Journal,
    store: Store,
    source: SourceFile,
    qid: int,
    repaired: Mapping[str, Json] | None = None,
    *,
    by: str,
    why: str = "",
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Mapping[str, int]:
    """Load a row that was held back, with the columns in ``repaired`` put right; return what that counted.

    The row is checked again. Its facts are flagged as released and belong to the load that brought the row. When the
    row has no moment of its own, they hold from the beginning of that load.

    Raises:
        NotFound: no such entry, or its table is no longer described.
        Conflict: it is no longer open.
        BadInput: it still breaks a rule, ``repaired`` does not fit, or nothing of the row may be kept.
    """
    with store.snapshot() as reader:
        entry = held_entry(reader, qid)
        started = reader.fetch("select started from load where load = ?", (entry.load,))[0][0]
    _still_open(entry)
    spec = next((table for table in source.tables.values() if table.dataset == entry.dataset), None)
    if spec is None:
        raise NotFound(f"source {source.name} describes no table {entry.dataset}")
    row = _taken(source, spec, entry, dict(repaired or {}))
    counts: dict[str, int] = {}

    def work(transaction: Transaction, seq: int) -> list[Event]:
        _still_open(held_entry(transaction, qid))
        plan = plan_load(transaction, source, spec, entry.load, started, random)
        close_held(transaction, seq, [qid], "released", why)
        forget_blocks(transaction, [plan.did])
        written = write_rows(transaction, seq, plan, [row])
        if written.counts["bad"]:
            raise BadInput(f"{entry.dataset}: the subject of row {qid} was erased; it cannot come back")
        counts.clear()
        counts.update(written.counts)
        columns: list[Json] = [*sorted(repaired or {})]
        data: dict[str, Json] = {
            "qid": qid, "dataset": entry.dataset, "to": "released", "why": why, "root": written.root,
            "repaired": columns, "counts": {name: count for name, count in counts.items() if count},
        }  # fmt: skip
        return [Event("quarantine.moved", by, data)]

    journal.append_with(work)
    return counts


def drop_held(journal: Journal, qid: int, why: str, *, by: str) -> None:
    """Close an entry without loading it. The same row is not held back again.

    Raises:
        NotFound: no such entry.
        Conflict: it is no longer open.
        BadInput: no reason is given.
    """
    if not why.strip():
        raise BadInput("dropping a row needs a reason: --why")

    def work(transaction: Transaction, seq: int) -> list[Event]:
        entry = held_entry(transaction, qid)
        _still_open(entry)
        close_held(transaction, seq, [qid], "dropped", why)
        data: dict[str, Json] = {"qid": qid, "dataset": entry.dataset, "to": "dropped", "why": why}
        return [Event("quarantine.moved", by, data)]

    journal.append_with(work)


def _entry(row: tuple[Any, ...]) -> HeldEntry:
    qid, dataset, load, key, rule, reason, position, raw, state, why, since, until = row
    whole = None if raw is None else orjson.loads(raw)
    end = None if until == OPEN else until
    return HeldEntry(qid, dataset, load, key, rule, reason, position, whole, state, why, since, end)


def _still_open(entry: HeldEntry) -> None:
    if entry.state != "open":
        raise Conflict(f"row {entry.qid} of {entry.dataset} is no longer held back: it is {entry.state}")


def _taken(source: SourceFile, spec: TableSpec, entry: HeldEntry, repaired: dict[str, Json]) -> TakenRow:
    """The row as a load would take it, checked."""
    if entry.raw is None:
        raise BadInput(f"{entry.dataset}: nothing of row {entry.qid} may be kept, so it cannot be released")
    columns, cells = list(entry.raw["columns"]), list(entry.raw["cells"])
    whole = dict(zip(columns, cells, strict=True))
    for column, cell in repaired.items():
        if column not in spec.columns:
            raise BadInput(f"{column!r:.80} is not a mapped column of {spec.dataset}: {', '.join(spec.columns)}")
        if cell is not None and not isinstance(cell, str | int):
            raise BadInput(
                f"column {column!r:.80}: got {type(cell).__name__}, expected a text, whole number or boolean"
            )
    unsure = [column for column in spec.columns if column not in repaired]
    if unsure and (entry.raw.get("cut") or entry.rule == "row"):
        raise BadInput(
            f"row {entry.qid} is not held back whole; repair it in every mapped column, also {unsure[0]!r:.80}"
        )
    whole.update(repaired)
    batch = SourceRows(tuple(whole), [list(whole.values())], "quarantine", entry.qid)
    contract = compile_contract(spec, source.zone)
    sorter = RowSorter(spec, contract, zone(source.zone), table_fingerprint(source, spec))
    try:
        sorted_rows = sorter.sort(batch, ())
    except Refused as error:
        raise BadInput(f"row {entry.qid}: {error}") from None
    (row,) = sorted_rows.taken() if isinstance(sorted_rows, FreshRows) else sorted_rows
    if row.broken is not None:
        raise BadInput(f"{spec.dataset}: {row.broken.column or 'the row'}: {row.broken.reason} ({row.broken.rule})")
    return row._replace(flags=RELEASED)
