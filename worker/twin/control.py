"""The control door under `/_twin/`: what no customer of Stripe has. JSON in, JSON out, no key needed.

Every path and body is described at the function behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from worker.twin.billing import cards, lifecycle
from worker.twin.delivery import MODES
from worker.twin.door import TWIN
from worker.twin.errors import ApiError
from worker.twin.exchange import Twin, run_by_hand
from worker.twin.resources.corrections import make_dispute
from worker.twin.resources.invoices import collect_or_raise
from worker.twin.store import Doc

# Convenience names for what Stripe's test cards do, for the act `set_card`.
GOOD_CARD = cards.GOOD


async def clock(twin: Twin, body: dict[str, Any]) -> Any:
    """GET shows the clock; POST moves it forward and runs what falls due on the way, in time order."""
    world = twin.world
    if "advance_seconds" in body:
        wanted = int(body["advance_seconds"])
    else:
        wanted = int(body["now"]) - world.clock.now() if "now" in body else 0
    if wanted < 0:
        raise ApiError(400, "The clock only moves forward.")
    world.clock.offset += wanted
    ran = world.run_due()
    twin.deliveries.take()
    return {"now": world.clock.now(), "offset_seconds": world.clock.offset, "ran": ran}


async def faults(twin: Twin, body: dict[str, Any]) -> Any:
    """POST plans a fault; GET lists the planned and the fired ones."""
    if body:
        return asdict(twin.faults.plan(body))
    return {"planned": [asdict(f) for f in twin.faults.planned], "fired": twin.faults.fired}


async def clear_faults(twin: Twin, body: dict[str, Any]) -> Any:
    """DELETE forgets every planned fault."""
    twin.faults.clear()
    return {"planned": []}


async def delivery(twin: Twin, body: dict[str, Any]) -> Any:
    """POST sets how webhooks are delivered from now on; GET shows it."""
    if body:
        if body.get("mode", "normal") not in MODES:
            raise ApiError(400, f"`mode` is one of {', '.join(MODES)}.", param="mode")
        twin.deliveries.mode = {"mode": "normal", "share": 1.0, "delay_seconds": 0.0, **body}
    return twin.deliveries.mode


async def flush(twin: Twin, body: dict[str, Any]) -> Any:
    """POST sends what was held back."""
    return {"sent": twin.deliveries.flush()}


async def deliveries(twin: Twin, body: dict[str, Any]) -> Any:
    """GET lists every delivery with its state."""
    return {"data": twin.deliveries.report()}


async def ledger(twin: Twin, body: dict[str, Any]) -> Any:
    """GET lists the effects; query parameters filter by equality (`?change_id=...&kind=charge`)."""
    return {"data": [msgspec.to_builtins(e) for e in twin.world.ledger.read(**body)]}


async def state(twin: Twin, body: dict[str, Any]) -> Any:
    """GET shows every object (events aside) and the twin's own facts, for debugging."""
    world = twin.world
    tables = {kind: list(t.docs.values()) for kind, t in world.store.tables.items() if kind != "event"}
    facts = {name: msgspec.to_builtins(value) for name, value in vars(world.facts).items()}
    return {
        "now": world.clock.now(),
        "objects": tables,
        "facts": facts,
        "requests": list(twin.requests)[-1000:],
    }


async def account(twin: Twin, body: dict[str, Any]) -> Any:
    """POST changes account settings and strictness; GET shows them."""
    for name, value in body.items():
        if not hasattr(twin.world.account, name):
            raise ApiError(400, f"No such setting: {name}", param=name)
        setattr(twin.world.account, name, value)
    return asdict(twin.world.account)


async def idempotency(twin: Twin, body: dict[str, Any]) -> Any:
    """POST `{"age_seconds": n}` makes every idempotency key older (they live 24 hours of wall time)."""
    twin.keys.age(float(body.get("age_seconds", 0)))
    return {"now": twin.keys.now()}


async def dashboard(twin: Twin, body: dict[str, Any]) -> Any:
    """POST: an edit by hand, `{method, path, params}`, or an act of a customer or a bank, `{act, ...}`."""
    if "act" in body:
        return act(twin, body)
    reply = run_by_hand(
        twin, str(body.get("method", "POST")).upper(), str(body["path"]), body.get("params") or {}
    )
    return msgspec.json.decode(reply.body)


