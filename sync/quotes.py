"""Quotes: the price of a change today and from now on, pinned so that the charge can equal it.

A quote stores Stripe's proration instant, the very body that apply will send, every previewed line and a
fingerprint of the state. It takes no lock: confirm checks whether all of it still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from sync import cancellation, clock, fuse, gates, ids, offers, switch
from sync.billing import Billing
from sync.contract import quote_json
from sync.errors import BadInput, Code, Conflict, NotFound, Problem, Refused
from sync.gateway import StripeCallFailed, Verdict
from sync.offers import Offer
from sync.rules import proration
from sync.rules.differences import targets_of
from sync.rules.planner import Plan, Usage, amend
from sync.rules.planner import plan as make_plan
from sync.rules.policy_rule import PaymentBehavior
from sync.rules.price_book import PriceBook
from sync.rules.terms import PartialTerms, Terms, merge
from sync.state_at_stripe import State, read_state
from sync.store import accounts as account_store
from sync.store import catalog_prices
from sync.store import promises as promise_store
from sync.store import quotes as quote_store
from sync.store.accounts import AccountRow
from sync.store.changes import LegRow
from sync.store.quotes import QuoteRow
from sync.telemetry import ESTIMATE_DIFFERENCE_MINOR, LogEvent
from sync.wishes import Wish

log = structlog.get_logger()


async def create(billing: Billing, account_id: str, actor_id: str, wanted: PartialTerms) -> dict[str, Any]:
    """Price a change and store it; returns the quote of the public contract.

    Raises NotFound (account_unknown), Refused (not_billing_admin, writes_stopped), BadInput for terms
    outside the catalog, and StripeTrouble. What a rule or the state of the subscription forbids is a quote
    with refusals.
    """
    row = await make(billing, await require_account(billing, account_id), actor_id, Wish(wanted))
    return quote_json(row)


async def get(billing: Billing, quote_id: str) -> dict[str, Any]:
    """A stored quote. Raises NotFound."""
    return quote_json(await require(billing, quote_id))


async def require(billing: Billing, quote_id: str) -> QuoteRow:
    """The stored row of a quote. Raises NotFound."""
    row = await quote_store.get(billing.pool, quote_id)
    if row is None:
        raise NotFound(Code.NOT_FOUND, f"There is no quote {quote_id!r}. Ask for a new one.")
    return row


async def require_account(billing: Billing, account_id: str) -> AccountRow:
    """The account. Raises NotFound (account_unknown)."""
    account = await account_store.get(billing.pool, account_id)
    if account is None:
        raise NotFound(Code.ACCOUNT_UNKNOWN, f"There is no account {account_id!r}.")
    return account


def costs_now(quote: QuoteRow) -> bool:
    """Whether somebody pays for it now: by card, with credit, or later, as a sum too small to be charged."""
    return (quote.total_minor or 0) > 0


def renews_on(quote: QuoteRow) -> datetime:
    """The renewal that the quote spoke of."""
    if quote.next_invoice is None:
        raise AssertionError("a quote without refusals says when the next invoice comes")
    return datetime.fromtimestamp(quote.next_invoice["on_unix"], UTC)


def require_admin(account: AccountRow, actor_id: str) -> None:
    """Only the primary admin may change an account's billing. Raises Refused (not_billing_admin)."""
    if actor_id != account.primary_admin_user_id:
        raise Refused(
            Code.NOT_BILLING_ADMIN,
            f"{actor_id!r} is not the primary admin of {account.id!r}, so nothing was changed. "
            "Ask the primary admin to do it.",
        )


def require_running(account: AccountRow) -> str:
    """The account's customer at Stripe. Raises Conflict (account_parked) when staff must look first."""
    if account.parked_at is not None:
        raise Conflict(
            Code.ACCOUNT_PARKED,
            f"Billing changes of this account are stopped: {account.parked_reason}. Nothing was charged; "
            "support has been told.",
        )
    if account.stripe_customer_id is None:
        raise Conflict(
            Code.CHANGE_IN_PROGRESS,
            "The account is still being created at Stripe. Send its creation again, then ask again.",
            retryable=True,
        )
    return account.stripe_customer_id


