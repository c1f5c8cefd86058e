"""Events that wait for their load: the table ``arrival``, one row for each event and each data set it is for.

What was loaded keeps its id, so that the same event sent again adds nothing, and loses its body: what it said is in the
facts or in quarantine by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from remit.connectors.webhook_source import Arrival, Received, receive_webhook
from remit.errors import NotFound, StoreUnavailable, Unreachable
from remit.knowledge.source_file import SourceFile
from remit.store.engine import Store

__all__ = ["Arrivals", "receive_event"]

PLACE_SETTING: Final = "knowledge/arrivals"
EVENTS_AT_ONCE: Final = 1_000
CHARACTERS_AT_ONCE: Final = 16_777_216
WAITING: Final = -1


class Arrivals:
    """Implements `SourceInbox` in the company's store."""

    def __init__(self, store: Store):
        self._store = store

    def append(self, datasets: Sequence[str], event_id: str, body: str) -> bool:
        """Keep an event; see `SourceInbox.append`.

        Raises:
            StoreUnavailable: it was not kept; its sender sends it again when it is told so.
        """
        with self._store.transaction() as transaction:
            had = {row[0] for row in transaction.fetch("select source from arrival where id = ?", (event_id,))}
            missing = [dataset for dataset in datasets if dataset not in had]
            if missing:
                # The greatest place cannot be read off the table: it would be searched whole each time.
                found = transaction.fetch("select value from setting where name = ?", (PLACE_SETTING,))
                place = int(found[0][0]) if found else 0
                at = int(datetime.now(UTC).timestamp())
                rows = [(dataset, event_id, place + step, at, body, WAITING) for step, dataset in enumerate(missing)]
                transaction.insert_many("arrival", "source,id,place,at,body,load", rows)
                after = str(place + len(missing))
                transaction.upsert_many("setting", "name", "name,value", [(PLACE_SETTING, after)])
        return bool(missing)

    def waiting(self, dataset: str, after: int) -> Sequence[Arrival]:
        """Return some of what waits, in order: at most 1,000 events or about 16 M characters; see `SourceInbox`.

        Raises:
            Unreachable: the store cannot be read.
        """
        where = "from arrival where source = ? and load = ? and place > ?"
        try:
            with self._store.snapshot() as reader:
                lengths = reader.fetch(
                    f"select place, length(body) {where} order by place limit {EVENTS_AT_ONCE}",
                    (dataset, WAITING, after),
                )
                if not lengths:
                    return []
                last, characters = lengths[0][0], 0
                for place, length in lengths:
                    characters += length
                    if characters > CHARACTERS_AT_ONCE:
                        break
                    last = place
                found = reader.fetch(
                    f"select place, id, body {where} and place <= ? order by place",
                    (dataset, WAITING, after, last),
                )
        except StoreUnavailable as error:
            raise Unreachable(f"what arrived for {dataset} cannot be read: {error}") from None
        return [Arrival(*row) for row in found]

    def mark(self, dataset: str, through: int) -> None:
        """Note what is loaded, by the data set's newest load; see `SourceInbox.mark`.

        Raises:
            Unreachable: it could not be noted; the same events will be handed out again.
        """
        try:
            with self._store.transaction() as transaction:
                found = transaction.fetch(
                    "select max(load) from load where did in (select did from dataset where name = ?)", (dataset,)
                )
                load = 0 if found[0][0] is None else found[0][0]
                transaction.execute(
                    "update arrival set load = ?, body = null where source = ? and load = ? and place <= ?",
                    (load, dataset, WAITING, through),
                )
        except StoreUnavailable as error:
            raise Unreachable(f"what arrived for {dataset} cannot be marked: {error}") from None


def receive_event(
    store: Store,
    source: SourceFile,
    headers: Mapping[str, str],
    body: bytes,
    *,
    peer: str,
    now: datetime,
    environment: Mapping[str, str] | None = None,
) -> Received:
    """Take in one event that was sent for ``source``; see `receive_webhook`.

    Raises:
        NotFound: the source takes no events.
        BadInput, NotAllowed: as `receive_webhook` does.
        StoreUnavailable: it was not kept.
    """
    if source.kind != "webhook":
        raise NotFound(f"source {source.name} is of kind {source.kind} and takes no events")
    tables = {name: table.options for name, table in source.tables.items()}
    return receive_webhook(
        source.name,
        source.connect,
        tables,
        headers,
        body,
        peer=peer,
        now=now,
        inbox=Arrivals(store),
        environment=environment,
    )
