"""The verb to review: what waits for one person's look, blind where the remit says so, and what they say of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from remit.errors import BadInput
from remit.faces.autonomy_json import flagged_json, quality_json, review_case_json
from remit.faces.cli_autonomy import pairs_read
from remit.faces.cli_options import Acting, AsJson, CompanyFolder, Why, acting
from remit.faces.terminal import clean, count, moment, say, say_json, short, table, warn

if TYPE_CHECKING:
    from remit.app_autonomy import CorrectedRate, FlaggedCase, ReviewCase, ReviewQuality

__all__ = ["review"]

CaseId = Annotated[str, Parameter(name="ID", help="The first digits of an action, or its case.")]
Own = Annotated[
    tuple[str, ...], Parameter(name="--own", negative="", help="Your own answer: NAME=VALUE, once or more.")
]
Seconds = Annotated[
    int | None,
    Parameter(name="--seconds", validator=Number(gte=0, lte=604_800), help="How long it took; measured when absent."),
]

review = App(name="review", help="List the cases that wait for your look; show, answer, weekly, quality.")


@review.default
def waiting(
    *,
    company: CompanyFolder = Path(),
    person: Acting = "",
    as_json: AsJson = False,
    weekly: Annotated[bool, Parameter(help="What of the last days is worth a look together.", negative="")] = False,
    days: Annotated[int, Parameter(validator=Number(gte=1, lte=366), help="How many days, with --weekly.")] = 7,
    page: Annotated[Path | None, Parameter(help="With --weekly: write one HTML page to this file.")] = None,
) -> int:
    """List the cases that wait for your look."""
    from remit.app import open_company

    if page is not None and not weekly:
        raise BadInput("--page goes with --weekly")
    with open_company(company, "review", report=warn) as control:
        if weekly:
            flagged = control.autonomy.flagged(days, story=control.company.clock == "story")
            return _weekly(flagged, days, control.company.name, as_json, page)
        cases = control.autonomy.reviews.cases(acting(person))
    if as_json:
        say_json([review_case_json(case) for case in cases])
    elif not cases:
        say("nothing waits for your review")
    else:
        rows = [(short(one.action), one.kind, one.agent, one.name, one.case, _way(one)) for one in cases]
        table(("action", "kind", "agent", "asks for", "case", "how"), rows)
        say("\nremit review next shows the first", "dim")
    return 0


def _way(case: ReviewCase) -> str:
    return "blind" if case.blind and case.answer is None else "open"


def _weekly(flagged: tuple[FlaggedCase, ...], days: int, company: str, as_json: bool, page: Path | None) -> int:
    if page is not None:
        from remit.faces.autonomy_page import weekly_page

        page.write_text(weekly_page(flagged, days, company), "utf-8")
    if as_json:
        say_json([flagged_json(one) for one in flagged])
    elif not flagged:
        say(f"nothing was flagged in the last {count(days, 'day')}")
    else:
        rows = [
            (", ".join(one.flags), one.agent, one.name, one.case or "-", short(one.action) or "-", "; ".join(one.said))
            for one in flagged
        ]
        table(("why", "agent", "action", "case", "digits", "said"), rows)
    return 0


@review.command(name="next")
def next_(*, company: CompanyFolder = Path(), person: Acting = "", as_json: AsJson = False) -> int:
    """Show the case that is yours next; from then on the time is measured."""
    from remit.app import open_company

    with open_company(company, "review", report=warn) as control:
        case = control.autonomy.reviews.next_case(acting(person))
    if case is not None:
        _show(case, as_json)
    elif as_json:
        say_json(None)
    else:
        say("nothing waits for your review")
    return 0


@review.command
def show(case: CaseId, /, *, company: CompanyFolder = Path(), person: Acting = "", as_json: AsJson = False) -> int:
    """Show one case; from the first time on the time is measured."""
    from remit.app import open_company

    with open_company(company, "review", report=warn) as control:
        _show(control.autonomy.reviews.show(case, acting(person)), as_json)
    return 0


@review.command
def own(
    case: CaseId,
    answers: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE, once or more.")],
    /,
    *,
    company: CompanyFolder = Path(),
    person: Acting = "",
    as_json: AsJson = False,
) -> int:
    """Give your own answer to a blind case; then the agent's is shown."""
    from remit.app import open_company

    with open_company(company, "review", report=warn) as control:
        _show(control.autonomy.reviews.commit(case, acting(person), pairs_read("own answer", answers)), as_json)
    return 0


