"""Every prorated line is shown, and confirmed, before anything changes at Stripe or here."""

from __future__ import annotations

from typing import Any

from tests.flows.world import World


async def test_a_quote_changes_nothing(stocked: World) -> None:
    """Asking is free: items, invoices, balance and terms are as they were."""
    before = await _state(stocked)
    await stocked.quote({"tier": "pro", "contact_limit": 5000, "seats": 9})
    assert before == await _state(stocked)


async def test_the_lines_add_up(stocked: World) -> None:
    """Each line says what it is for, and together they are what is due today."""
    quote = await stocked.quote({"tier": "pro", "contact_limit": 5000, "seats": 9})
    lines = quote["due_today_lines"]
    assert quote["due_today"]["amount_minor"] == sum(line["amount_minor"] for line in lines)
    assert {"credit", "charge"} == {line["kind"] for line in lines}
    assert all(line["description"] and line["period"] for line in lines)


async def test_a_quote_that_nobody_confirmed_ends(stocked: World) -> None:
    """After its ten minutes it cannot be confirmed, and a fresh one is on offer."""
    quote = await stocked.quote({"seats": 8})
    await stocked.billing.pool.execute("UPDATE quote SET expires_at = now() WHERE id = $1", quote["id"])
    said = await stocked.confirm(quote)
    assert (409, "quote_expired") == (said.status, said.body["code"])
    assert quote["now"] == said.body["new_quote"]["now"]


async def _state(world: World) -> tuple[dict[str, int], int, Any]:
    customer = (await world.view())["stripe_customer_id"]
    balance = (await world.stripe("GET", f"/v1/customers/{customer}"))["balance"]
    return await world.items(), len(await world.invoices()) + balance, (await world.view())["terms"]
