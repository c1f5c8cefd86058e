"""How fast the journal appends when many append at once, while the ledger grows. One process, commits shared.

    python -m bench.append_bench --store sqlite:PATH --sizes 10000,100000

Prints one JSON line a size: the figures from the size before it (or from empty) up to that size. Every
append is one event of about 600 bytes with a step of its own, so the unique index on (action, step) is kept
up too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator

from remit.ledger.journal import Journal
from remit.store.engine import open_store
from remit.vocabulary import Event, Json

__all__ = ["events_of", "grow"]

CONCURRENCY = 256


def events_of(first: int, end: int) -> Iterator[Event]:
    """Yield the events numbered from ``first`` to before ``end``."""
    facts: Json = {
        "budget": {"age_seconds": 60, "value": 5_000_000},
        "hold": {"age_seconds": 5, "value": "none"},
    }
    names = ("identity", "manifest", "policy", "limits")
    checks: Json = [{"name": name, "verdict": "allow"} for name in names]
    for number in range(first, end):
        arguments: Json = {"carrier": "DHL", "mode": "Air", "order": f"O{number:09d}"}
        data: dict[str, Json] = {"arguments": arguments, "checks": checks, "facts": facts, "verdict": "allow"}
        yield Event("outcome.recorded", "carrier-choice", data, f"CASE-{number:09d}", f"{number:064x}", "noted:1")


async def grow(journal: Journal, first: int, end: int) -> dict[str, float | int]:
    """Append the events from ``first`` to before ``end``, `CONCURRENCY` at once; return the figures."""
    events = events_of(first, end)

    async def work() -> None:
        for event in events:
            await journal.append(event)

    commits = journal.counts.commits
    began, cpu_began = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    count = end - first
    return {
        "events": end,
        "per_cpu_second": count / cpu,
        "per_second": count / wall,
        "cpu_us": cpu * 1e6 / count,
        "events_per_commit": count / (journal.counts.commits - commits),
    }


async def _measure(journal: Journal, sizes: list[int]) -> None:
    for first, end in zip([0, *sizes], sizes, strict=False):
        print(json.dumps(await grow(journal, first, end)), flush=True)


def main() -> None:
    """Measure on the store that the command line names."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--store", required=True, help="sqlite:PATH or postgresql://..., empty")
    asked.add_argument("--sizes", default="10000,100000")
    wanted = asked.parse_args()
    sizes = sorted(int(size) for size in wanted.sizes.split(","))
    store = open_store(wanted.store)
    journal = Journal(store)
    try:
        asyncio.run(_measure(journal, sizes))
    finally:
        journal.close()
        store.close()


if __name__ == "__main__":
    main()
