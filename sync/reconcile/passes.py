"""The passes of a sweep, in their order: each takes one page, and says where the next one begins.

First what Stripe lists. Then what we hold as living although no list showed it, which is read by itself: it
is gone, or stands on a test clock, which lists leave out. Then what only our own tables can tell, what was
found before and not met again, and once more what could not be judged so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog

from sync.gateway import StripeCallFailed, Verdict
from sync.mirror_rows import Kind
from sync.reconcile import portal, stale
from sync.reconcile.anew import look_again
from sync.reconcile.invoices import unexplained
from sync.reconcile.pages import Desk, copied, finish, look_at_all, schedules_page, subscriptions_page
from sync.reconcile.record import same
from sync.rules.drift import Difference, FindingKind
from sync.store import findings as finding_store
from sync.store import sweeps
from sync.telemetry import LogEvent

log = structlog.get_logger()

# A page of a pass: the cursor in (None: from the start), the next one out (None: the pass is over).
PageOf = Callable[[Desk, datetime, str | None], Awaitable[str | None]]
READS_AT_ONCE: Final = 8


async def _subscriptions(desk: Desk, _: datetime, cursor: str | None) -> str | None:
    began = await sweeps.now(desk.billing.pool)
    params = {"status": "all", "expand": ["data.schedule"]}
    page = await desk.billing.gateway.list_objects(Kind.SUBSCRIPTION, params, starting_after=cursor)
    await subscriptions_page(desk, page.reads, began)
    return page.last_id if page.has_more else None


async def _schedules(desk: Desk, _: datetime, cursor: str | None) -> str | None:
    """Those that drive a subscription were listed inside it; these will begin one."""
    began = await sweeps.now(desk.billing.pool)
    page = await desk.billing.gateway.list_objects(Kind.SCHEDULE, {"scheduled": True}, starting_after=cursor)
    await schedules_page(desk, page.reads, began)
    return page.last_id if page.has_more else None


def _invoices(status: str) -> PageOf:
    async def page_of(desk: Desk, _: datetime, cursor: str | None) -> str | None:
        began = await sweeps.now(desk.billing.pool)
        page = await desk.billing.gateway.list_objects(
            Kind.INVOICE, {"status": status}, starting_after=cursor
        )
        await copied(desk, page.reads, began)
        return page.last_id if page.has_more else None

    return page_of


def _unseen(kind: Kind) -> PageOf:
    """What lives in the mirror, and was not seen since the sweep began."""

    async def page_of(desk: Desk, since: datetime, cursor: str | None) -> str | None:
        billing = desk.billing
        ids = await sweeps.unseen(billing.pool, kind, since, cursor or "")
        began = await sweeps.now(billing.pool)
        for start in range(0, len(ids), READS_AT_ONCE):
            some = ids[start : start + READS_AT_ONCE]
            reads = await asyncio.gather(*(billing.gateway.read_object(kind, each) for each in some))
            if kind is Kind.SUBSCRIPTION:
                await subscriptions_page(desk, reads, began)
            else:
                await copied(desk, reads, began)
        return ids[-1] if ids else None

    return page_of


async def _lost_subscriptions(desk: Desk, since: datetime, cursor: str | None) -> str | None:
    """Accounts whose subscription Stripe does not know, or that the mirror never saw."""
    ids = await sweeps.lost_subscriptions(desk.billing.pool, cursor or "")
    await look_at_all(desk, await _not_met(desk, ids, FindingKind.SUBSCRIPTION_MISSING, since))
    return ids[-1] if ids else None


async def _lost_customers(desk: Desk, since: datetime, cursor: str | None) -> str | None:
    """Accounts whose customer was deleted."""
    ids = await sweeps.lost_customers(desk.billing.pool, cursor or "")
    await look_at_all(desk, await _not_met(desk, ids, FindingKind.CUSTOMER_MISSING, since))
    return ids[-1] if ids else None


async def _not_met(desk: Desk, account_ids: Sequence[str], kind: FindingKind, since: datetime) -> list[str]:
    """Those of which this sweep has not said it already."""
    former = await finding_store.not_over_of(desk.billing.pool, account_ids)
    met = {
        account_id
        for account_id, rows in former.items()
        if any(row.kind == kind and row.last_seen_at >= since for row in rows)
    }
    return [account_id for account_id in account_ids if account_id not in met]


async def _odd_invoices(desk: Desk, _: datetime, cursor: str | None) -> str | None:
    """Invoices that nothing explains, as far as the mirror tells."""
    pool = desk.billing.pool
    began = await sweeps.now(pool)
    odd = await sweeps.unexplained(pool, cursor or "")
    former = await finding_store.not_over_of(pool, {each.account_id for each in odd})
    as_before, to_look_at = list[Difference](), set[str]()
    for invoice, found in zip(odd, unexplained(odd), strict=True):
        if same([row for row in former.get(invoice.account_id, ()) if row.key == found.key], [found]):
            as_before.append(found)
        else:
            to_look_at.add(invoice.account_id)
    await finish(desk, began, as_before, to_look_at)
    return odd[-1].id if odd else None


async def _former_findings(desk: Desk, since: datetime, cursor: str | None) -> str | None:
    """What was found before, and was not met in this sweep: still there, or gone."""
    rows = await finding_store.not_seen_since(desk.billing.pool, since, cursor or "", sweeps.PAGE)
    await look_at_all(desk, {row.account_id for row in rows if row.account_id is not None})
    for row in rows:
        if row.account_id is None:
            await look_again(desk.billing, row)
    return rows[-1].id if rows else None


async def _portal(desk: Desk, _: datetime, __: str | None) -> str | None:
    await portal.check(desk.billing)
    return None


async def _again(desk: Desk, _: datetime, __: str | None) -> str | None:
    """Accounts that would not rest, or that Stripe did not show: whatever it was may be over."""
    wanted = sorted(desk.again)
    desk.again.clear()
    await look_at_all(desk, wanted)
    desk.tally.unjudged += len(desk.again)
    desk.again.clear()
    return None


async def _sightings(desk: Desk, _: datetime, __: str | None) -> str | None:
    while await stale.judge(desk.billing.pool) == sweeps.PAGE:
        pass
    return None


PASSES: Final[Mapping[str, PageOf]] = {
    "subscriptions": _subscriptions,
    "schedules": _schedules,
    "open invoices": _invoices("open"),
    "draft invoices": _invoices("draft"),
    "unseen subscriptions": _unseen(Kind.SUBSCRIPTION),
    "unseen schedules": _unseen(Kind.SCHEDULE),
    "unseen invoices": _unseen(Kind.INVOICE),
    "lost subscriptions": _lost_subscriptions,
    "lost customers": _lost_customers,
    "odd invoices": _odd_invoices,
    "portal": _portal,
    "former findings": _former_findings,
    "once more": _again,
    "sightings": _sightings,
}


async def take_page(desk: Desk, name: str, since: datetime, cursor: str | None) -> str | None:
    """One page of a pass; the next cursor, or None at its end. Raises StripeCallFailed.

    A cursor that Stripe does not know any more begins the pass anew. What our key may not read is passed
    over and counts as not judged: it must not keep the other passes from being taken.
    """
    try:
        return await PASSES[name](desk, since, cursor)
    except StripeCallFailed as error:
        if error.failure.http_status == HTTPStatus.FORBIDDEN:
            log.warning(LogEvent.JOB_FAILED, kind="sweep", list=name, error=error.detail)
            desk.tally.unjudged += 1
            return None
        if cursor is None or error.failure.verdict is not Verdict.MISSING:
            raise
        return await PASSES[name](desk, since, None)