def act(twin: Twin, body: dict[str, Any]) -> Any:
    """What a customer or a bank does, by the name in `act`."""
    name = body["act"]
    if name not in ACTS:
        raise ApiError(400, f"No such act: {name}; there are {', '.join(ACTS)}.", param="act")
    try:
        return ACTS[name](twin, body)
    finally:
        twin.deliveries.take()


def _waiting_invoice(twin: Twin, body: dict[str, Any]) -> Doc:
    invoice = twin.world.store.get("invoice", body.get("invoice", ""), "invoice")
    if invoice["status"] != "open":
        raise ApiError(400, f"The invoice is {invoice['status']}.", param="invoice")
    return invoice


def complete_authentication(twin: Twin, body: dict[str, Any]) -> Doc:
    """The customer finishes 3-D Secure (or pays) on the hosted page; `payment_method` may be a test token."""
    invoice = _waiting_invoice(twin, body)
    world = twin.world
    customer = world.store["customer"].docs[invoice["customer"]]
    given = body.get("payment_method")
    method = None
    if given:
        fresh = cards.is_token(given)
        method = (
            cards.mint(world, given, world.now_for(customer["id"]))
            if fresh
            else world.store.get("payment_method", given)
        )
        if method["customer"] is None:
            cards.attach(world, method, customer)
    subscription = lifecycle.subscription_of(world, invoice)
    method = method or cards.method_for(world, invoice, subscription)
    collect_or_raise(world, invoice, method, authenticated=True)
    return invoice


def fail_authentication(twin: Twin, body: dict[str, Any]) -> Doc:
    """The customer fails or leaves 3-D Secure: the payment needs another payment method."""
    invoice = _waiting_invoice(twin, body)
    facts = twin.world.facts.invoices[invoice["id"]]
    intent = twin.world.store["payment_intent"].docs[facts.payment_intent or ""]
    error = {"code": "payment_intent_authentication_failure", "type": "card_error",
             "message": "The provided payment method has failed authentication."}  # fmt: skip
    intent.update(
        status="requires_payment_method", next_action=None, last_payment_error=error, payment_method=None
    )
    twin.world.events.emit("payment_intent.payment_failed", intent)
    twin.world.events.emit("invoice.payment_failed", invoice)
    return invoice


def set_card(twin: Twin, body: dict[str, Any]) -> Any:
    """The bank changes its mind about a card: `outcome` is `good`, `action` or a decline code."""
    card = twin.world.store.get("payment_method", body.get("payment_method", ""), "payment_method")
    twin.world.facts.cards[card["id"]] = str(body.get("outcome", GOOD_CARD))
    return {"payment_method": card["id"], "outcome": twin.world.facts.cards[card["id"]]}


def dispute(twin: Twin, body: dict[str, Any]) -> Any:
    """The cardholder disputes a charge."""
    charge = twin.world.store.get("charge", body.get("charge", ""), "charge")
    return make_dispute(twin.world, charge, str(body.get("reason", "general")))


ACTS: dict[str, Callable[[Twin, dict[str, Any]], Any]] = {
    "complete_authentication": complete_authentication,
    "complete_3ds": complete_authentication,
    "fail_authentication": fail_authentication,
    "set_card": set_card,
    "dispute": dispute,
}


def _handler(
    control: Callable[[Twin, dict[str, Any]], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        raw = await request.read() if request.method == "POST" else b""
        try:
            body = msgspec.json.decode(raw) if raw.strip() else dict(request.query)
            result, status = await control(request.app[TWIN], body), 200
        except ApiError as error:
            result, status = error.body, error.status
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            result, status = {"error": {"message": f"{type(error).__name__}: {error}"}}, 400
        return web.Response(status=status, body=msgspec.json.encode(result), content_type="application/json")

    return handle


def routes() -> list[web.RouteDef]:
    """Every control, except reset, which belongs to the server."""
    table = [
        ("GET", "clock", clock), ("POST", "clock", clock),
        ("GET", "faults", faults), ("POST", "faults", faults), ("DELETE", "faults", clear_faults),
        ("GET", "delivery", delivery), ("POST", "delivery", delivery), ("POST", "delivery/flush", flush),
        ("GET", "deliveries", deliveries), ("GET", "ledger", ledger), ("GET", "state", state),
        ("GET", "account", account), ("POST", "account", account), ("POST", "idempotency", idempotency),
        ("POST", "dashboard", dashboard),
    ]  # fmt: skip
    return [web.route(method, f"/_twin/{path}", _handler(control)) for method, path, control in table]
