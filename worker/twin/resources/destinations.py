"""`/v2/core/`: event destinations (webhooks that get thin events, or snapshots) and thin events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from worker.twin import receivers, thin, versions
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import ApiError, invalid
from worker.twin.events import LIFE_SECONDS
from worker.twin.forms import flatten
from worker.twin.store import Doc
from worker.twin.world import Call, World

SIZE, MOST = 20, 100
OBJECT = "v2.core.event_destination"


def create(world: World, call: Call) -> Doc:
    """`POST /v2/core/event_destinations`; the signing secret is shown here only, when it is included."""
    wanted = call.params
    url = (wanted.get("webhook_endpoint") or {}).get("url")
    if wanted["type"] != "webhook_endpoint" or not url:
        raise invalid("The twin delivers to webhook endpoints: send `webhook_endpoint[url]`.", "type")
    receivers.check_room(world, url)
    version = _version(world, wanted)
    now = thin.iso(world.clock.now())
    made: Doc = {
        "id": world.ids.new("ed", 20),
        "object": OBJECT,
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": now,
        "description": wanted.get("description", ""),
        "enabled_events": list(wanted["enabled_events"]),
        "event_payload": wanted["event_payload"],
        "events_from": wanted.get("events_from", ["@self"]),
        "livemode": False,
        "metadata": {},
        "name": wanted["name"],
        "snapshot_api_version": version,
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": now,
        "webhook_endpoint": {"signing_secret": None, "url": url},
    }
    merge_metadata(made, wanted.get("metadata"))
    world.endpoint_secrets[made["id"]] = "whsec_" + world.ids.letters(32)
    return _shown(world, world.store.add("event_destination", made), call, secret=True)


def _version(world: World, wanted: dict[str, Any]) -> str | None:
    asked: str | None = wanted.get("snapshot_api_version")
    if wanted["event_payload"] == "thin":
        if asked is not None:
            raise invalid("Thin events have no API version.", "snapshot_api_version")
        return None
    return versions.checked(asked, "snapshot_api_version") if asked else versions.default(world)


def _shown(world: World, doc: Doc, call: Call, *, secret: bool = False) -> Doc:
    """The address and the secret are left out unless they are included."""
    include = call.params.get("include") or []
    address = {
        "signing_secret": world.endpoint_secrets[doc["id"]]
        if secret and "webhook_endpoint.signing_secret" in include
        else None,
        "url": doc["webhook_endpoint"]["url"] if "webhook_endpoint.url" in include else None,
    }
    return {**doc, "webhook_endpoint": address}


def _get(world: World, call: Call) -> Doc:
    return world.store.get("event_destination", call.id)


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v2/core/event_destinations/{id}`."""
    return _shown(world, _get(world, call), call)


def find(world: World, call: Call) -> Doc:
    """`GET /v2/core/event_destinations`."""
    rows = world.store["event_destination"].newest_first({})
    return _page((_shown(world, r, call) for r in rows), call.params, "/v2/core/event_destinations")


def update(world: World, call: Call) -> Doc:
    """`POST /v2/core/event_destinations/{id}`."""
    doc = _get(world, call)
    for name in ("description", "enabled_events", "name"):
        if name in call.params:
            doc[name] = call.params[name]
    merge_metadata(doc, call.params.get("metadata"))
    url = (call.params.get("webhook_endpoint") or {}).get("url")
    if url:
        doc["webhook_endpoint"]["url"] = url
    doc["updated"] = thin.iso(world.clock.now())
    return _shown(world, doc, call)


def disable(world: World, call: Call) -> Doc:
    """`POST .../disable`."""
    return _switched(world, call, "disabled", {"disabled": {"reason": "user"}})


def enable(world: World, call: Call) -> Doc:
    """`POST .../enable`."""
    return _switched(world, call, "enabled", None)


def _switched(world: World, call: Call, status: str, details: dict[str, Any] | None) -> Doc:
    doc = _get(world, call)
    doc.update(status=status, status_details=details, updated=thin.iso(world.clock.now()))
    return _shown(world, doc, call)


def delete(world: World, call: Call) -> Doc:
    """`DELETE /v2/core/event_destinations/{id}`."""
    _get(world, call)
    world.store["event_destination"].remove(call.id)
    return {"id": call.id, "object": OBJECT, "deleted": True}


def retrieve_event(world: World, call: Call) -> Doc:
    """`GET /v2/core/events/{id}`."""
    return thin.full(thin.snapshot_of(world, call.id))


def find_events(world: World, call: Call) -> Doc:
    """`GET /v2/core/events`: 30 days, by `object_id`, `types` (up to 20) and `created`."""
    if len(call.params.get("types") or []) > 20:
        raise invalid("You can pass up to 20 types.", "types")
    return _page(_events(world, call.params), call.params, "/v2/core/events")


def _events(world: World, wanted: dict[str, Any]) -> Iterator[Doc]:
    oldest = world.clock.now() - LIFE_SECONDS
    kinds, subject = wanted.get("types"), wanted.get("object_id")
    limits = {
        name: thin.seconds(text, f"created[{name}]") for name, text in wanted.get("created", {}).items()
    }
    narrow = {} if subject is None else {"about": subject}
    for event in world.store["event"].newest_first(narrow):
        if event["created"] < max(oldest, limits.get("gte", 0), limits.get("gt", 0)):
            return
        if kinds and f"v1.{event['type']}" not in kinds:
            continue
        if _within(event["created"], limits):
            made = thin.full(world.events.shown(event))
            if subject is None or made["related_object"]:
                yield made


def _within(moment: int, limits: dict[str, float]) -> bool:
    tests = {"gt": float.__gt__, "gte": float.__ge__, "lt": float.__lt__, "lte": float.__le__}
    return all(tests[name](float(moment), limit) for name, limit in limits.items())


def _page(found: Iterable[Doc], wanted: dict[str, Any], url: str) -> Doc:
    """A page of `/v2/`: `next_page_url` and `previous_page_url` instead of cursors by id."""
    limit, start = wanted.get("limit", SIZE), wanted.get("page", "0")
    if not 1 <= limit <= MOST or not start.isdigit():
        raise ApiError(400, f"Invalid page or limit: limits are 1 to {MOST}.", param="limit", executed=False)
    rows: list[Doc] = []
    for number, row in enumerate(found):
        if number >= int(start) + limit:
            return {
                "data": rows,
                "next_page_url": _link(wanted, url, number, limit),
                "previous_page_url": None,
            }
        if number >= int(start):
            rows.append(row)
    return {"data": rows, "next_page_url": None, "previous_page_url": None}


def _link(wanted: dict[str, Any], url: str, start: int, limit: int) -> str:
    kept = {name: value for name, value in wanted.items() if name not in ("page", "limit")}
    return f"{url}?{urlencode([*flatten(kept), ('limit', str(limit)), ('page', str(start))])}"


HANDLERS = {
    "v2.core.event_destination_create": create,
    "v2.core.event_destination_retrieve": retrieve,
    "v2.core.event_destination_list": find,
    "v2.core.event_destination_update": update,
    "v2.core.event_destination_disable": disable,
    "v2.core.event_destination_enable": enable,
    "v2.core.event_destination_delete": delete,
    "v2.core.event_retrieve": retrieve_event,
    "v2.core.event_list": find_events,
}
