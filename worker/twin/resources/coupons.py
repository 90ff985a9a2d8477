"""Coupons and promotion codes.

Rules: the SDK's parameter types; Stripe docs "Coupons and promotion codes" and API reference "Delete a
coupon" (discounts that it made stay).
"""

from __future__ import annotations

import re
from typing import Any

from worker.twin import pages
from worker.twin.billing import redemption
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import ApiError, invalid, missing
from worker.twin.events import snapshot
from worker.twin.facts import CouponFacts
from worker.twin.store import Doc
from worker.twin.templates import catalogue as templates
from worker.twin.world import Call, World

COUPON_FIELDS = (
    "amount_off", "currency", "duration", "duration_in_months", "max_redemptions", "name", "percent_off",
    "redeem_by",
)  # fmt: skip
CODE = re.compile(r"[A-Za-z0-9-]{1,500}")


def create_coupon(world: World, call: Call) -> Doc:
    """`POST /v1/coupons`."""
    given, now = call.params, world.clock.now()
    coupon = templates.coupon(given.get("id") or world.ids.new("co", 8), now)
    if coupon["id"] in world.store["coupon"].docs:
        raise invalid("Coupon already exists.", "id", "resource_already_exists")
    _check_coupon(given, now)
    for product in (given.get("applies_to") or {}).get("products") or []:
        world.store.get("product", product, "applies_to[products]", 400)
    for name in COUPON_FIELDS:
        if name in given:
            coupon[name] = given[name]
    if coupon["currency"]:
        coupon["currency"] = coupon["currency"].lower()
    merge_metadata(coupon, given.get("metadata"))
    facts = CouponFacts((given.get("applies_to") or {}).get("products"), _amounts(given))
    world.facts.coupons[coupon["id"]] = facts
    world.events.emit("coupon.created", world.store.add("coupon", coupon))
    return coupon


def _check_coupon(given: dict[str, Any], now: int) -> None:
    percent, amount = given.get("percent_off"), given.get("amount_off")
    if (percent is None) == (amount is None):
        raise invalid("Pass exactly one of `percent_off` and `amount_off`.", "percent_off")
    if percent is not None and not 0 < percent <= 100:
        raise invalid("Invalid percent_off: must be greater than 0 and at most 100.", "percent_off")
    if amount is not None and (amount < 1 or not given.get("currency")):
        raise invalid("`amount_off` is a positive integer and needs a `currency`.", "currency")
    repeats = given.get("duration") == "repeating"
    if repeats != (given.get("duration_in_months") is not None) or given.get("duration_in_months", 1) < 1:
        text = "`duration_in_months` is required with `duration=repeating`, and only with it."
        raise invalid(text, "duration_in_months")
    if given.get("redeem_by") is not None and given["redeem_by"] <= now:
        raise invalid("`redeem_by` must be in the future.", "redeem_by")
    if given.get("max_redemptions", 1) < 1:
        raise invalid("`max_redemptions` is a positive integer.", "max_redemptions")
    if given.get("currency_options") and amount is None:
        raise invalid("`currency_options` need `amount_off`.", "currency_options")


def _amounts(given: dict[str, Any]) -> dict[str, int]:
    return {k.lower(): v["amount_off"] for k, v in (given.get("currency_options") or {}).items()}


def retrieve_coupon(world: World, call: Call) -> Doc:
    """`GET /v1/coupons/{id}`."""
    coupon = world.store.get("coupon", call.id)
    if world.facts.coupons[call.id].deleted:
        raise missing("coupon", call.id)
    return _current(world, coupon)


def _current(world: World, coupon: Doc) -> Doc:
    """The coupon with `valid` as of now: nothing else happens on the day after `redeem_by`."""
    if not redemption.is_valid(coupon, world.clock.now()):
        coupon["valid"] = False
    return coupon


def update_coupon(world: World, call: Call) -> Doc:
    """`POST /v1/coupons/{id}`: the name, the metadata, amounts in more currencies."""
    coupon = retrieve_coupon(world, call)
    before = snapshot(coupon)
    if call.params.get("currency_options"):
        if coupon["amount_off"] is None:
            raise invalid("`currency_options` need `amount_off`.", "currency_options")
        world.facts.coupons[call.id].currencies.update(_amounts(call.params))
    if "name" in call.params:
        coupon["name"] = call.params["name"] or None
    merge_metadata(coupon, call.params.get("metadata"))
    world.events.updated("coupon.updated", coupon, before)
    return coupon


def delete_coupon(world: World, call: Call) -> Doc:
    """`DELETE /v1/coupons/{id}`: discounts that it made stay; its promotion codes end."""
    coupon = retrieve_coupon(world, call)
    coupon["valid"] = False
    world.facts.coupons[call.id].deleted = True
    world.events.emit("coupon.deleted", coupon)
    redemption.end_codes(world, call.id)
    return {"id": call.id, "object": "coupon", "deleted": True}


def find_coupons(world: World, call: Call) -> Doc:
    """`GET /v1/coupons`."""
    rows = (
        _current(world, c)
        for c in world.store["coupon"].newest_first({})
        if not world.facts.coupons[c["id"]].deleted
        and pages.in_range(c["created"], call.params.get("created"))
    )
    return pages.page(rows, call.params, "/v1/coupons")


