"""The ledger: appending in group and verifying, at ten thousand to a million events, beside an audit file."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from bench.environments import PEERS, peer_python, peer_version
from bench.probe import NotMeasured, Piece, Probe, Reading, Taken, json_lines
from bench.rows import Budget, Row, Samples, compare
from bench.scratch_store import scratch_store
from bench.where import time_shares

__all__ = ["ledger_pieces", "one_reading", "verify_rows"]

APPEND = Budget("at_least", 20_000)
VERIFY = Budget("at_least", 400_000)
VERIFIERS = ("check_ledger", "verify.py")
SIZES = {"sqlite": (10_000, 100_000, 1_000_000), "postgresql": (10_000, 100_000)}
ROUNDS_MAX = 3
CALL_RUN = "import json, bench.ledger_bench as bench; print(json.dumps({'rows': bench.run()}))"
PEER = "agent-governance-toolkit"
PEER_EVENTS = 10_000


def ledger_pieces(*, quick: bool) -> list[Piece]:
    """Return the pieces; a quick run stops at ten thousand events and leaves out verification."""
    pieces = [_append_piece(kind, sizes[:1] if quick else sizes) for kind, sizes in SIZES.items()]
    if quick:
        return pieces
    probes = (Probe("remit", _verify), Probe("peer", _peer))
    return [*pieces, Piece("ledger.verify", probes, verify_rows, lambda row: _verify_where(), ROUNDS_MAX)]


def _peer() -> Sequence[Reading]:
    command = [str(peer_python(PEER)), "-I", str(PEERS / "agt_peer.py"), "audit"]
    return json_lines([*command, "--events", str(PEER_EVENTS)], seconds_max=120)


def _peer_name() -> str:
    return f"{PEER} {peer_version(PEER, 'agent-governance-toolkit-core')} file audit sink, no fsync"


def _append_piece(kind: str, sizes: tuple[int, ...]) -> Piece:
    def ours() -> Sequence[Reading]:
        with scratch_store(kind) as (store, env):
            command = [sys.executable, "-m", "bench.append_bench", "--store", store]
            lines = json_lines([*command, "--sizes", ",".join(map(str, sizes))], env=env, seconds_max=300)
        return [one_reading(lines, "events", ("per_cpu_second", "cpu_us"))]

    def rows(taken: Mapping[str, Taken]) -> list[Row]:
        return [
            compare(
                f"ledger.append.{kind}.{size}",
                f"ledger, append in group to {size:,} events, {kind}",
                "events/CPU s",
                taken["remit"].samples(f"per_cpu_second_{size}", f"cpu_us_{size}"),
                taken["peer"].samples("append_per_cpu_second"),
                better="higher",
                peer_name=_peer_name(),
                budget=APPEND,
            )
            for size in sizes
        ]

    probes = (Probe("remit", ours), Probe("peer", _peer))
    return Piece(f"ledger.append.{kind}", probes, rows, lambda row: _append_where(kind), ROUNDS_MAX)


@cache
def _append_where(kind: str) -> str:
    try:
        with scratch_store(kind) as (store, env):
            return time_shares(["bench.append_bench", "--store", store, "--sizes", "20000"], env)
    except NotMeasured as reason:
        return f"where the time goes could not be sampled: {reason}"


def one_reading(lines: Sequence[Reading], by: str, keys: Sequence[str]) -> Reading:
    """Join ``lines`` into one reading whose keys end in what each line has under ``by``."""
    return {f"{key}_{line[by]}": line[key] for line in lines for key in keys if by in line and key in line}


def _verify() -> Sequence[Reading]:
    if importlib.util.find_spec("bench.ledger_bench") is None:
        raise NotMeasured("bench/ledger_bench.py is not there yet")
    return json_lines([sys.executable, "-c", CALL_RUN], seconds_max=300)


def verify_rows(taken: Mapping[str, Taken]) -> list[Row]:
    """Make a row of every figure that `bench.ledger_bench.run` gives; those that verify have the budget."""
    figures: dict[tuple[str, int, str], list[float]] = {}
    for reading in taken["remit"].readings:
        for row in reading["rows"]:
            figures.setdefault((str(row["what"]), int(row["n"]), str(row["unit"])), []).append(float(row["value"]))
    if not figures:
        return [_verify_row("verify", 0, "events/CPU s", Samples(problem=taken["remit"].problem), taken["peer"])]
    return [
        _verify_row(what, count, unit.replace(" per CPU second", "/CPU s"), Samples(tuple(values)), taken["peer"])
        for (what, count, unit), values in figures.items()
    ]


def _verify_row(what: str, count: int, unit: str, ours: Samples, peer: Taken) -> Row:
    name = "_".join(re.findall(r"[a-z0-9]+", what.partition(":")[0].lower())[:4])
    verifies = not count or what.startswith(VERIFIERS)
    return compare(
        f"ledger.verify.{name}.{count}" if count else "ledger.verify",
        f"ledger, {what}, {count:,}" if count else "ledger, verify",
        unit,
        ours,
        peer.samples("verify_per_cpu_second") if verifies else None,
        better="higher",
        peer_name=_peer_name() if verifies else "",
        budget=VERIFY if verifies else None,
    )


@cache
def _verify_where() -> str:
    shares = time_shares(["bench.ledger_bench:run"], seconds_max=300)
    return f"over all of bench.ledger_bench with its setting up, {shares}"
