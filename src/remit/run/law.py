"""The law: manifests, policies, systems and people as texts, from a company's folder or from the ledger.

What is judged by is always read back from the ledger, where every text that was ever in use is kept. So all processes
judge by the same law, and a decision can be judged again years later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from remit.canonical import canonical, digest_bytes
from remit.connectors.system_file import SystemFile
from remit.connectors.systems import load_system
from remit.errors import BadCompany, BadInput, BadManifest, BadPolicy, BadSystem, Finding
from remit.gate.policy import SCHEMA_FILE, Rules
from remit.manifest.autonomy import PROMOTE
from remit.manifest.company import Company
from remit.manifest.grant import Manifest
from remit.manifest.lint import lint
from remit.manifest.load import load_manifest
from remit.manifest.people import People, load_people
from remit.vocabulary import Event

__all__ = ["OWN_SYSTEM", "SORTS", "Law", "Texts", "check_law", "kept_events", "law_of", "read_texts", "texts_to_keep"]

SORTS: Final = ("manifests", "people", "policies", "sources", "systems")
FILE_BYTES_MAX: Final = 1_048_576
OWN_SYSTEM: Final = "remit"
"""The system that nobody describes: remit itself, which promotes and merges through the gate like anybody."""

Texts = Mapping[str, str]
"""For each of `SORTS`, the files of that sort as one canonical JSON object: file name to text."""


@dataclass(frozen=True, slots=True)
class Law:
    """All that is in use, taken together: an action is judged by one law or the other, never by a mixture."""

    manifests: Mapping[str, Manifest]
    rules: Rules
    systems: Mapping[str, SystemFile]
    people: People
    sources: Mapping[str, str]
    """Descriptions of the sources of knowledge, as texts by file name; the knowledge room reads them."""

    def manifest(self, agent: str) -> Manifest:
        """Return the manifest of ``agent``.

        Raises:
            BadInput: no such agent.
        """
        try:
            return self.manifests[agent]
        except KeyError:
            known = ", ".join(sorted(self.manifests)) or "none"
            raise BadInput(f"agent: got {agent!r:.80}, known: {known}") from None


def read_texts(company: Company) -> Texts:
    """Read the folder's files as they are now.

    Raises:
        BadInput: a file cannot be read as UTF-8 text, or is larger than 1 MiB.
    """
    return {
        "manifests": _files(company.folder, sorted(company.agents.glob("*.yaml"))),
        "people": _files(company.folder, [company.people] if company.people.exists() else []),
        "policies": _files(company.folder, sorted(company.policies.glob("*.cedar"))),
        "sources": _files(company.folder, sorted(company.sources.glob("*.yaml"))),
        "systems": _files(company.folder, sorted(company.systems.glob("*.yaml"))),
    }


def _files(root: Path, paths: list[Path]) -> str:
    texts = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            data = path.read_bytes()
            if len(data) > FILE_BYTES_MAX:
                raise BadInput(f"{name}: {len(data)} bytes, at most {FILE_BYTES_MAX} are taken")
            texts[name] = data.decode("utf-8-sig")
        except OSError as error:
            raise BadInput(f"{name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise BadInput(f"{name}: not UTF-8 at byte {error.start}") from None
    return canonical(texts).decode()


def law_of(texts: Texts) -> Law:
    """Build the law from its texts.

    Raises:
        BadManifest, BadPolicy, BadSystem, BadCompany: with everything wrong in the first sort that has something wrong.
    """
    files = {sort: orjson.loads(texts.get(sort, "{}")) for sort in SORTS}
    people = People({})
    for name, text in files["people"].items():
        people = load_people(name, text)
    loaded = [load_manifest(name, text) for name, text in files["manifests"].items()]
    manifests = {manifest.agent: manifest for manifest in loaded}
    if len(manifests) != len(loaded):
        raise BadInput("an agent stands in two manifests; run `remit check`")
    systems = {system.name: system for system in (load_system(name, text) for name, text in files["systems"].items())}
    rules = _rules(files["policies"], manifests)
    return Law(manifests, rules, systems, people, files["sources"])


def _rules(texts: Mapping[str, str], manifests: Mapping[str, Manifest]) -> Rules:
    if SCHEMA_FILE in texts:  # as recorded: judged by the schema of then, whatever is generated today
        return Rules.reload(texts)
    return Rules.load(texts, tuple(manifests[agent] for agent in sorted(manifests)))


def texts_to_keep(texts: Texts, law: Law) -> Texts:
    """Return what goes on record for ``law``, made of ``texts``: the rules with the schema they were read by."""
    return {**texts, "policies": canonical(law.rules.texts).decode()}


def kept_events(texts: Texts, in_use: Mapping[str, str], actor: str) -> tuple[Event, ...]:
    """Return the events that take ``texts`` into use where their digests differ from those ``in_use`` by sort."""
    events = []
    for sort in SORTS:
        digest = digest_bytes(texts[sort].encode())
        if texts[sort] == "{}" and f"{sort}/all" not in in_use:
            continue  # nothing of this sort was ever in use
        if in_use.get(f"{sort}/all") != digest:
            events.append(
                Event("document.kept", actor, {"sort": sort, "name": "all", "digest": digest, "text": texts[sort]})
            )
    return tuple(events)


def check_law(company: Company) -> tuple[tuple[Finding, ...], int, int, int]:
    """Find everything that is wrong in a company's files, warnings included; also count agents, rules and systems."""
    findings: list[Finding] = []
    people = People({})
    if company.people.exists():
        try:
            people = load_people(company.people)
        except BadCompany as error:
            findings += error.findings
    else:
        findings.append(Finding("people.yaml", 0, 0, "is missing: nobody can answer", "name people and their roles"))
    manifests = []
    for path in sorted(company.agents.glob("*.yaml")):
        try:
            manifests.append(load_manifest(path, people=people if people.persons else None))
            findings += lint(manifests[-1])
        except BadManifest as error:
            findings += error.findings
    systems = {}
    for path in sorted(company.systems.glob("*.yaml")):
        try:
            system = load_system(path)
            systems[system.name] = system
            findings += system.warnings
        except BadSystem as error:
            findings += error.findings
    rules = _check_rules(company, manifests, findings)
    findings += _unknown_systems(manifests, systems)
    return tuple(findings), len(manifests), rules, len(systems)


