"""Rows from mail: a mailbox on an IMAP server, or one that lies in files. Anybody writes mail, so none is trusted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from remit.canonical import from_moment
from remit.connectors.credentials import read_secret
from remit.connectors.imap_session import ImapAddress, ImapMail, ImapSession
from remit.connectors.mail_files import mails_in
from remit.connectors.mail_message import mail_record
from remit.connectors.pace import Pace, PaceLimits, Timing
from remit.connectors.record_rows import in_batches
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import SourceRows, TableAsk, add_note
from remit.connectors.threads import NotStarted, StillRunning, Threads
from remit.document import Document, duration_seconds, expand_environment
from remit.errors import BadInput, Finding, Unreachable

__all__ = ["IMAP_SOURCE", "MAILBOX_SOURCE", "ImapSource", "MailboxSource"]

TRIES: Final = 3
TIMEOUT: Final = "30s"
BATCH_TIMEOUTS: Final = 10
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_CURSOR: Final = re.compile(r"([0-9]{10})([0-9]{10})")


class ImapSource:
    """Reads mailboxes by UID. Implements `SourceReader`.

    The column ``cursor`` is a number made of UIDVALIDITY and UID, which together never mean another mail. Mapped as
    ``changed``, only mails above it are read. When the server renumbers (another UIDVALIDITY), all are read again.
    """

    def __init__(self, name: str, address: ImapAddress, timing: Timing):
        self.notes: list[str] = []
        self._name = name
        self._address = address
        self._pace = Pace(name, PaceLimits(tries=TRIES), timing)
        self._threads = Threads(name, 1)
        self._session: ImapSession | None = None

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one mailbox; see `SourceReader.read`. A session that breaks off is taken up again where it was."""
        return in_batches(self._records(ask), ask, ask.options.get("mailbox", "INBOX"))

    async def _records(self, ask: TableAsk) -> AsyncGenerator[list[dict[str, object]], None]:
        what = f"{self._name}.{ask.table}"
        position = _Position(ask, what, self.notes)
        attempt = 1
        while True:
            mails = self._mails(ask, what, position)
            try:
                async with aclosing(mails):
                    async for group in mails:
                        attempt = 1  # it goes on: what fails from here is a new trouble
                        yield [self._record(mail, position, what) for mail in group]
                return
            except Unreachable as error:
                if attempt >= TRIES:
                    raise
                add_note(self.notes, f"{error}; asked again")
                await self._pace.pause(attempt, None)
                attempt += 1

    async def _mails(self, ask: TableAsk, what: str, position: _Position) -> AsyncGenerator[list[ImapMail], None]:
        """Yield what is above ``position``, moving it on."""
        session = self._session = ImapSession(self._address, what)
        try:
            await self._blocking(what, lambda: session.open(ask.options.get("mailbox", "INBOX")))
            position.in_mailbox(session.uid_validity)
            groups = _groups(session, position.uid)
            while (mails := await self._blocking(what, lambda: next(groups, None))) is not None:
                if mails:
                    position.uid = mails[-1].uid
                    yield mails
        finally:
            session.close()

    async def _blocking(self, what: str, work: Callable[[], Any]) -> Any:
        try:
            return await self._threads.run(work, self._address.timeout_seconds * BATCH_TIMEOUTS)
        except (NotStarted, StillRunning) as error:
            raise Unreachable(f"{what}: {error}") from None

    def _record(self, mail: ImapMail, position: _Position, what: str) -> dict[str, object]:
        def note(problem: str) -> None:
            add_note(self.notes, f"{what}: mail {mail.uid}: {problem}")

        if not mail.whole:
            note("too large; its headers only are read")
        record = mail_record(mail.data, note)
        record["cursor"] = f"{position.uid_validity:010d}{mail.uid:010d}"
        record["arrived"] = _arrived(mail.arrived)
        return record

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: mails are not marked."""

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            self._session.close()
        self._threads.close()


def _groups(session: ImapSession, above: int) -> Iterator[list[ImapMail]]:
    for uids in session.uids(above):
        yield from session.mails(uids)


def _arrived(text: str) -> str | None:
    """INTERNALDATE (RFC 9051) as RFC 3339 text; None when it cannot be read."""
    try:
        return from_moment(datetime.strptime(text.strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC))
    except (ValueError, OverflowError):
        return None


class _Position:
    """How far a mailbox is read: the last UID, under one UIDVALIDITY."""

    def __init__(self, ask: TableAsk, what: str, notes: list[str]):
        self.uid, self.uid_validity = 0, 0
        self._what, self._notes = what, notes
        if ask.since is None or ask.cursor_column != "cursor":
            return
        found = _CURSOR.fullmatch(ask.since)
        if found is None:
            add_note(notes, f"{what}: the cursor is none of this mailbox, so every mail is read")
        else:
            self.uid_validity, self.uid = int(found[1]), int(found[2])

    def in_mailbox(self, uid_validity: int) -> None:
        """Begin anew when the server has renumbered its mails."""
        if self.uid_validity not in (0, uid_validity):
            add_note(self._notes, f"{self._what}: the server numbered its mails anew, so every mail is read")
            self.uid = 0
        self.uid_validity = uid_validity


class MailboxSource:
    """Reads every mail of an mbox file or a Maildir folder. Implements `SourceReader`."""

    def __init__(self, name: str, path: Path):
        self.notes: list[str] = []
        self._name = name
        self._path = path

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read all mails; see `SourceReader.read`. Which of them are new cannot be told by a file."""
        return in_batches(self._records(ask), ask, self._path.name)

    async def _records(self, ask: TableAsk) -> AsyncGenerator[list[dict[str, object]], None]:
        for number, data in enumerate(mails_in(self._path, partial(self._note, ask, "")), 1):
            yield [mail_record(data, partial(self._note, ask, f"mail {number}: "))]

    def _note(self, ask: TableAsk, which: str, problem: str) -> None:
        add_note(self.notes, f"{self._name}.{ask.table}: {which}{problem}")

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: mails are not marked."""

    async def close(self) -> None:
        """Do nothing: there is nothing open."""


def _check_imap(document: Document) -> tuple[Finding, ...]:
    connect = document.value["connect"]
    unsaid = "${" in connect["host"]  # then it is looked at when the variable is put in
    if connect.get("security") == "none" and not unsaid and connect["host"] not in _LOCAL:
        what = "the password would travel unencrypted"
        return (document.finding(("connect", "security"), what, "use tls (the default) or starttls"),)
    return ()


def _open_imap(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: object,
) -> ImapSource:
    del folder, inbox
    host = expand_environment(connect["host"], environment)
    user = expand_environment(connect["user"], environment)
    security = connect.get("security", "tls")
    if not (host.isascii() and host.isprintable() and user.isascii() and user.isprintable()):
        raise BadInput(f"{name}: host and user are printable ASCII")
    if security == "none" and host not in _LOCAL:
        raise BadInput(f"{name}: the password would travel unencrypted; use security: tls or starttls")
    port = connect.get("port", 993 if security == "tls" else 143)
    timeout_seconds = float(duration_seconds(connect.get("timeout", TIMEOUT)))
    secret = read_secret(expand_environment(connect["secret"], environment), environment)
    return ImapSource(name, ImapAddress(host, port, security, user, secret, timeout_seconds), timing)


def _open_mailbox(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: object,
) -> MailboxSource:
    del timing, inbox
    return MailboxSource(name, folder / Path(expand_environment(connect["path"], environment)).expanduser())


def _check_mailbox(document: Document) -> tuple[Finding, ...]:
    return tuple(
        document.finding(("tables", name, "changed"), "changed: a file of mails is always read whole", "leave it out")
        for name, table in document.value["tables"].items()
        if "changed" in table
    )


def _closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


_WORD: Final = {"type": "string", "minLength": 1, "maxLength": 300}
_MAILBOX: Final = {"type": "string", "pattern": "^[ -~]+$", "maxLength": 300}
_PATH: Final = {"type": "string", "minLength": 1, "maxLength": 1000}

IMAP_SOURCE: Final = SourceKind(
    _closed(
        {
            "host": _WORD,
            "port": {"type": "integer", "minimum": 1, "maximum": 65_535},
            "security": {"enum": ["tls", "starttls", "none"]},
            "user": _WORD,
            "secret": {},
            "timeout": {"type": "string", "pattern": "^[1-9][0-9]{0,3}[sm]$"},
            "mailbox": _MAILBOX,
        },
        "host",
        "user",
        "secret",
    ),
    _closed({"mailbox": _MAILBOX}),
    _check_imap,
    _open_imap,
    "untrusted",
)
"""The kind ``imap``. Columns: those of `mail_record`, ``cursor`` and ``arrived`` (when the server got it). ``security:
none`` is for this machine only.
"""

MAILBOX_SOURCE: Final = SourceKind(
    _closed({"path": _PATH}, "path"), _closed({}), _check_mailbox, _open_mailbox, "untrusted"
)
"""The kind ``mailbox``: an mbox file or a Maildir folder. Columns: those of `mail_record`."""
