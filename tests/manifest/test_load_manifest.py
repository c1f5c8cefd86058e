"""A manifest is read whole, or everything wrong with it is said, each with line and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadManifest
from remit.manifest.grant import ConfidenceRule, EscalationStep, FactNeed, Limit
from remit.manifest.load import load_manifest, load_manifests
from remit.manifest.people import load_people

GOOD = """\
agent: carrier-choice
purpose: Choose mode and carrier for each order
owner: ana.sousa
deputy: luc.martin
department: logistics
built_by: [kim.osei]
runs: {model: gradient-boosting, code: "sha256:12", temperature: 0.70}
success: booked cost within 50 %
escalation:
  - {role: supervisor, within: 4h}
  - {role: owner, within: 1d}
confidence: {at_least: 0.70, ask: supervisor}
actions:
  booking.create:
    system: carrier
    arguments:
      type: object
      required: [order, carrier, country]
      properties:
        order: {type: string, maxLength: 40}
        carrier: {type: string}
        country: {enum: [Vietnam, Ghana]}
        cents: {type: integer, minimum: 0}
        contact: {type: string}
        lines: {type: array, items: {type: object, properties: {sku: {type: string}}}}
    personal: {contact: contact/$order}
    amount: cents
    currency: USD
    touches: [order/$order]
    once: [order]
    facts:
      hold: {read: safety.hold, with: {order: $order}, type: text, fresh: 24h, stale: deny, missing: deny}
      budget: {read: finance.budget, with: {land: $country}, type: integer, fresh: 35d, stale: escalate, ask: finance}
    limits:
      - {name: country-month, of: amount, per: [country], every: month, at_most: $budget}
      - {name: bookings-per-hour, of: count, every: hour, at_most: 600, over: escalate, ask: supervisor}
    oversight: on_the_loop
    undo: booking.cancel
  booking.cancel:
    system: carrier
    operation: cancel
    arguments: {type: object, required: [order], properties: {order: {type: string}}}
    oversight: in_the_loop
    ask: supervisor
    irreversible: true
