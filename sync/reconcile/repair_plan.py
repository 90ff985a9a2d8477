"""What a repair would do, computed from fresh reads: the very calls that it would send, and nothing sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sync import requests
from sync.billing import Billing
from sync.errors import Code, ProrataError, Refused
from sync.reconcile import repair_promise
from sync.reconcile.digests import digest
from sync.reconcile.repair_items import Facts, needs_staff, terms_of, update_of
from sync.reconcile.repair_sides import Side, advice
from sync.renewal.ownership import SCHEDULES, was_made_for
from sync.rules.drift import FindingKind
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot
from sync.rules.terms import Terms
from sync.state_at_stripe import QUIET_SECONDS, items_of
from sync.store import accounts as account_store
from sync.store import catalog_prices
from sync.store import promises as promise_store
from sync.store import repairs as store
from sync.store.accounts import AccountRow
from sync.store.findings import FindingRow
from sync.stripe_objects import Subscription, ref_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """A write to Stripe, before it has a key."""

    path: str
    body: requests.Body

    def to_json(self) -> dict[str, Any]:
        """The call of a dry run."""
        return {"method": "POST", "path": self.path, "body": self.body}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a repair does. Without calls, a promise and terms there is nothing to do (any more).

    `promise_id` names the change whose own steps send the calls; `terms` is what would be bought from now on,
    in place of `before`; `warnings` say what stays as it is, and may surprise.
    """

    side: Side
    what: str
    calls: tuple[Wanted, ...] = ()
    promise_id: str | None = None
    before: Terms | None = None
    terms: Terms | None = None
    warnings: tuple[str, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether it changes anything, here or at Stripe."""
        return bool(self.calls) or self.terms is not None

    @property
    def digest(self) -> str:
        """Of what it does."""
        return digest([str(self.side), self._calls(), self._terms()])

    def to_json(self) -> dict[str, Any]:
        """The dry run of the public contract."""
        return {
            "side": str(self.side),
            "what": self.what,
            "calls": self._calls(),
            "terms": self._terms(),
            "warnings": list(self.warnings),
            "refusal": None,
            "digest": self.digest,
        }

    def _calls(self) -> list[dict[str, Any]]:
        return [call.to_json() for call in self.calls]

    def _terms(self) -> dict[str, Any] | None:
        if self.terms is None:
            return None
        return {"before": self.before.to_json() if self.before else None, "after": self.terms.to_json()}


def refused(side: Side, error: ProrataError) -> dict[str, Any]:
    """The dry run of a repair that would be refused."""
    return {
        "side": str(side),
        "what": error.detail,
        "calls": [],
        "terms": None,
        "warnings": [],
        "refusal": {"pointer": "", "code": str(error.code), "detail": error.detail},
        "digest": None,
    }


async def make(billing: Billing, finding: FindingRow, side: Side) -> Plan:
    """What this side's win would do now. Raises Refused (`repair_needs_staff`), NotFound, StripeTrouble."""
    given = advice(finding.kind)
    if side not in given.possible:
        sides = ", ".join(given.possible)
        raise needs_staff(f"{given.what} A repair may be asked for with the sides {sides}.")
    if side is Side.REFRESH:
        return Plan(side, f"Read {finding.object_id} again and compare anew.")
    account = await _account(billing, finding)
    if side is Side.STRIPE:
        return await _take_over(billing, account, finding)
    if finding.kind == FindingKind.RENEWAL_LEG_MISSING:
        calls, promise_id = await repair_promise.calls(billing, account)
        wanted = tuple(Wanted(path, body) for path, body in calls)
        return Plan(side, given.what, wanted, promise_id if wanted else None)
    if finding.kind == FindingKind.SCHEDULE_LEFT_OVER:
        return await _release(billing, account, finding)
    return await _set_items(billing, account, finding)


async def _account(billing: Billing, finding: FindingRow) -> AccountRow:
    account = await account_store.get(billing.pool, finding.account_id) if finding.account_id else None
    if account is None:
        raise needs_staff("No account of ours is concerned.")
    return account


async def _subscription(billing: Billing, account: AccountRow) -> Subscription:
    if account.stripe_subscription_id is None:
        raise needs_staff(
            "The account has no subscription: take one over with `prorata adopt --subscription ID`."
        )
    return await billing.gateway.subscription(account.stripe_subscription_id)


async def _set_items(billing: Billing, account: AccountRow, finding: FindingRow) -> Plan:
    """Stripe's items become the terms."""
    if finding.object_id != account.stripe_subscription_id:
        raise needs_staff("The account has another subscription by now.")
    facts, prices = await _facts(billing, account)
    body = update_of(facts, billing.catalog, prices)
    what = "Set the items at Stripe to what was bought, without proration: nothing is charged or credited."
    if body is None:
        return Plan(Side.OURS, what)
    call = Wanted(f"/v1/subscriptions/{facts.subscription.id}", body)
    return Plan(Side.OURS, what, (call,), warnings=await _what_stays(billing, facts.subscription))


async def _facts(billing: Billing, account: AccountRow) -> tuple[Facts, PriceBook]:
    subscription, terms, prices, promise = await asyncio.gather(
        _subscription(billing, account),
        account_store.terms(billing.pool, account.id),
        catalog_prices.book(billing.pool),
        promise_store.promise_of(billing.pool, account.id),
    )
    if terms is None:
        raise needs_staff("What was bought is not known here.")
    now_unix = await billing.gateway.billing_now(ref_id(subscription.test_clock))
    facts = Facts(
        subscription=subscription,
        items=items_of(subscription),
        terms=terms,
        currency=account.currency,
        own_schedule_id=account.stripe_schedule_id,
        schedule_id=ref_id(subscription.schedule),
        last_billed=await _last_billed(billing, account, subscription, prices),
        promised_unix=int(promise.effective_on.timestamp()) if promise and promise.effective_on else None,
        renewal_is_near=now_unix >= subscription.period_end - QUIET_SECONDS,
    )
    return facts, prices


async def _last_billed(
    billing: Billing, account: AccountRow, subscription: Subscription, prices: PriceBook
) -> dict[Slot, str]:
    """The price that was last paid for each slot; what our own changes billed comes before all else."""
    found: dict[Slot, str] = {}
    for price_id in await store.paid_prices(billing.pool, subscription.id, account.id):
        slot = prices.slot_of(price_id)
        if slot is not None:
            found.setdefault(slot, price_id)
    return found


async def _what_stays(billing: Billing, subscription: Subscription) -> tuple[str, ...]:
    """Amounts that the edit left behind: no repair touches them."""
    waiting = [
        item
        for item in await billing.gateway.waiting_items(subscription.customer_id)
        if item.subscription_id in (None, subscription.id)
    ]
    if not waiting:
        return ()
    total = sum(item.amount for item in waiting)
    return (
        f"{len(waiting)} amounts, together {total} in minor units of {waiting[0].currency.upper()}, wait for "
        "the next invoice. They stay: delete them in Stripe if they came of the edit.",
    )


async def _release(billing: Billing, account: AccountRow, finding: FindingRow) -> Plan:
    """Our schedule goes; the subscription stays as it is."""
    what = advice(finding.kind).what
    if await promise_store.promise_of(billing.pool, account.id) is not None:
        raise needs_staff("Something is promised for the renewal by now.")
    schedule = await billing.gateway.schedule(finding.object_id)
    if not schedule.is_attached:
        return Plan(Side.OURS, what)
    if schedule.id != account.stripe_schedule_id and not await was_made_for(billing, account.id, schedule):
        raise needs_staff("It was not made here.")
    return Plan(Side.OURS, what, (Wanted(f"{SCHEDULES}/{schedule.id}/release", requests.schedule_release()),))


async def _take_over(billing: Billing, account: AccountRow, finding: FindingRow) -> Plan:
    """Our terms become what Stripe bills."""
    if await promise_store.promise_of(billing.pool, account.id) is not None:
        raise Refused(
            Code.CHANGE_IN_PROGRESS,
            "Something is promised for the renewal, which was reckoned from the present terms: withdraw it "
            "first. Nothing was changed.",
        )
    subscription, prices, before = await asyncio.gather(
        _subscription(billing, account),
        catalog_prices.book(billing.pool),
        account_store.terms(billing.pool, account.id),
    )
    terms = terms_of(
        items_of(subscription), catalog=billing.catalog, prices=prices, currency=account.currency
    )
    if terms is None:
        raise needs_staff("The items at Stripe are no terms that the catalog sells.")
    what = "From now on, what Stripe bills counts as bought. Nothing is sent to Stripe."
    return Plan(Side.STRIPE, what, before=before, terms=None if terms == before else terms)
