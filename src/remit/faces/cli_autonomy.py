"""Verbs of earned autonomy: outcome, tax, certificate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from remit.canonical import parse, to_moment
from remit.errors import BadInput, NotFound
from remit.faces.autonomy_json import outcomes_json, tax_json
from remit.faces.cli_options import AsJson, CompanyFolder
from remit.faces.person import person_named
from remit.faces.terminal import clean, count, progress, say, say_json, short, table, warn

if TYPE_CHECKING:
    from remit.app_autonomy import OutcomeCounts, PaidTax, TrackRecord
    from remit.vocabulary import Json

__all__ = ["certificate", "outcome", "pairs_read", "tax"]

_FLAG = Parameter(negative="")


def outcome(
    action: Annotated[str, Parameter(name="ID", help="The first digits of an action, or its case.")] = "",
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    right: Annotated[bool, _FLAG, Parameter(help="It was right.")] = False,
    wrong: Annotated[bool, _FLAG, Parameter(help="It was wrong.")] = False,
    unknown: Annotated[bool, _FLAG, Parameter(help="It cannot be judged, which is not wrong.")] = False,
    by: Annotated[str, Parameter(help="Who says so: source:NAME for a source of record, person:NAME.")] = "",
    matured: Annotated[str, Parameter(help="Since when it is known; now when not given.")] = "",
    value: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE to keep with it, once or more.", negative="")] = (),
    file: Annotated[Path | None, Parameter(help="Read many: .csv with a header, or lines of JSON.")] = None,
) -> int:
    """Record what became of an action's case, or of many from a file."""
    from remit.app import open_company
    from remit.vocabulary import Outcome

    if (file is None) == (not action):
        raise BadInput("which case? `remit outcome ID --right|--wrong|--unknown --by WHO`, or --file FILE for many")
    with open_company(company, "outcome", report=warn) as control:
        at = to_moment(matured) if matured else control.now()
        if file is not None:
            if right or wrong or unknown or value:
                raise BadInput("--right, --wrong, --unknown and --value are for one case; a file has its own")
            from remit.faces.outcome_file import outcome_rows

            with progress("recording", "outcomes") as tell:
                counts = control.autonomy.record_outcomes(outcome_rows(file, by and person_named(by), at), tell)
            _told(counts, as_json)
            return 2 if counts.impossible or counts.unknown else 0
        said = _one_of(right, wrong, unknown)
        if not by:
            raise BadInput("who says so? --by source:NAME or --by person:NAME")
        journey = control.journey(action)
        fresh = control.record_outcome(
            Outcome(journey.case, journey.action, said, person_named(by), at, pairs_read("--value", value))
        )
    if as_json:
        say_json({"action": journey.action, "case": journey.case, "right": said, "said_by": by, "recorded": fresh})
    else:
        word = {True: "right", False: "wrong", None: "unknown"}[said]
        say(f"{clean(journey.case)} {short(journey.action)}  {word}" + ("" if fresh else ", as known already"))
    return 0


def _one_of(right: bool, wrong: bool, unknown: bool) -> bool | None:
    if right + wrong + unknown != 1:
        raise BadInput("say one of --right, --wrong and --unknown")
    return None if unknown else right


def _told(counts: OutcomeCounts, as_json: bool) -> None:
    if as_json:
        say_json(outcomes_json(counts))
        return
    for place, what in counts.told:
        warn(f"{place}: {what}")
    say(
        f"recorded {count(counts.recorded)}, known already {count(counts.known)}, "
        f"unknown cases {count(counts.unknown)}, impossible {count(counts.impossible)}"
    )


def pairs_read(option: str, given: tuple[str, ...]) -> dict[str, Json]:
    """Read NAME=VALUE texts: whole numbers, true, false and null as such, everything else as text.

    Raises:
        BadInput: one has no name or no equals sign.
    """
    pairs: dict[str, Json] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise BadInput(f"{option}: got {item!r:.60}, expected NAME=VALUE")
        try:
            value = parse(text)
        except BadInput:
            value = text
        pairs[name] = value if isinstance(value, int | bool) or value is None else text
    return pairs


