"""Keys and signed notes: what is written can be read, and nothing else can."""

from __future__ import annotations

import copy
import pickle
import stat
import threading
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadInput, LedgerBroken, StoreUnavailable
from remit.ledger.checkpoint import Signer, verify_checkpoint
from remit.ledger.verify import (
    BadNote,
    Checkpoint,
    ed25519_verify,
    format_vkey,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    read_notes,
)

ORIGIN = "remit.local/freight"
ROOT = sha256(b"root").digest()
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOTE = SIGNER.sign_checkpoint(40, ROOT)

# The example of the Go package golang.org/x/mod/sumdb/note: a note and keys not of our making.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_that_go_signed_is_verified() -> None:
    note, key = parse_note(GO_NOTE), parse_vkey(GO_VKEY)
    (signature,) = note.signatures
    assert (signature.name, signature.key_id) == (key.name, key.key_id)
    assert ed25519_verify(key.public_key, note.text.encode(), signature.signature)


def test_the_form_of_a_checkpoint() -> None:
    text, _, line = NOTE.partition("\n\n")
    assert text.split("\n") == [ORIGIN, "40", b64encode(ROOT).decode()]
    assert line.startswith(f"\u2014 {ORIGIN} ")
    assert line.endswith("\n")
    assert SIGNER.sign_checkpoint(40, ROOT) == NOTE, "signing is deterministic"
    assert verify_checkpoint(NOTE, [SIGNER.vkey]) == Checkpoint(ORIGIN, 40, ROOT)
    assert open_checkpoint(NOTE, [parse_vkey(SIGNER.vkey)]) == Checkpoint(ORIGIN, 40, ROOT)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_what_was_signed_is_what_is_read(size: int, root: bytes) -> None:
    note = SIGNER.sign_checkpoint(size, root)
    assert verify_checkpoint(note, [OTHER.vkey, SIGNER.vkey]) == (ORIGIN, size, root)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_changed_character_passes(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(NOTE) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda other: other != NOTE[at]))
    changed = NOTE[:at] + character + NOTE[at + 1 :]
    for keys in ([SIGNER.vkey], [OTHER.vkey, SIGNER.vkey]):
        with pytest.raises(LedgerBroken):
            verify_checkpoint(changed, keys)
    with pytest.raises(BadNote):
        open_checkpoint(changed, [parse_vkey(SIGNER.vkey)])


def other_signature() -> str:
    return OTHER.sign_checkpoint(40, ROOT).partition("\n\n")[2]


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    assert verify_checkpoint(NOTE + other_signature(), [SIGNER.vkey]).size == 40
    assert verify_checkpoint(NOTE + "\u2014 witness.example/w " + b64encode(bytes(76)).decode() + "\n", [SIGNER.vkey])


def test_a_false_signature_of_a_known_key_condemns_the_note() -> None:
    forged = OTHER.sign_checkpoint(41, ROOT).partition("\n\n")[2]
    with pytest.raises(LedgerBroken, match="is false"):
        verify_checkpoint(NOTE + forged, [SIGNER.vkey, OTHER.vkey])


def test_another_key_or_another_name_does_not_sign() -> None:
    with pytest.raises(LedgerBroken, match="not signed by a known key"):
        verify_checkpoint(NOTE, [OTHER.vkey])
    with pytest.raises(LedgerBroken, match="not signed by a known key"):
        verify_checkpoint(NOTE, [])
    neighbour = Signer("remit.local/other", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    # Signed by a known key, but speaking of somebody else's ledger.
    text = NOTE.partition("\n\n")[0] + "\n"
    signature = b64encode(parse_vkey(neighbour.vkey).key_id + neighbour._key.sign(text.encode())).decode()
    with pytest.raises(LedgerBroken, match="not signed by a known key"):
        verify_checkpoint(f"{text}\n\u2014 {neighbour.origin} {signature}\n", [neighbour.vkey])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        "text\n",
        "text\n\n\u2014 name\n",
        "text\n\n\u2014 name AAAAAAA=",
        "text\n\n\u2014 na+me AAAAAAA=\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 name AAAAAAB=\n",
        "text\n\n- name AAAAAAA=\n",
        "te\rxt\n\n\u2014 name AAAAAAA=\n",
        "te\0xt\n\n\u2014 name AAAAAAA=\n",
        "text\n\n\u2014 name  AAAAAAA=\n",
        "text\n\n" + "\u2014 name AAAAAAA=\n" * 65,
        "x" * 70_000 + "\n\n\u2014 name AAAAAAA=\n",
    ],
)
def test_texts_that_are_no_notes(note: str) -> None:
    with pytest.raises(BadNote):
        parse_note(note)


