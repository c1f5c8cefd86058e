"""Tests of policies, written beside them: *.cases.yaml. Each case is judged by the gate itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from remit.canonical import to_moment
from remit.document import Document, PathKey, duration_seconds, read_document
from remit.errors import BadInput, Finding
from remit.gate.cases_schema import CASES_SCHEMA
from remit.gate.decide import decide
from remit.gate.limits import counter_key
from remit.gate.matter import once_key
from remit.gate.policy import Rules
from remit.manifest.grant import ActionGrant, Manifest
from remit.vocabulary import Action, Decision, Fact, Grant, Halt, Scope, Standing

__all__ = ["CaseReport", "CaseResult", "run_cases"]

NOON: Final = "2026-01-05T12:00:00Z"
"""When a case happens that does not say: a Monday, in office hours."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: what was expected and what came out, both in words."""

    file: str
    line: int
    name: str
    expected: str
    got: str
    passed: bool


@dataclass(frozen=True, slots=True)
class CaseReport:
    """All cases that could be run, and everything wrong with those that could not."""

    results: tuple[CaseResult, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Say whether every case could be run and came out as expected; no case at all is no success."""
        return bool(self.results) and not self.findings and all(result.passed for result in self.results)


def run_cases(paths: Iterable[Path | str], rules: Rules, manifests: Iterable[Manifest]) -> CaseReport:
    """Judge every case in the files ``paths``."""
    agents = {manifest.agent: manifest for manifest in manifests}
    results: list[CaseResult] = []
    found: list[Finding] = []
    for path in paths:
        document, problems = read_document(path, CASES_SCHEMA)
        found += problems
        if document is None or problems:
            continue
        for index, case in enumerate(document.value["cases"]):
            outcome = _run(document, ("cases", index), case, rules, agents)
            if isinstance(outcome, CaseResult):
                results.append(outcome)
            else:
                found += outcome
    return CaseReport(tuple(results), tuple(found))


def _run(
    document: Document, path: PathKey, case: Mapping[str, Any], rules: Rules, agents: Mapping[str, Manifest]
) -> CaseResult | list[Finding]:
    manifest = agents.get(case["agent"])
    if manifest is None:
        known = f"known: {', '.join(sorted(agents)) or 'none'}"
        return [document.finding((*path, "agent"), f"no such agent: {case['agent']!r:.60}", known)]
    grant = manifest.actions.get(case["action"])
    found = [] if grant is None else _unknown_names(document, path, case, grant)
    try:
        now = to_moment(case.get("now", NOON))
        action = _action(case, manifest)
        facts = _facts(case, now)
        standing = _standing(case, manifest, grant, action, now)
    except BadInput as error:
        found.append(document.finding(path, str(error)))
    if found:
        return found
    decision = decide(rules, manifest, action, facts, standing)
    line, _ = document.places.get(path, (0, 0))
    expected, got, passed = _compared(case["expect"], decision)
    return CaseResult(document.file, line, case["name"], expected, got, passed)


def _unknown_names(document: Document, path: PathKey, case: Mapping[str, Any], grant: ActionGrant) -> list[Finding]:
    """A misspelt fact or limit would be a case that tests something else than it says."""
    found = []
    for key, names in (
        ("facts", [need.name for need in grant.facts]),
        ("used", [limit.name for limit in grant.limits]),
    ):
        for name in case.get(key, {}):
            if name not in names:
                what = f"{grant.name} has no {key.removesuffix('s').replace('used', 'limit')} {name!r:.60}"
                known = f"known: {', '.join(names) or 'none'}"
                found.append(document.finding((*path, key, name), what, known))
    return found


def _action(case: Mapping[str, Any], manifest: Manifest) -> Action:
    confidence = case.get("confidence")
    if confidence is not None:
        confidence = Decimal(confidence) * 10_000
        if confidence != confidence.to_integral_value():
            raise BadInput(f"confidence with more than four decimals: got {case['confidence']}")
    return Action(
        agent=case["agent"],
        version=manifest.version,
        name=case["action"],
        case="case",
        arguments=case.get("arguments", {}),
        confidence_bp=None if confidence is None else int(confidence),
    )


def _facts(case: Mapping[str, Any], now: datetime) -> dict[str, Fact]:
    facts = {}
    for name, given in case.get("facts", {}).items():
        body = given if isinstance(given, Mapping) else {"value": given}
        age = timedelta(seconds=duration_seconds(body.get("age", "0s")))
        facts[name] = Fact(name, body.get("value"), "case", name, now - age, None, body.get("problem", ""))
    return facts


def _standing(
    case: Mapping[str, Any], manifest: Manifest, grant: ActionGrant | None, action: Action, now: datetime
) -> Standing:
    used, done = {}, {}
    if grant is not None:
        for limit in grant.limits:
            key = counter_key(manifest, limit, action.arguments, now)
            if limit.name in case.get("used", {}) and key is not None:
                used[key] = case["used"][limit.name]
    grants = []
    for index, text in enumerate(case.get("approvals", ())):
        role, _, count = text.partition(":")
        grants += [Grant(role, f"reviewer {index}.{number}") for number in range(int(count or 1))]
    halts = [_halt(text, now) for text in case.get("halts", ())]
    claims = dict.fromkeys(case.get("claims", ()), "another action")
    if case.get("done", False) and grant is not None:
        held = once_key(grant, action.arguments)
        if held is not None:
            done[held] = "another action"
    return Standing(now, 0, tuple(halts), used, claims, done, tuple(grants))


def _halt(text: str, now: datetime) -> Halt:
    kind, _, value = text.partition(":")
    return Halt(f"halt {text}", Scope(kind, value), "a case", "a case", now)  # type: ignore[arg-type]


def _compared(expect: Mapping[str, Any], decision: Decision) -> tuple[str, str, bool]:
    """Expected and got in words, and whether they agree in everything that is expected."""
    expected: list[str] = [expect["verdict"]]
    got: list[str] = [decision.verdict]
    passed = expect["verdict"] == decision.verdict
    if "rule" in expect:
        spoke = [check.rule for check in decision.checks if check.verdict == decision.verdict]
        expected.append(f"by {expect['rule']}")
        passed = passed and expect["rule"] in spoke
    if "asks" in expect:
        asked = [ask.role if ask.count == 1 else f"{ask.role}:{ask.count}" for ask in decision.asks]
        wanted = sorted(text.removesuffix(":1") for text in expect["asks"])
        expected.append(f"asking {', '.join(wanted) or 'nobody'}")
        got.append(f"asking {', '.join(asked) or 'nobody'}")
        passed = passed and wanted == asked
    reasons = [
        f"{check.name} [{check.rule}] {check.reason}"
        for check in decision.checks
        if check.verdict == decision.verdict and check.verdict != "allow"
    ]
    return " ".join(expected), " ".join(got) + (f": {'; '.join(reasons)}" if reasons else ""), passed
