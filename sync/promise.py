"""Does the quote still hold? Asked at confirm, and again right before the call leaves."""

from __future__ import annotations

import asyncio

from sync import pricing
from sync.billing import Billing
from sync.errors import Conflict
from sync.pricing import Priced
from sync.quotes import require_running
from sync.state_at_stripe import read_state
from sync.store import catalog_prices
from sync.store.accounts import AccountRow
from sync.store.quotes import QuoteRow


async def broken(billing: Billing, account: AccountRow, quote: QuoteRow) -> str | None:
    """Why the quote no longer holds, or None: the state is the same, and so is every line of its preview.

    The fingerprint is the cheap check; the repeated preview is the one that knows discounts, taxes and
    whatever else rides along. Raises StripeTrouble, and Conflict when the account was parked.
    """
    customer_id = require_running(account)
    try:
        state, now = await asyncio.gather(
            read_state(billing, account, customer_id), _repeated(billing, quote)
        )
    except Conflict as error:
        return error.detail
    if state.fingerprint() != quote.fingerprint:
        return "The subscription has moved since the quote"
    if now is not None and (moved := now.differs_from(pricing.promised(quote))) is not None:
        return f"The amounts have moved since the quote ({moved})"
    return None


async def _repeated(billing: Billing, quote: QuoteRow) -> Priced | None:
    """The quote's preview once more; None where no item changes now, and so nothing was priced."""
    if quote.stripe_params is None or "items" not in quote.stripe_params:
        return None
    return await pricing.repeat_preview(
        billing,
        await catalog_prices.book(billing.pool),
        subscription_id=quote.stripe_subscription_id,
        params=quote.stripe_params,
        proration_unix=quote.proration_unix,
    )
