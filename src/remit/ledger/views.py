"""The views that the governed path itself needs, each a fold of the events.

A view is a keyed table. `Views.fold` says what one event changes; the journal calls it in the transaction that appends
the event, `rebuild` calls it for every event from the first. Both give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from remit.store.engine import Reader, Row, Transaction, Wanted
from remit.store.tables import TABLES
from remit.vocabulary import Ask, Event, Grant

__all__ = ["VIEWS", "Views", "asks_unmet", "rebuild"]

VIEWS: Final[Mapping[str, str]] = {
    name: TABLES[name]
    for name in (
        "counter",
        "claim",
        "once",
        "open_effect",
        "parked",
        "ready",
        "halt",
        "confirmed",
        "document",
        "earned",
        "review",
    )
}
"""Each view with its columns; the first is its key."""

_Cells = tuple[Any, ...]


class _Table:
    """One view's rows, read when first asked for and written back once."""

    def __init__(self, name: str):
        self.name, self.columns = name, VIEWS[name]
        self.key = self.columns.partition(",")[0]
        self.rows: dict[str, _Cells | None] = {}
        self.changed: set[str] = set()

    def load(self, reader: Reader, keys: Iterable[str]) -> None:
        missing = [key for key in keys if key not in self.rows]
        if missing:
            self.take(missing, reader.fetch_in(self.name, self.columns, self.key, missing))

    def take(self, keys: Iterable[str], rows: Iterable[Row]) -> None:
        """Know the rows of ``keys``: those given, and no others."""
        self.rows.update(dict.fromkeys(keys))
        for row in rows:
            self.rows[row[0]] = row[1:]

    def put(self, key: str, *cells: Any) -> None:
        self.rows[key] = cells
        self.changed.add(key)

    def remove(self, key: str) -> None:
        self.rows[key] = None
        self.changed.add(key)

    def write(self, transaction: Transaction) -> None:
        gone = [key for key in self.changed if self.rows[key] is None]
        kept = [(key, *cells) for key in self.changed if (cells := self.rows[key]) is not None]
        if gone:
            transaction.delete_in(self.name, self.key, gone)
        if kept:
            transaction.upsert_many(self.name, self.key, self.columns, sorted(kept))
        self.changed.clear()


