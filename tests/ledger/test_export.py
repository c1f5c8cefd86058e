"""Exports: whole or not at all, and only of what is signed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.errors import BadInput, Conflict, LedgerBroken, StoreUnavailable
from remit.ledger.checkpoint import Signer
from remit.ledger.export import ExportReport, export_ledger
from remit.ledger.verify import Frontier, check_export, leaf_hash

SIGNER = Signer("remit.local/freight", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
TEXT = "owner: ana.sousa\n# gepr\u00fcft\n".encode()
DIGEST = sha256(TEXT).hexdigest()


def body(number: int) -> bytes:
    kind, data = ("document.kept", {"digest": DIGEST}) if number == 2 else ("outcome.recorded", {"n": number})
    return canonical(
        {"action": "", "actor": "a", "at": "t", "case": "c", "data": data, "kind": kind, "step": "", "v": 1}
    )


BODIES = [body(number) for number in range(300)]


def signed(*sizes: int) -> list[str]:
    frontier, found = Frontier(), []
    for size in sizes:
        frontier.extend([leaf_hash(one) for one in BODIES[frontier.size : size]])
        found.append(SIGNER.sign_checkpoint(size, frontier.root()))
    return found


def export(folder: Path, size: int = 100, sizes: tuple[int, ...] = (100,), segment: int = 32) -> ExportReport:
    return export_ledger(folder, BODIES[:size], signed(*sizes), {DIGEST: TEXT}, SIGNER.vkey, segment)


def problems(folder: Path) -> tuple[str, ...]:
    return check_export(str(folder), [SIGNER.vkey]).problems


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.integers(1, 400))
@settings(max_examples=30, deadline=None)
def test_any_export_holds_and_is_what_was_given(sizes: list[int], segment: int) -> None:
    import tempfile

    size = max(sizes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "export"
        report = export_ledger(folder, BODIES, signed(*sorted(sizes)), {DIGEST: TEXT}, SIGNER.vkey, segment)
        assert (report.size, report.segments) == (size, -(-size // segment)), "unsigned events are left out"
        assert problems(folder) == ()
        segments = sorted((folder / "events").iterdir())
        assert b"".join(part.read_bytes() for part in segments) == b"".join(one + b"\n" for one in BODIES[:size])
        assert [entry.name for entry in Path(name).iterdir()] == ["export"]


def test_what_lies_in_an_export(tmp_path: Path) -> None:
    report = export(tmp_path / "out", sizes=(40, 100))
    assert (report.size, report.segments, report.checkpoints, report.documents) == (100, 4, 2, 1)
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {
        *(f"events/{index:06d}.jsonl" for index in range(4)),
        f"documents/{DIGEST}",
        *("checkpoint", "checkpoints", "vkey", "manifest.json", "verify.py", "README.txt"),
    }
    assert (tmp_path / "out" / "checkpoint").read_text() == signed(100)[0]


def test_the_verifier_in_the_export_runs_there(tmp_path: Path) -> None:
    export(tmp_path / "out")
    command = [sys.executable, "-I", "-S", "verify.py", ".", "--key", SIGNER.vkey]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "holds")


def test_bodies_may_come_as_text_and_from_a_stream_that_goes_on(tmp_path: Path) -> None:
    def endless() -> Iterator[str]:
        for one in BODIES[:100]:
            yield one.decode()
        raise AssertionError("read beyond what is signed")

    export_ledger(tmp_path / "out", endless(), signed(100), {DIGEST: TEXT}, SIGNER.vkey)
    assert problems(tmp_path / "out") == ()


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        export(tmp_path / "out")
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["mine.txt"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        export(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    export(tmp_path / "empty")
    assert problems(tmp_path / "empty") == ()


def test_an_interrupted_export_is_not_there_and_is_simply_made_again(tmp_path: Path) -> None:
    def torn() -> Iterator[bytes]:
        yield from BODIES[:70]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_ledger(tmp_path / "out", torn(), signed(100), {DIGEST: TEXT}, SIGNER.vkey, 32)
    assert not (tmp_path / "out").exists()
    (leftover,) = tmp_path.iterdir()
    (leftover / "events" / "000009.jsonl").write_text("stray\n")
    (leftover / "link").symlink_to(tmp_path)
    export(tmp_path / "out")
    assert problems(tmp_path / "out") == ()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_two_exports_to_one_folder_do_not_mix(tmp_path: Path) -> None:
    draft = tmp_path / ".out.partial"
    draft.mkdir()
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        with pytest.raises(Conflict, match="under way"):
            export(tmp_path / "out")
    finally:
        os.close(handle)


def test_a_draft_that_is_a_link_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    (tmp_path / ".out.partial").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreUnavailable):
        export(tmp_path / "out")
    assert (tmp_path / "precious" / "file").read_text() == "mine"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_not_signed_is_not_exported(tmp_path: Path) -> None:
    stranger = Signer(SIGNER.origin, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    wrong = SIGNER.sign_checkpoint(100, bytes(32))
    for checkpoints, says in (
        ([], "no checkpoint is signed"),
        ([wrong], "are not those that were signed"),
        ([*signed(100), wrong], "two roots are signed for 100"),
        (signed(100, 300)[1:], "300 events are signed, the ledger has 100"),
        ([stranger.sign_checkpoint(1, bytes(32))], "not signed by a known key"),
    ):
        with pytest.raises(LedgerBroken, match=says):
            export_ledger(tmp_path / "out", BODIES[:100], checkpoints, {}, SIGNER.vkey)
        assert not (tmp_path / "out").exists()


def test_a_body_over_two_lines_is_refused(tmp_path: Path) -> None:
    torn = b'{"a":\n1}'
    frontier = Frontier()
    frontier.append(leaf_hash(torn))
    note = SIGNER.sign_checkpoint(1, frontier.root())
    with pytest.raises(LedgerBroken, match="event 0: its body is not one line"):
        export_ledger(tmp_path / "out", [torn], [note], {}, SIGNER.vkey)


@pytest.mark.parametrize("digest", ["0" * 64, "../../x", DIGEST.upper(), ""])
def test_a_document_under_another_name_than_its_digest(digest: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="document"):
        export_ledger(tmp_path / "out", BODIES[:100], signed(100), {digest: TEXT}, SIGNER.vkey)


def test_a_key_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        export_ledger(tmp_path / "out", BODIES[:100], signed(100), {}, "nonsense")


# Hostile exports: each is a finding, none a crash.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": "remit-export-2"}',
        "[" * 100_000,
        '{"format": "remit-export-1", "origin": 1, "size": 1, "segments": []}',
        '{"format": "remit-export-1", "origin": "o", "size": true, "segments": []}',
        '{"format": "remit-export-1", "origin": "o", "size": 1, "segments": [1]}',
        '{"format": "remit-export-1", "origin": "o", "size": 1, "segments": {"a": 1}}',
        '{"format": "remit-export-1", "origin": "o", "size": 1, "segments": '
        '[{"file": "../../../etc/passwd", "events": 1, "sha256": ""}]}',
        '{"format": "remit-export-1", "origin": "o", "size": 1, "segments": '
        '[{"file": "events/000000.jsonl", "events": "1", "sha256": ""}]}',
    ],
)
def test_a_hostile_manifest(text: str, tmp_path: Path) -> None:
    export(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_text(text)
    (found,) = problems(tmp_path / "out")
    assert "manifest" in found


@pytest.mark.parametrize("name", ["manifest.json", "vkey", "checkpoint", "checkpoints", "events/000001.jsonl"])
@pytest.mark.parametrize("how", ["missing", "folder", "link", "not_text", "huge", "empty", "cut"])
def test_any_file_damaged_in_any_way_is_a_finding(name: str, how: str, tmp_path: Path) -> None:
    export(tmp_path / "out", sizes=(40, 100))
    path = tmp_path / "out" / name
    data = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to("/dev/zero")
    elif how == "not_text":
        path.write_bytes(b"\xff\xfe" + data)
    elif how == "huge":
        path.write_bytes(data + b"x" * 17_000_000)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[:-1])
    if (name, how) in {("manifest.json", "cut"), ("vkey", "cut")}:
        assert problems(tmp_path / "out") == (), "the last line end is not content"
    else:
        assert problems(tmp_path / "out") != ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"size": 100', '"size": 99', "manifest.json says 99 events, the checkpoint 100"),
        ("remit.local/freight", "remit.local/other", "origin 'remit.local/other' is not the key's name"),
        ('"events": 32', '"events": 31', "events/000000.jsonl: 32 events, the manifest says 31"),
    ],
)
def test_a_manifest_that_says_something_else(old: str, new: str, says: str, tmp_path: Path) -> None:
    export(tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    (found,) = problems(tmp_path / "out")
    assert says in found


@pytest.mark.parametrize("digest", ['"../x"', "7", "null", "[]", f'"{DIGEST.upper()}"'])
def test_an_event_that_names_no_digest(digest: str, tmp_path: Path) -> None:
    odd = BODIES[2].replace(f'"{DIGEST}"'.encode(), digest.encode())
    frontier = Frontier()
    frontier.append(leaf_hash(odd))
    note = SIGNER.sign_checkpoint(1, frontier.root())
    export_ledger(tmp_path / "out", [odd], [note], {}, SIGNER.vkey)
    assert problems(tmp_path / "out") == ("event 0: document.kept without a digest",)


def test_an_event_that_only_speaks_of_documents_names_none(tmp_path: Path) -> None:
    speaks = canonical({"data": {"about": [{"kind": "document.kept"}]}, "kind": "outcome.recorded"})
    frontier = Frontier()
    frontier.append(leaf_hash(speaks))
    export_ledger(tmp_path / "out", [speaks], [SIGNER.sign_checkpoint(1, frontier.root())], {}, SIGNER.vkey)
    assert problems(tmp_path / "out") == ()
