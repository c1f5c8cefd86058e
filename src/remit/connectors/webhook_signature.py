"""Whether an event was sent by whom it says: signatures over what arrived, compared in constant time.

`standard` is Standard Webhooks 1.0 (``webhook-id``, ``webhook-timestamp``, ``webhook-signature``: HMAC-SHA256 over
``id.timestamp.body``, several signatures and several secrets at once, so that a secret can be changed without a gap).
`github` is GitHub's ``X-Hub-Signature-256``. It covers the body alone: the same bytes are the same event, whatever
header says otherwise, for a header that is not signed can be changed by whoever sends old bytes again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from remit.connectors.credentials import Secret
from remit.errors import BadInput, NotAllowed

__all__ = ["ID_LENGTH_MAX", "TOLERANCE_SECONDS", "check_github", "check_standard", "signing_key"]

TOLERANCE_SECONDS: Final = 300
ID_LENGTH_MAX: Final = 256
SIGNATURES_MAX: Final = 20
_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(16, 129)


def signing_key(secret: Secret) -> bytes:
    """Return the key of a secret in the form ``whsec_`` and base64.

    Raises:
        BadInput: not of that form, or fewer than 16 or more than 128 bytes. The secret is not repeated.
    """
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise BadInput("a webhook's secret is whsec_ and the base64 of 16 to 128 bytes: got something else")
    return key


def check_standard(
    headers: Mapping[str, str], body: bytes, keys: Iterable[bytes], now_seconds: int, tolerance_seconds: int
) -> str:
    """Return the id of an event that one of ``keys`` signed; ``headers`` have lower-case names.

    Raises:
        BadInput: a header is not of its form.
        NotAllowed: not signed, signed too long ago, in the future, or by nobody who holds a key.
    """
    if not headers.get("webhook-signature"):
        raise NotAllowed("webhook-signature: missing; this source takes signed events only")
    event, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (0 < len(event) <= ID_LENGTH_MAX and event.isascii() and event.isprintable()):
        raise BadInput(f"webhook-id: expected 1 to {ID_LENGTH_MAX} printable characters; got {len(event)} characters")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise BadInput("webhook-timestamp: expected whole seconds since 1970")
    shown = _shown(headers.get("webhook-signature", ""))
    content = f"{event}.{stamp}.".encode() + body
    # All are compared, so that how long it takes does not tell which of them was near.
    good = False
    for key in keys:
        signature = hmac.digest(key, content, hashlib.sha256)
        for one in shown:
            good |= hmac.compare_digest(signature, one)
    if not good:
        raise NotAllowed("webhook-signature: none that was made with this source's secret over these bytes")
    late_seconds = now_seconds - int(stamp)
    if abs(late_seconds) > tolerance_seconds:
        when = f"{late_seconds} s ago" if late_seconds > 0 else f"{-late_seconds} s in the future"
        raise NotAllowed(f"webhook-timestamp: signed {when}, taken within {tolerance_seconds} s")
    return event


def _shown(header: str) -> list[bytes]:
    """The signatures of version 1; other versions are left to who knows them."""
    found = []
    for part in header[:8_192].split(" ")[:SIGNATURES_MAX]:
        version, comma, text = part.partition(",")
        if version != "v1" or not comma:
            continue
        try:
            found.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            continue
    if not found:
        raise BadInput("webhook-signature: expected `v1,` and base64; several are parted by a space")
    return found


def check_github(headers: Mapping[str, str], body: bytes, keys: Iterable[bytes]) -> str:
    """Return the id of an event that one of ``keys`` signed as GitHub does: the digest of its bytes.

    Raises:
        BadInput: the header is not of its form.
        NotAllowed: not signed, or by nobody who holds a key.
    """
    if not headers.get("x-hub-signature-256"):
        raise NotAllowed("x-hub-signature-256: missing; this source takes signed events only")
    kind, _, shown = headers.get("x-hub-signature-256", "").partition("=")
    if kind != "sha256" or len(shown) != 64 or not shown.isascii():
        raise BadInput("x-hub-signature-256: expected sha256= and 64 hexadecimal digits")
    good = False
    for key in keys:
        good |= hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest(), shown.lower())
    if not good:
        raise NotAllowed("x-hub-signature-256: not made with this source's secret over these bytes")
    return hashlib.sha256(body).hexdigest()
