"""What happens between a request and its handler, in one order for every route.

Caller, role, key, body, shape, claim, handler: each step refuses on its own, and nothing before the claim
leaves a trace in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import web

from handlers import idempotency
from handlers.auth import Authenticator, Principal, PrincipalKind, require_role
from handlers.context import LINE, failure_answer
from handlers.errors import DoorCode
from handlers.patience import within
from handlers.reading import parse_body, parse_path, parse_query, read_body, require_json
from handlers.registry import Answer, Call, HttpSettings, Nothing, Route
from sync import audit
from sync.billing import Billing
from sync.clock import monotonic
from sync.errors import OutcomeUnknown
from sync.store.db import retried
from sync.store.patience import impatient

AUTHENTICATOR: Final = web.AppKey("AUTHENTICATOR", Authenticator)
BILLING: Final = web.AppKey("BILLING", Billing)
SETTINGS: Final = web.AppKey("SETTINGS", HttpSettings)
LEAST_PATIENCE_SECONDS: Final = 0.1


def endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the aiohttp handler of a route."""

    async def serve(request: web.Request) -> web.Response:
        try:
            with impatient(request.app[SETTINGS].database_seconds):
                answer = await _answer(route, request)
        except Exception as error:  # whatever it is, the caller gets an answer
            answer = failure_answer(request, error)
        return answer.response()

    return serve


async def _answer(route: Route, request: web.Request) -> Answer:
    settings, began = request.app[SETTINGS], monotonic()
    principal = await _principal(route, request)
    # A database that is slow to know the caller has used up part of the patience for everything after it.
    left = max(settings.database_seconds - (monotonic() - began), LEAST_PATIENCE_SECONDS)
    settings = replace(settings, database_seconds=left)
    key = idempotency.key_of(request, route)
    raw = await _body_bytes(route, request, settings)
    call = Call(
        request.app[BILLING],
        settings,
        principal,
        parse_path(request.match_info),
        parse_query(request.query, route.query),
        parse_body(raw, route.body) if route.has_body else Nothing(),
    )

    async def work() -> Answer:
        with audit.through(_origin(principal, route)):
            return await _handle(route, request, call)

    if key is None:
        return await work()
    once = idempotency.Once(principal.name, key, idempotency.hash_request(request, raw))
    return await idempotency.answer_once(call.billing.pool, settings, route, once, work)


def _origin(principal: Principal, route: Route) -> audit.Origin:
    """What the audit log says of this caller: of its roles those that this route asks for."""
    role = ",".join(sorted(principal.roles & route.roles))
    key_id = principal.id if principal.kind is PrincipalKind.API_KEY else None
    return audit.Origin("http", principal.name, role, key_id)


async def _principal(route: Route, request: web.Request) -> Principal:
    header = request.headers.get("Authorization")
    lookup = request.app[AUTHENTICATOR].principal(header)
    principal = await within(request.app[SETTINGS].database_seconds, lookup)
    request[LINE]["principal"] = principal.name
    require_role(principal, route.roles)
    return principal


async def _body_bytes(route: Route, request: web.Request, settings: HttpSettings) -> bytes:
    if not route.has_body:
        return b""
    require_json(request)
    raw = await read_body(request, settings)
    request[LINE]["bytes_in"] = len(raw)
    return raw


async def _handle(route: Route, request: web.Request, call: Call[Any, Any]) -> Answer:
    """Run the handler within its time, and turn whatever it raises into an answer that can be stored."""
    patience = asyncio.timeout(call.settings.handler_seconds)
    try:
        async with patience:
            with impatient(call.settings.database_seconds):
                return await retried(partial(route.handler, call), seconds=call.settings.database_seconds)
    except TimeoutError as error:
        return failure_answer(request, _timed_out() if patience.expired() else error)
    except Exception as error:  # whatever it is, an Idempotency-Key may have to remember it
        return failure_answer(request, error)


def _timed_out() -> OutcomeUnknown:
    return OutcomeUnknown(
        DoorCode.TIMED_OUT,
        "The answer took too long. What was begun goes on or is undone without you: repeat the request with"
        " the same Idempotency-Key to learn what became of it. Nothing is ever charged twice.",
        retryable=True,
    )
