"""The API's door: key, faults, contract, idempotency, execution, answer. Everything under `/v1/`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import msgspec
from aiohttp import web

from worker.twin import contract, forms, operations
from worker.twin.delivery import Deliveries
from worker.twin.engine import HANDLERS, execute
from worker.twin.errors import ApiError
from worker.twin.faults import Fault, Faults
from worker.twin.idempotency import Keys
from worker.twin.ids import Ids
from worker.twin.world import Call, World

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 600
MAX_BODY = 4 * 1024 * 1024


@dataclass
class Twin:
    """One running twin."""

    world: World
    keys: Keys
    deliveries: Deliveries
    faults: Faults = field(default_factory=Faults)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=10_000))
    draws: Ids = field(default_factory=lambda: Ids(0))


@dataclass
class Reply:
    """Status, body and headers of an answer, before it is sent."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


TWIN: web.AppKey[Twin] = web.AppKey("twin", Twin)


def check_key(request: web.Request) -> None:
    """401 without a test key; a live key is refused loudly: it must never come near a stand-in."""
    header = request.headers.get("Authorization", "")
    key = header.removeprefix("Bearer ").strip()
    if header.startswith("Basic "):
        import base64

        key = base64.b64decode(header[6:]).decode(errors="replace").rstrip(":")
    if key.startswith(("sk_live_", "rk_live_")):
        text = "A LIVE key was sent to the local twin. Nothing was done. Roll that key if it may have leaked."
        raise ApiError(401, text, executed=False)
    if not key.startswith(("sk_test_", "rk_test_")):
        text = "You did not provide an API key." if not key else f"Invalid API Key provided: {key[:8]}***"
        raise ApiError(401, text, executed=False)


async def answer(request: web.Request) -> web.StreamResponse:
    """One request of the API."""
    twin = request.app[TWIN]
    request_id = twin.draws.new("req")
    fault = twin.faults.next_for(
        request.method, request.path, twin.draws.chance() if twin.faults.planned else 0.0
    )
    if fault is not None and fault.when == "before":
        broken = await _break(request, fault)
        if broken is not None:
            return broken
    body = await request.text()
    reply = await _guarded(request, twin, request_id, body, fault)
    if fault is not None and fault.when == "after":
        broken = await _break(request, fault)
        if broken is not None:
            return broken
    return _send(request, twin, request_id, reply)


async def _break(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """Carry out a fault's delay or cut; None if the request goes on."""
    if fault.slow_seconds:
        await asyncio.sleep(fault.slow_seconds)
    if fault.timeout:
        await asyncio.sleep(TIMEOUT_SECONDS)
    if fault.timeout or fault.reset:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    if fault.garbage:
        return web.Response(
            status=fault.status or 502, text="<html>Bad gateway</html>", content_type="text/html"
        )
    return None


async def _guarded(
    request: web.Request, twin: Twin, request_id: str, body: str, fault: Fault | None
) -> Reply:
    try:
        check_key(request)
        if fault is not None and fault.when == "before" and fault.status and not fault.garbage:
            return _refusal(fault.error())
        return _process(request, twin, request_id, body, fault)
    except ApiError as error:
        return _refusal(error)
    except Exception:
        logger.exception("the twin failed at %s %s", request.method, request.path)
        return _refusal(ApiError(500, "The twin failed: see its log.", kind="api_error"))


def _process(request: web.Request, twin: Twin, request_id: str, body: str, fault: Fault | None) -> Reply:
    method, path = request.method, request.path
    found = operations.find(method, path)
    if found is None or found[0] not in HANDLERS:
        text = f"Unrecognized request URL ({method}: {path}). The twin does not know it."
        raise ApiError(404, text, executed=False)
    text = body if method == "POST" else request.query_string
    pairs = forms.pairs_of(text)
    if method == "DELETE" and body:
        pairs += forms.pairs_of(body)
    key = request.headers.get("Idempotency-Key") if method == "POST" else None
    call = (found[0], found[1], pairs)
    if key is None:
        return _stale(twin, call, _spoilt(_run(twin, request_id, None, call), fault), fault)
    return _run_once(twin, request_id, key, f"{method} {path} {_digest(pairs)}", call, fault)


def _digest(pairs: list[tuple[str, str]]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(pairs))).hexdigest()


