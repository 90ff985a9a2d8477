"""From rows of our tables to what the audit of invoice lines reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sync.rules.line_audit import BilledInvoice, BilledLine, Bought, Customer, Promise, PromisedLine
from sync.rules.terms import FIELDS, Terms
from sync.states import Leg
from sync.store import reports as store
from sync.store.db import Connection, Record

_SUMS = ("discount", "tax", "balance")


def line(row: Record) -> BilledLine:
    """A line of an invoice; one that was read without its price has no unit amount."""
    return BilledLine(
        id=row["id"],
        position=row["position"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        description=row["description"],
        quantity=row["quantity"],
        start=row["period_start_unix"],
        end=row["period_end_unix"],
        proration=row["proration"],
        price_id=row["price_id"],
        item_id=row["subscription_item_id"],
        tax_minor=row["tax_minor"],
        discount_minor=row["discount_minor"],
        unit_minor=row.get("unit_amount_minor"),
        lookup_key=row.get("lookup_key"),
    )


def invoice(row: Record, lines: Sequence[BilledLine], money: Mapping[str, Record]) -> BilledInvoice:
    """An invoice with its lines, and what was given back of its payment."""
    taken = money.get(row["id"])
    return BilledInvoice(
        id=row["id"],
        number=row["number"],
        status=row["status"],
        currency=row["currency"],
        billing_reason=row["billing_reason"],
        customer_id=row["customer_id"],
        subscription_id=row["subscription_id"],
        created=row["created_unix"],
        total_minor=row["total_minor"],
        subtotal_minor=row["subtotal_minor"],
        amount_due_minor=row["amount_due_minor"],
        tax_minor=row["tax_minor"],
        discount_minor=row["discount_minor"],
        lines=tuple(lines),
        amount_remaining_minor=row["amount_remaining_minor"],
        pre_payment_credit_minor=row["pre_payment_credit_minor"],
        post_payment_credit_minor=row["post_payment_credit_minor"],
        refunded_minor=taken["refunded_minor"] if taken else 0,
        disputed_minor=taken["disputed_minor"] if taken else 0,
    )


def invoice_elsewhere(leg: Record) -> BilledInvoice:
    """The invoice of a change that was never told to us: its id, and no more."""
    return BilledInvoice(
        id=leg["stripe_invoice_id"],
        number=None,
        status=None,
        currency=leg["currency"],
        billing_reason=None,
        customer_id=leg["stripe_customer_id"],
        subscription_id=leg["stripe_subscription_id"],
        created=leg["proration_unix"] or int(leg["applied_at"].timestamp()),
        total_minor=0,
        subtotal_minor=0,
        amount_due_minor=0,
        tax_minor=0,
        discount_minor=0,
    )


def customer(account: Record, legs: Iterable[Record], terms: Sequence[Record]) -> Customer:
    """An account of ours with everything that its changes promised."""
    promises = {(leg["change_id"], leg["leg"]): promise(leg) for leg in legs}
    by_invoice, unlinked = {}, []
    subscription_ids = {account["stripe_subscription_id"]} | {row["adopted_subscription_id"] for row in terms}
    for leg in legs:
        if leg["leg"] != Leg.NOW:
            continue
        made = promises[leg["change_id"], leg["leg"]]
        subscription_ids |= {leg["stripe_subscription_id"], leg["invoice_subscription_id"]}
        if leg["stripe_invoice_id"]:
            by_invoice[leg["stripe_invoice_id"]] = made
        elif made.open:
            unlinked.append(made)
    return Customer(
        account_id=account["account_id"],
        currency=account["account_currency"],
        subscription_ids=frozenset(subscription_ids - {None}),
        promises=by_invoice,
        unlinked=unlinked,
        bought=_bought(terms, {(leg["change_id"], leg["leg"]): leg for leg in legs}, promises),
    )


def promise(leg: Record) -> Promise:
    """What one part of a change promised; a part at renewal promises terms and no lines."""
    is_now = leg["leg"] == Leg.NOW
    lines = leg["lines"] if is_now else []
    before = leg["current_terms"] if is_now else leg["now_terms"] or leg["current_terms"]
    return Promise(
        change_id=leg["change_id"],
        leg=leg["leg"],
        quote_id=leg["quote_id"],
        actor_id=leg["actor_id"],
        lines=tuple(_promised(each) for each in lines if each["kind"] not in _SUMS),
        added={each["kind"]: each["amount_minor"] for each in lines if each["kind"] in _SUMS},
        before=Terms.from_json(before) if before else None,
        after=Terms.from_json(leg["terms"]),
        open=leg["ended_at"] is None,
        applied=leg["applied_at"] is not None,
    )


def _promised(each: Mapping[str, Any]) -> PromisedLine:
    period = each["period"] if each.get("pinned") else None
    return PromisedLine(
        price_id=each["price_id"],
        amount_minor=each["amount_minor"],
        quantity=each["quantity"],
        span=(period["start"], period["end"]) if period else None,
        description=each["description"],
    )


_Key = tuple[str, str]
_Body = Mapping[str, Any] | None


def _bought(
    terms: Iterable[Record], legs: Mapping[_Key, Record], promises: Mapping[_Key, Promise]
) -> list[Bought]:
    """The terms in the order in which Stripe billed them, which is not our own clock's."""
    found = []
    for row in terms:
        key = (row["change_id"], row["leg"])
        leg = legs.get(key)
        found.append(
            Bought(
                since=_since(row, leg),
                terms=Terms.from_json({name: row[name] for name in FIELDS}),
                price_ids=_priced(row, leg),
                promise=promises.get(key),
            )
        )
    return sorted(found, key=lambda each: each.since)


