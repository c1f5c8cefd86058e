"""The terms of autonomy: read as written, refused by line and column."""

from __future__ import annotations

from typing import Any

import pytest

from remit.errors import BadManifest
from remit.manifest.load import load_manifest

TEXT = """\
agent: router
purpose: Route
owner: ana
department: support
promotion: {ask: owner}
actions:
  inquiry.route:
    system: desk
    arguments:
      type: object
      required: [id, group]
      properties:
        id: {type: string}
        group: {type: string}
        urgent: {type: boolean}
    oversight: earned
    ask: lead
    autonomy:
      promise: 0.05
      matures: 2d
      class: group
      plan: [400, 100, 400]
      minutes: {manual: 7.5}
      outcome: {about: "Inquiry/$id", get: answered_right, right: true}
"""


def test_terms_are_read_as_written() -> None:
    manifest = load_manifest("router.yaml", TEXT)
    terms = manifest.actions["inquiry.route"].autonomy
    assert terms is not None
    assert (terms.promise_bp, terms.sure_bp, terms.starts) == (500, 9500, "shadow")
    assert (terms.matures_seconds, terms.plan, terms.manual_seconds) == (2 * 86_400, (100, 400), 450)
    assert terms.outcome is not None and terms.outcome.right is True
    assert [terms.class_of(item) for item in ({"group": "a"}, {"group": 7}, {}, {"group": ["a"]})] == ["a", "7", "", ""]


def test_an_agent_that_can_earn_can_be_promoted_by_one_role_alone() -> None:
    promote = load_manifest("router.yaml", TEXT).actions["stage.promote"]
    assert (promote.system, promote.oversight, promote.ask) == ("remit", "in_the_loop", "owner")
    assert promote.arguments["properties"]["action"]["enum"] == ["inquiry.route"]
    assert "stage.promote" not in load_manifest("x.yaml", _without_terms()).actions


def _without_terms() -> str:
    head = TEXT[: TEXT.index("    oversight: earned")]
    return head + "    oversight: in_the_loop\n    ask: lead\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("promotion: {ask: owner}\n", "", 1, "promotion"),
        ("    ask: lead\n", "", 16, "earned needs `ask`"),
        ("oversight: earned", "oversight: in_the_loop", 18, "never applies"),
        ("class: group", "class: colour", 21, "no such argument"),
        ("promise: 0.05", "promise: 1.5", 19, "promise"),
        ("promise: 0.05", "promise: 0.05001", 19, "basis points"),
        ("matures: 2d", "matures: soon", 20, "matures"),
        ("      promise: 0.05\n", "", 19, "promise"),
        ("minutes: {manual: 7.5}", "minutes: {manual: -7.5}", 23, "manual"),
        ("Inquiry/$id", "Inquiry/$nobody", 24, "no such argument"),
        ("  inquiry.route:", "  stage.promote:", 7, "in the remit already"),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(old: str, new: str, line: int, words: str) -> None:
    assert old in TEXT
    with pytest.raises(BadManifest) as caught:
        load_manifest("router.yaml", TEXT.replace(old, new, 1))
    found = [finding for finding in caught.value.findings if words in str(finding)]
    assert found and found[0].line in (line, line - 1), caught.value


FACTS = "\n    facts: {hold: %s}\n"


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ("{type: text}", "where to read it"),
        ("{read: a.b, about: 'Order/$id', get: hold, type: text}", "where to read it"),
        ("{about: 'Order/$id', type: text}", "where to read it"),
        ("{about: 'Order/$nobody', get: hold, type: text}", "no such argument"),
        ("{read: a.b, type: text, fresh: 1h, stale: refresh}", "facts of the graph"),
        ("{about: 'Order/$id', get: hold, type: text, stale: refresh}", "never applies"),
        ("{read: a.b, type: text, absent: {in: a.b, means: none}}", "facts of the graph"),
        ("{about: 'Order/$id', get: a.b.c.d, type: text}", "get"),
        ("{about: 'Order/$id', get: hold, type: text, missing: refresh}", "missing"),
    ],
)
def test_a_fact_of_the_graph_says_what_it_is_about(fact: str, words: str) -> None:
    good: Any = "{about: 'Order/$id', get: holds.reason, type: text, fresh: 24h, stale: refresh}"
    need = load_manifest("router.yaml", TEXT.rstrip() + FACTS % good).actions["inquiry.route"].facts[0]
    assert (need.about, need.get, need.stale, need.system) == ("Order/$id", "holds.reason", "refresh", "")
    with pytest.raises(BadManifest, match=words):
        load_manifest("router.yaml", TEXT.rstrip() + FACTS % fact)
