"""An account's customer at Stripe: made once, whatever becomes of the answer.

Every attempt is a stored call with its own key, `account:<id>:customer:<n>`, and its own body. The next
number is taken only when the last attempt certainly made nothing; while that is unclear, Stripe is read
first, and then the same bytes go out under the same key.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sync import audit_acts, clock, failpoints, switch
from sync.billing import Billing
from sync.errors import Code, Conflict, NotFound, OutcomeUnknown, Refused
from sync.gateway import Failure, StoredCall, StripeCallFailed, Verdict
from sync.requests import ACCOUNT_METADATA, Body
from sync.rules.entitlements import ENDED
from sync.steps import Chore
from sync.store import accounts as store
from sync.store import calls as call_store
from sync.store.calls import CallRow
from sync.store.db import Connection
from sync.stripe_objects import Customer

STEP = "customer"
# The client gives up by then: nothing that was sent is still under way.
IN_FLIGHT = timedelta(seconds=60)
# Stripe forgets keys after a day; well before that the same key may not be trusted any more.
KEY_LIFE = timedelta(hours=23)
# Stripe's own answer, replayed under its key for a day. A 502 or 504 may come from a machine on the way.
REPLAYED_ERROR = 500

_DEFINITE_NO = (Verdict.DECLINED, Verdict.REFUSED, Verdict.MISSING)
_NOT_EXECUTED = (Verdict.REPEAT, Verdict.LIMITED, Verdict.DENIED)


async def create(billing: Billing, account_id: str, body: Body) -> None:
    """Give the stored account its customer, or find the one that an earlier attempt made.

    Raises Refused (stripe_refused); Conflict (account_exists) when an earlier attempt made the customer
    with another payment method; OutcomeUnknown while one with another body may still be under way; and
    StripeTrouble.
    """
    while await _is_missing(billing, account_id):
        last, attempts = await call_store.newest(billing.pool, account_id, STEP)
        found = await _read_back(billing, account_id, last) if last is not None else None
        if last is not None and found is not None:
            await _keep(billing, account_id, last.call.key, found, 200, None)
            _check_payment_method(account_id, last, body)
            return
        call = await _take(billing, account_id, last, attempts, body)
        if call is not None:
            await _send(billing, account_id, call)
            return


async def check_linkable(billing: Billing, customer_id: str, currency: str) -> None:
    """Whether this customer of Stripe's may become an account's.

    Raises NotFound, Refused (currency_mismatch), and Conflict (subscription_exists) where something is
    already billed: a purchase here would bill it twice.
    """
    customer = await _existing(billing, customer_id)
    if customer.currency not in (None, currency):
        raise Refused(
            Code.CURRENCY_MISMATCH,
            f"Customer {customer_id} is billed in {customer.currency}, not in {currency}. "
            "Nothing was created.",
        )
    for subscription in await billing.gateway.subscriptions_of(customer_id):
        if subscription.status not in ENDED:
            raise Conflict(
                Code.SUBSCRIPTION_EXISTS,
                f"Customer {customer_id} already has the subscription {subscription.id} at Stripe, which is "
                f"{subscription.status}. `prorata adopt --subscription {subscription.id}` takes it over and "
                "makes the account. Nothing was created.",
            )


async def _existing(billing: Billing, customer_id: str) -> Customer:
    try:
        customer = await billing.gateway.customer(customer_id)
    except StripeCallFailed as error:
        if error.failure.verdict is not Verdict.MISSING:
            raise
        detail = f"Stripe has no customer {customer_id}. Nothing was created."
        raise NotFound(Code.NOT_FOUND, detail) from error
    if customer.deleted:
        raise NotFound(Code.NOT_FOUND, f"Customer {customer_id} was deleted at Stripe. Nothing was created.")
    return customer


async def was_refused(conn: Connection, account_id: str) -> bool:
    """Whether Stripe's last word on the account's customer is a definite no."""
    last, _ = await call_store.newest(conn, account_id, STEP)
    return last is not None and _is_no(last)


def next_call(account_id: str, last: CallRow | None, attempts: int, body: Body, now: datetime) -> StoredCall:
    """What may be sent after `last`, of which Stripe shows no customer. Pure. Raises OutcomeUnknown."""
    fresh = StoredCall(f"account:{account_id}:customer:{attempts + 1}", STEP, "POST", "/v1/customers", body)
    if last is None or _is_no(last) or last.http_status == REPLAYED_ERROR:
        return fresh
    same = last.call.params == body
    if last.first_sent_at is None or last.last_sent_at is None:
        return last.call if same else fresh
    if same and now - last.first_sent_at < KEY_LIFE:
        return last.call
    if now - last.last_sent_at < IN_FLIGHT:
        raise OutcomeUnknown(
            Code.OUTCOME_UNKNOWN,
            f"An earlier request to create {account_id!r} may still be under way. Nothing was charged; "
            "repeat this one in a minute.",
            retryable=True,
        )
    return fresh


def _is_no(row: CallRow) -> bool:
    return row.http_status is not None and 400 <= row.http_status < 500


async def _is_missing(billing: Billing, account_id: str) -> bool:
    account = await store.get(billing.pool, account_id)
    return account is not None and account.stripe_customer_id is None


async def _read_back(billing: Billing, account_id: str, last: CallRow) -> str | None:
    """The customer that a call without a clear answer made after all."""
    if last.sends == 0 or _is_no(last):
        return None
    customers = await billing.gateway.customers_by_email(last.call.params["email"])
    ours = (each.id for each in customers if each.metadata.get(ACCOUNT_METADATA) == account_id)
    return next(ours, None)


async def _take(
    billing: Billing, account_id: str, last: CallRow | None, attempts: int, body: Body
) -> StoredCall | None:
    """Commit what is about to leave; None when somebody else moved on since `last` was read."""
    async with failpoints.committing(billing.pool, [Chore.TAKE_CUSTOMER]) as conn:
        account = await store.lock(conn, account_id)
        if account is None or account.stripe_customer_id is not None:
            return None
        if await call_store.newest(conn, account_id, STEP) != (last, attempts):
            return None
        call = next_call(account_id, last, attempts, body, clock.wall())
        await call_store.insert(conn, call, account_id)
        await call_store.mark_sent(conn, call.key)
    return call


async def _send(billing: Billing, account_id: str, call: StoredCall) -> None:
    try:
        answer = await billing.gateway.send(call, switch.gate(billing.pool, account_id))
    except StripeCallFailed as error:
        await _note(billing, call, error.failure)
        await switch.require_go(billing.pool, account_id)
        if error.failure.verdict in _DEFINITE_NO:
            raise Refused(
                Code.STRIPE_REFUSED,
                f"Stripe did not create the customer: {error.failure.message} Nothing was charged.",
            ) from error
        raise
    customer_id = str(answer.data["id"])
    await _keep(billing, account_id, call.key, customer_id, answer.http_status, answer.request_id)


async def _note(billing: Billing, call: StoredCall, failure: Failure) -> None:
    """Store what is certain: a no, an error that will be replayed, or that it was never executed."""
    if failure.verdict in _DEFINITE_NO or failure.http_status == REPLAYED_ERROR:
        status = failure.http_status or 400
        await call_store.mark_answered(billing.pool, call.key, status, failure.request_id, failure.code)
    elif failure.verdict in _NOT_EXECUTED:
        await call_store.mark_not_executed(billing.pool, call.key)


async def _keep(
    billing: Billing, account_id: str, key: str, customer_id: str, status: int, request_id: str | None
) -> None:
    """Store the answer and the customer together; one that was read back counts as 200."""
    async with failpoints.committing(billing.pool, [Chore.KEEP_CUSTOMER]) as conn:
        await store.lock(conn, account_id)
        await call_store.mark_answered(conn, key, status, request_id)
        if not await store.set_customer(conn, account_id, customer_id):
            raise Conflict(
                Code.ACCOUNT_EXISTS, f"Account {account_id!r} was linked to another customer meanwhile."
            )
        await audit_acts.customer_made(conn, account_id, customer_id)


def _check_payment_method(account_id: str, last: CallRow, body: Body) -> None:
    """The customer has the card of the attempt that made it; another one is refused, never ignored."""
    wanted = body.get("payment_method")
    if wanted not in (None, last.call.params.get("payment_method")):
        raise Conflict(
            Code.ACCOUNT_EXISTS,
            f"Account {account_id!r} was created by an earlier request with another payment method, which "
            f"it keeps; {wanted} was not used. Nothing was charged.",
        )
