"""The limiter in front of the API, and locks on what a request touches: both off unless the account asks.

| Setting at `/_twin/account`  | What happens                                                                |
|------------------------------|-----------------------------------------------------------------------------|
| `global_rate_per_second`     | 429 `rate_limit`, reason `global-rate` (Stripe: 25 in a sandbox, 100 live)  |
| `endpoint_rate_per_second`   | 429, reason `endpoint-rate` (Stripe: 25 for one endpoint)                   |
| `concurrent_requests`        | 429, reason `global-concurrency` (Stripe does not publish the number)       |
| `lock_customers`             | 429 `lock_timeout` for a write while another one on the same customer's     |
|                              | objects is running (a slow fault holds a write open)                        |

A refused request is not counted, and nothing of it is stored under its idempotency key.
Source: Stripe docs "Rate limits" (also for the absent request id of lock time-outs).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from worker.twin.errors import ApiError, lock_timeout
from worker.twin.world import AccountSettings, World

SECOND = 1.0
READS = frozenset({"invoice_create_preview"})


class Throttle:
    """Requests of the last second of wall time, all together and by operation, and how many are running."""

    def __init__(self, wall: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._recent: dict[str, deque[float]] = {}
        self.running = 0
        self.locked: set[str] = set()

    def admit(self, settings: AccountSettings, operation: str) -> None:
        """Count one request, or raise the 429 that it gets."""
        if settings.concurrent_requests and self.running > settings.concurrent_requests:
            raise limited("global-concurrency")
        limits = (
            ("", settings.global_rate_per_second, "global-rate"),
            (operation, settings.endpoint_rate_per_second, "endpoint-rate"),
        )
        now, counted = self._wall(), []
        for name, most, reason in limits:
            if not most:
                continue
            recent = self._recent.setdefault(name, deque())
            while recent and recent[0] <= now - SECOND:
                recent.popleft()
            if len(recent) >= most:
                raise limited(reason)
            counted.append(recent)
        for recent in counted:
            recent.append(now)

    @contextmanager
    def holding(self, owner: str | None) -> Iterator[None]:
        """Hold the lock on one customer's objects while a write runs; 429 when somebody else holds it."""
        if owner is None:
            yield
            return
        if owner in self.locked:
            raise lock_timeout()
        self.locked.add(owner)
        try:
            yield
        finally:
            self.locked.discard(owner)


def limited(reason: str) -> ApiError:
    """Stripe's 429 with its reason; the SDK does not retry it by itself."""
    text = (
        "Request rate limit exceeded. You can learn more about rate limits here"
        " https://stripe.com/docs/rate-limits."
    )
    error = ApiError(429, text, code="rate_limit", executed=False)
    error.headers.update({"Stripe-Rate-Limited-Reason": reason, "Stripe-Should-Retry": "false"})
    return error


def owner_of(
    world: World, method: str, operation: str, ids: Iterable[str], pairs: Iterable[tuple[str, str]]
) -> str | None:
    """Whose objects a write touches: the customer behind its path or parameters, else the object itself."""
    if not world.account.lock_customers or method == "GET" or operation in READS:
        return None
    named = [*ids, *(value for name, value in pairs if name in ("customer", "subscription", "invoice"))]
    for object_id in named:
        found = world.store.find(object_id) or {}
        if found.get("object") == "subscription_item":
            found = world.store["subscription"].docs.get(found["subscription"], {})
        owner = found.get("customer") or found.get("id")
        if owner:
            return str(owner)
    return None
