"""The fuse: how much one subscription may be changed before Stripe itself would refuse.

Stripe takes 10 new invoices a minute, 20 a day and 200 quantity updates an hour for a subscription (Stripe
docs "Rate limits"). Ours are lower, because edits by hand and renewals count there as well. It is counted
from the calls that we stored, by our clock: an answered call at its answer, so never too early. One change
of an account is open at a time, so nothing that was confirmed and not sent can hide from the count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sync import clock
from sync.contract import iso
from sync.errors import Code, Problem, Refused
from sync.store import switches as store
from sync.store.db import Executor
from sync.store.quotes import QuoteRow
from sync.store.switches import SentRow
from sync.telemetry import CHANGE_LIMIT

WARN_FROM: Final = 8
DAY_MOST: Final = 15
MINUTE_MOST: Final = 8
QUANTITIES_MOST: Final = 150

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)

# The code of a warning, which is no refusal.
NEAR: Final = "change_limit_near"


async def sent_to(conn: Executor, subscription_id: str | None) -> list[SentRow]:
    """What counts for a subscription; a first purchase has none, and nothing counts for it."""
    return await store.sent_to(conn, subscription_id) if subscription_id else []


def refusals(sent: Sequence[SentRow], quantities: int) -> list[Problem]:
    """What a change of so many quantities is refused for; an empty list means go."""
    free_at = possible_again(sent, quantities, clock.wall())
    return [] if free_at is None else [Problem("", Code.CHANGE_LIMIT_REACHED, _said(free_at))]


def warnings(sent: Sequence[SentRow]) -> list[dict[str, str]]:
    """What is said although it can be confirmed."""
    used = len(_within(sent, DAY, clock.wall()))
    if used < WARN_FROM:
        return []
    detail = (
        f"{used} changes of this subscription were invoiced within a day; {DAY_MOST} are possible. "
        "Put what is still to come into one change."
    )
    return [Problem("", NEAR, detail).to_json()]


async def require(conn: Executor, quote: QuoteRow) -> None:
    """The last count, under the account's lock. Raises Refused (change_limit_reached)."""
    items = (quote.stripe_params or {}).get("items")
    if not items:
        return
    now = clock.wall()
    free_at = possible_again(await sent_to(conn, quote.stripe_subscription_id), len(items), now)
    if free_at is None:
        return
    CHANGE_LIMIT.labels(by="prorata").inc()
    extra: dict[str, Any] = {
        "possible_again_at": _iso(free_at),
        "retry_after_seconds": max(1, int((free_at - now).total_seconds()) + 1),
    }
    raise Refused(Code.CHANGE_LIMIT_REACHED, _said(free_at), retryable=True, extra=extra)


def possible_again(sent: Sequence[SentRow], quantities: int, now: datetime) -> datetime | None:
    """From when on another change of so many quantities is possible; None: now. Pure.

    `sent` comes newest first. A call counts for a minute and a day as an invoice, and for an hour with the
    quantities that it set.
    """
    waits = [
        _free_at(sent, MINUTE_MOST, MINUTE, now),
        _free_at(sent, DAY_MOST, DAY, now),
        _quantities_free_at(sent, quantities, now),
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _free_at(sent: Sequence[SentRow], most: int, window: timedelta, now: datetime) -> datetime | None:
    recent = _within(sent, window, now)
    return recent[most - 1].at + window if len(recent) >= most else None


def _quantities_free_at(sent: Sequence[SentRow], quantities: int, now: datetime) -> datetime | None:
    total = quantities
    for each in _within(sent, HOUR, now):
        total += each.quantities
        if total > QUANTITIES_MOST:
            return each.at + HOUR
    return None


def _within(sent: Sequence[SentRow], window: timedelta, now: datetime) -> list[SentRow]:
    return [each for each in sent if each.at > now - window]


def _iso(free_at: datetime) -> str | None:
    """The first whole second in which it is possible."""
    return iso(free_at + timedelta(seconds=1))


def _said(free_at: datetime) -> str:
    return (
        "The subscription was changed as often as it may be: "
        f"{DAY_MOST} invoiced changes a day, {MINUTE_MOST} a minute. Nothing was charged; it is possible "
        f"again from {_iso(free_at)}. Put what is still to come into one change."
    )
