"""The discounts and tax rates that the lines of a plan carry, from what the request and the items say.

A discount or a tax rate that changes in the same call counts for that call's debits (Stripe docs
"Prorations"); flexible credits carry what was charged originally, classic ones the last discounts used and
today's tax (docs "Compare classic and flexible billing mode").
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from worker.twin.billing import discounts, money, redemption
from worker.twin.billing.spread import Exact, Share, take_off
from worker.twin.billing.targets import Target
from worker.twin.facts import Debit
from worker.twin.store import Doc
from worker.twin.world import World

if TYPE_CHECKING:
    from worker.twin.billing.plan import Plan


def settle(world: World, plan: Plan, params: dict[str, Any]) -> None:
    """Write the discounts and tax rates in force into the plan and its targets."""
    subscription = plan.subscription
    customer, currency = subscription["customer"], subscription["currency"]
    plan.given_discounts = discounts.sketch(world, params.get("discounts"), customer, currency)
    _claim(world, plan.given_discounts, "subscription", subscription["id"])
    plan.discounts = plan.given_discounts or []
    if not plan.discounts and params.get("discounts") != "":
        kept = subscription if plan.given_discounts is None else None
        plan.discounts = discounts.active(world, kept, customer)
    rates = [r["id"] for r in subscription["default_tax_rates"]]
    if params.get("default_tax_rates") is not None:
        rates = list(params["default_tax_rates"] or [])
    for target in plan.targets:
        given = target.extras.get("discounts")
        target.own = discounts.sketch(world, given, customer, currency)
        _claim(world, target.own, "subscription_item", target.id)
        target.tax_rates = _own_rates(target) or rates
    _check_minimum(world, plan, currency)
    plan.offs = _period_discounts(world, plan)


def _claim(world: World, docs: list[Doc] | None, name: str, holder: str) -> None:
    """New discounts say what they will hang on: lines are sorted by it."""
    for doc in docs or []:
        if doc["id"] not in world.store["discount"].docs:
            doc[name] = holder


def _own_rates(target: Target) -> list[str]:
    given = target.extras.get("tax_rates")
    if given is not None:
        return list(given or [])
    return [r["id"] for r in target.item["tax_rates"]] if target.item is not None else []


def _check_minimum(world: World, plan: Plan, currency: str) -> None:
    new = [*(plan.given_discounts or []), *(d for t in plan.targets for d in t.own or [])]
    new = [d for d in new if d["promotion_code"] and d["id"] not in world.store["discount"].docs]
    if new:
        kept = [t for t in plan.targets if not t.deleted]
        total = sum(money.round_minor(full(world, t.price, t.quantity)) for t in kept)
        for discount in new:
            redemption.check_minimum(world, discount, total, currency)


def of_item(world: World, target: Target) -> list[Doc]:
    """The discounts of an item itself: the request's, else those that hang on it."""
    if target.own is not None:
        return target.own
    return discounts.running(world, target.item["discounts"]) if target.item is not None else []


def full(world: World, price: Doc, quantity: int) -> Fraction:
    """What an item costs for a whole period, before discounts; metered prices are billed by usage."""
    if price["recurring"] is not None and price["recurring"]["usage_type"] == "metered":
        return Fraction(0)
    return money.full_amount(price, world.facts.prices[price["id"]].tiers, quantity)


def itemized(subscription: Doc) -> bool:
    """Whether prorations show their discounts apart (flexible mode only, and by choice)."""
    flexible = subscription["billing_mode"]["flexible"]
    return bool(flexible and flexible["proration_discounts"] == "itemized")


def _period_discounts(world: World, plan: Plan) -> dict[str, list[Exact]]:
    """By item: what discounts take from its whole period, exactly; fixed amounts are spread."""
    kept = [t for t in plan.targets if not t.deleted]
    owned = [of_item(world, t) for t in kept]
    if not plan.discounts and not any(owned):
        return {}
    shares = [
        Share(full(world, t.price, t.quantity), t.price["product"], own)
        for t, own in zip(kept, owned, strict=True)
    ]
    even = plan.subscription["billing_mode"]["type"] == "classic"
    take_off(world, shares, plan.discounts, plan.subscription["currency"], even=even, exact=True)
    return {t.id: s.offs for t, s in zip(kept, shares, strict=True)}


def classic_span(world: World, subscription: Doc, item: Doc, start: int, nominal: int, end: int) -> Debit:
    """What classic mode credits: the item's present price, the discounts last used, today's tax."""
    whole = full(world, item["price"], item["quantity"])
    offs = _last_discounts(world, subscription, item)
    net = money.round_minor(whole - sum(off for _, off, _ in offs))
    rates = [r["id"] for r in item["tax_rates"] or subscription["default_tax_rates"]]
    span = Debit(net, start, nominal, end, item["price"]["id"], item["quantity"], rates)
    span.discounts = [(discount, money.round_minor(off), own) for discount, off, own in offs]
    return span


def _last_discounts(world: World, subscription: Doc, item: Doc) -> list[Exact]:
    book = world.facts.subscriptions[subscription["id"]].debits.get(item["id"], [])
    if book:
        last = [(world.store["discount"].docs[d], own) for d, _, own in book[-1].discounts]
    else:
        last = [(d, False) for d in discounts.active(world, subscription, subscription["customer"])]
    if not last:
        return []
    items = subscription["items"]["data"]
    shares = [Share(full(world, i["price"], i["quantity"]), i["price"]["product"], []) for i in items]
    place = next(n for n, i in enumerate(items) if i["id"] == item["id"])
    shares[place].own = [d for d, own in last if own]
    group = [d for d, own in last if not own]
    take_off(world, shares, group, subscription["currency"], even=True, exact=True)
    return shares[place].offs
