"""A gate decision under 10 and 100 rules, beside the quick-start path of the agent-governance-toolkit."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from bench.environments import PEERS, peer_python, peer_version
from bench.probe import NotMeasured, Piece, Probe, Reading, Taken, json_lines
from bench.rows import Budget, Row, compare
from bench.where import time_shares

__all__ = ["flattened", "gate_piece", "gate_rows"]

PEER = "agent-governance-toolkit"
RULES = (10, 100)
BUDGETS_US = {(10, "p50"): 60, (100, "p50"): 80, (100, "p99"): 150}
CALL_RUN = "import json, bench.gate_bench as bench; print(json.dumps({'rows': bench.run()}))"


def gate_piece(calls: int) -> Piece:
    """Return the piece; the peer is called ``calls`` times a round, ours as `bench.gate_bench` sees fit."""

    def peer() -> Sequence[Reading]:
        command = [str(peer_python(PEER)), "-I", str(PEERS / "agt_peer.py"), "govern"]
        return json_lines([*command, "--calls", str(calls)], seconds_max=120)

    return Piece("gate", (Probe("remit", _ours), Probe("peer", peer)), gate_rows, lambda row: _where())


def _ours() -> Sequence[Reading]:
    if importlib.util.find_spec("bench.gate_bench") is None:
        raise NotMeasured("bench/gate_bench.py is not there yet")
    (reading,) = json_lines([sys.executable, "-c", CALL_RUN], seconds_max=120)
    return [flattened(reading)]


def flattened(reading: Reading) -> Reading:
    """Turn the rows of `bench.gate_bench.run` into one reading, keyed by rules, kind of decision and percentile.

    A row is "..., 10 rules, allow"; one without a kind is of decisions that allow.

    Raises:
        NotMeasured: a row does not say of how many rules it is.
    """
    found: dict[str, object] = {}
    for row in reading["rows"]:
        said = re.search(r"\b(\d+)[ -]rules?(?:, (\w+))?", str(row.get("what", "")))
        if said is None or int(said[1]) not in RULES:
            raise NotMeasured(f"bench.gate_bench gave a row of neither 10 nor 100 rules: {row.get('what')!r:.80}")
        for percentile in ("p50", "p99"):
            found[f"{said[1]}.{said[2] or 'allow'}.{percentile}"] = row[f"{percentile}_us"]
    return found


def gate_rows(taken: Mapping[str, Taken]) -> list[Row]:
    """Make a row of every kind of decision and percentile; the peer stands where it decides the same: allow."""
    version = peer_version(PEER, "agent-governance-toolkit-core")
    keys = dict.fromkeys(f"{rules}.allow.{percentile}" for rules in RULES for percentile in ("p50", "p99"))
    keys |= dict.fromkeys(key for reading in taken["remit"].readings for key in reading)
    rows = []
    for key in keys:
        rules, kind, percentile = key.split(".")
        limit = BUDGETS_US.get((int(rules), percentile))
        same = kind == "allow"
        rows.append(
            compare(
                f"gate.{key}",
                f"gate decision, {rules} rules, {kind}, CPU {percentile}",
                "us",
                taken["remit"].samples(key),
                taken["peer"].samples(f"rules_{rules}_{percentile}_us") if same else None,
                better="lower",
                peer_name=f"{PEER} {version} govern()" if same else "",
                budget=Budget("at_most", limit) if limit else None,
            )
        )
    return rows


@cache
def _where() -> str:
    return time_shares(["bench.gate_bench:run"])