def test_as_many_signatures_as_the_form_allows_are_read() -> None:
    assert len(parse_note("text\n\n" + "\u2014 name AAAAAAA=\n" * 64).signatures) == 64


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "origin\n01\n" + b64encode(bytes(32)).decode() + "\n",
        "origin\n-1\n" + b64encode(bytes(32)).decode() + "\n",
        "origin\n\u0661\n" + b64encode(bytes(32)).decode() + "\n",
        "origin\n9223372036854775808\n" + b64encode(bytes(32)).decode() + "\n",
        "origin\n1\n" + b64encode(bytes(31)).decode() + "\n",
        "origin\n1\n" + b64encode(bytes(32)).decode(),
        "\n1\n" + b64encode(bytes(32)).decode() + "\n",
        "origin\n1\n" + b64encode(bytes(32)).decode() + "\n\n",
    ],
)
def test_texts_that_are_no_checkpoints(text: str) -> None:
    with pytest.raises(BadNote):
        parse_checkpoint(text)


def test_extension_lines_are_passed_over() -> None:
    assert parse_checkpoint(f"o\n7\n{b64encode(ROOT).decode()}\nmore\n") == ("o", 7, ROOT)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("PeterNeumann", "Peter Neumann"),
        GO_VKEY.replace("+ARpc", "+BRpc"),
        GO_VKEY[:-4],
        "+" + GO_VKEY,
        "x" * 2000,
    ],
)
def test_texts_that_are_no_keys(vkey: str) -> None:
    with pytest.raises(BadNote):
        parse_vkey(vkey)
    with pytest.raises(BadInput):
        verify_checkpoint(NOTE, [vkey])


def test_a_key_has_one_spelling() -> None:
    prime, spelt = 2**255 - 19, 0
    for y in range(2, 19):
        key, other = y.to_bytes(32, "little"), (prime + y).to_bytes(32, "little")
        try:
            parse_vkey(format_vkey("name", key))
        except BadNote:
            continue
        spelt += 1
        with pytest.raises(BadNote, match="not a point"):
            parse_vkey(format_vkey("name", other))
    assert spelt >= 5


def test_a_weak_key_is_no_key() -> None:
    with pytest.raises(BadNote, match="not a point"):
        parse_vkey(format_vkey("name", (1).to_bytes(32, "little")))


@given(st.lists(st.sampled_from([NOTE, OTHER.sign_checkpoint(3, ROOT), NOTE + other_signature()]), max_size=5))
def test_notes_standing_one_after_the_other_come_apart_again(notes: list[str]) -> None:
    assert list(read_notes("\n".join(notes).splitlines(keepends=True))) == notes


def test_an_endless_note_is_refused_before_it_fills_memory() -> None:
    def endless() -> object:
        while True:
            yield "x" * 1000 + "\n"

    with pytest.raises(BadNote, match="larger"):
        list(read_notes(endless()))  # type: ignore[arg-type]


# The key file


def test_a_new_key_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "company" / "ledger.key"
    signer = Signer.open(path, ORIGIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.key"], "no draft is left"
    assert Signer.open(path, ORIGIN).vkey == signer.vkey
    Signer.create(path, ORIGIN)
    assert Signer.load(path).vkey == signer.vkey
    assert verify_checkpoint(Signer.load(path).sign_checkpoint(1, ROOT), [signer.vkey])


def test_many_first_starts_at_once_end_with_one_key(tmp_path: Path) -> None:
    path, found, start = tmp_path / "ledger.key", [], threading.Barrier(8, timeout=60)

    def first() -> None:
        start.wait()
        found.append(Signer.open(path, ORIGIN).vkey)

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {Signer.load(path).vkey}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ledger.key"
    Signer.create(path, ORIGIN)
    path.chmod(mode)
    with pytest.raises(BadInput, match=f"got mode {mode:04o}, expected 0600"):
        Signer.load(path)


def test_the_key_of_another_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    Signer.create(path, "remit.local/other")
    with pytest.raises(BadInput, match=r"signs for 'remit\.local/other'"):
        Signer.open(path, ORIGIN)


def test_damaged_key_files_are_refused_without_showing_them(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    Signer.create(path, ORIGIN)
    good = path.read_text()
    secret = good.rstrip().split("+", 4)[4]
    renamed = good.replace(ORIGIN, "remit.local/forged")
    for text in (
        "",
        "x",
        good[:-6],
        good.replace("PRIVATE", "PUBLIC"),
        renamed,
        good[12:],
        "\udcff",
        good * 200,
    ):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(BadInput) as caught:
            Signer.load(path)
        assert secret[:12] not in str(caught.value)


def test_a_key_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        Signer.load(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        Signer.create(tmp_path / "file" / "ledger.key", ORIGIN)
    with pytest.raises(BadInput, match="key name"):
        Signer.create(tmp_path / "ledger.key", "has space")
    assert not (tmp_path / "ledger.key").exists()


def test_a_signer_shows_its_name_and_never_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    signer = Signer.open(path, ORIGIN)
    seed = b64decode(path.read_text().rstrip().split("+", 4)[4])[1:]
    shown = f"{signer} {signer!r} {signer.vkey} {signer.sign_checkpoint(1, ROOT)}"
    assert b64encode(seed).decode()[:20] not in shown
    assert seed.hex()[:20] not in shown
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            leak(signer)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (1, b""), (1, ROOT + b"x")])
def test_what_is_no_tree_is_not_signed(size: int, root: bytes) -> None:
    with pytest.raises(BadInput):
        SIGNER.sign_checkpoint(size, root)
