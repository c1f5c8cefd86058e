"""The one place that speaks to the Cedar engine. Above it, policies are plain JSON in Cedar's own format.

Cedar skips a policy that errors, so a forbid that errors would fail open: `ask` reports every error and its
caller denies. Every request is checked against a schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from remit.canonical import canonical, canonical_sound
from remit.errors import BadInput

__all__ = ["CedarAnswer", "CedarEngine", "agent_entities", "cedar_request", "policy_data", "schema_problems"]

_POLICY_ID: Final = re.compile(r"\bpolicy(\d+)\b")


class CedarAnswer(NamedTuple):
    """What Cedar said. ``fired`` and ``failed`` are places in the engine's list of policies, in order.

    ``outcome`` is none when the request could not be evaluated at all.
    """

    outcome: Literal["allow", "deny", "none"]
    fired: tuple[int, ...]
    failed: tuple[int, ...]
    errors: bool


def policy_data(text: str) -> dict[str, Any]:
    """One policy as Cedar's JSON.

    Raises:
        BadInput: with Cedar's words, when ``text`` is not exactly one static policy.
    """
    import cedarpy

    try:
        data = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise BadInput(str(error)) from None
    except RecursionError:
        raise BadInput("nested too deep") from None
    if data["templates"]:
        raise BadInput("a template (?principal, ?resource) is not taken: name whom the rule is about")
    if len(data["staticPolicies"]) != 1:
        raise BadInput("not one rule")
    policy: dict[str, Any] = next(iter(data["staticPolicies"].values()))
    return policy


def schema_problems(texts: Sequence[str], schema: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Check policies against ``schema`` in strict mode: (place in ``texts``, Cedar's words) for each problem.

    Raises:
        BadInput: ``schema`` itself is not one.
    """
    import cedarpy

    try:
        result = cedarpy.validate_policies("\n".join(texts), _schema(schema))
    except (ValueError, RuntimeError) as error:
        raise BadInput(f"not a Cedar schema: {error}") from None
    found = []
    for problem in result.errors:
        match = _POLICY_ID.search(problem.policy_id or problem.error)
        words = re.sub(r"^for policy `policy\d+`, ", "", problem.error)
        found.append((int(match[1]) if match else 0, words))
    if not result.validation_passed and not found:
        found.append((0, "the rules do not fit the schema"))
    return found


def _schema(schema: Mapping[str, Any]) -> Any:
    import cedarpy

    return cedarpy.Schema.from_json_str(canonical(schema).decode())


@lru_cache(maxsize=4096)
def agent_entities(agent: str, department: str) -> Any:
    """What Cedar needs to know about an agent: the department it is in."""
    import cedarpy

    parent = {"type": "Remit::Department", "id": department}
    agent_entity = {"uid": {"type": "Remit::Agent", "id": agent}, "attrs": {}, "parents": [parent]}
    return cedarpy.Entities.from_json_str(json.dumps([agent_entity]))


@lru_cache(maxsize=4096)
def cedar_request(agent: str, action: str, system: str) -> Mapping[str, Any]:
    """Who asks for what on which system, in the form that Cedar parses fastest; without its context."""
    return {
        "principal": {"type": "Remit::Agent", "id": agent},
        "action": {"type": "Remit::Action", "id": action},
        "resource": {"type": "Remit::System", "id": system},
    }


class CedarEngine:
    """Policies and the schema of their requests, parsed once and held."""

    __slots__ = ("_allow", "_deny", "_is_authorized", "_policies", "_schema")

    def __init__(self, texts: Sequence[str], schema: Mapping[str, Any]):
        import cedarpy

        self._is_authorized = cedarpy.is_authorized
        self._allow, self._deny = cedarpy.Decision.Allow, cedarpy.Decision.Deny
        self._policies = cedarpy.PolicySet.from_str("\n".join(texts))
        self._schema = _schema(schema)

    def ask(self, request: Mapping[str, Any], entities: Any, context: Mapping[str, Any]) -> CedarAnswer:
        """Evaluate one request. Never raises for what stands in it: what cannot be evaluated is ``none``."""
        try:
            body = {**request, "context": canonical_sound(context).decode()}
            result = self._is_authorized(body, self._policies, entities, self._schema)
        except (BadInput, ValueError, TypeError, RuntimeError):
            return CedarAnswer("none", (), (), True)
        diagnostics = result.diagnostics
        errors = diagnostics.errors
        failed = _places(_POLICY_ID.findall("\n".join(errors))) if errors else ()
        fired = _places([policy_id.removeprefix("policy") for policy_id in diagnostics.reasons])
        decision = result.decision
        if decision is self._allow:
            return CedarAnswer("allow", fired, failed, bool(errors))
        if decision is self._deny:
            return CedarAnswer("deny", fired, failed, bool(errors))
        return CedarAnswer("none", fired, failed, True)


def _places(numbers: list[str]) -> tuple[int, ...]:
    if len(numbers) == 1:
        return (int(numbers[0]),)
    return tuple(sorted({int(number) for number in numbers}))
