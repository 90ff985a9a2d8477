"""What every flow needs, opened from the settings: database, door to Stripe, catalog, policy.

Apart from `worker.app`, so that a command which only asks a question does not load the HTTP doors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from sync import changes, switch
from sync.billing import Billing
from sync.gateway import Gateway
from sync.mirror import Mirror
from sync.rules import catalog, policy
from sync.store.db import Pool, create_pool
from sync.store.rate import RateRow
from worker.config_rules import STRIPE_API_BASE, ConfigError

if TYPE_CHECKING:
    from worker.config import Settings


@asynccontextmanager
async def billing_for(
    settings: Settings, *, application_name: str, connections: int, connect_seconds: float = 15.0
) -> AsyncIterator[Billing]:
    """Everything a flow needs, opened and closed again. Raises DatabaseTrouble, BadInput."""
    sold, rules = load_catalog(settings), load_policy(settings)
    pool = await create_pool(
        settings.dsn,
        min_size=2,
        max_size=connections,
        application_name=application_name,
        connect_seconds=connect_seconds,
    )
    gateway: Gateway | None = None
    try:
        gateway = gateway_for(settings, pool)
        yield Billing(
            pool=pool,
            gateway=gateway,
            catalog=sold,
            policy=rules,
            mirror=Mirror(wake=changes.wake),
            quote_ttl_seconds=settings.quote_ttl_seconds,
            support_email=settings.support_email,
        )
    finally:
        if gateway is not None:
            await gateway.close()
        await pool.close()


def gateway_for(settings: Settings, pool: Pool) -> Gateway:
    """The door to Stripe, with the budget that all processes share; a closed one where there is no key."""
    if settings.stripe_api_key is None:
        return cast("Gateway", ClosedGateway())
    base = settings.stripe_api_base
    return Gateway(
        api_key=settings.stripe_api_key.get_secret_value(),
        api_base=None if base == STRIPE_API_BASE else base,
        budget=RateRow(pool, settings.stripe_rate),
        gate=switch.gate(pool),
    )


class ClosedGateway:
    """Stands where a command never calls Stripe, so that looking at our own tables needs no key."""

    async def close(self) -> None:
        """Nothing was opened."""

    def __getattr__(self, name: str) -> object:
        raise ConfigError([f"STRIPE_API_KEY: is missing, and this command asks Stripe ({name})"])


def load_catalog(settings: Settings) -> catalog.Catalog:
    """The catalog of PRORATA_CATALOG, or the packaged one. Raises BadInput."""
    return catalog.Catalog.load(settings.catalog.read_text()) if settings.catalog else catalog.packaged()


def load_policy(settings: Settings) -> policy.Policy:
    """The policy of PRORATA_POLICY, or the packaged one. Raises BadInput."""
    return policy.Policy.load(settings.policy.read_text()) if settings.policy else policy.packaged()
