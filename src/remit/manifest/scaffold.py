"""A first company that passes `remit check`: what `remit init` writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from remit.errors import BadInput, StoreUnavailable

__all__ = ["SCAFFOLD", "scaffold"]

_REMIT: Final = """\
company: Example company
# store: sqlite:.remit/store.db          # or postgresql://user@host/database
# clock: wall                            # or story: business time is set by hand
# witness: ~/.local/state/remit/witness  # a folder outside this one, or an https URL
"""
_PEOPLE: Final = """\
people:
  - {name: ada.owner, roles: [owner, supervisor], departments: [support]}
  - {name: ben.deputy, roles: [owner, supervisor], departments: [support]}
  - {name: cleo.finance, roles: [finance], departments: ["*"]}
"""
_AGENT: Final = """\
agent: refund-desk
purpose: Give small refunds on orders that customers complain about
owner: ada.owner
deputy: ben.deputy
department: support
built_by: []                     # people who may not approve what this agent proposes
runs: {model: none-yet}          # name model, prompt and code: a change of any of them is a new version
success: refunds that nobody takes back within 30 days
escalation:
  - {role: supervisor, within: 4h}
  - {role: owner, within: 1d}
confidence: {at_least: 0.80, ask: supervisor}
actions:
  refund.create:
    system: shop
    arguments:
      type: object
      required: [order, amount_minor]
      properties:
        order: {type: string, maxLength: 40}
        amount_minor: {type: integer, minimum: 1}
        reason: {type: string, maxLength: 500}
    amount: amount_minor
    currency: EUR
    touches: ["order/$order"]
    once: [order]
    facts:
      paid: {read: shop.paid, with: {order: $order}, type: integer, fresh: 1h}
    limits:
      - {name: per-day, of: amount, every: day, at_most: 50000, over: escalate, ask: finance}
      - {name: per-hour, of: count, every: hour, at_most: 60}
    oversight: on_the_loop
    irreversible: true
"""
_POLICY: Final = """\
// Nothing is allowed that no rule permits. Cases beside this file are its tests: run `remit policy test`.

@id("refunds") @reason("the refund desk may refund orders of the shop")
permit (
  principal == Remit::Agent::"refund-desk",
  action == Remit::Action::"refund.create",
  resource == Remit::System::"shop"
);

@id("refund-above-paid") @reason("nobody gets back more than was paid")
forbid (principal, action == Remit::Action::"refund.create", resource)
unless {
  context.facts has paid && context has amount_minor && context.amount_minor <= context.facts.paid
};

@id("refund-over-100") @effect("approve") @approvers("finance") @reason("refunds above 100 need finance")
forbid (principal, action == Remit::Action::"refund.create", resource)
when { context has amount_minor && context.amount_minor > 10000 }
unless { context.approvals.contains("finance") };
"""
_CASES: Final = """\
cases:
  - name: a small refund passes
    agent: refund-desk
    action: refund.create
    arguments: {order: A1, amount_minor: 2500}
    confidence: 0.93
    facts: {paid: 9900}
    expect: {verdict: allow}
  - name: a large refund asks finance
    agent: refund-desk
    action: refund.create
    arguments: {order: A1, amount_minor: 12500}
    confidence: 0.93
    facts: {paid: 40000}
    expect: {verdict: escalate, rule: refund-over-100, asks: [finance]}
  - name: finance has said yes
    agent: refund-desk
    action: refund.create
    arguments: {order: A1, amount_minor: 12500}
    confidence: 0.93
    facts: {paid: 40000}
    approvals: [finance]
    expect: {verdict: allow}
  - name: more than was paid is never given back
    agent: refund-desk
    action: refund.create
    arguments: {order: A1, amount_minor: 12500}
    confidence: 0.99
    facts: {paid: 9900}
    approvals: [finance, supervisor]
    expect: {verdict: deny, rule: refund-above-paid}
  - name: an old figure is not acted on
    agent: refund-desk
    action: refund.create
    arguments: {order: A1, amount_minor: 2500}
    confidence: 0.93
    facts: {paid: {value: 9900, age: 3h}}
    expect: {verdict: deny, rule: paid}
"""
_SYSTEM: Final = """\
system: shop
kind: http
url: http://127.0.0.1:8900       # the only host it may talk to
auth: {kind: none}               # or api_key, basic, bearer, oauth2, with `secret: env:NAME`
reads:
  paid: {get: /orders, query: {order: $order}, value: paid_minor, observed: as_of, record: id}
does:
  refund.create:
    post: /refunds
    key_header: Idempotency-Key
    lookup: {get: /refunds, query: {key: $key}, items: refunds}
"""
_IGNORE: Final = ".remit/\n"

SCAFFOLD: Final[Mapping[str, str]] = {
    "remit.yaml": _REMIT,
    "people.yaml": _PEOPLE,
    "agents/refund-desk.yaml": _AGENT,
    "policies/refunds.cedar": _POLICY,
    "policies/refunds.cases.yaml": _CASES,
    "systems/shop.yaml": _SYSTEM,
    ".gitignore": _IGNORE,
}
"""What is written, by path inside the company's folder."""


def scaffold(folder: Path | str) -> tuple[Path, ...]:
    """Write a first company into ``folder`` and return the files written.

    Raises:
        BadInput: one of the files is there already; then nothing is written.
        StoreUnavailable: the folder cannot be written.
    """
    root = Path(folder).expanduser().resolve()
    there = [name for name in SCAFFOLD if os.path.lexists(root / name)]
    if there:
        raise BadInput(f"{root} has {', '.join(there)} already: nothing was written; choose another folder")
    written = []
    try:
        for name, text in SCAFFOLD.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(path)
    except OSError as error:
        raise StoreUnavailable(f"{root} cannot be written: {error.strerror}") from None
    return tuple(written)
