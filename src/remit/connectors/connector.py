"""What every connector promises, whatever kind of system stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from remit.vocabulary import Json

__all__ = ["Connector", "Done", "Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One fact as its system gave it.

    ``value`` None means missing; ``problem`` then says why (none, several, or nothing where the value should
    stand). ``record`` is the system's own name for what was read, empty when it gives none. ``observed_at``
    (UTC) is when the value was true there; None when the system does not say, or says it in no readable form
    (``problem`` tells).
    """

    value: Json
    record: str = ""
    observed_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """An effect that certainly happened. ``cost_minor`` is None when the system does not say what it cost."""

    result: Mapping[str, Json]
    cost_minor: int | None = None


@runtime_checkable
class Connector(Protocol):
    """One system, spoken to in one way.

    Callers may rely on this:

    - Nothing but `Refused`, `Unreachable` and `CannotTell` is raised, with these meanings. Refused: nothing
      was done, and the same call again will be refused again. Unreachable: nothing was done, try later.
      CannotTell: not known.
    - Values have a canonical form. A number with a fraction, or beyond 2**53 - 1, is text exactly as the
      system wrote it.
    - No error text, value or record shows a secret.
    - A call ends: time-outs, tries, sizes and pages are bounded. One system's slowness is its own.
    - One connector may be used by many tasks of one event loop at once.

    This may differ: whether a system can be asked what became of an effect, whether it says when a fact was
    observed, whether it names its records, and in which order it lists them.
    """

    @property
    def name(self) -> str:
        """The system's name, as in its description."""
        ...

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        """Read one fact.

        A system that answered and has none, or has several, gives a `Reading` with a problem.

        Raises:
            Refused: no such read, a parameter is missing, or the system will not answer this.
            Unreachable: it could not be asked, or its answer makes no sense.
        """
        ...

    def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        """List records, page by page, each once. Only a loop that ends without an error has seen all of them.

        Raises:
            Refused: no such list, a parameter is missing, pages that repeat, more pages or records than
                allowed.
            Unreachable: it could not be asked, or its answer makes no sense.
        """
        ...

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        """Do it once. The same ``key`` again never does it twice where the system knows idempotency keys.

        Raises:
            Refused: certainly not done.
            Unreachable: certainly not done, may be tried again.
            CannotTell: it may have been done.
        """
        ...

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        """Ask the system what became of ``key``. None means certainly not done.

        An attempt still on its way can arrive after the answer: ask once the attempt's time-out has passed.

        Raises:
            Unreachable: it could not be asked now. That says nothing about the effect.
            CannotTell: asking again will not make it certain (no way to ask, several records, no sense in the
                answer).
        """
        ...

    async def close(self) -> None:
        """Let go of connections.

        Calls after it raise Unreachable. Closing twice is harmless.
        """
        ...
