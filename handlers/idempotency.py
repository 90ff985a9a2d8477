"""One effect per `Idempotency-Key`, however often a caller repeats a request.

The first request claims the key, runs, and stores its answer; a repetition gets that answer. Not stored are
answers that may be different next time (5xx and other retryable ones): their claim is given back. A claim
whose process was killed is free again after a lease. Requests that are refused for their shape or for their
caller never claim anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog
from aiohttp import web

from handlers.patience import within
from handlers.registry import Answer, HttpSettings, Idempotency, Route
from sync.clock import monotonic
from sync.errors import BadInput, Code, Conflict, DatabaseTrouble, Problem
from sync.store import idempotency as store
from sync.store.db import TROUBLE, Pool
from sync.store.idempotency import AnswerRow
from sync.telemetry import LogEvent

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED: Final = {"Idempotent-Replayed": "true"}
_LONGEST_KEY: Final = 255
# A claim may be released between our attempt to take it and our look at it.
_ATTEMPTS: Final = 3

# For how long the answer of a database in trouble is held back for its claim.
_RELEASE_SECONDS: Final = 0.05
_RELEASE_AGAIN_SECONDS: Final = 0.5
# A task that nobody refers to may be collected before it has ended.
_releasing: Final[set[asyncio.Future[None]]] = set()

log = structlog.get_logger()

Work = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Once:
    """A key in a caller's hand, and the fingerprint of what it was sent with."""

    principal: str
    key: str
    request_hash: bytes


def key_of(request: web.Request, route: Route) -> str | None:
    """Return the request's key, or None where it is not needed. Raises `BadInput` when it cannot be used."""
    if route.idempotency is Idempotency.NONE:
        return None
    key = request.headers.get(KEY_HEADER)
    if key is None:
        if route.idempotency is Idempotency.OPTIONAL:
            return None
        raise _bad_key(
            Code.IDEMPOTENCY_KEY_MISSING,
            "Money can move here, so send an Idempotency-Key: one fresh value for each thing you want to"
            " happen, repeated when you repeat the request. Nothing was charged.",
        )
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise _bad_key(
            Code.BAD_REQUEST,
            f"The Idempotency-Key must be 1 to {_LONGEST_KEY} printable ASCII characters. Nothing was done.",
        )
    return key


def hash_request(request: web.Request, raw_body: bytes) -> bytes:
    """Return the fingerprint of method, path and body.

    Neither the order of a body's names nor the query string matters: how long a caller waits for an answer
    is no part of what it wishes.
    """
    try:
        body = json.dumps(json.loads(raw_body), sort_keys=True).encode()
    except ValueError:
        body = raw_body
    return hashlib.sha256(
        b"\n".join([request.method.encode(), request.rel_url.raw_path.encode(), body])
    ).digest()


async def answer_once(pool: Pool, settings: HttpSettings, route: Route, once: Once, work: Work) -> Answer:
    """Run `work` under this key, or return what it led to before.

    Raises `Conflict` while the first request is still being worked on, and when the key was used with
    another body.
    """
    lease = settings.idempotency_lease_seconds
    for _ in range(_ATTEMPTS):
        fence = await within(
            settings.database_seconds,
            store.claim(pool, once.principal, once.key, once.request_hash, lease),
        )
        if fence is not None:
            return await _first(pool, settings, once, fence, work)
        row = await within(settings.database_seconds, store.look(pool, once.principal, once.key))
        if row is not None:
            return await _repeat(route, once, row, work)
    raise _in_progress()


async def _first(pool: Pool, settings: HttpSettings, once: Once, fence: datetime, work: Work) -> Answer:
    """Run the request that holds the claim, and store its answer or give the claim back."""
    try:
        answer = await work()
    except BaseException:
        await _quietly(settings, store.release(pool, once.principal, once.key, fence))
        raise
    if answer.lasting:
        await _quietly(settings, _finish(pool, once, fence, answer))
    elif answer.code == Code.DATABASE_UNAVAILABLE:
        # The caller has waited long enough for this database: what takes longer goes on without it.
        released = asyncio.ensure_future(_release(pool, settings, once, fence))
        _releasing.add(released)
        released.add_done_callback(_releasing.discard)
        await asyncio.wait({released}, timeout=_RELEASE_SECONDS)
    else:
        await _quietly(settings, store.release(pool, once.principal, once.key, fence))
    return answer


async def _release(pool: Pool, settings: HttpSettings, once: Once, fence: datetime) -> None:
    """Give a claim back as soon as the database answers again; after its lease it is free by itself."""
    deadline = monotonic() + settings.idempotency_lease_seconds
    while monotonic() < deadline and not pool.is_closing():
        release = store.release(pool, once.principal, once.key, fence)
        try:
            await within(settings.database_seconds, release)
        except (*TROUBLE, DatabaseTrouble):
            await asyncio.sleep(_RELEASE_AGAIN_SECONDS)
        else:
            return


async def _finish(pool: Pool, once: Once, fence: datetime, answer: Answer) -> None:
    await store.finish(
        pool,
        once.principal,
        once.key,
        fence,
        status=answer.status,
        body=answer.body,
        content_type=answer.media_type,
    )


async def _repeat(route: Route, once: Once, row: AnswerRow, work: Work) -> Answer:
    if row.request_hash != once.request_hash:
        raise Conflict(
            Code.IDEMPOTENCY_CONFLICT,
            "This Idempotency-Key was used before with another address or body, so nothing was done."
            " Use a fresh key for a new wish, or repeat the first request as it was.",
        )
    if row.status is None:
        raise _in_progress()
    if route.idempotency is Idempotency.REQUIRED_LIVE:
        answer = await work()
        return replace(answer, headers={**answer.headers, **REPLAYED})
    return Answer(row.status, row.body, row.content_type, REPLAYED)


async def _quietly(settings: HttpSettings, work: Coroutine[Any, Any, None]) -> None:
    """Run a last write whose failure must not hide the answer: the claim's lease frees the key anyway."""
    try:
        await within(settings.database_seconds, work)
    except Exception as error:  # whatever it is, what was done must be said
        log.warning(LogEvent.ANSWER_FORGOTTEN, error_class=type(error).__name__)


def _in_progress() -> Conflict:
    return Conflict(
        Code.IDEMPOTENCY_IN_PROGRESS,
        "The first request with this Idempotency-Key is still being worked on. Repeat it in a moment.",
        retryable=True,
    )


def _bad_key(code: Code, detail: str) -> BadInput:
    return BadInput(code, detail, [Problem("", code, f"the header {KEY_HEADER} cannot be used")])
