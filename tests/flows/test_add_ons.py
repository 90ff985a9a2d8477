"""Add-ons: add to plan, a review of what the purchase changes, confirm purchase."""

from __future__ import annotations

from tests.flows.bought import assert_bought
from tests.flows.world import ADMIN, World


async def test_an_add_on_is_charged_as_quoted(stocked: World) -> None:
    """One more item, one more line, nothing else moves."""
    before = await stocked.items()
    await assert_bought(stocked, {"add_ons": ["sms"]})
    after = await stocked.items()
    assert before == {key: after[key] for key in before}
    assert 1 == len(after) - len(before)


async def test_more_of_the_same_add_on(stocked: World) -> None:
    """A second pack is a quantity, not a second item."""
    await stocked.change({"add_ons": {"sms": 1}})
    await assert_bought(stocked, {"add_ons": {"sms": 3}})


async def test_an_add_on_that_the_tier_may_not_have(stocked: World) -> None:
    """What is not sold with this product and tier is refused by name; nothing is stored."""
    said = await stocked.call(
        "POST", "/v1/accounts/acme/quotes", {"terms": {"add_ons": ["nothing"]}, "actor": ADMIN}
    )
    assert (422, "not_in_catalog") == (said.status, said.body["code"])
    assert "nothing" in said.body["detail"]
