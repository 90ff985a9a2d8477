"""Credit notes: before and after payment, by amount and by lines, previews, and taking them back."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api, types
from tests.twin.test_balance import newest


async def waiting(api: Api) -> JSON:
    """The open invoice (60.00) of a change that was declined."""
    invoice: JSON = (await api.held_change())["latest_invoice"]
    return invoice


async def paid(api: Api, **extra: object) -> JSON:
    """A paid invoice of five seats at 20.00."""
    subscription = await api.seats(**extra)
    return await api.get(f"/v1/invoices/{subscription['latest_invoice']}")


async def note(api: Api, invoice: JSON, status: int = 200, **params: object) -> JSON:
    """Ask for a credit note."""
    return await api.post("/v1/credit_notes", {"invoice": invoice["id"], **params}, status=status)


async def test_an_open_invoice_asks_for_less(api: Api) -> None:
    """Its payment, too: the card is charged what is left (docs "Issue credit notes")."""
    invoice = await waiting(api)
    made = await note(api, invoice, amount=2000, reason="order_change")
    assert (made["type"], made["pre_payment_amount"], made["post_payment_amount"]) == ("pre_payment", 2000, 0)
    seen = await api.get(f"/v1/invoices/{invoice['id']}")
    assert (seen["amount_due"], seen["amount_remaining"], seen["total"]) == (4000, 4000, 6000)
    assert seen["pre_payment_credit_notes_amount"] == 2000
    await api.post(f"/v1/invoices/{invoice['id']}/pay", {"payment_method": "pm_card_visa"})
    assert (await newest(api, "charges"))["amount"] == 4000
    assert (await newest(api, "payment_intents"))["amount_received"] == 4000


async def test_a_full_note_pays_an_open_invoice(api: Api) -> None:
    """Nothing is charged, its payment is cancelled, and what waited for it happens."""
    invoice = await waiting(api)
    before = len((await api.get("/v1/charges"))["data"])
    await note(api, invoice, amount=6000)
    seen = await api.get(f"/v1/invoices/{invoice['id']}")
    assert (seen["status"], seen["amount_paid"], seen["amount_due"]) == ("paid", 0, 0)
    assert (await newest(api, "payment_intents"))["status"] == "canceled"
    assert len((await api.get("/v1/charges"))["data"]) == before
    assert len(await api.events(type="customer.subscription.pending_update_applied")) == 1


async def test_an_open_invoice_gives_nothing_back(api: Api) -> None:
    """Neither more than is due, nor money that was never paid."""
    invoice = await waiting(api)
    await note(api, invoice, 400, amount=6001)
    await note(api, invoice, 400, amount=0)
    for way in ("refund_amount", "credit_amount", "out_of_band_amount"):
        await note(api, invoice, 400, amount=100, **{way: 100})
    assert await api.ledger(kind="credit_note") == []


async def test_a_note_credits_the_invoice_and_not_an_older_debt(api: Api) -> None:
    """What the customer owed before is part of what is due, but not of the total that can be credited."""
    subscription = await api.seats()
    await api.post(f"/v1/customers/{subscription['customer']}", {"balance": 5000})
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    item = {"id": subscription["items"]["data"][0]["id"], "quantity": 6}
    invoice = (await api.change(subscription, item))["latest_invoice"]
    assert (invoice["total"], invoice["amount_remaining"]) == (2000, 7000)
    await note(api, invoice, 400, amount=2001)
    await note(api, invoice, amount=2000)
    await note(api, invoice, 400, amount=1)


async def test_after_payment_every_cent_has_a_way_back(api: Api) -> None:
    """To the card, to the balance, outside of Stripe: together the whole note (API reference)."""
    invoice = await paid(api)
    await note(api, invoice, 400, amount=900)
    await note(api, invoice, 400, amount=900, credit_amount=899)
    await note(api, invoice, 400, amount=900, credit_amount=901, refund_amount=-1)
    ways = {"refund_amount": 500, "credit_amount": 300, "out_of_band_amount": 100}
    made = await note(api, invoice, amount=900, **ways)
    assert (made["type"], made["post_payment_amount"], made["out_of_band_amount"]) == (
        "post_payment",
        900,
        100,
    )
    assert [(r["amount_refunded"], r["type"]) for r in made["refunds"]] == [(500, "refund")]
    moved = await newest(api, f"customers/{invoice['customer']}/balance_transactions")
    assert (moved["amount"], moved["type"], moved["credit_note"]) == (-300, "credit_note", made["id"])
    assert (await newest(api, "charges"))["amount_refunded"] == 500
    seen = await api.get(f"/v1/invoices/{invoice['id']}")
    assert (seen["post_payment_credit_notes_amount"], seen["status"]) == (900, "paid")


async def test_a_refund_can_be_explained_later(api: Api) -> None:
    """`refunds` links one that was made before; it counts once (API reference)."""
    invoice = await paid(api)
    charge = await newest(api, "charges")
    refund = (await api.post("/v1/refunds", {"charge": charge["id"], "amount": 700}))["id"]
    made = await note(api, invoice, amount=700, refunds=[{"refund": refund}])
    assert made["refunds"][0]["refund"] == refund
    assert (await api.get(f"/v1/charges/{charge['id']}"))["amount_refunded"] == 700
    await note(api, invoice, 400, amount=700, refunds=[{"refund": refund}])


async def test_notes_never_exceed_the_invoice(api: Api) -> None:
    """Several are fine up to its total, and numbered in order."""
    invoice = await paid(api)
    first = await note(api, invoice, amount=6000, credit_amount=6000)
    await note(api, invoice, 400, amount=4001, credit_amount=4001)
    second = await note(api, invoice, amount=4000, out_of_band_amount=4000)
    assert [n["number"][-5:] for n in (first, second)] == ["CN-01", "CN-02"]
    listed = (await api.get("/v1/credit_notes", {"invoice": invoice["id"]}))["data"]
    assert [n["id"] for n in listed] == [second["id"], first["id"]]


async def test_a_refund_that_cannot_be_made_makes_no_note(api: Api) -> None:
    """The card was refunded already: all or nothing."""
    invoice = await paid(api)
    await api.post("/v1/refunds", {"charge": (await newest(api, "charges"))["id"], "amount": 9900})
    await note(api, invoice, 400, amount=500, refund_amount=500)
    assert (await api.get("/v1/credit_notes"))["data"] == []


@pytest.mark.parametrize(("inclusive", "subtotal", "total"), [(False, 4000, 4800), (True, 4000, 4000)])
async def test_a_line_brings_its_tax(api: Api, inclusive: bool, subtotal: int, total: int) -> None:
    """Two of five seats, with their share of 20 % (API reference, `lines`)."""
    rate = {"display_name": "VAT", "percentage": 20, "inclusive": inclusive}
    rate_id = (await api.post("/v1/tax_rates", rate))["id"]
    invoice = await paid(api, default_tax_rates=[rate_id])
    line = invoice["lines"]["data"][0]["id"]
    part = {"type": "invoice_line_item", "invoice_line_item": line, "quantity": 2}
    made = await note(api, invoice, lines=[part], credit_amount=total)
    assert (made["subtotal"], made["total"], made["amount"]) == (subtotal, total, total)
    tax = made["total_taxes"][0]
    assert made["total_excluding_tax"] == total - tax["amount"]
    assert tax["tax_behavior"] == ("inclusive" if inclusive else "exclusive")
    listed = (await api.get(f"/v1/credit_notes/{made['id']}/lines"))["data"]
    assert [(li["invoice_line_item"], li["amount"], li["quantity"]) for li in listed] == [(line, 4000, 2)]


async def test_a_line_is_credited_once(api: Api) -> None:
    """Up to its amount over all notes, also within one; and lines of one's own are possible."""
    invoice = await paid(api)
    line = invoice["lines"]["data"][0]["id"]
    part = {"type": "invoice_line_item", "invoice_line_item": line, "amount": 6000}
    await note(api, invoice, 400, lines=[part, part], credit_amount=12000)
    await note(api, invoice, lines=[part], credit_amount=6000)
    await note(api, invoice, 400, lines=[part], credit_amount=6000)
    await note(api, invoice, 400, lines=[part], amount=6000, credit_amount=6000)
    own = {"type": "custom_line_item", "description": "Sorry", "quantity": 2, "unit_amount": 150}
    assert (await note(api, invoice, lines=[own], credit_amount=300))["total"] == 300


