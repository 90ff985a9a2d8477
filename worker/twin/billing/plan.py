"""What a change of a subscription would do: one function behind previews, updates and schedules.

It writes nothing. Arithmetic: Stripe docs "Prorations"; every changed item gives a credit for the unused
time and a debit for the remaining time, each to the second and rounded by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from worker.twin.billing import discounts, money
from worker.twin.billing.lines import Line, product_name, proration_text, recurring_text
from worker.twin.billing.targets import Target, resolve, set_periods, start_periods
from worker.twin.errors import invalid
from worker.twin.facts import Debit
from worker.twin.store import Doc
from worker.twin.world import World


@dataclass
class Plan:
    """`at` is the moment that prorations count from; the four lists are its own lines, by kind."""

    subscription: Doc
    targets: list[Target]
    at: int
    behavior: str
    reset: bool = False
    trial_end: int | None = None
    ends_trial: bool = False
    credits: list[Line] = field(default_factory=list)
    debits: list[Line] = field(default_factory=list)
    fresh: list[Line] = field(default_factory=list)
    extra: list[Line] = field(default_factory=list)
    proration_date: int | None = None

    @property
    def lines(self) -> list[Line]:
        """Credits before debits, then whole new periods, then one-time items."""
        return [*self.credits, *self.debits, *self.fresh, *self.extra]

    @property
    def filed(self) -> list[Line]:
        """The lines that become invoice items before any invoice takes them."""
        return [*self.credits, *self.debits, *self.extra]

    @property
    def changes_items(self) -> bool:
        """Whether any price, quantity or period changes."""
        return self.reset or self.trial_end is not None or any(t.priced_anew for t in self.targets)

    @property
    def invoices_now(self) -> bool:
        """Whether applying it makes an invoice at once (in flexible mode one-time items alone do not)."""
        classic = self.subscription["billing_mode"]["type"] == "classic"
        prorates = bool(self.credits or self.debits or (classic and self.extra))
        return self.reset or (self.behavior == "always_invoice" and prorates)


def plan_change(world: World, subscription: Doc, params: dict[str, Any], now: int) -> Plan:
    """The effect of an update with `params`, asked for at `now` (billing time, seconds)."""
    targets = resolve(world, subscription["items"]["data"], params.get("items") or [])
    behavior = params.get("proration_behavior") or "create_prorations"
    at = _moment(world, subscription, params, now)
    plan = Plan(subscription, targets, at, behavior, proration_date=params.get("proration_date"))
    set_periods(targets, subscription["billing_cycle_anchor"], at)
    _check_intervals(subscription, targets)
    plan.reset = _resets(world, subscription, targets, params)
    if plan.reset:
        start_periods(targets, now)
    _trial(plan, params, now)
    if plan.ends_trial or (not _in_trial(subscription, at) and plan.trial_end is None):
        _prorate(world, plan, discounts.keep_share(world, subscription, params.get("discounts")))
    plan.extra = [_one_time(world, plan, entry) for entry in params.get("add_invoice_items") or []]
    return plan


def _moment(world: World, subscription: Doc, params: dict[str, Any], now: int) -> int:
    asked = params.get("proration_date")
    if asked is None:
        return now
    if (params.get("billing_cycle_anchor") or {}).get("type") == "now":
        raise invalid(
            "You cannot specify `proration_date` when `billing_cycle_anchor=now`.", "proration_date"
        )
    items = subscription["items"]["data"]
    start, end = min(i["current_period_start"] for i in items), max(i["current_period_end"] for i in items)
    phase = _phase_start(world, subscription)
    if not max(start, phase) <= asked <= end:
        raise invalid("Invalid `proration_date`: it must be within the current period.", "proration_date")
    return int(asked)


def _phase_start(world: World, subscription: Doc) -> int:
    schedule = world.store["subscription_schedule"].docs.get(subscription["schedule"] or "")
    return schedule["current_phase"]["start_date"] if schedule and schedule["current_phase"] else 0


def _check_intervals(subscription: Doc, targets: list[Target]) -> None:
    kept = {t.interval for t in targets if not t.deleted}
    if subscription["billing_mode"]["type"] == "classic" and len(kept) > 1:
        raise invalid(
            "Currency and interval fields must match across all plans on this subscription.", "items"
        )


def _resets(world: World, subscription: Doc, targets: list[Target], params: dict[str, Any]) -> bool:
    """A fresh anchor: asked for, or in classic mode by another interval or by the first price above zero."""
    anchor = (params.get("billing_cycle_anchor") or {}).get("type")
    if anchor == "now":
        return True
    if anchor == "unchanged" or subscription["billing_mode"]["type"] == "flexible":
        return False
    swapped = [t for t in targets if t.item is not None and not t.deleted and t.price is not t.item["price"]]
    other_interval = any(t.interval != Target(t.item["price"], 1).interval for t in swapped if t.item)
    was_free = sum(_full(world, i["price"], i["quantity"]) for i in subscription["items"]["data"]) == 0
    costs_now = sum(_full(world, t.price, t.quantity) for t in targets if not t.deleted) > 0
    return other_interval or (was_free and costs_now)


def _in_trial(subscription: Doc, at: int) -> bool:
    return subscription["status"] == "trialing" and at < (subscription["trial_end"] or 0)


def _trial(plan: Plan, params: dict[str, Any], now: int) -> None:
    asked = params.get("trial_end")
    if asked is None or asked == "":
        return
    if asked == "now":
        plan.ends_trial = plan.reset = _in_trial(plan.subscription, now)
        if plan.reset:
            start_periods(plan.targets, now)
        return
    plan.trial_end = int(asked)
    for target in plan.targets:
        target.start, target.end = now, plan.trial_end


def _one_time(world: World, plan: Plan, entry: dict[str, Any]) -> Line:
    """A line of `add_invoice_items`."""
    price = world.store.get("price", entry.get("price") or "", "add_invoice_items[0][price]", 400)
    quantity = entry.get("quantity", 1)
    name = product_name(world.store["product"].docs, price)
    amount = money.round_minor(_full(world, price, quantity))
    line = Line(amount, name, plan.at, plan.at, price, quantity)
    line.subscription, line.metadata = plan.subscription["id"], dict(entry.get("metadata") or {})
    return line


def _prorate(world: World, plan: Plan, kept: Fraction) -> None:
    """Fill in the lines; `kept` is the share of a price that discounts leave."""
    wanted = plan.behavior != "none"
    for target in plan.targets:
        if wanted and (plan.reset or target.priced_anew):
            plan.credits.extend(_credits(world, plan, target))
        if target.deleted:
            continue
        if plan.reset:
            plan.fresh.append(recurring_line(world, plan.subscription, target, target.start, target.end))
        elif wanted and target.priced_anew and target.end > plan.at:
            plan.debits.append(_debit(world, plan, target, kept))


def _credits(world: World, plan: Plan, target: Target) -> list[Line]:
    if target.item is None or _metered(target.item["price"]):
        return []
    item, at = target.item, plan.at
    if plan.subscription["billing_mode"]["type"] == "classic":
        whole = _full(world, item["price"], item["quantity"])
        start, end = item["current_period_start"], item["current_period_end"]
        spans = [Debit(money.round_minor(whole), start, end, end, item["price"]["id"], item["quantity"], [])]
    else:
        spans = [
            d
            for d in world.facts.subscriptions[plan.subscription["id"]].debits.get(item["id"], [])
            if d.until > at
        ]
    return [_credit(world, plan, item["id"], span) for span in spans if span.until > span.start]


def _credit(world: World, plan: Plan, item_id: str, span: Debit) -> Line:
    begin = max(plan.at, span.start)
    part = money.share(span.amount, span.until - begin, span.end - span.start)
    price = world.store["price"].docs[span.price]
    name = product_name(world.store["product"].docs, price)
    text = proration_text(name, span.quantity, plan.at, credit=True)
    line = Line(
        money.round_minor(-part), text, begin, span.until, price, span.quantity, item_id, proration=True
    )
    line.credited, line.discountable, line.tax_rates = span, False, list(span.tax_rates)
    line.subscription = plan.subscription["id"]
    return line


def _debit(world: World, plan: Plan, target: Target, kept: Fraction) -> Line:
    whole = _full(world, target.price, target.quantity) * kept
    part = money.share(whole, target.end - plan.at, target.end - target.start)
    name = product_name(world.store["product"].docs, target.price)
    text = proration_text(name, target.quantity, plan.at, credit=False)
    line = Line(
        money.round_minor(part),
        text,
        plan.at,
        target.end,
        target.price,
        target.quantity,
        target.id,
        proration=True,
    )
    line.discountable, line.subscription = False, plan.subscription["id"]
    line.tax_rates = tax_rates_of(plan.subscription, target)
    return line


def recurring_line(world: World, subscription: Doc, target: Target, start: int, end: int) -> Line:
    """The line of a whole period (or a free one, during a trial)."""
    amount = 0 if _metered(target.price) else money.round_minor(_full(world, target.price, target.quantity))
    name = product_name(world.store["product"].docs, target.price)
    text = recurring_text(name, target.price, target.quantity)
    line = Line(amount, text, start, end, target.price, target.quantity, target.id)
    line.subscription, line.tax_rates = subscription["id"], tax_rates_of(subscription, target)
    line.metadata = dict(subscription["metadata"])
    return line


def tax_rates_of(subscription: Doc, target: Target) -> list[str]:
    """Ids of the tax rates of an item: its own, else the subscription's."""
    given = target.extras.get("tax_rates")
    if given:
        return list(given)
    own = target.item["tax_rates"] if target.item is not None and given is None else []
    return [r["id"] for r in own or subscription["default_tax_rates"] or []]


def _metered(price: Doc) -> bool:
    return bool(price["recurring"]["usage_type"] == "metered")


def _full(world: World, price: Doc, quantity: int) -> Fraction:
    return money.full_amount(price, world.facts.prices[price["id"]].tiers, quantity)
