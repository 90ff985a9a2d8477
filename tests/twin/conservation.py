"""Money is neither made nor lost: for every customer the books of the twin agree with each other.

`check(world)` reads API objects only, never the twin's own facts, and shares no arithmetic with it. Each rule
names the field of the API reference that it comes from. Amounts are minor units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from worker.twin.engine import execute
from worker.twin.world import Call, World

Doc = dict[str, Any]
FINAL = ("open", "paid", "void", "uncollectible")


def check(world: World) -> list[str]:
    """Everything that does not add up, one sentence each; an empty list for sound books."""
    rules: list[Callable[[World], Iterator[str]]] = [
        _balance_ledgers,
        _invoice_totals,
        _invoice_balance_moves,
        _invoice_payments,
        _charges,
        _refunds,
        _credit_notes,
        _balance_transactions,
        _customers,
    ]
    return [problem for rule in rules for problem in rule(world)]


def _all(world: World, kind: str) -> list[Doc]:
    return list(world.store[kind].docs.values())


def _balance_ledgers(world: World) -> Iterator[str]:
    """`customer.balance` is the sum of its balance transactions, and each names the balance after it."""
    for customer in _all(world, "customer"):
        running = 0
        for move in world.store["customer_balance_transaction"].by("customer", customer["id"]):
            running += move["amount"]
            if move["ending_balance"] != running:
                yield f"{move['id']}: ending_balance {move['ending_balance']}, but the moves sum to {running}"
        if running != customer["balance"]:
            yield f"{customer['id']}: balance {customer['balance']}, but its moves sum to {running}"


def _invoice_totals(world: World) -> Iterator[str]:
    """total = what was due + what moved on the balance + credit notes; due = paid + remaining."""
    for invoice in (i for i in _all(world, "invoice") if i["status"] in FINAL):
        name, moved = invoice["id"], invoice["ending_balance"] - invoice["starting_balance"]
        accounted = invoice["amount_due"] + moved + invoice["pre_payment_credit_notes_amount"]
        if invoice["total"] != accounted:
            yield f"{name}: total {invoice['total']}, but {accounted} is accounted for"
        settled = invoice["amount_paid"]
        if invoice["amount_due"] != settled + invoice["amount_remaining"]:
            yield f"{name}: {settled} of {invoice['amount_due']} paid, {invoice['amount_remaining']} remains"
        if invoice["status"] == "paid" and invoice["amount_remaining"]:
            yield f"{name}: paid, but {invoice['amount_remaining']} remains"
        if invoice["status"] == "open" and invoice["amount_remaining"] <= 0:
            yield f"{name}: open, but nothing remains"
        if min(invoice["amount_due"], invoice["amount_remaining"], settled) < 0:
            yield f"{name}: an amount is negative"


def _invoice_balance_moves(world: World) -> Iterator[str]:
    """The balance transactions of an invoice are its starting and ending balance; a void undoes them."""
    moves: dict[str, dict[str, int]] = {}
    for move in _all(world, "customer_balance_transaction"):
        if move["invoice"] and move["type"] != "credit_note":
            side = "back" if move["type"] == "unapplied_from_invoice" else "out"
            sums = moves.setdefault(move["invoice"], {"out": 0, "back": 0})
            sums[side] += move["amount"]
    for invoice in (i for i in _all(world, "invoice") if i["status"] in FINAL):
        sums = moves.get(invoice["id"], {"out": 0, "back": 0})
        drawn = invoice["ending_balance"] - invoice["starting_balance"] - invoice["amount_overpaid"]
        if sums["out"] != drawn:
            yield f"{invoice['id']}: its balance moved by {sums['out']}, the invoice says {drawn}"
        undone = -drawn if invoice["status"] == "void" else 0
        if sums["back"] != undone:
            yield f"{invoice['id']}: {sums['back']} came back to the balance, not {undone}"


def _invoice_payments(world: World) -> Iterator[str]:
    """`amount_paid` is the sum of its paid invoice payments, each behind one succeeded payment intent."""
    for invoice in _all(world, "invoice"):
        paid = [
            p for p in world.store["invoice_payment"].by("invoice", invoice["id"]) if p["status"] == "paid"
        ]
        total = sum(p["amount_paid"] for p in paid) + off_stripe(world, invoice)
        if total != invoice["amount_paid"] + invoice["amount_overpaid"]:
            yield f"{invoice['id']}: amount_paid {invoice['amount_paid']}, but its payments sum to {total}"
        for link in paid:
            intent = world.store["payment_intent"].docs[link["payment"]["payment_intent"]]
            if intent["status"] != "succeeded" or intent["amount_received"] != link["amount_paid"]:
                yield f"{link['id']}: {link['amount_paid']} paid, but {intent['id']} is {intent['status']}"


def off_stripe(world: World, invoice: Doc) -> int:
    """What came another way: the API shows it by expansion only."""
    if invoice["status"] != "paid":
        return 0
    params: Doc = {"expand": ["amount_paid_off_stripe"]}
    return int(execute(world, Call("invoice_retrieve", (invoice["id"],), params))["amount_paid_off_stripe"])


def _charges(world: World) -> Iterator[str]:
    """One succeeded charge for each succeeded payment intent, of its amount, and none for the others."""
    for intent in _all(world, "payment_intent"):
        done = [
            c for c in world.store["charge"].by("payment_intent", intent["id"]) if c["status"] == "succeeded"
        ]
        taken = sum(c["amount_captured"] for c in done)
        if taken != intent["amount_received"] or len(done) > 1:
            yield f"{intent['id']}: received {intent['amount_received']}, {len(done)} charges took {taken}"
        links = world.store["invoice_payment"].by("payment_intent", intent["id"])
        if done and [link["status"] for link in links] != ["paid"]:
            yield f"{done[0]['id']}: charged, but no invoice payment is paid by it"


def _refunds(world: World) -> Iterator[str]:
    """`charge.amount_refunded` is the sum of the refunds that did not fail, never above what was taken."""
    for charge in _all(world, "charge"):
        standing = [
            r
            for r in world.store["refund"].by("charge", charge["id"])
            if r["status"] not in ("failed", "canceled")
        ]
        given = sum(r["amount"] for r in standing)
        if given != charge["amount_refunded"] or given > charge["amount_captured"]:
            text = f"{given} refunded, the charge says {charge['amount_refunded']}"
            yield f"{charge['id']}: {text} of {charge['amount_captured']}"
        if charge["refunded"] != (0 < charge["amount_captured"] == given):
            yield f"{charge['id']}: refunded is {charge['refunded']} after {given}"


def _credit_notes(world: World) -> Iterator[str]:
    """An invoice's credit note amounts are the sums of its issued notes, which never exceed its total."""
    for invoice in _all(world, "invoice"):
        notes = [
            n for n in world.store["credit_note"].by("invoice", invoice["id"]) if n["status"] == "issued"
        ]
        for when in ("pre_payment", "post_payment"):
            said, summed = invoice[f"{when}_credit_notes_amount"], sum(n[f"{when}_amount"] for n in notes)
            if said != summed:
                yield f"{invoice['id']}: {when} credit notes {said}, but they sum to {summed}"
        if notes and sum(n["total"] for n in notes) > invoice["total"]:
            yield f"{invoice['id']}: credited more than its total {invoice['total']}"
        for note in notes:
            yield from _credit_note(world, note)


