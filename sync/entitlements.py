"""What an account may use now: the terms in force, seen through the state of its subscription.

Terms are in force from the moment their change was applied, which the flows write together with the
subscription's id; our copy of the subscription follows with Stripe's events, and never grants by itself.
"""

from __future__ import annotations

from sync.billing import Billing
from sync.mirror_rows import SubscriptionRow
from sync.rules.entitlements import Entitlement, Status, entitlement
from sync.rules.policy import Policy
from sync.rules.terms import Terms
from sync.store import accounts as account_store
from sync.store import mirror as mirror_store
from sync.store.accounts import AccountRow
from sync.store.db import Executor


async def granted_to(billing: Billing, account: AccountRow, conn: Executor | None = None) -> Entitlement:
    """What the account may use now, read on its own or on the caller's connection."""
    executor = conn or billing.pool
    subscription_id = account.stripe_subscription_id
    return of_account(
        billing.policy,
        account,
        await account_store.terms(executor, account.id),
        await mirror_store.subscription_row(executor, subscription_id) if subscription_id else None,
    )


def of_account(
    policy: Policy, account: AccountRow, terms: Terms | None, mirrored: SubscriptionRow | None
) -> Entitlement:
    """What is granted. `mirrored` is our copy of the account's subscription, None while there is none yet."""
    return entitlement(policy.entitlements, _status(account, mirrored), terms)


def _status(account: AccountRow, mirrored: SubscriptionRow | None) -> str:
    if mirrored is not None:
        return mirrored.status
    # It was read at Stripe and found paid when the change was applied; its first event is on the way.
    return Status.ACTIVE if account.stripe_subscription_id else Status.NONE
