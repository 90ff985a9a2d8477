"""Which subscription a change is about; its account may have another one by now."""

from __future__ import annotations

from collections.abc import Collection

from sync.store.db import Executor

# A change of a subscription names it in its quote; a first purchase made it when it was applied.
SELECT_SUBSCRIPTIONS = """
SELECT change.id, coalesce(quote.stripe_subscription_id, applied.subscription_id) AS subscription_id
  FROM change JOIN quote ON quote.id = change.quote_id
  LEFT JOIN LATERAL (
       SELECT step.detail ->> 'subscription' AS subscription_id FROM change_step AS step
        WHERE step.change_id = change.id AND step.step = 'apply' ORDER BY step.id DESC LIMIT 1) AS applied
    ON quote.stripe_subscription_id IS NULL
 WHERE change.id = ANY ($1)
"""


async def subscriptions_of(conn: Executor, change_ids: Collection[str]) -> dict[str, str | None]:
    """The Stripe subscription of each change; None for a first purchase that was not applied (yet)."""
    rows = await conn.fetch(SELECT_SUBSCRIPTIONS, list(change_ids))
    return {row["id"]: row["subscription_id"] for row in rows}
