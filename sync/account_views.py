"""What is shown of accounts and their invoices, from our own tables only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync import entitlements
from sync.billing import Billing
from sync.contract import amount, iso
from sync.invoice_payments import payments_json
from sync.mirror_rows import InvoiceRow, SubscriptionItemRow, SubscriptionRow
from sync.quotes import require_account
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.store import accounts as store
from sync.store import changes as change_store
from sync.store import findings as finding_store
from sync.store import mirror as mirror_store
from sync.store.accounts import AccountRow, TermsRow
from sync.store.changes import LegRow

# The newest of each account.
HISTORY_MOST = 20


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of a page of accounts, each in one read."""

    terms: Mapping[str, Terms]
    open_legs: Sequence[LegRow]
    subscriptions: Mapping[str, SubscriptionRow]
    items: Mapping[str, Sequence[SubscriptionItemRow]]
    have_card: Mapping[str, bool]
    history: Mapping[str, Sequence[TermsRow]]
    findings: Mapping[str, Sequence[dict[str, str]]]


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
        history=await store.terms_history(billing.pool, ids, HISTORY_MOST),
        findings=await finding_store.open_of(billing.pool, ids),
    )
    return [_view(billing, row, facts) for row in rows]


def _view(billing: Billing, account: AccountRow, facts: _Facts) -> dict[str, Any]:
    terms = facts.terms.get(account.id)
    legs = [leg for leg in facts.open_legs if leg.account_id == account.id]
    renewal = next((leg for leg in legs if leg.leg == Leg.AT_RENEWAL), None)
    mirrored = facts.subscriptions.get(account.stripe_subscription_id or "")
    granted = entitlements.of_account(billing.policy, account, terms, mirrored)
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
        "subscription_status": mirrored.status if mirrored else None,
        "terms": terms.to_json() if terms else None,
        "terms_after_renewal": after.to_json() if after else None,
        "entitled": granted.entitled.to_json() if granted.entitled else None,
        "entitlement": granted.to_json(),
        "usage": {"contacts": account.contacts_in_use, "seats": account.seats_in_use},
        "next_invoice": _next_invoice(billing, account, after, legs, facts) if after else None,
        "open_legs": [_leg_json(leg) for leg in legs],
        "findings": list(facts.findings.get(account.id, ())),
        "payment_method": {"present": facts.have_card.get(account.id)},
        "parked": {"at": iso(account.parked_at), "reason": account.parked_reason}
        if account.parked_at
        else None,
        "history": [_terms_json(row) for row in facts.history.get(account.id, ())],
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


def _terms_json(row: TermsRow) -> dict[str, Any]:
    return {
        "effective_at": iso(row.effective_at),
        "ended_at": iso(row.ended_at),
        "change_id": row.change_id,
        "leg": row.leg,
        "terms": row.terms.to_json(),
    }


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
    payments = await payments_json(billing.pool, rows[:limit])
    return [_invoice_json(row, payments[row.id]) for row in rows[:limit]], len(rows) > limit


def _invoice_json(row: InvoiceRow, payment: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "status": row.status,
        "billing_reason": row.billing_reason,
        "total": amount(row.total_minor, row.currency),
        "amount_due": amount(row.amount_due_minor, row.currency),
        "amount_paid": amount(row.amount_paid_minor, row.currency),
        "payment": payment,
        "hosted_invoice_url": row.hosted_invoice_url,
        "created_at": iso(datetime.fromtimestamp(row.created_unix, UTC)),
    }
