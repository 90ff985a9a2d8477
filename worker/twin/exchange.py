"""One request executed: contract, idempotency key, the resource's code, and the faults that happen
meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from worker.twin import contract, forms, operations
from worker.twin.delivery import Deliveries
from worker.twin.engine import HANDLERS, execute
from worker.twin.errors import ApiError
from worker.twin.faults import Fault, Faults
from worker.twin.idempotency import Keys
from worker.twin.ids import Ids
from worker.twin.world import Call, World


@dataclass
class Twin:
    """One running twin. `draws` makes request ids and fault dice, so that reads do not change other ids."""

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


@dataclass(frozen=True)
class Request:
    """One request, its parameters still text. `key` is the idempotency key of a POST."""

    id: str
    method: str
    path: str
    operation: str
    ids: tuple[str, ...]
    pairs: list[tuple[str, str]]
    key: str | None = None
    by_hand: bool = False

    @property
    def digest(self) -> str:
        """What makes two requests under one key the same."""
        body = hashlib.sha256(msgspec.json.encode(sorted(self.pairs))).hexdigest()
        return f"{self.method} {self.path} {body}"


def route(
    method: str,
    path: str,
    pairs: list[tuple[str, str]],
    *,
    request_id: str = "",
    key: str | None = None,
    by_hand: bool = False,
) -> Request:
    """Find the operation behind a path; 404 as Stripe words it."""
    found = operations.find(method, path)
    if found is None or found[0] not in HANDLERS:
        text = f"Unrecognized request URL ({method}: {path}). The twin does not know it."
        raise ApiError(404, text, executed=False)
    return Request(request_id, method, path, found[0], found[1], pairs, key, by_hand)


async def perform(twin: Twin, request: Request, fault: Fault | None) -> Reply:
    """Execute a request under its key; a slow fault holds it while it is running."""
    key = request.key
    if key is None:
        return await _through(twin, request, fault)
    stored = twin.keys.begin(key, request.digest, request.id)
    if stored is not None:
        headers = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
        return Reply(stored.status, stored.body, headers)
    try:
        reply = await _through(twin, request, fault)
    except ApiError as error:
        if not error.executed:
            twin.keys.forget(key)
            raise
        reply = refusal(error)
    except BaseException:
        twin.keys.forget(key)
        raise
    twin.keys.finish(key, reply.status, reply.body)
    return reply


async def _through(twin: Twin, request: Request, fault: Fault | None) -> Reply:
    before = fault if fault is not None and fault.when == "before" else None
    after = fault if fault is not None and fault.when == "after" else None
    if before is not None:
        await asyncio.sleep(before.slow_seconds)
        if before.status and not before.garbage:
            raise before.error()
    reply = run(twin, request)
    if fault is not None and fault.stale:
        reply = _stale(twin, request, reply)
    if after is not None:
        await asyncio.sleep(after.slow_seconds)
        if after.status and not after.garbage:
            return refusal(after.error())
    return reply


def run(twin: Twin, request: Request) -> Reply:
    """Check the parameters and carry the request out; its events go to the deliveries."""
    params, problems = contract.decode(request.operation, request.pairs)
    if problems:
        first = problems[0]
        raise ApiError(400, first.message, code=first.code or None, param=first.param, executed=False)
    call = Call(request.operation, request.ids, params, request.id, request.key, request.by_hand)
    try:
        return Reply(200, msgspec.json.encode(execute(twin.world, call)))
    finally:
        twin.deliveries.take()


def run_by_hand(twin: Twin, method: str, path: str, params: dict[str, Any]) -> Reply:
    """An edit in the dashboard: the same rules, but no key, and events without a request."""
    return run(twin, route(method, path, forms.flatten(params), by_hand=True))


def refusal(error: ApiError) -> Reply:
    """An error as an answer."""
    return Reply(error.status, msgspec.json.encode(error.body), dict(error.headers))


def _stale(twin: Twin, request: Request, reply: Reply) -> Reply:
    """A read from a replica that lags: the state before the last one."""
    if len(request.ids) != 1 or request.method != "GET":
        return reply
    return Reply(reply.status, twin.world.events.earlier_state(request.ids[0]) or reply.body)
