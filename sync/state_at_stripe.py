"""How an account stands at Stripe: whatever a price or a refusal depends on, read fresh and at once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sync.billing import Billing
from sync.gateway import Gateway
from sync.requests import ACCOUNT_METADATA
from sync.rules.entitlements import ENDED
from sync.rules.items import Item
from sync.store import mirror as mirror_store
from sync.store.accounts import AccountRow
from sync.stripe_objects import Charge, Customer, Invoice, InvoiceItem, Schedule, Subscription, ref_id

NOT_PAID = ("draft", "open", "uncollectible")
# A payment that waits for the payer's bank takes minutes, and Stripe drops it when the period ends.
QUIET_SECONDS = 30 * 60


@dataclass(frozen=True, slots=True)
class State:
    """An account at Stripe. `now_unix` is the clock that bills it.

    A subscription that has ended is history: None, like an account that never bought. `waiting` are the
    invoice items that the next invoice takes along, `bills` the invoices since the present period began
    (newest first), `given_back` the ids of those that were refunded, credited or disputed, `others` the
    customer's living subscriptions where the account has none, `unfinished_id` the one of them that is our
    own first purchase and waits for its payment, `own_schedule_id` the schedule that we made, if we made one,
    `own_schedule` that schedule as read, and `foreign_currency` the customer's where the account has another.
    """

    customer: Customer
    subscription: Subscription | None
    now_unix: int
    waiting: tuple[InvoiceItem, ...] = ()
    bills: tuple[Invoice, ...] = ()
    given_back: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    unfinished_id: str | None = None
    own_schedule_id: str | None = None
    own_schedule: Schedule | None = None
    foreign_currency: str | None = None

    @property
    def latest_invoice(self) -> Invoice | None:
        invoice = self.subscription.latest_invoice if self.subscription else None
        return invoice if isinstance(invoice, Invoice) else None

    @property
    def waiting_ids(self) -> frozenset[str]:
        """The ids of the invoice items that ride along."""
        return frozenset(item.id for item in self.waiting)

    @property
    def has_payment_method(self) -> bool:
        """Whether Stripe has something to charge: the subscription's own card comes before the customer's."""
        own = self.subscription is not None and self.subscription.has_payment_method
        return own or self.customer.has_payment_method

    @property
    def renewal_is_near(self) -> bool:
        """Whether the present period ends within minutes, or is over already."""
        return self.subscription is not None and self.now_unix >= self.subscription.period_end - QUIET_SECONDS

    @property
    def foreign_schedule(self) -> bool:
        """Whether somebody else's schedule drives the subscription."""
        schedule_id = ref_id(self.subscription.schedule) if self.subscription else None
        return schedule_id is not None and schedule_id != self.own_schedule_id

    @property
    def unpaid(self) -> tuple[str, ...]:
        """Bills of whole periods that are not paid; what a change billed has a pending update or a status."""
        latest = (self.latest_invoice,) if self.latest_invoice else ()
        found = {
            bill.id
            for bill in (*latest, *self.bills)
            if bill.status in NOT_PAID and bill.billing_reason != "subscription_update"
        }
        return tuple(sorted(found))

    def items(self) -> tuple[Item, ...]:
        """The subscription's items as the planner wants them."""
        return items_of(self.subscription) if self.subscription else ()

    def fingerprint(self) -> str:
        """A hash of everything that an amount depends on; equal prints mean that nothing moved."""
        return hashlib.sha256(msgspec.json.encode(self._facts(), order="deterministic")).hexdigest()

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "customer": [self.customer.id, self.customer.deleted, self.customer.balance],
            "foreign_currency": self.foreign_currency,
            "waiting": sorted([item.id, item.amount, item.currency] for item in self.waiting),
            "others": self.others,
        }
        if self.subscription is not None:
            facts |= _facts_of(self.subscription)
            facts |= {"unpaid": self.unpaid, "given_back": self.given_back, "near": self.renewal_is_near}
        if self.latest_invoice is not None:
            facts["invoice"] = [self.latest_invoice.id, self.latest_invoice.status]
        return facts


def items_of(subscription: Subscription) -> tuple[Item, ...]:
    """The items as the planner wants them."""
    return tuple(
        Item(
            item.id,
            item.price.id,
            item.quantity or 0,
            metered=item.price.recurring is not None and item.price.recurring.usage_type == "metered",
        )
        for item in subscription.items.data
    )


