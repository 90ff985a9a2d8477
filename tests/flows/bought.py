"""What every increase has to keep: charged as quoted, and at Stripe exactly the items of the new terms."""

from __future__ import annotations

from typing import Any

from sync.rules.terms import Terms
from tests.flows.world import World


async def assert_bought(world: World, wish: dict[str, Any]) -> dict[str, Any]:
    """Quote, confirm and settle the wish, and return the quote.

    Quote minus charge is 0, the estimate agrees with the quote, the account's terms are those of the quote,
    and Stripe has the catalog's items of these terms, one each.
    """
    quote = await world.quote(wish)
    change = await world.settled((await world.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert 0 == quote["estimate_difference_minor"]
    terms = (await world.view())["terms"]
    assert quote["now"] == terms
    wanted = world.billing.catalog.items_for(Terms.from_json(terms), "usd")
    assert {slot.key: quantity for slot, quantity in wanted.items()} == await world.items()
    return quote
