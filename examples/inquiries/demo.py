"""The story of the inquiries: an agent earns its autonomy group by group, loses it when things change, and earns again.

    python -m examples.inquiries.demo [--dir D] [--quick] [--json]

It is played into a folder that is not there yet, and leaves there the company with its ledger, an export of it with
the verifier, and the page ``inquiries.html``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from remit.app import Control, open_company
from remit.errors import BadInput, RemitError
from remit.ledger import verify

from .classifier import AGENT, Router
from .curve import Point, curve_lines
from .desk import MISS_BP
from .disturb import moved_meanings
from .page import story_page
from .play import ACTION, Play, make_helpdesk
from .stream import Phase, groups, inquiries, read_messages, split

__all__ = ["FULL", "QUICK", "Summary", "main", "play_story"]

TEMPLATE: Final = Path(__file__).parent / "company"
SEED: Final = 20
MOVED: Final = "transfers"

FULL: Final = (
    Phase("as usual", 12_000),
    Phase("meaning moved", 1_000, moved=MOVED),
    Phase("typos too", 500, typos_bp=800, moved=MOVED),
    Phase("second agent", 4_000, moved=MOVED, fitted="second"),
    Phase("out of scope", 500, outside_bp=3_000, moved=MOVED, fitted="second"),
)
QUICK: Final = (Phase("as usual", 1_500),)
"""Long enough for a person to be let in: from shadow to supervised. More takes more cases, by design."""


@dataclass(slots=True)
class Summary:
    """What the story came to. ``earned``: how often each group rose to each stage; ``lost``: how often, and by what."""

    cases: int = 0
    points: list[Point] = field(default_factory=list)
    earned: dict[str, dict[str, int]] = field(default_factory=dict)
    lost: dict[str, dict[str, int]] = field(default_factory=dict)
    stands: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int | None] = field(default_factory=dict)
    certificates: int = 0
    certificates_wrong: list[str] = field(default_factory=list)
    alone: int = 0
    alone_wrong: int = 0
    events: int = 0
    holds: bool = False
    problems: list[str] = field(default_factory=list)
    page: str = ""
    seconds: int = 0


def play_story(
    directory: Path, phases: Sequence[Phase], show: Callable[[str], None], point: Callable[[Point], None]
) -> Summary:
    """Play ``phases`` into the new ``directory``. ``show`` is told what is going on, ``point`` every 500 cases.

    Raises:
        BadInput: the directory is there already.
    """
    began = time.monotonic()
    if directory.exists():
        raise BadInput(f"{directory} is there already: this story is told once from its beginning; name another --dir")
    fitted, pool, outside = split(read_messages(), SEED)
    cases = list(inquiries(phases, pool, outside, SEED))
    shutil.copytree(TEMPLATE, directory / "company")
    os.environ["HELPDESK_URL"] = make_helpdesk(directory / "helpdesk.db")
    summary = Summary()

    def closed(one: Point) -> None:
        summary.points.append(one)
        point(one)

    for which in ("first", "second"):
        part = [one for one in cases if one.phase.fitted == which]
        if not part:
            continue
        meanings = moved_meanings(part[0].phase.moved, groups(), {message.intent for message in pool})
        show(f"fitting the {which} agent on {len(fitted):,} messages")
        router = Router.fit(fitted, meanings)
        if which == "second":
            _deploy(directory / "company")
        with open_company(directory / "company", "demo") as control:
            show(f"{len(part):,} messages come in")
            play = Play(control, router, SEED, closed, summary.cases)
            play.run(part)
            summary.cases = play.cases
            if part[-1] is cases[-1]:
                show("verifying the ledger, and every certificate with the verifier that needs only Python")
                _finish(control, directory, summary)
    summary.alone = sum(one.alone for one in summary.points)
    summary.alone_wrong = sum(one.alone_wrong for one in summary.points)
    page = directory / "inquiries.html"
    page.write_text(story_page(summary.points, sorted(set(groups().values()))), encoding="utf-8")
    summary.page = str(page)
    summary.seconds = round(time.monotonic() - began)
    return summary


def _deploy(company: Path) -> None:
    """Put the second agent in place of the first: another fingerprint, so another version."""
    manifest = company / "agents" / f"{AGENT}.yaml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("fitted: first", "fitted: second"), encoding="utf-8")


def _finish(control: Control, directory: Path, summary: Summary) -> None:
    for recorded in control.log(100_000, kind="stage.changed"):
        data = recorded.event.data
        if data["cause"] in ("promoted", "returned"):
            counts = summary.earned.setdefault(str(data["class"]), {})
            counts[str(data["stage"])] = counts.get(str(data["stage"]), 0) + 1
        elif data["cause"] != "began":
            counts = summary.lost.setdefault(str(data["class"]), {})
            counts[str(data["cause"])] = counts.get(str(data["cause"]), 0) + 1
    version = control.law.manifest(AGENT).version
    for record in control.autonomy.track_record():
        if record.version == version:
            summary.stands[record.class_] = record.stage
            summary.missing[record.class_] = record.labels_missing
    report = control.verify()
    summary.events, summary.holds, summary.problems = report.size, not report.problems, list(report.problems)
    export = directory / "export"
    control.export(export)
    certificates = control.autonomy.certificates(AGENT, ACTION)
    summary.certificates = len(certificates)
    for one in certificates:
        verdict = verify.check_certificate(str(export), one.digest, [control.signer.vkey])
        summary.certificates_wrong += [f"{one.class_} to {one.to}: {problem}" for problem in verdict.problems]


def _print(summary: Summary, directory: Path) -> None:
    line = "{:<14} {:>7}  {}".format
    print()
    share = f"{summary.alone_wrong / summary.alone:.1%} of them" if summary.alone else "none passed alone"
    print(line("cases", f"{summary.cases:,}", f"{summary.alone:,} without a person"))
    print(line("wrong", f"{summary.alone_wrong:,}", f"{share}; promised: less than 5 % while certified"))
    print(line("", "", f"clerks miss {MISS_BP / 100:g} % of what is wrong; no number in the ledger can know those"))
    for name in sorted(summary.stands):
        rose = ", ".join(f"{stage} x{count}" for stage, count in summary.earned.get(name, {}).items()) or "nothing"
        fell = ", ".join(f"{cause} x{count}" for cause, count in summary.lost.get(name, {}).items()) or "never"
        missing = summary.missing[name]
        more = f"; about {missing:,} more labels" if missing else "; more of the same would not do"
        stands = summary.stands[name] + (more if summary.stands[name] != "autonomous" else "")
        print(line(name, "", f"{stands}  (earned: {rose}; lost: {fell})"))
    wrong = summary.certificates_wrong
    found = f"{len(wrong)} CANNOT BE FOUND AGAIN: {wrong[0]}" if wrong else "each found again in the export, to 1e-9"
    print(line("certificates", f"{summary.certificates:,}", found))
    verdict = "holds" if summary.holds else f"BROKEN: {summary.problems[0]}"
    print(line("ledger", f"{summary.events:,}", f"events, {verdict}"))
    print(line("page", "", os.path.relpath(summary.page)))
    print(line("time", f"{summary.seconds} s", ""))
    installed = os.path.relpath(Path(sys.prefix) / "bin" / "remit")
    remit = "remit" if installed.startswith("..") else installed
    home = os.path.relpath(directory / "company")
    print("\nLook next:")
    print(f"  {remit} --company {home} log --kind stage.changed   # how it rose and fell")
    print(f"  {remit} --company {home} verify                     # every proof")
    export = os.path.relpath(directory / "export")
    print(f"  python -I {export}/verify.py {export}       # the same, without remit")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="remit demo inquiries", description="Play the story of the inquiries.")
    parser.add_argument("--dir", type=Path, default=Path("inquiries-demo"), help="a new folder (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="the first 1,500 cases only")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    shown: list[Point] = []
    names = sorted(set(groups().values()))

    def point(one: Point) -> None:
        if not options.json:
            lines = curve_lines([one], names)
            print("\n".join(lines[2:] if shown else lines), flush=True)
        shown.append(one)

    def show(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    try:
        summary = play_story(options.dir.resolve(), QUICK if options.quick else FULL, show, point)
    except RemitError as error:
        print(f"{error}\n{error.advice}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps(asdict(summary), indent=2))
    else:
        _print(summary, options.dir.resolve())
    return 0 if summary.holds and not summary.certificates_wrong else 1


if __name__ == "__main__":
    sys.exit(main())
