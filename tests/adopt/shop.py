"""A Stripe account that somebody else has sold in for years: own products, own prices, own habits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.adopt import Adoption, Choice, Naming, Result, adopt
from sync.rules.adoption_prices import MapLine, PriceMap
from tests.adopt.builders import slot
from tests.flows.world import ADMIN, World
from tests.rules.builders import CATALOG

EMAIL = "ada@acme.example"


@dataclass(slots=True)
class Shop:
    """Makes what adoption finds, at the local Stripe, as anybody could."""

    world: World
    prices: dict[str, str] = field(default_factory=dict)

    async def price(
        self,
        short: str,
        amount_minor: int | None = None,
        *,
        interval: str = "month",
        product: Mapping[str, str] | None = None,
        **params: str,
    ) -> str:
        """A price with a product of its own, at the catalog's amount unless said otherwise."""
        about = {f"metadata[{key}]": value for key, value in (product or {}).items()}
        made = await self.world.stripe("POST", "/v1/products", name=short, **about)
        amount = CATALOG.amount_minor(slot(short, interval)) if amount_minor is None else amount_minor
        terms = {"currency": "usd", "unit_amount": str(amount), "recurring[interval]": interval}
        price = await self.world.stripe("POST", "/v1/prices", product=made["id"], **terms, **params)
        self.prices[short] = price["id"]
        return str(price["id"])

    async def tagged(self, *shorts: str) -> None:
        """Prices whose metadata names their slots."""
        for short in shorts:
            await self.price(short, **{"metadata[prorata_slot]": short})

    async def customer(self, card: str | None = "pm_card_visa", **metadata: str) -> str:
        """A customer with a card."""
        said = {f"metadata[{key}]": value for key, value in metadata.items()}
        made = await self.world.stripe("POST", "/v1/customers", email=EMAIL, name="Acme", **said)
        if card is not None:
            method = await self.world.stripe(
                "POST", f"/v1/payment_methods/{card}/attach", customer=made["id"]
            )
            params = {"invoice_settings[default_payment_method]": method["id"]}
            await self.world.stripe("POST", f"/v1/customers/{made['id']}", **params)
        return str(made["id"])

    async def subscribe(
        self, customer: str, items: Mapping[str, int], mode: str = "flexible", **params: str
    ) -> str:
        """A subscription of these prices, by their short names or ids, with their quantities."""
        given = {"billing_mode[type]": mode, **params}
        for place, (name, quantity) in enumerate(items.items()):
            given[f"items[{place}][price]"] = self.prices.get(name, name)
            given[f"items[{place}][quantity]"] = str(quantity)
        made = await self.world.stripe("POST", "/v1/subscriptions", customer=customer, **given)
        assert made["status"] in ("active", "trialing"), made
        return str(made["id"])

    # ---- adoption

    async def adopt(
        self,
        subscription_id: str | None = None,
        *,
        dry_run: bool = False,
        lines: Mapping[str, MapLine] | None = None,
        naming: Naming | None = None,
    ) -> Adoption:
        """Everything, or one; ada is the admin of whatever names none."""
        choice = Choice(
            "tester", subscription_id, dry_run, PriceMap(lines or {}), naming or Naming(admin=ADMIN)
        )
        return await adopt(self.world.billing, choice)

    async def adopted(self, subscription_id: str, **others: Any) -> Result:
        """One that must be taken over."""
        [result] = (await self.adopt(subscription_id, **others)).results
        assert result.outcome == "adopted", result
        return result


def outcomes(done: Adoption) -> dict[str, list[str]]:
    """Subscription to its outcome, followed by the codes of its reasons."""
    return {
        each.subscription_id: [str(each.outcome), *(str(reason.code) for reason in each.reasons)]
        for each in done.results
    }
