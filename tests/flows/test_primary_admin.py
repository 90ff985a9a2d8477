"""Only the account's primary admin may change its billing; automation acts in a named admin's name."""

from __future__ import annotations

from tests.flows.world import World

MORE = {"seats": 8}


async def test_nobody_else_may_ask_for_a_quote(stocked: World) -> None:
    """The user is known, but is not the primary admin."""
    said = await stocked.call("POST", "/v1/accounts/acme/quotes", {"terms": MORE, "actor": "bob"})
    assert (403, "not_billing_admin") == (said.status, said.body["code"])


async def test_nobody_else_may_confirm(stocked: World) -> None:
    """The admin's own quote is worth nothing in other hands, and stays the admin's."""
    quote = await stocked.quote(MORE)
    said = await stocked.call("POST", f"/v1/quotes/{quote['id']}/confirm", {"actor": "bob"})
    assert (403, "not_billing_admin") == (said.status, said.body["code"])
    assert 200 == (await stocked.confirm(quote)).status


async def test_automation_must_name_an_admin(stocked: World) -> None:
    """Without a name nothing is bought in anybody's name."""
    said = await stocked.call("POST", "/v1/accounts/acme/quotes", {"terms": MORE})
    assert 400 == said.status


async def test_who_was_admin_at_the_quote_may_no_longer_confirm(stocked: World) -> None:
    """Asked again at the moment of the confirm: the admin was replaced in between."""
    quote = await stocked.quote(MORE)
    admin = {"user_id": "grace", "email": "grace@acme.example"}
    assert 200 == (await stocked.call("PUT", "/v1/accounts/acme/primary-admin", admin)).status
    said = await stocked.confirm(quote)
    assert (403, "not_billing_admin") == (said.status, said.body["code"])
    assert 1 == len(await stocked.invoices())
