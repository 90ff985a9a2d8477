"""Why a subscription cannot be changed right now, as it stands at Stripe. Pure: facts in, refusals out.

Crediting time that was never paid would be a gift, so an unpaid period blocks every change that credits
(Stripe docs "Prorations"); what other people attached to the subscription is never overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator

from sync.errors import Code, Problem
from sync.state_at_stripe import State
from sync.stripe_objects import Subscription

_BY_STATUS = {
    "past_due": (Code.SUBSCRIPTION_PAST_DUE, "An earlier invoice is unpaid; pay it first."),
    "unpaid": (Code.SUBSCRIPTION_PAST_DUE, "Earlier invoices are unpaid; pay them first."),
    "incomplete": (Code.SUBSCRIPTION_INCOMPLETE, "The first payment is still open."),
    "incomplete_expired": (Code.SUBSCRIPTION_CANCELED, "The subscription was never paid and has ended."),
    "paused": (Code.SUBSCRIPTION_PAUSED, "The subscription is paused at Stripe; resume it first."),
    "canceled": (Code.SUBSCRIPTION_CANCELED, "The subscription has ended; buy again with complete terms."),
    "trialing": (Code.SUBSCRIPTION_TRIALING, "The subscription is in a trial; it can change once that ends."),
}


def refusals(state: State, *, pays_now: bool, renews: bool) -> list[Problem]:
    """Everything that stands in the way of a change; an empty list means go.

    `pays_now` says that it credits or charges at once, `renews` that a part of it waits for the renewal.
    """
    found = list(_of_customer(state, pays_now=pays_now))
    if state.subscription is None:
        found += _of_first_purchase(state)
        return found
    found += _of_subscription(state, state.subscription)
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


def ends(subscription: Subscription) -> bool:
    """Whether it ends with its present period, or before."""
    end = subscription.cancel_at
    return subscription.cancel_at_period_end or (end is not None and end <= subscription.period_end)


def _of_customer(state: State, *, pays_now: bool) -> Iterator[Problem]:
    if state.customer.deleted:
        yield _problem(Code.ACCOUNT_PARKED, "The customer was deleted at Stripe; staff must look at it.")
    elif pays_now and not state.has_payment_method:
        yield _problem(Code.PAYMENT_METHOD_MISSING, "There is no card to charge; add one, then ask again.")


def _of_first_purchase(state: State) -> Iterator[Problem]:
    if state.others:
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


def _of_subscription(state: State, subscription: Subscription) -> Iterator[Problem]:
    if subscription.status in _BY_STATUS:
        yield _problem(*_BY_STATUS[subscription.status])
    if subscription.pause_collection is not None:
        yield _problem(Code.SUBSCRIPTION_PAUSED, "Collection is paused at Stripe; resume it first.")
    if subscription.collection_method != "charge_automatically":
        yield _problem(Code.NEEDS_REQUEST, "The account pays by invoice; ask support for this change.")
    if state.foreign_schedule:
        yield _problem(Code.SCHEDULE_ATTACHED, "A schedule that is not ours drives the subscription.")
    if subscription.pending_update is not None:
        yield _problem(Code.CHANGE_IN_PROGRESS, "Another change waits for its payment at Stripe.")


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
