"""Whether anything shows that an agent may not see: random contexts of random graphs, read in two ways.

    python -m bench.leak_bench --contexts 100000

Every context of a graph with a history of loads, merges, splits, undoing and rows held back is compared, whole, with
what a plain reader makes of the tables that never looks at what is out of sight. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

from tests.knowledge.leak_trial import leak_trial

from remit.ledger.journal import Journal
from remit.store.engine import open_store

__all__ = ["fresh_journals"]

ASKS_EACH = 1_000


def fresh_journals(folder: Path) -> Callable[[], AbstractContextManager[Journal]]:
    """Return what opens a journal on a new SQLite store in ``folder`` each time."""
    numbers = count()

    @contextmanager
    def fresh() -> Iterator[Journal]:
        path = folder / f"{next(numbers)}.db"
        store = open_store(f"sqlite:{path}")
        journal = Journal(store)
        try:
            yield journal
        finally:
            journal.close()
            store.close()
            for file in folder.glob(f"{path.name}*"):
                file.unlink()

    return fresh


def main() -> None:
    """Compare as many contexts as the command line asks for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--contexts", type=int, default=100_000)
    asked.add_argument("--seed", type=int, default=1)
    wanted = asked.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="remit-leaks-") as folder:
        trial = leak_trial(fresh_journals(Path(folder)), wanted.contexts, wanted.seed, ASKS_EACH)
    figures = {
        "contexts": trial.contexts,
        "nothing_visible": trial.nothing,
        "differing": len(trial.differing),
        "neighbours": trial.words["neighbours"],
        "links": trial.words["links"],
        "of_several_records": trial.words["of several records"],
        "seconds": round(time.perf_counter() - began, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
