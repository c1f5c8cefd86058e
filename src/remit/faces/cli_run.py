"""Verbs to run: run, worker."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from remit.errors import BadInput, RemitError
from remit.faces.cli_options import CompanyFolder
from remit.faces.proposal import Proposal
from remit.faces.proposal_source import Placed, function_proposals, line_proposals, load_function
from remit.faces.teller import Teller
from remit.faces.terminal import count, say, warn

if TYPE_CHECKING:
    from remit.app import Control, Journey

__all__ = ["run", "worker"]

LOOK_SECONDS: Final = 0.2


def run(
    source: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="- (standard input), a file.jsonl, or module.py:function.")
    ],
    /,
    *,
    company: CompanyFolder = Path(),
    at_once: Annotated[int, Parameter(validator=Number(gte=1, lte=1000), help="How many are on their way.")] = 16,
) -> int:
    """Take proposals along the governed path.

    A proposal is one JSON object: agent, action, case, arguments, and if there are any confidence (0 to 1) and
    reasons. A function is called with the open company; it proposes by itself, or yields proposals.
    """
    from remit.app import open_company

    with ExitStack() as stack:
        function = load_function(source) if ".py:" in source else None
        stream = None if function is not None else _stream(source, stack)
        control = stack.enter_context(open_company(company, "run", report=warn))
        teller = stack.enter_context(Teller())
        control.watchers.append(teller.tell)
        proposals = (
            line_proposals(source, stream) if stream is not None else function_proposals(function, control)  # type: ignore[arg-type]
        )
        code = _propose_all(control, proposals, at_once)
    say(_summary(teller.counts))
    return code


def _stream(source: str, stack: ExitStack) -> Any:
    if source == "-":
        return sys.stdin.buffer
    if not source.endswith(".jsonl"):
        raise BadInput(f"source: got {source!r:.80}, expected -, a file that ends in .jsonl, or module.py:function")
    return stack.enter_context(Path(source).open("rb"))


def _propose_all(control: Control, proposals: Iterator[Placed], at_once: int) -> int:
    """Propose all, at most ``at_once`` at a time; return 0, or the exit code of the worst that went wrong."""
    codes = {0}
    places: dict[Future[Journey], str] = {}

    def wrong(place: str, error: RemitError) -> None:
        codes.add(error.exit_code)
        warn(f"{place}  {error}")

    def settle(done: set[Future[Journey]]) -> None:
        for future in done:
            error = future.exception()
            place = places.pop(future)
            if isinstance(error, RemitError):
                wrong(place, error)
            elif error is not None:
                raise error

    try:
        for place, proposal in proposals:
            try:
                if isinstance(proposal, BadInput):
                    raise proposal
                places[_submit(control, proposal)] = place
            except RemitError as error:
                wrong(place, error)
            if len(places) >= at_once:
                settle(wait(places, return_when=FIRST_COMPLETED).done)
    finally:  # also when interrupted: what is on its way is not left half way
        settle(wait(places).done)
    return 1 if 1 in codes else max(codes)


def _submit(control: Control, proposal: Proposal) -> Future[Journey]:
    return control.submit_proposal(
        control.action(
            proposal.agent, proposal.action, proposal.case, proposal.arguments, proposal.confidence, proposal.reasons
        )
    )


def _summary(counts: Counter[str]) -> str:
    words = ", ".join(f"{number:,} {progress}" for progress, number in sorted(counts.items()))
    told = f"{count(counts.total(), 'action')}" + (f": {words}" if words else "")
    return told + ("; see `remit approvals`" if counts["waiting"] or counts["uncertain"] else "")


def worker(
    *,
    company: CompanyFolder = Path(),
    until_idle: Annotated[bool, Parameter(help="End when nothing is ready.", negative="")] = False,
) -> int:
    """Carry on what people approved, pass deadlines, look after what was left.

    SIGTERM or an interrupt: what is in hand is finished first.
    """
    from remit.app import open_company

    with open_company(company, "worker", report=say) as control, _asked_to_stop() as asked:
        working = control.worker()
        future = control.submit(working.run(until_idle=until_idle))
        if not until_idle:
            say(f"working for {control.company.name}; stop with an interrupt")
            sys.stdout.flush()
        told = False
        while not wait([future], timeout=LOOK_SECONDS).done:
            if asked and not told:
                told = True
                control.submit(_stop(working)).result()
        future.result()
    say(f"{count(working.carried, 'action')} carried on")
    return 0


async def _stop(working: Any) -> None:
    """In the company's own loop, where the worker waits."""
    working.stop()


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Lend a list that has an entry once SIGTERM or SIGINT came; a second interrupt is an interrupt as ever."""
    asked: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def note(number: int, _frame: object) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
