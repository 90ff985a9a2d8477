"""The twin's own book of effects: the oracle of "exactly once".

One entry for each effect on a subscription, an invoice or money, with the idempotency key and the change id
that caused it. It is written where the effect happens and read by tests only.
"""

from __future__ import annotations

import msgspec


class Effect(msgspec.Struct, gc=False):
    """One effect at `at` (the twin's clock); `change_id` is the request's `metadata.prorata_change`."""

    seq: int
    at: int
    kind: str
    object: str
    amount_minor: int
    currency: str
    idempotency_key: str | None
    change_id: str | None
    subscription: str | None
    customer: str | None
    request: str | None


class Origin(msgspec.Struct, gc=False):
    """Who caused an effect that may take hold later: the key and the change that began it."""

    idempotency_key: str | None = None
    change_id: str | None = None


class Ledger:
    """Effects in the order in which they happened."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []

    def write(self, effect: Effect) -> None:
        """Append one effect."""
        self.effects.append(effect)

    def read(self, **wanted: str) -> list[Effect]:
        """Effects whose fields equal `wanted`."""
        return [
            e for e in self.effects if all(getattr(e, name, None) == value for name, value in wanted.items())
        ]
