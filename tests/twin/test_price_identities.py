"""What holds for every invoice and its preview, whatever its discounts and taxes; on the engine itself."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.api import MONTH, NOVEMBER
from tests.twin.test_properties import do, price
from worker.twin.engine import new_world
from worker.twin.world import World

MODES: dict[str, Any] = {
    "classic": {"type": "classic"},
    "included": {"type": "flexible"},
    "itemized": {"type": "flexible", "flexible": {"proration_discounts": "itemized"}},
}
COUPONS: list[dict[str, Any]] = [
    {"percent_off": 33.3, "duration": "forever"},
    {"amount_off": 777, "currency": "usd", "duration": "forever"},
    {"percent_off": 100, "duration": "once"},
    {"amount_off": 10**6, "currency": "usd", "duration": "repeating", "duration_in_months": 1},
]
RATES = [(19.0, False), (7.7, True), (8.875, False), (5.0, True)]
some_coupons = st.lists(st.integers(0, 3), max_size=3)
some_rates = st.lists(st.integers(0, 3), unique=True, max_size=3)
STEP = st.fixed_dictionaries(
    {
        "at": st.integers(1, MONTH - 1),
        "quantities": st.tuples(st.integers(0, 9), st.integers(0, 9)),
        "discounts": st.none() | some_coupons,
        "own": st.none() | some_coupons,
        "rates": st.none() | some_rates,
        "reset": st.booleans(),
    }
)


class Account:
    """Two items of 9.99 and 123.45, with coupons and rates to choose from; time stands still."""

    def __init__(self, mode: str, discounts: list[int], rates: list[int]) -> None:
        self.world = new_world()
        self.coupons = [do(self.world, "coupon_create", **params)["id"] for params in COUPONS]
        self.rates = [
            do(self.world, "tax_rate_create", display_name="tax", percentage=p, inclusive=i)["id"]
            for p, i in RATES
        ]
        clock = do(self.world, "test_helpers.test_clock_create", frozen_time=NOVEMBER)["id"]
        card = {
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
        customer = do(self.world, "customer_create", test_clock=clock, **card)["id"]
        items = [{"price": price(self.world, 999), "quantity": 3}, {"price": price(self.world, 12345)}]
        terms = {"discounts": self.named(discounts), "default_tax_rates": [self.rates[r] for r in rates]}
        given_terms = {name: value for name, value in terms.items() if value}
        self.subscription = do(
            self.world, "subscription_create", customer=customer, items=items, billing_mode=MODES[mode],
            **given_terms,
        )  # fmt: skip

    def named(self, numbers: list[int] | None) -> Any:
        """An entry of `discounts`; an empty list clears."""
        return [{"coupon": self.coupons[n]} for n in numbers] if numbers else ""

    def params(self, step: dict[str, Any]) -> dict[str, Any]:
        """One update."""
        ids = [i["id"] for i in self.subscription["items"]["data"]]
        edits: list[dict[str, Any]] = [
            {"id": i, "quantity": q} for i, q in zip(ids, step["quantities"], strict=True)
        ]
        if step["own"] is not None:
            edits[0]["discounts"] = self.named(step["own"])
        params: dict[str, Any] = {"items": edits, "proration_behavior": "always_invoice"}
        if step["rates"] is not None:
            params["default_tax_rates"] = [self.rates[r] for r in step["rates"]] or ""
        if step["reset"]:
            params["billing_cycle_anchor"] = {"type": "now"}
        else:
            params["proration_date"] = NOVEMBER + step["at"]
        return params


def invoices(world: World) -> list[dict[str, Any]]:
    """All invoices, oldest first."""
    return list(world.store["invoice"].docs.values())


def parts(line: dict[str, Any], name: str) -> int:
    """The sum of a line's discounts or taxes."""
    return sum(int(p["amount"]) for p in line[name])


def check(invoice: dict[str, Any]) -> None:
    """Totals are the sums of what the lines show."""
    lines = invoice["lines"]["data"]
    taken = sum(parts(line, "discount_amounts") for line in lines)
    own = sum(
        d["amount"] for line in lines for d in line["discount_amounts"] if d["discount"] in line["discounts"]
    )
    taxes = [t for line in lines for t in line["taxes"]]
    added = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    inside = sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive")
    assert invoice["subtotal"] == sum(line["amount"] for line in lines) - own
    assert invoice["total"] == invoice["subtotal"] - (taken - own) + added
    assert invoice["total_excluding_tax"] == invoice["total"] - added - inside
    assert sum(d["amount"] for d in invoice["total_discount_amounts"]) == taken
    assert sum(t["amount"] for t in invoice["total_taxes"]) == added + inside
    for line in lines:
        net = line["amount"] - parts(line, "discount_amounts")
        assert net >= 0 or line["amount"] < 0, "a discount takes no more than there is"
        assert all(t["amount"] == 0 or (t["amount"] > 0) == (net > 0) for t in line["taxes"])


def essence(invoice: dict[str, Any]) -> Any:
    """What a buyer is shown and charged; discounts have other ids in a preview."""
    names = ("amount", "description", "period", "discountable", "taxes", "quantity")
    lines = [
        ([line[n] for n in names], [d["amount"] for d in line["discount_amounts"]], len(line["discounts"]))
        for line in invoice["lines"]["data"]
    ]
    sums = ("subtotal", "total", "total_excluding_tax", "amount_due", "starting_balance", "total_taxes")
    return lines, [invoice[n] for n in sums], [d["amount"] for d in invoice["total_discount_amounts"]]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(MODES)), some_coupons, some_rates, st.lists(STEP, min_size=1, max_size=4))
def test_totals_add_up_and_previews_are_exact(
    mode: str, discounts: list[int], rates: list[int], steps: list[dict[str, Any]]
) -> None:
    """Discounts of both levels, several taxes, three billing modes: every invoice adds up, and the preview of
    each update is the invoice that follows.
    """
    account = Account(mode, discounts, rates)
    world, subscription = account.world, account.subscription["id"]
    for step in steps:
        params = account.params(step)
        more = {} if step["discounts"] is None else {"discounts": account.named(step["discounts"])}
        seen = do(
            world, "invoice_create_preview", subscription=subscription, subscription_details=params, **more
        )
        check(seen)
        before = len(invoices(world))
        do(world, "subscription_update", subscription, **params, **more)
        if len(invoices(world)) > before:
            assert essence(seen) == essence(invoices(world)[-1])
    for invoice in invoices(world):
        check(invoice)


@settings(max_examples=40, deadline=None)
@given(some_coupons, st.integers(1, MONTH - 1), st.integers(1, 9))
def test_itemized_and_included_cost_the_same(discounts: list[int], at: int, quantity: int) -> None:
    """How discounts are shown changes nothing but the rounding: a cent for each amount that is shown."""
    totals = []
    for mode in ("included", "itemized"):
        account = Account(mode, discounts, [])
        item = account.subscription["items"]["data"][0]["id"]
        do(
            account.world, "subscription_update", account.subscription["id"],
            items=[{"id": item, "quantity": quantity}], proration_behavior="always_invoice",
            proration_date=NOVEMBER + at,
        )  # fmt: skip
        made = invoices(account.world)[-1]
        totals.append(made["total"])
    assert abs(totals[0] - totals[1]) <= 2 + 2 * len(discounts)
