"""Witnesses: one contract for a folder and for a server that speaks C2SP tlog-witness."""

from __future__ import annotations

import base64
import http.server
import multiprocessing
import re
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from remit.errors import BadInput, LedgerBroken, Refused, StoreUnavailable, Unreachable
from remit.ledger.checkpoint import Signer, verify_checkpoint
from remit.ledger.tree import Frontier, Tiles, consistency_proof
from remit.ledger.verify import BadNote, open_checkpoint, parse_vkey, read_notes, verify_consistency
from remit.ledger.witness import FileWitness, Prove, UrlWitness, Witness

ORIGIN = "remit.local/freight"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


@dataclass
class Ledger:
    """A ledger of so many leaves; ``fork`` names another history from its ``at``-th event on."""

    leaves: list[bytes]

    @staticmethod
    def of(size: int, fork: str = "", at: int = 0) -> Ledger:
        names = [f"{fork if number >= at else ''}{number}" for number in range(size)]
        return Ledger([sha256(b"\0" + name.encode()).digest() for name in names])

    def note(self, size: int, signer: Signer = SIGNER) -> str:
        frontier = Frontier()
        frontier.extend(self.leaves[:size])
        return signer.sign_checkpoint(size, frontier.root())

    def prove(self, old: int, new: int) -> list[bytes]:
        tiles = Tiles(lambda level, index: None, lambda *_: None, lambda start, end: self.leaves[start:end])
        return consistency_proof(old, new, tiles.node)


def unprovable(old: int, new: int) -> Sequence[bytes]:
    raise AssertionError("nothing needed to be proven")


COSIGNATURE = "\u2014 witness.example/w " + base64.b64encode(bytes(76)).decode() + "\n"

# A witness server, as small as the specification allows.


