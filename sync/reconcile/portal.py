"""Stripe's customer portal: where it changes subscriptions, customers go past the policy and the quotes."""

from __future__ import annotations

from sync.billing import Billing
from sync.reconcile.record import tell
from sync.rules.drift import Difference, FindingKind
from sync.store import findings as store
from sync.store import sweeps
from sync.store.db import transaction


async def check(billing: Billing) -> None:
    """Compare the portal's settings. Raises StripeCallFailed."""
    began = await sweeps.now(billing.pool)
    allowing = await billing.gateway.portals_that_change_plans()
    differences = [
        Difference(
            FindingKind.PORTAL_ALLOWS_UPDATES,
            configuration_id,
            "subscription_update",
            None,
            {"enabled": False},
            {"enabled": True},
        )
        for configuration_id in allowing
    ]
    former = await store.not_over_of_kind(billing.pool, FindingKind.PORTAL_ALLOWS_UPDATES)
    async with transaction(billing.pool) as conn:
        recorded = await store.replace(conn, former, differences, began)
    tell(recorded)
