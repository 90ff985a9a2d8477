"""The account's balance, its transactions, and payouts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from worker.twin import pages
from worker.twin.billing import funds, payouts
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import Call, World


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v1/balance`: available and pending, by currency."""
    return funds.show(world)


def retrieve_transaction(world: World, call: Call) -> Doc:
    """`GET /v1/balance_transactions/{id}`."""
    return world.store.get("balance_transaction", call.id)


def find_transactions(world: World, call: Call) -> Doc:
    """`GET /v1/balance_transactions` by `type`, `source`, `payout`, `currency`, `created`."""
    wanted = call.params
    exact: dict[str, Any] = {name: wanted[name] for name in ("type", "source", "currency") if name in wanted}
    rows = (
        t
        for t in _candidates(world, wanted.get("payout"), exact, wanted.get("starting_after"))
        if all(t[name] == value for name, value in exact.items())
        and pages.in_range(t["created"], wanted.get("created"))
    )
    return pages.page(rows, wanted, "/v1/balance_transactions")


def _candidates(
    world: World, payout_id: str | None, exact: dict[str, Any], after: str | None
) -> Iterable[Doc]:
    """The transactions of a payout: all that an automatic one swept, or the one that a manual one is."""
    table = world.store["balance_transaction"]
    if payout_id is None:
        return table.newest_first(exact, after)
    payout = world.store.get("payout", payout_id, "payout")
    swept = world.facts.payouts.get(payout_id, [payout["balance_transaction"]])
    return [table.docs[i] for i in reversed(swept)]


def create_payout(world: World, call: Call) -> Doc:
    """`POST /v1/payouts`: by hand, out of what is available."""
    given = call.params
    if given["amount"] <= 0:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    fields: Doc = {name: given.get(name) for name in ("description", "statement_descriptor")}
    fields["metadata"] = {}
    merge_metadata(fields, given.get("metadata"))
    return payouts.make(world, given["amount"], given["currency"], **fields)


def update_payout(world: World, call: Call) -> Doc:
    """`POST /v1/payouts/{id}`: metadata."""
    payout = world.store.get("payout", call.id)
    before = snapshot(payout)
    merge_metadata(payout, call.params.get("metadata"))
    world.events.updated("payout.updated", payout, before)
    return payout


def cancel_payout(world: World, call: Call) -> Doc:
    """`POST /v1/payouts/{id}/cancel`."""
    return payouts.cancel(world, world.store.get("payout", call.id))


def retrieve_payout(world: World, call: Call) -> Doc:
    """`GET /v1/payouts/{id}`."""
    return world.store.get("payout", call.id)


def find_payouts(world: World, call: Call) -> Doc:
    """`GET /v1/payouts` by `status`, `destination`, `created`, `arrival_date`."""
    wanted = call.params
    rows = (
        p
        for p in world.store["payout"].newest_first({}, wanted.get("starting_after"))
        if wanted.get("status") in (None, p["status"])
        and wanted.get("destination") in (None, p["destination"])
        and pages.in_range(p["created"], wanted.get("created"))
        and pages.in_range(p["arrival_date"], wanted.get("arrival_date"))
    )
    return pages.page(rows, wanted, "/v1/payouts")


HANDLERS = {
    "balance_retrieve": retrieve,
    "balance_transaction_list": find_transactions,
    "balance_transaction_retrieve": retrieve_transaction,
    "payout_create": create_payout,
    "payout_list": find_payouts,
    "payout_retrieve": retrieve_payout,
    "payout_update": update_payout,
    "payout_cancel": cancel_payout,
}
