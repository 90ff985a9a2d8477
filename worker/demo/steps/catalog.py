"""The catalog goes to Stripe."""

from __future__ import annotations

import json

from worker.demo.stage import Stage
from worker.demo.doors import UnexpectedAnswer

COMMAND = ("catalog", "push", "--currency", "usd", "--yes", "--json")


async def tell(stage: Stage) -> None:
    """Run the very command that an operator runs, and count at Stripe what it made."""
    screen = stage.screen
    screen.say("What is sold is data in one file. A push creates the products and prices that Stripe lacks.")
    screen.command("prorata catalog push --currency usd --yes")
    pushed = await _push(stage)
    products, prices = len(pushed["new_products"]), len(pushed["new_prices"])
    screen.row("products created", str(products))
    screen.row("prices created", f"{prices} (an amount at Stripe never changes: another one is a new price)")
    at_stripe = await stage.doors.stripe_list("prices", active="true")
    stage.check("Stripe lists as many prices as were pushed", prices, len(at_stripe))
    amounts = await _catalog_amounts(stage)
    found = {price["lookup_key"].rpartition(":")[0]: price["unit_amount"] for price in at_stripe}
    stage.check("every amount is the catalog's", [], [key for key in found if found[key] != amounts.get(key)])


async def _push(stage: Stage) -> dict[str, list[str]]:
    """On a terminal the command draws its own progress bar; elsewhere its messages go to a log."""
    if stage.screen.live:
        code, printed = await stage.here.run(*COMMAND)
    else:
        with (stage.here.logs / "catalog-push.log").open("wb") as log:
            code, printed = await stage.here.run(*COMMAND, stderr=log)
    if code != 0:
        raise UnexpectedAnswer(f"prorata catalog push ended with exit code {code}")
    pushed: dict[str, list[str]] = json.loads(printed)
    return pushed
