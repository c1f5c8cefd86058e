"""Probes: cases known to be bad, mixed into the reviews, so that it is known how many errors reviewers wave through.

A probe is a real case of the same action that turned out wrong, shown to one person once more under another number.
The ledger gets a commitment to which case it is and in front of which review it stands; the rest lies beside it
(`ledger/sealing.py`) until `evidence.review_quality` reveals it. Whether a probe stands in front of a review is a keyed
draw, so nobody can roll again by looking twice.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from remit.canonical import canonical, digest
from remit.ledger.journal import Journal
from remit.ledger.sealing import commitment_of
from remit.store.engine import Reader, Store, Transaction
from remit.vocabulary import Event

__all__ = ["PlantedProbe", "is_due", "plant", "probes_of", "wrong_actions"]

_WHOLE_BP: Final = 10_000
WORDS_MAX: Final = 5_000
"""How many of the newest words are looked through for a case that turned out wrong."""


@dataclass(frozen=True, slots=True)
class PlantedProbe:
    """One probe: shown to ``person`` as ``id`` in front of the review ``before``; it is the wrong action ``source``."""

    id: str
    person: str
    source: str
    before: str
    kind: str


def is_due(key: bytes, person: str, action: str, probe_bp: int) -> bool:
    """Whether a probe stands in front of ``action`` in ``person``'s queue, so that ``probe_bp`` of all are probes."""
    number = int.from_bytes(hmac.digest(key, f"probe\0{person}\0{action}".encode(), "sha256")[:16]) % _WHOLE_BP
    return number * (_WHOLE_BP - probe_bp) < probe_bp * _WHOLE_BP


def probes_of(store: Store | Reader, person: str) -> tuple[PlantedProbe, ...]:
    """Return what was planted for ``person``, by the review it stands in front of."""
    statement = "select value from sealed where subject = ?"
    rows = store.fetch(statement, (_subject(person),)) if hasattr(store, "fetch") else store.read(
        statement, (_subject(person),)
    )  # fmt: skip
    found = (_read(orjson.loads(value)) for (value,) in rows)
    return tuple(sorted(found, key=lambda probe: probe.before))


def plant(
    journal: Journal, key: bytes, person: str, before: str, kind: str, agent: str, name: str, queued: frozenset[str]
) -> PlantedProbe | None:
    """Plant a probe for ``person`` in front of ``before``, an action ``name`` of ``agent``; None where no wrong case is
    known that this person has neither judged nor has in the queue (``queued``). Planting twice is planting once.

    Raises:
        StoreUnavailable: it could not be recorded.
    """
    wrong = wrong_actions(journal.store, agent, name)
    planted: PlantedProbe | None = None

    def work(transaction: Transaction, _seq: int) -> tuple[Event, ...]:
        nonlocal planted
        known = probes_of(transaction, person)
        planted = next((probe for probe in known if probe.before == before), None)
        used = queued | {probe.source for probe in known}
        fresh = [action for action, people in wrong.items() if action not in used and person not in people]
        if planted is not None or not fresh:
            return ()
        source = min(fresh, key=lambda action: hmac.digest(key, f"{before}\0{action}".encode(), "sha256"))
        planted = PlantedProbe(secrets.token_hex(32), person, source, before, kind)
        return (_planted(transaction, planted, agent, name),)

    if wrong:
        journal.append_with(work)
    return planted


def _planted(transaction: Transaction, probe: PlantedProbe, agent: str, name: str) -> Event:
    value: dict[str, Any] = {
        "id": probe.id, "person": probe.person, "source": probe.source, "before": probe.before, "kind": probe.kind,
    }  # fmt: skip
    salt = secrets.token_bytes(32)
    commitment = commitment_of(salt, value)
    row = (commitment, _subject(probe.person), salt, canonical(value).decode())
    transaction.upsert_many("sealed", "commitment", "commitment,subject,salt,value", [row])
    # Its case has a name of its own: the real one goes on to count as what it was.
    case = f"probe-{digest(commitment)[:16]}"
    return Event(
        "probe.planted", "remit", {"agent": agent, "action_name": name, "case": case, "commitment": commitment}
    )


def wrong_actions(store: Store, agent: str, name: str) -> dict[str, frozenset[str]]:
    """Return the actions ``name`` of ``agent`` that turned out wrong, each with the people who have spoken of it."""
    statement = (
        "select kind, action, body from event where kind in ('outcome.recorded', 'review.answered',"
        " 'approval.answered') order by seq desc limit ?"
    )
    words: dict[str, dict[str, bool]] = {}
    for kind, action, body in store.read(statement, (WORDS_MAX,)):
        data = orjson.loads(body)["data"]
        if data["agent"] == agent:
            speaker, right = _word(kind, data)
            if right is not None:
                words.setdefault(action, {}).setdefault(speaker, right)
    wrong = [action for action, said in words.items() if _is_wrong(said)]
    with store.snapshot() as reader:
        rows = reader.fetch_in("event", "action,body", "action", wrong, "step = 'decided:1'") if wrong else []
    of_name = [action for action, body in rows if orjson.loads(body)["data"]["action"]["name"] == name]
    return {action: frozenset(_people(words[action])) for action in sorted(of_name)}


def _word(kind: str, data: Mapping[str, Any]) -> tuple[str, bool | None]:
    if kind == "outcome.recorded":
        return data["said_by"], data["right"]
    right = data["verdict"] == "approve" if kind == "approval.answered" else data["right"]
    return f"person:{data['person']}", right


def _is_wrong(said: Mapping[str, bool]) -> bool:
    sources = [right for speaker, right in said.items() if speaker.startswith("source:")]
    return not all(sources or said.values())


def _people(said: Mapping[str, bool]) -> set[str]:
    return {speaker.removeprefix("person:") for speaker in said if speaker.startswith("person:")}


def _subject(person: str) -> str:
    return f"probe/{person}"


def _read(value: Mapping[str, Any]) -> PlantedProbe:
    return PlantedProbe(value["id"], value["person"], value["source"], value["before"], value["kind"])
