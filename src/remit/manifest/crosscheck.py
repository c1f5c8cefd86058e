"""What a manifest's schema cannot say: names that must exist, types that must fit, words that need others.

Every function takes the document as it is, also when it is malformed elsewhere, so that one run finds
everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from remit.document import Document, PathKey
from remit.errors import Finding
from remit.manifest.argument_schema import argument_findings
from remit.manifest.autonomy import PROMOTE
from remit.manifest.people import People
from remit.manifest.template import names_in

__all__ = ["cross_findings", "people_findings"]

_NAME: Final = re.compile(r"[$]([A-Za-z][A-Za-z0-9_]*)")
_GROUPS: Final = ("agent", "department")


def cross_findings(document: Document) -> list[Finding]:
    """Everything wrong that needs more than one place of the file to see."""
    root = _map(document.value)
    found = list(_confidence(document, root))
    if "promotion" not in root and any("autonomy" in _map(action) for action in _map(root.get("actions")).values()):
        found.append(
            document.finding(
                (), "autonomy is earned here, and `promotion` is missing", "say who signs: `promotion: {ask: owner}`"
            )
        )
    actions = _map(root.get("actions"))
    counters: dict[str, tuple[object, ...]] = {}
    for name, action in actions.items():
        path: PathKey = ("actions", name)
        body = _map(action)
        found += argument_findings(document, (*path, "arguments"), body.get("arguments"))
        found += _references(document, path, body)
        found += _personal(document, path, body)
        found += _oversight(document, path, body, actions)
        found += _facts(document, path, body)
        found += _limits(document, path, body, counters)
    return found


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _arguments(action: Mapping[str, Any]) -> Mapping[str, Any]:
    return _map(_map(action.get("arguments")).get("properties"))


def _type_of(schema: object) -> str:
    body = _map(schema)
    if isinstance(body.get("type"), str):
        return str(body["type"])
    members = _list(body.get("enum"))
    return "integer" if members and all(type(member) is int for member in members) else "string"


def _confidence(document: Document, root: Mapping[str, Any]) -> Iterator[Finding]:
    at_least = _map(root.get("confidence")).get("at_least")
    if isinstance(at_least, Decimal | int) and not isinstance(at_least, bool):
        basis_points = Decimal(at_least) * 10_000
        if basis_points != basis_points.to_integral_value():
            yield document.finding(
                ("confidence", "at_least"),
                f"more than four decimals: got {at_least}",
                "basis points are the unit",
            )


def _known(document: Document, path: PathKey, name: object, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    if isinstance(name, str) and name not in arguments:
        advice = f"arguments: {', '.join(sorted(arguments)) or 'none'}"
        yield document.finding(path, f"no such argument: {name!r:.60}", advice)


def _template(document: Document, path: PathKey, text: object, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    for name in names_in(text):
        yield from _known(document, path, name, arguments)
        if name in arguments and _type_of(arguments[name]) not in ("string", "integer", "boolean"):
            yield document.finding(
                path, f"${name} is a {_type_of(arguments[name])}; only one value can stand in a text"
            )
    if isinstance(text, str) and "$" in _NAME.sub("", text):
        yield document.finding(path, "`$` without a name", "write $name, with the name of an argument")


def _references(document: Document, path: PathKey, action: Mapping[str, Any]) -> Iterator[Finding]:
    arguments = _arguments(action)
    required = [name for name in _list(_map(action.get("arguments")).get("required")) if isinstance(name, str)]
    amount = action.get("amount")
    yield from _known(document, (*path, "amount"), amount, arguments)
    if isinstance(amount, str) and amount in arguments and _type_of(arguments[amount]) != "integer":
        yield document.finding(
            (*path, "amount"), f"{amount} is a {_type_of(arguments[amount])}; an amount is an integer"
        )
    for index, name in enumerate(_list(action.get("once"))):
        yield from _known(document, (*path, "once", index), name, arguments)
        if isinstance(name, str) and name in arguments and name not in required:
            yield document.finding((*path, "once", index), f"{name} may be absent", "add it to `required`")
    for index, template in enumerate(_list(action.get("touches"))):
        where = (*path, "touches", index)
        yield from _template(document, where, template, arguments)
        for name in names_in(template):
            if name in arguments and name not in required:
                yield document.finding(where, f"${name} may be absent", "add it to `required`")


def _personal(document: Document, path: PathKey, action: Mapping[str, Any]) -> Iterator[Finding]:
    """What is personal is kept beside the ledger, so nothing that is written into it may be made of it."""
    arguments, personal = _arguments(action), _map(action.get("personal"))
    for name, subject in personal.items():
        yield from _known(document, (*path, "personal", name), name, arguments)
        yield from _template(document, (*path, "personal", name), subject, arguments)
    groups: list[tuple[PathKey, Any]] = [
        (("limits", index), _list(_map(limit).get("per"))) for index, limit in enumerate(_list(action.get("limits")))
    ]
    touched: list[tuple[PathKey, Any]] = [
        (("touches", index), names_in(text)) for index, text in enumerate(_list(action.get("touches")))
    ]
    subjects: list[tuple[PathKey, Any]] = [
        (("personal", name), names_in(subject)) for name, subject in personal.items()
    ]
    for where, names in [*groups, *touched, *subjects]:
        for name in names:
            if isinstance(name, str) and name in personal:
                advice = "use an argument that names nobody"
                yield document.finding((*path, *where), f"{name} is personal and would be written here", advice)


def _oversight(
    document: Document, path: PathKey, action: Mapping[str, Any], actions: Mapping[str, Any]
) -> Iterator[Finding]:
    if action.get("oversight") == "in_the_loop" and "ask" not in action:
        yield document.finding((*path, "oversight"), "in_the_loop needs `ask`", "name the role that approves")
    yield from _earned(document, path, action)
    undo = action.get("undo")
    if isinstance(undo, str) and undo not in actions:
        yield document.finding((*path, "undo"), f"no such action in this remit: {undo!r:.60}", "grant it here too")
    if undo is not None and action.get("irreversible") is True:
        yield document.finding((*path, "irreversible"), "an action with `undo` is not irreversible", "keep one of them")


def _earned(document: Document, path: PathKey, action: Mapping[str, Any]) -> Iterator[Finding]:
    terms, earned = action.get("autonomy"), action.get("oversight") == "earned"
    if path[-1] == PROMOTE:
        yield document.finding(path, f"{PROMOTE} is in the remit already where autonomy can be earned", "remove it")
    if earned and terms is None:
        yield document.finding((*path, "oversight"), "earned needs `autonomy`", "say what is promised")
    if not earned and terms is not None:
        yield document.finding((*path, "autonomy"), "`autonomy` without `oversight: earned` never applies", "say so")
    if earned and "ask" not in action:
        yield document.finding((*path, "oversight"), "earned needs `ask`", "name the role that decides until then")
    body, arguments = _map(terms), _arguments(action)
    yield from _known(document, (*path, "autonomy", "class"), body.get("class"), arguments)
    yield from _template(
        document, (*path, "autonomy", "outcome", "about"), _map(body.get("outcome")).get("about"), arguments
    )
    for key in ("promise", "sure", "supervise_at", "review", "maintenance", "probes"):
        share = body.get(key)
        if isinstance(share, Decimal | float) and Decimal(share) * 10_000 != int(Decimal(share) * 10_000):
            yield document.finding(
                (*path, "autonomy", key), f"more than four decimals: got {share}", "basis points are the unit"
            )


def _facts(document: Document, path: PathKey, action: Mapping[str, Any]) -> Iterator[Finding]:
    arguments = _arguments(action)
    for name, fact in _map(action.get("facts")).items():
        where, body = (*path, "facts", name), _map(fact)
        graph = [key for key in ("about", "get") if key in body]
        if ("read" in body) == bool(graph) or len(graph) == 1:
            advice = "ask a system (`read: SYSTEM.READ`) or the graph (`about: TYPE/$key` and `get: property`)"
            yield document.finding(where, f"fact {name}: it is not said where to read it", advice)
        yield from _template(document, (*where, "about"), body.get("about"), arguments)
        if "absent" in body and "about" not in body:
            yield document.finding((*where, "absent"), "`absent` is for facts of the graph", "say `about` and `get`")
        if body.get("stale") == "refresh" and "about" not in body:
            yield document.finding((*where, "stale"), "`refresh` is for facts of the graph", "a system is always asked")
        for key, value in _map(body.get("with")).items():
            yield from _template(document, (*where, "with", key), value, arguments)
        asks = "escalate" in (body.get("stale"), body.get("missing"))
        if asks and "ask" not in body:
            yield document.finding(where, f"fact {name}: escalate needs `ask`", "name the role that decides")
        if body.get("stale") in ("escalate", "allow", "refresh") and "fresh" not in body:
            yield document.finding((*where, "stale"), "`stale` without `fresh` never applies", "say `fresh: 24h`")


def _limits(
    document: Document, path: PathKey, action: Mapping[str, Any], counters: dict[str, tuple[object, ...]]
) -> Iterator[Finding]:
    arguments, facts = _arguments(action), _map(action.get("facts"))
    seen: set[object] = set()
    for index, limit in enumerate(_list(action.get("limits"))):
        where, body = (*path, "limits", index), _map(limit)
        name = body.get("name")
        if isinstance(name, str):
            if name in seen:
                yield document.finding((*where, "name"), f"limit {name!r:.60} stands twice in this action")
            seen.add(name)
            currency = action.get("currency") if body.get("of") == "amount" else None
            form = (body.get("of"), tuple(map(str, _list(body.get("per")))), body.get("every"), currency)
            if counters.setdefault(name, form) != form:
                advice = "one name is one counter: give it another name"
                yield document.finding((*where, "name"), f"limit {name!r:.60} counts differently elsewhere", advice)
        if body.get("of") == "amount" and "amount" not in action:
            yield document.finding((*where, "of"), "the action names no `amount`", "say which argument is the amount")
        if body.get("over") == "escalate" and "ask" not in body:
            yield document.finding((*where, "over"), "escalate needs `ask`", "name the role that decides")
        yield from _cap(document, (*where, "at_most"), body.get("at_most"), facts)
        for place, group in enumerate(_list(body.get("per"))):
            if group in _GROUPS and group not in arguments:
                continue
            yield from _known(document, (*where, "per", place), group, arguments)
            if isinstance(group, str) and group in arguments and _type_of(arguments[group]) in ("object", "array"):
                yield document.finding(
                    (*where, "per", place), f"{group} is a {_type_of(arguments[group])}, not a group"
                )


def _cap(document: Document, path: PathKey, cap: object, facts: Mapping[str, Any]) -> Iterator[Finding]:
    for name in names_in(cap):
        if name not in facts:
            advice = f"facts: {', '.join(sorted(facts)) or 'none'}"
            yield document.finding(path, f"no such fact: {name!r:.60}", advice)
        elif _map(facts[name]).get("type") != "integer":
            yield document.finding(path, f"fact {name} is not of type integer", "a cap is a whole number")


def people_findings(document: Document, people: People) -> list[Finding]:
    """Names and roles in a manifest that people.yaml does not have."""
    root = _map(document.value)
    found: list[Finding] = []
    for key in ("owner", "deputy"):
        name = root.get(key)
        if isinstance(name, str) and name not in people.persons:
            found.append(document.finding((key,), f"{name} is not in people.yaml", "add them, or name somebody else"))
    department = str(root.get("department"))
    for path, role in _asked(root):
        if isinstance(role, str) and not people.holding(role, department):
            what = f"nobody holds the role {role!r:.60} for {department:.60}"
            found.append(document.finding(path, what, "give it to somebody in people.yaml"))
    return found


def _asked(root: Mapping[str, Any]) -> Iterator[tuple[PathKey, object]]:
    for index, step in enumerate(_list(root.get("escalation"))):
        yield ("escalation", index, "role"), _map(step).get("role")
    yield ("confidence", "ask"), _map(root.get("confidence")).get("ask")
    yield ("promotion", "ask"), _map(root.get("promotion")).get("ask")
    for name, action in _map(root.get("actions")).items():
        path: PathKey = ("actions", name)
        yield (*path, "ask"), _map(action).get("ask")
        for fact, body in _map(_map(action).get("facts")).items():
            yield (*path, "facts", fact, "ask"), _map(body).get("ask")
        for index, limit in enumerate(_list(_map(action).get("limits"))):
            yield (*path, "limits", index, "ask"), _map(limit).get("ask")
