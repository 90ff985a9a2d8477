"""Events about the payments of invoices: which payment intent or charge paid which invoice."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

TYPES: Final = frozenset({"invoice_payment.paid"})


def observe(event: Event) -> Observation:
    """The payment as shown."""
    return observation(Kind.INVOICE_PAYMENT, event)
