"""What belongs to the account: events, webhook endpoints, test clocks."""

from __future__ import annotations

from typing import Any

from worker.twin import pages, receivers, versions
from worker.twin.billing.calendar import advance
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import LIFE_SECONDS
from worker.twin.receivers import type_matches
from worker.twin.resources import customers
from worker.twin.store import Doc
from worker.twin.world import Call, World

CLOCK_LIFE_SECONDS = 30 * 86400
LAST_MOMENT = 32503680000  # the year 3000: later than that periods could end after the last date there is


def retrieve_event(world: World, call: Call) -> Doc:
    """`GET /v1/events/{id}`: in the account's version of the moment at which it happened."""
    return _rendered(world, world.store.get("event", call.id))


def _rendered(world: World, event: Doc) -> Doc:
    return versions.event(world, world.events.shown(event), event["api_version"])


def find_events(world: World, call: Call) -> Doc:
    """`GET /v1/events`: 30 days, by `type`, `types` (up to 20), `created`, `delivery_success`."""
    wanted = call.params
    kinds = wanted.get("types")
    if kinds and "type" in wanted:
        raise invalid(
            "You may only specify one of these parameters: type, types.", "types", "parameters_exclusive"
        )
    if kinds and len(kinds) > 20:
        raise invalid("You can pass up to 20 types.", "types")
    narrow: dict[str, Any] = (
        {"type": wanted["type"]} if "type" in wanted and "*" not in wanted["type"] else {}
    )
    return pages.page(_events(world, wanted, narrow, kinds), wanted, "/v1/events")


def _events(world: World, wanted: dict[str, Any], narrow: dict[str, str], kinds: list[str] | None) -> Any:
    oldest = world.clock.now() - LIFE_SECONDS
    created = wanted.get("created")
    if isinstance(created, dict):
        oldest = max(oldest, created.get("gte", oldest), created.get("gt", oldest))
    for event in world.store["event"].newest_first(narrow, wanted.get("starting_after")):
        if event["created"] < oldest:
            return
        if kinds and not any(type_matches(event["type"], k) for k in kinds):
            continue
        if "type" in wanted and not type_matches(event["type"], wanted["type"]):
            continue
        if "delivery_success" in wanted and wanted["delivery_success"] == (event["id"] in world.undelivered):
            continue
        if pages.in_range(event["created"], created):
            yield _rendered(world, event)


def create_endpoint(world: World, call: Call) -> Doc:
    """`POST /v1/webhook_endpoints`; the secret is shown here only."""
    receivers.check_room(world, call.params["url"])
    version = call.params.get("api_version") or None
    if version is not None:
        versions.checked(version, "api_version")
    endpoint = add_endpoint(world, call.params["url"], call.params["enabled_events"])
    endpoint.update(description=call.params.get("description"), api_version=version)
    merge_metadata(endpoint, call.params.get("metadata"))
    return {**endpoint, "secret": world.endpoint_secrets[endpoint["id"]]}


