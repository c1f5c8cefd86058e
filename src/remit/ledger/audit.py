"""Checking a store: every event, every checkpoint, every witness, and every document against its digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from remit.canonical import digest_bytes
from remit.errors import RemitError
from remit.ledger.checkpoint import Signer
from remit.ledger.holds import LedgerReport, LedgerRow, check_ledger
from remit.ledger.keeper import stored_checkpoints
from remit.ledger.query import all_events
from remit.ledger.views import VIEWS, rebuild
from remit.ledger.witness import Witness
from remit.store.engine import Reader, Store

__all__ = ["rebuild_views", "verify_store", "view_rows"]


def verify_store(
    store: Store,
    signer: Signer,
    witnesses: Sequence[Witness] = (),
    progress: Callable[[int], None] | None = None,
) -> LedgerReport:
    """Check all that ``store`` holds, in one snapshot; nothing is written.

    Besides what `check_ledger` finds: a head that counts other events than there are, a document that is not what its
    digest says, and a witness that cannot be asked.
    """
    problems: list[str] = []
    witnessed = []
    for witness in witnesses:
        try:
            note = witness.latest(signer.origin)
        except RemitError as error:
            problems.append(f"a witness could not be asked: {error}")
            continue
        if note is not None:
            witnessed.append(note)
    with store.snapshot() as reader:
        report = check_ledger(_rows(reader), stored_checkpoints(reader), [signer.vkey], witnessed, progress)
        size = reader.fetch("select size from head")[0][0]
        if size != report.size:
            problems.append(f"the head counts {size} events, {report.size} are there")
        problems += _documents(reader)
    return replace(report, problems=(*report.problems, *problems))


def _rows(reader: Reader) -> Iterator[LedgerRow]:
    statement = "select seq, body, leaf, kind, at, actor, case_id, action, step from event order by seq"
    for seq, body, leaf, *columns in reader.stream(statement):
        yield seq, body, bytes(leaf), (columns[0], columns[1], columns[2], columns[3], columns[4], columns[5])


def _documents(reader: Reader) -> list[str]:
    problems = []
    for recorded in all_events(reader, ("document.kept",)):
        data = recorded.event.data
        if digest_bytes(str(data["text"]).encode()) != data["digest"]:
            problems.append(f"event {recorded.seq}: the text of {data['sort']} is not what its digest says")
    return problems


def rebuild_views(store: Store) -> int:
    """Build all views anew from the events; return how many events were folded."""
    with store.transaction() as transaction:
        events = ((recorded.seq, recorded.event) for recorded in all_events(transaction))
        return rebuild(transaction, events)


def view_rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every view, in the order of its key: to compare kept views with rebuilt ones."""
    rows = {}
    with store.snapshot() as reader:
        for name, columns in VIEWS.items():
            rows[name] = [tuple(row) for row in reader.fetch(f"select {columns} from {name} order by 1")]  # noqa: S608
    return rows
