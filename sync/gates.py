"""Why a subscription cannot be changed right now, as it stands at Stripe. Pure: facts in, refusals out.

Crediting time that was never paid would be a gift, so an unpaid period blocks every change that credits
(Stripe docs "Prorations"); what other people attached to the subscription is never overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sync.errors import Code, Problem
from sync.requests import CHANGE_METADATA
from sync.rules.terms import Terms
from sync.state_at_stripe import State
from sync.stripe_objects import PendingUpdate, Subscription

_BY_STATUS = {
    "past_due": (Code.SUBSCRIPTION_PAST_DUE, "An earlier invoice is unpaid; pay it first."),
    "unpaid": (Code.SUBSCRIPTION_PAST_DUE, "Earlier invoices are unpaid; pay them first."),
    "incomplete": (Code.SUBSCRIPTION_INCOMPLETE, "The first payment is still open."),
    "incomplete_expired": (Code.SUBSCRIPTION_CANCELED, "The subscription was never paid and has ended."),
    "paused": (Code.SUBSCRIPTION_PAUSED, "The subscription is paused at Stripe; resume it first."),
    "canceled": (Code.SUBSCRIPTION_CANCELED, "The subscription has ended; buy again with complete terms."),
    "trialing": (Code.SUBSCRIPTION_TRIALING, "The subscription is in a trial; it can change once that ends."),
}


def refusals(state: State, *, pays_now: bool, renews: bool, approved: bool = False) -> list[Problem]:
    """Everything that stands in the way of a change; an empty list means go.

    `pays_now` says that it credits or charges at once, `renews` that a part of it waits for the renewal,
    `approved` that support has said yes. What a price alone can tell is asked afterwards: `uncollectable`.
    """
    found = list(_of_customer(state))
    if state.subscription is None:
        found += _of_first_purchase(state)
        return found
    found += _of_subscription(state, state.subscription, approved=approved)
    if pays_now:
        found += _of_period(state)
    if renews and ends(state.subscription):
        found.append(
            _problem(
                Code.SUBSCRIPTION_CANCELING,
                "The subscription ends with its period, so there is no renewal to change.",
            )
        )
    if state.renewal_is_near:
        found.append(_problem(Code.RENEWAL_NEAR, "It renews within minutes; ask again after the renewal."))
    return found


def interval_refusals(state: State, current: Terms | None, now: Terms | None) -> list[Problem]:
    """What stands in the way of another interval at once, from `current` to `now`.

    In classic mode Stripe starts a new period at the second in which the change arrives, whatever second its
    preview was asked for: such an amount cannot be promised (Stripe docs "Compare classic and flexible
    billing mode").
    """
    subscription = state.subscription
    if subscription is None or current is None or now is None or now.interval is current.interval:
        return []
    if subscription.billing_mode.type != "classic":
        return []
    return [
        _problem(
            Code.BILLING_MODE_CLASSIC,
            "The subscription is in Stripe's classic billing mode, where another interval starts a new "
            "period at once; migrate it to flexible billing at Stripe first, then ask again.",
        )
    ]


def renewal_refusals(state: State, promised_on: datetime | None) -> list[Problem]:
    """The renewal of a promise has come, and nobody has looked yet: the terms are still the old ones, and
    a change that starts from them would buy back what has just gone."""
    if promised_on is None or state.now_unix < promised_on.timestamp():
        return []
    return [_problem(Code.RENEWAL_NEAR, "It has just renewed with what was promised; ask again in a moment.")]


def uncollectable(state: State, due_today_minor: int) -> list[Problem]:
    """Why what is due today could not be collected at once. What costs nothing today needs no card."""
    if due_today_minor == 0:
        return []
    if state.subscription is not None and _pays_by_invoice(state.subscription):
        detail = "The account pays by invoice, so nothing can be collected today; approve it for the renewal."
        return [_problem(Code.NEEDS_REQUEST, detail)]
    if not state.has_payment_method:
        detail = "There is no card to charge; add one, then ask again."
        return [_problem(Code.PAYMENT_METHOD_MISSING, detail)]
    return []


def incomplete_terms(state: State, *, bought_before: bool) -> Problem | None:
    """Why "8 seats" say nothing of an account without a living subscription; None: it never bought."""
    if state.customer.deleted:
        return next(_of_customer(state))
    if state.unfinished_id is not None:
        return next(_of_first_purchase(state))
    return _problem(*_BY_STATUS["canceled"]) if bought_before else None


def ends(subscription: Subscription) -> bool:
    """Whether it ends with its present period, or before."""
    end = subscription.cancel_at
    return subscription.cancel_at_period_end or (end is not None and end <= subscription.period_end)


def _of_customer(state: State) -> Iterator[Problem]:
    if state.customer.deleted:
        yield _problem(Code.ACCOUNT_PARKED, "The customer was deleted at Stripe; staff must look at it.")


def _of_first_purchase(state: State) -> Iterator[Problem]:
    if state.foreign_currency is not None:
        # Stripe bills a customer in one currency for ever: a balance, an item or a coupon settles it.
        yield _problem(
            Code.CURRENCY_MISMATCH,
            f"The customer has amounts in {state.foreign_currency.upper()} at Stripe, so nothing can be sold "
            "in another currency; ask support.",
        )
    if state.unfinished_id is not None:
        yield _problem(
            Code.SUBSCRIPTION_INCOMPLETE,
            "The first purchase still waits for its payment; pay it or withdraw it first.",
        )
    elif state.others:
        yield _problem(
            Code.SUBSCRIPTION_EXISTS,
            f"The customer has the subscription {state.others[0]} at Stripe; ask support to look at it.",
        )
    if state.waiting:
        # A preview may leave them out although the first invoice bills them, and its void swallows them.
        yield _problem(
            Code.PENDING_ITEMS_WAITING,
            "Older items wait for the customer's next invoice; support must invoice or delete them first.",
        )


def _pays_by_invoice(subscription: Subscription) -> bool:
    return subscription.collection_method != "charge_automatically"


def _of_subscription(state: State, subscription: Subscription, *, approved: bool) -> Iterator[Problem]:
    if subscription.status in _BY_STATUS:
        yield _problem(*_BY_STATUS[subscription.status])
    if subscription.pause_collection is not None:
        yield _problem(Code.SUBSCRIPTION_PAUSED, "Collection is paused at Stripe; resume it first.")
    if _pays_by_invoice(subscription) and not approved:
        yield _problem(Code.NEEDS_REQUEST, "The account pays by invoice; ask support for this change.")
    if state.foreign_schedule:
        yield _problem(Code.SCHEDULE_ATTACHED, "A schedule that is not ours drives the subscription.")
    if subscription.pending_update is not None:
        yield _of_pending_update(subscription.pending_update)


def _of_pending_update(pending: PendingUpdate) -> Problem:
    if CHANGE_METADATA in (pending.metadata or {}):
        return _problem(Code.CHANGE_IN_PROGRESS, "Another change waits for its payment; pay or withdraw it.")
    return _problem(
        Code.PENDING_UPDATE_ATTACHED,
        "An update that was not made here waits for its payment at Stripe; ask again once that is over.",
    )


def _of_period(state: State) -> Iterator[Problem]:
    if state.unpaid:
        yield _problem(Code.RENEWAL_UNPAID, "The invoice of the present period is not paid yet.")
    elif state.given_back:
        yield _problem(
            Code.NEEDS_REQUEST,
            "A payment of this period was refunded, credited or disputed; ask support for this change.",
        )


def _problem(code: Code, detail: str) -> Problem:
    return Problem("", code, f"{detail} Nothing was charged.")
