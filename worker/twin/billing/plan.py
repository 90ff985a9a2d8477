"""What a change of a subscription would do: one function behind previews, updates and schedules.

It writes nothing. Arithmetic: Stripe docs "Prorations"; every changed item gives a credit for the unused
time and a debit for the remaining time, each to the second and rounded by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from worker.twin.billing import discounts, money, netting, spread
from worker.twin.billing.lines import Line, product_name, proration_text, recurring_text
from worker.twin.billing.targets import Target, resolve, set_periods
from worker.twin.billing.times import decide, in_trial
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
    cancel_at: int | None = None
    anchor: int | None = None
    credits: list[Line] = field(default_factory=list)
    debits: list[Line] = field(default_factory=list)
    fresh: list[Line] = field(default_factory=list)
    extra: list[Line] = field(default_factory=list)
    proration_date: int | None = None
    given_discounts: list[Doc] | None = None
    discounts: list[Doc] = field(default_factory=list)
    offs: dict[str, list[spread.Exact]] = field(default_factory=dict)

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
    items = subscription["items"]["data"]
    targets = resolve(world, items, params.get("items") or [], subscription["currency"])
    behavior = params.get("proration_behavior") or "create_prorations"
    at = _moment(world, subscription, params, now)
    plan = Plan(subscription, targets, at, behavior, proration_date=params.get("proration_date"))
    cuts = world.facts.subscriptions[subscription["id"]].cuts
    set_periods(targets, subscription["billing_cycle_anchor"], at, cuts)
    netting.settle(world, plan, params)
    times = decide(world, subscription, targets, params, now)
    plan.reset, plan.trial_end, plan.ends_trial = times.reset, times.trial_end, times.ends_trial
    plan.cancel_at, plan.anchor = times.cancel_at, times.anchor
    if times.reset or not (in_trial(subscription) or subscription["status"] == "paused"):
        _prorate(world, plan)
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
    # With mixed intervals inside the period of every item: a date that is over for one has been billed.
    start, end = max(i["current_period_start"] for i in items), min(i["current_period_end"] for i in items)
    phase = _phase_start(world, subscription)
    if not max(start, phase) <= asked <= end:
        raise invalid("Invalid `proration_date`: it must be within the current period.", "proration_date")
    return int(asked)


def _phase_start(world: World, subscription: Doc) -> int:
    schedule = world.store["subscription_schedule"].docs.get(subscription["schedule"] or "")
    return schedule["current_phase"]["start_date"] if schedule and schedule["current_phase"] else 0


def _one_time(world: World, plan: Plan, entry: dict[str, Any]) -> Line:
    """A line of `add_invoice_items`."""
    price = world.store.get("price", entry.get("price") or "", "add_invoice_items[0][price]", 400)
    quantity = entry.get("quantity", 1)
    name = product_name(world.store["product"].docs, price)
    amount = money.round_minor(_full(world, price, quantity))
    line = Line(amount, name, plan.at, plan.at, price, quantity)
    line.subscription, line.metadata = plan.subscription["id"], dict(entry.get("metadata") or {})
    line.discountable = entry.get("discountable", True)
    line.own = discounts.sketch(world, entry.get("discounts"), plan.subscription["customer"]) or []
    given = entry.get("tax_rates")
    line.tax_rates = list(given) if given else [r["id"] for r in plan.subscription["default_tax_rates"]]
    return line


def _prorate(world: World, plan: Plan) -> None:
    """Fill in the lines."""
    wanted = plan.behavior != "none"
    for target in plan.targets:
        since = _credited_from(plan, target)
        if wanted and since is not None and not plan.ends_trial:
            plan.credits.extend(credit_lines(world, plan, target, since))
        if target.deleted or plan.trial_end is not None:
            continue
        if plan.reset:
            plan.fresh.append(period_line(world, plan.subscription, target))
            continue
        begin = debited_from(world, plan, target)
        if wanted and begin is not None and begin < target.end:
            plan.debits.append(debit_line(world, plan, target, begin))


def _credited_from(plan: Plan, target: Target) -> int | None:
    """From when on paid time is given back: now, or from an end that was moved forward."""
    if plan.reset or plan.trial_end is not None or target.priced_anew:
        return plan.at
    if target.item is not None and target.end < target.item["current_period_end"]:
        return target.end
    return None


def debited_from(world: World, plan: Plan, target: Target) -> int | None:
    """From when on time has to be paid: now, or from where an end that was moved back has been paid for."""
    if target.item is None or target.priced_anew:
        return plan.at
    old_end: int = target.item["current_period_end"]
    if target.end <= old_end:
        return None
    book = world.facts.subscriptions[plan.subscription["id"]].debits.get(target.item["id"], [])
    return max([old_end, *(d.until for d in book if d.until > d.start)])


def credit_lines(world: World, plan: Plan, target: Target, since: int) -> list[Line]:
    """What was paid for the item's time from `since` on: a credit for each debit that covers it."""
    if target.item is None or _metered(target.item["price"]):
        return []
    item = target.item
    if plan.subscription["billing_mode"]["type"] == "classic":
        cut = world.facts.subscriptions[plan.subscription["id"]].cuts.get(item["id"])
        start, end = item["current_period_start"], item["current_period_end"]
        nominal = start + cut.whole if cut else end
        spans = [netting.classic_span(world, plan.subscription, item, start, nominal, end)]
    else:
        spans = world.facts.subscriptions[plan.subscription["id"]].debits.get(item["id"], [])
    return [_credit(world, plan, item["id"], s, since) for s in spans if s.until > max(since, s.start)]


