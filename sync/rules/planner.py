"""From a wish to a plan: what happens now, what at renewal, and exactly which items change at Stripe.

The plan is pure arithmetic over what was read; whether the subscription's state allows a change at all
(unpaid renewal, foreign schedule, ...) is decided by the flows that read that state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sync.errors import Code, NotFound, Problem, Refused
from sync.rules.catalog import Catalog
from sync.rules.differences import Difference, Target, apply, differences
from sync.rules.items import (
    AddItem,
    Amendment,
    Item,
    ItemChange,
    RemoveItem,
    SetItem,
    amend,
    amendment_for,
    billed,
    without_empty,
)
from sync.rules.policy import Policy
from sync.rules.policy_rule import Decision, Effective, PaymentBehavior, ProrationBehavior, Rule
from sync.rules.price_book import PriceBook
from sync.rules.terms import Terms, pointer_to
from sync.rules.usage import below_use

__all__ = [
    "AddItem",
    "Amendment",
    "Decided",
    "Item",
    "ItemChange",
    "Plan",
    "RemoveItem",
    "SetItem",
    "Usage",
    "amend",
    "amendment_for",
    "plan",
]


@dataclass(frozen=True, slots=True)
class Usage:
    """How many contacts and seats the account uses at this moment."""

    contacts: int
    seats: int


@dataclass(frozen=True, slots=True)
class Decided:
    """A difference with its rule. `effective` is None when the policy does not let it happen here."""

    difference: Difference
    rule: Rule
    effective: Effective | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change would do.

    `now` and `at_renewal` are complete terms, or None when that leg is empty. `amendment` is what the
    now-leg sends; `renewal_amendment` turns the same present items into those of the next period. With any
    refusal both legs are None and both amendments are empty, so that a refused plan cannot be applied by
    accident. `self_serve` says whether the policy leaves every difference to the account itself.
    """

    now: Terms | None
    at_renewal: Terms | None
    amendment: Amendment
    renewal_amendment: Amendment
    differences: tuple[Decided, ...]
    refusals: tuple[Problem, ...]
    self_serve: bool
    payment_behavior: PaymentBehavior | None
    proration_behavior: ProrationBehavior


def plan(
    current: Terms | None,
    wanted: Terms,
    *,
    catalog: Catalog,
    policy: Policy,
    items: Sequence[Item],
    prices: PriceBook,
    currency: str,
    usage: Usage | None = None,
    scheduled: Terms | None = None,
    named: Collection[Target] = (),
    approved: Effective | None = None,
) -> Plan:
    """Plan the way from `current` to `wanted`, both complete terms that `merge` accepted.

    The now-leg is `current` with every difference that takes effect now; the renewal leg is `wanted`, when
    some difference takes effect at renewal. `scheduled` are terms already promised for the renewal: what
    they change and this wish does not is kept; what this wish names (`named`, by target: also where it is
    what the account has now) replaces it. A plan without a renewal leg therefore means that an existing
    schedule has nothing left to do. `approved` says that support
    approved what is by request, and for when; a rule that allows only one moment wins over the wish.

    Never raises for anything a person could have asked for: every no is in `refusals`.
    """
    draft = _Draft(
        current,
        wanted,
        catalog,
        policy,
        items,
        prices,
        currency,
        usage,
        scheduled,
        frozenset(named),
        approved,
    )
    decided = tuple(draft.decide())
    self_serve = all(
        one.rule.decision in (Decision.SELF_SERVE_NOW, Decision.SELF_SERVE_AT_RENEWAL) for one in decided
    )
    refusals = [*draft.refused_by_rule(decided), *draft.below_usage(), *draft.not_as_recorded()]
    if not refusals:
        try:
            return draft.finished(decided, self_serve)
        except (Refused, NotFound) as error:
            refusals = list(error.problems) or [Problem(pointer_to(), error.code, error.detail)]
    empty = Amendment()
    return Plan(None, None, empty, empty, decided, tuple(refusals), self_serve, None, ProrationBehavior.NONE)


