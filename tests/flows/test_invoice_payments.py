"""The account's invoices say what became of their money, as Stripe's events told it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.test_fewer_at_renewal import renew
from tests.flows.world import World

WHOLE = 6900


@pytest.fixture
async def bought(world: World) -> World:
    await world.buy()
    return world


async def newest(world: World) -> dict[str, Any]:
    """How the newest invoice stands with its money."""
    said = await world.call("GET", "/v1/accounts/acme/invoices")
    payment: dict[str, Any] = said.body["data"][0]["payment"]
    return payment


async def becomes(world: World, state: str, refunded: int = 0, **more: Any) -> None:
    """The newest invoice's payment comes to this state once the events are applied."""
    expected = {
        "state": state,
        "amount_refunded": {"amount_minor": refunded, "currency": "usd"},
        "disputed": False,
        "failure_code": None,
    }

    async def there() -> bool:
        return await newest(world) == expected | more

    await world.eventually(there)


async def charge(world: World) -> str:
    [found] = (await world.stripe("GET", "/v1/charges"))["data"]
    return str(found["id"])


async def test_a_purchase_is_paid(bought: World) -> None:
    """Nothing was given back."""
    await becomes(bought, "paid")


async def test_refunds_are_summed_until_all_is_given_back(bought: World) -> None:
    """A part first, then the rest."""
    charge_id = await charge(bought)
    await bought.stripe("POST", "/v1/refunds", charge=charge_id, amount=500)
    await becomes(bought, "partly_refunded", 500)
    await bought.stripe("POST", "/v1/refunds", charge=charge_id)
    await becomes(bought, "refunded", WHOLE)


async def test_a_dispute_is_told(bought: World) -> None:
    """The bank may take the money back: the invoice is paid, and disputed."""
    await bought.control("POST", "dashboard", {"act": "dispute", "charge": await charge(bought)})
    await becomes(bought, "paid", disputed=True)


async def test_a_declined_renewal_tells_the_banks_reason(bought: World) -> None:
    """The invoice stays open; the list says why the last attempt failed."""
    await bought.card("pm_card_chargeCustomerFail")
    await renew(bought)
    await becomes(bought, "failed", failure_code="generic_decline")
