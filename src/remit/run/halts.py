"""The switch: throwing it and setting it back. Requested, and confirmed by each process, are two facts."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import orjson

from remit.canonical import from_moment, to_moment
from remit.errors import BadInput, NotFound
from remit.ledger.journal import Journal
from remit.run.presence import is_living, processes
from remit.store.engine import Store
from remit.vocabulary import Event, Halt, Scope, ScopeKind

__all__ = ["HaltStatus", "halt_statuses", "lift_halt", "parse_scope", "request_halt"]


@dataclass(frozen=True, slots=True)
class HaltStatus:
    """A halt and who has seen it. ``confirmed`` maps processes to when; ``silent`` are living ones that have not."""

    halt: Halt
    lifted: bool
    confirmed: dict[str, datetime]
    silent: tuple[str, ...]
    in_flight: int
    """How many effects the confirming processes still had on their way, as they said."""


def parse_scope(text: str) -> Scope:
    """Read a scope: ``everything``, or ``KIND:VALUE`` such as ``agent:carrier-choice``.

    Raises:
        BadInput: another kind, or no value.
    """
    kind, _, value = text.partition(":")
    kinds = get_args(ScopeKind)
    if kind not in kinds or (kind == "everything") == bool(value) or len(value) > 200 or not text.isprintable():
        expected = ", ".join("everything" if name == "everything" else f"{name}:NAME" for name in kinds)
        raise BadInput(f"scope: got {text!r:.80}, expected {expected}")
    return Scope(kind, value)  # type: ignore[arg-type]


def request_halt(journal: Journal, scope: Scope, why: str, by: str) -> Halt:
    """Throw the switch. When this returns, nothing within ``scope`` begins any more, in any process.

    Raises:
        BadInput: no reason.
    """
    if not why.strip() or len(why) > 2_000:
        raise BadInput("a halt needs a reason of 1 to 2000 characters: --why")
    halt = Halt(f"h{secrets.token_hex(4)}", scope, why, by, datetime.now(UTC))
    journal.append_now(
        Event(
            "halt.requested",
            by,
            {
                "id": halt.id,
                "scope": {"kind": scope.kind, "value": scope.value},
                "why": why,
                "at": from_moment(halt.at),
            },
        )
    )
    return halt


def lift_halt(journal: Journal, store: Store, scope: Scope, why: str, by: str) -> tuple[Halt, ...]:
    """Set back every switch thrown over exactly ``scope``; return them.

    Raises:
        NotFound: nothing is halted there.
    """
    halts = [status.halt for status in halt_statuses(store) if status.halt.scope == scope and not status.lifted]
    if not halts:
        raise NotFound(f"{scope} is not halted; see `remit halts`")
    for halt in halts:
        journal.append_now(Event("halt.lifted", by, {"id": halt.id, "why": why}))
    return tuple(halts)


def halt_statuses(store: Store) -> tuple[HaltStatus, ...]:
    """Return every halt there ever was, those in force first, each with the processes that confirmed it."""
    now = datetime.now(UTC)
    living = {seen.id for seen in processes(store) if is_living(seen, now)}
    confirmations: dict[str, dict[str, datetime]] = {}
    in_flight: dict[str, int] = {}
    for key, text in store.read("select key, data from confirmed order by key"):
        halt_id, _, process = key.partition("/")
        data = orjson.loads(text)
        confirmations.setdefault(halt_id, {})[process] = to_moment(data["at"])
        in_flight[halt_id] = in_flight.get(halt_id, 0) + data["in_flight"]
    statuses = []
    for lifted, text in store.read("select lifted, data from halt order by lifted, id"):
        data = orjson.loads(text)
        scope = Scope(data["scope"]["kind"], data["scope"]["value"])
        halt = Halt(data["id"], scope, data["why"], data["by"], to_moment(data["at"]))
        seen = confirmations.get(halt.id, {})
        silent = () if lifted else tuple(sorted(living - set(seen)))
        statuses.append(HaltStatus(halt, bool(lifted), seen, silent, in_flight.get(halt.id, 0)))
    return tuple(statuses)
