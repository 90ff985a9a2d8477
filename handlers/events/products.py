"""Events about products."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

DELETED: Final = "product.deleted"
TYPES: Final = frozenset(
    {
        "product.created",
        "product.updated",
        DELETED,
    }
)


def observe(event: Event) -> Observation:
    """The product as shown."""
    return observation(Kind.PRODUCT, event, deletes=event.type == DELETED)