def tax(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """Show what people's time on each agent costs, and what to check less."""
    from remit.app import open_company

    with open_company(company, "tax", report=warn) as control:
        found = control.autonomy.trust_tax()
    if as_json:
        say_json([tax_json(paid) for paid in found])
        return 0
    if not found:
        say("no action earns its autonomy yet, or none was proposed; see oversight: earned")
        return 0
    header = ("agent", "action", "cases", "handled", "reviewed", "review min", "manual min", "net", "next")
    table(header, [_tax_row(paid) for paid in found], right=header[2:8])
    unmeasured = sum(paid.reviews - paid.measured for paid in found)
    if unmeasured:
        say(f"\n{count(unmeasured, 'review')} without a time; taken at the mean of the others", "dim")
    return 0


def _tax_row(paid: PaidTax) -> tuple[str, ...]:
    net = paid.tax.net_productivity_bp if paid.tax is not None else None
    return (
        paid.agent, paid.action, count(paid.cases), count(paid.handled),
        "-" if paid.reviewed_bp is None else f"{paid.reviewed_bp / 100:.0f} %",
        _minutes(paid.review_seconds), _minutes(paid.manual_seconds), "-" if net is None else f"x{net / 10_000:.2f}",
        _step_words(paid),
    )  # fmt: skip


def _step_words(paid: PaidTax) -> str:
    step = paid.step
    if step is None:
        return "-" if paid.manual_seconds is not None else "say autonomy: minutes: {manual: ...} in the remit"
    saved = f"saves {step.saved_seconds // 60:,} min in 1,000 cases"
    if step.safe and step.saved_seconds > 0:
        return f"review {step.review_bp / 100:g} %: {saved}"
    if step.labels_missing is not None and step.saved_seconds > 0:
        return f"after about {step.labels_missing:,} more labels: {saved}"
    return step.reason


def _minutes(seconds: int | None) -> str:
    return "-" if seconds is None else f"{seconds / 60:,.0f}"


def certificate(
    agent: Annotated[str, Parameter(name="AGENT", help="The agent.")],
    action: Annotated[str, Parameter(name="ACTION", help="The action, such as refund.create.")],
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    class_: Annotated[str, Parameter(name="--class", help="The class of cases, where they earn separately.")] = "",
    page: Annotated[Path | None, Parameter(help="Also write it as one HTML page to this file.")] = None,
) -> int:
    """Show an action's newest certificate: what is promised, on what evidence."""
    from remit.app import open_company

    with open_company(company, "certificate", report=warn) as control:
        of_action = [one for one in control.autonomy.in_force() if (one.agent, one.action) == (agent, action)]
        tracks = [one for one in of_action if one.class_ == class_]
        found = control.autonomy.certificates(agent, action, class_)
    track = tracks[0] if tracks else None
    if not found:
        raise NotFound(f"no certificate was issued for {action:.80} of {agent:.80} yet; {_why_not(track, of_action)}")
    if page is not None:
        from remit.faces.autonomy_page import certificate_page

        page.write_text(certificate_page(found[0], track), "utf-8")
    in_force = track is not None and track.certificate == found[0].digest
    if as_json:
        say_json({**found[0].as_json(), "in_force": in_force})
        return 0
    for line in found[0].lines():
        say(line)
    say(f"in force     {'yes' if in_force else 'no'}")
    return 0


def _why_not(track: TrackRecord | None, of_action: Sequence[TrackRecord]) -> str:
    if track is None and of_action:
        classes = ", ".join(sorted(one.class_ for one in of_action))
        return f"it earns by class: name one with --class, of {classes:.400}"
    if track is None:
        return "no case of its present version is on record"
    if track.labels_missing is None:
        return f"it is {track.stage}, with {track.errors} wrong of {track.trials}: more of the same would not do"
    return f"it is {track.stage}, and about {track.labels_missing:,} more labels are needed"