"""


def load(text: str = GOOD) -> object:
    return load_manifest("a.yaml", text)


def findings(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(BadManifest) as caught:
        load_manifest("a.yaml", text)
    return [(one.line, one.column, one.what) for one in caught.value.findings]


def test_everything_written_is_in_the_manifest() -> None:
    manifest = load_manifest("a.yaml", GOOD)
    assert (manifest.agent, manifest.owner, manifest.deputy) == ("carrier-choice", "ana.sousa", "luc.martin")
    assert manifest.confidence == ConfidenceRule(7000, "supervisor")
    assert manifest.escalation == (EscalationStep("supervisor", 14_400), EscalationStep("owner", 86_400))
    assert manifest.runs == {"model": "gradient-boosting", "code": "sha256:12", "temperature": "0.7"}
    grant = manifest.actions["booking.create"]
    assert (grant.system, grant.operation, grant.undo) == ("carrier", "booking.create", "booking.cancel")
    assert manifest.actions["booking.cancel"].operation == "cancel"
    assert grant.facts == (
        FactNeed("hold", "safety", "hold", {"order": "$order"}, "text", 86_400),
        FactNeed(
            "budget", "finance", "budget", {"land": "$country"}, "integer", 3_024_000, "escalate", "deny", "finance"
        ),
    )
    assert grant.limits == (
        Limit("country-month", "amount", ("country",), "month", None, "budget"),
        Limit("bookings-per-hour", "count", (), "hour", 600, None, "escalate", "supervisor"),
    )
    properties = grant.arguments["properties"]
    assert grant.arguments["additionalProperties"] is False
    assert properties["order"]["maxLength"] == 40
    assert properties["carrier"]["maxLength"] == 1000
    assert "maxLength" not in properties["country"]
    assert properties["lines"]["maxItems"] == 100
    assert properties["lines"]["items"]["additionalProperties"] is False


def test_the_version_changes_with_every_value_and_with_nothing_else() -> None:
    version = load_manifest("a.yaml", GOOD).version
    assert len(version) == 12
    assert int(version, 16) >= 0
    same = ["# said\n" + GOOD, GOOD.replace("0.70, ask", "0.7000, ask"), GOOD.replace("[kim.osei]", "[ kim.osei ]")]
    same.append(json.dumps(_values(GOOD)))
    assert {load_manifest("b.yaml", text).version for text in same} == {version}
    for old, new in [
        ("0.70, ask", "0.71, ask"), ("gradient-boosting", "gradient-boostinG"), ("at_most: 600", "at_most: 601"),
        ("within: 4h", "within: 5h"), ("fresh: 24h", "fresh: 25h"), ("maxLength: 40", "maxLength: 41"),
        ("owner: ana.sousa", "owner: luc.martin"), ("temperature: 0.70", "temperature: 0.8"),
    ]:  # fmt: skip
        assert load_manifest("a.yaml", GOOD.replace(old, new)).version != version, new


def _values(text: str) -> object:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def test_a_recorded_text_gives_the_same_manifest() -> None:
    manifest = load_manifest("a.yaml", GOOD)
    again = load_manifest("elsewhere", manifest.text)
    assert again == manifest
    assert hash(again) == hash(manifest)


@pytest.mark.parametrize(
    ("old", "new", "mark", "words"),
    [
        ("purpose:", "porpose:", "porpose", "unknown key 'porpose'"),
        ("owner: ana.sousa\n", "", "agent", '"owner" is a required property'),
        ("at_least: 0.70", "at_least: 1.2", "at_least", "1.2"),
        ("at_least: 0.70", "at_least: 0.12345", "at_least", "more than four decimals"),
        ("within: 4h", "within: 4 hours", "within: 4 h", "4 hours"),
        ("    oversight: on_the_loop\n", "", "booking.create", '"oversight" is a required property'),
        ("oversight: on_the_loop", "oversight: always", "oversight", "always"),
        ("    ask: supervisor\n    irr", "    irr", "oversight: in_the_loop", "in_the_loop needs `ask`"),
        ("amount: cents", "amount: centz", "amount: centz", "no such argument: 'centz'"),
        ("amount: cents", "amount: order", "amount: order", "order is a string; an amount is an integer"),
        ("once: [order]", "once: [ordre]", "ordre", "no such argument: 'ordre'"),
        ("once: [order]", "once: [contact]", "contact]", "contact may be absent"),
        ("touches: [order/$order]", "touches: [order/$ordre]", "order/$ordre]", "no such argument: 'ordre'"),
        ("touches: [order/$order]", "touches: [order/$cents]", "order/$cents", "$cents may be absent"),
        ("touches: [order/$order]", "touches: [order/$lines]", "order/$lines", "$lines is a array"),
        ("touches: [order/$order]", "touches: ['order/$ order']", "'order/$ order", "`$` without a name"),
        ("touches: [order/$order]", "touches: [who/$contact]", "who/$contact", "contact is personal"),
        ("per: [country]", "per: [contact]", "{name: country-month", "contact is personal"),
        ("per: [country]", "per: [land]", "land]", "no such argument: 'land'"),
        ("per: [country]", "per: [lines]", "lines]", "lines is a array, not a group"),
        ("personal: {contact:", "personal: {contakt:", "contakt", "no such argument: 'contakt'"),
        ("at_most: $budget", "at_most: $hold", "at_most: $hold", "fact hold is not of type integer"),
        ("at_most: $budget", "at_most: $order", "at_most: $order", "no such fact: 'order'"),
        ("at_most: 600", "at_most: -1", "at_most: -1", "-1"),
        ("with: {order: $order}", "with: {order: $other}", "order: $other", "no such argument: 'other'"),
        ("stale: escalate, ask: finance", "stale: escalate", "budget: {read", "escalate needs `ask`"),
        ("over: escalate, ask: supervisor", "over: escalate", "over: escalate", "escalate needs `ask`"),
        ("type: integer, fresh: 35d, ", "type: integer, ", "stale: escalate", "`stale` without `fresh`"),
        ("undo: booking.cancel", "undo: booking.kancel", "undo: ", "no such action in this remit"),
        ("undo: booking.cancel", "undo: booking.cancel\n    irreversible: true", "irreversible", "is not irreversible"),
        ("name: bookings-per-hour", "name: country-month", "name: country-month, of: count", "stands twice"),
        ("    amount: cents\n", "", "of: amount", "the action names no `amount`"),
        ("read: safety.hold", "read: hold", "read: hold", "hold"),
        ("type: text", "type: number", "type: number", "number"),
    ],
)
def test_what_is_wrong_and_where(old: str, new: str, mark: str, words: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    before = text[: text.index(mark)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = findings(text)
    assert any((at, place) == (line, column) and words in what for at, place, what in found), (line, column, found)


def test_everything_is_said_at_once() -> None:
    text = GOOD.replace("purpose:", "porpose:").replace("amount: cents", "amount: centz").replace("4h", "4 h")
    text = text.replace("{type: integer, minimum: 0}", "{type: number}").replace("$budget", "$budgit")
    what = " | ".join(words for _, _, words in findings(text))
    for words in ("porpose", "purpose", "centz", "4 h", "number", "budgit"):
        assert words in what


def test_one_name_of_a_limit_is_one_counter_in_all_actions() -> None:
    more = (
        "    limits:\n      - {name: bookings-per-hour, of: count, every: %s, at_most: 5}\n    oversight: in_the_loop"
    )
    assert load(GOOD.replace("    oversight: in_the_loop", more % "hour"))
    found = findings(GOOD.replace("    oversight: in_the_loop", more % "day"))
    assert [what for _, _, what in found] == ["limit 'bookings-per-hour' counts differently elsewhere"]


ARGUMENTS = "{type: object, required: [order], properties: {order: {type: string}}}"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{type: object, properties: {order: {type: number}}}", "this type is not taken: 'number'"),
        ("{type: object, properties: {order: {type: [string, 'null']}}}", "this type is not taken"),
        ("{type: object, properties: {order: {}}}", "this type is not taken: 'absent'"),
        ("{type: object, properties: {order: {enum: [a, 1]}}}", "mixed enum"),
        ("{type: object, properties: {order: {enum: []}}}", "empty enum"),
        ("{type: object, properties: {order: {enum: [1.5]}}}", "mixed enum"),
        ("{type: object, properties: {order: {enum: [a], type: integer}}}", "enum of string with type integer"),
        ("{type: object, additionalProperties: true}", "an open object"),
        ("{type: object, additionalProperties: {type: string}}", "an open object"),
        ("{type: object, patternProperties: {}}", "'patternProperties' is not taken"),
        ("{type: object, $ref: '#'}", "'$ref' is not taken"),
        ("{type: object, properties: {order: {$ref: 'http://127.0.0.1:9/x'}}}", "this type is not taken"),
        ("{type: object, anyOf: []}", "'anyOf' is not taken"),
        ("{type: object, properties: {order: {type: string, default: x}}}", "'default' is not taken"),
        ("{type: object, properties: {order: {type: string, format: color}}}", "this format is not checked"),
        ("{type: object, properties: {order: {type: string, pattern: '('}}}", "not a JSON Schema"),
        ("{type: object, properties: {order: {type: string, pattern: '(?=a)'}}}", "not a JSON Schema"),
        ("{type: object, properties: {order: {type: string, maxLength: 100001}}}", "maxLength is a whole number"),
        ("{type: object, properties: {order: {type: string, maxLength: x}}}", "maxLength is a whole number"),
        ("{type: object, properties: {order: {type: integer, minimum: 0.5}}}", "minimum is not a whole number"),
        ("{type: object, properties: {order: {type: integer, maximum: 9007199254740992}}}", "maximum is not a whole"),
        ("{type: object, properties: {order: {type: array}}}", "a list without `items` is open"),
        ("{type: object, properties: {order: {type: array, items: [string]}}}", "a schema is a mapping"),
        ("{type: object, properties: {__extn: {type: string}}}", "not a name for an argument"),
        ("{type: object, properties: {a-b: {type: string}}}", "not a name for an argument"),
        ("{type: object, properties: [order]}", "`properties` is a mapping"),
        ("{type: object, required: [nothing]}", "no such argument: 'nothing'"),
        ("{type: object, required: order}", "`required` is a list"),
        ("{type: array, items: {type: string}}", "arguments are an object"),
        (
            "{type: object, properties: {order: " + "{type: array, items: " * 6 + "{type: string}" + "}" * 6 + "}}",
            "nested deeper",
        ),
    ],
)  # fmt: skip
def test_schemas_that_cannot_describe_arguments(schema: str, words: str) -> None:
    assert any(words in what for _, _, what in findings(GOOD.replace(ARGUMENTS, schema))), findings(
        GOOD.replace(ARGUMENTS, schema)
    )


def test_people_and_roles_are_looked_up() -> None:
    people = load_people("people.yaml", "people: [{name: ana.sousa, roles: [supervisor], departments: [logistics]}]")
    with pytest.raises(BadManifest) as caught:
        load_manifest("a.yaml", GOOD, people)
    assert [(one.line, one.what) for one in caught.value.findings] == [
        (4, "luc.martin is not in people.yaml"),
        (11, "nobody holds the role 'owner' for logistics"),
        (33, "nobody holds the role 'finance' for logistics"),
    ]
    text = (
        "people:\n  - {name: ana.sousa, roles: [supervisor, owner], departments: [logistics]}\n"
        "  - {name: luc.martin, roles: [], departments: []}\n  - {name: fin, roles: [finance], departments: ['*']}\n"
    )
    assert load_manifest("a.yaml", GOOD, load_people("people.yaml", text))


def test_a_folder_is_read_whole_and_says_everything(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").write_text(GOOD.replace("agent: carrier-choice", "agent: another"))
    (tmp_path / "notes.txt").write_text("not read")
    assert [manifest.agent for manifest in load_manifests(tmp_path)] == ["another", "carrier-choice"]
    (tmp_path / "c.yaml").write_text(GOOD)
    (tmp_path / "d.yaml").write_text("agent: [")
    with pytest.raises(BadManifest) as caught:
        load_manifests(tmp_path)
    assert {Path(one.file).name: one.what.split(":")[0] for one in caught.value.findings} == {
        "c.yaml": "agent carrier-choice stands in b.yaml too",
        "d.yaml": "not YAML",
    }
    assert load_manifests(tmp_path / "nowhere") == ()


HOSTILE = [
    "",
    "\x00",
    "agent: \ud800",
    "agent: .nan",
    "agent: !!python/object/apply:os.system [id]",
    "a: &a [*a]",
    "agent: a\nagent: b",
    "é: 1",
    "- " * 5000,
    "[" * 5000,
    "{" * 5000,
    "x: 1\n" * 60_000,
    "agent: " + "9" * 5000,
    "agent: 1e999999999",
    "a" * 1_048_577,
    'agent: <script>alert(1)</script>\nowner: "\'; DROP TABLE agents; --"',
    "agent: ../../etc/passwd\nactions: {../x: {}}",
    "actions: {a: {arguments: {properties: {order: 5}}, facts: [], limits: {}, touches: 7, once: {}, personal: 3}}",
    "actions: {a: {limits: [[], 5, {per: {}, at_most: []}], facts: {x: [], y: {with: 5}}, undo: []}}",
    "actions: []\nconfidence: [1]\nescalation: {}\n",
    "confidence: {at_least: true}",
    "confidence: {at_least: 1e-18}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_findings(text: str) -> None:
    for _, _, what in findings(text):
        what.encode("utf-8")


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.text(max_size=8),
    st.sampled_from(["$order", "4h", "0.5", "order"]),
)
words = st.sampled_from(
    [
        "agent",
        "actions",
        "arguments",
        "properties",
        "type",
        "facts",
        "limits",
        "per",
        "once",
        "touches",
        "with",
        "items",
    ]
)
trees = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(words, below, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(trees, st.data())
def test_a_manifest_with_any_value_in_any_place_loads_or_is_findings(value: object, data: st.DataObject) -> None:
    whole = _values(GOOD)
    places = _places(whole)
    at, key = data.draw(st.sampled_from(places))
    at[key] = value  # type: ignore[index]
    try:
        load_manifest("a.yaml", json.dumps(whole))
    except BadManifest as error:
        assert error.findings


def _places(value: object) -> list[tuple[object, object]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[object, object]] = []
    for key, item in items:
        found += [(value, key), *_places(item)]
    return found


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("agent:ctios \n-[]{}&*!|>'\"%@`#,?0.e\t"), max_size=80))
def test_any_text_at_all_is_findings(text: str) -> None:
    with pytest.raises(BadManifest):
        load_manifest("a.yaml", text)
