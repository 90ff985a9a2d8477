"""One request executed: contract, idempotency key, the resource's code, and the faults that happen
meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from worker.twin import contract, forms, operations, versions
from worker.twin.delivery import Deliveries
from worker.twin.engine import HANDLERS, execute
from worker.twin.errors import ApiError
from worker.twin.faults import Fault, Faults
from worker.twin.idempotency import Keys
from worker.twin.ids import Ids
from worker.twin.movers import Movers
from worker.twin.throttle import Throttle, owner_of
from worker.twin.world import Call, World

# What is never rendered again: events keep the version of their making, `/v2/` has none.
FROZEN = frozenset(
    name for name, (_, path) in operations.OPERATIONS.items() if path.startswith(("/v1/events", "/v2/"))
)


@dataclass
class Twin:
    """One running twin. `draws` makes request ids and fault dice, so that reads do not change other ids."""

    world: World
    keys: Keys
    deliveries: Deliveries
    faults: Faults = field(default_factory=Faults)
    movers: Movers = field(default_factory=Movers)
    throttle: Throttle = field(default_factory=Throttle)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=10_000))
    draws: Ids = field(default_factory=lambda: Ids(0))

    def __post_init__(self) -> None:
        self.world.hand_over = self.deliveries.take


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
    version: str = ""

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
    version: str = "",
) -> Request:
    """Find the operation behind a path; 404 as Stripe words it."""
    found = operations.find(method, path)
    if found is None or found[0] not in HANDLERS:
        text = f"Unrecognized request URL ({method}: {path}). The twin does not know it."
        raise ApiError(404, text, executed=False)
    return Request(request_id, method, path, found[0], found[1], pairs, key, by_hand, version)


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
        reply = refusal(error, request.id, twin.world.clock.now())
    except BaseException:
        twin.keys.forget(key)
        raise
    twin.keys.finish(key, reply.status, reply.body)
    return reply


async def _through(twin: Twin, request: Request, fault: Fault | None) -> Reply:
    """Execute a request with its faults, holding the customer's lock if the account has locks."""
    owner = owner_of(twin.world, request.method, request.operation, request.ids, request.pairs)
    with twin.throttle.holding(owner):
        return await _with_faults(twin, request, fault)


async def _with_faults(twin: Twin, request: Request, fault: Fault | None) -> Reply:
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
            return refusal(after.error(), request.id, twin.world.clock.now())
    return reply


def run(twin: Twin, request: Request) -> Reply:
    """Check the parameters and carry the request out; its events go to the deliveries."""
    version = request.version or versions.default(twin.world)
    pairs = versions.request(request.operation, version, request.pairs)
    params, problems = contract.decode(request.operation, pairs)
    if problems:
        first = problems[0]
        raise ApiError(400, first.message, code=first.code or None, param=first.param, executed=False)
    call = Call(request.operation, request.ids, params, request.id, request.key, request.by_hand, version)
    try:
        answer = execute(twin.world, call)
        if request.operation not in FROZEN:
            answer = versions.answer(twin.world, answer, version)
        reply = Reply(200, msgspec.json.encode(answer))
        if twin.movers.planned and request.operation == "invoice_create_preview":
            twin.movers.previewed(twin.world, params, partial(_edit, twin))
        return reply
    finally:
        twin.world.rest()


def _edit(twin: Twin, path: str, params: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(run_by_hand(twin, "POST", path, params).body)
    return answer


def run_by_hand(twin: Twin, method: str, path: str, params: dict[str, Any]) -> Reply:
    """An edit in the dashboard: the same rules, but no key, and events without a request."""
    return run(twin, route(method, path, forms.flatten(params), by_hand=True))


def refusal(error: ApiError, request_id: str, now: int) -> Reply:
    """An error as an answer to the request `request_id`."""
    return Reply(error.status, msgspec.json.encode(error.logged(request_id, now)), dict(error.headers))


def _stale(twin: Twin, request: Request, reply: Reply) -> Reply:
    """A read from a replica that lags: the state before the last one."""
    if len(request.ids) != 1 or request.method != "GET":
        return reply
    return Reply(reply.status, twin.world.events.earlier_state(request.ids[0]) or reply.body)
