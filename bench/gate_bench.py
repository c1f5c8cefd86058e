"""How long one decision takes, end to end: every check, Cedar with its schema, digests of action and facts.

The rules are those of the probe that the budget was set by: n rules over n / 5 actions, one permit and four
approval rules for each, so 100 rules are 20 actions. CPU time of this thread, not wall time: on a shared machine
the wall's tail is the scheduler's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from remit.gate.decide import decide
from remit.gate.policy import Rules
from remit.manifest.grant import Manifest
from remit.manifest.load import load_manifest
from remit.vocabulary import Action, Decision, Fact, Grant, Json, Standing

__all__ = ["run"]

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
_HEAD = """\
agent: bot7
purpose: Measure
owner: ana.sousa
deputy: luc.martin
department: support
confidence: {at_least: 0.80, ask: supervisor}
actions:
"""
_ACTION = """\
  %s:
    system: helpdesk
    arguments:
      type: object
      required: [order, amount]
      properties:
        order: {type: string, maxLength: 40}
        amount: {type: integer, minimum: 0}
        currency: {enum: [EUR, USD]}
    amount: amount
    touches: ["order/$order"]
    once: [order]
    facts:
      paid: {read: shop.paid, with: {order: $order}, type: integer, fresh: 1d}
      hold: {read: safety.hold, with: {order: $order}, type: text, fresh: 1d}
    limits:
      - {name: per-day, of: amount, every: day, at_most: 100000000}
      - {name: per-hour, of: count, every: hour, at_most: 1000}
    oversight: on_the_loop
    irreversible: true
"""


def _rules(count: int) -> tuple[str, list[str]]:
    """The text of ``count`` rules, and the names of their actions."""
    draw = random.Random(0)
    names = [f"t{index}" for index in range(max(1, count // 5))]
    texts = []
    for index in range(count):
        action = f'action == Remit::Action::"{names[index % len(names)]}"'
        if index < len(names):
            scope = f'principal in Remit::Department::"support", {action}, resource'
            texts.append(f'@id("p{index}") @reason("base") permit({scope});')
            continue
        notes = f'@id("p{index}") @effect("approve") @approvers("finance") @reason("limit {index}")'
        above = f"context has amount_minor && context.amount_minor > {100_000 + draw.randint(1, 900_000)}"
        unless = 'context.approvals.contains("finance")'
        texts.append(f"{notes} forbid(principal, {action}, resource) when {{ {above} }} unless {{ {unless} }};")
    return "\n".join(texts), names


def world(count: int) -> tuple[Rules, Manifest]:
    """A manifest and ``count`` rules for its actions."""
    text, names = _rules(count)
    manifest = load_manifest("bot7.yaml", _HEAD + "".join(_ACTION % name for name in names))
    return Rules.load({"bench.cedar": text}, [manifest]), manifest


def matter(manifest: Manifest, amount: int) -> tuple[Action, dict[str, Fact]]:
    """One action with its facts."""
    arguments: dict[str, Json] = {"order": "A-2231", "amount": amount, "currency": "EUR"}
    action = Action("bot7", manifest.version, "t1", "case-17", arguments, 9300, ("the parcel was lost",))
    seen = NOW - timedelta(minutes=40)
    facts = {
        "paid": Fact("paid", 250_000, "shop", "order/A-2231", seen, 86_400),
        "hold": Fact("hold", "none", "safety", "order/A-2231", seen, 86_400),
    }
    return action, facts


def _timed(call: Callable[[], object], times: int) -> tuple[float, float]:
    """The median and the 99th percentile of a call's CPU time, in microseconds."""
    for _ in range(300):
        call()
    spent = []
    for _ in range(times):
        start = time.thread_time_ns()
        call()
        spent.append(time.thread_time_ns() - start)
    spent.sort()
    return spent[times // 2] / 1000, spent[int(times * 0.99)] / 1000


def run(times: int = 5000) -> list[dict[str, object]]:
    """Measure decisions among 10 and 100 rules: allowed, escalated (two evaluations), approved, denied."""
    found: list[dict[str, object]] = []
    finance = (Grant("finance", "fin.okafor"),)
    for count in (10, 100):
        rules, manifest = world(count)
        for what, verdict, amount, grants in (
            ("allow", "allow", 4000, ()),
            ("escalate", "escalate", 99_000_000, ()),
            ("approved", "allow", 99_000_000, finance),
        ):
            action, facts = matter(manifest, amount)
            standing = Standing(NOW, grants=grants)

            def one(
                rules: Rules = rules,
                manifest: Manifest = manifest,
                action: Action = action,
                facts: dict[str, Fact] = facts,
                standing: Standing = standing,
            ) -> Decision:
                return decide(rules, manifest, action, facts, standing)

            got = one().verdict
            if got != verdict:
                raise AssertionError(f"{what}: got {got}, expected {verdict}")
            p50, p99 = _timed(one, times)
            row = {"what": f"gate decision, {count} rules, {what}", "p50_us": p50, "p99_us": p99, "n": times}
            found.append(row)
    return found


if __name__ == "__main__":
    for row in run():
        print(f"{row['what']:40s} p50 {row['p50_us']:7.1f} us   p99 {row['p99_us']:7.1f} us   n {row['n']}")
