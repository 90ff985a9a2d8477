"""Events about payment intents: what becomes of the wish to collect an invoice."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

TYPES: Final = frozenset(
    {
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.amount_capturable_updated",
        "payment_intent.partially_funded",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
        "payment_intent.canceled",
    }
)


def observe(event: Event) -> Observation:
    """The payment intent as shown."""
    return observation(Kind.PAYMENT_INTENT, event)
