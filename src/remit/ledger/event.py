"""One event: from the noun to its body, and back. Its leaf is the hash of the body (RFC 9162)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from remit.canonical import canonical, canonical_sound, from_moment
from remit.errors import BadInput
from remit.ledger.verify import BODY_BYTES_MAX, leaf_hash
from remit.vocabulary import Event, Json

__all__ = ["KINDS", "Entry", "RecordedEvent", "encode"]

KINDS: Final[Mapping[str, str]] = {
    "action.decided": "the gate has judged an action: what was asked, on which facts, every check's verdict",
    "action.begun": "the effect may now be done: its key, what it reserves and claims",
    "action.finished": "the system did it: its answer and cost",
    "action.failed": "the system refused, for certain: what it said; reservations go back",
    "action.uncertain": "it is not known whether the system did it: what was tried to find out",
    "approval.asked": "people are asked: whose word is needed, until when, digest of what they are shown",
    "approval.answered": "a person approved or rejected: in which role, why, how long it took them",
    "approval.escalated": "nobody answered in time: the next in the chain is asked",
    "approval.expired": "nobody answered at all: the action will not be done",
    "approval.void": "what was asked about changed before it was done: the approval no longer counts",
    "document.kept": "manifests, policies, systems or people are in use from here on as written: text and digest",
    "halt.requested": "the switch is thrown: its scope, why, by whom",
    "halt.confirmed": "one process says that it has seen the switch",
    "halt.lifted": "the switch is set back: why, by whom",
    "outcome.recorded": "what became of a case, said by whom",
    "source.batch": "rows of a source became facts: counts, and the root over everything written",
    "source.loaded": "a load of a source ended: whole or not, its counts, what was odd, how far it came",
    "quarantine.moved": "a person released or dropped rows that were held back: which, why",
    "entity.merged": "records are one entity from here on: which, how that was found, how sure",
    "entity.split": "records are an entity of their own from here on: which, why",
    "context.read": "an agent was shown a context: what it asked, as of when, the digest of what it got",
    "resolution.trained": "records are compared by this model from here on: its text and digest",
    "knowledge.erased": "values and keys of one entity's records were removed; their commitments stay",
    "stage.changed": "what a version has earned for one action: its stage, threshold, review share, and why it changed",
    "threshold.learned": "from which confidence on no person is needed, learned from outcomes; or how many are missing",
    "certificate.issued": "the promise, the evidence and the method by which a version may be promoted",
    "alarm.raised": "outcomes, confidences or flags have changed: which detector, how strongly, what follows",
    "review.answered": "a person said whether a drawn case was right: how long it took, what they were shown",
    "probe.planted": "a case known to be bad was mixed into the reviews; a commitment to which one",
    "subject.erased": "a person's data were removed beside the ledger; the proofs stay whole",
    "ledger.recovered": "processes ended without closing it, with what they left torn; or a restore lost events",
}
"""Every kind of event and what it says. The reference is generated from here."""


_SOUND: Final = frozenset({"action.decided", "action.begun"})
"""Kinds whose data are made of values that were checked when the gate took their digests; checking again is dear."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event made ready to append: its body, leaf and the copies to look it up by."""

    event: Event
    at: str
    body: str
    leaf: bytes


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event read back from its place in the ledger."""

    seq: int
    at: str
    event: Event

    @staticmethod
    def read(seq: int, body: str | bytes) -> RecordedEvent:
        """Read a body as it stands in the ledger."""
        raw = orjson.loads(body)
        return RecordedEvent(
            seq,
            raw["at"],
            Event(raw["kind"], raw["actor"], raw["data"], raw["case"], raw["action"], raw["step"], raw["v"]),
        )

    def as_json(self) -> dict[str, Json]:
        """Return the event as plain JSON with its place."""
        event = self.event
        return {
            "seq": self.seq, "at": self.at, "kind": event.kind, "actor": event.actor, "case": event.case,
            "action": event.action, "step": event.step, "data": dict(event.data), "v": event.version,
        }  # fmt: skip


def encode(event: Event, at: datetime) -> Entry:
    """Turn an event into the bytes that will be hashed. ``at`` is wall-clock time.

    Raises:
        BadInput: the kind is unknown, or the data have no canonical form, or the body is larger than 4 MiB.
    """
    if event.kind not in KINDS:
        raise BadInput(f"event kind: got {event.kind!r}, expected one of {', '.join(KINDS)}")
    moment = from_moment(at)
    write = canonical_sound if event.kind in _SOUND else canonical
    body = write(
        {
            "action": event.action,
            "actor": event.actor,
            "at": moment,
            "case": event.case,
            "data": event.data,
            "kind": event.kind,
            "step": event.step,
            "v": event.version,
        }
    )
    if len(body) > BODY_BYTES_MAX:
        raise BadInput(f"event of {len(body)} bytes: at most {BODY_BYTES_MAX} are taken")
    return Entry(event, moment, body.decode(), leaf_hash(body))
