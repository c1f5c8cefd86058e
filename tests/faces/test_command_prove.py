"""verify, export, erase, backup, restore."""

from __future__ import annotations

import base64
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.faces.refund_shop import Shop
from tests.faces.stage import Remit, lines, proposal


@pytest.fixture
def lived(remit: Remit, company: Path, tmp_path: Path) -> Path:
    """A company in which something happened, personal data too."""
    manifest = company / "agents" / "refund-desk.yaml"
    manifest.write_text(
        manifest.read_text().replace(
            "amount: amount_minor", 'personal: {reason: "customer/$order"}\n    amount: amount_minor'
        )
    )
    source = tmp_path / "proposals.jsonl"
    first = proposal("A1")
    first["arguments"]["reason"] = "my knee hurts"
    source.write_bytes(lines(first, proposal("A2", 12_500), proposal("A3", 99_999)))
    assert remit("run", str(source)).code == 0
    return company


def test_a_ledger_that_holds(remit: Remit, lived: Path) -> None:
    ran = remit("verify", "--decisions")
    assert ran.code == 0
    assert ran.out.endswith("holds\n")
    assert "decisions    3 judged the same again, 0 otherwise" in ran.out
    found = remit("verify", "--json").json
    assert (found["holds"], found["problems"], found["decisions"]) == (True, [], None)
    assert found["root"] in ran.out
    assert found["signed"] == found["events"]
    assert found["witness"].endswith("witness")


def test_a_ledger_that_was_changed_is_broken(remit: Remit, lived: Path) -> None:
    with sqlite3.connect(lived / ".remit" / "store.db") as store:
        store.execute("update event set body = replace(body, '99999', '99998') where body like '%99999%'")
    store.close()
    ran = remit("verify")
    assert ran.code == 1
    assert "BROKEN" in ran.out
    assert ran.out.splitlines()[-1] != "holds"
    found = remit("verify", "--json")
    assert (found.code, found.json["holds"]) == (1, False)
    assert found.json["problems"]


def test_decisions_that_come_out_otherwise_break_it(remit: Remit, lived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from remit.app import Control
    from remit.run.rejudge import RejudgeReport

    monkeypatch.setattr(Control, "replay_decisions", lambda *_: RejudgeReport(2, ("event 7: judged otherwise",), 0))
    ran = remit("verify", "--decisions")
    assert ran.code == 1
    assert "event 7: judged otherwise" in ran.out
    assert remit("verify").code == 0


def test_decisions_that_cannot_be_judged_again_break_it_and_are_counted_apart(
    remit: Remit, lived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remit.app import Control
    from remit.run.rejudge import RejudgeReport

    report = RejudgeReport(2, (), 1, ("event 7: fact who (f3) is not what was recorded",))
    monkeypatch.setattr(Control, "replay_decisions", lambda *_: report)
    ran = remit("verify", "--decisions")
    assert ran.code == 1
    assert "0 otherwise, 1 rest on data erased since, 1 cannot be judged again" in ran.out
    assert "event 7: fact who (f3) is not what was recorded" in ran.out
    found = remit("verify", "--decisions", "--json")
    assert (found.code, found.json["holds"], found.json["decisions"]["erased"]) == (1, False, 1)
    assert found.json["decisions"]["unknown"] == list(report.unknown)


def test_an_export_is_checked_by_its_own_verifier(remit: Remit, lived: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    ran = remit("export", str(folder))
    assert (ran.code, ran.err) == (0, "")
    checked = subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), str(folder)], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    root = ran.out.splitlines()[1].split()[1].rstrip(",")
    assert f"root        {root}\n" in checked.stdout
    assert base64.b64decode(root).hex() == remit("verify", "--json").json["root"]
    again = remit("export", str(folder))
    assert again.code == 2
    assert "not empty" in again.err


def test_erasing_leaves_every_proof(remit: Remit, lived: Path) -> None:
    assert b"my knee hurts" in _all_bytes(lived)
    assert remit("erase", "customer/A1").code == 2
    ran = remit("erase", "customer/A1", "--why", "asked to be forgotten")
    assert (ran.code, ran.out.split(";")[0]) == (0, "erased 1 value")
    assert remit("erase", "customer/A1", "--why", "again").code == 2
    proved = remit("verify", "--decisions")
    assert proved.code == 0
    assert "1 rest on data erased since" in proved.out


def _all_bytes(company: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (company / ".remit").glob("store.db*"))


def test_a_backup_is_put_back(remit: Remit, lived: Path, tmp_path: Path) -> None:
    root = remit("verify", "--json").json["root"]
    folder = str(tmp_path / "backup")
    assert remit("backup", folder).code == 0
    assert remit("backup", folder).code == 2
    refused = remit("restore", folder)
    assert refused.code == 2, refused
    _lose_store(lived)
    ran = remit("restore", folder)
    assert (ran.code, ran.err) == (0, "")
    found = remit("verify", "--json").json
    assert (found["root"], found["holds"]) == (root, True)


def test_what_a_witness_saw_is_not_lost_in_silence(remit: Remit, lived: Path, tmp_path: Path, shop: Shop) -> None:
    folder = str(tmp_path / "backup")
    remit("backup", folder)
    (tmp_path / "more.jsonl").write_bytes(lines(proposal("A9")))
    remit("run", str(tmp_path / "more.jsonl"))
    _lose_store(lived)
    refused = remit("restore", folder)
    assert refused.code == 1
    assert "would be lost" in refused.err
    owned = remit("restore", folder, "--accept-loss", "the disk burnt")
    assert owned.code == 0, owned
    assert "that a witness had seen are lost" in owned.out


def _lose_store(company: Path) -> None:
    for path in (company / ".remit").glob("store.db*"):
        path.unlink()


@pytest.mark.parametrize(
    "arguments", [("restore", "/nowhere"), ("backup", "{company}"), ("export", "{company}/remit.yaml")]
)
def test_a_folder_that_will_not_do(remit: Remit, lived: Path, arguments: tuple[str, str]) -> None:
    ran = remit(arguments[0], arguments[1].format(company=lived))
    assert (ran.code, ran.out) == (2, "")


def test_a_store_that_cannot_be_opened_is_our_fault(remit: Remit, company: Path) -> None:
    state: Any = company / ".remit"
    state.write_text("a file where a folder is expected")
    ran = remit("status")
    assert ran.code in (1, 2)
    assert "internal error" not in ran.err
    assert "Traceback" not in ran.err
