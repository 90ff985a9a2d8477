"""A worker dies by SIGKILL at the worst moment, and the change still happens exactly once."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from sync.rules.money import format_minor
from sync.store.changes import LEASE_SECONDS
from worker.demo.stage import PATIENCE_SECONDS, Stage
from worker.demo.telling import check_settled, show_change, show_items


async def tell(stage: Stage) -> None:
    """Stripe has charged, we do not know it: the next worker reads back before it does anything."""
    screen = stage.screen
    screen.say(
        "The worker is replaced by one that dies by SIGKILL at the worst moment: Stripe has made the change "
        "and charged it, and the answer is not written down yet. No cleanup runs, as on a lost machine."
    )
    quote = await stage.ask_quote({"seats": (await stage.account())["terms"]["seats"] + 2})
    before = await stage.items()
    change = await _confirm_and_die(stage, quote)
    between, after_death = await stage.doors.get(f"/v1/changes/{change['id']}"), await stage.items()
    charges = await stage.effects(change, "charge")
    screen.row("our change says", f"{between['state']}: sent, and nobody knows how it ended", "bold")
    screen.row("Stripe says", f"{_charged(charges)}, items changed", "bold")
    stage.check("the process was killed", -signal.SIGKILL, stage.work.process.returncode)
    stage.check("we do not know the outcome", "applying", between["state"])
    stage.check("Stripe has made the change", True, before != after_death)

    screen.say(
        f"A new worker starts. The dead one's lease on the change runs out after {LEASE_SECONDS} seconds."
    )
    await stage.start_work("work-2")
    with screen.waiting("waiting for the lease, then for the change to settle"):
        change = await stage.settled(change)
    after = await stage.items()
    show_items(stage, before, after)
    show_change(stage, change)
    updates = await stage.effects(change, "subscription_updated")
    stage.check("nothing was sent twice: one update at Stripe", 1, len(updates))
    stage.check("one charge, by Stripe's own ledger", 1, len(await stage.effects(change, "charge")))
    stage.check("the items are as the dead worker left them", after_death, after)
    check_settled(stage, change)


async def _confirm_and_die(stage: Stage, quote: dict[str, Any]) -> dict[str, Any]:
    """Put the worker that will die in place, confirm, and see it die; returns the change."""
    await stage.work.stop()
    await stage.start_work("work-killed", {"PRORATA_FAILPOINTS": "send.after_call"})
    said = await stage.confirm(quote, wait=0)
    stage.screen.row("confirm", f"{said.status}: accepted, being worked on")
    with stage.screen.waiting("the worker takes the change up"):
        await asyncio.wait_for(stage.work.process.wait(), PATIENCE_SECONDS)
    stage.screen.row("worker", f"process {stage.work.process.pid} was killed", "bold red")
    return said.body


def _charged(charges: list[dict[str, Any]]) -> str:
    """`1 charge: 28.80 USD`."""
    amounts = ", ".join(format_minor(each["amount_minor"], each["currency"]) for each in charges)
    return f"{len(charges)} charge: {amounts}"
