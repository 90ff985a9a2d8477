"""Accounts: created or linked at Stripe once, and kept up to date by the host application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from sync import account_views, audit_acts, customers, failpoints, requests, switch
from sync.billing import Billing
from sync.errors import Code, Conflict, Refused
from sync.quotes import require_account
from sync.steps import Chore
from sync.store import accounts as store
from sync.store.accounts import AccountRow
from sync.store.db import Connection


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
    Conflict (subscription_exists), Refused (currency_mismatch, writes_stopped), NotFound for an unknown
    customer to link, and what `customers.create` raises.
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
        await switch.require_go(billing.pool, new.account_id)
        async with failpoints.committing(billing.pool, [Chore.WRITE_ACCOUNT]) as conn:
            await _write(conn, new)
        await customers.create(billing, new.account_id, _customer_body(new))
    return await account_views.view(billing, new.account_id)


async def _link(billing: Billing, new: NewAccount, customer_id: str) -> None:
    """Write the account with an existing customer, or nothing at all."""
    owner = await store.id_of_customer(billing.pool, customer_id)
    if owner is not None:
        raise _taken(customer_id)
    await customers.check_linkable(billing, customer_id, new.currency)
    try:
        async with failpoints.committing(billing.pool, [Chore.LINK_ACCOUNT]) as conn:
            await _write(conn, new, customer_id)
            if not await store.set_customer(conn, new.account_id, customer_id):
                raise _other_data(new)
    except asyncpg.UniqueViolationError as error:
        raise _taken(customer_id) from error


async def _write(conn: Connection, new: NewAccount, customer_id: str | None = None) -> None:
    """Insert and lock the account. Data that Stripe refused may be corrected: nothing was made from it."""
    is_new = await store.insert(conn, _columns(new))
    account = await store.lock(conn, new.account_id)
    if account is not None and _same(account, new):
        if is_new or customer_id is not None:
            before = None if is_new else account
            await audit_acts.account_written(conn, _columns(new), before, customer_id)
        return
    if account is None or account.stripe_customer_id or not await customers.was_refused(conn, account.id):
        raise _other_data(new)
    await store.rewrite(conn, _columns(new))
    await audit_acts.account_written(conn, _columns(new), account, customer_id)


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


# ---- what the host application keeps up to date


async def set_primary_admin(billing: Billing, account_id: str, user_id: str, email: str) -> dict[str, Any]:
    """Name another primary admin; returns the account. Raises NotFound (account_unknown)."""
    await require_account(billing, account_id)
    async with failpoints.committing(billing.pool, [Chore.NAME_ADMIN]) as conn:
        before = await store.lock(conn, account_id)
        await store.set_admin(conn, account_id, user_id, email)
        if before is not None:
            await audit_acts.admin_named(conn, before, user_id, email)
    return await account_views.view(billing, account_id)
