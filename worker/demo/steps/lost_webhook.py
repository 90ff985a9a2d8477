"""A webhook is lost; the list of events finds what it said."""

from __future__ import annotations

import json
from typing import Any

from sync.store import mirror
from sync.store.db import create_pool
from worker.demo.stage import Stage
from worker.local_doors import UnexpectedAnswer

COMMAND = ("catch-up", "--json")
FACTS = ("status", "cancel_at_period_end", "cancel_at")
WIDTHS = (24, 17, 17, 17)


async def tell(stage: Stage) -> None:
    """Somebody edits the subscription at Stripe, and we hear nothing of it until we look."""
    screen = stage.screen
    screen.say(
        "Somebody at Stripe's dashboard sets Acme's subscription to end with its period, and the webhook is "
        "lost on the way. A worker looks once a minute by itself; it is stopped here, to show the command."
    )
    await stage.work.stop()
    subscription_id = (await stage.subscription())["id"]
    known = await _in_mirror(stage, subscription_id)
    heard = len(await stage.deliveries())
    await stage.doors.control("POST", "delivery", {"mode": "drop"})
    edit = {"path": f"/v1/subscriptions/{subscription_id}", "params": {"cancel_at_period_end": "true"}}
    await stage.doors.control("POST", "dashboard", {"method": "POST", **edit})
    await stage.doors.control("POST", "delivery", {"mode": "normal"})
    lost = [event["type"] for event in (await stage.deliveries())[heard:] if event["status"] == "dropped"]
    at_stripe, unaware = await _at_stripe(stage), await _in_mirror(stage, subscription_id)

    screen.row("lost webhook", ", ".join(lost), "bold red")
    screen.command("prorata catch-up")
    found = await _catch_up(stage)
    screen.row("Stripe lists", f"{found['listed']} events since {found['since']}")
    screen.row("unknown here", f"{found['missing']}: stored and applied now")
    aware = await _in_mirror(stage, subscription_id)
    rows = [(name, str(unaware[name]), str(aware[name]), str(at_stripe[name])) for name in FACTS]
    screen.line()
    screen.table(WIDTHS, ("subscription", "we had", "we have", "Stripe has"), rows)
    screen.line()
    stage.check("the webhook was lost", ["customer.subscription.updated"], lost)
    stage.check("our copy did not know", known, unaware)
    stage.check("exactly the lost event was found", len(lost), found["missing"])
    stage.check("our copy equals Stripe", at_stripe, aware)


async def _at_stripe(stage: Stage) -> dict[str, Any]:
    found = await stage.subscription()
    return {name: found[name] for name in FACTS}


async def _in_mirror(stage: Stage, subscription_id: str) -> dict[str, Any]:
    """The same facts from our own copy in PostgreSQL."""
    pool = await create_pool(stage.here.database_url, max_size=1, application_name="prorata-demo")
    try:
        row = await mirror.subscription_row(pool, subscription_id)
    finally:
        await pool.close()
    if row is None:
        raise UnexpectedAnswer(f"our copy has no subscription {subscription_id}")
    return {
        "status": row.status,
        "cancel_at_period_end": row.cancel_at_period_end,
        "cancel_at": row.cancel_at_unix,
    }


async def _catch_up(stage: Stage) -> dict[str, Any]:
    with (stage.here.logs / "catch-up.log").open("wb") as log:
        code, printed = await stage.here.run(*COMMAND, stderr=log)
    if code != 0:
        raise UnexpectedAnswer(f"prorata catch-up ended with exit code {code}")
    found: dict[str, Any] = json.loads(printed)
    return found
