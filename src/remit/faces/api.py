"""The JSON API over HTTP: the verbs of `app`, for programs on this machine.

There is no sign-in yet: whoever shows the token speaks for every person, so the server answers on loopback only.
Answers are those of `as_json`; every error is ``{"error": class, "what": ..., "advice": ...}``. Verbs that block run
in threads, proposals in the company's own loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from remit import __version__
from remit.app import Control
from remit.canonical import to_moment
from remit.errors import BadInput, Conflict, NotAllowed, NotFound, RemitError, StoreUnavailable, Unreachable
from remit.faces.api_bodies import BODIES, ERROR_SCHEMA, plain, read_body
from remit.faces.api_guard import ApiGuard
from remit.faces.api_token import make_token
from remit.faces.api_webhooks import mount_webhooks
from remit.faces.as_json import (
    agents_json,
    error_json,
    halt_json,
    halt_status_json,
    inbox_json,
    journey_json,
    ledger_json,
    question_json,
    record_json,
    spend_json,
    status_json,
)
from remit.faces.autonomy_json import review_case_json, tax_json
from remit.faces.person import person_named
from remit.faces.proposal import read_proposal
from remit.vocabulary import Json, Outcome

__all__ = ["build_api", "serve_api"]

_STATUS: Final[Mapping[type[RemitError], int]] = {
    NotFound: 404, NotAllowed: 403, Conflict: 409, BadInput: 422, StoreUnavailable: 503, Unreachable: 503,
}  # fmt: skip
"""The first class that an error is one of decides; 500 otherwise."""

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": words, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, words in (
        (400, "a malformed request"), (401, "no token, or another one"), (403, "not allowed"),
        (404, "no such thing"), (409, "things changed meanwhile"), (413, "a body larger than 1 MiB"),
        (422, "not of the form that is asked for"), (500, "our fault"), (503, "the store is away"),
    )
}  # fmt: skip


async def _raw(request: Request) -> bytes:
    return await request.body()


async def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


Held = Annotated[Control, Depends(_control)]
Raw = Annotated[bytes, Depends(_raw)]
Asked = Annotated[str, Query(max_length=200)]

_routes = APIRouter(
    prefix="/v1", responses=_ERRORS, default_response_class=JSONResponse,
    dependencies=[Depends(HTTPBearer(auto_error=False, description="the token in .remit/api.token"))],
)  # fmt: skip
_open_routes = APIRouter()


def _takes(name: str) -> dict[str, Any]:
    """Return what OpenAPI says of a route that takes the body called ``name``."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": BODIES[name]}}}}


def build_api(control: Control) -> FastAPI:
    """Return the application that answers for ``control``'s company.

    Raises:
        BadInput: the token's file cannot be used.
    """
    api = FastAPI(
        title="remit", version=__version__, description=__doc__ or "", openapi_url="/v1/openapi.json",
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    api.state.control = control

    def is_signed(source: str) -> bool:
        return control.knowledge.takes_signed(source)

    api.include_router(_routes)
    api.include_router(_open_routes)
    mount_webhooks(api)
    api.add_exception_handler(RemitError, _remit_error)
    api.add_exception_handler(RequestValidationError, _bad_request)
    api.add_exception_handler(HTTPException, _no_route)
    api.add_middleware(ApiGuard, token=make_token(control.company.state), is_signed=is_signed)
    return api


def serve_api(api: FastAPI, listening: socket.socket) -> None:
    """Answer on ``listening`` until SIGTERM or SIGINT; what is in hand is answered first."""
    config = uvicorn.Config(
        api, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False,
        limit_concurrency=256, timeout_graceful_shutdown=30,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])


