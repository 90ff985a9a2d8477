"""What the mirror holds of the one object that a story was asked about."""

from __future__ import annotations

from typing import Any

from sync.store.db import Executor

ABOUT_CHARGE = """
SELECT charge.status, charge.currency, charge.amount_minor, charge.amount_refunded_minor, charge.disputed,
       charge.failure_code, charge.payment_intent_id AS stripe_payment_intent_id,
       charge.balance_transaction_id AS stripe_balance_transaction_id,
       (SELECT min(paid_by.invoice_id) FROM stripe_invoice_paid_by AS paid_by
         WHERE paid_by.payment_intent_id = charge.payment_intent_id) AS stripe_invoice_id,
       to_timestamp(charge.created_unix) AS created_at
  FROM stripe_charge AS charge WHERE charge.id = $1
"""
ABOUT_INTENT = """
SELECT intent.status, intent.currency, intent.amount_minor,
       coalesce(intent.last_decline_code, intent.last_error_code) AS failure_code,
       (SELECT min(paid_by.invoice_id) FROM stripe_invoice_paid_by AS paid_by
         WHERE paid_by.payment_intent_id = intent.id) AS stripe_invoice_id,
       ARRAY(SELECT charge.id FROM stripe_charge AS charge WHERE charge.payment_intent_id = intent.id
              ORDER BY charge.created_unix, charge.id) AS stripe_charge_ids,
       to_timestamp(intent.created_unix) AS created_at
  FROM stripe_payment_intent AS intent WHERE intent.id = $1
"""
# Prices are told by the name that we gave them, where the mirror knows it.
ABOUT_SCHEDULE = """
SELECT plan.status, coalesce(plan.subscription_id, plan.released_subscription_id) AS stripe_subscription_id,
       plan.end_behavior, to_timestamp(plan.current_phase_start_unix) AS current_phase_start_at,
       to_timestamp(plan.created_unix) AS created_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'phase', item.phase, 'start_at', to_timestamp(item.phase_start_unix),
                   'end_at', to_timestamp(item.phase_end_unix), 'stripe_price_id', item.price_id,
                   'lookup_key', price.lookup_key, 'quantity', item.quantity) ORDER BY item.position), '[]')
          FROM stripe_subscription_schedule_item AS item
          LEFT JOIN stripe_price AS price ON price.id = item.price_id
         WHERE item.schedule_id = plan.id) AS items
  FROM stripe_subscription_schedule AS plan WHERE plan.id = $1
"""
ABOUT = {"charge": ABOUT_CHARGE, "payment_intent": ABOUT_INTENT, "schedule": ABOUT_SCHEDULE}


async def about(conn: Executor, kind: str, given_id: str) -> dict[str, Any] | None:
    """The object as mirrored; None for kinds that have a story of their own, and for unknown objects."""
    if kind not in ABOUT:
        return None
    row = await conn.fetchrow(ABOUT[kind], given_id)
    return dict(row) if row else None