def _said(
    case: str, right: bool | None, why: str, seconds: int | None, own: tuple[str, ...], company: Path, person: str
) -> int:
    from remit.app import open_company

    with open_company(company, "review", report=warn) as control:
        given = pairs_read("--own", own) if own else None
        event = control.autonomy.answer_review(case, acting(person), right, why, seconds, given)
    word = {True: "right", False: "wrong", None: "cannot tell"}[right]
    taken = event.data["seconds"]
    say(f"{clean(event.case)} {short(event.action)}  {word}" + ("" if taken is None else f", {taken} s"))
    return 0


@review.command
def right(
    case: CaseId, /, *, why: Why = "", seconds: Seconds = None, own: Own = (), company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:  # fmt: skip
    """Say that the agent was right."""
    return _said(case, True, why, seconds, own, company, person)


@review.command
def wrong(
    case: CaseId, /, *, why: Why, seconds: Seconds = None, own: Own = (), company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:  # fmt: skip
    """Say that the agent was wrong, with the reason."""
    return _said(case, False, why, seconds, own, company, person)


@review.command
def unsure(
    case: CaseId, /, *, why: Why = "", seconds: Seconds = None, own: Own = (), company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:  # fmt: skip
    """Say that you cannot tell."""
    return _said(case, None, why, seconds, own, company, person)


@review.command
def quality(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """Show what reviewers catch of known errors, and what that makes of the bounds."""
    from remit.app import open_company

    with open_company(company, "review", report=warn) as control:
        found, rates = control.autonomy.review_quality()
    if as_json:
        say_json(quality_json(found, rates))
    else:
        _quality(found, rates)
    return 0


def _quality(found: ReviewQuality, rates: tuple[CorrectedRate, ...]) -> None:
    header = ("reviewer", "reviews", "seconds", "probes", "missed", "misses at most", "agree", "confirmed", "let pass")
    rows = [
        (
            one.person or "all", count(one.reviews), "-" if one.seconds_median is None else count(one.seconds_median),
            count(one.probes), count(one.missed), f"{one.miss_upper:.0%}" if one.probes else "-",
            f"{one.agreed}/{one.compared}", f"{one.confirmed}/{one.matured}", count(one.waved_through),
        )
        for one in found.reviewers
    ]  # fmt: skip
    table(header, rows, right=header[1:])
    say(f"\n{count(found.planted, 'probe')} planted")
    if found.broken:
        say(f"{count(found.broken, 'probe')} not what the ledger committed to: run `remit verify`", "bold red")
    for rate in rates:
        what = f"{clean(rate.agent)} {clean(rate.action)}" + (f" ({clean(rate.class_)})" if rate.class_ else "")
        if rate.probes:
            say(f"{what}: at most {rate.upper:.2%} wrong by the reviews, {rate.corrected:.2%} with what they miss")
        else:
            say(f"{what}: at most {rate.upper:.2%} wrong by the reviews; no probe yet says what they miss")


def _show(case: ReviewCase, as_json: bool) -> None:
    if as_json:
        say_json(review_case_json(case))
        return
    say(f"{clean(case.case)} {short(case.action)}: {clean(case.name)} by {clean(case.agent)}", "bold")
    for name, value in case.arguments.items():
        say(f"  {clean(name)} = {clean(str(value))}")
    for fact in case.facts:
        observed = moment(str(fact["observed_at"])) if fact["observed_at"] else "when is not known"
        value = fact["problem"] if fact["value"] is None else fact["value"]
        say(f"  fact {clean(str(fact['name']))} = {clean(str(value))}, {clean(str(fact['source']))}, {observed}")
    digits = short(case.action)
    if case.answer is None:
        say(f"\nYour own answer first: remit review own {digits} NAME=VALUE", "dim")
        return
    if case.own_answer is not None:
        say("your answer: " + clean(", ".join(f"{name} = {value}" for name, value in case.own_answer.items())))
    said = case.answer["arguments"]
    assert isinstance(said, dict)
    words = [f"{name} = {value}" for name, value in said.items()]
    stated = case.answer["confidence_bp"]
    words.append("no confidence stated" if stated is None else f"confidence {int(str(stated)) / 10_000:g}")
    say("the agent says: " + clean(", ".join(words)))
    for reason in list(case.answer["reasons"] or ()):  # type: ignore[arg-type]
        say(f"  because {clean(str(reason))}")
    say(f"\nremit review right|wrong|unsure {digits}", "dim")
