"""Builders with defaults for the tests of the rules, and strategies that draw terms and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hypothesis import strategies as st

from sync.rules.catalog import Catalog, PriceBook, PriceRow, Slot
from sync.rules.catalog import packaged as packaged_catalog
from sync.rules.items import Item
from sync.rules.planner import Plan, Usage, plan
from sync.rules.policy import Effective, Policy
from sync.rules.policy import packaged as packaged_policy
from sync.rules.terms import Interval, Terms

CATALOG: Final[Catalog] = packaged_catalog()
POLICY: Final[Policy] = packaged_policy()


def terms(
    product: str = "marketing",
    tier: str = "plus",
    contact_limit: int = 2500,
    seats: int = 5,
    add_ons: Mapping[str, int] | None = None,
    interval: Interval = Interval.MONTH,
) -> Terms:
    """Return terms of a marketing account with two extra seats, unless said otherwise."""
    return Terms(product, tier, contact_limit, seats, add_ons or {}, interval)


def price_id(slot: Slot, version: int = 2) -> str:
    """Return a made-up Stripe price id that can be recognised in a failure."""
    return f"price_{slot.key.removeprefix('prorata:')}_v{version}"


def rows(sold_version: int = 2) -> Iterable[PriceRow]:
    """Return two versions of every price of the catalog; the first one is a minor unit cheaper."""
    for slot, amount_minor in CATALOG.amounts.items():
        for version in (1, 2):
            amount = amount_minor - 2 + version
            is_sold = version == sold_version
            yield PriceRow(slot.lookup_key(version), price_id(slot, version), amount, is_sold)


BOOK: Final[PriceBook] = PriceBook.build(rows())


def items_of(bought: Terms, currency: str = "usd", version: int = 2) -> tuple[Item, ...]:
    """Return the subscription items that bill `bought`."""
    wanted = CATALOG.items_for(bought, currency)
    return tuple(Item(f"si_{slot.part}", price_id(slot, version), n) for slot, n in wanted.items())


def planned(
    current: Terms | None,
    wanted: Terms,
    items: Iterable[Item] | None = None,
    *,
    policy: Policy = POLICY,
    prices: PriceBook = BOOK,
    currency: str = "usd",
    usage: Usage | None = None,
    scheduled: Terms | None = None,
    approved: Effective | None = None,
) -> Plan:
    """Plan with the packaged catalog and policy; the items are those of `current` unless given."""
    present = (items_of(current) if current else ()) if items is None else tuple(items)
    return plan(
        current, wanted, catalog=CATALOG, policy=policy, items=present, prices=prices, currency=currency,
        usage=usage, scheduled=scheduled, approved=approved,
    )  # fmt: skip


def codes(made: Plan) -> list[tuple[str, str]]:
    """Return the pointer and code of each refusal."""
    return [(problem.pointer, str(problem.code)) for problem in made.refusals]


def add_ons_for(product: str, tier: str) -> st.SearchStrategy[dict[str, int]]:
    """Draw some of the add-ons that the product and tier can have."""
    offered = [add_on for add_on in CATALOG.add_ons.values() if add_on.is_offered(product, tier)]
    optional = {add_on.key: st.integers(0, add_on.max_quantity) for add_on in offered}
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    """Draw terms that the catalog sells."""
    product = draw(st.sampled_from(list(CATALOG.products)))
    tier = draw(st.sampled_from(list(CATALOG.tiers)))
    included = CATALOG.included_seats(product, tier) or 0
    return Terms(
        product,
        tier,
        draw(st.sampled_from(CATALOG.bands)),
        included + draw(st.integers(0, 30)),
        draw(add_ons_for(product, tier)),
        draw(st.sampled_from(Interval)),
    )


@st.composite
def increases(draw: st.DrawFn) -> tuple[Terms, Terms]:
    """Draw terms and others that are more of everything, or the same."""
    low = draw(any_terms())
    product = draw(st.sampled_from(sorted({low.product, "bundle"})))
    tiers = list(CATALOG.tiers)
    tier = draw(st.sampled_from(tiers[tiers.index(low.tier) :]))
    included = CATALOG.included_seats(product, tier) or 0
    extra = draw(add_ons_for(product, tier))
    add_ons = {name: max(low.add_ons.get(name, 0), extra.get(name, 0)) for name in {*low.add_ons, *extra}}
    band = draw(st.sampled_from([band for band in CATALOG.bands if band >= low.contact_limit]))
    seats = max(low.seats, included) + draw(st.integers(0, 5))
    return low, Terms(product, tier, band, seats, add_ons, low.interval)


@st.composite
def items_for_terms(draw: st.DrawFn, bought: Terms) -> tuple[Item, ...]:
    """Draw the items of `bought`, each with a sold or a retired price, among items that are not ours."""
    ours = [
        Item(f"si_{slot.part}", price_id(slot, draw(st.sampled_from((1, 2)))), quantity)
        for slot, quantity in CATALOG.items_for(bought, "usd").items()
    ]
    return tuple(draw(st.permutations([*ours, *draw(foreign_items())])))


@st.composite
def foreign_items(draw: st.DrawFn) -> list[Item]:
    """Draw items outside the catalog, and metered ones."""
    kinds = draw(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=4))
    return [
        Item(f"si_foreign{n}", f"price_foreign{n}", 0 if metered else quantity, metered)
        for n, (quantity, metered) in enumerate(kinds)
    ]
