"""The calendar of a run, and accounts made at the local Stripe in the state of their case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sync import catalog_push, clock
from sync.rules.terms import Terms
from sync.store import accounts as account_store
from sync.store import catalog_prices
from sync.store.db import transaction
from tests.flows.pairwise import arithmetic
from tests.flows.pairwise.arithmetic import Ledger
from tests.flows.pairwise.factors import Case
from tests.flows.pairwise.wishes import Story, before_the_increase, story
from tests.flows.world import ADMIN, World

AT_ONCE = 8

CREDIT_MINOR, DEBIT_MINOR = -90, 370


@dataclass
class Actor:
    """One account with its story, and what was promised to it."""

    name: str
    story: Story
    customer: str = ""
    subscription: str | None = None
    ledger: Ledger | None = None
    quote: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] = field(default_factory=dict)
    items_before: dict[str, int] = field(default_factory=dict)
    bills_before: set[str] = field(default_factory=set)
    failure: Exception | None = None

    @property
    def case(self) -> Case:
        return self.story.case

    def __repr__(self) -> str:
        """What to look for when a check fails."""
        return f"{self.name}: {dict(self.case)}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """When accounts begin; a year's period needs a longer past for its middle."""

    year_mid: datetime
    day_31: datetime
    month_mid: datetime
    change: datetime

    @classmethod
    def after(cls, now_unix: int) -> Calendar:
        """Around the first February for which there is time: the 31st of January renews on its last day."""
        now = datetime.fromtimestamp(now_unix, UTC)
        year = now.year + (1 if now < datetime(now.year, 11, 30, tzinfo=UTC) else 2)
        return cls(
            datetime(year - 1, 12, 1, 9, tzinfo=UTC),
            datetime(year, 1, 31, 10, tzinfo=UTC),
            datetime(year, 2, 1, 11, tzinfo=UTC),
            datetime(year, 2, 14, 12, tzinfo=UTC),
        )

    def begins(self, case: Case) -> datetime:
        """When the account of a case buys first."""
        if case["moment"] == "day_31":
            return self.day_31
        if case["moment"] == "first_day":
            return self.change - timedelta(hours=5)
        return self.year_mid if case["interval"] == "year" else self.month_mid

    def renewed(self, is_year: bool) -> datetime:
        """When every account has renewed once."""
        later = (
            self.change.replace(year=self.change.year + 1) if is_year else self.change + timedelta(days=29)
        )
        return later + timedelta(days=1)


async def each(actors: Iterable[Actor], act: Callable[[Actor], Awaitable[None]]) -> None:
    """Do it for all, a few at a time. Whose case has failed is left out from then on; the rest goes on."""
    seats = asyncio.Semaphore(AT_ONCE)

    async def one(actor: Actor) -> None:
        async with seats:
            try:
                await act(actor)
            except Exception as error:
                error.add_note(f"in {actor!r}")
                actor.failure = error

    await asyncio.gather(*(one(actor) for actor in actors if actor.failure is None))


async def move_to(world: World, moment: datetime) -> None:
    """Set the local Stripe's clock."""
    await world.control("POST", "clock", {"now": int(moment.timestamp())})


async def actors_of(world: World, cases: Sequence[Case]) -> list[Actor]:
    """The actors, with all that they could buy on sale."""
    actors = [Actor(f"acme{n}", story(case, world.billing.catalog)) for n, case in enumerate(cases)]
    wanted = {
        slot
        for actor in actors
        for terms in (actor.story.held, actor.story.now, actor.story.at_renewal)
        if terms is not None
        for slot in world.billing.catalog.items_for(terms, actor.case["currency"])
    }
    plan = await catalog_push.diff(world.billing, ["usd", "eur"], only=wanted)
    await catalog_push.push(world.billing, plan)
    for tax in ("exclusive", "inclusive"):
        await world.stripe(
            "POST",
            "/v1/tax_rates",
            display_name=tax,
            percentage=arithmetic.TAX_PERCENT,
            inclusive=str(tax == "inclusive").lower(),
        )
    return actors


async def begin(world: World, actor: Actor) -> None:
    """An account with a good card; unless it is about its first purchase, with its subscription."""
    body = {
        "account_id": actor.name,
        "email": f"billing@{actor.name}.example",
        "name": actor.name,
        "primary_admin": {"user_id": ADMIN, "email": f"ada@{actor.name}.example"},
        "locale": "en",
        "currency": actor.case["currency"],
        "payment_method": "pm_card_visa",
    }
    said = await world.call("POST", "/v1/accounts", body)
    assert said.status == 200, said.body
    actor.customer = said.body["stripe_customer_id"]
    if actor.story.held is not None:
        held = actor.story.held
        await _subscribe(
            world, actor, before_the_increase(held) if actor.case["earlier"] == "increase" else held
        )


