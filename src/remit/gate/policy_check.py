"""Do the company's rules allow it, ask for somebody's word, or forbid it?

An approval rule is a forbid that approvals lift. The request is evaluated without any approval first, so that
what is needed does not depend on what was given; then with all that is needed, to see that it would lift;
then with what was really given. Errors, no decision and no permit deny; a forbid without approval denies,
whatever was granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from remit.gate.cedar import CedarAnswer, agent_entities, cedar_request
from remit.gate.matter import Matter, Opinion, cannot_check, one
from remit.gate.policy_context import policy_context
from remit.gate.policy_rule import PolicyRule
from remit.gate.policy_slice import PolicySlice
from remit.manifest.grant import ActionGrant
from remit.vocabulary import Ask, Check, Verdict

__all__ = ["check_policy"]

PASSES_MAX: Final = 8


def check_policy(matter: Matter) -> Opinion:
    """Ask Cedar, with exactly what the action's rules read."""
    grant = matter.grant
    if grant is None or matter.problem:
        return cannot_check("policy", matter.problem)
    rules = matter.rules.slice(grant.name)
    if rules is None:
        return one("policy", "deny", "no-permit", "no rule speaks on this action")
    return _Inquiry(matter, grant, rules).opinion()


class _Inquiry:
    """One matter before Cedar: the request is built once and asked with different approvals."""

    __slots__ = ("_context", "_entities", "_first", "_matter", "_request", "_rules", "_slice")

    def __init__(self, matter: Matter, grant: ActionGrant, rules: PolicySlice):
        manifest = matter.manifest
        self._matter = matter
        self._slice = rules
        self._rules = rules.rules
        self._context = policy_context(matter, grant, rules)
        self._entities = agent_entities(manifest.agent, manifest.department)
        self._request = cedar_request(manifest.agent, grant.name, grant.system)
        self._first = self._ask(())

    def opinion(self) -> Opinion:
        needed: dict[str, int] = {}
        spoke: set[int] = set()
        answer = self._first
        for _ in range(PASSES_MAX):
            refusal = self._refusal(answer)
            if refusal is not None:
                return refusal
            if answer.outcome == "allow":
                return self._as_granted(answer, spoke, needed)
            spoke.update(answer.fired)
            wanted = _merged(needed, [ask for place in answer.fired for ask in self._rules[place].approvers])
            if wanted == needed:
                break
            needed = wanted
            answer = self._ask(needed)
        firing = [self._rules[place] for place in answer.fired]
        return Opinion(tuple(_check(rule, "deny", f"{rule.reason}; no approval lifts it") for rule in firing))

    def _ask(self, approvals: Iterable[str]) -> CedarAnswer:
        context = self._context
        if "approvals" in self._slice.reads:
            context = {**context, "approvals": sorted(approvals)}
        return self._slice.engine.ask(self._request, self._entities, context)

    def _refusal(self, answer: CedarAnswer) -> Opinion | None:
        """The opinion on an answer that no approval can change; None for any other."""
        if answer.errors or answer.outcome == "none":
            failed = [self._rules[place] for place in answer.failed]
            why = "the rule cannot be evaluated"
            if failed:
                return Opinion(tuple(_check(rule, "deny", f"{rule.reason}; {why}") for rule in failed))
            return cannot_check("policy", "the request cannot be evaluated")
        if answer.outcome == "allow":
            return None
        if not answer.fired:
            return one("policy", "deny", "no-permit", "no rule permits this")
        firm = [self._rules[place] for place in answer.fired if self._rules[place].effect != "approve"]
        return Opinion(tuple(_check(rule, "deny", rule.reason) for rule in firm)) if firm else None

    def _as_granted(self, answer: CedarAnswer, spoke: set[int], needed: Mapping[str, int]) -> Opinion:
        """It would pass with all that is ``needed``: see how far what was granted goes."""
        given = [role for role, count in needed.items() if self._matter.enough(role, count)]
        if len(given) < len(needed):
            answer = self._ask(given) if given else self._first
            refusal = self._refusal(answer)
            if refusal is not None:
                return refusal
        if answer.outcome == "allow":
            permits = [self._slice.allowing[place] for place in answer.fired]
            return Opinion((*permits, *self._lifted(spoke)))
        firing = [self._rules[place] for place in answer.fired]
        missing = [
            replace(ask, count=needed.get(ask.role, ask.count))
            for rule in firing
            for ask in rule.approvers
            if ask.role not in given
        ]
        counts = _merged({}, missing)
        asks = tuple(Ask(role, counts[role]) for role in sorted(counts))
        waiting = [_check(rule, "escalate" if asks else "deny", rule.reason) for rule in firing]
        return Opinion((*waiting, *self._lifted(spoke.difference(answer.fired))), asks)

    def _lifted(self, places: Iterable[int]) -> Sequence[Check]:
        rules = [self._rules[place] for place in sorted(places)]
        return [_check(rule, "allow", f"{rule.reason}; approved") for rule in rules]


def _merged(needed: Mapping[str, int], asks: Iterable[Ask]) -> dict[str, int]:
    merged = dict(needed)
    for ask in asks:
        merged[ask.role] = max(merged.get(ask.role, 0), ask.count)
    return merged


def _check(rule: PolicyRule, verdict: Verdict, reason: str) -> Check:
    return Check("policy", verdict, rule.id, reason, rule.facts)
