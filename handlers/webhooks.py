"""`POST /webhooks/stripe`: verify the raw bytes, store them, answer. Nothing is acted upon in here.

Source of the scheme: Stripe docs "Verify webhook signatures manually": `Stripe-Signature: t=<second>,
v1=<hex>[,v1=<hex>...]`, where v1 is HMAC-SHA256 over `<t>.<body>`. While a secret is rolled, Stripe signs
with both. The SDK's own check is not used: it accepts times in the future, and raises on odd bytes.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from handlers.dispatch import EVENT_TYPES
from handlers.envelope import JUNK, read_envelope
from handlers.intake import Intake, IntakeRefused
from handlers.strangers import Strangers
from sync.clock import monotonic, wall_seconds
from sync.telemetry import WEBHOOK_ACK_SECONDS, WEBHOOK_RECEIVED, LogEvent

log = structlog.get_logger(__name__)

# An empty sequence closes the door.
WEBHOOK_SECRETS: Final = web.AppKey("webhook_secrets", Sequence[str])
INTAKE: Final = web.AppKey("intake", Intake)
STRANGERS: Final = web.AppKey("strangers", Strangers)

TOLERANCE_SECONDS: Final = 300
BODY_LIMIT_BYTES: Final = 1024 * 1024
BODY_SECONDS: Final = 10.0
# Stripe sends one signature for each secret that is valid; a header with more only costs time.
MOST_SIGNATURES: Final = 16
LONGEST_HEADER: Final = 4_096


class Flaw(StrEnum):
    """Why a delivery was refused; a value of the metric's label `result`."""

    NO_SIGNATURE = "no_signature"
    MALFORMED = "malformed_signature"
    WRONG = "wrong_signature"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TOO_MANY = "too_many"
    BROKEN_BODY = "broken_body"


# Only with our secret: a clock is wrong, ours most likely, or somebody recorded a delivery.
MISDATED: Final = frozenset({Flaw.TOO_OLD, Flaw.FROM_THE_FUTURE})


class Refused(Exception):
    """The delivery is not one that we store; `status` is the answer."""

    def __init__(self, flaw: Flaw, status: int = 400) -> None:
        super().__init__(flaw)
        self.flaw = flaw
        self.status = status


@dataclass(frozen=True, slots=True)
class _Signature:
    signed_unix: int
    stamp: bytes
    digests: tuple[bytes, ...]


async def stripe_webhook(request: web.Request) -> web.StreamResponse:
    """Store one delivery: 200 after its commit, 4xx for what Stripe did not sign, 503 to be sent it again."""
    started = monotonic()
    secrets, strangers = request.app[WEBHOOK_SECRETS], request.app[STRANGERS]
    if not secrets:
        raise web.HTTPNotFound
    try:
        signature = _signature(request.headers.getall("Stripe-Signature", []))
        body = await _body(request, strangers)
        verify(body, signature, secrets, now_unix=wall_seconds())
    except Refused as refusal:
        WEBHOOK_RECEIVED.labels("unsigned", refusal.flaw).inc()
        strangers.refused(refusal.flaw, is_alarm=refusal.flaw in MISDATED)
        return web.json_response({"error": refusal.flaw}, status=refusal.status)
    return await _store(request.app, body, started)


async def _store(app: web.Application, body: bytes, started: float) -> web.Response:
    event = read_envelope(body)
    label = event.type if event.type in EVENT_TYPES or event.type == JUNK else "other"
    try:
        await app[INTAKE].accept(event)
    except IntakeRefused:
        WEBHOOK_RECEIVED.labels(label, "unavailable").inc()
        app[STRANGERS].refused("unavailable")
        return web.json_response({"error": "unavailable"}, status=503, headers={"Retry-After": "5"})
    WEBHOOK_RECEIVED.labels(label, "stored").inc()
    WEBHOOK_ACK_SECONDS.observe(monotonic() - started)
    log.info(LogEvent.INBOX_ACCEPTED, event_id=event.id, type=event.type, object_id=event.object_id)
    return web.json_response({"received": True})


async def _body(request: web.Request, strangers: Strangers) -> bytes:
    """The raw body, however it was framed, within the limits of size, memory and time."""
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise Refused(Flaw.TOO_LARGE, 413)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, strangers)
    except TimeoutError:
        raise Refused(Flaw.TOO_SLOW, 408) from None
    except HTTPRequestEntityTooLarge:
        raise Refused(Flaw.TOO_LARGE, 413) from None
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError, ValueError):
        raise Refused(Flaw.BROKEN_BODY) from None


async def _read(request: web.Request, strangers: Strangers) -> bytes:
    body = bytearray()
    with strangers.body() as held:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise Refused(Flaw.TOO_LARGE, 413)
            if not strangers.has_room(held, len(body)):
                raise Refused(Flaw.TOO_MANY, 503)
    return bytes(body)


def _signature(headers: Sequence[str]) -> _Signature:
    """Take the header apart; anything odd is refused, never an exception of another kind."""
    if not headers:
        raise Refused(Flaw.NO_SIGNATURE)
    header = headers[0]
    if len(headers) > 1 or len(header) > LONGEST_HEADER or not header.isascii():
        raise Refused(Flaw.MALFORMED)
    stamp, digests = "", []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            stamp = value
        elif name == "v1":
            digests.append(value.encode())
    if not stamp.isdigit() or len(stamp) > 12 or not digests or len(digests) > MOST_SIGNATURES:
        raise Refused(Flaw.MALFORMED)
    return _Signature(int(stamp), stamp.encode(), tuple(digests))


def verify(body: bytes, signature: _Signature, secrets: Sequence[str], *, now_unix: int) -> None:
    """Raise Refused unless one of our secrets signed the body within 300 s of now, before or after.

    Every secret is compared with every digest, so that the time taken says nothing about either.
    """
    matches = 0
    for secret in secrets:
        expected = hmac.digest(secret.encode(), signature.stamp + b"." + body, "sha256").hex().encode()
        for digest in signature.digests:
            matches += hmac.compare_digest(expected, digest)
    if not matches:
        raise Refused(Flaw.WRONG)
    age_seconds = now_unix - signature.signed_unix
    if age_seconds > TOLERANCE_SECONDS:
        raise Refused(Flaw.TOO_OLD)
    if age_seconds < -TOLERANCE_SECONDS:
        raise Refused(Flaw.FROM_THE_FUTURE)