def _run_once(
    twin: Twin,
    request_id: str,
    key: str,
    request: str,
    call: tuple[str, tuple[str, ...], Any],
    fault: Fault | None,
) -> Reply:
    """Execute under an idempotency key, or repeat what is stored."""
    stored = twin.keys.begin(key, request, request_id)
    if stored is not None:
        headers = {
            "Idempotency-Key": key,
            "Idempotent-Replayed": "true",
            "Original-Request": stored.request_id,
        }
        return Reply(stored.status, stored.body, headers)
    try:
        reply = _run(twin, request_id, key, call)
    except ApiError as error:
        if not error.executed:
            twin.keys.forget(key)
            raise
        reply = _refusal(error)
    except Exception:
        twin.keys.forget(key)
        raise
    reply = _spoilt(reply, fault)
    twin.keys.finish(key, reply.status, reply.body)
    reply.headers["Idempotency-Key"] = key
    return reply


def _refusal(error: ApiError) -> Reply:
    return Reply(error.status, msgspec.json.encode(error.body), error.headers)


def _spoilt(reply: Reply, fault: Fault | None) -> Reply:
    """The effect has happened; a fault "after" with a status hides it behind an error."""
    if fault is None or fault.when != "after" or not fault.status or fault.garbage:
        return reply
    return _refusal(fault.error())


def _stale(twin: Twin, call: tuple[str, tuple[str, ...], Any], reply: Reply, fault: Fault | None) -> Reply:
    """A read from a replica that lags: the state before the last one."""
    if fault is None or not fault.stale or len(call[1]) != 1:
        return reply
    older, _ = twin.world.events.history.get(call[1][0], (reply.body, b""))
    return Reply(reply.status, older)


def _run(
    twin: Twin,
    request_id: str,
    key: str | None,
    call: tuple[str, tuple[str, ...], Any],
    by_hand: bool = False,
) -> Reply:
    operation, ids, pairs = call
    params, problems = contract.decode(operation, pairs)
    if problems:
        first = problems[0]
        raise ApiError(400, first.message, code=first.code or None, param=first.param, executed=False)
    try:
        done = execute(twin.world, Call(operation, ids, params, request_id, key, by_hand))
    finally:
        twin.deliveries.take()
    return Reply(200, msgspec.json.encode(done))


def run_by_hand(twin: Twin, method: str, path: str, params: dict[str, Any]) -> Reply:
    """An edit in the dashboard: the same rules, but no key, and events without a request."""
    found = operations.find(method, path)
    if found is None:
        raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")
    return _run(twin, "", None, (found[0], found[1], forms.flatten(params)), by_hand=True)


def _send(request: web.Request, twin: Twin, request_id: str, reply: Reply) -> web.Response:
    twin.requests.append(
        {"method": request.method, "path": request.path, "status": reply.status, "id": request_id,
         "idempotency_key": request.headers.get("Idempotency-Key")}
    )  # fmt: skip
    headers = {
        "Request-Id": request_id,
        "Stripe-Version": request.headers.get("Stripe-Version") or contract.api_version(),
        "Date": formatdate(twin.world.clock.now(), usegmt=True),
        **reply.headers,
    }
    key = request.headers.get("Idempotency-Key")
    if key and request.method == "POST":
        headers.setdefault("Idempotency-Key", key)
    if request.method == "POST" and reply.status < 500 and reply.status != 409:
        headers.setdefault("Stripe-Should-Retry", "false")
    return web.Response(
        status=reply.status, body=reply.body, content_type="application/json", headers=headers
    )
