"""Events about subscription schedules: what a subscription will be, phase by phase."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

TYPES: Final = frozenset(
    {
        "subscription_schedule.created",
        "subscription_schedule.updated",
        "subscription_schedule.released",
        "subscription_schedule.completed",
        "subscription_schedule.canceled",
        "subscription_schedule.aborted",
        "subscription_schedule.expiring",
    }
)


def observe(event: Event) -> Observation:
    """The schedule as shown. None is ever deleted: an ended one stays, with its last status."""
    return observation(Kind.SCHEDULE, event)
