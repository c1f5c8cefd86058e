"""A process killed in the middle of loading, again and again: nothing is doubled, nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import orjson
import pytest
from tests.knowledge.loading_process import load_days
from tests.knowledge.plain_load import OPEN

from remit.knowledge.integrity import check_knowledge
from remit.knowledge.roots import batch_roots
from remit.ledger.audit import verify_store
from remit.ledger.checkpoint import Signer
from remit.store.engine import Store, open_store

SCRIPT = Path(__file__).parent / "loading_process.py"
COMMITS = 24
"""About as many commits as the two loads take."""

CONTENT = {
    "facts": "select r.skey, p.name, f.value, f.valid_from, f.valid_to, f.observed, f.flags from fact f "
    f"join record r on r.rid = f.rid join property p on p.pid = f.pid where f.tx_to = {OPEN}",
    "links": "select a.skey, p.name, b.skey, l.valid_from, l.valid_to from link l join record a on a.rid = l.src "
    f"join record b on b.rid = l.dst join property p on p.pid = l.pid where l.tx_to = {OPEN}",
    "records": "select r.skey, r.type, (select count(*) from version v where v.rid = r.rid and "
    f"v.tx_to = {OPEN}), (select count(*) from member m where m.rid = r.rid) from record r",
    "held": "select skey, rule, raw, state from quarantine",
}


def content(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """What the graph says, whatever the numbers under which it stands."""
    return {name: sorted(map(tuple, store.read(statement)), key=repr) for name, statement in CONTENT.items()}


def test_killed_at_random_commits_and_repeated_it_ends_like_one_undisturbed(
    opener: Callable[[], Store], store_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    undisturbed = open_store(f"sqlite:{tmp_path / 'undisturbed.db'}")
    load_days(undisturbed)
    wanted = content(undisturbed)
    undisturbed.close()
    assert [len(rows) for rows in wanted.values()] != [0, 0, 0, 0]
    opener().close()
    drawn = Random(request.node.name)
    numbers = sorted(drawn.sample(range(2, COMMITS), 3))
    kills = 0
    for number in numbers:
        fault = f"{drawn.choice(['before', 'after'])}:{number}"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(SCRIPT), store_url, fault],
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()[-2_000:]
        kills += done.returncode != 0
    assert kills >= 2, "the faults come within the loads"
    store = opener()
    reports = load_days(store)
    assert [report.state for report in reports] == ["ok", "ok"]
    found = content(store)
    for name, rows in wanted.items():
        if name == "facts":  # a day loaded twice begins at the same moment, and what came of it is the same
            assert _current(found[name]) == _current(rows)
            continue
        assert found[name] == rows, name
    _holds(store, tmp_path)
    store.close()


def _current(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [(row[0], row[1], row[2]) for row in rows if row[4] == OPEN]


def _holds(store: Store, tmp_path: Path) -> None:
    states = [state for (state,) in store.read("select state from load order by load")]
    assert "running" not in states and states[-2:] == ["ok", "ok"] and "failed" in states
    report = verify_store(store, Signer.open(tmp_path / "ledger.key", "remit.test/loads"))
    assert not [problem for problem in report.problems if "checkpoint" not in problem], report.problems
    with store.snapshot() as reader:
        bodies = reader.fetch("select seq, body from event where kind = 'source.batch' order by seq")
        said = {seq: orjson.loads(body)["data"]["root"] for seq, body in bodies}
        found = dict(batch_roots(reader))
        assert {seq: said[seq] for seq in found} == found
    known = check_knowledge(store)
    assert known.holds, known.problems