async def make(billing: Billing, account: AccountRow, actor_id: str, wish: Wish) -> QuoteRow:
    """Plan, price and store. See `create`. Raises Refused (writes_stopped): it could not be confirmed."""
    require_admin(account, actor_id)
    await switch.require_go(billing.pool, account.id)
    row = await draft(billing, account, actor_id, wish)
    await quote_store.insert(billing.pool, row)
    log.info(LogEvent.QUOTE_CREATED, quote_id=row.id, account_id=account.id, due_today=row.due_today_minor)
    return row


async def draft(billing: Billing, account: AccountRow, actor_id: str, wish: Wish) -> QuoteRow:
    """Plan and price without storing it: a dry run. See `create`."""
    require_admin(account, actor_id)
    customer_id = require_running(account)
    book = await catalog_prices.book(billing.pool)
    state = await read_state(billing, account, customer_id)
    # Without a living subscription the terms are history: the same words describe a first purchase.
    # The promise is read before the terms that it becomes, so that it cannot fall between the two.
    standing = await promise_store.promise_of(billing.pool, account.id) if state.subscription else None
    known = await account_store.terms(billing.pool, account.id)
    current = known if state.subscription else None
    if wish.cancel is not None:
        return await cancellation.row(billing, account, actor_id, wish, current, state)
    complete = _complete(billing, wish, current, state, bought_before=known is not None)
    plan = planned(billing, account, current, wish, complete, state, book, standing)
    blocked = gates.refusals(
        state,
        pays_now=plan.now is not None,
        renews=plan.at_renewal is not None,
        approved=wish.approved is not None,
    )
    blocked += gates.interval_refusals(state, current, plan.now)
    blocked += gates.renewal_refusals(state, standing.effective_on if standing else None)
    sent = await fuse.sent_to(billing.pool, _charged(plan, state))
    limited = fuse.refusals(sent, len(plan.amendment.changes))
    refusals = [*plan.refusals, *blocked, *limited]
    offer = None if refusals else await _offer(billing, account, state, plan, book)
    if offer is not None and (uncollectable := gates.uncollectable(state, offer.now.due_today_minor)):
        refusals, offer = uncollectable, None
    row = _row(billing, account, actor_id, wish, current, plan, state, refusals, offer, book, standing)
    return replace(row, warnings=fuse.warnings(sent))


def _charged(plan: Plan, state: State) -> str | None:
    """The subscription that the plan changes now: each such change spends one of its invoices."""
    return state.subscription.id if state.subscription and plan.now else None


def _complete(
    billing: Billing, wish: Wish, current: Terms | None, state: State, *, bought_before: bool
) -> Terms:
    """The terms that a wish leads to. Raises BadInput: where nothing is running, a part says nothing."""
    try:
        return merge(current, wish.terms, billing.catalog)
    except BadInput as error:
        reason = gates.incomplete_terms(state, bought_before=bought_before)
        if current is not None or reason is None or error.code != Code.BAD_REQUEST:
            raise
        raise BadInput(reason.code, reason.detail) from error


def planned(
    billing: Billing,
    account: AccountRow,
    current: Terms | None,
    wish: Wish,
    wanted: Terms,
    state: State,
    book: PriceBook,
    standing: LegRow | None,
) -> Plan:
    """The pure planner with this account's facts."""
    usage = Usage(account.contacts_in_use or 0, account.seats_in_use or 0)
    return make_plan(
        current,
        wanted,
        catalog=billing.catalog,
        policy=billing.policy,
        items=state.items(),
        prices=book,
        currency=account.currency,
        usage=usage,
        scheduled=Terms.from_json(standing.terms) if standing else None,
        named=targets_of(wish.terms),
        approved=wish.approved,
    )


