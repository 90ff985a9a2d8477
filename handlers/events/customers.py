"""Events about customers: who they are, their balance, what they pay with."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

DELETED: Final = "customer.deleted"
TYPES: Final = frozenset(
    {
        "customer.created",
        "customer.updated",
        DELETED,
    }
)


def observe(event: Event) -> Observation:
    """The customer as shown. A deleted one is gone for ever; its subscriptions tell their own end."""
    return observation(Kind.CUSTOMER, event, deletes=event.type == DELETED)
