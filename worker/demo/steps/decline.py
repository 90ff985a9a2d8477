"""A declined card changes nothing."""

from __future__ import annotations

from worker.demo.stage import Stage
from worker.demo.telling import show_items

DECLINED, GOOD = "pm_card_chargeCustomerFail", "pm_card_visa"


async def tell(stage: Stage) -> None:
    """The confirm answers 402 with the reason; no item moves, and nothing stays payable."""
    screen = stage.screen
    await stage.use_card(DECLINED)
    screen.say("Acme's card is now one that the bank declines. Ada asks for two more seats and confirms.")
    before, terms = await stage.items(), (await stage.account())["terms"]
    said = await stage.confirm(await stage.ask_quote({"seats": terms["seats"] + 2}))
    after, account = await stage.items(), await stage.account()
    invoice = await stage.invoice(said.body)
    screen.row("answer", f"{said.status} {said.body['code']}", "bold red")
    screen.row("reason", said.body["now"]["detail"])
    show_items(stage, before, after)
    screen.row("its invoice", f"{invoice['number']}: {invoice['status']}")
    await stage.use_card(GOOD)
    screen.row("then", "Acme's card is a good one again")
    stage.check(
        "the answer is 402 with the reason", (402, "payment_declined"), (said.status, said.body["code"])
    )
    stage.check("no item changed at Stripe", before, after)
    stage.check("the account has what it had", terms, account["terms"])
    stage.check("nothing was charged", 0, len(await stage.effects(said.body, "charge")))
    stage.check("nobody can pay that invoice any more", "void", invoice["status"])
    stage.check("no change stays open", [], account["open_legs"])
