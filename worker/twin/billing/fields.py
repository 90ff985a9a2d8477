"""The plain fields of a subscription: what a request may set without any arithmetic."""

from __future__ import annotations

from typing import Any

from worker.twin.errors import invalid
from worker.twin.store import Doc
from worker.twin.world import World

COPIED = ("collection_method", "days_until_due", "description", "default_payment_method", "default_source")
MAX_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500
MAX_RATES = 5


def merge_metadata(doc: Doc, given: Any) -> None:
    """Metadata merges; an empty value unsets a key, an empty string all of them."""
    if given is None:
        return
    if given == "":
        doc["metadata"] = {}
        return
    merged = {**doc["metadata"], **given}
    for key, value in given.items():
        if len(key) > MAX_KEY or len(value) > MAX_VALUE:
            raise invalid(
                f"Metadata keys have up to {MAX_KEY} characters, values up to {MAX_VALUE}.",
                f"metadata[{key}]",
            )
    doc["metadata"] = {k: v for k, v in merged.items() if v != ""}
    if len(doc["metadata"]) > MAX_KEYS:
        raise invalid(f"Metadata has up to {MAX_KEYS} keys.", "metadata")


def check(world: World, customer_id: str, params: dict[str, Any]) -> None:
    """Raise whatever `set_fields` and the items would refuse, before anything is written."""
    for part in [params, *(params.get("items") or [])]:
        merge_metadata({"metadata": {}}, part.get("metadata"))
        tax_rates(world, part.get("tax_rates") or part.get("default_tax_rates"))
    given = params.get("default_payment_method")
    if given:
        card = world.store.get("payment_method", given, "default_payment_method", 400)
        if card["customer"] != customer_id:
            text = "The customer does not have a payment method with the ID " + given
            raise invalid(text, "default_payment_method")
    now = world.now_for(customer_id)
    at, resumes = params.get("cancel_at"), (params.get("pause_collection") or {}).get("resumes_at")
    if isinstance(at, int) and at <= now:
        raise invalid("`cancel_at` must be in the future.", "cancel_at")
    if resumes is not None and resumes <= now:
        raise invalid("`resumes_at` must be in the future.", "pause_collection[resumes_at]")


def check_collection(params: dict[str, Any], subscription: Doc | None) -> None:
    """`send_invoice` needs `days_until_due`, and only it takes them."""
    method = params.get("collection_method") or (subscription or {}).get("collection_method")
    days = params.get("days_until_due")
    if method == "send_invoice":
        if days is None and (subscription is None or subscription["days_until_due"] is None):
            text = "If invoices will be emailed to the customer, you must specify `days_until_due`."
            raise invalid(text, "days_until_due")
    elif days is not None:
        text = "`days_until_due` can be set only if `collection_method` is `send_invoice`."
        raise invalid(text, "days_until_due")


def set_fields(world: World, subscription: Doc, params: dict[str, Any]) -> None:
    """Write every plain field of an update or a creation."""
    merge_metadata(subscription, params.get("metadata"))
    for name in COPIED:
        if name in params:
            subscription[name] = params[name] or None
    if params.get("collection_method") == "charge_automatically":
        subscription["days_until_due"] = None
    if params.get("trial_settings"):
        kept = subscription["trial_settings"]["end_behavior"]
        asked = params["trial_settings"]["end_behavior"]
        subscription["trial_settings"] = {"end_behavior": {**kept, **asked}}
    for name in ("payment_settings", "automatic_tax"):
        if name in params:
            subscription[name] = {**subscription[name], **params[name]}
    if "pause_collection" in params:
        _pause_collection(world, subscription, params["pause_collection"])
    if "default_tax_rates" in params:
        subscription["default_tax_rates"] = tax_rates(world, params["default_tax_rates"])
    if "cancellation_details" in params:
        subscription["cancellation_details"] = {
            **subscription["cancellation_details"],
            **params["cancellation_details"],
        }


def tax_rates(world: World, given: Any) -> list[Doc]:
    """Tax rate objects for ids (the API embeds them whole). A request cannot name an archived one.

    What falls due later (a schedule's phase) may: it was named while it was active.
    """
    if given and len(given) > MAX_RATES:
        raise invalid(f"You can pass up to {MAX_RATES} tax rates.", "tax_rates")
    found = [world.store.get("tax_rate", rate, "tax_rates", 400) for rate in given or []]
    archived = next((rate["id"] for rate in found if not rate["active"]), None)
    if archived and world.call is not None:
        raise invalid(f"The tax rate is not active: {archived}", "tax_rates")
    return found


def set_cancellation(world: World, subscription: Doc, at: int | None, params: dict[str, Any]) -> None:
    """Write when the subscription will end (section 4.5), and plan it; `at` was worked out by the plan."""
    asked = params.get("cancel_at") is not None or params.get("cancel_at_period_end") is not None
    if at is None:
        if asked:
            subscription.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
            subscription["cancellation_details"] = {**subscription["cancellation_details"], "reason": None}
        return
    if not asked and at == subscription["cancel_at"]:
        return
    if asked:
        subscription["cancel_at_period_end"] = bool(params.get("cancel_at_period_end"))
        subscription["canceled_at"] = world.now_for(subscription["customer"])
        details = {**subscription["cancellation_details"], "reason": "cancellation_requested"}
        subscription["cancellation_details"] = details
    subscription["cancel_at"] = at
    world.clock.at(at, "cancel", subscription["id"], world.domain_of(subscription["customer"]))


def _pause_collection(world: World, subscription: Doc, given: Any) -> None:
    """`pause_collection`: collection goes on by itself at `resumes_at`."""
    subscription["pause_collection"] = {"resumes_at": None, **given} if given else None
    if given and given.get("resumes_at"):
        domain = world.domain_of(subscription["customer"])
        world.clock.at(given["resumes_at"], "resume_collection", subscription["id"], domain)
