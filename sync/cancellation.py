"""Ending with the period, and taking that back: a change of no item, which charges and credits nothing."""

from __future__ import annotations

from datetime import timedelta

from sync import clock, gates, ids, requests
from sync.billing import Billing
from sync.errors import Code, Problem
from sync.offers import Offer, offer_staying
from sync.rules.differences import Dimension, Direction
from sync.rules.policy_rule import Decision
from sync.rules.terms import Terms
from sync.state_at_stripe import State
from sync.store.accounts import AccountRow
from sync.store.quotes import QuoteRow
from sync.stripe_objects import Subscription
from sync.wishes import Wish


async def row(
    billing: Billing, account: AccountRow, actor_id: str, wish: Wish, current: Terms | None, state: State
) -> QuoteRow:
    """The quote of a cancellation (`wish.cancel` true) or of its undoing: no line, and no next invoice."""
    refusals = [*_by_policy(billing, wish, current), *_by_state(wish, state)]
    subscription, now = state.subscription, clock.wall()
    is_possible = not refusals and subscription is not None and current is not None
    offer = None
    if is_possible and subscription is not None and not wish.cancel:
        offer = await offer_staying(billing, state, subscription)
    terms = current.to_json() if current else None
    return QuoteRow(
        id=ids.new_id("quo"),
        account_id=account.id,
        actor_id=actor_id,
        wish={},
        cancel=wish.cancel,
        approved=wish.approved,
        request_id=wish.request_id,
        current_terms=terms,
        now_terms=terms if is_possible else None,
        renewal_terms=None,
        scheduled_change_id=None,
        self_serve=not refusals,
        refusals=[refusal.to_json() for refusal in refusals],
        stripe_subscription_id=subscription.id if subscription else None,
        stripe_params=requests.cancellation(bool(wish.cancel)) if is_possible else None,
        proration_unix=state.now_unix if is_possible else None,
        currency=account.currency,
        due_today_minor=0 if is_possible else None,
        to_balance_minor=0 if is_possible else None,
        total_minor=0 if is_possible else None,
        starting_balance_minor=state.customer.balance if is_possible else None,
        lines=[],
        from_now_on_minor=offer.from_now_on_minor if offer else None,
        from_now_on_interval=current.interval.value if offer and current else None,
        next_invoice=_next(wish, subscription, offer),
        estimate_difference_minor=None,
        fingerprint=state.fingerprint(),
        expires_at=now + timedelta(seconds=billing.quote_ttl_seconds),
        created_at=now,
    )


def _next(wish: Wish, subscription: Subscription | None, offer: Offer | None) -> dict[str, object] | None:
    """The last invoice was the last one; taking the end back is priced by Stripe, like any change."""
    if offer is not None:
        return offer.next_invoice
    if not wish.cancel or subscription is None:
        return None
    return {"amount_minor": 0, "on_unix": subscription.period_end, "why": "subscription_ends"}


def _by_policy(billing: Billing, wish: Wish, current: Terms | None) -> list[Problem]:
    if current is None:
        return [
            Problem("", Code.SUBSCRIPTION_CANCELED, "There is no running subscription. Nothing was changed.")
        ]
    direction = Direction.AT_PERIOD_END if wish.cancel else Direction.UNDO
    rule = billing.policy.decide(Dimension.CANCELLATION, direction, current.product)
    if rule.decision is Decision.REFUSED:
        return [Problem("", Code.REFUSED_BY_POLICY, rule.reason)]
    if rule.decision is Decision.BY_REQUEST and wish.approved is None:
        return [Problem("", Code.NEEDS_REQUEST, rule.reason)]
    return []


def _by_state(wish: Wish, state: State) -> list[Problem]:
    """What stands in the way. Money that is owed does not: whoever leaves may leave."""
    if state.subscription is None:
        return []
    found = [each for each in gates.refusals(state, pays_now=False, renews=False) if each.code in _BLOCKING]
    if state.own_schedule_id is not None:
        detail = "A decrease is promised for the renewal; withdraw it first. Nothing was changed."
        found.append(Problem("", Code.SCHEDULE_ATTACHED, detail))
    if gates.ends(state.subscription) is bool(wish.cancel):
        detail = "The subscription ends with its period already." if wish.cancel else "It does not end."
        found.append(Problem("", Code.NOTHING_TO_CHANGE, f"{detail} Nothing was changed."))
    return found


_BLOCKING = frozenset(
    {
        Code.ACCOUNT_PARKED,
        Code.SUBSCRIPTION_CANCELED,
        Code.SUBSCRIPTION_INCOMPLETE,
        Code.SCHEDULE_ATTACHED,
        Code.CHANGE_IN_PROGRESS,
        Code.PENDING_UPDATE_ATTACHED,
        Code.RENEWAL_NEAR,
    }
)
