"""The agent-governance-toolkit: what a `govern()` call (its quick start) costs, and its file audit sink.

Runs in its own environment (agent-governance-toolkit.txt) and prints one JSON line. Every clock is CPU time
of the thread, so that a busy machine does not count against it. `govern()` keeps its audit in memory, as it
is shipped; the file sink writes without fsync. Neither is made to do more than it does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = b"k" * 32


def policy(rules: int) -> str:
    """Return a policy of ``rules`` rules in which the last one allows what is asked."""
    denials = [
        f"  - {{name: r{number}, action: deny, priority: {number}, "
        f"condition: \"action.type == 'tool_{number}' and order.amount > {100 + number}\"}}"
        for number in range(rules - 1)
    ]
    condition = "action.type == 'refund' and order.amount <= 500"
    allowance = f'  - {{name: ok, action: allow, priority: 1000, condition: "{condition}"}}'
    head = "apiVersion: governance.toolkit/v1\nname: bench\nagents: ['*']\ndefault_action: deny\nrules:"
    return "\n".join([head, *denials, allowance]) + "\n"


def cpu_percentiles(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Return p50 and p99 of the thread's CPU microseconds over ``calls`` calls, after some to warm up."""
    for _ in range(200):
        call()
    clock, taken = time.thread_time_ns, []
    for _ in range(calls):
        began = clock()
        call()
        taken.append(clock() - began)
    taken.sort()
    return taken[len(taken) // 2] / 1e3, taken[int(len(taken) * 0.99)] / 1e3


def govern_figures(rules: int, calls: int) -> dict[str, float]:
    """Measure a governed call that does nothing, under ``rules`` rules."""
    governance: Any = importlib.import_module("agentmesh.governance")
    governed = governance.govern(lambda **_: "done", policy=policy(rules), agent_id="agent-1")
    if governed(action="refund", order={"amount": 120}) != "done":
        raise SystemExit("govern() did not let through what its policy allows")
    p50, p99 = cpu_percentiles(lambda: governed(action="refund", order={"amount": 120}), calls)
    return {f"rules_{rules}_p50_us": p50, f"rules_{rules}_p99_us": p99}


def audit_figures(events: int) -> dict[str, float]:
    """Measure appending ``events`` to the file audit sink in one batch, and verifying the file."""
    audit: Any = importlib.import_module("agentmesh.governance.audit")
    backends: Any = importlib.import_module("agentmesh.governance.audit_backends")
    entries = [
        audit.AuditEntry(
            event_type="policy_evaluation",
            agent_did="did:mesh:a1",
            action="refund",
            resource=f"order/{number}",
            data={"rule": "ok", "amount": number % 500, "note": "n" * 40},
            outcome="allow",
            policy_decision="allow",
        )
        for number in range(events)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        began = time.process_time()
        backends.FileAuditSink(path, KEY).write_batch(entries)
        appended = time.process_time()
        valid, problems = backends.HashChainVerifier().verify_file(path, KEY)
        verified = time.process_time()
    if not valid:
        raise SystemExit(f"the file audit sink does not verify what it wrote: {problems}")
    return {
        "append_per_cpu_second": events / (appended - began),
        "verify_per_cpu_second": events / (verified - appended),
    }


def main() -> None:
    """Print the figures of the section that is asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("section", choices=["govern", "audit"])
    asked.add_argument("--calls", type=int, default=3000)
    asked.add_argument("--events", type=int, default=10_000)
    wanted = asked.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if wanted.section == "govern":
        found = {key: value for rules in (10, 100) for key, value in govern_figures(rules, wanted.calls).items()}
    else:
        found = audit_figures(wanted.events)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
