"""What users of other systems suffered from, where no other test has the very case."""

from __future__ import annotations

from sync import request_decisions
from sync.backfill import Backfill
from sync.change_requests import submit
from sync.mirror import Mirror
from sync.rules.policy_rule import Effective
from tests.faults.hands import Hands
from tests.flows.world import ADMIN


async def test_ended_kept_and_ended_again(mid: Hands) -> None:
    """Each wish has its own key at Stripe: the third is no replay of the first one's answer."""
    billing, keys = mid.world.billing, set()
    for ends in (True, False, True):
        when = Effective.RENEWAL if ends else Effective.NOW
        request = await submit(
            billing,
            "acme",
            ADMIN,
            terms=None,
            cancel=ends,
            effective=when,
            reason="We thought about it.",
            contact_email=None,
        )
        done = await request_decisions.approve(billing, request["id"], "sam", effective=when, note=None)
        await mid.settle(await mid.step({"id": done["change_id"]}))
        assert ends is (await mid.world.subscription())["cancel_at_period_end"]
        keys.add(await billing.pool.fetchval("SELECT key FROM stripe_call ORDER BY created_at DESC LIMIT 1"))
    assert 3 == len(keys)


async def test_an_import_that_is_told_to_slow_down_leaves_nothing_out(mid: Hands) -> None:
    """Refused again and again for its rate, a list is asked for once more until it is whole."""
    world, pool = mid.world, mid.world.billing.pool
    await pool.execute("DELETE FROM stripe_object")
    for path in ("/v1/customers", "/v1/subscriptions", "/v1/invoices"):
        await mid.fault(method="GET", path=path, status=429, times=2)
    await Backfill(pool, world.billing.gateway, Mirror()).run_once()
    assert [] == (await world.control("GET", "faults"))["planned"]
    invoices = [each["id"] for each in await world.invoices()]
    wanted = {(await world.view())["stripe_subscription_id"], *invoices}
    found = await pool.fetch("SELECT id FROM stripe_object WHERE id = ANY($1)", list(wanted))
    assert wanted == {row["id"] for row in found}
