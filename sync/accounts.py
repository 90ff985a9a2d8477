"""Accounts: created or linked at Stripe once, looked at, and kept up to date by the host application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync import requests
from sync.billing import Billing
from sync.contract import amount, iso
from sync.errors import Code, Conflict, NotFound, Refused
from sync.gateway import StoredCall, StripeCallFailed, Verdict
from sync.mirror_rows import InvoiceRow, SubscriptionRow
from sync.quotes import require_account
from sync.rules.terms import Terms
from sync.states import Leg
from sync.store import accounts as store
from sync.store import calls as call_store
from sync.store import changes as change_store
from sync.store import mirror as mirror_store
from sync.store.accounts import AccountRow
from sync.store.changes import LegRow
from sync.store.db import transaction
from sync.stripe_objects import Customer

# Entitlements by the subscription's state: what was paid for stays until Stripe itself gives up collecting.
_ENTITLED_STATES = ("active", "trialing", "past_due")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What POST /v1/accounts takes. With `stripe_customer_id` an existing customer is linked."""

    account_id: str
    email: str
    name: str
    primary_admin_user_id: str
    primary_admin_email: str
    locale: str
    currency: str
    stripe_customer_id: str | None = None
    payment_method: str | None = None


async def create(billing: Billing, new: NewAccount) -> dict[str, Any]:
    """Create or link an account; the same data again gives the same account, also after a crash in between.

    Raises Conflict (account_exists) for other data under a known id, Refused (currency_mismatch), NotFound
    for an unknown customer to link, and StripeTrouble.
    """
    if new.currency not in billing.catalog.currencies:
        raise Refused(
            Code.CURRENCY_MISMATCH, f"Nothing is sold in {new.currency.upper()}. Nothing was created."
        )
    linked = await _linked(billing, new)
    async with transaction(billing.pool) as conn:
        await store.insert(conn, _columns(new))
        account = await store.lock(conn, new.account_id)
        if account is None or not _same(account, new):
            raise Conflict(Code.ACCOUNT_EXISTS, f"Account {new.account_id!r} exists with other data.")
        await call_store.insert(conn, _customer_call(new), new.account_id)
    if account.stripe_customer_id is None:
        customer_id = linked.id if linked else await _create_customer(billing, new)
        await store.set_customer(billing.pool, new.account_id, customer_id)
    return await view(billing, new.account_id)


async def _linked(billing: Billing, new: NewAccount) -> Customer | None:
    """The existing customer to link, if one was named."""
    if new.stripe_customer_id is None:
        return None
    try:
        customer = await billing.gateway.customer(new.stripe_customer_id)
    except StripeCallFailed as error:
        if error.failure.verdict is not Verdict.MISSING:
            raise
        detail = f"Stripe has no customer {new.stripe_customer_id}. Nothing was created."
        raise NotFound(Code.NOT_FOUND, detail) from error
    _check_linked(customer, new)
    return customer


def _check_linked(customer: Customer, new: NewAccount) -> None:
    if customer.deleted:
        raise NotFound(Code.NOT_FOUND, f"Customer {customer.id} was deleted at Stripe.")
    if customer.currency not in (None, new.currency):
        raise Refused(
            Code.CURRENCY_MISMATCH,
            f"Customer {customer.id} is billed in {customer.currency}, not in {new.currency}.",
        )


def _columns(new: NewAccount) -> dict[str, str]:
    return {
        "id": new.account_id,
        "email": new.email,
        "name": new.name,
        "locale": new.locale,
        "currency": new.currency,
        "primary_admin_user_id": new.primary_admin_user_id,
        "primary_admin_email": new.primary_admin_email,
    }


def _same(account: AccountRow, new: NewAccount) -> bool:
    same = all(getattr(account, name) == value for name, value in _columns(new).items())
    return same and new.stripe_customer_id in (None, account.stripe_customer_id or new.stripe_customer_id)


def _customer_call(new: NewAccount) -> StoredCall:
    body = requests.customer(
        new.account_id, email=new.email, name=new.name, locale=new.locale, payment_method=new.payment_method
    )
    return StoredCall(f"account:{new.account_id}:customer:1", "customer", "POST", "/v1/customers", body)


async def _create_customer(billing: Billing, new: NewAccount) -> str:
    """Send the stored creation; the key makes a repeat after a lost answer find the same customer."""
    row = await call_store.get(billing.pool, _customer_call(new).key)
    if row is None:
        raise AssertionError("the call was stored with the account")
    await call_store.mark_sent(billing.pool, row.call.key)
    try:
        answer = await billing.gateway.send(row.call)
    except StripeCallFailed as error:
        if error.failure.verdict in (Verdict.DECLINED, Verdict.REFUSED, Verdict.MISSING):
            raise Refused(
                Code.STRIPE_REFUSED,
                f"Stripe did not create the customer: {error.failure.message} Nothing was charged.",
            ) from error
        raise
    await call_store.mark_answered(billing.pool, row.call.key, answer.http_status, answer.request_id)
    return str(answer.data["id"])


