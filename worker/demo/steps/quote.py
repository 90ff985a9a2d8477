"""A quote in the middle of the month: every prorated line, before anything happens."""

from __future__ import annotations

from worker.demo.stage import Stage
from worker.demo.telling import show_quote

DAYS = 14
WISH = {"seats": 6, "contact_limit": 5000, "add_ons": {"sms": 1}}


async def tell(stage: Stage) -> None:
    """More seats, more contacts and an add-on at once, priced to the second."""
    before = await stage.items()
    await stage.pass_days(DAYS)
    stage.screen.say(
        f"{DAYS} days later (the local Stripe's clock was moved). Ada wants more of everything, in one go. "
        "A quote shows every prorated line, in Stripe's own words:"
    )
    stage.quote = quote = await stage.ask_quote(WISH)
    show_quote(stage, quote)
    stage.check("Prorata's own arithmetic agrees with Stripe's", 0, quote["estimate_difference_minor"])
    stage.check(
        "the next invoice is the total from now on",
        quote["from_now_on"]["amount"],
        quote["next_invoice"]["amount"],
    )
    stage.check("nothing has happened at Stripe", before, await stage.items())