@dataclass
class WitnessServer:
    """State of a server: what it kept, what it was asked, and answers to give instead of its own."""

    keys: dict[str, str] = field(default_factory=lambda: {ORIGIN: SIGNER.vkey})
    kept: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    instead: list[tuple[int, bytes]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    url: str = ""

    def answer(self, path: str, body: str) -> tuple[int, bytes]:
        self.asked.append(body)
        self.before()
        if self.instead:
            return self.instead.pop(0)
        if path != "/prefix/add-checkpoint":
            return 404, b""
        head, _, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        match = re.fullmatch(r"old (0|[1-9][0-9]*)", first)
        origin = note.partition("\n")[0]
        if match is None:
            return 400, b""
        if origin not in self.keys:
            return 404, b""
        try:
            new = open_checkpoint(note, [parse_vkey(self.keys[origin])])
        except BadNote:
            return 403, b""
        old, (kept_size, kept_root) = int(match[1]), self.kept.get(origin, (0, b""))
        if old > new.size:
            return 400, b""
        if old != kept_size or (old == new.size and kept_root not in (b"", new.root)):
            return 409, b"%d\n" % kept_size
        proof = [base64.b64decode(line, validate=True) for line in lines]
        if old == 0 or old == new.size:
            proven = not proof
        else:
            proven = verify_consistency(old, new.size, proof, kept_root, new.root)
        if not proven:
            return 422, b""
        self.kept[origin] = (new.size, new.root)
        return 200, COSIGNATURE.encode()


@contextmanager
def serving(state: WitnessServer) -> Iterator[WitnessServer]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = state.answer(self.path, body)
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", answer.decode())
            self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/prefix"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


# The contract


def check_witness(fresh: Callable[[], Witness]) -> None:
    """Hold a witness to its promises. ``fresh`` opens the same witness anew, as another process would."""
    ledger = Ledger.of(40)
    first = fresh()
    assert first.latest(ORIGIN) is None
    with pytest.raises(LedgerBroken):
        first.add(ledger.note(5, STRANGER), SIGNER.vkey, unprovable)
    first.add(ledger.note(5), SIGNER.vkey, unprovable)
    kept = first.latest(ORIGIN)
    assert kept is not None
    assert verify_checkpoint(kept, [SIGNER.vkey]).size == 5

    first.add(ledger.note(5), SIGNER.vkey, unprovable)  # the same again is no news
    first.add(ledger.note(12), SIGNER.vkey, ledger.prove)
    second = fresh()
    second.add(ledger.note(20), SIGNER.vkey, ledger.prove)

    first.add(ledger.note(13), SIGNER.vkey, ledger.prove)  # came late, from a slower process
    second.add(ledger.note(20), SIGNER.vkey, ledger.prove)

    refusals: list[tuple[str, Prove]] = [
        (Ledger.of(13).note(13), Ledger.of(13).prove),  # an older copy was put back
        (Ledger.of(0).note(0), Ledger.of(0).prove),  # emptied
        (Ledger.of(20, "fork", 19).note(20), Ledger.of(20, "fork", 19).prove),  # as large, another history
        (Ledger.of(30, "fork", 7).note(30), Ledger.of(30, "fork", 7).prove),  # larger, another history
        (Ledger.of(30, "fork", 7).note(30), ledger.prove),  # with the proof of the right one
        (ledger.note(30), lambda old, new: []),
        (ledger.note(30), lambda old, new: [bytes(32)] * 63),
    ]
    for note, prove in refusals:
        for witness in (first, second, fresh()):
            with pytest.raises(LedgerBroken):
                witness.add(note, SIGNER.vkey, prove)
    fresh().add(ledger.note(40), SIGNER.vkey, ledger.prove)  # the honest ledger goes on
    with pytest.raises(LedgerBroken):
        first.add(Ledger.of(39).note(39), SIGNER.vkey, Ledger.of(39).prove)


def test_a_folder_keeps_the_contract(tmp_path: Path) -> None:
    check_witness(lambda: FileWitness(tmp_path / "witness"))


def test_a_server_keeps_the_contract() -> None:
    with serving(WitnessServer()) as server:
        check_witness(lambda: UrlWitness(server.url))


# The folder


def test_what_is_refused_is_kept_beside_what_it_contradicts(tmp_path: Path) -> None:
    witness, ledger, fork = FileWitness(tmp_path), Ledger.of(20), Ledger.of(20, "fork", 3)
    witness.add(ledger.note(20), SIGNER.vkey, unprovable)
    for _ in range(3):
        with pytest.raises(LedgerBroken, match="another history") as caught:
            witness.add(fork.note(20), SIGNER.vkey, fork.prove)
    (evidence,) = tmp_path.glob("*.refused-*")
    assert evidence.name in str(caught.value)
    kept, refused = read_notes(evidence.read_text().splitlines(keepends=True))
    assert (kept, refused) == (ledger.note(20), fork.note(20))
    assert {verify_checkpoint(note, [SIGNER.vkey]).size for note in (kept, refused)} == {20}


def test_a_new_key_for_a_known_ledger_is_refused(tmp_path: Path) -> None:
    witness, ledger = FileWitness(tmp_path), Ledger.of(20)
    witness.add(ledger.note(10), SIGNER.vkey, unprovable)
    with pytest.raises(LedgerBroken, match="another key"):
        witness.add(ledger.note(20, STRANGER), STRANGER.vkey, ledger.prove)
    assert witness.latest(ORIGIN) == ledger.note(10)


def test_evidence_cannot_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.ledger.witness._EVIDENCE_MAX", 3)
    witness = FileWitness(tmp_path)
    witness.add(Ledger.of(20).note(20), SIGNER.vkey, unprovable)
    for size in range(1, 9):
        with pytest.raises(LedgerBroken):
            witness.add(Ledger.of(size).note(size), SIGNER.vkey, Ledger.of(size).prove)
    assert len(list(tmp_path.glob("*.refused-*"))) == 3


@pytest.mark.parametrize("origin", ["../../etc/passwd", "a/b", "..", "x" * 250, "\u00e9\u00e8", "a_b", "C:\\x", "-rf"])
def test_no_origin_leads_out_of_the_folder(origin: str, tmp_path: Path) -> None:
    folder = tmp_path / "witness"
    signer = Signer(origin, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    FileWitness(folder).add(Ledger.of(3).note(3, signer), signer.vkey, unprovable)
    FileWitness(folder).add(Ledger.of(3).note(3), SIGNER.vkey, unprovable)
    assert FileWitness(folder).latest(origin) == Ledger.of(3).note(3, signer)
    assert FileWitness(folder).latest(ORIGIN) == Ledger.of(3).note(3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["witness"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"\xff", b"nonsense\n", b"x" * 100_000])
def test_a_damaged_memory_is_said_and_not_overwritten(damage: bytes, tmp_path: Path) -> None:
    witness, ledger = FileWitness(tmp_path), Ledger.of(9)
    witness.add(ledger.note(5), SIGNER.vkey, unprovable)
    (kept,) = tmp_path.glob("*.checkpoint")
    kept.write_bytes(damage)
    with pytest.raises(LedgerBroken):
        witness.add(ledger.note(9), SIGNER.vkey, ledger.prove)
    assert kept.read_bytes() == damage


def test_a_note_under_another_ledgers_name_is_said(tmp_path: Path) -> None:
    witness = FileWitness(tmp_path)
    witness.add(Ledger.of(5).note(5), SIGNER.vkey, unprovable)
    other = Signer("remit.local/other", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    (kept,) = tmp_path.glob("*.checkpoint")
    kept.write_text(Ledger.of(3).note(3, other))
    with pytest.raises(LedgerBroken):
        witness.add(Ledger.of(9).note(9), SIGNER.vkey, Ledger.of(9).prove)


def test_a_write_that_fails_leaves_the_old_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    witness, ledger = FileWitness(tmp_path), Ledger.of(9)
    witness.add(ledger.note(5), SIGNER.vkey, unprovable)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            witness.add(ledger.note(9), SIGNER.vkey, ledger.prove)
    assert witness.latest(ORIGIN) == ledger.note(5)
    witness.add(ledger.note(9), SIGNER.vkey, ledger.prove)
    assert witness.latest(ORIGIN) == ledger.note(9)


def test_a_folder_that_is_not_there_for_us(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        FileWitness(tmp_path / "file").add(Ledger.of(1).note(1), SIGNER.vkey, unprovable)


def hand_in_shuffled(folder: Path, offset: int) -> None:
    ledger, witness = Ledger.of(60), FileWitness(folder)
    for step in range(1, 61):
        size = (step * 7 + offset) % 60 + 1
        witness.add(ledger.note(size), SIGNER.vkey, ledger.prove)


def test_several_processes_at_once_never_lose_the_largest(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=hand_in_shuffled, args=(tmp_path, offset)) for offset in (0, 23)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert FileWitness(tmp_path).latest(ORIGIN) == Ledger.of(60).note(60)
    assert list(tmp_path.glob("*.refused-*")) == []


# The server


def test_the_request_has_the_specified_form() -> None:
    ledger = Ledger.of(20)
    with serving(WitnessServer()) as server:
        witness = UrlWitness(server.url + "/")
        lines = witness.add(ledger.note(7), SIGNER.vkey, unprovable)
        witness.add(ledger.note(20), SIGNER.vkey, ledger.prove)
    proof = "".join(base64.b64encode(node).decode() + "\n" for node in ledger.prove(7, 20))
    assert server.asked == [f"old 0\n\n{ledger.note(7)}", f"old 7\n{proof}\n{ledger.note(20)}"]
    assert lines == COSIGNATURE
    assert witness.latest(ORIGIN) == ledger.note(20) + lines


def test_a_witness_that_knows_more_than_we_remember_tells_the_size() -> None:
    ledger = Ledger.of(20)
    with serving(WitnessServer()) as server:
        UrlWitness(server.url).add(ledger.note(7), SIGNER.vkey, unprovable)
        UrlWitness(server.url).add(ledger.note(20), SIGNER.vkey, ledger.prove)
    assert [body.partition("\n")[0] for body in server.asked] == ["old 0", "old 0", "old 7"]


def test_another_process_gets_in_between() -> None:
    ledger, rivals = Ledger.of(30), [9, 11]
    state = WitnessServer()

    def rival() -> None:
        if rivals:
            size = rivals.pop(0)
            state.kept[ORIGIN] = (size, open_checkpoint(ledger.note(size), [parse_vkey(SIGNER.vkey)]).root)

    state.before = rival
    with serving(state) as server:
        UrlWitness(server.url).add(ledger.note(20), SIGNER.vkey, ledger.prove)
    assert state.kept[ORIGIN][0] == 20


def test_a_witness_that_names_another_size_each_time_is_given_up() -> None:
    with serving(WitnessServer(instead=[(409, b"%d\n" % size) for size in range(1, 20)])) as server:
        with pytest.raises(Unreachable, match="another size"):
            UrlWitness(server.url).add(Ledger.of(30).note(30), SIGNER.vkey, Ledger.of(30).prove)
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (404, b"", Refused),
        (403, b"", Refused),
        (400, b"", Refused),
        (422, b"", LedgerBroken),
        (500, b"", Unreachable),
        (204, b"", Unreachable),
        (409, b"", Unreachable),
        (409, b"007\n", Unreachable),
        (409, b"-1\n", Unreachable),
        (409, b"9" * 40 + b"\n", Unreachable),
        (409, b"5", Unreachable),
        (200, b"", Unreachable),
        (200, b"thanks\n", Unreachable),
        (200, b"\xff\n", Unreachable),
        (200, "\u2014 w AAAA\n".encode(), Unreachable),
        (200, b"\n" + b"x" * 200_000, Unreachable),
        (302, b"http://127.0.0.1:9/", Unreachable),
        (307, b"http://127.0.0.1:9/", Unreachable),
    ],
)
def test_what_a_witness_may_answer(status: int, answer: bytes, error: type[Exception]) -> None:
    with serving(WitnessServer(instead=[(status, answer)])) as server:
        witness = UrlWitness(server.url, timeout_seconds=5)
        with pytest.raises(error):
            witness.add(Ledger.of(3).note(3), SIGNER.vkey, Ledger.of(3).prove)
        assert witness.latest(ORIGIN) is None
        assert len(server.asked) == 1
        # It is as if nothing had happened: the next try succeeds.
        witness.add(Ledger.of(3).note(3), SIGNER.vkey, unprovable)


def test_a_server_that_is_not_there() -> None:
    with serving(WitnessServer()) as server:
        url = server.url
    with pytest.raises(Unreachable, match="cannot be asked"):
        UrlWitness(url).add(Ledger.of(3).note(3), SIGNER.vkey, unprovable)


def test_a_server_that_never_answers() -> None:
    released = threading.Event()

    def wait() -> None:
        released.wait(30)

    state = WitnessServer(before=wait)
    with serving(state) as server:
        try:
            with pytest.raises(Unreachable):
                UrlWitness(server.url, timeout_seconds=1).add(Ledger.of(3).note(3), SIGNER.vkey, unprovable)
        finally:
            released.set()


def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(WitnessServer()) as server:
        UrlWitness(server.url).add(Ledger.of(3).note(3), SIGNER.vkey, unprovable)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "witness.example",
        "http://witness.example",
        "http://10.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://user:secret@witness.example/",
        "https://witness.example/?a=b",
        "https://witness.example/#a",
        "https://[::1/",
        "https://witness.example/\r\nx",
    ],
)
def test_addresses_that_are_not_taken(url: str) -> None:
    with pytest.raises(BadInput, match="witness: got"):
        UrlWitness(url)


@pytest.mark.parametrize("url", ["https://witness.example/remit", "http://localhost:8000", "http://[::1]:80/x"])
def test_addresses_that_are_taken(url: str) -> None:
    UrlWitness(url)
