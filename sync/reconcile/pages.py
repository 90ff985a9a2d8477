"""One page of Stripe's lists: into the mirror as one batch, compared, and what differs read again.

A list's page is older than our own tables by the time it is compared, so what it seems to show is only a
reason to look. A difference that is known already, and the same, just grows older.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from sync import failpoints
from sync.billing import Billing
from sync.errors import StripeTrouble
from sync.gateway import ObjectRead
from sync.mirror_rows import Kind
from sync.reconcile import stale
from sync.reconcile.anew import reconcile_account
from sync.reconcile.look import is_gone, of_other, of_schedule_to_come
from sync.reconcile.meant import Intent, intents
from sync.reconcile.record import of_own, same, tell, unique
from sync.reconcile.seen import seen
from sync.rules.drift import Difference
from sync.rules.drift_compare import compare
from sync.rules.entitlements import ENDED
from sync.rules.price_book import PriceBook
from sync.snapshot import is_deleted, render
from sync.steps import Chore
from sync.store import findings as finding_store
from sync.store import sweeps
from sync.store.db import transaction
from sync.store.findings import FindingRow
from sync.stripe_objects import Schedule, Subscription
from sync.telemetry import LogEvent

log = structlog.get_logger()

# Accounts that are looked at at once; each look is some five calls.
LOOKS_AT_ONCE: Final = 8
# Accounts that could not be judged and are looked at once more at the end of the sweep.
AGAIN_MOST: Final = 500


@dataclass(slots=True)
class Tally:
    """What the pages of a sweep came to. `strangers` live at Stripe, and their customer is not ours.

    `unjudged` are the accounts, objects and lists of which nobody can say whether they differ: Stripe did not
    show them, or in a form that is not known here, or they would not rest.
    """

    subscriptions: int = 0
    objects: int = 0
    looks: int = 0
    strangers: int = 0
    unjudged: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """What every page of one sweep works with. `again` are accounts that were not judged so far."""

    billing: Billing
    prices: PriceBook
    grace_seconds: float
    tally: Tally
    again: set[str] = field(default_factory=set)

    def not_judged(self, account_id: str) -> None:
        """Look at this account once more before the sweep ends, where there is room for it."""
        if len(self.again) < AGAIN_MOST:
            self.again.add(account_id)
        else:
            self.tally.unjudged += 1


@dataclass(slots=True)
class Page:
    """What a page showed of known accounts; `accounts` are those by Stripe customer."""

    readable: Collection[str]
    accounts: Mapping[str, str]
    known: Mapping[str, Intent]
    former: Mapping[str, Sequence[FindingRow]]
    as_before: list[Difference] = field(default_factory=list)
    to_look_at: set[str] = field(default_factory=set)

    def intent_of(self, customer_id: str | None) -> Intent | None:
        return self.known.get(self.accounts.get(customer_id or "", ""))

    def sort(self, account_id: str, rows: Iterable[FindingRow], found: Sequence[Difference]) -> None:
        """Keep what the findings say already, and look at an account of which they do not."""
        if same(rows, found):
            self.as_before += found
        else:
            self.to_look_at.add(account_id)


@dataclass(frozen=True, slots=True)
class Copied:
    """What of a page could be read, by object, and whose it is: accounts by Stripe customer."""

    readable: Collection[str]
    accounts: Mapping[str, str]


async def copied(desk: Desk, reads: Sequence[ObjectRead], began: datetime) -> Copied:
    """Write a page into the mirror, in one transaction."""
    billing = desk.billing
    shown = unique(reads)
    readable = [read for read in shown if _is_readable(read)]
    desk.tally.unjudged += len(shown) - len(readable)
    customers = {found for read in readable if (found := _customer_of(read)) is not None}
    accounts = await sweeps.ids_of_customers(billing.pool, customers)
    async with failpoints.committing(billing.pool, [Chore.SWEEP_PAGE]) as conn:
        taken = await billing.mirror.apply_reads(conn, readable, began=began)
        await sweeps.note_sightings(conn, stale.sightings(taken, accounts), desk.grace_seconds)
    desk.tally.objects += len(taken)
    return Copied({read.object_id for read in readable}, accounts)


async def _page(desk: Desk, reads: Sequence[ObjectRead], began: datetime) -> Page:
    """Write a page into the mirror, and load what is known of its accounts."""
    pool, done = desk.billing.pool, await copied(desk, reads, began)
    known = await intents(pool, done.accounts.values())
    former = await finding_store.not_over_of(pool, done.accounts.values())
    return Page(done.readable, done.accounts, known, former)


def _is_readable(read: ObjectRead) -> bool:
    """Whether it has the shape that we know: one odd object must not keep all others from being compared."""
    try:
        if read.body is not None and not is_deleted(read.body):
            render(Kind(read.kind), read.body)
    except msgspec.MsgspecError as error:
        log.exception(LogEvent.JOB_FAILED, kind="sweep", object_id=read.object_id, error=type(error).__name__)
        return False
    return True


class _Owned(msgspec.Struct):
    customer: str | dict[str, Any] | None = None


_OWNED: Final = msgspec.json.Decoder(_Owned)


def _customer_of(read: ObjectRead) -> str | None:
    if read.body is None:
        return None
    customer = _OWNED.decode(read.body).customer
    return customer["id"] if isinstance(customer, dict) else customer


async def subscriptions_page(desk: Desk, reads: Sequence[ObjectRead], began: datetime) -> None:
    """A page of subscriptions that were listed with their schedules inside."""
    schedules = {read.object_id: inside for read in reads if (inside := _schedule_inside(read)) is not None}
    page = await _page(desk, [*reads, *schedules.values()], began)
    for read in reads:
        inside = schedules.get(read.object_id)
        parts = [read, inside] if inside else [read]
        if is_gone(read) or any(part.object_id not in page.readable for part in parts):
            continue  # the account of one that is gone is met among those whose subscription is lost
        _judge(desk, page, read.decode(Subscription), inside.decode(Schedule) if inside else None)
    desk.tally.subscriptions += len(reads)
    await finish(desk, began, page.as_before, page.to_look_at)


class _Scheduled(msgspec.Struct):
    schedule: msgspec.Raw = msgspec.Raw(b"null")


class _Named(msgspec.Struct):
    id: str


_SCHEDULED: Final = msgspec.json.Decoder(_Scheduled)
_NAMED: Final = msgspec.json.Decoder(_Named)


def _schedule_inside(read: ObjectRead) -> ObjectRead | None:
    """The expanded schedule, whatever shape it has: whether it is readable is asked like of all else."""
    inside = bytes(_SCHEDULED.decode(read.body or b"{}").schedule)
    if not inside.startswith(b"{"):
        return None
    return ObjectRead(Kind.SCHEDULE, _NAMED.decode(inside).id, inside, read.sent_unix, read.date_unix)


def _judge(desk: Desk, page: Page, subscription: Subscription, schedule: Schedule | None) -> None:
    """Sort a subscription: as it was, or to be looked at."""
    intent = page.intent_of(subscription.customer_id)
    if intent is None:
        desk.tally.strangers += subscription.status not in ENDED
        return
    account, billing = intent.account, desk.billing
    rows = page.former.get(account.id, ())
    if subscription.id == account.stripe_subscription_id:
        shown = seen(subscription, schedule, intent, catalog=billing.catalog, prices=desk.prices)
        found = compare(intent.meant, shown, catalog=billing.catalog, prices=desk.prices)
        page.sort(account.id, of_own(account, rows), found)
    else:
        of_this = [row for row in rows if row.object_id == subscription.id]
        page.sort(account.id, of_this, of_other(intent, subscription))


async def schedules_page(desk: Desk, reads: Sequence[ObjectRead], began: datetime) -> None:
    """A page of schedules that have not begun."""
    page = await _page(desk, reads, began)
    for read in reads:
        intent = page.intent_of(_customer_of(read)) if read.object_id in page.readable else None
        if intent is not None and not is_gone(read):
            of_this = [
                row for row in page.former.get(intent.account.id, ()) if row.object_id == read.object_id
            ]
            page.sort(intent.account.id, of_this, of_schedule_to_come(intent, read.decode(Schedule)))
    await finish(desk, began, page.as_before, page.to_look_at)


async def finish(
    desk: Desk, began: datetime, as_before: Sequence[Difference], to_look_at: Collection[str]
) -> None:
    """Let the known differences grow older, and look at the accounts that differ otherwise."""
    if as_before:
        async with transaction(desk.billing.pool) as conn:
            recorded = await finding_store.replace(conn, (), as_before, began)
        tell(recorded)
    await look_at_all(desk, to_look_at)


async def look_at_all(desk: Desk, account_ids: Collection[str]) -> None:
    """Compare these accounts anew. What cannot be judged now is met again at the end of the sweep."""
    gate = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def look(account_id: str) -> None:
        async with gate:
            try:
                judged = await reconcile_account(desk.billing, account_id)
            except StripeTrouble as error:
                log.warning(LogEvent.JOB_FAILED, kind="sweep", account_id=account_id, error=error.detail)
                judged = None
        if judged is None:
            desk.not_judged(account_id)

    await asyncio.gather(*(look(account_id) for account_id in sorted(account_ids)))
    desk.tally.looks += len(account_ids)
