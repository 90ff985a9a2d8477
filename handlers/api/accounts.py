"""Accounts: what they bought, what they use, what they paid, and who may change it."""

from __future__ import annotations

from handlers.api.lists import page
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import NewAccountBody, PageQuery, PaymentMethodLinkBody, PrimaryAdmin, UsageBody
from sync import account_views, accounts, portal, usage
from sync.accounts import NewAccount


async def create(call: Call[NewAccountBody, Nothing]) -> Answer:
    """Create an account and its customer at Stripe; the same data again gives the same answer."""
    body = call.body
    new = NewAccount(
        account_id=body.account_id,
        email=body.email,
        name=body.name,
        primary_admin_user_id=body.primary_admin.user_id,
        primary_admin_email=body.primary_admin.email,
        locale=body.locale,
        currency=body.currency,
        stripe_customer_id=body.stripe_customer_id,
        payment_method=body.payment_method,
    )
    return Answer.json(await accounts.create(call.billing, new))


async def show(call: Call[Nothing, Nothing]) -> Answer:
    """Return one account."""
    return Answer.json(await account_views.view(call.billing, call.path["account_id"]))


async def list_all(call: Call[Nothing, PageQuery]) -> Answer:
    """Return accounts in the order of their ids."""
    query = call.query
    return page(
        await account_views.list_accounts(
            call.billing, limit=query.limit, starting_after=query.starting_after
        )
    )


async def set_primary_admin(call: Call[PrimaryAdmin, Nothing]) -> Answer:
    """Name another primary admin."""
    account_id, admin = call.path["account_id"], call.body
    return Answer.json(await accounts.set_primary_admin(call.billing, account_id, admin.user_id, admin.email))


async def set_usage(call: Call[UsageBody, Nothing]) -> Answer:
    """Take note of what is in use."""
    account_id, told = call.path["account_id"], call.body
    return Answer.json(await usage.record(call.billing, account_id, told.contacts, told.seats))


async def link_payment_method(call: Call[PaymentMethodLinkBody, Nothing]) -> Answer:
    """Return a link to Stripe's page for the payment method."""
    account_id, body = call.path["account_id"], call.body
    return Answer.json(
        await portal.payment_method_link(call.billing, account_id, body.actor, body.return_url)
    )


async def list_invoices(call: Call[Nothing, PageQuery]) -> Answer:
    """Return the account's invoices, newest first."""
    account_id, query = call.path["account_id"], call.query
    return page(
        await account_views.invoices(
            call.billing, account_id, limit=query.limit, starting_after=query.starting_after
        )
    )