async def _subscribe(world: World, actor: Actor, terms: Terms) -> None:
    """Make the subscription by hand, as somebody else did before us, and link it."""
    case, book = actor.case, await catalog_prices.book(world.billing.pool)
    slots = world.billing.catalog.items_for(terms, case["currency"])
    params: dict[str, Any] = {"customer": actor.customer, "billing_mode[type]": "flexible"}
    if case["mode"] != "flexible":
        params["billing_mode[type]"] = "classic"
    for index, (slot, quantity) in enumerate(slots.items()):
        params |= {f"items[{index}][price]": book.sold_now(slot), f"items[{index}][quantity]": quantity}
    if case["discount"] != "none":
        params["discounts[0][coupon]"] = f"{case['discount']}-{case['currency']}"
    if case["tax"] != "none":
        params["default_tax_rates[0]"] = await _tax_rate(world, case["tax"])
    made = await world.stripe("POST", "/v1/subscriptions", **params)
    actor.subscription = made["id"]
    if case["mode"] == "migrated":
        await world.stripe(
            "POST", f"/v1/subscriptions/{made['id']}/migrate", **{"billing_mode[type]": "flexible"}
        )
    item = made["items"]["data"][0]
    actor.ledger = Ledger.begun(
        world.billing.catalog, case, terms, item["current_period_start"], item["current_period_end"]
    )
    async with transaction(world.billing.pool) as conn:
        await account_store.begin_terms(conn, actor.name, terms, clock.wall(), "by hand", "now")
        await account_store.set_subscription(conn, actor.name, made["id"])


async def _tax_rate(world: World, kind: str) -> str:
    found = (await world.stripe("GET", "/v1/tax_rates"))["data"]
    return str(next(rate["id"] for rate in found if rate["display_name"] == kind))


async def coupons(world: World) -> None:
    """The coupons that stand on some subscriptions from their beginning."""
    for currency in ("usd", "eur"):
        shared = {"duration": "forever"}
        await world.stripe(
            "POST", "/v1/coupons", id=f"percent-{currency}", percent_off=arithmetic.PERCENT_OFF, **shared
        )
        await world.stripe(
            "POST",
            "/v1/coupons",
            id=f"amount-{currency}",
            amount_off=arithmetic.AMOUNT_OFF_MINOR,
            currency=currency,
            **shared,
        )


async def earlier_increase(world: World, actor: Actor) -> None:
    """One more seat, bought through us earlier in the same period."""
    held, ledger = actor.story.held, actor.ledger
    assert held is not None
    assert ledger is not None
    quote = await world.quote({"seats": held.seats}, actor.name)
    assert quote["refusals"] == [], quote
    said = await world.confirm(quote)
    change = await world.settled(said.body)
    assert (change["state"], change["now"]["difference_minor"]) == ("settled", 0), change
    ledger.change(held, quote["proration_date"], ledger.end)


async def ready(world: World, actor: Actor) -> None:
    """The last things before the question: balance, the planned end, the card that will be charged."""
    case = actor.case
    minor = {"none": 0, "credit": CREDIT_MINOR, "debit": DEBIT_MINOR}[case["balance"]]
    if minor:
        path = f"/v1/customers/{actor.customer}/balance_transactions"
        await world.stripe("POST", path, amount=minor, currency=case["currency"])
    if case["change"] == "undo":
        await world.stripe("POST", f"/v1/subscriptions/{actor.subscription}", cancel_at_period_end="true")
    cards = {
        "declined": "pm_card_chargeCustomerFail",
        "insufficient_funds": "pm_card_chargeDeclinedInsufficientFunds",
        "bank_paid": "pm_card_authenticationRequired",
        "bank_failed": "pm_card_authenticationRequired",
    }
    if case["payment"] in cards:
        await world.card(cards[case["payment"]], actor.name)
    if actor.subscription is not None:
        actor.items_before = await world.items(actor.name)
    bills = await world.stripe("GET", "/v1/invoices", customer=actor.customer)
    actor.bills_before = {bill["id"] for bill in bills["data"]}
