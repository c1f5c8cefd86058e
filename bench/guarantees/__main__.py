"""Count what remit's statistics promise, from seeds, and what others' rules do: ``python -m bench.guarantees``.

Exits 1 when a target of ours is missed. A full run writes bench/guarantees.json and bench/guarantees.md; with
``--data FILE`` (CSV: confidence, correct, class and, if wanted, time) every row that such decisions allow is counted on
them instead, and only printed unless ``--output`` says where to write. Exits 2 when the file cannot be used.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from inspect import signature
from pathlib import Path
from typing import Any

from bench.guarantees.banking import BankTraffic, bank_pool, bank_traffic
from bench.guarantees.guarantee import OURS, Guarantee, at_most, exit_code, refused, summary, table, write
from bench.guarantees.peers import peers_t1, peers_t2, peers_t3, peers_t4, peers_t5, peers_t6, peers_t7
from bench.guarantees.pool import ROWS_MIN, DecisionPool, read_pool
from bench.guarantees.rank_lives import t5_by_chance
from bench.guarantees.t1_threshold import PROMISES, t1
from bench.guarantees.t2_online import ONLINE, t2
from bench.guarantees.t3_promotion import SPEEDS, t3_false, t3_speed
from bench.guarantees.t4_review import REVIEWED, STUDIED, t4_productivity, t4_share, t4_studied
from bench.guarantees.t5_drift import DELAYS, PROMISE_BP, t5_delay, t5_false, t5_in_time
from bench.guarantees.t6_labels import t6
from bench.guarantees.t7_paired import CASES, t7
from bench.guarantees.t8_certificate import t8
from rich.console import Console

from remit.errors import BadInput

RESULTS = Path(__file__).resolve().parents[1] / "guarantees.json"

Job = tuple[Callable[..., list[Guarantee]], tuple[Any, ...]]


def jobs_without_data() -> list[Job]:
    """Return what needs no pool: streams of known error rates, pairs, labels that come late, and the certificate."""
    jobs: list[Job] = [(t8, ()), (t5_by_chance, ())]
    for bound in (0.05, 0.02, 0.01):
        jobs += [(t3_false, (bound, f"error exactly {bound:.0%}")), (peers_t3, (bound, f"error exactly {bound:.0%}"))]
    jobs += [(t3_speed, speed) for speed in SPEEDS]
    jobs += [(t4_share, (f"true error {rate:.1%}", rate, limit)) for rate, limit in REVIEWED]
    jobs += [(t4_studied, STUDIED)]
    jobs += [(t6, (0.05, "error exactly 5%")), (peers_t6, (0.05, "error exactly 5%"))]
    return [*jobs, *((t7, case) for case in CASES), (peers_t7, ())]


def jobs_of_bank(pool: DecisionPool, overconfident: DecisionPool, traffic: BankTraffic) -> list[Job]:
    """Return what is counted on BANKING77, the longest first."""
    jobs: list[Job] = [(t5_false, (traffic.inside,)), (t5_false, (pool,))]
    jobs += [(t2, (pool, *online)) for online in ONLINE]
    jobs += [(t5_delay, (traffic, *delay)) for delay in DELAYS]
    for promise in PROMISES:
        jobs += [(t1, (pool, *promise)), (peers_t1, (pool, overconfident, *promise))]
    jobs += [(peers_t2, (pool, *online)) for online in ONLINE]
    return [*jobs, (t4_productivity, (pool,)), (peers_t4, (pool, REVIEWED)), (peers_t5, (traffic,))]


def jobs_of_file(pool: DecisionPool) -> list[Job]:
    """Return what can be counted on anybody's decisions; what cannot is said in a row of its own."""
    rate, jobs = pool.error, list[Job]()
    for promise in PROMISES:
        jobs += [(t1, (pool, *promise))]
        jobs += [(peers_t1, (pool, None, *promise))] if len(pool) >= ROWS_MIN else []
    for online in ONLINE:
        jobs += [(t2, (pool, *online))]
        jobs += [(peers_t2, (pool, *online))] if len(pool) >= ROWS_MIN else []
    what = f"{pool.name}: promised exactly its error, {rate:.2%}"
    jobs += [(t3_false, (rate, what)), (peers_t3, (rate, what)), (t3_speed, (min(2 * rate, (1 + rate) / 2), rate))]
    for limit_rate, limit in REVIEWED:
        threshold, share = pool.oracle(limit_rate)
        said = f"{pool.name}: surest {share:.0%}, true error at most {limit_rate:.1%}"
        if share * len(pool) < ROWS_MIN / 5:
            why = f"only {share * len(pool):.0f} rows are that sure; {ROWS_MIN // 5} are needed to know their error"
            jobs.append((refused, ("T4", said, why)))
        else:
            jobs.append((t4_share, (said, pool.above(threshold)[0], limit)))
    jobs += [(t4_productivity, (pool,)), (t5_false, (pool,)), (t5_in_time, (pool, PROMISE_BP))]
    jobs += [(t6, (rate, what)), (peers_t6, (rate, what))]
    nothing = (
        ("T7", "paired gate", "one version's decisions are no pairs; run it without --data"),
        ("T8", "certificate", "does not depend on the file; run it without --data"),
    )
    return [*jobs, *((refused, one) for one in nothing)]