def _credit_note(world: World, note: Doc) -> Iterator[str]:
    refunded = sum(r["amount_refunded"] for r in note["refunds"])
    moves = world.store["customer_balance_transaction"].docs
    credited = (
        -moves[note["customer_balance_transaction"]]["amount"] if note["customer_balance_transaction"] else 0
    )
    given = refunded + credited + (note["out_of_band_amount"] or 0)
    if given != note["post_payment_amount"]:
        yield f"{note['id']}: {given} given back after payment, the note says {note['post_payment_amount']}"
    if note["total"] != note["pre_payment_amount"] + note["post_payment_amount"]:
        yield f"{note['id']}: total {note['total']} is not what it took off before and after the payment"


def _balance_transactions(world: World) -> Iterator[str]:
    """Each move has one transaction, net is amount less fee, and the nets are the account's balance."""
    nets: dict[tuple[str, str], int] = {}
    moved: dict[str, int] = {}
    for made in _all(world, "balance_transaction"):
        if made["net"] != made["amount"] - made["fee"] or made["fee"] != sum(
            f["amount"] for f in made["fee_details"]
        ):
            yield f"{made['id']}: net {made['net']} is not {made['amount']} less {made['fee']}"
        nets[made["currency"], made["status"]] = nets.get((made["currency"], made["status"]), 0) + made["net"]
        moved[made["source"]] = moved.get(made["source"], 0) + made["amount"]
    balance = execute(world, Call("balance_retrieve", (), {}))
    for status in ("available", "pending"):
        for part in balance[status]:
            if part["amount"] != nets.pop((part["currency"], status), 0):
                yield f"{part['amount']} {part['currency']} {status}, which is not the sum of the nets"
    if any(nets.values()):
        yield f"the balance does not show {nets}"
    yield from _sources(world, moved)


def _sources(world: World, moved: dict[str, int]) -> Iterator[str]:
    """What each object moved on the account's balance, from its own fields."""
    expected: dict[str, int] = {}
    for charge in _all(world, "charge"):
        expected[charge["id"]] = charge["amount_captured"] if charge["status"] == "succeeded" else 0
    for refund in _all(world, "refund"):
        expected[refund["id"]] = 0 if refund["status"] in ("failed", "canceled") else -refund["amount"]
    for dispute in _all(world, "dispute"):
        gone = dispute["status"] not in ("won", "warning_closed") and "warning" not in dispute["status"]
        expected[dispute["id"]] = -dispute["amount"] if gone else 0
    for payout in _all(world, "payout"):
        expected[payout["id"]] = 0 if payout["status"] in ("failed", "canceled") else -payout["amount"]
    for name in {*expected, *moved}:
        if expected.get(name, 0) != moved.get(name, 0):
            yield f"{name}: moved {moved.get(name, 0)}, but its own fields say {expected.get(name, 0)}"


def _customers(world: World) -> Iterator[str]:
    """What was billed = charges + balance + credit notes + off Stripe + open + void + given up."""
    for customer in _all(world, "customer"):
        invoices = [i for i in world.store["invoice"].by("customer", customer["id"]) if i["status"] in FINAL]
        captured = sum(
            c["amount_captured"]
            for c in world.store["charge"].by("customer", customer["id"])
            if c["status"] == "succeeded"
        )
        other = sum(
            i["pre_payment_credit_notes_amount"]
            + i["amount_remaining"]
            + off_stripe(world, i)
            + i["ending_balance"]
            - i["starting_balance"]
            for i in invoices
        )
        billed = sum(i["total"] for i in invoices)
        if billed != captured + other - sum(i["amount_overpaid"] for i in invoices):
            yield f"{customer['id']}: billed {billed}, of which {captured + other} is accounted for"
