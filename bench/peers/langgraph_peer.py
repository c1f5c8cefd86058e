"""The governed action in LangGraph: three durable nodes (propose, gate, act) that do nothing, ungoverned.

Runs in its own environment (langgraph.txt) and prints one JSON line. Every action is a thread of the graph
of its own, invoked with durability="sync", so that each node is on disk before the next begins. The savers
are taken as they are shipped: SqliteSaver on one connection (it sets WAL itself; the line says what is in
force), PostgresSaver on a pool.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict

POOL_CONNECTIONS = 20
SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


class State(TypedDict, total=False):
    """What goes from node to node: about what a governed action carries."""

    order: str
    amount_minor: int
    proposal: dict[str, Any]
    allowed: bool
    outcome: dict[str, Any]


def propose(state: State) -> State:
    """Propose one booking."""
    arguments = {
        "order": state["order"],
        "carrier": "DHL",
        "mode": "Air",
        "expected_cost_minor": state["amount_minor"],
    }
    return {"proposal": {"name": "booking.create", "arguments": arguments, "confidence_bp": 9300}}


def gate(state: State) -> State:
    """Let everything through."""
    return {"allowed": True}


def act(state: State) -> State:
    """Do nothing, and say so."""
    return {"outcome": {"done": state["allowed"], "cost_minor": state["amount_minor"]}}


def compiled(saver: Any) -> Any:
    """Return the graph of the three nodes on ``saver``."""
    graph: Any = importlib.import_module("langgraph.graph")
    built = graph.StateGraph(State)
    built.add_sequence([propose, gate, act])
    built.add_edge(graph.START, "propose")
    return built.compile(checkpointer=saver)


@contextmanager
def saver_on(store: str) -> Iterator[tuple[Any, str]]:
    """Yield the shipped saver for ``store`` and a line on what is in force there."""
    if store.startswith("sqlite:"):
        sqlite_saver: Any = importlib.import_module("langgraph.checkpoint.sqlite").SqliteSaver
        connection = sqlite3.connect(store.removeprefix("sqlite:"), check_same_thread=False)
        saver = sqlite_saver(connection)
        saver.setup()
        journal, level = (
            connection.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        )
        yield saver, f"journal_mode {journal}, synchronous {SYNCHRONOUS[level]}"
        connection.close()
        return
    postgres_saver: Any = importlib.import_module("langgraph.checkpoint.postgres").PostgresSaver
    rows: Any = importlib.import_module("psycopg.rows")
    pool: Any = importlib.import_module("psycopg_pool")
    asked = {"autocommit": True, "prepare_threshold": 0, "row_factory": rows.dict_row}
    with pool.ConnectionPool(store, min_size=POOL_CONNECTIONS, max_size=POOL_CONNECTIONS, kwargs=asked) as connections:
        connections.wait()
        saver = postgres_saver(connections)
        saver.setup()
        with connections.connection() as connection:
            synchronous = connection.execute("show synchronous_commit").fetchone()["synchronous_commit"]
        yield saver, f"pool of {POOL_CONNECTIONS}, synchronous_commit {synchronous}"


def run_actions(act_once: Callable[[], None], concurrency: int, seconds: float) -> dict[str, float]:
    """Call ``act_once`` from ``concurrency`` threads for ``seconds``, after one call each to warm up."""
    times: list[list[int]] = [[] for _ in range(concurrency)]
    problems: list[BaseException] = []
    ready = threading.Barrier(concurrency + 1)
    end = [0]

    def work(own: list[int]) -> None:
        try:
            act_once()
            ready.wait()
            ready.wait()
            while time.perf_counter_ns() < end[0]:
                began = time.perf_counter_ns()
                act_once()
                own.append(time.perf_counter_ns() - began)
        except BaseException as problem:
            problems.append(problem)
            ready.abort()

    threads = [threading.Thread(target=work, args=(own,)) for own in times]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        began, cpu_began = time.perf_counter_ns(), time.process_time_ns()
        end[0] = began + int(seconds * 1e9)
        ready.wait()
    except threading.BrokenBarrierError:
        pass
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    wall_ns, cpu_ns = time.perf_counter_ns() - began, time.process_time_ns() - cpu_began
    taken = sorted(itertools.chain.from_iterable(times))
    return {
        "actions_per_second": len(taken) / wall_ns * 1e9,
        "cpu_us_per_action": cpu_ns / 1e3 / len(taken),
        "p50_ms": taken[len(taken) // 2] / 1e6,
        "p99_ms": taken[int(len(taken) * 0.99)] / 1e6,
        "actions": len(taken),
    }


def main() -> None:
    """Measure one store at one concurrency and print the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--store", required=True, help="sqlite:PATH or postgresql://...")
    asked.add_argument("--concurrency", type=int, required=True)
    asked.add_argument("--seconds", type=float, default=2.0)
    wanted = asked.parse_args()
    numbers = itertools.count()
    with saver_on(wanted.store) as (saver, in_force):
        graph = compiled(saver)

        def act_once() -> None:
            number = next(numbers)
            config = {"configurable": {"thread_id": f"action-{number}"}}
            done = graph.invoke({"order": f"A{number}", "amount_minor": 90_000}, config, durability="sync")
            if not done["outcome"]["done"]:
                raise SystemExit("the graph ended without having acted")

        found = run_actions(act_once, wanted.concurrency, wanted.seconds)
    print(json.dumps({**found, "in_force": in_force}))


if __name__ == "__main__":
    main()
