"""Estimates: what a change would cost about, at once, for sliders and buttons.

Our own arithmetic over our own tables: no call to Stripe, nothing stored. Only a quote is a promise; every
quote records how far the estimate was off.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sync.billing import Billing
from sync.contract import amount
from sync.mirror_rows import SubscriptionRow
from sync.quotes import require_account
from sync.rules import proration
from sync.rules.catalog import Catalog
from sync.rules.differences import targets_of
from sync.rules.entitlements import ENDED
from sync.rules.items import Item
from sync.rules.planner import plan as make_plan
from sync.rules.price_book import PriceBook
from sync.rules.proration import Estimate, EstimateLine, Period
from sync.rules.slots import Slot
from sync.rules.terms import PartialTerms, Terms, merge
from sync.store import accounts as account_store
from sync.store import mirror as mirror_store
from sync.store import promises as promise_store
from sync.store.accounts import AccountRow


async def estimate(billing: Billing, account_id: str, wanted: PartialTerms) -> dict[str, Any]:
    """Estimate a wish; returns the estimate of the public contract.

    Raises NotFound (account_unknown) and BadInput for terms outside the catalog. What a rule forbids is
    listed in `refusals`, and then nothing is priced.
    """
    account = await require_account(billing, account_id)
    mirrored = await _mirrored(billing, account)
    # What has ended is history: the same words describe a first purchase.
    is_over = mirrored is not None and mirrored.status in ENDED
    current = None if is_over else await account_store.terms(billing.pool, account.id)
    complete = merge(current, wanted, billing.catalog)
    standing = await promise_store.promise_of(billing.pool, account.id) if current else None
    book = catalog_book(billing.catalog, account.currency)
    plan = make_plan(
        current,
        complete,
        catalog=billing.catalog,
        policy=billing.policy,
        items=_items(billing, current, account.currency),
        prices=book,
        currency=account.currency,
        scheduled=Terms.from_json(standing.terms) if standing else None,
        named=targets_of(wanted),
    )
    priced = _priced(billing, account, mirrored, current, plan.now) if plan.now else None
    after = plan.at_renewal or plan.now or current
    return {
        "account_id": account.id,
        "current": current.to_json() if current else None,
        "now": plan.now.to_json() if plan.now else None,
        "at_renewal": plan.at_renewal.to_json() if plan.at_renewal else None,
        "self_serve": plan.self_serve and not plan.refusals,
        "refusals": [refusal.to_json() for refusal in plan.refusals],
        "due_today": amount(priced.due_today_minor, account.currency) if priced else None,
        "due_today_lines": [_line_json(line, account.currency) for line in priced.lines] if priced else [],
        "from_now_on": _recurring(billing, after, account.currency) if after else None,
    }


@lru_cache(maxsize=16)
def catalog_book(catalog: Catalog, currency: str) -> PriceBook:
    """A price book of the catalog itself, each slot's key standing for its price: amounts without Stripe.

    Made once: a catalog never changes while we run, and a slider asks at every move.
    """
    return PriceBook.build(
        (slot.lookup_key(1), slot.key, minor, True)
        for slot, minor in catalog.amounts.items()
        if slot.currency == currency
    )


def _items(billing: Billing, current: Terms | None, currency: str) -> list[Item]:
    if current is None:
        return []
    slots: dict[Slot, int] = dict(billing.catalog.items_for(current, currency))
    return [Item(slot.part, slot.key, quantity) for slot, quantity in slots.items()]


async def _mirrored(billing: Billing, account: AccountRow) -> SubscriptionRow | None:
    if account.stripe_subscription_id is None:
        return None
    return await mirror_store.subscription_row(billing.pool, account.stripe_subscription_id)


def _priced(
    billing: Billing,
    account: AccountRow,
    row: SubscriptionRow | None,
    current: Terms | None,
    wanted: Terms,
) -> Estimate | None:
    """The money of the now-leg; None while the mirror does not know the period yet."""
    now = billing.gateway.stripe_now()
    if current is None:
        period = proration.period_from(now, wanted.interval)
        return proration.estimate_change(None, wanted, billing.catalog, account.currency, period, now)
    if row is None or row.period_start_unix is None or row.period_end_unix is None:
        return None
    period = Period(row.period_start_unix, row.period_end_unix)
    at = min(max(now, period.start), period.end)
    return proration.estimate_change(current, wanted, billing.catalog, account.currency, period, at)


def _line_json(line: EstimateLine, currency: str) -> dict[str, Any]:
    return {
        "kind": str(line.kind),
        "price_lookup_key": line.price_id,
        "quantity": line.quantity,
        "amount_minor": line.amount_minor,
        "currency": currency,
    }


def _recurring(billing: Billing, terms: Terms, currency: str) -> dict[str, Any]:
    minor = billing.catalog.recurring_minor(terms, currency)
    return {"amount": amount(minor, currency), "interval": terms.interval.value}
