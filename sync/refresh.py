"""Reads again what the mirror doubts, from the refresh list, outside any transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from sync import failpoints
from sync.mirror import Mirror, Read
from sync.rules.ordering import Verdict
from sync.steps import Chore
from sync.store import refresh as store
from sync.store.db import Pool, is_passing
from sync.store.refresh import Claim
from sync.telemetry import LogEvent

log = structlog.get_logger(__name__)

# Longer than a read with its retries; a crashed reader's objects are read again after it.
LEASE_SECONDS: Final = 60
# A doubt inside one second is over when the second is.
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
# So many reads in a row are no lagging copy any more.
READS_TO_INSIST: Final = 5


class Reader(Protocol):
    """The gateway's door for whole objects, complete with all items or lines."""

    async def read_object(self, kind: str, object_id: str, *, urgent: bool = False) -> Read: ...


class Refresh:
    """Works off the refresh list. Any number may run at once, in any number of processes."""

    def __init__(self, pool: Pool, gateway: Reader, mirror: Mirror, *, parallel: int = 8) -> None:
        self._pool = pool
        self._gateway = gateway
        self._mirror = mirror
        self._parallel = parallel

    async def run_once(self, limit: int = 50) -> int:
        """Read up to `limit` objects that are due, and return how many were taken up.

        A failed read stays on the list and is due again later; raises only what the database raises.
        """
        claims = await store.claim(self._pool, limit, LEASE_SECONDS)
        for start in range(0, len(claims), self._parallel):
            await self._read_all(claims[start : start + self._parallel])
        return len(claims)

    async def _read_all(self, claims: Sequence[Claim]) -> None:
        async with asyncio.TaskGroup() as group:
            for claimed in claims:
                group.create_task(self._read(claimed))

    async def _read(self, claimed: Claim) -> None:
        try:
            read = await self._gateway.read_object(claimed.kind, claimed.object_id)
            await self._apply(claimed, read)
        except Exception as error:  # whatever one object brings, the others are read
            if is_passing(error):
                raise
            # Stripe cannot answer, or answers in a shape that we do not know: nothing is lost by waiting.
            log.warning(LogEvent.JOB_FAILED, object_id=claimed.object_id, error=type(error).__name__)
            await store.postpone(self._pool, claimed.object_id, _wait_seconds(claimed.attempts), str(error))

    async def _apply(self, claimed: Claim, read: Read) -> None:
        async with failpoints.committing(self._pool, [Chore.READ_OBJECT]) as conn:
            decision = await self._mirror.apply_read(
                conn, read, revision=claimed.revision, insist=claimed.attempts >= READS_TO_INSIST
            )
            if decision.verdict is Verdict.DOUBT:
                wait_seconds = _wait_seconds(claimed.attempts)
                await store.postpone(conn, claimed.object_id, wait_seconds, decision.reason)
            else:
                await store.done(conn, claimed)
        log.info(LogEvent.OBJECT_REFRESHED, object_id=claimed.object_id, reason=decision.reason)


def _wait_seconds(attempts: int) -> float:
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** max(0, attempts - 1))
