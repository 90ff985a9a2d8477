"""The plain fields of a subscription: what a request may set without any arithmetic."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import discounts
from worker.twin.errors import invalid
from worker.twin.store import Doc
from worker.twin.world import World

COPIED = ("collection_method", "days_until_due", "description", "default_payment_method", "default_source")
MAX_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500


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
        for discount in discounts.sketch(world, part.get("discounts"), customer_id) or []:
            discounts.check_valid(world, discount)
    given = params.get("default_payment_method")
    if given:
        card = world.store.get("payment_method", given, "default_payment_method", 400)
        if card["customer"] != customer_id:
            text = "The customer does not have a payment method with the ID " + given
            raise invalid(text, "default_payment_method")
    at = params.get("cancel_at")
    if isinstance(at, int) and at < world.now_for(customer_id):
        raise invalid("`cancel_at` must be in the future.", "cancel_at")


def set_fields(world: World, subscription: Doc, params: dict[str, Any]) -> None:
    """Write every plain field of an update or a creation."""
    merge_metadata(subscription, params.get("metadata"))
    for name in COPIED:
        if name in params:
            subscription[name] = params[name] or None
    for name in ("payment_settings", "trial_settings", "automatic_tax"):
        if name in params:
            subscription[name] = {**subscription[name], **params[name]}
    if "pause_collection" in params:
        subscription["pause_collection"] = (
            {"resumes_at": None, **params["pause_collection"]} if params["pause_collection"] else None
        )
    if "default_tax_rates" in params:
        subscription["default_tax_rates"] = tax_rates(world, params["default_tax_rates"])
    if "discounts" in params:
        subscription["discounts"] = discounts.attach(
            world, params["discounts"], subscription, subscription["customer"]
        )
    if "cancellation_details" in params:
        subscription["cancellation_details"] = {
            **subscription["cancellation_details"],
            **params["cancellation_details"],
        }
    set_cancellation(world, subscription, params)


def tax_rates(world: World, given: Any) -> list[Doc]:
    """Tax rate objects for ids (the API embeds them whole)."""
    return [world.store.get("tax_rate", rate, "tax_rates", 400) for rate in given or []]


def set_cancellation(world: World, subscription: Doc, params: dict[str, Any]) -> None:
    """`cancel_at_period_end` and `cancel_at` (section 4.5)."""
    now = world.now_for(subscription["customer"])
    ends = [i["current_period_end"] for i in subscription["items"]["data"]]
    wanted = params.get("cancel_at_period_end")
    at = params.get("cancel_at")
    if wanted:
        at = max(ends)
    elif at in ("min_period_end", "max_period_end", "max_billed_until"):
        at = min(ends) if at == "min_period_end" else max(ends)
    if at is None and wanted is None:
        return
    if at in (None, ""):
        subscription.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
        subscription["cancellation_details"]["reason"] = None
        return
    subscription.update(cancel_at=int(at), cancel_at_period_end=bool(wanted), canceled_at=now)
    subscription["cancellation_details"]["reason"] = "cancellation_requested"
    world.clock.at(int(at), "cancel", subscription["id"], world.domain_of(subscription["customer"]))
