"""Trials: the notice before one ends, and what happens then if there is no way to pay.

Sources: Stripe docs "Use trial periods on subscriptions"; the SDK's text of `trial_settings.end_behavior` and
of the event `customer.subscription.trial_will_end` (three days before, or when a trial ends at once).
"""

from __future__ import annotations

from worker.twin.billing import cards
from worker.twin.store import Doc
from worker.twin.world import World

NOTICE_SECONDS = 3 * 86400


def announce(world: World, subscription: Doc) -> None:
    """Plan the notice of a trial that was set, or give it at once if the trial is shorter or over."""
    due = subscription["trial_end"] - NOTICE_SECONDS
    if due <= world.now_for(subscription["customer"]):
        world.events.emit("customer.subscription.trial_will_end", subscription)
        return
    domain = world.domain_of(subscription["customer"])
    world.clock.at(due, "trial_will_end", subscription["id"], domain)


def will_end(world: World, subscription_id: str, due: int) -> None:
    """Due work: three days are left, unless the trial was moved or ended meanwhile."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    if (
        subscription is not None
        and subscription["status"] == "trialing"
        and subscription["trial_end"] == due + NOTICE_SECONDS
    ):
        world.events.emit("customer.subscription.trial_will_end", subscription)


def end_of(world: World, subscription: Doc) -> str:
    """What happens at the trial's end: `create_invoice`, or `cancel` or `pause` without a payment method."""
    if subscription["collection_method"] == "send_invoice" or _can_pay(world, subscription):
        return "create_invoice"
    return str(subscription["trial_settings"]["end_behavior"]["missing_payment_method"])


def _can_pay(world: World, subscription: Doc) -> bool:
    invoice = {
        "customer": subscription["customer"],
        "default_payment_method": None,
        "default_source": None,
    }
    return cards.method_for(world, invoice, subscription) is not None
