"""Tells, in one line each, how proposals ended, from a thread of its own: a slow terminal does not slow the path."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from remit.faces.terminal import clean, count, say, short

if TYPE_CHECKING:
    from remit.app import Journey

__all__ = ["Teller", "journey_line"]


class Teller:
    """A context manager; on leaving it everything handed to `tell` has been told.

    ``counts`` is how many actions stand where. A proposal that failed is not told: its error goes to its proposer.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._queue: SimpleQueue[Future[Journey] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="remit-teller", daemon=True)
        self._problem: OSError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def tell(self, future: Future[Journey]) -> None:
        """Have the end of ``future`` told."""
        self._queue.put(future)

    def _run(self) -> None:
        while (future := self._queue.get()) is not None:
            if future.cancelled() or future.exception() is not None:
                continue
            journey = future.result()
            self.counts[journey.progress] += 1
            try:
                if self._problem is None:
                    say(journey_line(journey))
                    sys.stdout.flush()
            except OSError as error:  # the reader went away: the actions go on, and it is said at the end
                self._problem = error


def journey_line(journey: Journey) -> str:
    """Return where an action stands in one line, with the reason that matters."""
    proposed: Mapping[str, Any] = journey.decided.get("action", {})
    name, agent = proposed.get("name", "-"), proposed.get("agent", "-")
    where = f"{journey.progress:<9}  {short(journey.action)}  {agent:<18}  {name:<18}  {journey.case:<14}"
    return clean(f"{where}  {_why(journey)}".rstrip())


def _why(journey: Journey) -> str:
    effect = journey.effect
    if effect is not None:
        if effect.state == "finished":
            return "cost not told" if effect.cost_minor is None else f"cost {count(effect.cost_minor)}"
        return effect.problem
    decision: Mapping[str, Any] = journey.decided.get("decision", {})
    verdict = decision.get("verdict")
    reasons = [check["reason"] for check in decision.get("checks", ()) if check["verdict"] == verdict != "allow"]
    asks = ", ".join(ask["role"] for ask in decision.get("asks", ()))
    told = reasons[0] if reasons else ""
    return f"asks {asks}: {told}" if journey.progress == "waiting" and asks else told
