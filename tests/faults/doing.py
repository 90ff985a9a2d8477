"""Commands, for a process that may die in them, without the second that the command line takes."""

from __future__ import annotations

from sync.billing import Billing
from sync.store import findings


async def push(billing: Billing) -> None:
    """`prorata catalog push`."""
    from sync import catalog_push

    await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"]))


async def sweep(billing: Billing) -> None:
    """`prorata reconcile`."""
    from sync.reconcile.sweep import BY_HAND, Sweep

    await Sweep(billing, name=BY_HAND).run_anew()


async def backfill(billing: Billing) -> None:
    """`prorata backfill`."""
    from sync.backfill import Backfill

    await Backfill(billing.pool, billing.gateway, billing.mirror).run_once()


async def adopt(billing: Billing) -> None:
    """`prorata adopt --all`."""
    from sync.adopt import Choice, Naming, adopt

    await adopt(billing, Choice("olga", naming=Naming(admin="ada")))


async def repair(billing: Billing) -> None:
    """`prorata drift repair`, of everything that is open."""
    from sync.reconcile.repair import repair
    from sync.reconcile.shown import try_out

    for row in await findings.list_(billing.pool, state="open", limit=100):
        shown = (await try_out(billing, row.id))["dry_run"]["digest"]
        await repair(billing, row.id, actor="olga", reason="a test", expect=shown)
