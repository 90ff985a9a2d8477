"""Around every request: its id, its log line, its metric, its last-resort answer, its security headers."""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handlers.context import LINE, REQUEST_ID, REQUEST_ID_HEADER, failure_answer, log, request_id_of
from sync import clock, telemetry
from sync.telemetry import LogEvent

# Our answers are documents for programs: nothing in them is to be run, framed, cached or guessed at.
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "prorata",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Asked every few seconds by machines: these lines would bury the others.
_QUIET: Final = frozenset({"/livez", "/readyz", "/metrics"})
# Logs by itself, and strangers must not be able to fill the log through it.
_SILENT: Final = "/webhooks/stripe"
_IDS_OF_PATHS: Final = ("account_id", "quote_id", "change_id")


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and write one line and one measurement when it ends, however it ends."""
    request[REQUEST_ID], request[LINE] = request_id_of(request), {}
    began = clock.monotonic()
    status = 499  # what stays when the connection ends before there is an answer
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            _record(request, status, clock.monotonic() - began)


@web.middleware
async def last_resort(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever nobody answered, aiohttp's own refusals too, into a problem document."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return failure_answer(request, error).response()
    except Exception as error:  # whatever it is, the caller gets an answer
        return failure_answer(request, error).response()


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request id and the security headers; a signal, so that no answer can leave without them."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # aiohttp has put its own name and version there by now.
    response.headers["Server"] = SECURITY_HEADERS["Server"]
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]


MIDDLEWARES: Final[tuple[Middleware, ...]] = (observe, last_resort)


def template_of(request: web.Request) -> str:
    """Return the route's template, which is safe as a label: paths hold ids, templates do not."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"


def _record(request: web.Request, status: int, seconds: float) -> None:
    route = template_of(request)
    method = request.method if route != "unmatched" else "any"
    telemetry.HTTP_REQUEST_SECONDS.labels(method, route, str(status)).observe(seconds)
    if route == _SILENT or (route in _QUIET and status < 400):
        return
    ids = {name: request.match_info[name][:200] for name in _IDS_OF_PATHS if name in request.match_info}
    log.info(
        LogEvent.REQUEST_ANSWERED,
        kind="http",
        route=route,
        method=method,
        status=status,
        outcome=_outcome(status),
        duration_ms=round(seconds * 1000, 1),
        **ids,
        **request[LINE],
    )


def _outcome(status: int) -> str:
    return "ok" if status < 400 else "refused" if status < 500 else "failed"
