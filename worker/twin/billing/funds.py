"""The account's money: a balance transaction with its fee for each move, pending for days, then available.

Sources: API reference "The Balance Transaction object"; docs "Balance transaction types"; Stripe's prices
for the United States (cards 2.9 % + 30 minor units, bank debits 0.8 %, disputes 15.00). Charges become
available at midnight UTC, two days later; every other move counts at once.
"""

from __future__ import annotations

from worker.twin.facts import Funds
from worker.twin.store import Doc
from worker.twin.templates import balance as templates
from worker.twin.world import World

DAY = 86400
# type -> reporting category, where the two differ (docs "Reporting categories").
CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "payment_failure_refund": "refund_failure",
    "payout_cancel": "payout_reversal",
    "payout_failure": "payout_reversal",
}


def record(
    world: World,
    kind: str,
    source: Doc,
    amount: int,
    fee: int = 0,
    *,
    category: str = "",
    waits: bool = False,
) -> Doc:
    """Move the account's balance by `amount` less `fee`, in the currency of `source`."""
    domain = _domain(world, source)
    made = templates.balance_transaction(
        world.ids.new("txn", 20), world.clock.now(domain), source, amount, fee
    )
    made.update(
        type=kind,
        reporting_category=category or CATEGORIES.get(kind, kind),
        description=source.get("description"),
    )
    funds = funds_of(world, source["currency"])
    if waits:
        made["status"] = "pending"
        made["available_on"] = (made["created"] // DAY + world.account.funds_delay_days) * DAY
        funds.pending += made["net"]
        _watch(world, made, domain)
    else:
        _available(world, made)
    return world.store.add("balance_transaction", made)


def funds_of(world: World, currency: str) -> Funds:
    """The account's running sums in one currency."""
    return world.facts.funds.setdefault(currency, Funds())


def _domain(world: World, source: Doc) -> str:
    """Money moves in the time of the customer behind it; payouts in the twin's own."""
    if source["object"] == "dispute":
        source = world.store["charge"].docs[source["charge"]]
    return world.domain_of(source["customer"]) if source.get("customer") else ""


def _watch(world: World, made: Doc, domain: str) -> None:
    """Plan the day on which it becomes available: one piece of work for a whole day of charges."""
    days = world.facts.settling.setdefault(domain, {})
    if str(made["available_on"]) not in days:
        world.clock.at(made["available_on"], "settle", domain, domain)
    days.setdefault(str(made["available_on"]), []).append(made["id"])


def settle(world: World, domain: str, due: int) -> None:
    """Due work: the charges of a day become available."""
    changed = set()
    for transaction_id in world.facts.settling.get(domain, {}).pop(str(due), []):
        made = world.store["balance_transaction"].docs[transaction_id]
        made["status"] = "available"
        funds_of(world, made["currency"]).pending -= made["net"]
        _available(world, made)
        changed.add(made["currency"])
    if changed:
        world.events.emit("balance.available", show(world))


def _available(world: World, made: Doc) -> None:
    funds = funds_of(world, made["currency"])
    funds.available += made["net"]
    funds.unswept.append(made["id"])
    plan_payout(world)


def plan_payout(world: World) -> None:
    """Automatic payouts go out at the next midnight UTC of the twin's clock, if the account has them."""
    if world.account.automatic_payouts and not world.facts.payout_planned:
        world.facts.payout_planned = True
        world.clock.at((world.clock.now() // DAY + 1) * DAY, "payout", "")


def show(world: World) -> Doc:
    """The Balance object."""
    funds = world.facts.funds
    return templates.balance(
        {c: f.available for c, f in funds.items()}, {c: f.pending for c, f in funds.items()}
    )


def charge_fee(world: World, charge: Doc) -> int:
    """What Stripe keeps of a payment, rounded to the nearest minor unit, halves up."""
    kind = charge["payment_method_details"]["type"]
    account = world.account
    if kind == "us_bank_account":
        return min(_share(charge["amount"], account.debit_fee_basis_points), 500)
    if kind == "sepa_debit":
        return min(_share(charge["amount"], account.debit_fee_basis_points) + account.fee_fixed, 600)
    return _share(charge["amount"], account.fee_basis_points) + account.fee_fixed


def _share(amount: int, basis_points: int) -> int:
    return (amount * basis_points + 5000) // 10000


def take(world: World, charge: Doc, *, waits: bool) -> None:
    """The balance transaction of a payment that succeeded."""
    kind = "charge" if charge["payment_method_details"]["type"] == "card" else "payment"
    made = record(world, kind, charge, charge["amount"], charge_fee(world, charge), waits=waits)
    charge["balance_transaction"] = made["id"]
