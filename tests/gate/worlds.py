"""Random companies for two judges: manifests, rules, actions, facts and standings, as plain values.

A rule's condition is a small tree of tuples. It is rendered to Cedar here and evaluated by `plain_gate` directly.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 0, 20, tzinfo=UTC)  # a Sunday, 20 minutes into a month, a week's last day
ROLES = ["finance", "supervisor", "owner"]
ORDERS = ["A1", "A/1", "é 1", "50%", ""]
MODES = ["air", "sea", "air*"]
LONG_MAX = 2**63 - 1

ARGUMENTS = {
    "type": "object",
    "required": ["order", "mode"],
    "properties": {
        "order": {"type": "string", "maxLength": 20},
        "amount": {"type": "integer"},
        "mode": {"enum": MODES},
        "flag": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
}

roles = st.sampled_from(ROLES)
remedies = st.sampled_from(["allow", "allow", "escalate", "escalate", "deny"])


@st.composite
def facts_of(draw: st.DrawFn) -> dict[str, Any]:
    needs: dict[str, Any] = {}
    for name, kind in (("hold", "text"), ("budget", "integer"), ("clear", "boolean"), ("marks", "texts")):
        need = {"read": f"source.{name}", "type": kind, "missing": draw(remedies), "ask": draw(roles)}
        if draw(st.booleans()):
            need |= {"fresh": draw(st.sampled_from(["60s", "1h", "0s"])), "stale": draw(remedies)}
        needs[name] = need
    return needs


@st.composite
def limits_of(draw: st.DrawFn, facts: dict[str, Any]) -> list[dict[str, Any]]:
    limits = []
    for index in range(draw(st.integers(0, 2))):
        cap: Any = draw(st.sampled_from([100, 100, 51, 50, 1, 0]))
        if draw(st.integers(0, 3)) == 0:
            cap = "$budget"
        per = draw(st.lists(st.sampled_from(["order", "mode", "flag", "agent", "department"]), max_size=3, unique=True))
        every = draw(st.sampled_from(["hour", "day", "week", "month", "ever"]))
        limit = {"name": f"limit-{index}", "of": draw(st.sampled_from(["amount", "count"])), "per": per, "every": every}
        limits.append(
            limit
            | {"at_most": cap, "over": draw(st.sampled_from(["escalate", "escalate", "deny"])), "ask": draw(roles)}
        )
    return limits


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    facts = draw(facts_of())
    oversight = draw(st.sampled_from(["on_the_loop"] * 7 + ["in_the_loop"] * 3 + ["in_control"] + ["earned"] * 5))
    action: dict[str, Any] = {
        "system": "bank",
        "arguments": ARGUMENTS,
        "amount": "amount",
        "facts": facts,
        "limits": draw(limits_of(facts)),
        "oversight": oversight,
        "ask": draw(roles),
        "touches": draw(st.sampled_from([[], ["order/$order"], ["order/$order", "mode/$mode/$order"]])),
    }
    if oversight == "earned":
        starts = draw(st.sampled_from(["shadow", "supervised", None]))
        action["autonomy"] = {"promise": 0.05, "matures": "1d"} | ({"starts": starts} if starts else {})
        if draw(st.booleans()):
            action["autonomy"]["class"] = draw(st.sampled_from(["mode", "flag", "amount"]))
    if draw(st.booleans()):
        action["once"] = draw(st.sampled_from([["order"], ["order", "mode"]]))
    manifest: dict[str, Any] = {
        "agent": "payer",
        "purpose": "Pay",
        "owner": "ana",
        "department": "money",
        "built_by": draw(st.sampled_from([[], ["kim"]])),
        "promotion": {"ask": "owner"},
        "actions": {
            "pay": action,
            "look": {"system": "bank", "arguments": {"type": "object"}, "oversight": "on_the_loop"},
        },
    }
    if draw(st.booleans()):
        manifest["confidence"] = {"at_least": draw(st.sampled_from([0, 1, "half"])), "ask": draw(roles)}
        if manifest["confidence"]["at_least"] == "half":
            manifest["confidence"]["at_least"] = 0.5
    return manifest


numbers = st.recursive(
    st.one_of(
        st.tuples(st.just("number"), st.one_of(st.integers(-60, 60), st.sampled_from([LONG_MAX, -LONG_MAX, 2**53]))),
        st.sampled_from([("read", "arguments", "amount"), ("read", "amount_minor"), ("read", "confidence_bp")]),
        st.sampled_from([("read", "facts", "budget"), ("read", "hour"), ("read", "weekday"), ("read", "now")]),
    ),
    lambda below: st.tuples(st.sampled_from(["+", "-", "*"]), below, below),
    max_leaves=3,
)
texts = st.one_of(
    st.tuples(st.just("text"), st.sampled_from([*ORDERS, *MODES, "none", 'a"b\\c'])),
    st.sampled_from([("read", "arguments", "order"), ("read", "arguments", "mode"), ("read", "facts", "hold")]),
)
sets = st.one_of(
    st.sampled_from(
        [("read", "stale"), ("read", "missing"), ("read", "arguments", "tags"), ("read", "facts", "marks")]
    ),
    st.tuples(st.just("set"), st.lists(st.sampled_from(["hold", "budget", "A1", "air"]), min_size=1, max_size=3)),
)
flags = st.sampled_from([("read", "arguments", "flag"), ("read", "facts", "clear")])
conditions = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers, numbers),
        st.tuples(st.sampled_from(["==", "!="]), texts, texts),
        st.tuples(st.just("contains"), sets, texts),
        st.tuples(st.sampled_from(["containsAny", "containsAll"]), sets, sets),
        st.tuples(st.just("like"), texts, st.sampled_from(["A*", "*", "*1", "air*", "A1"])),
        st.tuples(st.just("is"), flags),
        st.tuples(st.just("has"), st.sampled_from([("arguments", "amount"), ("facts", "hold"), ("facts", "budget")])),
        st.tuples(st.just("constant"), st.booleans()),
    ),
    lambda below: st.one_of(
        st.tuples(st.just("not"), below),
        st.tuples(st.sampled_from(["and", "or"]), below, below),
        st.tuples(st.just("if"), below, below, below),
    ),
    max_leaves=5,
)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    drawn = []
    for index in range(draw(st.integers(1, 5))):
        effect = draw(st.sampled_from(["permit"] * 2 + ["forbid"] + ["approve"] * 4))
        # A rule for "look" alone has nothing to read: that action has no arguments and no facts.
        action = draw(st.sampled_from(["any", "pay", "pay", "both", "look"]))
        bodies = st.none() if action == "look" else st.none() | conditions
        rule: dict[str, Any] = {
            "id": f"r{index}",
            "effect": effect,
            "principal": draw(st.sampled_from(["any", "any", "agent", "department", "stranger"])),
            "action": action,
            "resource": draw(st.sampled_from(["any", "bank", "other"])),
            "when": draw(bodies),
            "unless": draw(bodies) if effect != "approve" else None,
        }
        if effect == "approve":
            chosen = draw(st.lists(roles, min_size=1, max_size=2, unique=True))
            rule["approvers"] = {role: draw(st.integers(1, 2)) for role in chosen}
            rule["lifted_by"] = draw(st.sampled_from(["all", "any"]))
        drawn.append(rule)
    if draw(st.integers(0, 4)):
        plain = {"principal": "any", "action": "any", "resource": "any", "when": None, "unless": None}
        drawn.append({"id": "base", "effect": "permit", **plain})
    return drawn


good_arguments = st.fixed_dictionaries(
    {"order": st.sampled_from(ORDERS), "mode": st.sampled_from(MODES)},
    optional={
        "amount": st.sampled_from([1, 50, 50, 51, 0]),
        "flag": st.booleans(),
        "tags": st.lists(st.sampled_from(["hold", "A1", "x"]), max_size=3),
    },
)
bad_values = st.sampled_from(
    [
        ("order", 5),
        ("order", "x" * 21),
        ("mode", "road"),
        ("amount", 1.5),
        ("amount", 1.0),
        ("amount", "5"),
        ("amount", -3),
        ("amount", 2**53),
        ("amount", True),
        ("flag", 1),
        ("extra", 1),
        ("tags", [1]),
        ("tags", ["a"] * 4),
        ("order", "\ud800"),
        ("order", None),
        ("tags", "hold"),
        ("amount", -(2**53) + 1),
    ]
)


@st.composite
def proposals(draw: st.DrawFn) -> dict[str, Any]:
    arguments = draw(good_arguments)
    if draw(st.integers(0, 9)) == 0:
        name, value = draw(bad_values)
        arguments = {**arguments, name: value}
    if draw(st.integers(0, 14)) == 0:
        arguments.pop("mode")
    name = draw(st.sampled_from(["pay"] * 14 + ["look", "steal"]))
    return {
        "agent": draw(st.sampled_from(["payer"] * 20 + ["other"])),
        "same_version": draw(st.integers(0, 20)) > 0,
        "name": name,
        "arguments": {} if name == "look" and draw(st.booleans()) else arguments,
        "confidence_bp": draw(st.sampled_from([9000] * 5 + [None, 0, 4999, 5000, 10_000, 10_001, -1])),
    }


fact_values = st.sampled_from(
    ["none", "held", 40, 0, -5, True, False, ["A1"], [], None, 1.5, ["a", 1], {"a": 1}, "\udc00"]
)
seconds = st.sampled_from([0] * 15 + [None, 59, 60, 61, 3600, 3601, -1, -300, -301, -9999])


@st.composite
def fact_rows(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    fitting: dict[str, list[Any]] = {"hold": ["none", "held"], "budget": [0, 40, 60], "clear": [True, False]}
    fitting["marks"] = [["A1"], []]
    rows = {}
    for name, values in fitting.items():
        if draw(st.integers(0, 15)) == 0:
            continue
        odd = draw(st.integers(0, 20)) == 0
        value = draw(fact_values) if odd else draw(st.sampled_from(values))
        rows[name] = {"value": value, "age": draw(seconds), "name": name if draw(st.integers(0, 60)) else "other"}
        rows[name]["sealed"] = value is not None and draw(st.booleans())
    return rows


@st.composite
def standings(draw: st.DrawFn) -> dict[str, Any]:
    scopes = [("everything", ""), ("agent", "payer"), ("agent", "nobody"), ("department", "money"), ("system", "bank")]
    scopes += [
        ("system", "mail"),
        ("action", "pay"),
        ("entity", "order/A1"),
        ("entity", "order/A%2F1"),
        ("version", "self"),
    ]
    people = ["ana", "luc", "kim", "payer", "eva"]
    stage = draw(st.sampled_from([None] + ["shadow", "supervised"] + ["sampled", "autonomous"] * 4))
    earned = stage and {
        "stage": stage,
        "threshold": draw(st.sampled_from([9000, 9000, 5000, 9001, None])),
        "review": draw(st.sampled_from([0, 1000, 1001, 10_000])),
        "ends": draw(st.sampled_from([None, None, 1, 1, 0, -1])),
        "for": draw(st.sampled_from(["this"] * 9 + ["another"])),
    }
    return {
        "earned": earned,
        "draw": draw(st.sampled_from([0, 999, 1000, 1001, 9999, 9999, None])),
        "halts": draw(st.lists(st.sampled_from(scopes), max_size=1)) if draw(st.integers(0, 9)) == 0 else [],
        "used": draw(st.dictionaries(st.integers(0, 1), st.sampled_from([0, 49, 50, 51, 99, 100]), max_size=2)),
        "claimed": draw(st.sampled_from(["nobody"] * 8 + ["other", "self"])),
        "done": draw(st.sampled_from(["nobody"] * 8 + ["other", "self"])),
        "grants": draw(st.lists(st.tuples(roles, st.sampled_from(people)), max_size=7)),
        "now": NOW
        + draw(st.sampled_from([timedelta(), timedelta(hours=13, minutes=7), timedelta(days=364, seconds=5)])),
    }


def rendered(drawn: list[dict[str, Any]]) -> str:
    """The rules as Cedar text."""
    return "\n".join(_rule(rule) for rule in drawn)


def _rule(rule: dict[str, Any]) -> str:
    principals = {
        "any": "principal",
        "agent": 'principal == Remit::Agent::"payer"',
        "department": 'principal in Remit::Department::"money"',
        "stranger": 'principal == Remit::Agent::"stranger"',
    }
    pay, look = 'Remit::Action::"pay"', 'Remit::Action::"look"'
    actions = {
        "any": "action",
        "pay": f"action == {pay}",
        "look": f"action == {look}",
        "both": f"action in [{pay}, {look}]",
    }
    resources = {
        "any": "resource",
        "bank": 'resource == Remit::System::"bank"',
        "other": 'resource == Remit::System::"other"',
    }
    notes = f'@id("{rule["id"]}") @reason("because of {rule["id"]}")'
    parts = [principals[rule["principal"]], actions[rule["action"]], resources[rule["resource"]]]
    unless = "" if rule["unless"] is None else f" unless {{ {cedar(rule['unless'])} }}"
    if rule["effect"] == "approve":
        people = ", ".join(f"{role}:{count}" if count > 1 else role for role, count in rule["approvers"].items())
        notes += f' @effect("approve") @approvers("{people}")'
        joint = " && " if rule["lifted_by"] == "all" else " || "
        unless = (
            f" unless {{ {joint.join(f'context.approvals.contains({quoted(role)})' for role in rule['approvers'])} }}"
        )
    when = "" if rule["when"] is None else f" when {{ {cedar(rule['when'])} }}"
    word = "permit" if rule["effect"] == "permit" else "forbid"
    return f"{notes}\n{word} ({', '.join(parts)}){when}{unless};"


def quoted(text: str) -> str:
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def cedar(tree: Any) -> str:
    """A condition as Cedar text, every read behind the question whether it is there."""
    reads = sorted(set(_reads(tree)))
    match tree[0]:
        case "not":
            return f"!({cedar(tree[1])})"
        case "and" | "or":
            return f"(({cedar(tree[1])}) {'&&' if tree[0] == 'and' else '||'} ({cedar(tree[2])}))"
        case "if":
            return f"(if {cedar(tree[1])} then {cedar(tree[2])} else {cedar(tree[3])})"
        case "constant":
            return "true" if tree[1] else "false"
        case "has":
            return f"(context.{tree[1][0]} has {tree[1][1]})"
        case "contains" | "containsAny" | "containsAll":
            body = f"{value(tree[1])}.{tree[0]}({value(tree[2])})"
        case "like":
            body = f'{value(tree[1])} like "{tree[2]}"'
        case "is":
            body = value(tree[1])
        case operator:
            body = f"({value(tree[1])} {operator} {value(tree[2])})"
    guards = [f"context.{read[1]} has {read[2]}" if len(read) == 3 else f"context has {read[1]}" for read in reads]
    return "(" + " && ".join([*guards, body]) + ")"


def _reads(tree: Any) -> list[Any]:
    if not isinstance(tree, tuple):
        return []
    if tree[0] == "read":
        return [tree]
    return [read for part in tree[1:] for read in _reads(part)]


def value(tree: Any) -> str:
    match tree[0]:
        case "number":
            return f"({tree[1]})" if tree[1] < 0 else str(tree[1])
        case "text":
            return quoted(tree[1])
        case "set":
            return "[" + ", ".join(quoted(item) for item in tree[1]) + "]"
        case "read":
            return "context." + ".".join(tree[1:])
        case operator:
            return f"({value(tree[1])} {operator} {value(tree[2])})"
