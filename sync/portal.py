"""Stripe's own page where a customer changes the payment method: we never see a card."""

from __future__ import annotations

from sync.billing import Billing
from sync.errors import Code, Conflict, Refused
from sync.gateway import StripeCallFailed, Verdict
from sync.quotes import require_account, require_admin


async def payment_method_link(
    billing: Billing, account_id: str, actor_id: str, return_url: str | None = None
) -> dict[str, str]:
    """A link that opens Stripe's page for the payment method, once and for a few minutes; `{url}`.

    A parked account gets one, too: nothing is charged by it. Raises NotFound (account_unknown), Refused
    (not_billing_admin, stripe_refused), Conflict (change_in_progress while the account is being created,
    account_parked where the customer was deleted) and StripeTrouble.
    """
    account = await require_account(billing, account_id)
    require_admin(account, actor_id)
    if account.stripe_customer_id is None:
        raise Conflict(
            Code.CHANGE_IN_PROGRESS,
            "The account is still being created at Stripe. Send its creation again, then ask again.",
            retryable=True,
        )
    try:
        url = await billing.gateway.payment_method_page(
            account.stripe_customer_id, locale=account.locale, return_url=return_url
        )
    except StripeCallFailed as error:
        raise _explained(error) from error
    return {"url": url}


def _explained(error: StripeCallFailed) -> Exception:
    if error.failure.verdict is Verdict.MISSING:
        detail = "The customer was deleted at Stripe; staff must look at it. Nothing was charged."
        return Conflict(Code.ACCOUNT_PARKED, detail)
    if error.failure.verdict is Verdict.REFUSED:
        detail = f"Stripe opens no page for the payment method: {error.failure.message} Nothing was charged."
        return Refused(Code.STRIPE_REFUSED, f"{detail} `prorata doctor` shows the portal's settings.")
    return error
