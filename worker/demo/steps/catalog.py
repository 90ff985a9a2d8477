"""The catalog goes to Stripe."""

from __future__ import annotations

import json

from sync.rules import catalog
from worker.demo.stage import Stage
from worker.local_doors import UnexpectedAnswer

COMMAND = ("catalog", "push", "--currency", "usd", "--yes", "--json")


async def tell(stage: Stage) -> None:
    """Run the very command that an operator runs, and count at Stripe what it made."""
    screen = stage.screen
    screen.say("What is sold is data in one file. A push creates the products and prices that Stripe lacks.")
    screen.command("prorata catalog push --currency usd --yes")
    pushed = await _push(stage)
    products, prices = len(pushed["new_products"]), len(pushed["new_prices"])
    screen.row("products created", str(products))
    screen.row("prices created", str(prices))
    at_stripe = await stage.doors.stripe_list("prices", active="true")
    stage.check("Stripe lists as many prices as were pushed", prices, len(at_stripe))
    sold = catalog.packaged()
    meant = {slot.key: sold.amount_minor(slot) for slot in sold.slots() if slot.currency == "usd"}
    found = {price["lookup_key"].rpartition(":")[0]: price["unit_amount"] for price in at_stripe}
    wrong = {key: (meant.get(key), minor) for key, minor in found.items() if meant.get(key) != minor}
    stage.check("every price there has the catalog's amount", {}, wrong)


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