async def _offer(billing: Billing, account: AccountRow, state: State, plan: Plan, book: PriceBook) -> Offer:
    try:
        if state.subscription is None:
            entries = plan.amendment.as_stripe_items()
            behavior = plan.payment_behavior or PaymentBehavior.ERROR_IF_INCOMPLETE
            return await offers.offer_creation(billing, account.id, state, entries, book, behavior)
        return await offers.offer_update(billing, state, state.subscription, plan, book)
    except StripeCallFailed as error:
        if error.failure.verdict is Verdict.REFUSED and error.failure.code == "customer_tax_location_invalid":
            raise Refused(
                Code.TAX_LOCATION_REQUIRED,
                "Stripe needs the customer's address to compute the tax. Nothing was charged; add the "
                "address, then ask again.",
            ) from error
        raise


def _row(
    billing: Billing,
    account: AccountRow,
    actor_id: str,
    wish: Wish,
    current: Terms | None,
    plan: Plan,
    state: State,
    refusals: Sequence[Problem],
    offer: Offer | None,
    book: PriceBook,
    standing: LegRow | None,
) -> QuoteRow:
    now = clock.wall()
    subscription = state.subscription
    priced = offer.now if offer else None
    after = plan.at_renewal or plan.now or current
    return QuoteRow(
        id=ids.new_id("quo"),
        account_id=account.id,
        actor_id=actor_id,
        wish=wish.terms.to_json(),
        cancel=None,
        approved=wish.approved,
        request_id=wish.request_id,
        current_terms=current.to_json() if current else None,
        now_terms=plan.now.to_json() if plan.now else None,
        renewal_terms=plan.at_renewal.to_json() if plan.at_renewal else None,
        scheduled_change_id=standing.change_id if standing else None,
        self_serve=plan.self_serve and not refusals,
        refusals=[refusal.to_json() for refusal in refusals],
        stripe_subscription_id=subscription.id if subscription else None,
        stripe_params=offer.params if offer else None,
        proration_unix=state.now_unix if offer and offer.params and subscription else None,
        currency=account.currency,
        due_today_minor=priced.due_today_minor if priced else None,
        to_balance_minor=priced.to_balance_minor if priced else None,
        total_minor=priced.total_minor if priced else None,
        starting_balance_minor=priced.starting_balance_minor if priced else None,
        lines=priced.lines if priced else [],
        from_now_on_minor=offer.from_now_on_minor if offer else None,
        from_now_on_interval=after.interval.value if offer and after else None,
        next_invoice=offer.next_invoice if offer else None,
        estimate_difference_minor=_estimate_difference(current, plan, state, offer, book)
        if offer and offer.params
        else None,
        fingerprint=state.fingerprint(),
        expires_at=now + timedelta(seconds=billing.quote_ttl_seconds),
        created_at=now,
    )


def _estimate_difference(
    current: Terms | None, plan: Plan, state: State, offer: Offer, book: PriceBook
) -> int:
    """How far our own arithmetic is from Stripe's lines of this change: a tripwire, never an amount shown."""
    items = state.items()
    start, end = (
        (state.subscription.period_start, state.subscription.period_end) if state.subscription else (0, 1)
    )
    at = state.now_unix if state.subscription else start
    new_end = end
    if current is not None and plan.now is not None and plan.now.interval is not current.interval:
        new_end = proration.period_from(start, plan.now.interval).end
    estimate = proration.estimate(
        items, amend(items, plan.amendment), book.amounts(), start, end, at, new_period_end=new_end
    )
    previewed: int = sum(
        line["amount_minor"] for line in offer.now.lines if line["kind"] in ("credit", "charge")
    )
    difference = previewed - estimate.total_minor
    ESTIMATE_DIFFERENCE_MINOR.observe(abs(difference))
    return difference