@dataclass(frozen=True, slots=True)
class _Draft:
    """The inputs of one plan, so that its steps need not hand ten arguments around."""

    current: Terms | None
    wanted: Terms
    catalog: Catalog
    policy: Policy
    items: Sequence[Item]
    prices: PriceBook
    currency: str
    usage: Usage | None
    scheduled: Terms | None
    named: frozenset[Target]
    approved: Effective | None

    def decide(self) -> Iterator[Decided]:
        """Return every difference with its rule; the rule is that of the product the account has now."""
        product = (self.current or self.wanted).product
        for difference in differences(self.current, self.wanted, self.catalog):
            rule = self.policy.decide(difference.dimension, difference.direction, product)
            yield Decided(difference, rule, self._effective(rule))

    def _effective(self, rule: Rule) -> Effective | None:
        if rule.decision is Decision.SELF_SERVE_NOW:
            return Effective.NOW
        if rule.decision is Decision.SELF_SERVE_AT_RENEWAL:
            return Effective.RENEWAL
        if self.approved is None or not rule.on_approval:
            return None
        return self.approved if self.approved in rule.on_approval else rule.on_approval[0]

    def refused_by_rule(self, decided: tuple[Decided, ...]) -> Iterator[Problem]:
        """Return a refusal for each difference that the policy does not let happen here."""
        if not decided and not self._takes_back():
            detail = "The account already has these terms, so there is nothing to change."
            yield Problem(pointer_to(), Code.NOTHING_TO_CHANGE, detail)
        for one in decided:
            if one.effective is None:
                is_asked = one.rule.decision is Decision.BY_REQUEST
                code = Code.NEEDS_REQUEST if is_asked else Code.REFUSED_BY_POLICY
                yield Problem(one.difference.pointer, code, one.rule.reason)

    def _takes_back(self) -> bool:
        """Say whether the wish names something that is promised otherwise for the renewal."""
        return any(difference.target in self.named for difference in self._promised())

    def _promised(self) -> tuple[Difference, ...]:
        """Return what the standing promise changes."""
        if self.scheduled is None or self.current is None:
            return ()
        return differences(self.current, self.scheduled, self.catalog)

    def below_usage(self) -> Iterator[Problem]:
        """Refuse seats or contacts below those in use."""
        if self.usage is not None:
            yield from below_use(self.current, self.wanted, self.usage.contacts, self.usage.seats)

    def not_as_recorded(self) -> Iterator[Problem]:
        """Refuse to build on items that do not bill the current terms: their difference would be charged."""
        if self.currency not in self.catalog.currencies:
            detail = f"Nothing is sold in {self.currency.upper()}. Nothing was charged."
            yield Problem(pointer_to(), Code.CURRENCY_MISMATCH, detail)
            return
        try:
            at_stripe = billed(self.items, self.prices)
            terms = self.current
            recorded = without_empty(self.catalog.items_for(terms, self.currency)) if terms else {}
        except (Refused, NotFound) as error:
            yield Problem(pointer_to(), error.code, error.detail)
            return
        if any(slot.currency != self.currency for slot in at_stripe):
            detail = f"The subscription is not billed in {self.currency.upper()}. Nothing was charged."
            yield Problem(pointer_to(), Code.CURRENCY_MISMATCH, detail)
        elif at_stripe != recorded:
            detail = (
                "The subscription's items at Stripe are not those of the account's terms. Nothing was "
                "charged; support has to run `prorata reconcile` for this account first."
            )
            yield Problem(pointer_to(), Code.ITEMS_CONFLICT, detail)

    def finished(self, decided: tuple[Decided, ...], self_serve: bool) -> Plan:
        """Return the plan of a change that nothing forbids. Raises `Refused` or `NotFound`."""
        now, at_renewal = self._legs(decided)
        for terms in (now, at_renewal):
            if terms is not None and (problems := self.catalog.problems_of(terms)):
                raise Refused(problems[0].code, problems[0].detail, problems)
        amendment, renewal_amendment = self._amendment(now), self._amendment(at_renewal)
        rules = [one.rule for one in decided if one.effective is Effective.NOW]
        return Plan(
            now=now,
            at_renewal=at_renewal,
            amendment=amendment,
            renewal_amendment=renewal_amendment,
            differences=decided,
            refusals=(),
            self_serve=self_serve,
            payment_behavior=_payment_behavior(rules, amendment),
            proration_behavior=_proration_behavior(rules),
        )

    def _legs(self, decided: tuple[Decided, ...]) -> tuple[Terms | None, Terms | None]:
        """Return the terms of the now-leg and of the renewal leg."""
        if self.current is None:
            return self.wanted, None
        at_once = [one.difference for one in decided if one.effective is Effective.NOW]
        now = apply(self.current, at_once, self.wanted, self.catalog) if at_once else None
        at_renewal = self._with_scheduled(decided)
        return now, None if at_renewal == (now or self.current) else at_renewal

    def _with_scheduled(self, decided: tuple[Decided, ...]) -> Terms:
        """Return the wanted terms with those promises for the renewal that this wish leaves alone."""
        if self.scheduled is None:
            return self.wanted
        named = self.named | {one.difference.target for one in decided}
        kept = [difference for difference in self._promised() if difference.target not in named]
        return apply(self.wanted, kept, self.scheduled, self.catalog)

    def _amendment(self, terms: Terms | None) -> Amendment:
        if terms is None:
            return Amendment()
        return amendment_for(
            self.items, terms, catalog=self.catalog, prices=self.prices, currency=self.currency
        )


def _payment_behavior(rules: Sequence[Rule], amendment: Amendment) -> PaymentBehavior | None:
    """Return the strictest of the rules. A removal does not fit a pending update: it is all or nothing."""
    asked = {rule.payment_behavior for rule in rules if rule.payment_behavior is not None}
    if not asked:
        return None
    if amendment.removes or PaymentBehavior.ERROR_IF_INCOMPLETE in asked:
        return PaymentBehavior.ERROR_IF_INCOMPLETE
    if PaymentBehavior.PENDING_IF_INCOMPLETE in asked:
        return PaymentBehavior.PENDING_IF_INCOMPLETE
    return PaymentBehavior.ALLOW_INCOMPLETE


def _proration_behavior(rules: Sequence[Rule]) -> ProrationBehavior:
    if any(rule.proration_behavior is ProrationBehavior.ALWAYS_INVOICE for rule in rules):
        return ProrationBehavior.ALWAYS_INVOICE
    return ProrationBehavior.NONE