def _credit(world: World, plan: Plan, item_id: str, span: Debit, since: int) -> Line:
    begin = max(since, span.start)
    part = Fraction(span.until - begin, span.end - span.start)
    price = world.store["price"].docs[span.price]
    name = product_name(world.store["product"].docs, price)
    text = proration_text(name, span.quantity, since, credit=True)
    line = Line(0, text, begin, span.until, price, span.quantity, item_id)
    gross = span.amount + sum(off for _, off, _ in span.discounts)
    offs = [(discount, -part * off, own) for discount, off, own in span.discounts]
    spread.prorate(line, -part * gross, offs, netting.itemized(plan.subscription))
    line.credited, line.tax_rates, line.subscription = span, list(span.tax_rates), plan.subscription["id"]
    return line


def debit_line(world: World, plan: Plan, target: Target, begin: int) -> Line:
    """The price of the item's time from `begin` to the end of its period."""
    part = Fraction(target.end - begin, target.whole)
    name = product_name(world.store["product"].docs, target.price)
    text = proration_text(name, target.quantity, begin, credit=False)
    line = Line(0, text, begin, target.end, target.price, target.quantity, target.id)
    offs = [(discount, part * off, own) for discount, off, own in plan.offs.get(target.id, [])]
    gross = part * _full(world, target.price, target.quantity)
    spread.prorate(line, gross, offs, netting.itemized(plan.subscription))
    line.subscription, line.tax_rates = plan.subscription["id"], tax_rates_of(plan.subscription, target)
    return line


def recurring_line(world: World, subscription: Doc, target: Target, start: int, end: int) -> Line:
    """The line of a whole period (or a free one, during a trial)."""
    amount = 0 if _metered(target.price) else money.round_minor(_full(world, target.price, target.quantity))
    name = product_name(world.store["product"].docs, target.price)
    text = recurring_text(name, target.price, target.quantity)
    line = Line(amount, text, start, end, target.price, target.quantity, target.id)
    line.subscription, line.tax_rates = subscription["id"], tax_rates_of(subscription, target)
    line.metadata, line.own = dict(subscription["metadata"]), netting.of_item(world, target)
    return line


def period_line(world: World, subscription: Doc, target: Target) -> Line:
    """The line of the target's period; one that is cut short costs its share."""
    line = recurring_line(world, subscription, target, target.start, target.end)
    length = target.end - target.start
    if length < target.whole:
        line.amount, line.proration = money.round_minor(money.share(line.amount, length, target.whole)), True
    return line


def tax_rates_of(subscription: Doc, target: Target) -> list[str]:
    """Ids of the tax rates of an item: the request's, its own, else the subscription's."""
    if target.tax_rates is not None:
        return list(target.tax_rates)
    given = target.extras.get("tax_rates")
    if given:
        return list(given)
    own = target.item["tax_rates"] if target.item is not None and given is None else []
    return [r["id"] for r in own or subscription["default_tax_rates"] or []]


def _metered(price: Doc) -> bool:
    return bool(price["recurring"]["usage_type"] == "metered")


def _full(world: World, price: Doc, quantity: int) -> Fraction:
    return money.full_amount(price, world.facts.prices[price["id"]].tiers, quantity)
