"""Verbs to set up: init, check, agents, policy test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from remit.faces.as_json import agents_json, finding_json
from remit.faces.cli_options import AsJson, CompanyFolder, has_home
from remit.faces.terminal import count, say, say_json, table

if TYPE_CHECKING:
    from remit.errors import Finding

__all__ = ["agents", "check", "init", "policy"]


def init(
    folder: Annotated[Path, Parameter(validator=has_home, help="Where to write it; made when absent.")] = Path(), /
) -> int:
    """Write a first company that passes `remit check`."""
    from remit.app import init_company

    for path in init_company(folder):
        say(f"wrote {_near(str(path))}")
    there = "" if folder == Path() else f" --company {folder}"
    say(f"\nNext: remit{there} check, then remit{there} policy test", "dim")
    return 0


def check(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """Check everything a person wrote, by file, line and column."""
    from remit.app import check_company

    report = check_company(company)
    if as_json:
        say_json({
            "holds": report.holds, "agents": report.agents, "rules": report.rules, "systems": report.systems,
            "sources": report.sources,
            "findings": [finding_json(finding) for finding in report.findings],
        })  # fmt: skip
        return 0 if report.holds else 2
    for finding in report.findings:
        say(_line(finding), "yellow" if finding.severity == "warning" else "red")
    errors = sum(finding.severity == "error" for finding in report.findings)
    found = f"{count(errors, 'error')}, {count(len(report.findings) - errors, 'warning')}"
    parts = f"{count(report.agents, 'agent')}, {count(report.rules, 'rule')}, {count(report.systems, 'system')}"
    parts += f", {count(report.sources, 'source')}" if report.sources else ""
    say(f"{parts}: {found}")
    return 0 if report.holds else 2


def _line(finding: Finding) -> str:
    word = "warning: " if finding.severity == "warning" else ""
    place = _near(finding.file) + (f":{finding.line}:{finding.column}" if finding.line else "")
    return f"{place}  {word}{finding.what}" + (f"  ({finding.advice})" if finding.advice else "")


def _near(file: str) -> str:
    """``file`` as seen from here, where it lies below."""
    here = str(Path.cwd())
    return file[len(here) + 1 :] if file.startswith(f"{here}{os.sep}") else file


def agents(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """List the agents, who answers for them, and what they may do."""
    from remit.app import open_company

    with open_company(company, "agents") as control:
        manifests = sorted(control.law.manifests.values(), key=lambda manifest: manifest.agent)
        if as_json:
            say_json(agents_json(control))
            return 0
    table(
        ("agent", "version", "owner", "department", "actions", "purpose"),
        [(one.agent, one.version, one.owner, one.department, ", ".join(one.actions), one.purpose) for one in manifests],
    )
    return 0


policy = App(name="policy", help="Test the policies against the cases beside them.")


@policy.command
def test(
    *names: Annotated[str, Parameter(help="Only files whose name contains one of these.")],
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
) -> int:
    """Judge every case in policies/*.cases.yaml and compare with what it expects."""
    from remit.app import run_policy_cases

    report = run_policy_cases(company, names)
    if as_json:
        say_json({
            "passed": report.passed,
            "cases": [
                {"file": result.file, "line": result.line, "name": result.name, "expected": result.expected,
                 "got": result.got, "passed": result.passed}
                for result in report.results
            ],
            "findings": [finding_json(finding) for finding in report.findings],
        })  # fmt: skip
        return 0 if report.passed else 2
    for finding in report.findings:
        say(_line(finding), "red")
    for result in report.results:
        if not result.passed:
            say(f"{_near(result.file)}:{result.line}  {result.name}", "red")
            say(f"  expected  {result.expected}\n  got       {result.got}")
    passed = sum(result.passed for result in report.results)
    say(f"{count(len(report.results), 'case')}: {passed} passed, {len(report.results) - passed} failed")
    return 0 if report.passed else 2
