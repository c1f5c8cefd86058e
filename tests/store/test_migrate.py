"""A process that dies while it makes the schema leaves none of it, or a whole step: whoever opens next goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from remit.store.engine import open_store
from remit.store.migrate import SCHEMA_VERSION

DIES = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from remit.store.engine import open_store

left = int(sys.argv[2])

def statement(_connection, _cursor, text, *_more):
    global left
    left -= "create" in text.lower()
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", statement)
open_store(sys.argv[1]).close()
"""


@pytest.mark.parametrize("statements", [1, 2, 5, 14, 21, 24, 33, 40, 46])
def test_a_crash_at_any_statement_leaves_a_whole_step(tmp_path: Path, statements: int) -> None:
    url = f"sqlite:{tmp_path / 'store.db'}"
    died = subprocess.run([sys.executable, "-c", DIES, url, str(statements)], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    store = open_store(url)
    try:
        assert store.read("select version_num from alembic_version") == [(SCHEMA_VERSION,)]
        assert store.read("select size, epoch from head") == [(0, 0)]
        assert store.read("select count(*) from case_record") == [(0,)]
    finally:
        store.close()
