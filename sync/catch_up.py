"""Finds events that were never delivered: lists Stripe's own record of them since the last time.

Stripe keeps events for 30 days and lists them newest first, so a walk counts only when it reached the end;
until then the next one starts from the same place. Windows overlap by minutes, because an event may appear
in the list later than its time stamp; the inbox knows which ones it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog

from sync.clock import wall_seconds
from sync.store import progress
from sync.store.db import Pool
from sync.telemetry import CATCH_UP_LAST_SUCCESS, LogEvent

log = structlog.get_logger(__name__)

NAME: Final = "catch_up"
OVERLAP_SECONDS: Final = 600
# Stripe's own limit, with a margin: asking for more is answered with less and without an error.
RETENTION_SECONDS: Final = 30 * 86_400 - 3_600
PAGE: Final = 100

# Stores raw events and returns how many of them were new.
StoreEvents = Callable[[Sequence[bytes]], Awaitable[int]]


class Page(Protocol):
    """One page of the Events API, newest first, each event as raw JSON."""

    @property
    def events(self) -> Sequence[bytes]: ...
    @property
    def has_more(self) -> bool: ...
    @property
    def last_id(self) -> str | None: ...
    @property
    def date_unix(self) -> int: ...


class EventLister(Protocol):
    """The gateway's door for the list of events, and Stripe's clock."""

    async def list_events(
        self, *, created_gte: int, starting_after: str | None = None, limit: int = PAGE
    ) -> Page: ...

    def stripe_now(self) -> int: ...


class _Head(msgspec.Struct):
    type: str


_HEAD = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What a walk found: `listed` events of our types, `missing` ones of them that we did not have.

    `gap` is True when events before `since_unix` are beyond Stripe's retention: only a sweep finds those.
    """

    since_unix: int
    listed: int
    missing: int
    gap: bool


class CatchUp:
    """Lists events since the stored position. `types` are those we handle; others are passed over."""

    def __init__(
        self,
        pool: Pool,
        gateway: EventLister,
        store_events: StoreEvents,
        *,
        types: Collection[str],
        overlap_seconds: int = OVERLAP_SECONDS,
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._store_events = store_events
        self._types = frozenset(types)
        self._overlap_seconds = overlap_seconds

    async def run_once(self, *, since_unix: int | None = None) -> CaughtUp:
        """Walk the list to its end and remember how far it reached.

        `since_unix` overrides the stored position; without either, everything that Stripe still has is
        listed. Raises what the gateway and the database raise; the position then stays where it was.
        """
        since, gap = await self._since(since_unix)
        listed = missing = 0
        reached: int | None = None
        cursor: str | None = None
        more = True
        while more:
            page = await self._gateway.list_events(created_gte=since, starting_after=cursor, limit=PAGE)
            # What happens after the first page was made belongs to the next walk.
            reached = page.date_unix if reached is None else reached
            ours = [event for event in page.events if _HEAD.decode(event).type in self._types]
            listed += len(ours)
            missing += await self._store_events(ours) if ours else 0
            more, cursor = page.has_more and page.last_id is not None, page.last_id
        await progress.save(self._pool, NAME, {"created": reached})
        CATCH_UP_LAST_SUCCESS.set(wall_seconds())
        log.info(LogEvent.CATCH_UP_FINISHED, since_unix=since, listed=listed, missing=missing, gap=gap)
        return CaughtUp(since, listed, missing, gap)

    async def _since(self, since_unix: int | None) -> tuple[int, bool]:
        """Where to start, and whether Stripe has forgotten events from before."""
        oldest = self._gateway.stripe_now() - RETENTION_SECONDS
        if since_unix is None:
            stored = await progress.position(self._pool, NAME)
            if stored is None:
                return oldest, False
            since_unix = int(stored["created"]) - self._overlap_seconds
        return max(since_unix, oldest), since_unix < oldest
