"""Why a subscription cannot be changed right now, as it stands at Stripe. Pure: facts in, refusals out.

Crediting time that was never paid would be a gift, so an unpaid period blocks every change that credits
(Stripe docs "Prorations"); what other people attached to the subscription is never overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator

from sync.errors import Code, Problem
from sync.stripe_objects import Customer, Invoice, Subscription

_BY_STATUS = {
    "past_due": (Code.SUBSCRIPTION_PAST_DUE, "An earlier invoice is unpaid; pay it first."),
    "unpaid": (Code.SUBSCRIPTION_PAST_DUE, "Earlier invoices are unpaid; pay them first."),
    "incomplete": (Code.SUBSCRIPTION_INCOMPLETE, "The first payment is still open."),
    "incomplete_expired": (Code.SUBSCRIPTION_CANCELED, "The subscription was never paid and has ended."),
    "paused": (Code.SUBSCRIPTION_PAUSED, "The subscription is paused at Stripe; resume it first."),
    "canceled": (Code.SUBSCRIPTION_CANCELED, "The subscription has ended; buy again with complete terms."),
    "trialing": (Code.SUBSCRIPTION_TRIALING, "The subscription is in a trial; it can change once that ends."),
}
_UNPAID = ("draft", "open", "uncollectible")
ENDED = ("canceled", "incomplete_expired")


def refusals(
    subscription: Subscription | None, latest_invoice: Invoice | None, customer: Customer
) -> list[Problem]:
    """Everything that stands in the way of an immediate, paid change; an empty list means go."""
    found = list(_of_customer(customer))
    if subscription is not None:
        found += _of_subscription(subscription, latest_invoice)
    return found


def _of_customer(customer: Customer) -> Iterator[Problem]:
    if customer.deleted:
        yield _problem(Code.ACCOUNT_PARKED, "The customer was deleted at Stripe; staff must look at it.")
    elif not customer.has_payment_method:
        yield _problem(Code.PAYMENT_METHOD_MISSING, "There is no card to charge; add one, then ask again.")


def _of_subscription(subscription: Subscription, latest_invoice: Invoice | None) -> Iterator[Problem]:
    if subscription.status in _BY_STATUS:
        yield _problem(*_BY_STATUS[subscription.status])
    if subscription.pause_collection is not None:
        yield _problem(Code.SUBSCRIPTION_PAUSED, "Collection is paused at Stripe; resume it first.")
    if subscription.collection_method != "charge_automatically":
        yield _problem(Code.NEEDS_REQUEST, "The account pays by invoice; ask support for this change.")
    if subscription.schedule is not None:
        yield _problem(Code.SCHEDULE_ATTACHED, "A schedule that is not ours drives the subscription.")
    if subscription.pending_update is not None:
        yield _problem(Code.CHANGE_IN_PROGRESS, "Another change waits for its payment at Stripe.")
    if latest_invoice is not None and _blocks(latest_invoice):
        yield _problem(Code.RENEWAL_UNPAID, "The invoice of the present period is not paid yet.")


def _blocks(invoice: Invoice) -> bool:
    return invoice.status in _UNPAID and invoice.billing_reason != "subscription_update"


def _problem(code: Code, detail: str) -> Problem:
    return Problem("", code, f"{detail} Nothing was charged.")
