"""Who gets events: webhook endpoints (`/v1/`) and event destinations (`/v2/`), seen alike.

Stripe allows 16 of them per account and mode (UNCONFIRMED number of the docs' older edition).
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.twin import versions
from worker.twin.errors import invalid
from worker.twin.store import Doc
from worker.twin.world import World

MOST = 16
HOUR, WAIT_SECONDS = 3600, 72 * 3600


@dataclass(frozen=True)
class Receiver:
    """One address. `version` renders its snapshots; a thin receiver gets notifications without objects."""

    id: str
    url: str
    kinds: tuple[str, ...]
    version: str
    thin: bool = False
    enabled: bool = True

    def takes(self, kind: str) -> bool:
        """Whether it asked for events of this snapshot type."""
        name = f"v1.{kind}" if self.thin else kind
        return self.enabled and any(type_matches(name, wanted) for wanted in self.kinds)


def type_matches(kind: str, wanted: str) -> bool:
    """`*` at the end stands for any rest."""
    return kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1]))


def everyone(world: World) -> list[Receiver]:
    """All of them, enabled or not."""
    endpoints = world.store["webhook_endpoint"].docs.values()
    destinations = world.store["event_destination"].docs.values()
    return [*(_endpoint(world, e) for e in endpoints), *(_destination(world, d) for d in destinations)]


def find(world: World, receiver_id: str) -> Receiver | None:
    """One of them; None when it was deleted."""
    endpoint = world.store["webhook_endpoint"].docs.get(receiver_id)
    if endpoint is not None:
        return _endpoint(world, endpoint)
    destination = world.store["event_destination"].docs.get(receiver_id)
    return _destination(world, destination) if destination is not None else None


def _endpoint(world: World, doc: Doc) -> Receiver:
    version = doc["api_version"] or versions.default(world)
    enabled = doc["status"] == "enabled"
    return Receiver(doc["id"], doc["url"], tuple(doc["enabled_events"]), version, enabled=enabled)


def _destination(world: World, doc: Doc) -> Receiver:
    version = doc["snapshot_api_version"] or versions.default(world)
    enabled, thin = doc["status"] == "enabled", doc["event_payload"] == "thin"
    url = doc["webhook_endpoint"]["url"]
    return Receiver(doc["id"], url, tuple(doc["enabled_events"]), version, thin, enabled)


def check_room(world: World, url: str) -> None:
    """Refuse a seventeenth receiver, and what is not an address."""
    if not url.startswith(("http://", "https://")):
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid"
        )
    if len(everyone(world)) >= MOST:
        raise invalid(f"You have reached the maximum of {MOST} test webhook endpoints.")


def holds_back(world: World, invoice: Doc, now: int) -> bool:
    """Whether a draft waits on: an account may want `invoice.created` delivered before it is finalised.

    Stripe waits up to 72 hours (docs "Using webhooks with subscriptions"); the twin looks again every hour.
    """
    if not world.account.finalize_after_delivery or invoice["webhooks_delivered_at"] is not None:
        return False
    if now >= invoice["created"] + WAIT_SECONDS or not any(
        r.takes("invoice.created") for r in everyone(world)
    ):
        return False
    invoice["automatically_finalizes_at"] = now + HOUR
    world.clock.at(now + HOUR, "finalize", invoice["id"], world.domain_of(invoice["customer"]))
    return True


def secrets_of(world: World, receiver_id: str, wall: float) -> list[str]:
    """What its deliveries are signed with now: the secret, and rolled ones until they expire."""
    older = world.rolled_secrets.get(receiver_id, [])
    return [world.endpoint_secrets[receiver_id], *(secret for secret, until in older if wall < until)]


def roll_secret(world: World, receiver_id: str, seconds: float, wall: float) -> str:
    """A new secret; the old one signs too for `seconds` of wall time (Stripe: up to 24 hours)."""
    if find(world, receiver_id) is None:
        raise invalid(f"No such webhook endpoint: '{receiver_id}'", "endpoint", "resource_missing")
    old = world.endpoint_secrets[receiver_id]
    world.rolled_secrets.setdefault(receiver_id, []).append((old, wall + seconds))
    world.endpoint_secrets[receiver_id] = "whsec_" + world.ids.letters(32)
    return world.endpoint_secrets[receiver_id]