def _facts_of(subscription: Subscription) -> dict[str, Any]:
    return {
        "subscription": [
            subscription.id,
            subscription.status,
            subscription.cancel_at,
            subscription.cancel_at_period_end,
            subscription.trial_end,
            subscription.collection_method,
            subscription.discounts,
            [rate.id for rate in subscription.default_tax_rates or []],
            subscription.automatic_tax.enabled,
            subscription.pause_collection,
            ref_id(subscription.schedule),
            subscription.pending_update is not None,
        ],
        "items": sorted(
            [item.id, item.price.id, item.quantity, item.current_period_start, item.current_period_end]
            for item in subscription.items.data
        ),
    }


async def read_state(billing: Billing, account: AccountRow, customer_id: str) -> State:
    """Read everything at once. Whatever decides about money starts here."""
    customer, items, bought, schedule = await asyncio.gather(
        billing.gateway.customer(customer_id),
        billing.gateway.waiting_items(customer_id),
        _bought(billing, account, customer_id),
        _own_schedule(billing, account.stripe_schedule_id),
    )
    subscription_id = bought.subscription.id if bought.subscription else None
    return State(
        customer,
        bought.subscription,
        await billing.gateway.billing_now(ref_id(customer.test_clock)),
        # One that names a subscription is left alone by the invoices of every other one.
        waiting=tuple(item for item in items if item.subscription_id in (None, subscription_id)),
        bills=tuple(bought.bills),
        given_back=tuple(sorted(_given_back(bought.bills, bought.charges))),
        others=tuple(sorted(bought.others)),
        unfinished_id=bought.unfinished_id,
        own_schedule_id=account.stripe_schedule_id,
        own_schedule=schedule,
        foreign_currency=customer.currency if customer.currency != account.currency else None,
    )


async def _own_schedule(billing: Billing, schedule_id: str | None) -> Schedule | None:
    return await billing.gateway.schedule(schedule_id) if schedule_id else None


@dataclass(frozen=True, slots=True)
class _Bought:
    """The living subscription with what was billed and taken in its period, or the others' ids."""

    subscription: Subscription | None = None
    bills: Sequence[Invoice] = ()
    charges: Sequence[Charge] = ()
    others: Sequence[str] = ()
    unfinished_id: str | None = None


async def _bought(billing: Billing, account: AccountRow, customer_id: str) -> _Bought:
    gateway, subscription_id = billing.gateway, account.stripe_subscription_id
    if subscription_id is not None:
        since_unix = await _period_start_we_know(billing, subscription_id)
        subscription, money = await asyncio.gather(
            gateway.subscription(subscription_id), _money(gateway, customer_id, subscription_id, since_unix)
        )
        if subscription.status not in ENDED:
            began_unix = min(item.current_period_start for item in subscription.items.data)
            if since_unix is None or since_unix > began_unix:
                money = await _money(gateway, customer_id, subscription_id, began_unix)
            bills, charges = money
            return _Bought(subscription, [bill for bill in bills if bill.created >= began_unix], charges)
    found = await gateway.subscriptions_of(customer_id)
    living = [each for each in found if each.status not in ENDED]
    unfinished = (
        each.id
        for each in living
        if each.status == "incomplete" and each.metadata.get(ACCOUNT_METADATA) == account.id
    )
    return _Bought(others=[each.id for each in living], unfinished_id=next(unfinished, None))


async def _period_start_we_know(billing: Billing, subscription_id: str) -> int | None:
    """Our mirror's copy. It may be a period behind: then a little more is read, and left out afterwards."""
    row = await mirror_store.subscription_row(billing.pool, subscription_id)
    return row.period_start_unix if row else None


async def _money(
    gateway: Gateway, customer_id: str, subscription_id: str, since_unix: int | None
) -> tuple[list[Invoice], list[Charge]]:
    """What was billed and what was taken since then."""
    if since_unix is None:
        return [], []
    return await asyncio.gather(
        gateway.bills_since(subscription_id, since_unix), gateway.charges_since(customer_id, since_unix)
    )


def _given_back(bills: Iterable[Invoice], charges: Iterable[Charge]) -> Iterator[str]:
    """The ids of bills whose money went back, or may go back: their unused time is no credit."""
    lost = {charge.id for charge in charges if charge.amount_refunded or charge.disputed}
    lost |= {ref_id(charge.payment_intent) or "" for charge in charges if charge.id in lost}
    for bill in bills:
        payments = [each.payment for each in bill.payments.data] if bill.payments else []
        paid_by = {ref_id(payment.payment_intent) or ref_id(payment.charge) for payment in payments}
        credited = bill.pre_payment_credit_notes_amount or bill.post_payment_credit_notes_amount
        if bill.status != "void" and (credited or paid_by & lost):
            yield bill.id
