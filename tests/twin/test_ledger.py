"""The ledger of effects, the dashboard, reset, and the file."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from tests.twin.api import Api, first_item
from worker.twin.server import TwinSettings, start


def kinds(effects: list[dict[str, object]]) -> list[object]:
    """Kind and amount of each effect."""
    return [(e["kind"], e["amount_minor"]) for e in effects]


async def test_a_paid_change_is_four_effects(api: Api) -> None:
    """Invoice, charge, payment and change, all under the key and the change that asked."""
    subscription = await api.seats()
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    await api.change(subscription, item, metadata={"prorata_change": "chg_1"}, key="change:1")
    effects = await api.ledger(change_id="chg_1")
    assert kinds(effects) == [
        ("invoice_created", 6000),
        ("charge", 6000),
        ("invoice_paid", 6000),
        ("subscription_updated", 6000),
    ]
    assert {e["idempotency_key"] for e in effects} == {"change:1"}
    assert effects == await api.ledger(idempotency_key="change:1")


async def test_a_held_change_keeps_its_id_to_the_end(api: Api) -> None:
    """What happens later, without any key, still names the change that began it."""
    held = await api.held_change(metadata={"prorata_change": "chg_1"})
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/void", key="void:1")
    effects = await api.ledger(change_id="chg_1")
    assert kinds(effects) == [
        ("invoice_created", 6000),
        ("pending_update_created", 6000),
        ("invoice_voided", 6000),
        ("pending_update_discarded", 6000),
    ]
    assert [e["idempotency_key"] for e in effects] == [None, None, "void:1", "void:1"]


async def test_applied_later_by_the_customer(api: Api) -> None:
    """Paid on the hosted page: a charge and an application, no key, the change's id."""
    held = await api.held_change("pm_card_authenticationRequired", metadata={"prorata_change": "chg_1"})
    await api.control(
        "dashboard", {"act": "complete_authentication", "invoice": held["latest_invoice"]["id"]}
    )
    later = (await api.ledger(change_id="chg_1"))[2:]
    assert [e["kind"] for e in later] == [
        "charge",
        "invoice_paid",
        "pending_update_applied",
        "subscription_updated",
    ]
    assert {(e["idempotency_key"], e["request"]) for e in later} == {(None, None)}


async def test_replays_have_no_effect(api: Api) -> None:
    """The same key three times is one set of effects."""
    subscription = await api.seats()
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    for _ in range(3):
        await api.change(subscription, item, metadata={"prorata_change": "chg_1"}, key="k")
    assert len(await api.ledger(kind="charge", change_id="chg_1")) == 1


async def test_balance_moves_are_effects(api: Api) -> None:
    """Credit and its use are written with their sign."""
    subscription = await api.seats()
    await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 2})
    assert kinds(await api.ledger(kind="balance_moved")) == [("balance_moved", -6000)]


async def test_reset_forgets_everything(api: Api) -> None:
    """Objects, events, effects, keys and faults are gone, and the same calls give the same ids again."""
    first = await api.post("/v1/customers", key="k")
    await api.control("faults", {"status": 500, "times": -1})
    await api.control("reset")
    assert [await api.ledger(), await api.events(), (await api.get("/v1/customers"))["data"]] == [[], [], []]
    assert (await api.post("/v1/customers", key="k"))["id"] == first["id"]


async def test_seeds_give_the_ids(api: Api) -> None:
    """Another seed gives other ids."""
    other = await start(TwinSettings(seed=7))
    async with aiohttp.ClientSession() as session:
        theirs = await Api(other.base_url, session).customer(None)
    await other.close()
    assert theirs["id"] != (await api.customer(None))["id"]


async def test_the_state_survives_in_a_file(tmp_path: Path) -> None:
    """Closed and started again: the same subscription, its waiting change, its keys and its clock go on."""
    settings = TwinSettings(persist_path=str(tmp_path / "twin.json"))
    running = await start(settings)
    async with aiohttp.ClientSession() as session:
        held = await Api(running.base_url, session).held_change(key="k")
    await running.close()
    running = await start(settings)
    async with aiohttp.ClientSession() as session:
        api = Api(running.base_url, session)
        again = await api.get(f"/v1/subscriptions/{held['id']}")
        assert again["pending_update"] == held["pending_update"]
        await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay", {"payment_method": "pm_card_visa"})
        changed = await api.get(f"/v1/subscriptions/{held['id']}")
        assert first_item(changed)["quantity"] == 8
        path = f"/v1/test_helpers/test_clocks/{held['test_clock']}/advance"
        await api.post(path, {"frozen_time": first_item(changed)["current_period_end"] + 3600})
        listed = await api.get("/v1/invoices", {"subscription": held["id"], "limit": 1})
        assert (listed["data"][0]["total"], listed["data"][0]["status"]) == (16000, "open")
        assert (await api.customer(None))["id"] != held["customer"]
    await running.close()


async def test_the_portal_page_changes_the_card(api: Api) -> None:
    """The link of a portal session leads to a page that sets another default card."""
    customer = await api.customer("pm_card_chargeCustomerFail")
    session = await api.post("/v1/billing_portal/sessions", {"customer": customer["id"]})
    async with api.session.post(session["url"], data={"payment_method": "pm_card_visa"}) as page:
        assert page.status == 200
    found = await api.get(f"/v1/customers/{customer['id']}")
    old, new = (c["invoice_settings"]["default_payment_method"] for c in (customer, found))
    assert old != new