async def test_a_preview_changes_nothing(api: Api) -> None:
    """The same note, without any effect (API reference, "Preview a credit note")."""
    invoice = await paid(api)
    params = {"invoice": invoice["id"], "amount": 250, "credit_amount": 250}
    shown = await api.get("/v1/credit_notes/preview", params)
    assert (shown["total"], shown["status"]) == (250, "issued")
    assert (await api.get("/v1/credit_notes"))["data"] == []
    assert (await api.get(f"/v1/customers/{invoice['customer']}"))["balance"] == 0
    await api.get("/v1/credit_notes/preview", {**params, "amount": 20000}, status=400)


async def test_voiding(api: Api) -> None:
    """Only a note of an invoice that is still open; it asks for the whole amount again (docs)."""
    invoice = await waiting(api)
    made = await note(api, invoice, amount=1000)
    voided = await api.post(f"/v1/credit_notes/{made['id']}/void")
    assert (voided["status"], voided["voided_at"] is not None) == ("void", True)
    seen = await api.get(f"/v1/invoices/{invoice['id']}")
    assert (seen["amount_due"], seen["pre_payment_credit_notes_amount"]) == (6000, 0)
    assert (await newest(api, "payment_intents"))["amount"] == 6000
    assert types(await api.events())[:2] == ["invoice.updated", "credit_note.voided"]
    await api.post(f"/v1/credit_notes/{made['id']}/void", status=400)


async def test_a_note_of_a_paid_invoice_stays(api: Api) -> None:
    """Its money is back with the customer; only memo and metadata may change."""
    invoice = await paid(api)
    made = await note(api, invoice, amount=100, credit_amount=100)
    await api.post(f"/v1/credit_notes/{made['id']}/void", status=400)
    changed = await api.post(f"/v1/credit_notes/{made['id']}", {"memo": "Sorry", "metadata": {"a": "1"}})
    assert (changed["memo"], changed["metadata"]) == ("Sorry", {"a": "1"})
    assert len(await api.events(type="credit_note.updated")) == 1
