"""What the checks look at, worked out once: the matter before the judge. And how a check answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from remit.canonical import canonical, digest, digest_bytes, parse
from remit.document import compile_schema
from remit.errors import BadInput
from remit.gate.fact_form import sound_facts
from remit.gate.policy import Rules
from remit.gate.record import action_data
from remit.manifest.grant import ActionGrant, Manifest
from remit.manifest.template import fill_name
from remit.vocabulary import Action, Ask, Check, Fact, Json, Reserve, Standing, Verdict

__all__ = ["Matter", "Opinion", "cannot_check", "hear", "once_key", "one"]

ACTION_BYTES_MAX: Final = 65_536


class Opinion(NamedTuple):
    """What a check found: a verdict for each thing it looked at, whose word it needs, what it would draw."""

    checks: tuple[Check, ...]
    asks: tuple[Ask, ...] = ()
    reserves: tuple[Reserve, ...] = ()


class Matter(NamedTuple):
    """One action as it is judged.

    ``problem`` says why the arguments cannot be judged by, and is empty when they can; then ``touches`` and
    ``once_key`` are known. ``grant`` is None when the action is not in the remit. ``granted`` has the
    different people who said yes, by role, without those whose word does not count here.
    """

    rules: Rules
    manifest: Manifest
    action: Action
    grant: ActionGrant | None
    facts: Mapping[str, Fact]
    standing: Standing
    digest: str
    problem: str
    touches: tuple[str, ...]
    once_key: str | None
    granted: Mapping[str, frozenset[str]]

    def enough(self, role: str, count: int = 1) -> bool:
        """Say whether ``count`` different people have said yes in ``role``."""
        return len(self.granted.get(role, ())) >= count


@lru_cache(maxsize=4096)
def one(name: str, verdict: Verdict, rule: str, reason: str, facts: tuple[str, ...] = ()) -> Opinion:
    """The opinion of a check that looked at one thing and asks nobody."""
    return Opinion((Check(name, verdict, rule, reason, facts),))


def cannot_check(name: str, why: str) -> Opinion:
    """The opinion of a check that cannot be made, which denies."""
    return one(name, "deny", "cannot-check", f"cannot be checked: {why}")


@lru_cache(maxsize=4096)
def _argument_check(manifest: Manifest, action: str) -> Callable[[object], str | None]:
    return compile_schema(manifest.actions[action].arguments)


def hear(rules: Rules, manifest: Manifest, action: Action, facts: Mapping[str, Fact], standing: Standing) -> Matter:
    """Work out what the checks need of one action.

    Raises:
        BadInput: ``standing.now`` has no time zone.
    """
    if standing.now.tzinfo is None:
        raise BadInput(f"a standing needs a moment with a time zone: got {standing.now!r}")
    grant = manifest.actions.get(action.name)
    action_digest, problem = _recorded(action)
    if not problem and grant is None:
        problem = "the action is not in the remit"
    touches: tuple[str, ...] = ()
    key: str | None = None
    if not problem and grant is not None:
        problem = _ill_formed(manifest, action)
        if not problem:
            touches, key, problem = _names(grant, action.arguments)
    return Matter(
        rules,
        manifest,
        action,
        grant,
        sound_facts(facts),
        standing,
        action_digest,
        problem,
        touches,
        key,
        _granted(manifest, standing),
    )


def _ill_formed(manifest: Manifest, action: Action) -> str:
    """What is wrong with the arguments, in words that do not depend on the order they came in."""
    check = _argument_check(manifest, action.name)
    if check(action.arguments) is None:
        return ""
    return check(parse(canonical(action.arguments))) or "the arguments are not of the form asked for"


def _recorded(action: Action) -> tuple[str, str]:
    """The action's digest, or why it cannot be recorded and therefore not be judged."""
    try:
        data = canonical(action_data(action))
    except BadInput as error:
        return "", str(error)
    if len(data) > ACTION_BYTES_MAX:
        return "", f"larger than {ACTION_BYTES_MAX} bytes: got {len(data)}"
    return digest_bytes(data), ""


def _names(grant: ActionGrant, arguments: Mapping[str, Json]) -> tuple[tuple[str, ...], str | None, str]:
    touches = []
    for template in grant.touches:
        name = fill_name(template, arguments)
        if name is None:
            return (), None, f"touches {template}, and an argument of it is absent"
        touches.append(name)
    return tuple(dict.fromkeys(touches)), once_key(grant, arguments), ""


def once_key(grant: ActionGrant, arguments: Mapping[str, Json]) -> str | None:
    """The key that one effect at most may hold: ``once/<action>/<digest>``; None when the remit asks none."""
    if not grant.once:
        return None
    values: dict[str, Any] = {name: arguments.get(name) for name in grant.once}
    return f"once/{grant.name}/{digest(values)}"


def _granted(manifest: Manifest, standing: Standing) -> dict[str, frozenset[str]]:
    if not standing.grants:
        return {}
    people: dict[str, set[str]] = {}
    for grant in standing.grants:
        # Nobody's word counts on what they built, nor an agent's on what it proposes.
        if grant.person and grant.person != manifest.agent and grant.person not in manifest.built_by:
            people.setdefault(grant.role, set()).add(grant.person)
    return {role: frozenset(names) for role, names in people.items()}
