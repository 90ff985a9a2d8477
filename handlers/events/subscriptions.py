"""Events about subscriptions: items, status, periods, and changes that wait for their payment."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

TYPES: Final = frozenset(
    {
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired",
    }
)


def observe(event: Event) -> Observation:
    """The subscription as shown. Its deletion is no tombstone: it stays, with the status `canceled`."""
    return observation(Kind.SUBSCRIPTION, event)
