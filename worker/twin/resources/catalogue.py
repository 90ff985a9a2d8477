"""Products, prices, tax rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from worker.twin import pages
from worker.twin.billing.calendar import LONGEST, check_interval
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.facts import PriceFacts
from worker.twin.store import Doc
from worker.twin.templates import catalogue as templates
from worker.twin.world import Call, World

PRODUCT_FIELDS = (
    "active", "description", "images", "marketing_features", "name", "package_dimensions", "shippable",
    "statement_descriptor", "tax_code", "unit_label", "url",
)  # fmt: skip

TAX_FIELDS = ("active", "country", "description", "jurisdiction", "state", "tax_type")


def create_product(world: World, call: Call) -> Doc:
    """`POST /v1/products`."""
    object_id = call.params.get("id") or world.ids.new("prod")
    if object_id in world.store["product"].docs:
        raise invalid(f"Product already exists: {object_id}", "id", "resource_already_exists")
    product = templates.product(object_id, world.clock.now(), call.params["name"])
    _write(product, call.params, PRODUCT_FIELDS)
    data = call.params.get("default_price_data")
    drafted = _draft_price(world, product, data) if data else None
    if drafted:
        product["default_price"] = drafted[0]["id"]
    world.events.emit("product.created", world.store.add("product", product))
    if drafted:
        _put_price(world, *drafted)
    return product


def update_product(world: World, call: Call) -> Doc:
    """`POST /v1/products/{id}`."""
    product = world.store.get("product", call.id)
    before = snapshot(product)
    _write(product, call.params, (*PRODUCT_FIELDS, "default_price"))
    product["updated"] = world.clock.now()
    world.events.updated("product.updated", product, before)
    return product


def _write(doc: Doc, params: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in params:
            doc[name] = params[name] if params[name] != "" else None
    merge_metadata(doc, params.get("metadata"))


def find_products(world: World, call: Call) -> Doc:
    """`GET /v1/products`."""
    wanted = call.params
    rows = (
        p
        for p in world.store["product"].newest_first({})
        if wanted.get("active") in (None, p["active"])
        and ("ids" not in wanted or p["id"] in wanted["ids"])
        and pages.in_range(p["created"], wanted.get("created"))
    )
    return pages.page(rows, wanted, "/v1/products")


def create_price(world: World, call: Call) -> Doc:
    """`POST /v1/prices`, with a product of its own by `product_data`; a refusal leaves neither behind."""
    given = call.params
    if "product_data" not in given:
        product = world.store.get("product", given.get("product") or "", "product", 400)
        return _put_price(world, *_draft_price(world, product, given))
    product = templates.product(world.ids.new("prod"), world.clock.now(), given["product_data"]["name"])
    drafted = _draft_price(world, product, given)
    world.events.emit("product.created", world.store.add("product", product))
    return _put_price(world, *drafted)


def _draft_price(
    world: World, product: Doc, params: dict[str, Any]
) -> tuple[Doc, list[dict[str, Any]] | None]:
    """A price and its tiers, checked; only its lookup key is taken already."""
    price = templates.price(
        world.ids.new("price", 20), world.clock.now(), product["id"], params["currency"].lower()
    )
    _write(price, params, ("active", "nickname", "tax_behavior", "transform_quantity"))
    tiers = None
    if params.get("billing_scheme") == "tiered":
        tiers = _tiers(price, params)
    else:
        _unit(price, params)
    if params.get("recurring"):
        check_interval(params["recurring"], "recurring", LONGEST)
        price["type"] = "recurring"
        price["recurring"] = {
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
            **params["recurring"],
        }
    _claim_lookup_key(world, price, params)
    return price, tiers


def _put_price(world: World, price: Doc, tiers: list[dict[str, Any]] | None) -> Doc:
    world.store.add("price", price)
    world.facts.prices[price["id"]] = PriceFacts(templates.plan(price) if price["recurring"] else {}, tiers)
    world.events.emit("price.created", price)
    return price


def _unit(price: Doc, params: dict[str, Any]) -> None:
    exact = params.get("unit_amount_decimal")
    if exact is None and params.get("unit_amount") is None:
        text = "Must provide exactly one of `unit_amount`, `unit_amount_decimal` or `custom_unit_amount`."
        raise invalid(text, "unit_amount", "parameter_missing")
    price["unit_amount_decimal"] = exact if exact is not None else str(params["unit_amount"])
    whole = Decimal(price["unit_amount_decimal"]) % 1 == 0
    price["unit_amount"] = int(Decimal(price["unit_amount_decimal"])) if whole else None


def _tiers(price: Doc, params: dict[str, Any]) -> list[dict[str, Any]]:
    if not params.get("tiers") or not params.get("tiers_mode"):
        raise invalid("Missing required param: tiers.", "tiers", "parameter_missing")
    if params.get("transform_quantity"):
        raise invalid("`transform_quantity` cannot be combined with `tiers`.", "transform_quantity")
    price.update(billing_scheme="tiered", tiers_mode=params["tiers_mode"])
    return [
        {
            "flat_amount": tier.get("flat_amount"),
            "flat_amount_decimal": _decimal(tier, "flat_amount"),
            "unit_amount": tier.get("unit_amount"),
            "unit_amount_decimal": _decimal(tier, "unit_amount"),
            "up_to": None if tier["up_to"] == "inf" else tier["up_to"],
        }
        for tier in params["tiers"]
    ]


def _decimal(tier: dict[str, Any], name: str) -> str | None:
    given = tier.get(f"{name}_decimal", tier.get(name))
    return None if given is None else str(given)


def _claim_lookup_key(world: World, price: Doc, params: dict[str, Any]) -> None:
    """A lookup key belongs to one price; `transfer_lookup_key` takes it from the other."""
    key = params.get("lookup_key")
    if not key:
        return
    for owner in world.store["price"].by("lookup_key", key):
        if owner["id"] == price["id"]:
            return
        if not params.get("transfer_lookup_key"):
            text = f"A price (`{owner['id']}`) already uses that lookup key. Pass `transfer_lookup_key=true`."
            raise invalid(text, "lookup_key")
        before = snapshot(owner)
        owner["lookup_key"] = None
        world.store["price"].refile(owner, "lookup_key", key)
        world.events.updated("price.updated", owner, before)
    old, price["lookup_key"] = price["lookup_key"], key
    if price["id"] in world.store["price"].docs:
        world.store["price"].refile(price, "lookup_key", old)


def update_price(world: World, call: Call) -> Doc:
    """`POST /v1/prices/{id}`: amounts and tiers are immutable (the contract refuses them)."""
    price = world.store.get("price", call.id)
    before = snapshot(price)
    _claim_lookup_key(world, price, call.params)
    _write(price, call.params, ("active", "nickname", "tax_behavior"))
    if price["recurring"]:
        world.facts.prices[price["id"]].plan.update(templates.plan(price))
    world.events.updated("price.updated", price, before)
    return price


def find_prices(world: World, call: Call) -> Doc:
    """`GET /v1/prices`."""
    wanted = call.params
    keys = wanted.get("lookup_keys")
    if keys and len(keys) > 10:
        raise invalid("You can pass up to 10 lookup keys.", "lookup_keys")
    rows = (
        p
        for p in world.store["price"].newest_first(
            {"product": wanted["product"]} if "product" in wanted else {}
        )
        if (keys is None or p["lookup_key"] in keys)
        and wanted.get("active") in (None, p["active"])
        and wanted.get("type") in (None, p["type"])
        and wanted.get("currency") in (None, p["currency"])
        and _recurs(p, wanted.get("recurring"))
        and pages.in_range(p["created"], wanted.get("created"))
    )
    return pages.page(rows, wanted, "/v1/prices")


def _recurs(price: Doc, wanted: dict[str, Any] | None) -> bool:
    recurring = price["recurring"] or {}
    return all(recurring.get(name) == value for name, value in (wanted or {}).items())


def create_tax_rate(world: World, call: Call) -> Doc:
    """`POST /v1/tax_rates`."""
    given = call.params
    rate = templates.tax_rate(
        world.ids.new("txr", 20),
        world.clock.now(),
        given["display_name"],
        given["percentage"],
        given["inclusive"],
    )
    _write(rate, given, TAX_FIELDS)
    world.events.emit("tax_rate.created", world.store.add("tax_rate", rate))
    return rate


def update_tax_rate(world: World, call: Call) -> Doc:
    """`POST /v1/tax_rates/{id}`: never the percentage; an archived rate goes on where it is used already."""
    rate = world.store.get("tax_rate", call.id)
    before = snapshot(rate)
    _write(rate, call.params, (*TAX_FIELDS, "display_name"))
    world.events.updated("tax_rate.updated", rate, before)
    return rate


def _retrieve(kind: str) -> Any:
    return lambda world, call: world.store.get(kind, call.id)


def _find(kind: str, url: str) -> Any:
    return lambda world, call: pages.page(world.store[kind].newest_first({}), call.params, url)


HANDLERS = {
    "product_create": create_product,
    "product_update": update_product,
    "product_list": find_products,
    "product_retrieve": _retrieve("product"),
    "price_create": create_price,
    "price_update": update_price,
    "price_list": find_prices,
    "price_retrieve": _retrieve("price"),
    "tax_rate_create": create_tax_rate,
    "tax_rate_update": update_tax_rate,
    "tax_rate_retrieve": _retrieve("tax_rate"),
    "tax_rate_list": _find("tax_rate", "/v1/tax_rates"),
}