async def _remit_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RemitError)
    status = next((number for kind, number in _STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse(error_json(error), status)


async def _bad_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse(error_json(BadInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")), 422)


async def _no_route(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    found = NotFound("no such path, or not by this method; GET /v1/openapi.json lists them")
    return JSONResponse(error_json(found), error.status_code, headers=error.headers)


@_open_routes.get("/health")
def health(control: Held) -> dict[str, str]:
    """Say that the server is there and can read its store."""
    control.log(1)
    return {"status": "up"}


# Showing.


@_routes.get("/status")
def status(control: Held) -> JSONResponse:
    """What there is at a glance."""
    return JSONResponse(status_json(control.status()))


@_routes.get("/agents")
def agents(control: Held) -> JSONResponse:
    """The agents in use, and what became of what they proposed."""
    counts: list[Json] = [record_json(record) for record in control.fleet()]
    return JSONResponse({"agents": agents_json(control), "counts": counts})


@_routes.get("/log")
def log(
    control: Held,
    case: Asked = "",
    agent: Asked = "",
    action: Asked = "",
    kind: Asked = "",
    verdict: Asked = "",
    since: Asked = "",
    until: Asked = "",
    before: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 50,
) -> JSONResponse:
    """The newest events that match, the newest first; ``before`` is a sequence number to page on from."""
    texts = {"case": case, "agent": agent, "action": action, "kind": kind, "verdict": verdict}
    wanted: dict[str, Any] = {name: plain(name, text) for name, text in texts.items()}
    wanted["since"] = to_moment(since) if since else None
    wanted["until"] = to_moment(until) if until else None
    return JSONResponse([recorded.as_json() for recorded in control.log(limit, before=before, **wanted)])


@_routes.get("/spend")
def spend(control: Held) -> JSONResponse:
    """What was drawn against each limit."""
    return JSONResponse([spend_json(one) for one in control.spend()])


@_routes.get("/verify")
def verify(control: Held) -> JSONResponse:
    """Whether every event, checkpoint and witness holds; reads the whole ledger."""
    return JSONResponse(ledger_json(control.verify()))


# Acting.


@_routes.post("/actions", openapi_extra=_takes("proposal"))
async def propose(control: Held, raw: Raw) -> JSONResponse:
    """Take a proposal along the path; the same proposal again is the same action and is not done twice."""
    proposal = read_proposal(raw)
    action = await asyncio.to_thread(
        control.action, proposal.agent, proposal.action, proposal.case, proposal.arguments, proposal.confidence,
        proposal.reasons,
    )  # fmt: skip
    # A caller who goes away must not take the action off the path half way.
    journey = await asyncio.shield(asyncio.wrap_future(control.submit_proposal(action)))
    return JSONResponse(await asyncio.to_thread(journey_json, control, journey))


@_routes.get("/actions/{action_id}")
def action(control: Held, action_id: str) -> JSONResponse:
    """Where an action stands, and its account in words; the first digits or the case will do."""
    return JSONResponse(question_json(control, plain("action", action_id)))


@_routes.post("/outcomes", openapi_extra=_takes("outcome"))
def outcome(control: Held, raw: Raw) -> JSONResponse:
    """Record what became of an action."""
    body = read_body("outcome", raw)
    journey = control.journey(plain("action", body["action"]))
    matured = to_moment(body["matured_at"]) if "matured_at" in body else datetime.now(UTC)
    control.record_outcome(
        Outcome(journey.case, journey.action, body["right"], body["said_by"], matured, body.get("value", {}))
    )
    return JSONResponse({"action": journey.action, "case": journey.case, "right": body["right"]})


# Knowledge.


@_routes.get("/context")
def context(control: Held, agent: Asked, entity: Asked, hops: Annotated[int, Query(ge=0, le=2)] = 1) -> JSONResponse:
    """What an agent may see of an entity; its digest is the receipt to propose with."""
    return JSONResponse(control.knowledge.context(plain("agent", agent), plain("entity", entity), hops=hops).as_json())


# Oversight.


@_routes.get("/approvals")
def approvals(control: Held) -> JSONResponse:
    """What waits for a person, the most urgent first."""
    return JSONResponse([inbox_json(item) for item in control.inbox()])


@_routes.get("/approvals/{action_id}")
def approval(control: Held, action_id: str) -> JSONResponse:
    """What is asked, on which facts, and by which rules."""
    return JSONResponse(question_json(control, plain("action", action_id)))


@_routes.post("/approvals/{action_id}/answer", openapi_extra=_takes("answer"))
def answer(control: Held, action_id: str, raw: Raw) -> JSONResponse:
    """Approve or reject; what is approved, a worker carries on."""
    body = read_body("answer", raw)
    found, role, why = plain("action", action_id), body.get("role", ""), body.get("why", "")
    if body["verdict"] == "approve":
        journey = control.approve(found, body["person"], role, why, body.get("seconds"))
    else:
        journey = control.reject(found, body["person"], why, role, body.get("seconds"))
    return JSONResponse(journey_json(control, journey))


@_routes.post("/approvals/{action_id}/edit", openapi_extra=_takes("edit"))
def edit(control: Held, action_id: str, raw: Raw) -> JSONResponse:
    """Put a changed action in its place; it is judged anew, and the person is its proposer."""
    body = read_body("edit", raw)
    found = plain("action", action_id)
    journey = control.edit(found, body["person"], body["changed"], body["why"], body.get("role", ""))
    return JSONResponse(journey_json(control, journey))


@_routes.post("/approvals/{action_id}/settle", openapi_extra=_takes("settlement"))
def settle(control: Held, action_id: str, raw: Raw) -> JSONResponse:
    """Say what a person found out about an effect that is uncertain."""
    body = read_body("settlement", raw)
    found = plain("action", action_id)
    journey = control.settle(found, body["person"], done=body["done"], why=body["why"])
    return JSONResponse(journey_json(control, journey))


@_routes.get("/reviews")
def reviews(control: Held, person: Asked) -> JSONResponse:
    """What waits for one person's review; a blind case has no answer yet."""
    found = control.autonomy.reviews.cases(person_named(person))
    return JSONResponse([review_case_json(case) for case in found])


@_routes.get("/reviews/next")
def next_review(control: Held, person: Asked) -> JSONResponse:
    """The case that is this person's next, or null; from now on the time is measured."""
    case = control.autonomy.reviews.next_case(person_named(person))
    return JSONResponse(None if case is None else review_case_json(case))


@_routes.post("/reviews/{action_id}/own", openapi_extra=_takes("own_answer"))
def own_answer(control: Held, action_id: str, raw: Raw) -> JSONResponse:
    """Give one's own answer to a blind case; the agent's is shown then."""
    body = read_body("own_answer", raw)
    found = control.autonomy.reviews.commit(plain("action", action_id), body["person"], body["own"])
    return JSONResponse(review_case_json(found))


@_routes.post("/reviews/{action_id}/answer", openapi_extra=_takes("review"))
def answer_review(control: Held, action_id: str, raw: Raw) -> JSONResponse:
    """Say whether the agent was right."""
    body = read_body("review", raw)
    event = control.autonomy.answer_review(
        plain("action", action_id), body["person"], body["right"], body.get("why", ""), body.get("seconds"),
        body.get("own"),
    )  # fmt: skip
    return JSONResponse({"action": event.action, "case": event.case, "right": body["right"]})


@_routes.get("/tax")
def tax(control: Held) -> JSONResponse:
    """What people's time on each action has cost, and the next safe reduction."""
    return JSONResponse([tax_json(paid) for paid in control.autonomy.trust_tax()])


@_routes.get("/halts")
def halts(control: Held) -> JSONResponse:
    """The halts, those in force first, and which processes have confirmed them."""
    return JSONResponse([halt_status_json(found) for found in control.halts()])


@_routes.post("/halts", openapi_extra=_takes("halt"))
def halt(control: Held, raw: Raw) -> JSONResponse:
    """Throw the switch: from the answer on, nothing within the scope begins in any process."""
    body = read_body("halt", raw)
    return JSONResponse(halt_json(control.halt(body["scope"], body["why"], body["person"])))


@_routes.post("/halts/lift", openapi_extra=_takes("halt"))
def lift(control: Held, raw: Raw) -> JSONResponse:
    """Set the switch back."""
    body = read_body("halt", raw)
    return JSONResponse([halt_json(found) for found in control.resume(body["scope"], body["why"], body["person"])])
