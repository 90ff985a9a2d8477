"""Looking at changes: the change of the public contract, waiting for an outcome, lists."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sync.billing import Billing
from sync.contract import amount, iso
from sync.errors import Code, NotFound
from sync.states import Leg, LegState
from sync.store import changes as store
from sync.store import quotes as quote_store
from sync.store.change_subscriptions import subscriptions_of
from sync.store.changes import ChangeRow, LegRow
from sync.store.quotes import QuoteRow

WORKING = (LegState.CONFIRMED, LegState.APPLYING)
POLL_SECONDS = 0.03
POLL_SECONDS_MOST = 0.25
# The newest of each change: one that is retried for a day has thousands.
STEPS_MOST = 200


async def get(
    billing: Billing, change_id: str, *, wait_seconds: float = 0, until_applied: bool = False
) -> dict[str, Any]:
    """The change as it is now, after waiting up to `wait_seconds` for its outcome. Raises NotFound."""
    change = await store.get(billing.pool, change_id)
    if change is None:
        raise NotFound(Code.NOT_FOUND, f"There is no change {change_id!r}.")
    await _wait(billing, change_id, wait_seconds, until_applied)
    return (await _views(billing, [change]))[0]


async def _wait(billing: Billing, change_id: str, wait_seconds: float, until_applied: bool) -> None:
    """Poll the legs with a growing pause. Waiting for a payer's bank is pointless, so that ends it too.

    A promise for the renewal is at Stripe when it is scheduled; one that follows a purchase keeps nobody
    waiting.
    """
    pending = WORKING if until_applied else (*WORKING, LegState.APPLIED)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    pause = POLL_SECONDS
    while True:
        legs = await store.legs(billing.pool, [change_id])
        leg = max(legs, key=lambda each: each.leg, default=None)
        if leg is None or leg.state not in pending or asyncio.get_running_loop().time() >= deadline:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, POLL_SECONDS_MOST)


async def list_changes(
    billing: Billing, *, account_id: str | None, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of changes, newest first, and whether there are more."""
    rows = await store.page(billing.pool, limit + 1, account_id, starting_after)
    return await _views(billing, rows[:limit]), len(rows) > limit


async def _views(billing: Billing, rows: Sequence[ChangeRow]) -> list[dict[str, Any]]:
    """A page in as many reads as one change: each asks for all of them."""
    change_ids = [row.id for row in rows]
    legs = await store.legs(billing.pool, change_ids)
    steps = await store.steps(billing.pool, change_ids, STEPS_MOST)
    subscriptions = await subscriptions_of(billing.pool, change_ids)
    quotes = await quote_store.get_many(billing.pool, [row.quote_id for row in rows])
    return [
        _view(
            row,
            {leg.leg: leg for leg in legs if leg.change_id == row.id},
            [step for step in steps if step["change_id"] == row.id],
            subscriptions[row.id],
            quotes[row.quote_id],
        )
        for row in rows
    ]


def _view(
    row: ChangeRow,
    legs: Mapping[str, LegRow],
    steps: Sequence[dict[str, Any]],
    subscription_id: str | None,
    quote: QuoteRow,
) -> dict[str, Any]:
    now, renewal = legs.get(Leg.NOW), legs.get(Leg.AT_RENEWAL)
    currency = quote.currency
    return {
        "id": row.id,
        "quote_id": row.quote_id,
        "account_id": row.account_id,
        "actor": row.actor_id,
        "now": _now_json(now, currency) if now else None,
        "at_renewal": _renewal_json(renewal, currency) if renewal else _unpromised_json(now, quote),
        "state": _overall(now, renewal),
        "stripe_subscription_id": subscription_id,
        "created_at": iso(row.created_at),
        "settled_at": iso(now.settled_at) if now else None,
        "steps": [_step_json(step) for step in steps],
    }


def _now_json(leg: LegRow, currency: str) -> dict[str, Any]:
    return {
        "state": leg.state,
        "reason": Code.OUTCOME_UNKNOWN if leg.unknown_since else leg.reason,
        "detail": leg.detail,
        "terms": leg.terms,
        "quoted": amount(leg.quoted_minor, currency),
        "charged": amount(leg.charged_minor, currency),
        "difference_minor": leg.difference_minor,
        "stripe_invoice_id": leg.stripe_invoice_id,
        "hosted_invoice_url": leg.hosted_invoice_url if leg.state == LegState.AWAITING_PAYMENT else None,
        "payable_until": iso(leg.payable_until),
    }


def _renewal_json(leg: LegRow, currency: str) -> dict[str, Any]:
    return {
        "state": leg.state,
        "reason": leg.reason,
        "detail": leg.detail,
        "terms": leg.terms,
        "effective_on": iso(leg.effective_on),
        "charged": amount(leg.charged_minor, currency),
        "difference_minor": leg.difference_minor,
        "stripe_invoice_id": leg.stripe_invoice_id,
    }


def _unpromised_json(now: LegRow | None, quote: QuoteRow) -> dict[str, Any] | None:
    """What a cart leaves for the renewal is promised when its first part is paid, and ends with it."""
    if now is None or quote.renewal_terms is None:
        return None
    on_unix = quote.next_invoice["on_unix"] if quote.next_invoice else None
    return {
        "state": LegState.CONFIRMED if now.ended_at is None else now.state,
        "reason": now.reason,
        "detail": now.detail,
        "terms": quote.renewal_terms,
        "effective_on": iso(datetime.fromtimestamp(on_unix, UTC)) if on_unix else None,
        "charged": None,
        "difference_minor": None,
        "stripe_invoice_id": None,
    }


def _overall(now: LegRow | None, renewal: LegRow | None) -> str:
    """The open leg's state; of a finished change, the now-leg's end."""
    for leg in (now, renewal):
        if leg is not None and leg.ended_at is None:
            return leg.state
    last = now or renewal
    return last.state if last else LegState.SETTLED


def _step_json(step: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": iso(step["at"]),
        "leg": step["leg"],
        "step": step["step"],
        "state": step["state"],
        "detail": step["detail"],
    }
