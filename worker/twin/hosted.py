"""Two plain pages that Stripe hosts: paying an invoice (3-D Secure included) and changing the card.

They exist so that a link in an e-mail or on the billing page leads somewhere in a demonstration.
"""

from __future__ import annotations

from html import escape

from aiohttp import web

from worker.twin.acts import act
from worker.twin.billing import cards
from worker.twin.door import TWIN
from worker.twin.errors import ApiError
from worker.twin.events import snapshot
from worker.twin.resources.payment_methods import set_default
from worker.twin.store import Doc

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - local Stripe
twin</title> <style>body{{font:16px/1.5 system-ui;max-width:34rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem;margin-right:.5rem}}</style></head>
<body><p><strong>LOCAL STRIPE TWIN - no real money</strong></p><h1>{title}</h1>{body}</body></html>"""
CHOICES = ("visa", "mastercard", "authenticationRequired", "chargeCustomerFail")


def _page(title: str, body: str, status: int = 200) -> web.Response:
    return web.Response(
        status=status, text=PAGE.format(title=escape(title), body=body), content_type="text/html"
    )


def _card_choice() -> str:
    options = "".join(f'<option value="pm_card_{name}">{name}</option>' for name in CHOICES)
    return f'<label>Card <select name="payment_method">{options}</select></label>'


def _button(act: str, text: str) -> str:
    return f'<button name="act" value="{act}">{text}</button>'


async def show_invoice(request: web.Request) -> web.Response:
    """The hosted invoice page."""
    invoice = request.app[TWIN].world.store["invoice"].docs.get(request.match_info["id"])
    if invoice is None:
        return _page("No such invoice", "", 404)
    amount = f"{invoice['amount_due'] / 100:.2f} {invoice['currency'].upper()}"
    text = f"<p>Invoice {escape(invoice['number'] or invoice['id'])}: {amount}, {invoice['status']}.</p>"
    if invoice["status"] == "open":
        text += f'<form method="post">{_button("complete_authentication", "Complete authentication")}'
        text += f"{_button('fail_authentication', 'Fail authentication')}</form>"
        text += (
            f'<form method="post">{_card_choice()} {_button("complete_authentication", "Pay with it")}</form>'
        )
    return _page("Pay an invoice", text)


async def act_on_invoice(request: web.Request) -> web.Response:
    """A button of the hosted invoice page."""
    twin, form = request.app[TWIN], await request.post()
    body = {name: str(value) for name, value in form.items()}
    try:
        act(twin, {**body, "invoice": request.match_info["id"]})
    except ApiError as error:
        return _page("Not paid", f"<p>{escape(str(error))}</p>", error.status)
    return await show_invoice(request)


def _customer(request: web.Request) -> Doc:
    twin = request.app[TWIN]
    customer_id = twin.world.portal_sessions.get(request.match_info["id"], "")
    return twin.world.store.get("customer", customer_id)


async def show_portal(request: web.Request) -> web.Response:
    """The portal's page for the payment method."""
    customer = _customer(request)
    card = customer["invoice_settings"]["default_payment_method"] or "none"
    form = f'<form method="post">{_card_choice()} <button>Use this card</button></form>'
    return _page("Payment method", f"<p>Card on file: {escape(card)}.</p>{form}")


async def change_card(request: web.Request) -> web.Response:
    """The customer gives another card."""
    form = await request.post()
    twin, customer = request.app[TWIN], _customer(request)
    world = twin.world
    before = snapshot(customer)
    card = cards.mint(world, str(form["payment_method"]), world.now_for(customer["id"]))
    set_default(world, customer, cards.attach(world, card, customer)["id"])
    world.events.updated("customer.updated", customer, before)
    twin.deliveries.take()
    return await show_portal(request)


def routes() -> list[web.RouteDef]:
    """Both pages."""
    return [
        web.get("/_twin/hosted/{id}", show_invoice),
        web.post("/_twin/hosted/{id}", act_on_invoice),
        web.get("/_twin/portal/{id}", show_portal),
        web.post("/_twin/portal/{id}", change_card),
    ]
