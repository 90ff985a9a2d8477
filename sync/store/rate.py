"""The rate row: calls per second to Stripe, shared by every process of the deployment."""

from __future__ import annotations

import asyncio

from sync.store.db import Pool

# One UPDATE a call: the row lock is what makes processes wait for one another. Tokens refill by elapsed
# time; a call is granted only while `needed` tokens are there, so background work leaves a reserve.
TAKE_ONE = """
WITH refill AS (
    SELECT least($1::float8,
                 tokens + extract(epoch FROM clock_timestamp() - refilled_at)::float8 * $1) AS tokens
      FROM stripe_rate WHERE id = 1 FOR UPDATE
)
UPDATE stripe_rate
   SET tokens = refill.tokens - (refill.tokens >= $2::float8)::int, refilled_at = clock_timestamp()
  FROM refill
 WHERE id = 1
RETURNING refill.tokens
"""

RESERVE_SHARE = 0.3  # kept for people while the background is busy


class RateRow:
    """A token bucket in PostgreSQL; the burst is one second's worth of calls."""

    def __init__(self, pool: Pool, calls_per_second: float) -> None:
        self._pool = pool
        self._rate = calls_per_second

    async def take(self, *, urgent: bool) -> None:
        """Return once one call may be made."""
        needed = 1.0 if urgent else 1.0 + self._rate * RESERVE_SHARE
        needed = min(needed, self._rate)
        while (missing := needed - await self._pool.fetchval(TAKE_ONE, self._rate, needed)) > 0:  # noqa: ASYNC110  tokens come with time
            await asyncio.sleep(missing / self._rate)
