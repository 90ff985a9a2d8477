"""Events about prices. `plan.*` tells the same again and is not listed."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

DELETED: Final = "price.deleted"
TYPES: Final = frozenset(
    {
        "price.created",
        "price.updated",
        DELETED,
    }
)


def observe(event: Event) -> Observation:
    """The price as shown."""
    return observation(Kind.PRICE, event, deletes=event.type == DELETED)