class Views:
    """The views as they stand inside one transaction."""

    def __init__(self, reader: Reader):
        self._reader = reader
        self._tables = {name: _Table(name) for name in VIEWS}
        self.epoch_steps = 0
        """How often the standing changed since the views were opened."""

    def load(self, view: str, keys: Iterable[str]) -> None:
        """Read the rows of ``keys`` in one go."""
        self._tables[view].load(self._reader, keys)

    def load_several(self, keys: Mapping[str, list[str]], also: Wanted | None) -> list[Row]:
        """Read rows of several views, and what ``also`` asks for, in one go; return the latter's rows."""
        wanted: list[Wanted] = [
            (name, self._tables[name].columns, self._tables[name].key, those, "") for name, those in keys.items()
        ]
        if also is not None:
            wanted.append(also)
        found = self._reader.fetch_several(wanted) if wanted else []
        for (name, those), rows in zip(keys.items(), found, strict=False):
            self._tables[name].take(those, rows)
        return found[-1] if also is not None else []

    def get(self, view: str, key: str) -> _Cells | None:
        """Return the cells behind ``key``, None where there is no such row."""
        table = self._tables[view]
        if key not in table.rows:
            table.load(self._reader, (key,))
        return table.rows[key]

    def fold(self, seq: int, event: Event) -> None:
        """Change the views by one event."""
        change = _CHANGES.get(event.kind)
        if change is not None:
            change(self, seq, event)

    def write(self, transaction: Transaction) -> None:
        """Write all changed rows."""
        for table in self._tables.values():
            if table.changed:
                table.write(transaction)

    # What each kind of event changes.

    def _begun(self, seq: int, event: Event) -> None:
        data = event.data
        self._draw(data["reserves"], 1)
        for entity in data["claims"]:  # type: ignore[union-attr]
            self._tables["claim"].put(entity, event.action)  # type: ignore[arg-type]
        if data["once"]:
            self._tables["once"].put(data["once"], event.action)  # type: ignore[arg-type]
        self._tables["open_effect"].put(event.action, "begun", data["process"], _text(data))

    def _draw(self, reserves: Any, sign: int) -> None:
        counters = self._tables["counter"]
        for key, amount in reserves:
            cells = self.get("counter", key)
            counters.put(key, (cells[0] if cells else 0) + sign * amount)

    def _ended(self, seq: int, event: Event) -> None:
        cells = self.get("open_effect", event.action)
        if cells is None:
            return
        begun = orjson.loads(cells[2])
        for entity in begun["claims"]:  # nobody else can hold them: begin took them under the guard
            self._tables["claim"].remove(entity)
        if event.kind == "action.failed":
            self._draw(begun["reserves"], -1)
            if begun["once"]:
                self._tables["once"].remove(begun["once"])
        self._tables["open_effect"].remove(event.action)

    def _uncertain(self, seq: int, event: Event) -> None:
        cells = self.get("open_effect", event.action)
        if cells is not None:
            begun = orjson.loads(cells[2]) | {"found": dict(event.data)}
            self._tables["open_effect"].put(event.action, "uncertain", event.data["process"], _text(begun))

    def _decided(self, seq: int, event: Event) -> None:
        data: Mapping[str, Any] = event.data
        if data["attempt"] != 1:
            self._tables["ready"].remove(event.action)
            self._tables["parked"].remove(event.action)
        elif data["decision"]["verdict"] == "allow":  # what is asked before it is done waits among the questions
            review = data["decision"].get("review")
            if review is not None and review["drawn"]:
                about = {
                    "seq": seq,
                    "case": event.case,
                    "agent": data["action"]["agent"],
                    "name": data["action"]["name"],
                }
                self._tables["review"].put(event.action, "open", _text(about))

    def _asked(self, seq: int, event: Event) -> None:
        data = {**event.data, "granted": [], "case": event.case}
        self._tables["parked"].put(event.action, "waiting", event.data["due_at"] or "", _text(data))

    def _answered(self, seq: int, event: Event) -> None:
        cells = self.get("parked", event.action)
        if cells is None:
            return
        data, answer = orjson.loads(cells[2]), event.data
        if answer["verdict"] == "reject":
            self._tables["parked"].remove(event.action)
            return
        data["granted"].append([answer["role"], answer["person"]])
        grants = tuple(Grant(role, person) for role, person in data["granted"])
        if asks_unmet(tuple(Ask(role, count) for role, count in data["asks"]), grants):
            self._tables["parked"].put(event.action, "waiting", cells[1], _text(data))
        else:
            self._tables["parked"].put(event.action, "approved", "", _text(data))
            self._tables["ready"].put(event.action, seq)

    def _escalated(self, seq: int, event: Event) -> None:
        cells = self.get("parked", event.action)
        if cells is not None:
            data = orjson.loads(cells[2]) | dict(event.data)
            self._tables["parked"].put(event.action, "waiting", event.data["due_at"] or "", _text(data))

    def _closed(self, seq: int, event: Event) -> None:
        self._tables["ready"].remove(event.action)
        self._tables["parked"].remove(event.action)

    def _halted(self, seq: int, event: Event) -> None:
        self._tables["halt"].put(event.data["id"], 0, _text({**event.data, "by": event.actor}))  # type: ignore[arg-type]
        self.epoch_steps += 1

    def _lifted(self, seq: int, event: Event) -> None:
        cells = self.get("halt", event.data["id"])  # type: ignore[arg-type]
        if cells is not None:
            data = orjson.loads(cells[1]) | {"lifted_by": event.actor, "lifted_why": event.data["why"]}
            self._tables["halt"].put(event.data["id"], 1, _text(data))  # type: ignore[arg-type]
            self.epoch_steps += 1

    def _confirmed(self, seq: int, event: Event) -> None:
        data = event.data
        self._tables["confirmed"].put(f"{data['halt']}/{data['process']}", _text(data))

    def _earned(self, seq: int, event: Event) -> None:
        data = event.data
        key = f"{data['agent']}/{data['version']}/{data['action']}/{data['class']}"
        cells = self.get("earned", key)
        known = orjson.loads(cells[0]) if cells is not None else {}
        self._tables["earned"].put(key, _text(known | {name: data[name] for name in _EARNED if name in data}))
        self.epoch_steps += 1

    def _review(self, seq: int, event: Event) -> None:
        cells = self.get("review", event.action)
        if cells is not None:
            self._tables["review"].put(event.action, "answered", cells[1])

    def _kept(self, seq: int, event: Event) -> None:
        name = f"{event.data['sort']}/{event.data['name']}"
        self._tables["document"].put(name, seq, event.data["digest"])
        self.epoch_steps += 1


_CHANGES: Final[dict[str, Callable[[Views, int, Event], None]]] = {
    "action.begun": Views._begun,
    "action.finished": Views._ended,
    "action.failed": Views._ended,
    "action.uncertain": Views._uncertain,
    "action.decided": Views._decided,
    "approval.asked": Views._asked,
    "approval.answered": Views._answered,
    "approval.escalated": Views._escalated,
    "approval.expired": Views._closed,
    "approval.void": Views._closed,
    "halt.requested": Views._halted,
    "halt.lifted": Views._lifted,
    "halt.confirmed": Views._confirmed,
    "document.kept": Views._kept,
    "stage.changed": Views._earned,
    "threshold.learned": Views._earned,
    "review.answered": Views._review,
}


_EARNED: Final = ("stage", "threshold_bp", "review_bp", "certificate", "expires_at")


def _text(data: Mapping[str, Any]) -> str:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()


def asks_unmet(asks: tuple[Ask, ...], grants: tuple[Grant, ...]) -> tuple[Ask, ...]:
    """Return what is still needed: for each role the number of different people who have not yet said yes."""
    unmet = []
    for ask in asks:
        people = {grant.person for grant in grants if grant.role == ask.role}
        if len(people) < ask.count:
            unmet.append(Ask(ask.role, ask.count - len(people)))
    return tuple(unmet)


def rebuild(transaction: Transaction, events: Iterable[tuple[int, Event]]) -> int:
    """Empty all views and fold ``events`` (the whole ledger, in order) into them again; return how many were folded."""
    for name in VIEWS:
        transaction.execute(f"delete from {name}")  # noqa: S608  the names are ours
    views, count = Views(transaction), 0
    for count, (seq, event) in enumerate(events, 1):
        views.fold(seq, event)
        if count % 10_000 == 0:
            views.write(transaction)
            views = Views(transaction)
    views.write(transaction)
    return count
