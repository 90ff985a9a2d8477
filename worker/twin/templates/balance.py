"""The account's own money: balance transactions, the balance, payouts."""

from __future__ import annotations

from typing import Any

from worker.twin.store import Doc
from worker.twin.templates import fresh, frozen

BALANCE_TRANSACTION = frozen(
    {
        "id": None,
        "object": "balance_transaction",
        "amount": 0,
        "available_on": None,
        "balance_type": "payments",
        "created": None,
        "currency": None,
        "description": None,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": 0,
        "reporting_category": None,
        "source": None,
        "status": "available",
        "type": None,
    }
)
PAYOUT = frozen(
    {
        "id": None,
        "object": "payout",
        "amount": 0,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": None,
        "automatic": False,
        "balance_transaction": None,
        "created": None,
        "currency": None,
        "description": None,
        "destination": "ba_twin",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending",
        "trace_id": None,
        "type": "bank_account",
    }
)


def balance_transaction(object_id: str, created: int, source: Doc, amount: int, fee: int) -> Doc:
    """One move of the account's balance: `amount` minor units in (negative: out), `fee` taken off it."""
    details = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return fresh(
        BALANCE_TRANSACTION,
        id=object_id,
        amount=amount,
        available_on=created,
        created=created,
        currency=source["currency"],
        fee=fee,
        fee_details=[details] if fee else [],
        net=amount - fee,
        source=source["id"],
    )


def balance(available: dict[str, int], pending: dict[str, int]) -> dict[str, Any]:
    """What the account has, by currency."""
    return {
        "object": "balance",
        "available": _amounts(available),
        "livemode": False,
        "pending": _amounts(pending),
    }


def _amounts(sums: dict[str, int]) -> list[dict[str, Any]]:
    return [{"amount": a, "currency": c, "source_types": {"card": a}} for c, a in sorted(sums.items())]


def payout(object_id: str, created: int, amount: int, currency: str, arrival: int, automatic: bool) -> Doc:
    """Money on its way to the account's bank; an automatic payout can be itemised."""
    return fresh(
        PAYOUT,
        id=object_id,
        amount=amount,
        arrival_date=arrival,
        automatic=automatic,
        created=created,
        currency=currency,
        reconciliation_status="in_progress" if automatic else "not_applicable",
    )
