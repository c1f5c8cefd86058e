"""A small IMAP server on loopback: one account, mailboxes in memory, and faults where a test wants them."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass
class Box:
    """One mailbox: mails by UID, in order."""

    mails: dict[int, bytes]
    uid_validity: int = 7
    uid_next: int | None = None
    gone: set[int] = field(default_factory=set)
    """Listed still, and not given any more."""
    vanished: set[int] = field(default_factory=set)
    """The same, and their size is not told either."""
    wide: bool = False
    """Every search finds every mail."""


class MailServer:
    """Speaks enough of IMAP4rev1. ``fault(command, number)`` says what goes wrong: drop, cut, no, slow, huge or ''.

    ``seen`` holds every command, ``changed`` everything that would have changed a mailbox.
    """

    def __init__(self, boxes: dict[str, Box], fault: Callable[[str, int], str] = lambda command, number: ""):
        self.boxes, self.fault = boxes, fault
        self.seen: list[str] = []
        self.changed: list[str] = []
        self.late = False  # write UID after the literal, as some servers do
        self.hold = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.box: Box | None = None
                self.wfile.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
                while line := self.rfile.readline(70_000):
                    tag, _, rest = line.decode("latin-1").strip().partition(" ")
                    outer.seen.append(rest)
                    if not self.answer(tag, rest):
                        return

            def answer(self, tag: str, rest: str) -> bool:
                command = " ".join(rest.upper().split()[: 2 if rest.upper().startswith("UID") else 1])
                wrong = outer.fault(command, sum(one.upper().startswith(command) for one in outer.seen))
                if wrong == "drop":
                    return False
                if wrong == "slow":
                    outer.hold.wait(20)
                    return False
                if wrong == "no":
                    self.say(f"{tag} NO [UNAVAILABLE] not now")
                    return True
                if wrong == "huge":
                    self.say("* 1 FETCH (UID 1 BODY[] {99999999999}")
                    return True
                return bool(getattr(self, command.replace(" ", "_").lower(), self.unknown)(tag, rest, wrong))

            def say(self, text: str) -> None:
                self.wfile.write(text.encode("latin-1") + b"\r\n")

            def unknown(self, tag: str, rest: str, wrong: str) -> bool:
                outer.changed.append(rest)
                self.say(f"{tag} BAD no such command")
                return True

            def capability(self, tag: str, rest: str, wrong: str) -> bool:
                self.say("* CAPABILITY IMAP4rev1")
                self.say(f"{tag} OK done")
                return True

            def login(self, tag: str, rest: str, wrong: str) -> bool:
                good = rest == 'LOGIN "desk" "mail-secret"'
                self.say(f"{tag} OK in" if good else f"{tag} NO [AUTHENTICATIONFAILED] not {rest}")
                return True

            def examine(self, tag: str, rest: str, wrong: str) -> bool:
                self.box = outer.boxes.get(rest.partition(" ")[2].strip('"'))
                if self.box is None:
                    self.say(f"{tag} NO no such mailbox")
                    return True
                self.say(f"* {len(self.box.mails)} EXISTS")
                self.say(f"* OK [UIDVALIDITY {self.box.uid_validity}] valid")
                upper = max(self.box.mails, default=0) + 1 if self.box.uid_next is None else self.box.uid_next
                self.say(f"* OK [UIDNEXT {upper}] next")
                self.say(f"{tag} OK [READ-ONLY] done")
                return True

            def uid_search(self, tag: str, rest: str, wrong: str) -> bool:
                assert self.box is not None
                first, last = map(int, re.findall(r"UID (\d+):(\d+)", rest)[0])
                found = [uid for uid in self.box.mails if first <= uid <= last or self.box.wide]
                self.say("* SEARCH " + " ".join(map(str, found)))
                self.say(f"{tag} OK done")
                return True

            def uid_fetch(self, tag: str, rest: str, wrong: str) -> bool:
                assert self.box is not None
                uids = [int(one) for one in rest.split()[2].split(",")]
                if "BODY[" in rest:
                    outer.changed.append(rest)  # without PEEK a mail becomes read
                for number, uid in enumerate(uids, 1):
                    if uid in self.box.vanished or (uid in self.box.gone and "PEEK" in rest):
                        continue
                    if not self.give(number, uid, rest, wrong):
                        return False
                self.say(f"{tag} OK done")
                return True

            def give(self, number: int, uid: int, rest: str, wrong: str) -> bool:
                assert self.box is not None
                data = self.box.mails[uid]
                if "RFC822.SIZE" in rest:
                    if wrong == "cut":
                        return False
                    self.say(f"* {number} FETCH (UID {uid} RFC822.SIZE {outer.size(data)})")
                    return True
                part = "BODY[HEADER]" if "HEADER" in rest else "BODY[]"
                data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if "HEADER" in rest else data
                before, after = ("", f" UID {uid}") if outer.late else (f"UID {uid} ", "")
                date = 'INTERNALDATE "28-Feb-2026 10:00:00 +0100"'
                self.wfile.write(f"* {number} FETCH ({before}{date} {part} {{{len(data)}}}\r\n".encode())
                if wrong == "cut":
                    self.wfile.write(data[: len(data) // 2])
                    return False
                self.wfile.write(data + f"{after})\r\n".encode())
                return True

            def logout(self, tag: str, rest: str, wrong: str) -> bool:
                return False

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that hangs up is what some tests want

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def size(self, data: bytes) -> int:
        """What the server says of a mail's size; the first digits of ``X-Size:`` where a test wants another."""
        told = re.search(rb"X-Size: (\d+)", data)
        return int(told[1]) if told else len(data)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
