"""Backfill: the mirror is filled from Stripe's own lists, stream by stream.

Each page is one transaction with the stream's cursor, so that a run which was killed goes on where it was.
A page is a read like any other: it wins or loses against events by the same rule. A run has succeeded only
when every stream came to its end; then the events since its beginning are what catch-up lists next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from sync import catch_up, failpoints
from sync.at_once import at_most
from sync.gateway import Gateway, ObjectPage, StripeCallFailed, Verdict
from sync.mirror import Mirror
from sync.mirror_rows import Kind
from sync.refresh import Refresh
from sync.steps import Chore
from sync.store import backfills, progress
from sync.store import refresh as refresh_store
from sync.store.db import Pool, transaction
from sync.telemetry import LogEvent

log = structlog.get_logger(__name__)

NAME: Final = "backfill"
STREAMS_AT_ONCE: Final = 3

# How many objects of a stream were read so far.
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """One list of Stripe's. `in_window`: objects from before `--since` may be left out."""

    kind: Kind
    params: Mapping[str, Any] = field(default_factory=dict)
    in_window: bool = False

    @property
    def name(self) -> str:
        return f"{NAME}:{self.kind}"


# What is referred to comes first, as far as they do not run at once.
STREAMS: Final = (
    Stream(Kind.PRODUCT),
    Stream(Kind.PRICE),
    Stream(Kind.CUSTOMER),
    Stream(Kind.SUBSCRIPTION, {"status": "all"}),
    Stream(Kind.SCHEDULE),
    Stream(Kind.INVOICE, in_window=True),
    Stream(Kind.PAYMENT_INTENT, in_window=True),
    Stream(Kind.INVOICE_PAYMENT, in_window=True),
    Stream(Kind.CHARGE, in_window=True),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One backfill, however often it is taken up again; seconds are Stripe's."""

    started_unix: int
    since_unix: int | None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream of the run of `started_unix` came. `first_unix`: when its first page was asked for."""

    started_unix: int
    after: str | None = None
    first_unix: int | None = None
    objects: int = 0
    unseen: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """What a finished run found: positions by kind; `waiting` objects are still to be read again."""

    run: Run
    resumed: bool
    streams: Mapping[str, Position]
    waiting: int


class Backfill:
    """Fills the mirror. Two at once do no harm: both write what Stripe says, and both reach every end."""

    def __init__(self, pool: Pool, gateway: Gateway, mirror: Mirror) -> None:
        self._pool = pool
        self._gateway = gateway
        self._mirror = mirror

    async def run_once(
        self, *, since_unix: int | None = None, told: Progress = lambda stream, objects: None
    ) -> Filled:
        """Begin a backfill, or go on with the one that was interrupted, and bring it to its end.

        `since_unix` leaves out older invoices and payments. Raises what the gateway and the database raise;
        every cursor then stays where its stream was.
        """
        run, resumed = await self._begin(since_unix)
        walks = [self._walk(run, stream, told) for stream in STREAMS]
        positions = await at_most(STREAMS_AT_ONCE, walks)
        refresh = Refresh(self._pool, self._gateway, self._mirror)
        while await refresh.run_once():
            pass
        await self._finish(run)
        waiting, _ = await refresh_store.backlog(self._pool)
        by_kind = {str(stream.kind): position for stream, position in zip(STREAMS, positions, strict=True)}
        filled = Filled(replace(run, done=True), resumed, by_kind, waiting)
        objects = sum(position.objects for position in positions)
        log.info(LogEvent.BACKFILL_FINISHED, objects=objects, waiting=waiting, resumed=resumed)
        return filled

    async def _begin(self, since_unix: int | None) -> tuple[Run, bool]:
        """The run that was interrupted, if it asked for the same; else a new one.

        What moved since an old run read its lists is told by events, which Stripe keeps for a month only.
        """
        # Asked of Stripe itself: our idea of its clock comes from its answers.
        now = await self._gateway.list_events(created_gte=self._gateway.stripe_now(), limit=1)
        stored = await progress.position(self._pool, NAME)
        if stored is not None:
            run = Run(**stored)
            is_told = run.started_unix >= now.date_unix - catch_up.RETENTION_SECONDS
            if not run.done and run.since_unix == since_unix and is_told:
                return run, True
        run = Run(now.date_unix, since_unix)
        await progress.save(self._pool, NAME, asdict(run))
        return run, False

    async def _walk(self, run: Run, stream: Stream, told: Progress) -> Position:
        """Read a list from where it was left to its end."""
        position = await self._position(run, stream)
        while not position.done:
            began = await backfills.now(self._pool)
            page, position = await self._page(run, stream, position)
            position = await self._keep(run, stream, position, page, began)
            told(str(stream.kind), position.objects)
        return position

    async def _position(self, run: Run, stream: Stream) -> Position:
        stored = await progress.position(self._pool, stream.name)
        if stored is not None and stored["started_unix"] == run.started_unix:
            return Position(**stored)
        return Position(run.started_unix)

    async def _page(self, run: Run, stream: Stream, position: Position) -> tuple[ObjectPage, Position]:
        """The next page. An object that a cursor names may be gone: then the list is read from its top."""
        params = dict(stream.params)
        if stream.in_window and run.since_unix is not None:
            params["created"] = {"gte": run.since_unix}
        try:
            page = await self._gateway.list_objects(stream.kind, params, starting_after=position.after)
        except StripeCallFailed as error:
            if position.after is None or error.failure.verdict is not Verdict.MISSING:
                raise
            position = Position(run.started_unix)
            page = await self._gateway.list_objects(stream.kind, params)
        return page, position

    async def _keep(
        self, run: Run, stream: Stream, position: Position, page: ObjectPage, began: datetime
    ) -> Position:
        """Write the page and how far the stream came, together; at its end, ask for what was not listed."""
        first_unix = page.sent_unix if position.first_unix is None else position.first_unix
        complete = not (stream.in_window and run.since_unix is not None)
        async with failpoints.committing(self._pool, [Chore.BACKFILL_PAGE]) as conn:
            await self._mirror.apply_reads(conn, page.reads, began=began)
            unseen = 0
            if not page.has_more and complete:
                unseen = await backfills.wish_unseen(conn, stream.kind, first_unix)
            kept = replace(
                position,
                after=page.last_id or position.after,
                first_unix=first_unix,
                objects=position.objects + len(page.reads),
                unseen=unseen,
                done=not page.has_more,
            )
            await progress.save(conn, stream.name, asdict(kept))
        return kept

    async def _finish(self, run: Run) -> None:
        """Everything since the run began is listed next; what was before, the lists have shown."""
        forgotten_unix = self._gateway.stripe_now() - catch_up.RETENTION_SECONDS
        async with transaction(self._pool) as conn:
            await progress.save(conn, NAME, asdict(replace(run, done=True)))
            start = {"created": run.started_unix}
            await backfills.begin_from(conn, catch_up.NAME, start, forgotten_unix)
