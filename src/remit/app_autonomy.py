"""The wiring of earned autonomy, and its public verbs: looking, the track record, certificates. `Control.autonomy`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from remit.connectors.own_system import OwnOperation
from remit.errors import BadInput, NotFound, RemitError
from remit.evidence.track import TrackBook
from remit.evidence.track_record import TrackRecord, track_record
from remit.ledger.checkpoint import Signer
from remit.ledger.journal import Journal
from remit.lifecycle.certificate import Certificate, read_certificate
from remit.lifecycle.promotion import Promotion, find_certificate
from remit.lifecycle.remits import Remits
from remit.lifecycle.warden import Warden
from remit.manifest.autonomy import PROMOTE, Autonomy
from remit.run.replay import Journey
from remit.vocabulary import Action, Event

if TYPE_CHECKING:
    from remit.manifest.grant import Manifest

__all__ = ["Earnings"]


class Earnings:
    """What one company's agents have earned, as this process sees it. Safe to call from any thread.

    ``submit`` takes an action to the gate without waiting; ``report`` is told what owners should know, in a line.
    """

    def __init__(
        self,
        journal: Journal,
        signer: Signer,
        now: Callable[[], datetime],
        submit: Callable[[Action, str], Future[Journey]],
        report: Callable[[str], None],
    ):
        self.remits = Remits(journal)
        self._journal, self._now, self._submit, self._report = journal, now, submit, report
        self._signer = signer
        self._lock = threading.Lock()
        self._book: TrackBook | None = None
        self._warden: Warden | None = None
        self._seen = -1, -1

    @property
    def book(self) -> TrackBook:
        """The track book; read from the store when first needed."""
        with self._lock:
            if self._book is None:
                self._book = TrackBook(self._journal.store, self.remits.case_terms)
                self._warden = Warden(self._book, self._journal, self._signer, self.remits, self._propose, self._tell)
            return self._book

    def look(self) -> tuple[Event, ...]:
        """Take in what is new, record what follows, propose what may rise; return the events recorded.

        Nothing new since the last look of the same second costs one small read.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        size = self._journal.store.read("select size from head")[0][0]
        try:
            now = self._now()
        except BadInput:  # a story whose clock was never set: nothing can have happened in it
            return ()
        seen = size, int(now.timestamp())
        if seen == self._seen or not self._earning():
            return ()
        _ = self.book
        assert self._warden is not None
        events = self._warden.look(now)
        self._seen = seen
        return events

    def track_record(self) -> tuple[TrackRecord, ...]:
        """Return every track as of now."""
        return track_record(self.book, self._now()) if self._earning() else ()

    def terms(self, agent: str, version: str, action: str) -> Autonomy | None:
        """Return the terms of that version for ``action``; None where its autonomy is not earned."""
        return self.remits.terms(agent, version, action)

    def certificates(self, agent: str, action: str = "", class_: str | None = None) -> tuple[Certificate, ...]:
        """Return the certificates issued to ``agent``, the newest first; those of one action and class when given.

        Raises:
            BadInput: one is not what its digest says.
        """
        rows = self._journal.store.read(
            "select body from event where kind = 'certificate.issued' order by seq desc limit 10000"
        )
        found = (read_certificate(orjson.loads(body)["data"]) for (body,) in rows)
        return tuple(
            one
            for one in found
            if one.agent == agent and (not action or one.action == action) and class_ in (None, one.class_)
        )

    def certificate(self, digest: str) -> Certificate:
        """Return one certificate by its digest.

        Raises:
            NotFound: no such certificate. BadInput: it is not what its digest says.
        """
        found = find_certificate(self._journal, digest)
        if found is None:
            raise NotFound(f"no certificate {digest[:12]!r} was ever issued")
        return found

    def operations(self) -> dict[str, OwnOperation]:
        """Return what the system ``remit`` can do of this: the promotion that an owner signed."""

        def perform(arguments: Mapping[str, object], key: str) -> Mapping[str, object]:
            return self._promotion().perform(arguments, key)  # type: ignore[arg-type]

        return {PROMOTE: OwnOperation(perform, lambda key: self._promotion().lookup(key))}  # type: ignore[arg-type]

    def close(self) -> None:
        """Keep what was folded, so that the next process need not fold it again."""
        if self._book is not None:
            try:
                self._book.save()
            except RemitError as error:  # it can be folded again at any time
                self._report(f"track record: {error}")

    def _promotion(self) -> Promotion:
        return Promotion(self.book, self._journal, self.remits, self._now)

    def _earning(self) -> bool:
        manifests: Mapping[str, Manifest] = self.remits.in_use()
        return self._book is not None or any(PROMOTE in manifest.actions for manifest in manifests.values())

    def _propose(self, action: Action) -> None:
        def done(future: Future[Journey]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                self._report(f"{action.case}: its promotion cannot be proposed: {error}")
            elif not future.cancelled() and future.result().progress == "denied":
                self._report(f"{action.case}: denied; a policy must permit {PROMOTE} in the system remit")

        self._submit(action, "remit").add_done_callback(done)

    def _tell(self, owner: str, text: str) -> None:
        self._report(f"for {owner}: {text}")
