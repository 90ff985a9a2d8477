"""What is in use: recorded, told to the primary admin near and above a limit, and never acted upon.

Nothing here makes a quote, a change or a call that writes at Stripe: more is bought by the admin only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from sync import account_views, entitlements
from sync.billing import Billing
from sync.contract import iso
from sync.errors import Code, NotFound, Refused, StripeTrouble
from sync.notice_kinds import NoticeKind
from sync.rules.terms import Terms
from sync.rules.usage import WARNING_DAYS, Use, below_use, days_left, misfits, uses, warning
from sync.store import accounts as account_store
from sync.store import notices
from sync.store import usage as store
from sync.store.accounts import AccountRow
from sync.store.db import Connection, transaction
from sync.store.quotes import QuoteRow
from sync.store.usage import LevelRow, PromiseRow
from sync.telemetry import LogEvent

log = structlog.get_logger()

PAGE = 100
_FIRST_WARNING = timedelta(days=max(WARNING_DAYS))


async def record(
    billing: Billing, account_id: str, contacts: int | None, seats: int | None
) -> dict[str, Any]:
    """Take note of contacts and seats in use, None: as before; returns the account.

    Whoever has to be told is told by notices of the same transaction; what was bought stays as it is.
    Raises NotFound (account_unknown).
    """
    async with transaction(billing.pool) as conn:
        if await account_store.lock(conn, account_id) is None:
            raise NotFound(Code.ACCOUNT_UNKNOWN, f"There is no account {account_id!r}.")
        await account_store.set_usage(conn, account_id, contacts, seats)
        account = await account_store.get(conn, account_id)
        if account is not None:
            await _tell_crossings(billing, conn, account)
    await warn_of_decreases(billing, account_id)
    return await account_views.view(billing, account_id)


# ---- thresholds


async def _tell_crossings(billing: Billing, conn: Connection, account: AccountRow) -> None:
    """Tell the highest threshold that each dimension newly reached, and remember where it stands."""
    terms = (await entitlements.granted_to(billing, account, conn)).terms
    # After the end of a subscription no number is near a limit.
    if terms is None:
        return
    known = await store.levels(conn, account.id)
    for use in uses(terms, account.contacts_in_use, account.seats_in_use):
        before = known.get(use.dimension, LevelRow(use.limit, 0, 0))
        stood_at = before.percent if before.measured_limit == use.limit else 0
        rises = use.level > stood_at
        now = LevelRow(use.limit, use.level, before.crossings + rises)
        if rises:
            await _tell_crossing(conn, account, use, now)
        if now != known.get(use.dimension):
            await store.set_level(conn, account.id, use.dimension, now)


async def _tell_crossing(conn: Connection, account: AccountRow, use: Use, level: LevelRow) -> None:
    await notices.add(
        conn,
        f"usage:{account.id}:{use.dimension}:{level.percent}:{use.limit}:{level.crossings}",
        account_id=account.id,
        kind=NoticeKind(f"usage_{level.percent}"),
        recipient=account.primary_admin_email,
        locale=account.locale,
        data={"account_name": account.name, **_numbers(use), "percent": use.percent},
    )
    log.info(LogEvent.USAGE_CROSSED, account_id=account.id, dimension=use.dimension, percent=level.percent)


def _numbers(use: Use) -> dict[str, Any]:
    return {"dimension": use.dimension, "in_use": use.in_use, "limit": use.limit}


# ---- decreases that no longer fit


async def warn_of_decreases(billing: Billing, account_id: str | None = None) -> int:
    """Tell, 7 days and 1 day before its renewal, of each promised decrease that use has outgrown.

    Looks at one account, or at all of them. Returns how many notices are new; the same promise is told once
    for each of the two days. The clock is the one that bills.
    """
    told, after = 0, ""
    until = datetime.fromtimestamp(billing.gateway.stripe_now(), UTC) + _FIRST_WARNING
    while page := await store.outgrown(billing.pool, account_id, until, after=after, limit=PAGE):
        told += await _warn(billing, page)
        after = page[-1].account_id
    return told


async def _warn(billing: Billing, page: Sequence[PromiseRow]) -> int:
    clocks = {row.test_clock_id for row in page}
    now_unix = {clock_id: await _billing_now(billing, clock_id) for clock_id in clocks}
    told = 0
    async with transaction(billing.pool) as conn:
        current = await account_store.terms_of(conn, [row.account_id for row in page])
        for row in page:
            now = now_unix[row.test_clock_id]
            if now is not None and row.account_id in current:
                told += await _warn_one(conn, row, current[row.account_id], now)
    return told


async def _billing_now(billing: Billing, test_clock_id: str | None) -> int | None:
    """The customer's clock; None when a test clock cannot be read now: the next look tries again."""
    try:
        return await billing.gateway.billing_now(test_clock_id)
    except StripeTrouble as error:
        log.warning(LogEvent.JOB_FAILED, kind="usage", error=str(error.code))
        return None


async def _warn_one(conn: Connection, row: PromiseRow, current: Terms, now_unix: int) -> int:
    effective_unix = int(row.effective_on.timestamp())
    due = warning(now_unix, effective_unix)
    if due is None:
        return 0
    told = 0
    for use in misfits(current, Terms.from_json(row.terms), row.contacts_in_use, row.seats_in_use):
        told += await notices.add(
            conn,
            f"decrease:{row.account_id}:{use.dimension}:{use.limit}:{effective_unix}:{due}",
            account_id=row.account_id,
            kind=NoticeKind.DECREASE_DOES_NOT_FIT,
            recipient=row.recipient,
            locale=row.locale,
            data={
                "account_name": row.account_name,
                **_numbers(use),
                "effective_on": iso(row.effective_on),
                "days": days_left(now_unix, effective_unix),
            },
        )
    return told


# ---- the last look


def require_room(billing: Billing, account: AccountRow, quote: QuoteRow) -> None:
    """What is confirmed may not fall below the use of now. Raises Refused (seats_in_use, contacts_in_use).

    Only what the quote's wish names is looked at: an older promise that no longer fits stops no purchase.
    """
    current = Terms.from_json(quote.current_terms) if quote.current_terms else None
    if (wanted := _wanted(current, quote)) is None:
        return
    for problem in below_use(current, wanted, account.contacts_in_use or 0, account.seats_in_use or 0):
        raise Refused(problem.code, f"{problem.detail} Nothing was charged.", [problem])


def _wanted(current: Terms | None, quote: QuoteRow) -> Terms | None:
    """The terms with nothing but the wish; None where the quote was refused and wants nothing."""
    if current is None:
        return Terms.from_json(quote.now_terms) if quote.now_terms else None
    named = {name: quote.wish[name] for name in ("contact_limit", "seats") if name in quote.wish}
    return replace(current, **named)
