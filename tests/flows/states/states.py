"""The states of the matrix, each made as it comes about: by time, by a bank, by hand in the dashboard, by us.

A state is an async function that puts a place into it; its docstring is the row's name in the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sync.store import accounts as account_store
from tests.flows.states.place import BOUGHT, DAY, Place

Maker = Callable[[Place], Awaitable[None]]
HOUR = 3600
FAILS, ASKS, VISA = "pm_card_chargeCustomerFail", "pm_card_authenticationRequired", "pm_card_visa"


async def never_bought(place: Place) -> None:
    """has never bought anything"""


async def active(place: Place) -> None:
    """active, in the middle of its period"""


async def trialing(place: Place) -> None:
    """trialing"""
    await place.edit(trial_end=str(await place.now() + 7 * DAY), proration_behavior="none")


async def past_due(place: Place) -> None:
    """past_due: the renewal was declined"""
    await place.card(FAILS)
    await place.pass_renewal(2 * HOUR)
    await place.card(VISA)


async def unpaid(place: Place) -> None:
    """unpaid: every attempt to collect the renewal failed"""
    await place.card(FAILS)
    await place.pass_renewal(2 * HOUR)
    await place.pass_time(20 * DAY)
    await place.card(VISA)


async def collection_paused(place: Place) -> None:
    """active, its collection paused"""
    await place.edit(**{"pause_collection[behavior]": "void"})


async def paused(place: Place) -> None:
    """paused"""
    await place.stripe("POST", f"/v1/subscriptions/{place.subscription}/pause")


async def canceling(place: Place) -> None:
    """ends with its period (cancel_at_period_end)"""
    await place.edit(cancel_at_period_end="true")


async def ends_on_a_date(place: Place) -> None:
    """ends on a date within its period (cancel_at)"""
    await place.edit(cancel_at=str(await place.now() + 2 * DAY), proration_behavior="none")


async def canceled(place: Place) -> None:
    """canceled"""
    path = f"/v1/subscriptions/{place.subscription}"
    await place.world.control("POST", "dashboard", {"method": "DELETE", "path": path})


async def send_invoice(place: Place) -> None:
    """pays by invoice (send_invoice)"""
    await place.edit(collection_method="send_invoice", days_until_due="30")


async def foreign_schedule(place: Place) -> None:
    """a schedule of somebody else's drives it"""
    await place.stripe("POST", "/v1/subscription_schedules", from_subscription=place.subscription)


async def foreign_pending_update(place: Place) -> None:
    """an update of somebody else's waits for its payment"""
    await place.card(ASKS)
    item = (await place.read())["items"]["data"][0]
    change = {"items[0][id]": item["id"], "items[0][quantity]": "2"}
    await place.edit(proration_behavior="always_invoice", payment_behavior="pending_if_incomplete", **change)
    await place.card(VISA)


async def foreign_item(place: Place) -> None:
    """has an item outside the catalog"""
    product = await place.stripe("POST", "/v1/products", name="Hand-made")
    await _add_item(place, product=product["id"], unit_amount="1500")


async def metered_item(place: Place) -> None:
    """has a metered item"""
    product = await place.stripe("POST", "/v1/products", name="Messages")
    meter = {"recurring[usage_type]": "metered", "recurring[meter]": "mtr_messages"}
    await _add_item(place, product=product["id"], unit_amount="3", **meter)


async def _add_item(place: Place, **price: str) -> None:
    made = await place.stripe(
        "POST", "/v1/prices", currency="usd", **{"recurring[interval]": "month", **price}
    )
    new = {"subscription": place.subscription, "price": made["id"], "proration_behavior": "none"}
    await place.stripe("POST", "/v1/subscription_items", **new)


async def doubled_item(place: Place) -> None:
    """has two items for its seats"""
    found = (await place.stripe("GET", "/v1/prices", limit="100"))["data"]
    other = next(
        each for each in found if (each["lookup_key"] or "").startswith("prorata:seats:marketing:plus")
    )
    new = {"subscription": place.subscription, "price": other["id"], "proration_behavior": "none"}
    await place.stripe("POST", "/v1/subscription_items", quantity="1", **new)


