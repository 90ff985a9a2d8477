"""A quote in the middle of the month: every prorated line, before anything happens."""

from __future__ import annotations

from typing import Any

from worker.demo.stage import Stage
from worker.demo.telling import show_quote

DAYS = 14
WISH = {"seats": 6, "contact_limit": 5000, "add_ons": {"sms": 1}}


async def tell(stage: Stage) -> None:
    """More seats, more contacts and an add-on at once, priced to the second."""
    before = await stage.items()
    await stage.pass_days(DAYS)
    stage.quote = quote = await stage.ask_quote(WISH)
    left, whole = await _days(stage, quote)
    stage.screen.say(
        f"{DAYS} days later (the local Stripe's clock was moved), {left} of the period's {whole} days are "
        "left. Ada wants more seats, more contacts and an add-on, in one go. Every prorated line is shown:"
    )
    show_quote(stage, quote)
    stage.check("Prorata's own arithmetic agrees with Stripe's", 0, quote["estimate_difference_minor"])
    stage.check(
        "the next invoice is the total from now on",
        quote["from_now_on"]["amount"],
        quote["next_invoice"]["amount"],
    )
    stage.check("nothing has happened at Stripe", before, await stage.items())


async def _days(stage: Stage, quote: dict[str, Any]) -> tuple[str, str]:
    """How much of the running period is left at the quote's instant, and how long it is, in days."""
    item = (await stage.subscription())["items"]["data"][0]
    start, end = item["current_period_start"], item["current_period_end"]
    return f"{(end - quote['proration_date']) / 86_400:.4g}", f"{(end - start) / 86_400:.4g}"
