"""What can go wrong, and what to do then.

Every error a user can meet is one of these. The class's docstring is the advice; the instance's text says what
happened, got and expected. Faces print both and exit with ``exit_code``: 2 for the user's fault, 1 for ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "BadCompany",
    "BadInput",
    "BadManifest",
    "BadPolicy",
    "BadSource",
    "BadSystem",
    "CannotTell",
    "Conflict",
    "Finding",
    "LedgerBroken",
    "NotAllowed",
    "NotFound",
    "Refused",
    "RemitError",
    "StoreUnavailable",
    "Unreachable",
]


class RemitError(Exception):
    """Something went wrong inside remit. Run the command again with REMIT_DEBUG=1 and report what it prints."""

    exit_code: ClassVar[int] = 1

    @property
    def advice(self) -> str:
        """What to do next: the class's own docstring, in one line."""
        return " ".join((type(self).__doc__ or "").split())


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in one place of one file. ``line`` and ``column`` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    what: str
    advice: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}  {self.what}" + (f"  ({self.advice})" if self.advice else "")


class BadInput(RemitError):
    """What was handed in is not of the form that is asked for. Correct it as the message says and send it again."""

    exit_code = 2


class _Findings(BadInput):
    def __init__(self, findings: tuple[Finding, ...]):
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


class BadCompany(_Findings):
    """remit.yaml or people.yaml cannot be taken as written. Correct the lines named, then run `remit check`."""


class BadManifest(_Findings):
    """A manifest cannot be taken as written. Correct the lines named, then run `remit check`."""


class BadPolicy(_Findings):
    """A policy set cannot be taken as written. Correct the lines named, then run `remit check`."""


class BadSource(_Findings):
    """A source's description cannot be taken as written. Correct the lines named, then run `remit check`."""


class BadSystem(_Findings):
    """A system's description cannot be taken as written. Correct the lines named, then run `remit check`."""


class NotFound(BadInput):
    """There is no such thing. List what there is with `remit agents`, `remit log` or `remit approvals`."""


class NotAllowed(BadInput):
    """You may not do this. Ask somebody who holds the role that the message names."""


class Conflict(BadInput):
    """Things changed since you looked. Look again, and decide again if it still applies."""


class Refused(RemitError):
    """The other system refused, for certain, and did nothing. Correct the cause before proposing the action anew."""


class Unreachable(RemitError):
    """The other system could not be asked, and did nothing. It is safe to try again later."""


class CannotTell(RemitError):
    """Whether the other system did it is not known. Look it up there; until then remit will not repeat it."""


class StoreUnavailable(RemitError):
    """The store cannot be opened or written. Check that its disk or server is there and that you may write to it."""


class LedgerBroken(RemitError):
    """The ledger is not what was written. Keep the files as they are, run `remit verify`, restore from a backup."""