# ---- look


async def view(billing: Billing, account_id: str) -> dict[str, Any]:
    """The account of the public contract, from our own tables only. Raises NotFound (account_unknown)."""
    return await _view(billing, await require_account(billing, account_id))


async def list_accounts(
    billing: Billing, *, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of accounts by id, and whether there are more."""
    rows = await store.page(billing.pool, limit + 1, starting_after)
    return [await _view(billing, row) for row in rows[:limit]], len(rows) > limit


async def _view(billing: Billing, account: AccountRow) -> dict[str, Any]:
    terms = await store.terms(billing.pool, account.id)
    legs = await change_store.open_legs(billing.pool, account.id)
    renewal = next((leg for leg in legs if leg.leg == Leg.AT_RENEWAL), None)
    mirrored = await _mirrored(billing, account)
    has_card = await store.has_payment_method(billing.pool, account.id)
    status = mirrored.status if mirrored else None
    entitled = terms if terms and status in (None, *_ENTITLED_STATES) else None
    after = Terms.from_json(renewal.terms) if renewal else terms
    return {
        "account_id": account.id,
        "email": account.email,
        "name": account.name,
        "locale": account.locale,
        "currency": account.currency,
        "primary_admin": {"user_id": account.primary_admin_user_id, "email": account.primary_admin_email},
        "stripe_customer_id": account.stripe_customer_id,
        "stripe_subscription_id": account.stripe_subscription_id,
        "subscription_status": status,
        "terms": terms.to_json() if terms else None,
        "terms_after_renewal": after.to_json() if after else None,
        "entitled": entitled.to_json() if entitled else None,
        "usage": {"contacts": account.contacts_in_use, "seats": account.seats_in_use},
        "next_invoice": _next_invoice(
            billing, account, after, mirrored.period_end_unix if mirrored else None
        ),
        "open_legs": [_leg_json(leg) for leg in legs],
        "findings": [],
        "payment_method": {"present": has_card},
        "parked": {"at": iso(account.parked_at), "reason": account.parked_reason}
        if account.parked_at
        else None,
        "created_at": iso(account.created_at),
    }


async def _mirrored(billing: Billing, account: AccountRow) -> SubscriptionRow | None:
    if account.stripe_subscription_id is None:
        return None
    return await mirror_store.subscription_row(billing.pool, account.stripe_subscription_id)


def _next_invoice(
    billing: Billing, account: AccountRow, terms: Terms | None, period_end_unix: int | None
) -> dict[str, Any] | None:
    """What the catalog says the next renewal costs; a quote asks Stripe itself."""
    if terms is None or period_end_unix is None:
        return None
    minor = billing.catalog.recurring_minor(terms, account.currency)
    return {
        "amount": amount(minor, account.currency),
        "on": iso(datetime.fromtimestamp(period_end_unix, UTC)),
        "why": "renewal",
    }


def _leg_json(leg: LegRow) -> dict[str, Any]:
    return {"change_id": leg.change_id, "leg": leg.leg, "state": leg.state, "terms": leg.terms}


async def invoices(
    billing: Billing, account_id: str, *, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of the account's mirrored invoices, newest first, and whether there are more."""
    account = await require_account(billing, account_id)
    if account.stripe_customer_id is None:
        return [], False
    rows = await mirror_store.invoices_of(
        billing.pool, account.stripe_customer_id, limit=limit + 1, starting_after=starting_after
    )
    return [_invoice_json(row) for row in rows[:limit]], len(rows) > limit


def _invoice_json(row: InvoiceRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "status": row.status,
        "billing_reason": row.billing_reason,
        "total": amount(row.total_minor, row.currency),
        "amount_due": amount(row.amount_due_minor, row.currency),
        "amount_paid": amount(row.amount_paid_minor, row.currency),
        "hosted_invoice_url": row.hosted_invoice_url,
        "created_at": iso(datetime.fromtimestamp(row.created_unix, UTC)),
    }


# ---- what the host application keeps up to date


async def set_primary_admin(billing: Billing, account_id: str, user_id: str, email: str) -> dict[str, Any]:
    """Name another primary admin; returns the account. Raises NotFound (account_unknown)."""
    await require_account(billing, account_id)
    await store.set_admin(billing.pool, account_id, user_id, email)
    return await view(billing, account_id)


async def set_usage(
    billing: Billing, account_id: str, contacts: int | None, seats: int | None
) -> dict[str, Any]:
    """Record contacts and seats in use; nothing changes by itself. Raises NotFound (account_unknown)."""
    await require_account(billing, account_id)
    await store.set_usage(billing.pool, account_id, contacts, seats)
    return await view(billing, account_id)