def _check_rules(company: Company, manifests: list[Manifest], findings: list[Finding]) -> int:
    texts = {str(path): path.read_text("utf-8", "replace") for path in sorted(company.policies.glob("*.cedar"))}
    if not texts:
        findings.append(Finding("policies/", 0, 0, "no rule: everything is denied", "write a permit", "warning"))
    if any(finding.severity == "error" for finding in findings):
        return 0  # rules are checked against the manifests, which cannot be read yet
    try:
        rules = Rules.load(texts, tuple(manifests))
    except BadPolicy as error:
        findings += error.findings
        return 0
    findings += rules.findings
    findings += [
        Finding(
            manifest.file, 0, 0, f"{PROMOTE}: no policy permits it, so no autonomy that is earned is ever granted",
            f'permit (principal, action == Remit::Action::"{PROMOTE}", resource == Remit::System::"{OWN_SYSTEM}");',
            "warning",
        )
        for manifest in manifests
        if PROMOTE in manifest.actions and not rules.can_permit(manifest, PROMOTE)
    ]  # fmt: skip
    return len(rules.rules)


def _unknown_systems(manifests: list[Manifest], systems: Mapping[str, SystemFile]) -> list[Finding]:
    found = []
    for manifest in manifests:
        for grant in manifest.actions.values():
            asked = {need.system for need in grant.facts if not need.about}
            for name in sorted({grant.system, *asked} - set(systems) - {OWN_SYSTEM}):
                what = f"{grant.name}: system {name!r} is not described in systems/"
                known = f"described: {', '.join(sorted(systems)) or 'none'}"
                found.append(Finding(manifest.file, 0, 0, what, known))
    return found
