"""The published ledgers get their verdicts from the one file alone, as an auditor runs it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remit.ledger import verify

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
VERIFY = Path(verify.__file__)
EXPECTED = json.loads((VECTORS / "expected.json").read_text())


def run_alone(empty: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the file in a Python that sees nothing else: isolated, no site packages, an empty folder."""
    command = [sys.executable, "-I", "-S", str(VERIFY), *arguments]
    return subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False, encoding="utf-8")


@pytest.mark.parametrize("name", EXPECTED)
def test_verdicts(name: str, tmp_path: Path) -> None:
    expected, folder = EXPECTED[name], str(VECTORS / name)
    key = ["--key", (VECTORS / "trusted.vkey").read_text().strip()]
    witnessed = ["--checkpoint", str(VECTORS / "witnessed.checkpoint")]
    for how, arguments in (("alone", []), ("key", key), ("witnessed", [*key, *witnessed])):
        done = run_alone(tmp_path, folder, *arguments)
        lines = done.stdout.splitlines()
        assert done.stderr == ""
        assert lines[-1].partition(":")[0] == expected[how], (how, lines)
        assert done.returncode == (0 if expected[how] == "holds" else 1)
    assert expected["says"] in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_every_case_is_published_and_every_published_folder_is_a_case() -> None:
    assert {entry.name for entry in VECTORS.iterdir() if entry.is_dir()} == set(EXPECTED)
    assert len(EXPECTED) == 23
    assert EXPECTED["good"]["witnessed"] == "holds"
    assert all(case["witnessed"] == "BROKEN" for name, case in EXPECTED.items() if name != "good")


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_made_anew_they_are_the_same_bytes(tmp_path: Path) -> None:
    script = VECTORS.parent / "make_ledger_vectors.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=60)
    made, published = files_under(tmp_path), files_under(VECTORS)
    assert sorted(made) == sorted(published)
    assert [name for name in made if made[name] != published[name]] == []


def test_each_tampered_folder_differs_from_the_good_one() -> None:
    good = files_under(VECTORS / "good")
    assert [name for name in EXPECTED if name != "good" and files_under(VECTORS / name) == good] == []


def test_the_file_is_of_the_oldest_python_it_names_and_needs_the_standard_library_only() -> None:
    tree = ast.parse(VERIFY.read_text(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_it_runs_where_only_ascii_can_be_printed(tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-S", str(VERIFY), str(VECTORS / "good")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-folder"],
        [str(VECTORS / "good"), "--key", "nonsense"],
        [str(VECTORS / "good"), "--checkpoint", "no-such-file"],
        [str(VECTORS / "good"), "--unknown"],
    ],
)
def test_what_cannot_be_asked_is_neither_good_nor_bad(arguments: list[str], tmp_path: Path) -> None:
    done = run_alone(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
