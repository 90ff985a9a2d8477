"""What can happen in a run: people, time, the network and our own processes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import asyncpg

from handlers import inbox
from handlers.inbox import InboxEvent
from handlers.intake import IntakeRefused
from sync import changes, quotes
from sync.advance import advance
from sync.errors import ProrataError
from sync.rules.terms import Terms, parse_partial
from tests.simulation.admins import Admins, first_of
from tests.simulation.fate import Crash
from tests.simulation.odds import Odds
from tests.simulation.people import ACCOUNTS, ADMIN
from tests.simulation.stage import Stage, Told
from tests.simulation.stripe import Stripe
from tests.simulation.wire import Hold

# Seconds: within one, a lease's, a client's time-out, a quote's and a deadline's life, hours, days.
JUMPS = (1, 4, 16, 70, 400, 660, 960, 3_600, 7_200, 40_000, 86_400)

LEASED = "SELECT leg, fence FROM change_leg WHERE change_id = $1 AND leased_until > now() ORDER BY leg"
FENCE = "SELECT fence FROM change_leg WHERE change_id = $1 AND leg = $2"
WRITTEN = "SELECT count(*) FROM change_step WHERE change_id = $1 AND leg = $2"


@dataclass
class Late:
    """A worker that was held up on its way: its request, its task, and what was true when it stopped."""

    change_id: str
    leg: str
    fence: int
    hold: Hold
    task: asyncio.Task[None]


@dataclass
class Life(Admins):
    """One run. `waiting` are events that nobody acknowledged yet, `known` those that may come once more."""

    stage: Stage
    odds: Odds
    dice: random.Random
    stripe: Stripe
    offers: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    waiting: list[Told] = field(default_factory=list)
    known: list[Told] = field(default_factory=list)
    lost: list[Told] = field(default_factory=list)
    forgotten: bool = False
    stopped_at: int | None = None
    late: Late | None = None
    happened: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    # ---- our processes

    async def work(self, crash: int) -> None:
        """A worker does what it was nudged to do, and may die of it."""
        for change_id in await self.stage.jobs():
            await self._advance(change_id, crash)

    async def sweep(self, crash: int) -> None:
        """What is due is found in our own tables, whatever the queue has lost."""
        await self.stage.pool.execute("DELETE FROM queue.pgqueuer")
        await changes.enqueue_due(self.stage.billing)
        await self.work(crash)

    async def be_late(self, *, write: bool, before: bool) -> None:
        """A worker is held up on the wire, and others go on meanwhile."""
        if not self.odds.late or self.late is not None:
            return
        await changes.enqueue_due(self.stage.billing)
        for change_id in await self.stage.jobs():
            hold = self._hold("POST" if write else "GET", "/v1/subscription", before=before)
            task = asyncio.create_task(self._advance(change_id, 0))
            await first_of(hold.reached, task)
            if not task.done():
                row = await self.stage.pool.fetchrow(LEASED, change_id)
                self.late = Late(change_id, row["leg"], row["fence"], hold, task)
                self.happened["late workers"] += 1
                return
            self._let_go(hold)

    async def go_on(self) -> None:
        """The late worker goes on; where somebody has taken over, it may change nothing any more."""
        if self.late is None:
            return
        late, self.late = self.late, None
        taken_over = await self.stage.pool.fetchval(FENCE, late.change_id, late.leg) != late.fence
        before = await self.stage.pool.fetchval(WRITTEN, late.change_id, late.leg)
        self._let_go(late.hold)
        await late.task
        if taken_over and before != await self.stage.pool.fetchval(WRITTEN, late.change_id, late.leg):
            self.broken.append(f"S9: a late worker wrote to {late.change_id}, which others had taken over")

    async def _advance(self, change_id: str, crash: int) -> None:
        await self._try(advance(self.stage.billing, change_id), self._crash(crash), silent=False)

    # ---- events

    async def deliver(self, count: int, which: int, *, lost_commit: int = 0) -> None:
        """Stripe delivers some of its events, in any order, some of them twice."""
        self.gather()
        for _ in range(count):
            if not self.waiting:
                break
            place = (0, len(self.waiting) - 1, self.dice.randrange(len(self.waiting)))[which % 3]
            event = self.waiting[place]
            if await self._accepted(event, lost_commit):
                self.waiting.remove(event)
                self.known.append(event)
                if self.dice.random() < self.odds.doubled:
                    await self._accepted(self.dice.choice(self.known), 0)

    async def _accepted(self, event: Told, lost_commit: int) -> bool:
        """Whether it was acknowledged; the database may be away, before or after the commit."""
        if not (lost_commit and self.odds.crashes):
            await self.stage.deliver(event)
            return True
        plain = inbox.insert

        async def insert(conn: Any, events: list[InboxEvent]) -> int:
            stored = await plain(conn, events) if lost_commit == 2 else 0
            raise asyncpg.ConnectionDoesNotExistError(f"{stored} rows may be stored")

        with mock.patch.object(inbox, "insert", insert):
            try:
                await self.stage.deliver(event)
            except IntakeRefused:
                return False
            finally:
                await self.stage.stored()
        return True

    async def apply(self, crash: int) -> None:
        """An applier takes a batch from the inbox."""
        await self._try(self.stage.applier.run_once(), self._crash(crash), silent=False)

    async def refresh(self) -> None:
        """What is in doubt is read again."""
        await self._try(self.stage.refresh.run_once())

    async def good_day(self) -> None:
        """Everything that was told arrives and is applied, and everybody does what there is to do."""
        await self.deliver(len(self.waiting), 0)
        await self.apply(0)
        await self.refresh()
        await self.sweep(0)

    async def catch_up(self) -> None:
        """What was never delivered is found in Stripe's list."""
        await self._try(self.stage.catch_up.run_once())

    def gather(self) -> None:
        """Take over what Stripe has told since; some of it is never delivered."""
        told, self.stage.told = self.stage.told, []
        for event in told:
            (self.lost if self.dice.random() < self.odds.lost else self.waiting).append(event)
        self.happened["events"] += len(told)

    # ---- time and the network

    async def time(self, jump: int) -> None:
        """Time passes."""
        await self.stage.pass_time(JUMPS[jump])

    async def renewal(self, account: int, seconds: int) -> None:
        """Time passes until around the renewal of an account."""
        end = self.stripe.period_end(ACCOUNTS[account])
        if end is not None and end + seconds > self.stage.moment.unix:
            self.happened["renewals"] += 1
            await self.stage.pass_time(end + seconds - self.stage.moment.unix)

    def fault(self, fault: dict[str, Any]) -> None:
        """The next request like this goes wrong."""
        if self.odds.answers_lost:
            self.stage.twin.faults.plan(fault)

    # ---- plumbing

    def _crash(self, crash: int) -> int:
        return crash if self.odds.crashes else 0

    def _hold(self, method: str, part: str, *, before: bool) -> Hold:
        hold = Hold(method, part, before)
        self.stage.wire.holds.append(hold)
        return hold

    def _let_go(self, hold: Hold) -> None:
        if hold in self.stage.wire.holds:
            self.stage.wire.holds.remove(hold)
        hold.go_on.set()

    async def _try(self, act: Awaitable[Any], crash: int = 0, *, silent: bool = True) -> Any:
        """Do something that may be refused, or that the process may die of. Anything else is a defect."""
        self.stage.points.left = crash
        try:
            return await act
        except Crash as where:
            self.happened["crashes"] += 1
            self.happened[f"crash {'.'.join(map(str, where.args))}"] += 1
        except ProrataError as error:
            if not silent:
                raise
            self.happened[f"refused {error.code}"] += 1
        finally:
            self.stage.points.left = 0
        return None


async def buy(stage: Stage, account_id: str, terms: Terms) -> None:
    """A first purchase without any trouble."""
    billing = stage.billing
    offer = await quotes.create(billing, account_id, ADMIN, parse_partial(terms.to_json()))
    change = await changes.confirm(billing, offer["id"], ADMIN, wait_seconds=0)
    await advance(billing, change["id"])
