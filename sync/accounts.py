"""Accounts: created or linked at Stripe once, looked at, and kept up to date by the host application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from sync import customers, requests
from sync.billing import Billing
from sync.contract import amount, iso
from sync.errors import Code, Conflict, Refused
from sync.mirror_rows import InvoiceRow, SubscriptionItemRow, SubscriptionRow
from sync.quotes import require_account
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.store import accounts as store
from sync.store import changes as change_store
from sync.store import mirror as mirror_store
from sync.store.accounts import AccountRow
from sync.store.changes import LegRow
from sync.store.db import Connection, transaction

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

    Raises Conflict (account_exists) for other data under a known id or a customer of another account,
    Conflict (subscription_exists), Refused (currency_mismatch), NotFound for an unknown customer to link,
    and what `customers.create` raises.
    """
    if new.currency not in billing.catalog.currencies:
        raise Refused(
            Code.CURRENCY_MISMATCH, f"Nothing is sold in {new.currency.upper()}. Nothing was created."
        )
    known = await store.get(billing.pool, new.account_id)
    if known is not None and known.stripe_customer_id is not None:
        if not _same(known, new):
            raise _other_data(new)
    elif new.stripe_customer_id is not None:
        await _link(billing, new, new.stripe_customer_id)
    else:
        async with transaction(billing.pool) as conn:
            await _write(conn, new)
        await customers.create(billing, new.account_id, _customer_body(new))
    return await view(billing, new.account_id)


async def _link(billing: Billing, new: NewAccount, customer_id: str) -> None:
    """Write the account with an existing customer, or nothing at all."""
    owner = await store.id_of_customer(billing.pool, customer_id)
    if owner is not None:
        raise _taken(customer_id)
    await customers.check_linkable(billing, customer_id, new.currency)
    try:
        async with transaction(billing.pool) as conn:
            await _write(conn, new)
            if not await store.set_customer(conn, new.account_id, customer_id):
                raise _other_data(new)
    except asyncpg.UniqueViolationError as error:
        raise _taken(customer_id) from error


async def _write(conn: Connection, new: NewAccount) -> None:
    """Insert and lock the account. Data that Stripe refused may be corrected: nothing was made from it."""
    await store.insert(conn, _columns(new))
    account = await store.lock(conn, new.account_id)
    if account is not None and _same(account, new):
        return
    if account is None or account.stripe_customer_id or not await customers.was_refused(conn, account.id):
        raise _other_data(new)
    await store.rewrite(conn, _columns(new))


def _other_data(new: NewAccount) -> Conflict:
    return Conflict(Code.ACCOUNT_EXISTS, f"Account {new.account_id!r} exists with other data.")


def _taken(customer_id: str) -> Conflict:
    detail = f"Customer {customer_id} belongs to another account. Nothing was created."
    return Conflict(Code.ACCOUNT_EXISTS, detail)


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


def _customer_body(new: NewAccount) -> requests.Body:
    return requests.customer(
        new.account_id, email=new.email, name=new.name, locale=new.locale, payment_method=new.payment_method
    )


# ---- look


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of a page of accounts, each in one read."""

    terms: Mapping[str, Terms]
    open_legs: Sequence[LegRow]
    subscriptions: Mapping[str, SubscriptionRow]
    items: Mapping[str, Sequence[SubscriptionItemRow]]
    have_card: Mapping[str, bool]


async def view(billing: Billing, account_id: str) -> dict[str, Any]:
    """The account of the public contract, from our own tables only. Raises NotFound (account_unknown)."""
    return (await _views(billing, [await require_account(billing, account_id)]))[0]


async def list_accounts(
    billing: Billing, *, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of accounts by id, and whether there are more."""
    rows = await store.page(billing.pool, limit + 1, starting_after)
    return await _views(billing, rows[:limit]), len(rows) > limit


async def _views(billing: Billing, rows: Sequence[AccountRow]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    subscription_ids = [row.stripe_subscription_id for row in rows if row.stripe_subscription_id]
    facts = _Facts(
        terms=await store.terms_of(billing.pool, ids),
        open_legs=await change_store.open_legs(billing.pool, ids),
        subscriptions=await mirror_store.subscription_rows(billing.pool, subscription_ids),
        items=await mirror_store.items_of(billing.pool, subscription_ids),
        have_card=await store.have_payment_method(billing.pool, ids),
    )
    return [_view(billing, row, facts) for row in rows]


def _view(billing: Billing, account: AccountRow, facts: _Facts) -> dict[str, Any]:
    terms = facts.terms.get(account.id)
    legs = [leg for leg in facts.open_legs if leg.account_id == account.id]
    renewal = next((leg for leg in legs if leg.leg == Leg.AT_RENEWAL), None)
    mirrored = facts.subscriptions.get(account.stripe_subscription_id or "")
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
        "next_invoice": _next_invoice(billing, account, after, legs, facts) if after else None,
        "open_legs": [_leg_json(leg) for leg in legs],
        "findings": [],
        "payment_method": {"present": facts.have_card.get(account.id)},
        "parked": {"at": iso(account.parked_at), "reason": account.parked_reason}
        if account.parked_at
        else None,
        "created_at": iso(account.created_at),
    }


def _next_invoice(
    billing: Billing, account: AccountRow, terms: Terms, legs: Sequence[LegRow], facts: _Facts
) -> dict[str, Any] | None:
    """What the next renewal costs before discounts and taxes; a quote asks Stripe itself."""
    mirrored = facts.subscriptions.get(account.stripe_subscription_id or "")
    if mirrored is None or mirrored.period_end_unix is None or _ends(mirrored):
        return None
    minor = _mirrored_minor(facts.items.get(mirrored.id, ()))
    if minor is None or any(_is_ahead(leg) for leg in legs):
        minor = billing.catalog.recurring_minor(terms, account.currency)
    return {
        "amount": amount(minor, account.currency),
        "on": iso(datetime.fromtimestamp(mirrored.period_end_unix, UTC)),
        "why": "renewal",
    }


def _ends(row: SubscriptionRow) -> bool:
    """Whether the subscription has ended, or ends with its period: then nothing is promised."""
    if row.status in ("canceled", "incomplete_expired") or row.cancel_at_period_end:
        return True
    end_unix = row.period_end_unix
    return row.cancel_at_unix is not None and end_unix is not None and row.cancel_at_unix <= end_unix


def _mirrored_minor(items: Sequence[SubscriptionItemRow]) -> int | None:
    """What the items cost, kept older prices too; None where the mirror does not know it."""
    amounts = [(item.unit_amount_minor, item.quantity) for item in items]
    known = [unit * quantity for unit, quantity in amounts if unit is not None and quantity is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _is_ahead(leg: LegRow) -> bool:
    """Whether the terms may be newer than the mirrored items: promised, or applied a moment ago."""
    return leg.leg == Leg.AT_RENEWAL or leg.state == LegState.APPLIED


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
