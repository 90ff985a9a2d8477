"""An id is one part of a path at Stripe, whatever somebody typed for it."""

from __future__ import annotations

import pytest

from sync.gateway import StripeCallFailed, Verdict
from tests.flows.world import World


async def test_id_never_leads_to_another_object(world: World) -> None:
    """What is asked for is not there, and no other object answers; an id that a person chose is found."""
    customer = await world.stripe("POST", "/v1/customers", email="ada@acme.example")
    gateway = world.billing.gateway
    for way in ("../customers/{}", "{}?limit=1", "{}#", "{}/", "..", "."):
        object_id = way.format(customer["id"])
        assert (await gateway.read_object("customer", object_id)).body is None, object_id
        with pytest.raises(StripeCallFailed) as failed:
            await gateway.subscription(object_id)
        assert failed.value.failure.verdict is Verdict.MISSING

    made = await world.stripe("POST", "/v1/products", id="gold & silver? 50%#1", name="Gold")
    assert (await gateway.read_object("product", made["id"])).body is not None
