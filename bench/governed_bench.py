"""One governed action, end to end: judged, begun, a system that does nothing, finished. Two durable appends.

    python -m bench.governed_bench --store URL --concurrency N --seconds S

prints one JSON line. The store must be new. The action has ten rules and one limit, and no facts to read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from pathlib import Path

from remit.app import Control, open_company
from remit.connectors.connector import Done
from remit.run.propose import propose
from remit.testing.stand_ins import StandInConnector

MANIFEST = """\
agent: bench
purpose: Measure one governed action
owner: ada.owner
deputy: ben.deputy
department: support
runs: {model: none}
success: none
confidence: {at_least: 0.50, ask: supervisor}
actions:
  thing.do:
    system: nothing
    arguments:
      type: object
      required: [order, amount_minor]
      properties:
        order: {type: string, maxLength: 40}
        amount_minor: {type: integer, minimum: 0}
    amount: amount_minor
    currency: EUR
    touches: ["order/$order"]
    limits:
      - {name: per-month, of: amount, every: month, at_most: 900000000000}
    oversight: on_the_loop
    irreversible: true
"""

SYSTEM = """\
system: nothing
kind: http
url: http://127.0.0.1:9
auth: {kind: none}
does:
  thing.do: {post: /things, key_header: Idempotency-Key}
"""


def _rules(count: int) -> str:
    limits = "\n".join(
        f'@id("over-{n}") @effect("approve") @approvers("supervisor") @reason("over {n}")\n'
        f'forbid (principal, action == Remit::Action::"thing.do", resource)\n'
        f"when {{ context has amount_minor && context.amount_minor > {1_000_000 + n} }}\n"
        f'unless {{ context.approvals.contains("supervisor") }};'
        for n in range(count - 1)
    )
    return (
        '@id("may") @reason("the bench may do things")\n'
        'permit (principal == Remit::Agent::"bench", action == Remit::Action::"thing.do", resource);\n' + limits
    )


def _company(folder: Path, store: str) -> None:
    for name in ("agents", "policies", "systems"):
        (folder / name).mkdir(parents=True)
    (folder / "remit.yaml").write_text(f"company: Bench\nstore: {store}\n")
    (folder / "people.yaml").write_text(
        "people:\n  - {name: ada.owner, roles: [owner, supervisor], departments: [support]}\n"
        "  - {name: ben.deputy, roles: [owner], departments: [support]}\n"
    )
    (folder / "agents" / "bench.yaml").write_text(MANIFEST)
    (folder / "policies" / "bench.cedar").write_text(_rules(10))
    (folder / "systems" / "nothing.yaml").write_text(SYSTEM)


async def _measure(control: Control, concurrency: int, seconds: float) -> dict[str, float]:
    desk, numbers, took = control.desk, itertools.count(), list[float]()

    async def one(end: float) -> None:
        while time.perf_counter() < end:
            began, number = time.perf_counter(), next(numbers)
            arguments = {"order": f"o{number}", "amount_minor": 5}
            action = control.action("bench", "thing.do", f"c{number}", arguments, "0.9")
            journey = await propose(desk, action)
            if journey.progress != "finished":
                raise RuntimeError(f"the bench's action ended {journey.progress}")
            took.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(began + seconds) for _ in range(concurrency)))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    took.sort()
    return {
        "actions_per_second": round(len(took) / wall, 1),
        "cpu_us_per_action": round(1e6 * cpu / len(took), 1),
        "p50_ms": round(1e3 * took[len(took) // 2], 3),
        "p99_ms": round(1e3 * took[min(len(took) - 1, int(0.99 * len(took)))], 3),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "company"
        _company(folder, options.store)
        shop = StandInConnector("nothing", operations={"thing.do": Done({"done": True}, None)})
        with open_company(folder, "bench", connectors={"nothing": shop}) as control:
            control.propose("bench", "thing.do", "warm", {"order": "warm", "amount_minor": 5}, "0.9")
            print(json.dumps(control.submit(_measure(control, options.concurrency, options.seconds)).result()))


if __name__ == "__main__":
    main()
