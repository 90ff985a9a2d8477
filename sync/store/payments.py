"""What the mirror holds of the payments behind invoices."""

from __future__ import annotations

from collections.abc import Collection

from sync.rules.payments import Attempt, Taken
from sync.store.db import Executor

CHARGES_OF = """
SELECT DISTINCT paid_by.invoice_id, charge.id, charge.amount_refunded_minor, charge.disputed
  FROM stripe_invoice_paid_by AS paid_by
  JOIN stripe_charge AS charge
    ON charge.payment_intent_id = paid_by.payment_intent_id OR charge.id = paid_by.charge_id
 WHERE paid_by.invoice_id = ANY ($1)
"""


async def charges_of(conn: Executor, invoice_ids: Collection[str]) -> list[Taken]:
    """The charges of these invoices, failed ones too, in no order."""
    rows = await conn.fetch(CHARGES_OF, list(invoice_ids))
    return [Taken(row["invoice_id"], row["amount_refunded_minor"], row["disputed"]) for row in rows]


INTENTS_OF = """
SELECT DISTINCT ON (paid_by.invoice_id)
       paid_by.invoice_id, intent.status, intent.last_error_code, intent.last_decline_code
  FROM stripe_invoice_paid_by AS paid_by
  JOIN stripe_payment_intent AS intent ON intent.id = paid_by.payment_intent_id
 WHERE paid_by.invoice_id = ANY ($1)
 ORDER BY paid_by.invoice_id, intent.created_unix DESC, intent.id DESC
"""


async def newest_attempts(conn: Executor, invoice_ids: Collection[str]) -> list[Attempt]:
    """The newest payment intent of each of these invoices, where there is one."""
    return [Attempt(*row) for row in await conn.fetch(INTENTS_OF, list(invoice_ids))]
