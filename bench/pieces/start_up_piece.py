"""What starting costs: `import remit` and `remit --help` in fresh processes, beside a bare interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.environments import peer_python
from bench.probe import CHECKOUT, Piece, Probe, Reading, Taken, timed_process
from bench.rows import Budget, Row, compare

__all__ = ["start_up_pieces"]

REMIT = str(Path(sys.executable).with_name("remit"))
LOOP = "total = 0\nfor number in range(1_000_000):\n    total += number"
"""How fast the machine is just then, to read all other figures by."""
OURS = {
    "python": ("a bare interpreter", [sys.executable, "-c", "pass"], None),
    "loop": ("a bare interpreter, adding up a million numbers", [sys.executable, "-c", LOOP], None),
    "import": ("import remit", [sys.executable, "-c", "import remit"], Budget("at_most", 100)),
    "app": ("import remit.app, all verbs wired", [sys.executable, "-c", "import remit.app"], None),
    "help": ("remit --help", [REMIT, "--help"], Budget("at_most", 200)),
}
PEER_IMPORTS = {"app": ("agent-governance-toolkit", "agentmesh.governance")}
"""A peer's import stands beside that of all our verbs: `import remit` alone loads next to nothing."""


def start_up_pieces(runs: int) -> list[Piece]:
    """Return the pieces; every round starts each side ``runs`` times."""
    return [_piece(name, runs) for name in OURS]


def _piece(name: str, runs: int) -> Piece:
    what, command, budget = OURS[name]
    package, module = PEER_IMPORTS.get(name, ("", ""))
    warmed: set[str] = set()

    def started(side: str, command: Sequence[str]) -> Sequence[Reading]:
        if side not in warmed:
            timed_process(command)  # the first run compiles and fills the page cache
            warmed.add(side)
        times = [timed_process(command) for _ in range(runs)]
        return [{"wall_ms": wall, "cpu_us": cpu * 1e3} for wall, cpu in times]

    def peer() -> Sequence[Reading]:
        return started("peer", [str(peer_python(package)), "-W", "ignore", "-c", f"import {module}"])

    def rows(taken: Mapping[str, Taken]) -> list[Row]:
        return [
            compare(
                f"start.{name}",
                f"{what}, wall",
                "ms",
                taken["remit"].samples("wall_ms", "cpu_us"),
                taken["peer"].samples("wall_ms", "cpu_us") if package else None,
                better="lower",
                peer_name=f"{package}: import {module}" if package else "",
                budget=budget,
            )
        ]

    ours = Probe("remit", lambda: started("remit", command))
    probes = (ours, Probe("peer", peer)) if package else (ours,)
    return Piece(f"start.{name}", probes, rows, lambda row: _slowest_imports(command))


def _slowest_imports(command: Sequence[str]) -> str:
    """Name the packages that importing spends most of its own time on."""
    wanted = [sys.executable, "-X", "importtime", *(command[1:] if command[0] == sys.executable else command)]
    try:
        done = subprocess.run(wanted, cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"import times cannot be had: {error}"
    return f"import time goes to: {heaviest(done.stderr.decode('utf-8', 'replace'))}"


def heaviest(import_times: str, count: int = 6) -> str:
    """Sum what ``-X importtime`` printed by package, and write the heaviest with their own milliseconds."""
    own: Counter[str] = Counter()
    for self_us, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", import_times, re.MULTILINE):
        own[module.partition(".")[0]] += int(self_us)
    return ", ".join(f"{package} {us / 1e3:.0f} ms" for package, us in own.most_common(count))