def in_order(rows: Sequence[Guarantee]) -> list[Guarantee]:
    """Put ours before others', each by number; the sort is stable."""
    return sorted(rows, key=lambda row: (row.who != OURS, row.number))


def counted(file: Path | None, only: Sequence[str], processes: int, *, quick: bool = False) -> list[Guarantee]:
    """Count everything that is asked for, in ``processes`` processes; with none of them, in this one.

    Raises:
        BadInput: the file cannot be used.
    """
    if not processes:
        return in_order([row for job in _jobs(file, only) for row in job[0](*job[1], **_fewer(job[0], quick))])
    pool = None if file is None else read_pool(file)
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as workers:

        def begin(jobs: Sequence[Job]) -> list[Future[list[Guarantee]]]:
            chosen = [job for job in jobs if _wanted(job, only)]
            return [workers.submit(job[0], *job[1], **_fewer(job[0], quick)) for job in chosen]

        if pool is not None:
            running = begin(jobs_of_file(pool))
        elif _needs_bank(only):  # the pools take longest and are waited for: begun first
            pools, traffic = workers.submit(bank_pool), workers.submit(bank_traffic)
            running = begin(jobs_without_data())
            running += begin(jobs_of_bank(*pools.result(), traffic.result()))
        else:
            running = begin(jobs_without_data())
        return in_order([row for done in running for row in _result(done)])


def _result(done: Future[list[Guarantee]]) -> list[Guarantee]:
    """What a job found; one that broke is a missed row of ours, and the others are kept."""
    try:
        return done.result()
    except Exception as error:
        return [Guarantee("?", "a count that broke", None, at_most(0), note=f"{type(error).__name__}: {error!s:.300}")]


def _jobs(file: Path | None, only: Sequence[str]) -> list[Job]:
    if file is not None:
        jobs = jobs_of_file(read_pool(file))
    else:
        jobs = jobs_without_data() + (jobs_of_bank(*bank_pool(), bank_traffic()) if _needs_bank(only) else [])
    return [job for job in jobs if _wanted(job, only)]


def _needs_bank(only: Sequence[str]) -> bool:
    return not only or bool({"T1", "T2", "T4", "T5"} & set(only))


def _fewer(count: Callable[..., list[Guarantee]], quick: bool) -> dict[str, int]:
    """A twentieth of the repetitions, where a quick look is asked for."""
    runs = signature(count).parameters.get("runs")
    return {"runs": max(10, runs.default // 20)} if quick and runs is not None else {}


def _wanted(job: Job, only: Sequence[str]) -> bool:
    named = job[1][0] if job[0] is refused else job[0].__name__
    return not only or any(number.lower() in str(named).lower().split("_") for number in only)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count and print what the command line asks for; return 1 when a target of ours is missed."""
    asked = argparse.ArgumentParser(
        prog="python -m bench.guarantees", description="Count what remit's statistics promise."
    )
    asked.add_argument("--data", type=Path, metavar="FILE", help="CSV: confidence, correct, class and, if wanted, time")
    asked.add_argument("--only", default="", metavar="T1,...", help="only these rows; nothing is written")
    asked.add_argument("--quick", action="store_true", help="a twentieth of the runs: to see that it runs; not written")
    asked.add_argument("--processes", type=int, default=2, help="how many at once; default 2")
    asked.add_argument("--output", type=Path, help="default of a full run: bench/guarantees.json")
    wanted = asked.parse_args(arguments)
    only = [number.strip().upper() for number in wanted.only.split(",") if number.strip()]
    for number in only:
        if number not in {f"T{place}" for place in range(1, 9)}:
            asked.error(f"--only: got {number!r:.40}, expected T1 to T8")
    begun = time.monotonic()
    try:
        rows = counted(wanted.data, only, max(0, wanted.processes), quick=wanted.quick)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    shown = Console(width=None if sys.stdout.isatty() else 210)
    shown.print(table(rows))
    for row in rows:
        if row.note:
            shown.print(f"{row.number} {row.what}, {row.who}: {row.note}", markup=False, highlight=False)
    shown.print(summary(rows), style="bold", markup=False, highlight=False)
    took = f"{time.monotonic() - begun:.0f} s in {wanted.processes} processes on {os.cpu_count()} cores"
    shown.print(took, style="dim", highlight=False)
    output = wanted.output or (RESULTS if wanted.data is None and not only and not wanted.quick else None)
    if output is not None:
        name = f"What the statistics promise, counted{'' if wanted.data is None else ' on ' + wanted.data.name}"
        write(rows, output, name)
    return exit_code(rows)


if __name__ == "__main__":
    sys.exit(main())
