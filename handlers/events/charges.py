"""Events about charges: money taken, not taken, given back."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

TYPES: Final = frozenset(
    {
        "charge.succeeded",
        "charge.failed",
        "charge.pending",
        "charge.captured",
        "charge.expired",
        "charge.refunded",
        "charge.updated",
    }
)


def observe(event: Event) -> Observation:
    """The charge as shown."""
    return observation(Kind.CHARGE, event)
