"""Mail from servers that break off and writers who write anything: every mail once, none touched, nothing raised."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.mail_server import Box, MailServer
from tests.connectors.taking import Took, known_now, load_into, take

from remit.connectors.mail_message import MAIL_COLUMNS, MESSAGE_BYTES_MAX, mail_record, text_of_html
from remit.errors import BadSource, Refused, Unreachable
from remit.knowledge.source_file import load_source_file, open_source
from remit.store.engine import Store

SOURCE = """
source: desk
department: support
connect: {kind: imap, host: 127.0.0.1, port: PORT, security: none, user: desk, secret: env:MAIL, timeout: 1s}
tables:
  inbox:
    is: Mail
    key: message_id
    changed: cursor
    observed: arrived
    facts: {sender: from, subject: subject, body: {from: text, see: pii}}
"""
FILES = """
source: desk
department: support
connect: {kind: mailbox, path: mail}
tables:
  old: {is: Mail, key: message_id, facts: {sender: from, subject: subject, body: text}}
"""


def mail(number: int, text: str = "hello") -> bytes:
    head = f"Message-ID: <{number}@x>\r\nFrom: A <a{number}@x.org>\r\nSubject: s{number}\r\n"
    return f"{head}Date: Sat, 28 Feb 2026 10:00:00 +0100\r\n\r\n{text}\r\n".encode()


def mails(*numbers: int) -> dict[int, bytes]:
    return {number: mail(number) for number in numbers}


def read(server: MailServer, since: str | None = None, text: str = SOURCE, secret: str = "mail-secret") -> Took:
    return take(text.replace("PORT", str(server.port)), "inbox", environment={"MAIL": secret}, since=since)


def at(uid: int, uid_validity: int = 7) -> str:
    return f"{uid_validity:010d}{uid:010d}"


def test_every_mail_is_a_row_and_none_is_touched() -> None:
    with MailServer({"INBOX": Box(mails(*range(3, 200)))}) as server:
        took = read(server)
        assert server.changed == [] and "SELECT" not in " ".join(server.seen)
    assert took.column("subject") == [f"s{number}" for number in range(3, 200)]
    assert took.column("cursor")[0] == at(3)
    assert took.column("arrived")[0] == "2026-02-28T09:00:00.000000Z" and took.failure is None


@pytest.mark.parametrize("late", [False, True])
def test_only_mails_above_the_cursor(late: bool) -> None:
    with MailServer({"INBOX": Box(mails(*range(1, 60)))}) as server:
        server.late = late
        assert read(server, at(57)).column("subject") == ["s58", "s59"]
        assert read(server, at(59)).rows == []
        server.boxes["INBOX"].wide = True
        assert read(server, at(57)).column("subject") == ["s58", "s59"]
        server.boxes["INBOX"].wide = False
        again = read(server, at(57, uid_validity=6))
        assert len(again.rows) == 59 and "numbered its mails anew" in again.notes[0]
        other = read(server, "2026-03-01")
        assert len(other.rows) == 59 and "the cursor is none of this mailbox" in other.notes[0]


def test_numbers_with_large_gaps_are_crossed_quickly() -> None:
    with MailServer({"INBOX": Box(mails(5, 70_000, 4_000_000_000))}) as server:
        assert read(server).column("subject") == ["s5", "s70000", "s4000000000"]
        assert sum("SEARCH" in one for one in server.seen) < 30


ONCE: list[tuple[str, str]] = [
    ("UID FETCH", "drop"), ("UID FETCH", "cut"), ("UID FETCH", "no"), ("UID FETCH", "slow"), ("UID SEARCH", "drop"),
    ("EXAMINE", "no"), ("LOGIN", "drop"), ("LOGIN", "no"), ("CAPABILITY", "drop"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "what"), ONCE)
@pytest.mark.parametrize("number", [1, 4])
def test_a_session_that_breaks_off_is_taken_up_where_it_was(command: str, what: str, number: int) -> None:
    def fault(asked: str, count: int) -> str:
        return what if (asked, count) == (command, number if command == "UID FETCH" else 1) else ""

    with MailServer({"INBOX": Box(mails(*range(1, 120)))}, fault) as server:
        took = read(server)
        assert server.changed == []
    assert took.column("subject") == [f"s{number}" for number in range(1, 120)]
    assert took.failure is None and "asked again" in took.notes[0]


def test_a_session_that_breaks_off_often_and_goes_on_is_read_to_the_end() -> None:
    def fault(asked: str, count: int) -> str:
        return "drop" if asked == "UID FETCH" and count % 4 == 3 else ""

    with MailServer({"INBOX": Box(mails(*range(1, 320)))}, fault) as server:
        took = read(server)
    assert took.column("subject") == [f"s{number}" for number in range(1, 320)] and took.failure is None


def test_what_came_before_a_failure_is_handed_out_and_the_failure_told() -> None:
    with MailServer(
        {"INBOX": Box(mails(*range(1, 120)))}, lambda asked, count: "drop" if asked == "UID FETCH" and count > 2 else ""
    ) as server:
        took = read(server)
    assert took.column("subject") == [f"s{number}" for number in range(1, 51)]
    assert isinstance(took.failure, Unreachable) and "desk.inbox" in str(took.failure)


def test_an_answer_without_an_end_is_not_waited_for() -> None:
    with MailServer({"INBOX": Box(mails(1))}, lambda asked, count: "huge" if asked == "UID FETCH" else "") as server:
        took = read(server)
    assert isinstance(took.failure, Unreachable) and "bytes in one answer" in str(took.failure)


@pytest.mark.parametrize(
    ("text", "secret", "said"),
    [
        (SOURCE, "wrong-secret", "the sign-in is not taken"),
        (SOURCE.replace("user: desk", "user: 'de\"sk'"), "mail-secret", "the sign-in is not taken"),
        (SOURCE, "mail-sécret", "more than ASCII"),
        (SOURCE.replace("timeout: 1s", "timeout: 1s, mailbox: Gone"), "mail-secret", "the mailbox 'Gone' is not taken"),
    ],
)
def test_what_is_not_taken_is_refused_and_no_secret_shown(text: str, secret: str, said: str) -> None:
    with MailServer({"INBOX": Box(mails(1))}) as server:
        took = read(server, text=text, secret=secret)
        assert sum("LOGIN" in one for one in server.seen) <= 1
    assert isinstance(took.failure, Refused) and said in str(took.failure)
    assert secret not in str(took.failure) + " ".join(took.notes)


def test_no_server_at_all() -> None:
    with MailServer({}) as server:
        port = server.port
    took = take(SOURCE.replace("PORT", str(port)), "inbox", environment={"MAIL": "mail-secret"})
    assert isinstance(took.failure, Unreachable) and "no connection" in str(took.failure)


def test_a_mail_too_large_is_read_by_its_headers_and_one_that_went_is_left_out() -> None:
    large = b"X-Size: %d\r\n" % (MESSAGE_BYTES_MAX + 1) + mail(2)
    with MailServer({"INBOX": Box({1: mail(1), 2: large, 3: mail(3)}, gone={3}, vanished={4})}) as server:
        server.boxes["INBOX"].mails |= mails(4, 5)
        took = read(server)
        server.boxes["INBOX"].mails.clear()
        assert read(server).rows == []
    assert took.column("subject") == ["s1", "s2", "s5"] and took.column("text") == ["hello", None, "hello"]
    assert "too large" in took.notes[0] and took.failure is None


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_no_password_is_sent_where_there_is_no_encryption(security: str) -> None:
    with MailServer({"INBOX": Box(mails(1))}) as server:
        took = read(server, text=SOURCE.replace("security: none", f"security: {security}"))
        assert not any("LOGIN" in one or "mail-secret" in one for one in server.seen)
    assert isinstance(took.failure, Unreachable) and took.rows == []


def test_passwords_do_not_travel_unencrypted() -> None:
    with pytest.raises(BadSource, match="unencrypted"):
        load_source_file("desk.yaml", SOURCE.replace("PORT", "143").replace("127.0.0.1", "mail.example"))
    hidden = load_source_file("desk.yaml", SOURCE.replace("PORT", "143").replace("127.0.0.1", "'127.0.0.1${X}'"))
    with pytest.raises(BadSource, match="unencrypted"):
        open_source(hidden, {"X": ".example", "MAIL": "mail-secret"})
    assert load_source_file("desk.yaml", SOURCE.replace("PORT", "143")).trust == "untrusted"


# With the loader.


def test_loads_take_each_mail_once_through_faults_and_renumbering(store: Store) -> None:
    box = Box(mails(*range(1, 150)))
    faults: list[str] = []

    def fault(asked: str, count: int) -> str:
        return faults.pop() if faults and asked == "UID FETCH" and count > 2 else ""

    with MailServer({"INBOX": box}, fault) as server:
        text = SOURCE.replace("PORT", str(server.port))

        def load() -> Any:
            return load_into(store, text, "inbox", environment={"MAIL": "mail-secret"})

        faults[:] = ["drop"] * 3
        broken = load()
        assert (broken.state, broken.cursor, broken.counts["new"]) == ("failed", "", 50)
        faults[:] = ["cut", "drop"]
        healed = load()
        assert healed.state == "ok" and healed.mode == "incremental" and healed.cursor == at(149)
        assert set(known_now(store, "subject").values()) == {f"s{number}" for number in range(1, 150)}
        box.mails |= {150: mail(150).replace(b"2026", b"2099")}
        after = load()
        assert (after.counts["read"], after.counts["new"], after.cursor) == (1, 1, at(150))
        box.uid_validity, box.mails = 3, {number + 9: text for number, text in box.mails.items() if number > 100}
        anew = load()
        assert (anew.counts["new"], anew.counts["closed"], anew.cursor) == (0, 0, at(159, 3))
        assert len(known_now(store, "subject")) == 150


# Files.


def test_an_mbox_file(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(
        b"From a@x Sat Feb 28 10:00:00 2026\n" + mail(1).replace(b"\r\n", b"\n") + b"\n>From here on\n>>From there\n\n"
        b"From b@x Sat Feb 28 10:00:00 2026\n" + mail(2).replace(b"\r\n", b"\n") + b"From within\n\n"
    )
    took = take(FILES, "old", file=str(tmp_path / "desk.yaml"))
    assert took.column("subject") == ["s1", "s2"] and took.notes == []
    assert took.column("text") == ["hello\n\nFrom here on\n>From there", "hello\nFrom within"]
    assert took.batches[0].position(1) == "mail:2"


def test_a_maildir(tmp_path: Path) -> None:
    for part, number in (("cur", 2), ("cur", 1), ("new", 3)):
        (tmp_path / "mail" / part).mkdir(parents=True, exist_ok=True)
        (tmp_path / "mail" / part / f"{number}.host:2,S").write_bytes(mail(number))
    (tmp_path / "secret").write_bytes(mail(9))
    (tmp_path / "mail" / "new" / "link").symlink_to(tmp_path / "secret")
    took = take(FILES, "old", file=str(tmp_path / "desk.yaml"))
    assert took.column("subject") == ["s1", "s2", "s3"] and took.failure is None
    assert (tmp_path / "mail" / "new" / "3.host:2,S").exists()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: None, Unreachable),
        (lambda path: path.write_bytes(b"no mbox at all"), Refused),
        (lambda path: path.mkdir(), Refused),
    ],
)
def test_what_is_no_mailbox(tmp_path: Path, make: Callable[[Path], object], error: type[Exception]) -> None:
    make(tmp_path / "mail")
    took = take(FILES, "old", file=str(tmp_path / "desk.yaml"))
    assert isinstance(took.failure, error) and took.rows == []


def test_a_file_of_mails_has_no_cursor() -> None:
    with pytest.raises(BadSource, match="always read whole"):
        load_source_file("desk.yaml", FILES.replace("key: message_id", "key: message_id, changed: date"))


# What a mail says.


def record(data: bytes) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    return mail_record(data, notes.append), notes


def test_what_python_writes_is_read_back() -> None:
    message = EmailMessage()
    message["Message-ID"] = "<1@x>"
    message["From"] = "Jürgen Groß <j@x.org>"
    message["To"] = "b@x.org, Ç <c@x.org>"
    message["Subject"] = "Über die Rückgabe von Größe 42 – und noch sehr viel mehr, das nicht in eine Zeile passt"
    message["In-Reply-To"] = "<0@x>"
    message["Date"] = "Sat, 28 Feb 2026 10:00:00 -0000"
    message.set_content("Guten Tag,\n\nzurück bitte.\n")
    message.add_alternative("<p>Guten <b>Tag</b></p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Größe.pdf")
    found, notes = record(message.as_bytes())
    assert notes == []
    assert found == {
        "message_id": "<1@x>", "from": "j@x.org", "from_name": "Jürgen Groß", "to": "b@x.org, c@x.org", "cc": None,
        "date": "2026-02-28T10:00:00.000000Z", "subject": message["Subject"], "text": "Guten Tag,\n\nzurück bitte.",
        "in_reply_to": "<0@x>", "attachments": "Größe.pdf",
    }  # fmt: skip
    assert tuple(found) == MAIL_COLUMNS


@pytest.mark.parametrize(
    ("data", "field", "value", "note"),
    [
        (b"Subject: caf\xc3\xa9\r\n\r\n", "subject", "café", "no Message-ID"),
        (b"Subject: caf\xe9\r\n\r\n", "subject", "café", ""),
        (b"Subject: =?utf-8?b?a?= x\r\n\r\n", "subject", "=?utf-8?b?a?= x", ""),
        (b"Subject: =?nonsense?q?x?=\r\n\r\n", "subject", "=?nonsense?q?x?=", ""),
        (b"Subject: =?punycode?q?x?=\r\n\r\n", "subject", "=?punycode?q?x?=", ""),
        (b"Subject: a\r\n\tb\0\r\n\r\n", "subject", "a b", ""),
        (b"Subject: a\r\nSubject: b\r\n\r\n", "subject", "a", ""),
        (b"From: nobody\r\n\r\n", "from", None, "no address can be read in from"),
        (b"From: a@x, b@x\r\n\r\n", "from", "a@x", ""),
        (b"Date: yesterday\r\n\r\n", "date", None, "no moment can be read in date"),
        (b"Date: Sat, 28 Feb 99999 10:00:00 +0000\r\n\r\n", "date", None, "no moment can be read in date"),
        (b"Content-Type: text/plain; charset=x-not\r\n\r\nhi \xc3\xa9", "text", "hi é", "unknown character set"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!", "text", None, ""),
        (b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>a</p>b<script>c</script>", "text", "a\nb", ""),
        (b"Content-Type: multipart/mixed\r\n\r\nno boundary", "subject", None, ""),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnever closed", "text", "never closed", ""),
        (b"Content-Disposition: attachment; filename*=utf-8''%C3%A9.txt\r\n\r\nx", "attachments", "é.txt", ""),
        (b"", "subject", None, "no Message-ID"),
        (b"\r\n" + b"x" * 300_000, "text", "x" * 100_000, ""),
    ],
)  # fmt: skip
def test_a_broken_mail_gives_what_can_be_read(data: bytes, field: str, value: object, note: str) -> None:
    found, notes = record(data)
    assert found[field] == value
    assert note in " ".join(notes)
    assert str(found["message_id"]).endswith("@made>")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=400)
    | st.lists(
        st.sampled_from([
            b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n", b"--b--\r\n", b"\r\n", b"\0", b"\xff\xfe",
            b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n", b"begin 644 \r\n",
            b"From: =?utf-8?q?=ff?= <a@b>\r\n", b"To: (((((,,;:<\r\n", b"Date: Mon, 99 Foo\r\n",
            b"Content-Type: message/rfc822\r\n", b"Content-Type: text/html; charset=utf-16\r\n", b"&#x110000;",
            b"Content-Disposition: attachment; filename*0*=x''%ff; filename*1=y\r\n", b": no name\r\n", b" folded\r\n",
            b"Subject: =?utf-8?b?/w==?=\r\n", b"<p",
        ]), max_size=25,
    ).map(b"".join)
)  # fmt: skip
def test_no_mail_raises_and_what_is_given_can_be_kept(data: bytes) -> None:
    found, notes = record(data)
    for value in found.values():
        assert value is None or (isinstance(value, str) and "\0" not in value and value.encode().decode() == value)
    assert found == record(data)[0] and all(isinstance(note, str) for note in notes)


def test_nested_and_endless_mails_take_little_time() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2_000))
    begun = clock.process_time()
    found, notes = record(b"Subject: deep\r\n" + deep)
    assert found["subject"] == "deep" and "cannot be read" in notes[0]
    for tag in ("<script", "<!--", "<p ", "<", "&", "</style"):
        text_of_html(tag * 200_000)
    assert clock.process_time() - begun < 60  # in proportion: well under a second each; squared: hours


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a &lt; b<br>c &amp; d", "a < b\nc & d"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<SCRIPT>x</ScRiPt>y", "y"),
        ("a<!-- > -->b", "ab"),
        ("a<b", "a"),
        ("<title>t</title><p>x", "x"),
        ("<a href='x>y'>z</a>", "y'>z"),
    ],
)
def test_what_a_person_would_read(markup: str, text: str) -> None:
    assert text_of_html(markup) == text