def add_endpoint(world: World, url: str, enabled: list[str], secret: str | None = None) -> Doc:
    """Register a receiver of events."""
    endpoint: Doc = {
        "id": world.ids.new("we", 20),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": world.clock.now(),
        "description": None,
        "enabled_events": list(enabled),
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
    world.endpoint_secrets[endpoint["id"]] = secret or "whsec_" + world.ids.letters(32)
    return world.store.add("webhook_endpoint", endpoint)


def retrieve_endpoint(world: World, call: Call) -> Doc:
    """`GET /v1/webhook_endpoints/{id}`."""
    return world.store.get("webhook_endpoint", call.id)


def find_endpoints(world: World, call: Call) -> Doc:
    """`GET /v1/webhook_endpoints`."""
    return pages.page(world.store["webhook_endpoint"].newest_first({}), call.params, "/v1/webhook_endpoints")


def update_endpoint(world: World, call: Call) -> Doc:
    """`POST /v1/webhook_endpoints/{id}`."""
    endpoint = world.store.get("webhook_endpoint", call.id)
    for name in ("url", "enabled_events", "description"):
        if name in call.params:
            endpoint[name] = call.params[name]
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    merge_metadata(endpoint, call.params.get("metadata"))
    return endpoint


def delete_endpoint(world: World, call: Call) -> Doc:
    """`DELETE /v1/webhook_endpoints/{id}`."""
    world.store.get("webhook_endpoint", call.id)
    world.store["webhook_endpoint"].remove(call.id)
    return {"id": call.id, "object": "webhook_endpoint", "deleted": True}


def create_clock(world: World, call: Call) -> Doc:
    """`POST /v1/test_helpers/test_clocks`."""
    frozen: int = call.params["frozen_time"]
    if not 0 < frozen < LAST_MOMENT:
        raise invalid("Invalid timestamp: `frozen_time` is too far away.", "frozen_time")
    now = world.clock.now()
    clock: Doc = {
        "id": world.ids.new("clock", 20),
        "object": "test_helpers.test_clock",
        "created": now,
        "deletes_after": now + CLOCK_LIFE_SECONDS,
        "frozen_time": frozen,
        "livemode": False,
        "name": call.params.get("name"),
        "status": "ready",
        "status_details": {},
    }
    world.clock.frozen[clock["id"]] = frozen
    world.events.emit("test_helpers.test_clock.created", world.store.add("test_clock", clock))
    return clock


def advance_clock(world: World, call: Call) -> Doc:
    """`POST .../advance`: forward only, at most two intervals of the shortest subscription."""
    clock = world.store.get("test_clock", call.id)
    target: int = call.params["frozen_time"]
    if not clock["frozen_time"] < target < LAST_MOMENT:
        raise invalid(
            "The frozen time must be later than the current one, and before the year 3000.", "frozen_time"
        )
    if target > _furthest(world, call.id, clock["frozen_time"]):
        raise invalid("You can advance at most two intervals from the current frozen time.", "frozen_time")
    clock["status"] = "advancing"
    world.events.emit("test_helpers.test_clock.advancing", clock)
    answer = dict(clock)
    world.clock.frozen[call.id] = target
    world.run_due(call.id)
    clock.update(frozen_time=target, status="ready")
    world.events.emit("test_helpers.test_clock.ready", clock)
    return answer


def _furthest(world: World, clock_id: str, now: int) -> int:
    ends = [
        advance(advance(now, unit, count, now), unit, count, now)
        for s in world.store["subscription"].by("test_clock", clock_id)
        if s["status"] not in ("canceled", "incomplete_expired")
        for unit, count in [
            (i["price"]["recurring"]["interval"], i["price"]["recurring"]["interval_count"])
            for i in s["items"]["data"]
        ]
    ]
    return min(ends, default=2**62)


def retrieve_clock(world: World, call: Call) -> Doc:
    """`GET /v1/test_helpers/test_clocks/{id}`."""
    return world.store.get("test_clock", call.id)


def find_clocks(world: World, call: Call) -> Doc:
    """`GET /v1/test_helpers/test_clocks`."""
    return pages.page(world.store["test_clock"].newest_first({}), call.params, "/v1/test_helpers/test_clocks")


def delete_clock(world: World, call: Call) -> Doc:
    """`DELETE /v1/test_helpers/test_clocks/{id}`: its customers go with it, and their subscriptions end."""
    clock = world.store.get("test_clock", call.id)
    for customer in list(world.store["customer"].newest_first({})):
        if customer["test_clock"] == call.id and customer["id"] not in world.deleted_customers:
            customers.forget(world, customer)
    world.store["test_clock"].remove(call.id)
    world.clock.drop(call.id)
    world.events.emit("test_helpers.test_clock.deleted", clock)
    return {"id": call.id, "object": "test_helpers.test_clock", "deleted": True}


HANDLERS = {
    "event_retrieve": retrieve_event,
    "event_list": find_events,
    "webhook_endpoint_create": create_endpoint,
    "webhook_endpoint_retrieve": retrieve_endpoint,
    "webhook_endpoint_list": find_endpoints,
    "webhook_endpoint_update": update_endpoint,
    "webhook_endpoint_delete": delete_endpoint,
    "test_helpers.test_clock_create": create_clock,
    "test_helpers.test_clock_advance": advance_clock,
    "test_helpers.test_clock_retrieve": retrieve_clock,
    "test_helpers.test_clock_list": find_clocks,
    "test_helpers.test_clock_delete": delete_clock,
}
