"""What a person or a clock decides in one commit, for a process that may die beside it.

Each deed is done twice by processes that die, before and after its commit, and then by one that lives. It can
be repeated: what has been decided already is no failure here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from sync import accounts, catalog_push, change_requests, changes, parking, request_decisions, resolve, switch
from sync.accounts import NewAccount
from sync.billing import Billing
from sync.errors import Conflict
from sync.reconcile.repair import repair
from sync.reconcile.repair_sides import Side
from sync.reconcile.shown import try_out
from sync.rules.policy_rule import Effective
from sync.rules.terms import PartialTerms
from sync.steps import Chore, Step
from sync.store import findings
from tests.faults.workers import Doing
from tests.flows.world import ADMIN, MARKETING

BY = {"actor": "olga", "reason": "a test"}
LATE = NewAccount(
    account_id="late",
    email="billing@late.example",
    name="Late",
    primary_admin_user_id=ADMIN,
    primary_admin_email="ada@late.example",
    locale="en",
    currency="usd",
)
LINKED = replace(LATE, account_id="linked", email="billing@linked.example")
SALES = replace(MARKETING, product="sales")


@dataclass(frozen=True)
class Deed:
    """A commit by its name, what makes it, and the number (of rows) that is 1 once it is there."""

    commit: Chore | Step
    do: Doing
    count: str


# ---- accounts, and what is sold


async def create(billing: Billing) -> None:
    await accounts.create(billing, LATE)


async def link(billing: Billing) -> None:
    [customer] = await billing.gateway.customers_by_email(LINKED.email)
    await accounts.create(billing, replace(LINKED, stripe_customer_id=customer.id))


async def name_admin(billing: Billing) -> None:
    await accounts.set_primary_admin(billing, LATE.account_id, "bob", "bob@late.example")


async def sell(billing: Billing) -> None:
    slots = set(billing.catalog.items_for(SALES, "usd"))
    await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"], only=slots))


ACCOUNTS = (
    Deed(Chore.WRITE_ACCOUNT, create, "SELECT count(*) FROM account WHERE id = 'late'"),
    Deed(
        Chore.TAKE_CUSTOMER,
        create,
        "SELECT count(*) FROM stripe_call WHERE subject_id = 'late' AND sends > 0",
    ),
    Deed(
        Chore.KEEP_CUSTOMER,
        create,
        "SELECT count(*) FROM account WHERE id = 'late' AND stripe_customer_id IS NOT NULL",
    ),
    Deed(Chore.NAME_ADMIN, name_admin, "SELECT count(*) FROM account WHERE primary_admin_user_id = 'bob'"),
    Deed(Chore.LINK_ACCOUNT, link, "SELECT count(*) FROM account WHERE id = 'linked'"),
    Deed(
        Chore.STORE_CATALOG,
        sell,
        "SELECT count(DISTINCT subject_id) FROM stripe_call WHERE subject_id = 'catalog'",
    ),
    Deed(Chore.SELL, sell, "SELECT least(count(*), 1) FROM catalog_price"),
)


# ---- switches, and wishes that support decides


async def stop(billing: Billing) -> None:
    await switch.stop(billing.pool, **BY, account_id="acme")


async def go(billing: Billing) -> None:
    await switch.go(billing.pool, **BY, account_id="acme")


async def park(billing: Billing) -> None:
    await parking.park(billing, "acme", **BY)


async def unpark(billing: Billing) -> None:
    await parking.unpark(billing, "acme", **BY)


async def submit(billing: Billing) -> None:
    """A wish that costs something now."""
    with contextlib.suppress(Conflict):
        await change_requests.submit(
            billing,
            "acme",
            ADMIN,
            terms=PartialTerms(interval="year"),
            cancel=None,
            effective=Effective.NOW,
            reason="We stay.",
            contact_email=None,
        )


async def _request(billing: Billing) -> str:
    return str(await billing.pool.fetchval("SELECT id FROM change_request"))


async def approve(billing: Billing) -> None:
    with contextlib.suppress(Conflict):
        await request_decisions.approve(billing, await _request(billing), "sam", effective=None, note=None)


async def decline(billing: Billing) -> None:
    with contextlib.suppress(Conflict):
        await request_decisions.decline(billing, await _request(billing), "sam", "Not now.")


def _acts(act: str) -> str:
    return f"SELECT count(*) FROM audit_log WHERE act = '{act}'"


DECISIONS = (
    Deed(Chore.STOP, stop, _acts("writes.stopped")),
    Deed(Chore.GO, go, _acts("writes.allowed")),
    Deed(Chore.PARK, park, "SELECT count(*) FROM account WHERE parked_at IS NOT NULL"),
    Deed(Chore.UNPARK, unpark, _acts("account.unparked")),
    Deed(Chore.SUBMIT_REQUEST, submit, _acts("request.submitted")),
    Deed(Chore.ASK_ADMIN, approve, "SELECT count(DISTINCT quote_id) FROM change_request"),
    Deed(Chore.CLOSE_REQUEST, decline, _acts("request.declined")),
)


# ---- a change that nobody works on

DUE = "SELECT least(count(*), 1) FROM queue.pgqueuer"


async def _change(billing: Billing) -> str:
    return str(await billing.pool.fetchval("SELECT change_id FROM change_leg WHERE ended_at IS NULL"))


async def resume(billing: Billing) -> None:
    await changes.resume(billing, await _change(billing))


async def nudge(billing: Billing) -> None:
    await changes.enqueue_due(billing)


async def say_not_applied(billing: Billing) -> None:
    await resolve.resolve(billing, await _change(billing), applied=False, **BY)


STUCK = (
    Deed(Chore.NUDGE, nudge, DUE),
    Deed(Chore.RESUME, resume, DUE),
    Deed(Step.RESOLVE, say_not_applied, "SELECT least(count(*), 1) FROM change_step WHERE step = 'resolve'"),
)


# ---- findings


async def _repair(billing: Billing, side: Side) -> None:
    for row in await findings.list_(billing.pool, state="open", limit=100):
        shown = (await try_out(billing, row.id, side))["dry_run"]["digest"]
        await repair(billing, row.id, side=side, expect=shown, **BY)


async def take_over(billing: Billing) -> None:
    await _repair(billing, Side.STRIPE)


async def look(billing: Billing) -> None:
    await _repair(billing, Side.REFRESH)


TAKEN_OVER = Deed(
    Chore.TAKE_OVER, take_over, "SELECT count(*) FROM account_terms WHERE seats = 12 AND ended_at IS NULL"
)
LOOKED = Deed(Chore.CLOSE_REPAIR, look, "SELECT count(*) FROM repair WHERE side = 'refresh'")
