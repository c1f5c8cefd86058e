"""Showing a system who asks: none, api_key, basic, bearer, and OAuth2 client credentials (RFC 6749, 4.4)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote_plus, urlencode, urljoin

from remit.connectors.answer import parse_answer
from remit.connectors.credentials import Secret
from remit.connectors.http_exchange import HttpAnswer, HttpExchange, HttpRequest, MaybeSent, NotSent
from remit.connectors.pace import Timing
from remit.connectors.system_file import Opening
from remit.errors import BadInput, Refused, Unreachable

__all__ = ["AUTHENTICATION_SCHEMA", "Authentication", "Credential", "open_authentication"]

REFRESH_BEFORE_SECONDS: Final = 30.0
LIFETIME_SECONDS_UNSAID: Final = 300.0
_WORD: Final = {"type": "string", "minLength": 1, "maxLength": 200}


def _needs(kind: str, *keys: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"required": list(keys)},
    }


AUTHENTICATION_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["none", "api_key", "basic", "bearer", "oauth2"]},
        "header": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,60}$"},
        "query": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,60}$"},
        "user": _WORD,
        "secret": {},
        "token_url": _WORD,
        "client_id": _WORD,
        "scope": _WORD,
        "audience": _WORD,
        "client": {"enum": ["header", "body"]},
    },
    "allOf": [
        _needs("api_key", "secret"),
        _needs("basic", "user", "secret"),
        _needs("bearer", "secret"),
        _needs("oauth2", "token_url", "client_id", "secret"),
    ],
}
"""The key ``auth``.

``client`` says where OAuth2 puts id and secret: the header (RFC 6749, default) or the body.
"""


@dataclass(frozen=True, slots=True)
class Credential:
    """What one request carries. ``secrets`` are taken out of what comes back."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[Secret, ...] = ()


class Authentication(Protocol):
    """Gives a credential for each request."""

    async def credential(self) -> Credential:
        """Fetch it now.

        Raises:
            Unreachable: it cannot be fetched.
            Refused: the system that gives it refuses.
        """
        ...

    def renew(self, used: Credential) -> bool:
        """After a 401 on ``used``: tell whether a fresh credential may do better."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class _Kept:
    """None, api_key, basic and bearer: the secret is fetched for each request and made into a credential."""

    def __init__(self, make: Callable[[], Credential], system: str):
        self._make = make
        self._system = system

    async def credential(self) -> Credential:
        try:
            return await asyncio.to_thread(self._make)  # a file or a keyring may be slow
        except BadInput as error:
            raise Unreachable(f"{self._system}: {error}") from None

    def renew(self, used: Credential) -> bool:
        return False

    async def close(self) -> None:
        return None


class _Nothing(_Kept):
    async def credential(self) -> Credential:
        return Credential()


@dataclass(frozen=True, slots=True)
class _Token:
    secret: Secret
    fresh_until: float


@dataclass(frozen=True, slots=True)
class _Client:
    """The settings of the OAuth2 client."""

    system: str
    url: str
    id: str
    secret: Callable[[], Secret]
    scope: str
    audience: str
    in_body: bool


class _OAuth2:
    """Client credentials: one token for all calls, fetched anew shortly before it ends and after a 401."""

    def __init__(self, client: _Client, exchange: HttpExchange, timeout_seconds: float, timing: Timing):
        self._client = client
        self._exchange = exchange
        self._timeout_seconds = timeout_seconds
        self._timing = timing
        self._token: _Token | None = None
        self._one_at_a_time = asyncio.Lock()

    async def credential(self) -> Credential:
        async with self._one_at_a_time:
            if self._token is None or self._timing.monotonic() >= self._token.fresh_until:
                self._token = await self._fetch()
            token = self._token.secret
        return Credential({"Authorization": f"Bearer {token.reveal()}"}, {}, (token,))

    def renew(self, used: Credential) -> bool:
        # Another call may have fetched a new one meanwhile; that one is kept.
        if self._token is not None and self._token.secret is used.secrets[0]:
            self._token = None
        return True

    async def close(self) -> None:
        await self._exchange.close()

    async def _fetch(self) -> _Token:
        what = f"{self._client.system}: token"
        try:
            asked_at = self._timing.monotonic()
            answer = await self._exchange.send(await asyncio.to_thread(self._request), self._timeout_seconds)
        except (NotSent, MaybeSent, BadInput) as error:  # a token asked for twice does no harm
            raise Unreachable(f"{what} not fetched: {error}") from None
        if answer.status == 429 or answer.status >= 500:
            raise Unreachable(f"{what} not fetched: status {answer.status}")
        if answer.status != 200:
            raise Refused(f"{what} refused: status {answer.status}")
        return self._read(answer, asked_at)

    def _read(self, answer: HttpAnswer, asked_at: float) -> _Token:
        try:
            value = parse_answer(answer.body)
        except BadInput:
            value = None
        value = value if isinstance(value, dict) else {}
        token, kind, lasts = value.get("access_token"), value.get("token_type"), value.get("expires_in")
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            raise Unreachable(f"{self._client.system}: the token endpoint gave no token")
        if isinstance(kind, str) and kind.lower() != "bearer":
            raise Refused(f"{self._client.system}: token of type {kind[:20]!r}, expected bearer")
        lasts_seconds = float(lasts) if isinstance(lasts, int | str) and str(lasts).isdecimal() else None
        lasts_seconds = LIFETIME_SECONDS_UNSAID if lasts_seconds is None else lasts_seconds
        # A token that lives shortly is renewed at half its life instead of at once.
        early = min(REFRESH_BEFORE_SECONDS, lasts_seconds / 2)
        return _Token(Secret(token), asked_at + lasts_seconds - early)

    def _request(self) -> HttpRequest:
        client, secret = self._client, self._client.secret()
        form = {"grant_type": "client_credentials", "scope": client.scope, "audience": client.audience}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if client.in_body:
            form |= {"client_id": client.id, "client_secret": secret.reveal()}
        else:
            headers["Authorization"], _ = _basic(quote_plus(client.id), Secret(quote_plus(secret.reveal())))
        body = urlencode({key: text for key, text in form.items() if text}).encode()
        return HttpRequest("POST", client.url, headers, body, (secret,))


def _basic(user: str, secret: Secret) -> tuple[str, Secret]:
    """Return the header's value (RFC 7617) and its secret part."""
    coded = base64.b64encode(f"{user}:{secret.reveal()}".encode()).decode()
    return f"Basic {coded}", Secret(coded)


