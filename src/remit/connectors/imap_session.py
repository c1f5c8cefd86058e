"""One IMAP session (RFC 9051, RFC 3501) that looks and never touches: EXAMINE, and BODY.PEEK by UID."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.connectors.credentials import Secret, redact
from remit.connectors.mail_message import MESSAGE_BYTES_MAX
from remit.errors import Refused, Unreachable

__all__ = ["ImapAddress", "ImapMail", "ImapSession"]

UIDS_AT_ONCE: Final = 20_000
MAILS_AT_ONCE: Final = 50
BYTES_AT_ONCE: Final = 8_388_608
ANSWER_BYTES_MAX: Final = 2 * MESSAGE_BYTES_MAX + BYTES_AT_ONCE
UID_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class ImapAddress:
    """Where to, and as whom. ``security`` is tls, starttls or none; ``timeout_seconds`` is for one answer."""

    host: str
    port: int
    security: str
    user: str
    secret: Secret
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class ImapMail:
    """One mail as it lies there. ``whole`` is False when it is too large and ``data`` holds its headers only."""

    uid: int
    arrived: str
    data: bytes
    whole: bool


class _Plain(imaplib.IMAP4):
    """Refuses to take more for one command than its answer may have."""

    taken_bytes = 0

    def read(self, size: int) -> bytes:
        self.taken_bytes += size
        if self.taken_bytes > ANSWER_BYTES_MAX:
            raise self.abort(f"more than {ANSWER_BYTES_MAX} bytes in one answer")
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self.taken_bytes += len(line)
        if self.taken_bytes > ANSWER_BYTES_MAX:
            raise self.abort(f"more than {ANSWER_BYTES_MAX} bytes in one answer")
        return line


class _Encrypted(_Plain, imaplib.IMAP4_SSL):
    """The same over TLS."""


class ImapSession:
    """An open mailbox. Its methods block; whatever fails is Refused or Unreachable."""

    def __init__(self, address: ImapAddress, what: str):
        self._address = address
        self._what = what
        self._connection: _Plain | None = None
        self.uid_validity = 0
        self.uid_next: int | None = None

    def open(self, mailbox: str) -> None:
        """Connect, sign in, and look at ``mailbox``.

        Raises:
            Refused: user, secret or mailbox is not taken.
            Unreachable: anything else.
        """
        address = self._address
        try:
            context = ssl.create_default_context()
            if address.security == "tls":
                self._connection = _Encrypted(
                    address.host, address.port, ssl_context=context, timeout=address.timeout_seconds
                )
            else:
                self._connection = _Plain(address.host, address.port, timeout=address.timeout_seconds)
                if address.security == "starttls":
                    self._connection.starttls(context)
        except (OSError, imaplib.IMAP4.error) as error:
            raise self._unreachable("no connection", error) from None
        self._refused_unless_taken("the sign-in", "login", _quoted(address.user), address.secret.reveal())
        self._refused_unless_taken(f"the mailbox {mailbox!r:.80}", "select", _quoted(mailbox), readonly=True)
        validity = self._number("UIDVALIDITY")
        if validity is None:
            raise Unreachable(f"{self._what}: the server names no UIDVALIDITY, so its numbers mean nothing")
        self.uid_validity, self.uid_next = validity, self._number("UIDNEXT")

    def _refused_unless_taken(self, subject: str, name: str, *arguments: Any, **options: Any) -> None:
        """Say something of which a plain no is the system's last word, unless it says that it is not available."""
        try:
            status, data = getattr(self._held(), name)(*arguments, **options)
        except (imaplib.IMAP4.abort, OSError) as error:
            raise self._unreachable(f"{subject} broke off", error) from None
        except UnicodeError:
            status, data = "NO", [b"more than ASCII cannot be sent"]
        except imaplib.IMAP4.error as error:
            status, data = "NO", [str(error).encode("utf-8", "replace")]
        if status != "OK":
            said = self._said(data)
            kind = Unreachable if "UNAVAILABLE" in said.upper() or "INUSE" in said.upper() else Refused
            raise kind(f"{self._what}: {subject} is not taken: {said}")

    def uids(self, above: int) -> Iterator[list[int]]:
        """Yield the numbers of the mails above ``above``, in order, some at a time.

        Raises:
            Unreachable: the server does not say.
        """
        last = UID_MAX if self.uid_next is None else min(self.uid_next - 1, UID_MAX)
        step = UIDS_AT_ONCE
        first = above + 1
        while first <= last:
            end = min(first + step - 1, last)
            # What `*` names may lie below, and then the server gives that: so no `*`.
            data = self._asked("SEARCH", None, f"UID {first}:{end}")
            found = sorted({uid for uid in self._numbers(data) if first <= uid <= end})
            if found:
                yield found
            step = UIDS_AT_ONCE if found else min(step * 4, 2**30)  # large gaps are crossed in few steps
            first = end + 1

    def mails(self, uids: Sequence[int]) -> Iterator[list[ImapMail]]:
        """Yield the mails with those numbers, in order, some at a time; those that have gone are left out.

        Raises:
            Unreachable: the server does not give them.
        """
        for start in range(0, len(uids), MAILS_AT_ONCE):
            some = uids[start : start + MAILS_AT_ONCE]
            sizes = {
                int(size): int(found)
                for text, _ in self._fetched(some, "(UID RFC822.SIZE)")
                if (size := _one(rb"UID (\d+)", text)) and (found := _one(rb"RFC822\.SIZE (\d+)", text))
            }
            group: list[int] = []
            for uid in some:
                if uid not in sizes:
                    continue
                if group and sum(sizes[one] for one in group) + sizes[uid] > BYTES_AT_ONCE:
                    yield self._group(group, sizes)
                    group = []
                group.append(uid)
            if group:
                yield self._group(group, sizes)

    def _group(self, uids: Sequence[int], sizes: dict[int, int]) -> list[ImapMail]:
        found = {}
        for whole in (True, False):
            wanted = [uid for uid in uids if (sizes[uid] <= MESSAGE_BYTES_MAX) is whole]
            part = "BODY.PEEK[]" if whole else "BODY.PEEK[HEADER]"
            for text, data in self._fetched(wanted, f"(UID INTERNALDATE {part})") if wanted else ():
                uid = _one(rb"UID (\d+)", text)
                if uid is not None and int(uid) in wanted and data is not None:
                    arrived = _one(rb'INTERNALDATE "([^"]*)"', text) or b""
                    found[int(uid)] = ImapMail(int(uid), arrived.decode("ascii", "replace"), data, whole)
        return [found[uid] for uid in uids if uid in found]

    def _fetched(self, uids: Sequence[int], what: str) -> list[tuple[bytes, bytes | None]]:
        """Return, for each answer, what stands around its literal and the literal."""
        found: list[tuple[bytes, bytes | None]] = []
        for item in self._asked("FETCH", ",".join(map(str, uids)), what):
            if isinstance(item, tuple):
                found.append((item[0], item[1]))
            elif isinstance(item, bytes) and found and not re.match(rb"\d+ \(", item):
                # Servers may write the number after the literal: it belongs to the answer before.
                found[-1] = (found[-1][0] + b" " + item, found[-1][1])
            elif isinstance(item, bytes):
                found.append((item, None))
        return found

    def _asked(self, command: str, *arguments: Any) -> list[Any]:
        try:
            status, data = self._held().uid(command, *arguments)
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._unreachable(f"{command} broke off", error) from None
        if status != "OK":
            raise Unreachable(f"{self._what}: {command} failed: {self._said(data)}")
        return list(data or ())

    def _held(self) -> _Plain:
        if self._connection is None:
            raise Unreachable(f"{self._what}: the mailbox is closed")
        self._connection.taken_bytes = 0
        return self._connection

    def _number(self, name: str) -> int | None:
        _, data = self._held().response(name)
        for item in data or ():
            if isinstance(item, bytes) and item.isdigit() and len(item) <= 10:
                return int(item)
        return None

    @staticmethod
    def _numbers(data: Sequence[Any]) -> Iterator[int]:
        for item in data:
            if isinstance(item, bytes):
                yield from (int(word) for word in item.split() if word.isdigit() and len(word) <= 10)

    def _said(self, data: Sequence[Any]) -> str:
        text = b" ".join(item for item in data if isinstance(item, bytes)).decode("utf-8", "replace")
        shown = "".join(character if character.isprintable() else "?" for character in text[:200])
        return redact(shown, [self._address.secret])

    def _unreachable(self, what: str, error: Exception) -> Unreachable:
        said = self._said([str(error).encode("utf-8", "replace")])
        return Unreachable(f"{self._what}: {what}: {said or 'no answer'} ({type(error).__name__})")

    def close(self) -> None:
        """Hang up, without a word that would have to be answered."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.shutdown()
            except (OSError, imaplib.IMAP4.error):
                return


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _one(pattern: bytes, text: bytes) -> bytes | None:
    found = re.search(pattern, text)
    return None if found is None else found[1]
