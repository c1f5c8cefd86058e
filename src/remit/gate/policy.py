"""The rules of a company: read, validated against its manifests, held parsed, one slice for each action."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from remit.canonical import canonical, digest, parse
from remit.errors import BadInput, BadPolicy, Finding
from remit.gate.cedar import schema_problems
from remit.gate.cedar_schema import action_context, cedar_schema
from remit.gate.cedar_text import split_statements
from remit.gate.dead_rules import can_permit, cells_of, dead_rules
from remit.gate.policy_rule import PolicyRule, read_rule
from remit.gate.policy_slice import PolicySlice, slice_for
from remit.manifest.grant import Manifest

__all__ = ["SCHEMA_FILE", "Rules"]

SCHEMA_FILE: Final = "remit.cedarschema.json"
"""The name under which the generated schema stands among the recorded texts."""
CHARACTERS_MAX: Final = 1_048_576
RULES_MAX: Final = 5000


class Rules:
    """A rule set, which does not change once it is made.

    ``texts`` is all that is needed to have it again, ``digest`` its fingerprint. ``findings`` are warnings:
    rules that never make a difference.
    """

    def __init__(
        self,
        rules: Sequence[PolicyRule],
        schema: Mapping[str, Any],
        texts: Mapping[str, str],
        findings: Iterable[Finding] = (),
    ):
        self.rules = tuple(rules)
        self.texts = dict(texts)
        self.findings = tuple(findings)
        self.digest = digest([[name, texts[name]] for name in sorted(texts)])
        self._schema = schema
        self._slices: dict[str, PolicySlice | None] = {}

    @classmethod
    def load(cls, files: Mapping[str, str], manifests: Iterable[Manifest]) -> Rules:
        """Take policy texts, by file name, into use for these manifests.

        Raises:
            BadPolicy: with everything that is wrong, by file, line and column.
        """
        manifests = tuple(manifests)
        rules, found = _read(files)
        schema, conflicts = cedar_schema(manifests)
        found += conflicts
        if not conflicts:
            found += _validated(rules, schema)
            found += dead_rules(rules, cells_of(manifests, schema))
        _refuse_errors(found)
        texts = {**files, SCHEMA_FILE: canonical(schema).decode()}
        return cls(rules, schema, texts, _in_order(found))

    @classmethod
    def reload(cls, texts: Mapping[str, str]) -> Rules:
        """Have a recorded rule set again; its schema is the recorded one, whatever the manifests say today.

        Raises:
            BadPolicy: the texts are not those of a rule set.
        """
        rules, found = _read({name: text for name, text in texts.items() if name != SCHEMA_FILE})
        schema: Any = {}
        try:
            schema = parse(texts.get(SCHEMA_FILE, ""))
            if not isinstance(schema, dict):
                raise BadInput("not an object")
            found += _validated(rules, schema)
        except BadInput as error:
            found.append(Finding(SCHEMA_FILE, 0, 0, f"not a recorded schema: {error}"))
        _refuse_errors(found)
        return cls(rules, schema, texts)

    def can_permit(self, manifest: Manifest, action: str) -> bool:
        """Whether any rule permits ``action`` to the agent of ``manifest`` in any case at all."""
        cells = cells_of([manifest], self._schema)
        return any(can_permit(self.rules, cell) for cell in cells if cell.action == action)

    def slice(self, action: str) -> PolicySlice | None:
        """The rules that can speak on ``action``, ready to be asked; None when there are none."""
        if action not in self._slices:
            context = action_context(self._schema, action)
            if context is None:
                return None
            # Two threads may build the same slice at once: they are equal, and the last one stays.
            self._slices[action] = slice_for(action, self.rules, context)
        return self._slices[action]


def _refuse_errors(found: list[Finding]) -> None:
    if any(one.severity == "error" for one in found):
        raise BadPolicy(_in_order(found))


def _in_order(found: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(found), key=lambda one: (one.file, one.line, one.column, one.what)))


def _read(files: Mapping[str, str]) -> tuple[list[PolicyRule], list[Finding]]:
    rules: dict[str, PolicyRule] = {}
    found: list[Finding] = []
    for file in sorted(files):
        problem = _unreadable(file, files[file])
        if problem:
            found.append(Finding(file, 0, 0, problem))
            continue
        statements, problems = split_statements(file, files[file])
        found += problems
        if len(rules) + len(statements) > RULES_MAX:
            found.append(Finding(file, 0, 0, f"more than {RULES_MAX} rules in all"))
            continue
        for statement in statements:
            rule, problems = read_rule(statement)
            found += problems
            if rule is None:
                continue
            other = rules.setdefault(rule.id, rule)
            if other is not rule:
                what = f"@id {rule.id!r} stands in {other.statement.file}:{other.statement.line} too"
                found.append(statement.finding(statement.offset_of("@", "id"), what, "give it another"))
    return list(rules.values()), found


def _unreadable(file: str, text: str) -> str:
    if file == SCHEMA_FILE:
        return "this name is taken by the generated schema"
    if len(text) > CHARACTERS_MAX:
        return f"larger than {CHARACTERS_MAX} characters: got {len(text)}"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "a lone surrogate is not text"
    return ""


def _validated(rules: Sequence[PolicyRule], schema: Mapping[str, Any]) -> list[Finding]:
    found = []
    for place, words in schema_problems([rule.statement.text for rule in rules], schema) if rules else ():
        rule = rules[place]
        advice = "write Remit::" if "unrecognized" in words and "Remit::" not in words else ""
        if "optional attribute" in words:
            advice = "ask `has` first"
        offset = rule.statement.quoted_offset(words)
        found.append(rule.statement.finding(offset, f"rule {rule.id}: {words}"[:400], advice))
    return found
