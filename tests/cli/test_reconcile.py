"""`prorata reconcile`: what a person or a nightly script gets to see, and the exit code."""

from __future__ import annotations

from typing import Any

import aiohttp

from sync import account_views
from sync.billing import Billing
from tests.cli.conftest import fail_at_stripe
from tests.cli.shell import Shell
from worker.twin.server import RunningTwin


async def edit_seats(twin: RunningTwin, billing: Billing, quantity: int) -> None:
    """Somebody sets the seats in the dashboard."""
    subscription_id = (await account_views.view(billing, "acme"))["stripe_subscription_id"]
    subscription = await billing.gateway.subscription(subscription_id)
    [item] = [each for each in subscription.items.data if ":seats:" in (each.price.lookup_key or "")]
    path = f"/v1/subscription_items/{item.id}"
    params = {"quantity": quantity, "proration_behavior": "none"}
    body = {"method": "POST", "path": path, "params": params}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{twin.base_url}/_twin/dashboard", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_compare_check_and_repair(
    acme: Shell, first: dict[str, Any], twin: RunningTwin, billing: Billing
) -> None:
    """0 while nothing differs, 8 with `--check` while something does, and 0 again after the repair."""
    clean = await acme.good("reconcile", "--check")
    assert ([], 1) == (clean["findings"], clean["compared"]["subscriptions"])

    await edit_seats(twin, billing, 7)
    said = await acme.quick("reconcile", "--check", "--json")
    assert (8, ["wrong_quantity"]) == (said.code, [each["kind"] for each in said.data["findings"]])
    text = await acme.quick("reconcile", "--account", "acme")
    assert 0 == text.code
    assert "wrong_quantity" in text.out
    assert "open findings: 1" in text.err
    [shown] = (await account_views.view(billing, "acme"))["findings"]
    assert ("wrong_quantity", "critical") == (shown["kind"], shown["severity"])
    [drift] = [each for each in (await acme.quick("doctor", "--json")).data if each["name"] == "drift"]
    assert ("warn", "1 wrong_quantity") == (drift["status"], drift["found"])

    repaired = await acme.good("reconcile", "--repair")
    assert ([], ["repaired"]) == (repaired["findings"], [each["code"] for each in repaired["repairs"]])
    assert 0 == (await acme.quick("reconcile", "--check")).code
    assert [] == (await account_views.view(billing, "acme"))["findings"]


async def test_what_was_not_judged_is_no_success(
    acme: Shell, first: dict[str, Any], twin: RunningTwin, billing: Billing
) -> None:
    """6 with `--check` while Stripe does not show an account that may differ."""
    await edit_seats(twin, billing, 7)
    await fail_at_stripe(twin, 403, "/v1/customers/*")
    said = await acme.quick("reconcile", "--check", "--json")
    assert (6, [], 1) == (said.code, said.data["findings"], said.data["compared"]["unjudged"])
    assert "could not be judged" in (await acme.quick("reconcile", "--check")).err


async def test_what_is_refused(acme: Shell) -> None:
    """An unknown account is 3; contradictions are 2, and nothing was done."""
    assert 3 == (await acme.quick("reconcile", "--account", "nobody")).code
    for words in (("--account", "acme", "--all"), ("--check", "--repair")):
        said = await acme.quick("reconcile", *words)
        assert (2, "") == (said.code, said.out)
        assert "exclude each other" in said.err
