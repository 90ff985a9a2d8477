"""One leg in our hands: the lease that keeps others away, and moves that fail once it is lost.

Exclusion is data. No transaction and no lock spans a call to Stripe: a lease is a time in a row, renewed
while we work, and every move carries the fence that came with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from sync import audit_acts, failpoints
from sync.billing import Billing
from sync.errors import Code, Conflict
from sync.states import ENDED, Leg, LegState, may_move
from sync.steps import STEPS, Step, commit_name
from sync.store import changes as store
from sync.store import quotes as quote_store
from sync.store import switches
from sync.store.accounts import AccountRow
from sync.store.accounts import get as get_account
from sync.store.changes import LegRow
from sync.store.db import TROUBLE, Connection, classify
from sync.store.quotes import QuoteRow
from sync.telemetry import CHANGE_TOTAL, LogEvent

log = structlog.get_logger()

RENEW_SECONDS = 5.0
# What a step returns: the seconds until the next look at the leg, or this, to take the next step at once.
GO_ON = 0.0

RETRY_SECONDS = 2.0
RETRY_SECONDS_MOST = 300.0


def backoff_seconds(attempt: int) -> float:
    """How long to leave something alone that did not work `attempt` times: 2 s, doubled up to 5 min."""
    return float(min(RETRY_SECONDS * 2 ** min(max(attempt - 1, 0), 10), RETRY_SECONDS_MOST))


class LeaseLost(Exception):
    """Somebody else took the leg over: stop at once, and write nothing more."""


@dataclass(slots=True)
class Work:
    """A leg that we hold, with what it was promised from. `leg` is replaced by every move; `account` is as
    it was when the work began, apart from what the work itself writes there."""

    billing: Billing
    account: AccountRow
    quote: QuoteRow
    leg: LegRow
    _commits: list[str] = field(default_factory=list)

    async def is_held(self) -> bool:
        """Asked right before a void leaves: the lease is still ours, and now for its whole length.

        No switch stops a void: it can only prevent a charge.
        """
        return await store.renew(self.billing.pool, self.leg)

    async def may_write(self) -> bool:
        """The same for a call that changes something: not while writes are stopped or the account parked."""
        return await switches.may_write(self.billing.pool, self.leg, although_parked=self.only_lets_go)

    async def may_charge(self) -> bool:
        """The same for a call that charges: never after the deadline, however long it was held up."""
        return await switches.may_write(self.billing.pool, self.leg, before_deadline=True)

    @property
    def only_lets_go(self) -> bool:
        """Whether all that is left to write is to let go of a schedule: the leg is to end, or is in force."""
        return self.leg.ending is not None or self.leg.state == LegState.APPLIED

    @property
    def change_id(self) -> str:
        return self.leg.change_id

    @property
    def customer_id(self) -> str:
        """The account's customer at Stripe; a confirmed change always has one."""
        if self.account.stripe_customer_id is None:
            raise Conflict(Code.ACCOUNT_UNKNOWN, "The account has no customer at Stripe.")
        return self.account.stripe_customer_id

    @asynccontextmanager
    async def commit(self, *steps: Step) -> AsyncIterator[Connection]:
        """One transaction of this leg. On each side of its commit is a failpoint, named by the steps that it
        takes: `steps`, and those of every move inside of it."""
        self._commits = [commit_name(Leg(self.leg.leg), step) for step in steps]
        async with failpoints.committing(self.billing.pool, self._commits) as conn:
            yield conn

    async def move(
        self, conn: Connection, state: LegState, step: Step, note: dict[str, Any], **columns: Any
    ) -> None:
        """Move the leg and write its story, inside `commit`. Raises LeaseLost."""
        leg = Leg(self.leg.leg)
        if not may_move(LegState(self.leg.state), state) or step not in STEPS[leg]:
            raise AssertionError(f"no step {step} of a leg {leg} from {self.leg.state} to {state}")
        self._commits.append(commit_name(leg, step))
        moved = await store.move(conn, self.leg, state, ended=state in ENDED, **columns)
        if moved is None:
            raise LeaseLost(self.change_id)
        await store.add_step(conn, self.change_id, self.leg.leg, step, state, note)
        await audit_acts.moved(conn, self.quote, self.leg, moved)
        self.leg = moved
        if state in ENDED:
            CHANGE_TOTAL.labels(kind=self.leg.leg, outcome=state).inc()


@asynccontextmanager
async def held(billing: Billing, change_id: str, name: Leg) -> AsyncIterator[Work | None]:
    """Hold one leg of a change; None when it has ended or somebody else works on it."""
    leg = await store.lease(billing.pool, change_id, name)
    if leg is None:
        yield None
        return
    change = await store.get(billing.pool, change_id)
    quote = await quote_store.get(billing.pool, change.quote_id) if change else None
    account = await get_account(billing.pool, leg.account_id)
    if change is None or quote is None or account is None:
        raise AssertionError("foreign keys keep a leg's change, quote and account")
    work = Work(billing, account, quote, leg)
    async with renewed(work.is_held, change_id=change_id):
        yield work


@asynccontextmanager
async def renewed(renew: Callable[[], Awaitable[bool]], **whose: str) -> AsyncIterator[None]:
    """Keep a lease while the work lasts. Once it is lost, every write and every send of ours fails.

    `renew` is False once it is lost; `whose` names the work in the log.
    """
    renewing = asyncio.create_task(_renew(renew, whose))
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


async def _renew(renew: Callable[[], Awaitable[bool]], whose: Mapping[str, str]) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            if not await renew():
                return
        except TROUBLE as error:
            log.warning(LogEvent.JOB_FAILED, error=str(classify(error)), **whose)
