"""From a mail as it was sent to a record: who, when, about what, and its text.

Mails are written by anybody. Whatever cannot be read costs its own field and a note, never the mail.
"""

from __future__ import annotations

import codecs
import email
import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from hashlib import sha256
from typing import Final

from remit.canonical import from_moment

__all__ = ["MAIL_COLUMNS", "MESSAGE_BYTES_MAX", "mail_record", "text_of_html"]

MESSAGE_BYTES_MAX: Final = 26_214_400
TEXT_LENGTH_MAX: Final = 100_000
HEADER_LENGTH_MAX: Final = 4_000
HTML_LENGTH_MAX: Final = 1_000_000
ADDRESSES_MAX: Final = 100
PARTS_MAX: Final = 1_000
# The standard library's reading of mail has bugs of its own; what they raise is told of the field it was in.
_ODD: Final = (ValueError, LookupError, TypeError, AttributeError, HeaderParseError, RecursionError, AssertionError)

MAIL_COLUMNS: Final = (
    "message_id", "from", "from_name", "to", "cc", "date", "subject", "text", "in_reply_to", "attachments",
)  # fmt: skip


def mail_record(data: bytes, note: Callable[[str], None]) -> dict[str, object]:
    """Return the record of one mail, with the keys `MAIL_COLUMNS`; what is not there is None.

    ``date`` is RFC 3339 text as its sender says; ``to`` and ``cc`` are addresses and ``attachments`` names, joined by
    a comma; ``text`` is the plain part, or the HTML part without its tags, at most 100,000 characters. A mail without
    an id has one made from its bytes. ``note`` is told what could not be read.
    """
    try:
        message: Message = email.message_from_bytes(data)
    except _ODD as error:
        note(f"parts that cannot be read ({type(error).__name__})")
        message = BytesHeaderParser().parsebytes(data)
    headers = _Headers(message, note)
    given = headers.text("message-id")
    if given is None:
        note("no Message-ID; one is made from its bytes")
    names = headers.addresses("from")
    text, attachments = _parts(message, note)
    return {
        "message_id": given or f"<{sha256(data).hexdigest()}@made>",
        "from": names[0][1] if names else None,
        "from_name": (names[0][0] or None) if names else None,
        "to": _joined([address for _, address in headers.addresses("to")]),
        "cc": _joined([address for _, address in headers.addresses("cc")]),
        "date": headers.moment("date"),
        "subject": headers.text("subject"),
        "text": text,
        "in_reply_to": headers.text("in-reply-to"),
        "attachments": _joined(attachments),
    }


def _joined(texts: list[str]) -> str | None:
    return ", ".join(texts)[:HEADER_LENGTH_MAX] or None


def _clean(text: str) -> str:
    """Text that can be kept: bytes that were no ASCII read as UTF-8 or else Latin-1, without NUL."""
    if any("\udc80" <= character <= "\udcff" for character in text):
        data = text.encode("utf-8", "surrogateescape")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _decoded(text: str) -> str:
    """Put words that are encoded (RFC 2047) back into letters; as they are where that fails."""
    text = _clean(text)
    if "=?" not in text:
        return text
    try:
        parts = []
        for chunk, charset in decode_header(text):
            if isinstance(chunk, str):
                parts.append(chunk)
            else:
                parts.append(_by_charset(chunk, charset) if charset else chunk.decode("raw-unicode-escape", "replace"))
        return _clean("".join(parts))
    except _ODD:
        return text


def _by_charset(data: bytes, charset: str) -> str:
    """Decode; raises LookupError for what is no character set, or one whose decoding takes time out of proportion."""
    if codecs.lookup(charset).name in {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}:
        raise LookupError(charset)
    return data.decode(charset, "replace")


