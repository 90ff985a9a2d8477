"""One call to Stripe: rate budget, time-out, retries, Stripe's clock, log line and metric.

This is the only place that retries. The SDK's own retries are off, because two layers multiply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import aiohttp
import stripe
import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from sync import clock, telemetry
from sync.errors import Code
from sync.gateway.alarms import Alarms
from sync.gateway.failures import Failure, StripeCallFailed, Verdict, judge
from sync.telemetry import LogEvent

log = structlog.get_logger()

# A short time-out on a write manufactures unknown outcomes; reads can simply be repeated.
WRITE_TIMEOUT_SECONDS = 60.0
READ_TIMEOUT_SECONDS = 10.0
ATTEMPTS = 5


StillWanted = Callable[[], Awaitable[bool]]
# The code of a write that was held up for so long that it must not leave any more.
HELD_UP = "held_up"
_KEPT_BACK = (HELD_UP, Code.WRITES_STOPPED)


async def always_open() -> bool:
    """The gate of a door through which nothing is written."""
    return True


class Budget(Protocol):
    """The share of Stripe's rate limit that all processes of one deployment use together."""

    async def take(self, *, urgent: bool) -> None:
        """Return once a call may be made; background work leaves a reserve for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. `sent_unix` and `date_unix` are both Stripe's seconds."""

    data: dict[str, Any]
    http_status: int
    request_id: str | None
    sent_unix: int
    date_unix: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `key` is set on writes only.

    `still_wanted` is asked right before each send: waiting for the budget or for another attempt may have
    taken so long that somebody else decides by now.
    """

    operation: str
    method: str
    path: str
    params: dict[str, Any]
    key: str | None = None
    urgent: bool = True
    still_wanted: StillWanted | None = None


class Transport:
    """Sends calls with the official SDK over aiohttp.

    `api_base` None means Stripe itself. Raises StripeCallFailed and nothing else of Stripe's. `gate` is
    asked right before each write that has no `still_wanted` of its own, so that no writer can forget it.
    """

    def __init__(
        self, *, api_key: str, api_base: str | None, budget: Budget, gate: StillWanted = always_open
    ) -> None:
        stripe.enable_telemetry = False
        self._gate = gate
        self._budget = budget
        self._offset_seconds = 0.0
        self._alarms = Alarms()
        self._api_key = api_key
        self._base: dict[str, Any] = {"base_addresses": {"api": api_base}} if api_base else {}
        # By their time-outs, each made when it is first needed: the SDK opens one only to close it.
        self._http: dict[float, stripe.AIOHTTPClient] = {}
        self._clients: dict[float, stripe.StripeClient] = {}

    async def close(self) -> None:
        for http in self._http.values():
            await http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    def stripe_now(self) -> int:
        """Stripe's own clock in Unix seconds, as far as its `Date` headers tell; never ahead of it."""
        return int(clock.wall().timestamp() + self._offset_seconds)

    async def send(self, call: Call) -> Answer:
        """The answer, after as many repeats as are safe; StripeCallFailed otherwise."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: _worth_repeating(call, error)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            before_sleep=lambda state: _log_retry(call, state),
            reraise=True,
        )
        return await retrying(self._send_once, call)

    async def _send_once(self, call: Call) -> Answer:
        started = clock.monotonic()
        await self._budget.take(urgent=call.urgent)
        telemetry.STRIPE_RATE_WAIT_SECONDS.observe(clock.monotonic() - started)
        if (failure := await self._kept_back(call)) is not None:
            raise StripeCallFailed(failure, call.operation)
        sent_unix, started = self.stripe_now(), clock.monotonic()
        try:
            response = await self._request(call)
        except Exception as error:  # judged at once: whatever the table does not know is raised again
            failure = judge(error)
            self._observe(call, started, failure.http_status, failure.request_id, failure.code)
            self._alarms.hear(call.operation, call.key, failure)
            raise StripeCallFailed(failure, call.operation) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        date_unix = self._learn_time(headers.get("date"))
        self._observe(call, started, response.code, headers.get("request-id"), None)
        return Answer(
            data=response.data,
            http_status=response.code,
            request_id=headers.get("request-id"),
            # Stripe's clock can jump under us in tests: the request cannot have left after its answer.
            sent_unix=min(sent_unix, date_unix),
            date_unix=date_unix,
            replayed=headers.get("idempotent-replayed") == "true",
        )

    async def _kept_back(self, call: Call) -> Failure | None:
        if call.still_wanted is not None and not await call.still_wanted():
            return Failure(Verdict.REPEAT, "it was held up for too long and did not leave.", code=HELD_UP)
        if call.key is not None and call.still_wanted is None and not await self._gate():
            return Failure(Verdict.REPEAT, "outgoing writes are stopped.", code=Code.WRITES_STOPPED)
        return None

    async def _request(self, call: Call) -> Any:
        client = self._client(READ_TIMEOUT_SECONDS if call.key is None else WRITE_TIMEOUT_SECONDS)
        options: dict[str, Any] = {"idempotency_key": call.key} if call.key else {}
        return await client.raw_request_async(call.method.lower(), call.path, **call.params, **options)

    def _client(self, seconds: float) -> stripe.StripeClient:
        if seconds not in self._clients:
            http = self._http[seconds] = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=seconds))
            self._clients[seconds] = stripe.StripeClient(
                self._api_key, max_network_retries=0, http_client=http, **self._base
            )
        return self._clients[seconds]

    def _learn_time(self, date: str | None) -> int:
        if date is None:
            return self.stripe_now()
        unix = int(parsedate_to_datetime(date).timestamp())
        self._offset_seconds = unix - clock.wall().timestamp()
        return unix

    def _observe(
        self, call: Call, started: float, status: int | None, request_id: str | None, code: str | None
    ) -> None:
        seconds = clock.monotonic() - started
        telemetry.STRIPE_REQUEST_SECONDS.labels(op=call.operation, status=str(status or "none")).observe(
            seconds
        )
        log.info(
            LogEvent.STRIPE_CALLED,
            op=call.operation,
            status=status,
            stripe_request_id=request_id,
            code=code,
            idempotency_key=call.key,
            duration_ms=round(seconds * 1000, 1),
        )


def _worth_repeating(call: Call, error: BaseException) -> bool:
    """Reads may be repeated freely; a write only while Stripe says that it did not begin to execute."""
    if not isinstance(error, StripeCallFailed) or error.failure.code in _KEPT_BACK:
        return False
    repeatable = (
        (Verdict.REPEAT, Verdict.BUSY, Verdict.UNKNOWN)
        if call.key is None
        else (Verdict.REPEAT, Verdict.BUSY)
    )
    return error.failure.verdict in repeatable


_backoff = wait_exponential_jitter(multiplier=0.2, max=5.0, jitter=0.3)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.failure.retry_after_seconds if isinstance(error, StripeCallFailed) else None
    return min(asked, 30.0) if asked is not None else _backoff(state)


def _log_retry(call: Call, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    code = error.failure.code if isinstance(error, StripeCallFailed) else None
    log.warning(LogEvent.STRIPE_RETRIED, op=call.operation, attempt=state.attempt_number, code=code)