def create_code(world: World, call: Call) -> Doc:
    """`POST /v1/promotion_codes`."""
    given, now = call.params, world.clock.now()
    if not given["promotion"].get("coupon"):
        raise invalid("Missing required param: promotion[coupon].", "promotion[coupon]", "parameter_missing")
    coupon = redemption.coupon(world, given["promotion"]["coupon"], "promotion[coupon]")
    if given.get("customer"):
        world.store.get("customer", given["customer"], "customer")
    text = given.get("code") or world.ids.letters(8).upper()
    _check_code(world, given, coupon, text, now)
    code = templates.promotion_code(world.ids.new("promo", 20), now, text, coupon["id"])
    for name in ("active", "customer", "expires_at", "max_redemptions"):
        if name in given:
            code[name] = given[name]
    rules = given.get("restrictions") or {}
    for name in ("first_time_transaction", "minimum_amount", "minimum_amount_currency"):
        if name in rules:
            code["restrictions"][name] = rules[name]
    world.facts.codes[code["id"]] = _minimums(rules)
    merge_metadata(code, given.get("metadata"))
    world.events.emit("promotion_code.created", world.store.add("promotion_code", code))
    return code


def _minimums(rules: dict[str, Any]) -> dict[str, int]:
    options = (rules.get("currency_options") or {}).items()
    return {k.lower(): v["minimum_amount"] for k, v in options if v.get("minimum_amount") is not None}


def _check_code(world: World, given: dict[str, Any], coupon: Doc, text: str, now: int) -> None:
    if not CODE.fullmatch(text):
        raise invalid("Valid characters are letters (a-z, A-Z), digits (0-9) and dashes (-).", "code")
    if not redemption.is_valid(coupon, now):
        raise invalid(f"Coupon expired: {coupon['id']}", "promotion[coupon]", "coupon_expired")
    if given.get("active", True):
        _check_unique(world, text, given.get("customer"))
    expires, last = given.get("expires_at"), coupon["redeem_by"]
    if expires is not None and (expires <= now or (last is not None and expires > last)):
        raise invalid("`expires_at` must be in the future and not after the coupon's end.", "expires_at")
    most, limit = given.get("max_redemptions"), coupon["max_redemptions"]
    if most is not None and (most < 1 or (limit is not None and most > limit)):
        text = "`max_redemptions` is a positive integer and at most the coupon's."
        raise invalid(text, "max_redemptions")
    rules = given.get("restrictions") or {}
    if ("minimum_amount" in rules) != ("minimum_amount_currency" in rules):
        text = "`minimum_amount` and `minimum_amount_currency` belong together."
        raise invalid(text, "restrictions[minimum_amount_currency]")


def _check_unique(world: World, text: str, customer: str | None, besides: str = "") -> None:
    for other in world.store["promotion_code"].docs.values():
        same = other["code"].lower() == text.lower() and other["customer"] in (None, customer)
        if same and other["active"] and other["id"] != besides:
            raise invalid("An active promotion code with this `code` already exists.", "code")


def retrieve_code(world: World, call: Call) -> Doc:
    """`GET /v1/promotion_codes/{id}`."""
    return _ended(world, world.store.get("promotion_code", call.id))


def _ended(world: World, code: Doc) -> Doc:
    """The code with `active` as of now: it ends by its own date or with its coupon."""
    now, expires = world.clock.now(), code["expires_at"]
    coupon = world.store["coupon"].docs[code["promotion"]["coupon"]]
    if (expires is not None and now > expires) or not redemption.is_valid(coupon, now):
        code["active"] = False
    return code


def update_code(world: World, call: Call) -> Doc:
    """`POST /v1/promotion_codes/{id}`: a code that can be redeemed no more cannot be activated again."""
    code = retrieve_code(world, call)
    before = snapshot(code)
    if call.params.get("active") and not code["active"]:
        _check_reactivation(world, code)
    if "active" in call.params:
        code["active"] = call.params["active"]
    world.facts.codes[call.id].update(_minimums(call.params.get("restrictions") or {}))
    merge_metadata(code, call.params.get("metadata"))
    world.events.updated("promotion_code.updated", code, before)
    return code


def _check_reactivation(world: World, code: Doc) -> None:
    coupon_id, now = code["promotion"]["coupon"], world.clock.now()
    gone = world.facts.coupons[coupon_id].deleted
    ended = code["expires_at"] is not None and now > code["expires_at"]
    used = code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]
    if gone or ended or used or not redemption.is_valid(world.store["coupon"].docs[coupon_id], now):
        raise ApiError(400, "This promotion code cannot be redeemed any more.", param="active")
    _check_unique(world, code["code"], code["customer"], code["id"])


def find_codes(world: World, call: Call) -> Doc:
    """`GET /v1/promotion_codes`; `code` is compared without regard to case."""
    wanted = call.params
    narrow = {"coupon": wanted["coupon"]} if "coupon" in wanted else {}
    codes = world.store["promotion_code"].newest_first(narrow, wanted.get("starting_after"))
    rows = (
        c
        for c in (_ended(world, c) for c in codes)
        if wanted.get("active") in (None, c["active"])
        and ("code" not in wanted or wanted["code"].lower() == c["code"].lower())
        and wanted.get("customer") in (None, c["customer"])
        and pages.in_range(c["created"], wanted.get("created"))
    )
    return pages.page(rows, wanted, "/v1/promotion_codes")


HANDLERS = {
    "coupon_create": create_coupon,
    "coupon_update": update_coupon,
    "coupon_delete": delete_coupon,
    "coupon_retrieve": retrieve_coupon,
    "coupon_list": find_coupons,
    "promotion_code_create": create_code,
    "promotion_code_retrieve": retrieve_code,
    "promotion_code_update": update_code,
    "promotion_code_list": find_codes,
}