class _Headers:
    """The headers of one mail, each read as what it should hold; the first counts where one stands twice."""

    def __init__(self, message: Message, note: Callable[[str], None]):
        self._raw: dict[str, str] = {}
        self._note = note
        for name, value in message.raw_items():
            self._raw.setdefault(name.lower(), str(value)[: HEADER_LENGTH_MAX * 4])

    def text(self, name: str) -> str | None:
        """The header in one line; None when there is none or it is empty."""
        found = " ".join(_decoded(self._raw.get(name, "")).split())
        return found[:HEADER_LENGTH_MAX] or None

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """Names and addresses; only what looks like an address."""
        raw = " ".join(_clean(self._raw.get(name, "")).split())
        try:
            found = getaddresses([raw])
        except _ODD:
            found = []
        kept = [(_decoded(person)[:200], address[:320]) for person, address in found if "@" in address]
        if raw and not kept:
            self._note(f"no address can be read in {name}")
        return kept[:ADDRESSES_MAX]

    def moment(self, name: str) -> str | None:
        """The moment as RFC 3339 text."""
        raw = " ".join(_clean(self._raw.get(name, "")).split())
        try:
            found: datetime | None = parsedate_to_datetime(raw) if raw else None
            if found is not None:
                return from_moment(found if found.tzinfo else found.replace(tzinfo=UTC))
        except (*_ODD, OverflowError):
            pass
        if raw:
            self._note(f"no moment can be read in {name}")
        return None


def _parts(message: Message, note: Callable[[str], None]) -> tuple[str | None, list[str]]:
    """The text and the names of what is attached."""
    plain, marked, names = None, None, []
    for number, part in enumerate(_walked(message)):
        if number >= PARTS_MAX:
            note(f"more than {PARTS_MAX} parts; the rest is left out")
            break
        try:
            name = part.get_filename()
            if name or part.get_content_disposition() == "attachment":
                names.append(" ".join(_decoded(name or "unnamed").split())[:200])
                continue
            kind = part.get_content_type()
            if kind == "text/plain" and plain is None:
                plain = _content(part, note)
            elif kind == "text/html" and marked is None:
                marked = text_of_html(_content(part, note)[:HTML_LENGTH_MAX])
        except _ODD as error:
            note(f"a part that cannot be read ({type(error).__name__})")
    text = plain if plain and plain.strip() else marked
    return (text.strip()[:TEXT_LENGTH_MAX] or None) if text else None, names


def _walked(message: Message) -> Iterator[Message]:
    """Every part that holds no others, without going deeper by calling itself."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        payload = part.get_payload()
        if part.is_multipart() and isinstance(payload, list):
            waiting.extend(item for item in reversed(payload) if isinstance(item, Message))
        else:
            yield part


def _content(part: Message, note: Callable[[str], None]) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return _clean(_by_charset(data[: HTML_LENGTH_MAX * 4], charset)).replace("\r\n", "\n")
    except LookupError:
        note(f"unknown character set {charset[:40]!r}; read as UTF-8")
        return _clean(data[: HTML_LENGTH_MAX * 4].decode("utf-8", "replace")).replace("\r\n", "\n")


_TAG: Final = re.compile(r"<(/?[a-zA-Z]{1,20}|!|\?)")
_BLOCKS: Final = frozenset(
    {"p", "br", "div", "li", "tr", "table", "ul", "ol", "hr", "h1", "h2", "h3", "h4", "blockquote"}
)
_HIDDEN: Final = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "head", "title")}


def text_of_html(markup: str) -> str:
    """Return what a person would read: without tags, scripts and styles; takes time in proportion to its length."""
    parts, at = [], 0
    while (tag := _TAG.search(markup, at)) is not None:
        parts.append(markup[at : tag.start()])
        name = tag[1].lstrip("/").lower()
        closing = ("-->", 3) if markup.startswith("<!--", tag.start()) else (">", 1)
        end = markup.find(closing[0], tag.end())
        if end < 0:
            at = len(markup)  # a tag that never ends is no text
            break
        at = end + closing[1]
        if name in _HIDDEN and not tag[1].startswith("/"):
            hidden = _HIDDEN[name].search(markup, at)
            at = len(markup) if hidden is None else hidden.start()
        elif name in _BLOCKS:
            parts.append("\n")
    parts.append(markup[at:])
    lines = (" ".join(line.split()) for line in html.unescape("".join(parts)).splitlines())
    return "\n".join(line for line in lines if line)
