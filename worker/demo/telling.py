"""Passages that several steps share: a quote in full, a change's story, Stripe's items before and after."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from worker.cli.render import money_text, terms_text
from worker.demo.screen import Line
from worker.demo.stage import Item, Stage

# Shown of an item's id: enough to see that it is the same one.
ID_TAIL = 6
ITEM_WIDTHS = (10, 33, 33)
# How Stripe ends the words of every prorated line of one invoice.
INSTANT = re.compile(r" after \d+ \w+ \d{4}$")


def show_quote(stage: Stage, quote: dict[str, Any]) -> None:
    """Everything that somebody sees before the confirm; checks that it adds up."""
    screen, currency = stage.screen, quote["due_today"]["currency"]
    if quote["current"] is not None:
        screen.row("now", terms_text(quote["current"]))
    screen.row("wanted", terms_text(quote["now"]))
    screen.line()
    show_lines(stage, lines_of_quote(quote), currency)
    screen.total("charged today", quote["due_today"]["amount_minor"], currency, main=True)
    later, renewal = quote["from_now_on"], quote["next_invoice"]
    screen.total("total from now on", later["amount"]["amount_minor"], currency, f"every {later['interval']}")
    screen.total("next invoice", renewal["amount"]["amount_minor"], currency, f"on {renewal['on'][:10]}")
    screen.line()
    due = quote["due_today"]["amount_minor"]
    stage.check(
        "the lines add up to what is charged today", due, sum(minor for _, minor in lines_of_quote(quote))
    )


def show_lines(stage: Stage, lines: Sequence[Line], currency: str) -> None:
    """Every line in Stripe's words; the instant, which they all share, is said once."""
    for instant in sorted({found[0] for text, _ in lines if (found := INSTANT.search(text))}):
        stage.screen.line(f"  prorated, each line{instant}:", "dim")
    stage.screen.lines([(INSTANT.sub("", text), minor) for text, minor in lines], currency)


def lines_of_quote(quote: dict[str, Any]) -> list[Line]:
    """The lines of a quote in its own order."""
    return [(line["description"], line["amount_minor"]) for line in quote["due_today_lines"]]


def lines_of_invoice(invoice: dict[str, Any]) -> list[Line]:
    """The lines of one of Stripe's invoices."""
    return [(line["description"], line["amount"]) for line in invoice["lines"]["data"]]


def compared_lines(quoted: Sequence[Line], invoiced: Sequence[Line]) -> dict[str, list[int | None]]:
    """What was quoted and what was invoiced, by the words of the line; None where one has no such line."""
    amounts: Mapping[str, list[int | None]] = defaultdict(lambda: [None, None])
    for column, lines in enumerate((quoted, invoiced)):
        for text, minor in lines:
            words = INSTANT.sub("", text)
            amounts[words][column] = (amounts[words][column] or 0) + minor
    return dict(amounts)


def show_items(stage: Stage, before: Sequence[Item], after: Sequence[Item]) -> None:
    """The subscription's items at Stripe, by id, side by side."""
    old, new = {item.id: item for item in before}, {item.id: item for item in after}
    rows = [
        (f"..{item_id[-ID_TAIL:]}", str(old.get(item_id, "-")), str(new.get(item_id, "-")))
        for item_id in old | new
    ]
    stage.screen.line()
    stage.screen.table(ITEM_WIDTHS, ("item", "Stripe before", "Stripe after"), rows)
    stage.screen.line()


def show_change(stage: Stage, change: dict[str, Any]) -> None:
    """What became of a change, and its own story."""
    now = change["now"]
    stage.screen.row("change", f"{change['id']}: {change['state']}")
    stage.screen.row("quoted, charged", f"{money_text(now['quoted'])}, {money_text(now['charged'])}")
    steps = [f"{step['step']} ({step['state']})" for step in change["steps"]]
    stage.screen.row("its steps", ", ".join(steps))


def check_settled(stage: Stage, change: dict[str, Any]) -> None:
    """The one end that a paid change may have."""
    now = change["now"]
    stage.check("the change is settled", "settled", change["state"])
    stage.check("charged minus quoted is 0", 0, now["difference_minor"])


def counted(types: Sequence[str]) -> str:
    """`2 invoice.paid, 1 customer.updated`."""
    return ", ".join(f"{number} {name}" for name, number in sorted(Counter(types).items()))
