"""`remit verify` on a live store that somebody changed behind remit's back, on both stores; and crashes."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.run.conftest import Open, make_shop

from remit.app import Control, init_company, open_company
from remit.errors import BadInput, LedgerBroken
from remit.ledger.checkpoint import Signer
from remit.ledger.event import encode
from remit.ledger.keeper import Keeper
from remit.ledger.restore import restore
from remit.ledger.witness import FileWitness
from remit.store.engine import Store, open_store
from remit.store.torn import torn_bytes


def fill(control: Control, start: int = 0, count: int = 6) -> None:
    for number in range(start, start + count):
        amount = 12_500 if number % 3 == 0 else 500
        journey = control.propose(
            "refund-desk", "refund.create", f"c{number}", {"order": f"A{number}", "amount_minor": amount}, "0.9"
        )
        if journey.progress == "waiting":
            control.approve(journey.action, "cleo.finance")
    control.work()
    control.keeper.checkpoint()


def change(store: Store, statement: str, *parameters: object) -> None:
    with store.transaction() as transaction:
        assert transaction.execute(statement, parameters) >= 1


def edit_body(old: str, new: str, *, kind: str, also_leaf: bool = False) -> Callable[[Store], None]:
    def tamper(store: Store) -> None:
        rows = store.read("select seq, body from event where kind = ? order by seq", (kind,))
        seq, body = next((seq, body) for seq, body in rows if old in body)
        changed = body.replace(old, new, 1)
        change(store, "update event set body = ? where seq = ?", changed, seq)
        if also_leaf:
            from remit.ledger.verify import leaf_hash

            change(store, "update event set leaf = ? where seq = ?", leaf_hash(changed.encode()), seq)

    return tamper


def swap_order(store: Store) -> None:
    change(store, "update event set seq = -1 where seq = 8")
    change(store, "update event set seq = 8 where seq = 9")
    change(store, "update event set seq = 9 where seq = -1")


def delete_middle(store: Store) -> None:
    change(store, "delete from event where seq = 7")


def delete_middle_and_renumber(store: Store) -> None:
    change(store, "delete from event where seq = 7")
    for seq in range(8, store.read("select max(seq) from event")[0][0] + 1):
        change(store, "update event set seq = ? where seq = ?", seq - 1, seq)
    change(store, "update head set size = size - 1")


def cut_tail(store: Store) -> None:
    change(store, "delete from event where seq = (select max(seq) from event)")
    change(store, "update head set size = size - 1")


def cut_half(store: Store) -> None:
    size = store.read("select size from head")[0][0]
    change(store, "delete from event where seq >= ?", size // 2)
    change(store, "update head set size = ?", size // 2)


def cut_half_with_its_checkpoints(store: Store) -> None:
    cut_half(store)
    change(store, "delete from checkpoint where size > (select size from head)")


def empty_it(store: Store) -> None:
    change(store, "delete from event where seq >= 0")
    change(store, "delete from checkpoint where size >= 0")
    change(store, "update head set size = 0")


def chain_anew_without_the_key(store: Store) -> None:
    """All leaves and roots rewritten, signed with a key of the attacker's own."""
    edit_body('"verdict":"allow"', '"verdict":"deny"', kind="action.decided", also_leaf=True)(store)
    origin = store.read("select value from setting where name = 'ledger/origin'")[0][0]
    change(store, "delete from checkpoint where size >= 0")
    path = Path(shutil.os.environ["PYTEST_FORGED_KEY"])  # type: ignore[attr-defined]
    Keeper(store, Signer.open(path, origin)).checkpoint()


def edit_column(store: Store) -> None:
    change(store, "update event set actor = 'agent:another' where kind = 'action.begun'")


def move_head(store: Store) -> None:
    change(store, "update head set size = size + 1")