async def classic(place: Place) -> None:
    """billed in classic mode"""
    old = await place.read()
    items = {
        f"items[{n}][{name}]": value
        for n, item in enumerate(old["items"]["data"])
        for name, value in (("price", item["price"]["id"]), ("quantity", str(item["quantity"])))
    }
    mode = {"billing_mode[type]": "classic"}
    made = await place.stripe("POST", "/v1/subscriptions", customer=place.customer, **items, **mode)
    await canceled(place)
    place.subscription = made["id"]
    await place.world.billing.pool.execute(
        "UPDATE account SET stripe_subscription_id = $2 WHERE id = $1 AND stripe_subscription_id IS NOT NULL",
        place.account_id,
        made["id"],
    )
    await place.pass_time(14 * DAY)


async def refunded(place: Place) -> None:
    """the present period's payment was refunded"""
    await place.stripe("POST", "/v1/refunds", charge=await _charge(place))


async def disputed(place: Place) -> None:
    """the present period's payment is disputed"""
    await place.world.control("POST", "dashboard", {"act": "dispute", "charge": await _charge(place)})


async def _charge(place: Place) -> str:
    return str((await place.stripe("GET", "/v1/charges", customer=place.customer))["data"][0]["id"])


async def credited(place: Place) -> None:
    """the present period's invoice has a credit note"""
    invoice = (await place.invoices())[0]["id"]
    await place.stripe("POST", "/v1/credit_notes", invoice=invoice, amount="500", credit_amount="500")


async def draft_renewal(place: Place) -> None:
    """renewed within the hour: its invoice is still a draft"""
    await place.pass_renewal(600)


async def open_renewal(place: Place) -> None:
    """renewed, its invoice finalised by hand and open"""
    await draft_renewal(place)
    invoice = (await place.invoices())[0]["id"]
    await place.stripe("POST", f"/v1/invoices/{invoice}", auto_advance="false")
    await place.stripe("POST", f"/v1/invoices/{invoice}/finalize", auto_advance="false")


async def uncollectible_renewal(place: Place) -> None:
    """renewed, its invoice given up as uncollectible"""
    await open_renewal(place)
    invoice = (await place.invoices())[0]["id"]
    await place.stripe("POST", f"/v1/invoices/{invoice}/mark_uncollectible")


async def renews_soon(place: Place) -> None:
    """renews within 30 minutes"""
    await place.pass_renewal(-30 * 60 + 100)


async def customer_deleted(place: Place) -> None:
    """the customer was deleted at Stripe"""
    path = f"/v1/customers/{place.customer}"
    await place.world.control("POST", "dashboard", {"method": "DELETE", "path": path})


async def no_card(place: Place) -> None:
    """no payment method"""
    path = f"/v1/customers/{place.customer}/payment_methods"
    for method in (await place.stripe("GET", path))["data"]:
        await place.stripe("POST", f"/v1/payment_methods/{method['id']}/detach")


async def expired_card(place: Place) -> None:
    """the card has expired"""
    await place.card("pm_card_chargeDeclinedExpiredCard")


async def parked(place: Place) -> None:
    """the account is parked: staff must look first"""
    await account_store.park(place.world.billing.pool, place.account_id, "a test")


async def incomplete(place: Place) -> None:
    """incomplete: the first purchase here waits for the bank"""
    await place.card(ASKS)
    await place.confirm((await place.quote(BOUGHT.to_json())).body)


async def own_pending_update(place: Place) -> None:
    """an increase bought here waits for the bank"""
    await place.card(ASKS)
    await place.confirm((await place.quote({"contact_limit": 5000})).body)


async def own_schedule(place: Place) -> None:
    """a decrease bought here is promised for the renewal"""
    await place.confirm((await place.quote({"seats": 7})).body)


async def own_schedule_no_card(place: Place) -> None:
    """a decrease is promised here, and there is no payment method"""
    await own_schedule(place)
    await no_card(place)


async def own_schedule_parked(place: Place) -> None:
    """a decrease is promised here, and the account is parked"""
    await own_schedule(place)
    await parked(place)


# Of a customer, whatever subscription there is.
OF_THE_CUSTOMER = {never_bought, customer_deleted, no_card, expired_card, parked}
# Begun by a first purchase that is not over, or not begun at all.
BEFORE_THE_PURCHASE = {never_bought, incomplete}

STATES: tuple[Maker, ...] = (
    never_bought, active, trialing, past_due, unpaid, incomplete, collection_paused, paused, canceling,
    ends_on_a_date, canceled, send_invoice, foreign_schedule, own_schedule, foreign_pending_update,
    own_pending_update, foreign_item, metered_item, doubled_item, classic, refunded, disputed, credited,
    draft_renewal, open_renewal, uncollectible_renewal, renews_soon, customer_deleted, no_card, expired_card,
    parked, own_schedule_no_card, own_schedule_parked,
)  # fmt: skip
