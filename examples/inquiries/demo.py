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
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Final

from remit.app import Control, open_company
from remit.errors import BadInput, RemitError
from remit.ledger import verify

from .classifier import AGENT, Router
from .curve import Point, curve_lines
from .page import story_page
from .play import ACTION, Play, make_helpdesk
from .stream import Phase, groups, inquiries, read_messages, split
from .telling import PhaseCount, Summary, summary_lines

__all__ = ["FULL", "QUICK", "Story", "main", "play_story"]

TEMPLATE: Final = Path(__file__).parent / "company"
SEED: Final = 21
MOVED: Final = "cash_top_ups"
"""The group in which right answers change; the short story has it to itself."""


class Story:
    """What is played: ``phases`` of messages, of all groups or of ``only`` one; a point of the curve each so often."""

    def __init__(self, phases: Sequence[Phase], only: str = "", point_every: int = 500):
        self.phases, self.only, self.point_every = tuple(phases), only, point_every
        self.groups = sorted({only} if only else set(groups().values()))


FULL: Final = Story(
    (
        Phase("as usual", 9_000),
        Phase("typing errors", 200, typos_bp=800),
        Phase("out of scope", 300, outside_bp=3_000),
        Phase("usual again", 7_000),
        Phase("second, tried", 3_000, fitted="second", again=True),
        Phase("second in use", 500, fitted="second"),
        Phase("meaning moved", 2_000, moved=MOVED, fitted="second"),
    )
)
QUICK: Final = Story(
    (
        Phase("as usual", 2_000),
        Phase("typing errors", 200, typos_bp=800),
        Phase("out of scope", 200, outside_bp=3_000),
        Phase("usual again", 2_000),
        Phase("second, tried", 1_300, fitted="second", again=True),
        Phase("second in use", 200, fitted="second"),
        Phase("meaning moved", 900, moved=MOVED, fitted="second"),
    ),
    only=MOVED,
    point_every=100,
)
"""One group only: it has all the cases for itself, and no other to be certified together with."""


def play_story(directory: Path, story: Story, show: Callable[[str], None], point: Callable[[Point], None]) -> Summary:
    """Play ``story`` into the new ``directory``. ``show`` is told what is going on, ``point`` where things stand.

    Raises:
        BadInput: the directory is there already.
    """
    began = time.monotonic()
    if directory.exists():
        raise BadInput(f"{directory} is there already: this story is told once from its beginning; name another --dir")
    parts = split(read_messages(), SEED, story.only)
    cases = list(inquiries(story.phases, parts.pool, parts.outside, SEED))
    shutil.copytree(TEMPLATE, directory / "company")
    os.environ["HELPDESK_URL"] = make_helpdesk(directory / "helpdesk.db")
    summary = Summary()

    def closed(one: Point) -> None:
        summary.points.append(one)
        point(one)

    for which, taught in (("first", parts.first), ("second", parts.second)):
        part = [one for one in cases if one.phase.fitted == which]
        if not part:
            continue
        show(f"fitting the {which} version on {len(taught):,} messages")
        router = Router.fit(taught)
        if which == "second":
            _deploy(directory / "company")
        with open_company(directory / "company", "demo") as control:
            show(f"{len(part):,} messages come in")
            play = Play(control, router, SEED, closed, story.point_every)
            play.run(part, summary.cases)
            summary.cases += len(part)
            summary.lowered |= play.lowered
            if part[-1] is cases[-1]:
                show("verifying the ledger, and every certificate with the verifier that needs only Python")
                _finish(control, directory, summary)
    summary.phases = [
        PhaseCount.of(name, list(points)) for name, points in groupby(summary.points, key=lambda one: one.phase)
    ]
    page = directory / "inquiries.html"
    page.write_text(story_page(summary, story.groups), encoding="utf-8")
    summary.page = str(page)
    summary.seconds = round(time.monotonic() - began)
    return summary


def _deploy(company: Path) -> None:
    """Put the second version in place of the first: another fingerprint, so what the first had earned is void."""
    manifest = company / "agents" / f"{AGENT}.yaml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("fitted: first", "fitted: second"), encoding="utf-8")


def _finish(control: Control, directory: Path, summary: Summary) -> None:
    for recorded in reversed(control.log(100_000, kind="stage.changed")):
        summary.stage_changed(recorded.event.data)
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


def _look_next(directory: Path) -> list[str]:
    installed = os.path.relpath(Path(sys.prefix) / "bin" / "remit")
    remit = "remit" if installed.startswith("..") else installed
    home, export = os.path.relpath(directory / "company"), os.path.relpath(directory / "export")
    return [
        "Look next:",
        f"  {remit} --company {home} log --kind stage.changed   # how it rose and fell",
        f"  {remit} --company {home} verify                     # every proof",
        f"  python -I {export}/verify.py {export}       # the same, without remit",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="remit demo inquiries", description="Play the story of the inquiries.")
    parser.add_argument("--dir", type=Path, default=Path("inquiries-demo"), help="a new folder (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="the same with the messages of one group only")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    story = QUICK if options.quick else FULL
    shown: list[Point] = []

    def point(one: Point) -> None:
        if not options.json:
            lines = curve_lines([one], story.groups)
            print("\n".join(lines[2:] if shown else lines), flush=True)
        shown.append(one)

    def show(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    try:
        summary = play_story(options.dir.resolve(), story, show, point)
    except RemitError as error:
        print(f"{error}\n{error.advice}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps(asdict(summary), indent=2))
    else:
        lines = [*summary_lines(summary), "", *_look_next(options.dir.resolve())]
        print("\n" + "\n".join(lines))
    return 0 if summary.holds and not summary.certificates_wrong else 1


if __name__ == "__main__":
    sys.exit(main())
