"""The API's door: the key, the version, the limiter, faults on the wire, the answer's headers."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from email.utils import formatdate

from aiohttp import web

from worker.twin import bodies, versions
from worker.twin.errors import ApiError
from worker.twin.exchange import Reply, Twin, perform, refusal, route
from worker.twin.faults import Fault

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 600
MAX_BODY = 4 * 1024 * 1024
TWIN: web.AppKey[Twin] = web.AppKey("twin", Twin)


async def answer(request: web.Request) -> web.StreamResponse:
    """One request of the API."""
    twin = request.app[TWIN]
    chance = twin.draws.chance() if twin.faults.planned else 0.0
    fault = twin.faults.next_for(request.method, request.path, chance)
    if fault is not None and fault.when == "before" and fault.cuts:
        return await _cut(request, fault)
    request_id = twin.draws.new("req")
    twin.throttle.running += 1
    try:
        reply = await _guarded(request, twin, request_id, fault)
    finally:
        twin.throttle.running -= 1
    if fault is not None and fault.cuts:
        return await _cut(request, fault)
    return _send(request, twin, request_id, reply)


async def _cut(request: web.Request, fault: Fault) -> web.StreamResponse:
    """No answer, half a connection, or a page of HTML."""
    if fault.garbage:
        page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
        return web.Response(status=fault.status or 502, text=page, content_type="text/html")
    if fault.timeout:
        await asyncio.sleep(TIMEOUT_SECONDS)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _guarded(request: web.Request, twin: Twin, request_id: str, fault: Fault | None) -> Reply:
    now = twin.world.clock.now()
    try:
        return await _admitted(request, twin, request_id, fault)
    except ApiError as error:
        return refusal(error, request_id, now)
    except Exception:  # a mistake of ours is an answer of 500, as Stripe's own are
        logger.exception("the twin failed at %s %s", request.method, request.path)
        return refusal(ApiError(500, "The twin failed: see its log.", kind="api_error"), request_id, now)


async def _admitted(request: web.Request, twin: Twin, request_id: str, fault: Fault | None) -> Reply:
    check_key(request.headers.get("Authorization", ""))
    asked = request.headers.get("Stripe-Version")
    version = versions.checked(asked) if asked is not None else ""
    pairs = await bodies.pairs_of(request)
    key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    spoken = version or versions.default(twin.world)
    method, path, pairs = versions.path(request.method, request.path, spoken, pairs)
    found = route(method, path, pairs, request_id=request_id, key=key, version=version)
    twin.throttle.admit(twin.world.account, found.operation)
    return await perform(twin, found, fault)


def check_key(header: str) -> None:
    """401 without a test key; a live key is refused loudly: it must never come near a stand-in."""
    key = header.removeprefix("Bearer ").strip()
    if header.startswith("Basic "):
        try:
            key = base64.b64decode(header[6:]).decode("latin-1").partition(":")[0]
        except (binascii.Error, ValueError):
            key = ""
    if key.startswith(("sk_live_", "rk_live_")):
        text = "A LIVE key was sent to the local twin. Nothing was done. Roll that key if it may have leaked."
        raise ApiError(401, text, executed=False)
    if key.startswith("pk_"):
        text = "This API call cannot be made with a publishable API key. Please use a secret API key."
        raise ApiError(401, text, code="secret_key_required", executed=False)
    if not key.startswith(("sk_test_", "rk_test_")):
        raise ApiError(401, _unknown(key), executed=False)


def _unknown(key: str) -> str:
    if key:
        return f"Invalid API Key provided: {key[:8]}***"
    return (
        "You did not provide an API key. You need to provide your API key in the Authorization header, using"
        " Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
    )


def _send(request: web.Request, twin: Twin, request_id: str, reply: Reply) -> web.Response:
    key = request.headers.get("Idempotency-Key")
    log = {"id": request_id, "method": request.method, "path": request.path, "status": reply.status}
    twin.requests.append({**log, "idempotency_key": key})
    headers = {
        "Request-Id": request_id,
        "Stripe-Version": _spoken(request, twin),
        "Date": formatdate(twin.world.clock.now(), usegmt=True),
    }
    if request.method == "POST":
        if key and key.isprintable():
            headers["Idempotency-Key"] = key
        if reply.status < 500 and reply.status != 409:
            headers["Stripe-Should-Retry"] = "false"
    headers.update(reply.headers)
    return web.Response(
        status=reply.status,
        body=reply.body,
        content_type="application/json",
        headers={name: value for name, value in headers.items() if value},
    )


def _spoken(request: web.Request, twin: Twin) -> str:
    asked = request.headers.get("Stripe-Version", "")
    return asked if asked in versions.known() else versions.default(twin.world)
