"""Verbs to prove: verify, export, erase, backup, restore."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from remit.faces.as_json import ledger_json
from remit.faces.cli_options import Acting, AsJson, CompanyFolder, Why, acting
from remit.faces.terminal import clean, count, progress, say, say_json, warn

if TYPE_CHECKING:
    from remit.app import LedgerReport
    from remit.vocabulary import Json

__all__ = ["backup", "erase", "export", "restore", "verify"]


def verify(
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    decisions: Annotated[bool, Parameter(help="Judge every decision again, too.", negative="")] = False,
) -> int:
    """Check every event, checkpoint and witness of the ledger, and all knowledge against it."""
    from remit.app import open_company

    judged: dict[str, Json] | None = None
    otherwise: tuple[str, ...] = ()
    with open_company(company, "verify", report=warn) as control:
        with progress("verifying") as tell:
            report = control.verify(tell)
        with progress("verifying knowledge", "rows") as tell:
            known = control.knowledge.check(lambda _what, done: tell(done))
        if decisions:
            with progress("judging again", "decisions") as tell:
                again = control.replay_decisions(tell)
            judged = {
                "same": again.same, "different": list(again.different), "erased": again.erased,
                "unknown": list(again.unknown),
            }  # fmt: skip
            otherwise = (*again.different, *again.unknown)
        witness = control.company.witness
    edited = [f"fact {fact} is not what was written" for fact in known.edited]
    shown = [f"receipt {receipt} no longer comes out as it was shown" for receipt in known.receipts]
    problems = [*report.problems, *known.problems, *edited, *shown, *otherwise]
    if as_json:
        say_json({**ledger_json(report), "holds": not problems, "witness": witness, "decisions": judged,
                  "knowledge": asdict(known)})  # fmt: skip
    else:
        _show(report, judged, witness, problems, known)
    return 1 if problems else 0


def _show(
    report: LedgerReport, judged: Mapping[str, Any] | None, witness: str | None, problems: Sequence[str], known: Any
) -> None:
    say(f"events       {report.size:,}")
    say(f"root         {report.root.hex()}")
    say(f"checkpoints  {report.checkpoints:,}, the largest signs {count(report.signed_size, 'event')}")
    say(f"witness      {clean(witness or 'none: an older copy put back whole would not be noticed')}")
    if known.batches or known.shown:
        told = f", {known.erased:,} of them with values erased since" if known.erased else ""
        say(f"knowledge    {count(known.facts, 'fact')}, {count(known.shown, 'receipt')}{told}")
    if judged is not None:
        erased = f", {judged['erased']:,} rest on data erased since" if judged["erased"] else ""
        unknown = f", {len(judged['unknown']):,} cannot be judged again" if judged["unknown"] else ""
        say(
            f"decisions    {judged['same']:,} judged the same again, {len(judged['different']):,} otherwise"
            f"{erased}{unknown}"
        )
    if not problems:
        say("holds", "bold green")
        return
    say("BROKEN", "bold red")
    for problem in problems:
        say(f"  {clean(problem)}", "red")


def export(
    folder: Annotated[Path, Parameter(help="A folder that is empty or not there yet.")],
    /,
    *,
    company: CompanyFolder = Path(),
) -> int:
    """Write the ledger to a folder that outsiders can check."""
    from remit.app import open_company

    with open_company(company, "export", report=warn) as control, progress("exporting"):
        report = control.export(folder)
    say(f"exported {count(report.size, 'event')} in {count(report.segments, 'file')} to {clean(str(report.folder))}")
    say(f"root {b64encode(report.root).decode()}, as the verifier in it writes it")
    say("README.txt in it says how to check it with Python alone", "dim")
    return 0


def erase(
    subject: Annotated[
        str, Parameter(help="Whose data, as `personal:` of a manifest names them; `entity:TYPE/KEY` for the graph's.")
    ],
    /,
    *,
    why: Why,
    company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:
    """Remove what is kept of a person; every proof still holds."""
    from remit.app import open_company

    with open_company(company, "erase", report=warn) as control:
        entity = subject.removeprefix("entity:")
        if entity != subject:
            number = control.knowledge.erase(entity, why, acting(person)).facts
        else:
            number = control.erase(subject, why, acting(person))
    say(f"erased {count(number, 'value')}; backups made earlier still hold them")
    return 0


def backup(
    folder: Annotated[Path, Parameter(help="A folder that is not there yet.")],
    /,
    *,
    company: CompanyFolder = Path(),
) -> int:
    """Copy the store and the signing key to a new folder."""
    from remit.app import open_company

    with open_company(company, "backup", report=warn) as control, progress("copying", "rows") as tell:
        size = control.backup(folder, tell)
    say(f"backed up {count(size, 'event')} to {clean(str(folder))}; it holds the signing key: keep it safe")
    return 0


def restore(
    folder: Annotated[Path, Parameter(name="BACKUP", help="A folder that `remit backup` made.")],
    /,
    *,
    company: CompanyFolder = Path(),
    accept_loss: Annotated[
        str, Parameter(name="--accept-loss", help="Why events that a witness has seen may be lost.")
    ] = "",
) -> int:
    """Put a backup in place of an empty store."""
    from remit.app import restore_company

    with progress("restoring"):
        report = restore_company(company, folder, accept_loss)
    lost = f"; {count(report.lost, 'event')} that a witness had seen are lost, and the ledger says so"
    say(f"restored {count(report.size, 'event')}" + (lost if report.lost else ""))
    return 0
