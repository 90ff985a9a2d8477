"""The confirm: exactly the quote is charged, and Stripe's events settle it."""

from __future__ import annotations

from worker.demo.stage import Stage
from worker.demo.telling import (
    check_settled,
    compared_lines,
    counted,
    lines_of_invoice,
    lines_of_quote,
    show_change,
    show_items,
)


async def tell(stage: Stage) -> None:
    """One call to Stripe, one invoice, line by line what was promised."""
    screen, quote = stage.screen, stage.quote
    before, heard = await stage.items(), len(await stage.deliveries())
    change = await stage.settled((await stage.confirm(quote)).body)
    after, invoice = await stage.items(), await stage.invoice(change)
    events = (await stage.deliveries())[heard:]

    screen.say("One call to Stripe, one invoice. Its items, and every line as quoted and as invoiced:")
    show_items(stage, before, after)
    both = compared_lines(lines_of_quote(quote), lines_of_invoice(invoice))
    screen.compared(both, ("quoted", "invoiced"), invoice["currency"])
    due = quote["due_today"]["amount_minor"]
    screen.compared({"total": [due, invoice["total"]]}, (), invoice["currency"])
    screen.line()
    screen.row("invoice at Stripe", f"{invoice['number']}: {invoice['status']}")
    screen.row("webhooks", counted([event["type"] for event in events]))
    show_change(stage, change)

    stage.check(
        "every line is invoiced as quoted", sorted(lines_of_quote(quote)), sorted(lines_of_invoice(invoice))
    )
    stage.check("exactly the quote was paid", ("paid", due), (invoice["status"], invoice["amount_paid"]))
    stage.check("one charge, by Stripe's own ledger", 1, len(await stage.effects(change, "charge")))
    stage.check("every webhook was delivered", set(), {event["status"] for event in events} - {"delivered"})
    check_settled(stage, change)
