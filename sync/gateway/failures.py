"""What a failed call to Stripe means, in one table.

Source of the table: Stripe docs "Advanced error handling", "Idempotent requests", "Rate limits", and what
the SDK does with aiohttp (failures while the body is read reach us as raw aiohttp errors).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
import stripe

from sync.errors import Code, StripeTrouble

LIMIT_HEADER = "stripe-rate-limited-reason"
# Our own code, since Stripe has none: the key was used with another body before.
KEY_REUSED = "key_reused"


class Verdict(StrEnum):
    """What may be done after a failure."""

    REPEAT = "repeat"
    """Stripe did not begin to execute it: the same bytes under the same key are safe."""
    BUSY = "busy"
    """The same key is still running: waiting and repeating replays its answer; until then it is unknown."""
    LIMITED = "limited"
    """Not executed, and this object has had its share for minutes or for the day: do not come back soon."""
    UNKNOWN = "unknown"
    """It may have happened. A write is read back before anything else; a read is simply repeated."""
    DECLINED = "declined"
    """The payment failed. The key replays this answer for a day: a new attempt needs a new key."""
    MISSING = "missing"
    """The object does not exist."""
    REFUSED = "refused"
    """Stripe understood and said no; repeating changes nothing."""
    DENIED = "denied"
    """Our key is wrong, revoked or lacks a permission: every further write would fail as well."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call, without anything of the SDK's."""

    verdict: Verdict
    message: str
    http_status: int | None = None
    code: str | None = None
    decline_code: str | None = None
    param: str | None = None
    request_id: str | None = None
    retry_after_seconds: float | None = None


_CODES = {
    Verdict.REPEAT: Code.STRIPE_UNAVAILABLE,
    Verdict.BUSY: Code.STRIPE_UNAVAILABLE,
    Verdict.LIMITED: Code.CHANGE_LIMIT_REACHED,
    Verdict.UNKNOWN: Code.STRIPE_UNAVAILABLE,
    Verdict.DENIED: Code.STRIPE_UNAVAILABLE,
    Verdict.DECLINED: Code.PAYMENT_DECLINED,
    Verdict.MISSING: Code.NOT_FOUND,
}


class StripeCallFailed(StripeTrouble):
    """A call that ended without a usable answer; `failure` says what may be done next."""

    def __init__(self, failure: Failure, operation: str) -> None:
        self.failure = failure
        self.operation = operation
        stopped = failure.code == Code.WRITES_STOPPED
        super().__init__(
            Code.WRITES_STOPPED if stopped else _CODES.get(failure.verdict, Code.STRIPE_REFUSED),
            _sentence(failure, operation),
            retryable=failure.verdict in (Verdict.REPEAT, Verdict.BUSY, Verdict.UNKNOWN),
        )


def _sentence(failure: Failure, operation: str) -> str:
    request = f" (Stripe request {failure.request_id})" if failure.request_id else ""
    if failure.code == Code.WRITES_STOPPED:
        return f"Writes are stopped, so {operation} did not leave. Nothing was charged; repeat it later."
    match failure.verdict:
        case Verdict.DENIED:
            return f"Stripe does not accept our API key for {operation}: {failure.message}{request}"
        case Verdict.REPEAT | Verdict.BUSY | Verdict.UNKNOWN:
            return f"Stripe did not answer {operation}: {failure.message}{request} Try again in a moment."
        case _:
            return f"Stripe refused {operation}: {failure.message}{request}"


def judge(error: BaseException) -> Failure:
    """The failure behind any exception that a call can raise; unexpected ones are raised again."""
    if isinstance(error, stripe.StripeError):
        return _judge_stripe(error)
    if isinstance(error, aiohttp.ClientError | asyncio.TimeoutError | ConnectionError):
        return Failure(Verdict.UNKNOWN, f"the connection failed ({type(error).__name__})")
    raise error


def _message(error: stripe.StripeError) -> str:
    """One line, and never a body: the SDK puts the whole answer into the text of an unreadable one."""
    if isinstance(error, stripe.APIConnectionError):
        return f"the connection failed ({type(error.__cause__ or error).__name__})."
    if error.error is None:
        return f"the answer was not readable (HTTP {error.http_status})."
    return " ".join((error.user_message or type(error).__name__).split())


def _judge_stripe(error: stripe.StripeError) -> Failure:
    body = error.error
    code = getattr(body, "code", None) or error.code
    if isinstance(error, stripe.IdempotencyError) and error.http_status != 409:
        code = KEY_REUSED
    return Failure(
        verdict=_verdict(error, code),
        message=_message(error),
        http_status=error.http_status,
        code=code,
        decline_code=getattr(body, "decline_code", None),
        param=getattr(body, "param", None),
        request_id=error.request_id,
        retry_after_seconds=_retry_after(error),
    )


def _verdict(error: stripe.StripeError, code: str | None) -> Verdict:
    match error:
        case stripe.APIConnectionError():
            return Verdict.UNKNOWN
        case stripe.RateLimitError():
            return Verdict.LIMITED if _header(error, LIMIT_HEADER) == "resource-specific" else Verdict.REPEAT
        case stripe.CardError():
            return Verdict.DECLINED
        case stripe.AuthenticationError() | stripe.PermissionError():
            return Verdict.DENIED
        case stripe.InvalidRequestError() if error.http_status == 404 or code == "resource_missing":
            return Verdict.MISSING
        case stripe.InvalidRequestError():
            return Verdict.REFUSED
    if error.http_status == 409:
        return Verdict.BUSY
    # 5xx, also one stored under the key and replayed; an answer that is not readable, whatever its status:
    # a proxy may have replaced a success; and a key that was used with another body, where something of
    # ours went wrong before and only Stripe's objects can tell what.
    return Verdict.UNKNOWN


def _header(error: stripe.StripeError, name: str) -> str | None:
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    return headers.get(name)


def _retry_after(error: stripe.StripeError) -> float | None:
    value = _header(error, "retry-after")
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
