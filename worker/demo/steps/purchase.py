"""The first purchase."""

from __future__ import annotations

from worker.demo.stage import ACCOUNT, ADMIN, Stage
from worker.demo.telling import check_settled, show_change, show_quote

NEW_ACCOUNT = {
    "account_id": ACCOUNT,
    "email": "billing@acme.example",
    "name": "Acme Ltd",
    "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"},
    "locale": "en",
    "currency": "usd",
    "payment_method": "pm_card_visa",
}
WISH = {"product": "marketing", "tier": "plus", "contact_limit": 1000, "seats": 3}


async def tell(stage: Stage) -> None:
    """A new account buys Marketing Plus."""
    screen = stage.screen
    account = await stage.doors.post("/v1/accounts", NEW_ACCOUNT)
    screen.row("account", f"{ACCOUNT}, customer {account['stripe_customer_id']}, test card 4242")
    screen.row("primary admin", f"{ADMIN}, the only one who may change its billing")
    quote = await stage.ask_quote(WISH)
    show_quote(stage, quote)
    screen.say("Three seats are included, so the item for extra seats begins with 0. Ada confirms.")
    change = await stage.settled((await stage.confirm(quote)).body)
    invoice = await stage.invoice(change)
    screen.row("invoice at Stripe", f"{invoice['number']}: {invoice['status']}")
    show_change(stage, change)
    check_settled(stage, change)
    due = quote["due_today"]["amount_minor"]
    stage.check("exactly the quote was paid", ("paid", due), (invoice["status"], invoice["amount_paid"]))
    account = await stage.account()
    stage.check("the account may use what it paid for", quote["now"], account["entitled"])