def _since(row: Record, leg: Record | None) -> int:
    if leg is not None and leg["leg"] == Leg.NOW:
        stripe_unix: int | None = leg["proration_unix"] or leg["invoice_created_unix"]
        if stripe_unix is not None:
            return stripe_unix
    elif leg is not None and leg["effective_on"] is not None:
        return int(leg["effective_on"].timestamp())
    return int(row["effective_at"].timestamp())


def asked_for(leg: str, stripe_params: _Body, renewal_params: _Body = None) -> list[str]:
    """The prices in the body that we sent for a part of a change."""
    if leg == Leg.NOW:
        items = (stripe_params or {}).get("items", [])
    else:
        phases = (renewal_params or {}).get("phases", [])
        items = phases[-1]["items"] if phases else []
    return [item["price"] for item in items if "price" in item]


def _priced(row: Record, leg: Record | None) -> frozenset[str]:
    """The prices of these terms: asked for, taken over by an adoption, or let stand by a repair."""
    if leg is not None:
        return frozenset(asked_for(leg["leg"], leg["stripe_params"], leg["renewal_params"]))
    return frozenset(_found(row))


def _found(row: Record) -> Iterable[str]:
    adopted = [item["price_id"] for item in row["adopted_items"] or ()]
    found = row["found_items"] if isinstance(row["found_items"], list) else [row["found_items"]]
    there = [item.get("price") for item in found if isinstance(item, dict)]
    return [*adopted, *(price for price in there if isinstance(price, str))]


class Asked(NamedTuple):
    """The prices of one part of a change, an adoption or a repair, from our own clock's `since` on."""

    since: datetime
    change_id: str
    price_ids: frozenset[str]


async def histories(conn: Connection, rows: Iterable[Record]) -> dict[str, list[Asked]]:
    """What the terms of the accounts in these rows were billed with, by account, the oldest first."""
    ids = sorted({row["account_id"] for row in rows if row["account_id"]})
    by_key = {(leg["change_id"], leg["leg"]): leg for leg in await store.legs_of(conn, ids)}
    found: dict[str, list[Asked]] = {}
    for row in await store.terms_of(conn, ids):
        leg = by_key.get((row["change_id"], row["leg"]))
        price_ids = _priced(row, leg)
        found.setdefault(row["account_id"], []).append(
            Asked(row["effective_at"], row["change_id"], price_ids)
        )
    return found


def asked_at(history: Sequence[Asked], moment: datetime) -> list[frozenset[str]]:
    """The prices of the terms up to that moment, the newest first; for `held`."""
    return [each.price_ids for each in reversed(history) if each.since <= moment]
