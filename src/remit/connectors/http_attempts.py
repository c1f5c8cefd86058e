"""Asking again: which answers settle a call, which allow another try, and what is known at the end.

For an effect the question at every step is whether it may have been done:

    answer                          sent again              at the end
    connection refused              yes                     Unreachable
    425, 429                        yes                     Unreachable
    408, 5xx, cut, time-out         only with a key header  CannotTell
    409                             only with a key header  CannotTell; without one: Refused
    other 4xx, 307, 308             no                      Refused; but CannotTell after a try that may have
                                                            been done
    anything else not understood    no                      CannotTell
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from remit.connectors.authentication import Authentication, Credential
from remit.connectors.http_exchange import HttpAnswer, HttpExchange, HttpRequest, MaybeSent, NotSent
from remit.connectors.pace import Pace, asked_to_wait_seconds
from remit.connectors.placeholder import conceal
from remit.errors import CannotTell, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["HttpAttempts", "Sort", "judge_effect", "judge_read"]

Sort = Literal["take", "again", "again_unknown", "refused", "unknown"]
"""Settled; not done, ask again; perhaps done; certainly not done; not known and not to be repeated."""


def judge_read(status: int) -> Sort:
    """Sort an answer to what changes nothing. 404 and 410 are taken: there is no such record."""
    if 200 <= status < 300 or status in {404, 410}:
        return "take"
    return "again" if status in {408, 425, 429} or status >= 500 else "refused"


def judge_effect(status: int, *, keyed: bool, accepted_is_done: bool) -> Sort:
    """Sort an answer to an effect. ``keyed``: the system knows the key and does the same key once."""
    if status in {200, 201, 204} or (status == 202 and accepted_is_done):
        return "take"
    if status in {425, 429}:
        return "again"
    if status == 408 or status >= 500 or (status == 409 and keyed):
        return "again_unknown"
    # 301 to 303 may be the usual way on after a form was taken; 307 and 308 say that it was not.
    return "refused" if 400 <= status < 500 or status in {307, 308} else "unknown"


@dataclass(frozen=True, slots=True)
class _Call:
    what: str
    sent: Mapping[str, Json]
    judge: Callable[[int], Sort]
    repeatable: bool


class HttpAttempts:
    """Sends requests to one system in its pace, with its credential, as often as is safe."""

    def __init__(
        self,
        exchange: HttpExchange,
        authentication: Authentication,
        pace: Pace,
        told: Callable[[str], None] = lambda why: None,
    ):
        """``told`` hears why something was asked again."""
        self._told = told
        self._exchange = exchange
        self._authentication = authentication
        self._pace = pace

    async def read(self, request: HttpRequest, what: str, sent: Mapping[str, Json]) -> HttpAnswer:
        """Ask something that changes nothing, and return an answer that `judge_read` takes.

        ``what`` begins every error text; the values in ``sent`` are taken out of what the system says in it.

        Raises:
            Refused: the system will not answer this.
            Unreachable: no such answer within the tries.
        """
        try:
            return await self._converse(request, _Call(what, sent, judge_read, True))
        except CannotTell as error:
            raise Unreachable(str(error)) from None

    async def effect(
        self,
        request: HttpRequest,
        what: str,
        sent: Mapping[str, Json],
        *,
        keyed: bool,
        accepted_is_done: bool,
    ) -> HttpAnswer:
        """Have something done, and return the answer that says so.

        Raises:
            Refused, Unreachable, CannotTell: as the table above says.
        """

        def judge(status: int) -> Sort:
            return judge_effect(status, keyed=keyed, accepted_is_done=accepted_is_done)

        return await self._converse(request, _Call(what, sent, judge, keyed))

    async def _converse(self, request: HttpRequest, call: _Call) -> HttpAnswer:
        unknown, problem, tries, what = False, "", self._pace.limits.tries, call.what
        for attempt in range(1, tries + 1):
            asked_seconds = None
            try:
                answer = await self._once(request)
            except (Refused, Unreachable) as error:  # from authentication or pace: this attempt was not sent
                if unknown:
                    raise CannotTell(f"{what}: {problem}; then {error}") from None
                raise
            except NotSent as error:
                problem = str(error)
            except MaybeSent as error:
                unknown, problem = True, str(error)
                if not call.repeatable:
                    break
            else:
                sort = call.judge(answer.status)
                if sort == "take":
                    return answer
                problem = f"status {answer.status}"
                if sort in {"refused", "unknown"}:
                    text = f"{what}: {problem}{_said(answer, call.sent)}"
                    raise CannotTell(text) if unknown or sort == "unknown" else Refused(text)
                unknown = unknown or sort == "again_unknown"
                if unknown and not call.repeatable:
                    break
                header = answer.headers.get("retry-after")
                asked_seconds = asked_to_wait_seconds(header, self._pace.timing.now())
            if attempt < tries and not await self._pace.pause(attempt, asked_seconds):
                problem += f", asks to wait {asked_seconds:.0f} s"
                break
            if attempt < tries:
                self._told(f"{what}: {problem}; asked again")
        text = f"{what}: {problem} (attempt {attempt} of {tries})"
        raise CannotTell(text) if unknown else Unreachable(text)

    async def _once(self, request: HttpRequest) -> HttpAnswer:
        """Send it once, and again with a fresh credential after a 401, which says that nothing was done."""
        credential = await self._authentication.credential()
        answer = await self._paced(_with(request, credential))
        if answer.status == 401 and self._authentication.renew(credential):
            answer = await self._paced(_with(request, await self._authentication.credential()))
        return answer

    async def _paced(self, request: HttpRequest) -> HttpAnswer:
        async with self._pace.turn() as turn:
            try:
                answer = await self._exchange.send(request, self._pace.limits.timeout_seconds)
            except (NotSent, MaybeSent):
                turn.well = False
                raise
            turn.well = answer.status < 500
            return answer

    async def close(self) -> None:
        """Let go of connections."""
        await self._authentication.close()
        await self._exchange.close()


def _said(answer: HttpAnswer, sent: Mapping[str, Json]) -> str:
    """What the system said about its refusal, at most 200 characters; empty when it sent a web page."""
    kind = answer.headers.get("content-type", "")
    if not answer.body or not ("json" in kind or kind.startswith("text/plain")):
        return ""
    text = " ".join(conceal(answer.body.decode("utf-8", "replace"), sent).split())[:200]
    return ": " + "".join(character if character.isprintable() else "?" for character in text)


def _with(request: HttpRequest, credential: Credential) -> HttpRequest:
    url = request.url
    if credential.query:
        # Systems that give the address of the next page put our own key into it.
        path, _, query = url.partition("?")
        parts = [part for part in query.split("&") if part and part.partition("=")[0] not in credential.query]
        url = path + "?" + "&".join([*parts, urlencode(dict(credential.query), quote_via=quote)])
    headers = {**request.headers, **credential.headers}
    return HttpRequest(request.method, url, headers, request.body, credential.secrets)