def open_authentication(opening: Opening, base: str, timeout_seconds: float, timing: Timing) -> Authentication:
    """Open the key ``auth`` of a description; what is wrong is noted in ``opening``."""
    auth: Mapping[str, Any] = opening.system.value.get("auth", {"kind": "none"})
    name, kind = opening.system.name, auth["kind"]
    if kind == "none":
        return _Nothing(Credential, name)
    fetch, user = opening.secret("auth", "secret"), opening.text("auth", "user")

    def api_key() -> Credential:
        secret = fetch()
        if "query" in auth:
            return Credential({}, {auth["query"]: secret.reveal()}, (secret,))
        return Credential({auth.get("header", "X-Api-Key"): secret.reveal()}, {}, (secret,))

    def basic() -> Credential:
        secret = fetch()
        value, coded = _basic(user, secret)
        return Credential({"Authorization": value}, {}, (secret, coded))

    def bearer() -> Credential:
        secret = fetch()
        return Credential({"Authorization": f"Bearer {secret.reveal()}"}, {}, (secret,))

    if kind != "oauth2":
        return _Kept({"api_key": api_key, "basic": basic, "bearer": bearer}[kind], name)
    client = _Client(
        system=name,
        url=_joined(base, opening.text("auth", "token_url")),
        id=opening.text("auth", "client_id"),
        secret=fetch,
        scope=opening.text("auth", "scope"),
        audience=opening.text("auth", "audience"),
        in_body=auth.get("client") == "body",
    )
    try:
        exchange = HttpExchange(client.url, 2)
    except BadInput as error:
        opening.wrong(("auth", "token_url"), f"token_url: {error}")
        exchange = HttpExchange("http://127.0.0.1", 1)  # never used: finish() raises
    return _OAuth2(client, exchange, timeout_seconds, timing)


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        return ""  # which is no address, and is told as such
