"""From one product to the bundle, in one configuration step."""

from __future__ import annotations

from worker.demo.stage import Stage
from worker.demo.telling import check_settled, show_change, show_items, show_quote

WISH = {"product": "bundle", "tier": "plus", "contact_limit": 10000, "seats": 8, "add_ons": {"sms": 2}}


async def tell(stage: Stage) -> None:
    """Product, contacts, seats and add-ons in one quote; the same items get other prices."""
    screen = stage.screen
    screen.say(
        "Ada moves to the bundle of Marketing and Sales: tier, contacts, seats and add-ons in one step."
    )
    quote = await stage.ask_quote(WISH)
    show_quote(stage, quote)
    screen.say('Ada chooses "upgrade".')
    before = await stage.items()
    change = await stage.settled((await stage.confirm(quote)).body)
    after, invoice = await stage.items(), await stage.invoice(change)
    show_items(stage, before, after)
    show_change(stage, change)
    due = quote["due_today"]["amount_minor"]
    stage.check("exactly the quote was paid", ("paid", due), (invoice["status"], invoice["amount_paid"]))
    stage.check("the swap kept the items", {item.id for item in before}, {item.id for item in after})
    stage.check("the account has the bundle", quote["now"], (await stage.account())["terms"])
    check_settled(stage, change)
