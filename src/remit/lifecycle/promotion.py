"""The deed of a promotion: what the owner signed, checked once more against the ledger, and recorded.

Between the certificate and the signature anything may have changed: then it is refused in words, and nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from remit.canonical import to_moment
from remit.errors import Refused
from remit.evidence.track import TrackBook
from remit.evidence.track_state import TrackState
from remit.ledger.journal import Guards, Journal, Moved
from remit.lifecycle.certificate import Certificate, read_certificate
from remit.lifecycle.proof import prove
from remit.lifecycle.remits import Remits
from remit.lifecycle.stage import next_step
from remit.vocabulary import Event, Json

__all__ = ["Promotion", "find_certificate"]

TRIES_MAX: Final = 20


def find_certificate(journal: Journal, digest: str) -> Certificate | None:
    """Return the certificate of that digest; None when none was issued.

    Raises:
        BadInput: its body is not what its digest says.
    """
    named = "case_id = ? and case_id <> '' and kind = 'certificate.issued'"
    rows = journal.store.read(f"select body from event where {named} order by seq limit 1", (digest,))  # noqa: S608
    return read_certificate(orjson.loads(rows[0][0])["data"]) if rows else None


class Promotion:
    """The operation ``stage.promote`` of the system ``remit``: `perform` and `lookup` as `OwnOperation` takes them."""

    def __init__(self, book: TrackBook, journal: Journal, remits: Remits, now: Callable[[], datetime]):
        self._book, self._journal, self._remits, self._now = book, journal, remits, now

    def perform(self, arguments: Mapping[str, Json], key: str) -> Mapping[str, Json]:
        """Raise the stage as the certificate says; ``key`` is recorded with it.

        Raises:
            Refused: no such certificate, it is for something else, it has ended, or its evidence no longer holds.
            StoreUnavailable: it could not be recorded.
        """
        certificate = find_certificate(self._journal, str(arguments["certificate"]))
        if certificate is None:
            raise Refused(f"no certificate {str(arguments['certificate'])[:12]!r} was ever issued")
        _same(certificate, arguments)
        for _ in range(TRIES_MAX):
            epoch = self._journal.store.read("select epoch from head")[0][0]
            event = Event("stage.changed", "remit", self._data(certificate, key), "", key)
            try:
                self._journal.append_now(event, guards=Guards(epoch=epoch))
            except Moved:  # judge again by how things stand now
                continue
            return {"stage": certificate.to, "certificate": certificate.digest}
        raise Refused(f"things moved {TRIES_MAX} times while it was checked; propose it again")

    def lookup(self, key: str) -> Mapping[str, Json] | None:
        """Return what was recorded under ``key``; None when nothing was."""
        statement = "select body from event where action = ? and kind = 'stage.changed' order by seq limit 1"
        rows = self._journal.store.read(statement, (key,))
        if not rows:
            return None
        data = orjson.loads(rows[0][0])["data"]
        return {"stage": data["stage"], "certificate": data["certificate"]}

    def _data(self, certificate: Certificate, key: str) -> dict[str, Json]:
        now, body = self._now(), certificate.body
        self._book.look(now)
        track = self._track(certificate, now)
        threshold = self._threshold(track, certificate)
        method = body["proof"]["method"]
        return {
            "agent": track.agent,
            "version": track.version,
            "action": track.action,
            "class": track.class_,
            "stage": certificate.to,
            "before": track.stage,
            "cause": "returned" if method == "paired" else "promoted",
            "why": f"certificate {certificate.digest[:12]} was signed",
            "threshold_bp": threshold,
            "review_bp": body["review_bp"],
            "certificate": certificate.digest,
            "expires_at": body["expires_at"],
            "key": key,
        }

    def _track(self, certificate: Certificate, now: datetime) -> TrackState:
        """The track it is for, if it may still rise by it."""
        short, body = certificate.digest[:12], certificate.body
        manifest = self._remits.in_use().get(certificate.agent)
        if manifest is None or manifest.version != certificate.version:
            raise Refused(f"certificate {short} is void: it is for version {certificate.version}, which is not in use")
        until = body["expires_at"]
        if until is not None and to_moment(until) <= now:
            raise Refused(f"certificate {short} ended at {until}; wait for a new one")
        track = next(
            (
                one
                for one in self._book.tracks.values()
                if (one.agent, one.version, one.action, one.class_)
                == (certificate.agent, certificate.version, certificate.action, certificate.class_)
            ),
            None,
        )
        if track is None or (track.stage, track.changed_seq) != (body["from"], body["changed_seq"]):
            stands = "nothing" if track is None else track.stage
            raise Refused(f"certificate {short} is void: it was for {body['from']}, and {stands} is what stands now")
        if track.proposed != certificate.digest:
            raise Refused(f"certificate {short} is void: {track.proposed[:12]} was issued since")
        watch = self._book.watches.get((track.agent, track.version, track.action))
        step = next_step(track, now, watch.alarms if watch is not None else ())
        if step is not None and step.kind == "fall":
            raise Refused(f"certificate {short} is void: {step.why}")
        return track

    def _threshold(self, track: TrackState, certificate: Certificate) -> int | None:
        body: Mapping[str, Any] = certificate.body
        proof = prove(self._book, self._remits, track, certificate.to, body["proof"]["method"])
        threshold: int | None = body["threshold_bp"]
        if proof is None or proof.to != certificate.to:
            raise Refused(f"certificate {certificate.digest[:12]}: its evidence no longer holds; labels changed since")
        if threshold is not None and (proof.threshold_bp is None or proof.threshold_bp > threshold):
            raise Refused(f"certificate {certificate.digest[:12]}: its threshold no longer keeps the promise")
        return threshold


def _same(certificate: Certificate, arguments: Mapping[str, Json]) -> None:
    for name, said in (("action", certificate.action), ("class", certificate.class_), ("to", certificate.to)):
        if arguments[name] != said:
            raise Refused(
                f"certificate {certificate.digest[:12]} is for {name} {said!r:.60}, got {arguments[name]!r:.60}"
            )