TAMPERING: dict[str, Callable[[Store], None]] = {
    "edited payload": edit_body('"order":"A1"', '"order":"A9"', kind="action.decided"),
    "edited payload with its own hash rewritten": edit_body(
        '"order":"A1"', '"order":"A9"', kind="action.decided", also_leaf=True
    ),
    "edited decision": edit_body('"verdict":"escalate"', '"verdict":"allow"', kind="action.decided"),
    "edited approver": edit_body("cleo.finance", "dora.finance", kind="approval.answered"),
    "swapped order": swap_order,
    "deleted middle": delete_middle,
    "deleted middle, renumbered": delete_middle_and_renumber,
    "cut tail": cut_tail,
    "cut half": cut_half,
    "cut half, with its checkpoints": cut_half_with_its_checkpoints,
    "emptied": empty_it,
    "re-chained without the key": chain_anew_without_the_key,
    "edited column": edit_column,
    "moved head": move_head,
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_found(opened: Open, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_FORGED_KEY", str(tmp_path / "forged.key"))
    control = opened()
    fill(control)
    assert control.verify().problems == ()
    TAMPERING[name](control.store)
    assert control.verify().problems != (), f"{name} went unnoticed"


def test_an_older_file_put_back_is_found_by_the_witness(tmp_path: Path) -> None:
    folder = tmp_path / "company"
    init_company(folder)
    (folder / "remit.yaml").write_text(f"witness: {tmp_path / 'witness'}\n")
    state, copy = folder / ".remit" / "store.db", tmp_path / "older.db"
    with open_company(folder, "first", connectors={"shop": make_shop()}) as control:
        fill(control)
    shutil.copy(state, copy)
    with open_company(folder, "second", connectors={"shop": make_shop()}) as control:
        fill(control, 10)
    for name in ("-wal", "-shm"):
        state.with_name(state.name + name).unlink(missing_ok=True)
    shutil.copy(copy, state)
    with open_company(folder, "third", connectors={"shop": make_shop()}) as control:
        problems = control.verify().problems
    assert any("its tail is gone" in problem for problem in problems), problems


def test_two_honest_writers_raise_no_alarm(opened: Open) -> None:
    first, second = opened("first"), opened("second")
    for number in range(5):
        fill(first, number * 20, 2)
        fill(second, number * 20 + 10, 2)
    assert first.verify().problems == second.verify().problems == ()


def test_a_deleted_export_file_is_found_by_the_one_file_verifier(opened: Open, tmp_path: Path) -> None:
    control = opened()
    fill(control)
    control.export(tmp_path / "export")
    command = [sys.executable, "-I", "-S", "verify.py", "."]
    whole = subprocess.run(command, cwd=tmp_path / "export", capture_output=True, text=True, check=False)
    assert (whole.returncode, whole.stdout.splitlines()[-1]) == (0, "holds"), whole.stdout + whole.stderr
    next((tmp_path / "export" / "events").iterdir()).unlink()
    broken = subprocess.run(command, cwd=tmp_path / "export", capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert "BROKEN" in broken.stdout


CRASH = """
import os, signal, sys
from remit.app import open_company
from tests.run.conftest import make_shop
control = open_company(sys.argv[1], "crash", connectors={"shop": make_shop()})
for number in range(5):
    control.propose("refund-desk", "refund.create", f"k{number}", {"order": f"K{number}", "amount_minor": 5}, "0.9")
print("acknowledged", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_torn_tail_opens_and_is_recorded(folder: Path, opened: Open, store_url: str) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout == "acknowledged\n", done.stderr
    torn = 0
    if store_url.startswith("sqlite:"):
        path = Path(store_url.removeprefix("sqlite:"))
        log = path.with_name(path.name + "-wal")
        data = log.read_bytes()
        log.write_bytes(data + data[32 : 32 + 24] + b"half a page that a crash left"[:20])  # a frame cut short
        torn = torn_bytes(path)
        assert torn > 0
    control = opened("next")
    assert control.desk.store is control.store
    assert all(control.journey(f"k{number}").progress == "finished" for number in range(5))
    (event,) = [item.event for item in control.log(100, kind="ledger.recovered")]
    assert event.data["torn_bytes"] == torn
    assert [str(name).split("-")[0] for name in event.data["processes"]] == ["crash"]  # type: ignore[union-attr]
    fill(control)
    assert control.verify().problems == ()


def test_a_clean_end_records_no_crash(opened: Open) -> None:
    opened("first").desk  # noqa: B018
    opened("second").desk  # noqa: B018
    assert opened("third").log(10, kind="ledger.recovered") == ()


def test_backup_and_restore_keep_everything(opened: Open, folder: Path, tmp_path: Path) -> None:
    control = opened()
    fill(control)
    assert control.backup(tmp_path / "backup") == control.verify().size
    with pytest.raises(BadInput, match="there already"):
        control.backup(tmp_path / "backup")
    events = control.store.read("select seq, body from event order by seq")
    target = open_store(f"sqlite:{tmp_path / 'new' / 'store.db'}")
    report = restore(tmp_path / "backup", target, tmp_path / "new", ())
    assert (report.size, report.lost) == (len(events), 0)
    target.close()
    with sqlite3.connect(tmp_path / "new" / "store.db") as restored:
        assert restored.execute("select seq, body from event order by seq").fetchall() == events
    restored.close()
    with pytest.raises(BadInput, match="not empty"):
        again = open_store(f"sqlite:{tmp_path / 'new' / 'store.db'}")
        try:
            restore(tmp_path / "backup", again, tmp_path / "new", ())
        finally:
            again.close()


def test_a_backup_that_is_behind_its_witness_is_refused_or_owned_up_to(opened: Open, tmp_path: Path) -> None:
    control = opened()
    fill(control)
    control.backup(tmp_path / "backup")
    fill(control, 10)
    witness = FileWitness(tmp_path / "witness")
    target = open_store(f"sqlite:{tmp_path / 'new' / 'store.db'}")
    with pytest.raises(LedgerBroken, match="would be lost"):
        restore(tmp_path / "backup", target, tmp_path / "new", (witness,))
    report = restore(tmp_path / "backup", target, tmp_path / "new", (witness,), "the disk burned")
    assert report.lost > 0
    target.close()
    again = open_store(f"sqlite:{tmp_path / 'new' / 'store.db'}")
    try:
        body = again.read("select body from event where kind = 'ledger.recovered' order by seq desc")[0][0]
        assert "the disk burned" in body and control.signer.origin in body
    finally:
        again.close()


def test_a_tampered_backup_is_refused(opened: Open, tmp_path: Path) -> None:
    control = opened()
    fill(control)
    control.backup(tmp_path / "backup")
    with sqlite3.connect(tmp_path / "backup" / "store.db") as connection:
        connection.execute("update event set body = replace(body, 'A1', 'A2') where body like '%A1%'")
    connection.close()
    target = open_store(f"sqlite:{tmp_path / 'new' / 'store.db'}")
    with pytest.raises(LedgerBroken, match="the backup does not hold"):
        restore(tmp_path / "backup", target, tmp_path / "new", ())
    target.close()


def test_encode_agrees_with_the_one_file_verifier() -> None:
    from datetime import UTC, datetime

    from remit.ledger.verify import leaf_hash
    from remit.vocabulary import Event

    entry = encode(Event("outcome.recorded", "x", {"b": [1, None], "a": "é"}), datetime(2026, 1, 1, tzinfo=UTC))
    assert entry.leaf == leaf_hash(entry.body.encode())
