"""Webhook deliveries: signed, retried with back-off until 2xx, and spoilt on request.

Modes (at `/_twin/delivery`): normal, hold (until flushed), drop, duplicate, shuffle, delay, bad_signature,
old_timestamp; `share` is the part of the deliveries that is spoilt, `timeout_seconds` how long an answer may
take. Signatures use wall time at each send, because receivers check their age. A deleted or disabled receiver
gets no further tries (Stripe docs "Receive Stripe events in your webhook endpoint").
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import aiohttp
import msgspec

from worker.twin import receivers, thin, versions
from worker.twin.ids import Ids
from worker.twin.lanes import Delivery, Lane
from worker.twin.receivers import Receiver
from worker.twin.store import Doc
from worker.twin.world import World

MODES = ("normal", "hold", "drop", "duplicate", "shuffle", "delay", "bad_signature", "old_timestamp")
RESPONSE_SECONDS = 10
SHUFFLE_SECONDS = 0.2
LOGGED = 100_000


def signature(secrets: Iterable[str], payload: bytes, at: int) -> str:
    """The `Stripe-Signature` header: one `v1` for each secret, so that a rolled one still verifies."""
    text = f"{at}.".encode() + payload
    digests = [hmac.new(secret.encode(), text, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


class Deliveries:
    """Takes events from the world and brings them to the receivers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = Ids(world.seed + 2)
        self._session: aiohttp.ClientSession | None = None
        self._lanes: dict[str, Lane] = {}
        self._held: list[Delivery] = []
        self._timer: asyncio.TimerHandle | None = None
        self._open: dict[str, set[str]] = {}  # receivers that an event has not reached yet
        self.mode: dict[str, Any] = {"mode": "normal", "share": 1.0, "delay_seconds": 0.0}
        self.log: deque[Delivery] = deque(maxlen=LOGGED)

    def take(self) -> None:
        """Send off every event that happened since the last call."""
        events, self._world.events.pending = self._world.events.pending, []
        known = receivers.everyone(self._world) if events else []
        for event in events if known else ():
            self._dispatch(event, [r for r in known if r.takes(event["type"])])

    def resume(self) -> None:
        """After a restart: what had not arrived everywhere goes out again, to all that want it."""
        known, events = receivers.everyone(self._world), self._world.store["event"].docs
        for event_id in [event_id for event_id in events if event_id in self._world.undelivered]:
            event = events[event_id]
            self._dispatch(event, [r for r in known if r.takes(event["type"])])

    def _dispatch(self, event: Doc, wanted: list[Receiver]) -> None:
        if not wanted:
            return
        event["pending_webhooks"] = len(wanted)
        self._world.undelivered.add(event["id"])
        self._open[event["id"]] = {r.id for r in wanted}
        for receiver in wanted:
            self._route(Delivery(event["id"], event["type"], receiver.id, receiver.url))

    def resend(self, event_id: str, receiver_id: str | None = None) -> int:
        """Send an event once more by hand, to one receiver or to all that want it; automatic tries go on."""
        event = self._world.store.get("event", event_id, "event")
        known = receivers.everyone(self._world)
        chosen = [r for r in known if r.id == receiver_id or (not receiver_id and r.takes(event["type"]))]
        for receiver in chosen:
            self._route(Delivery(event_id, event["type"], receiver.id, receiver.url))
        return len(chosen)

    def _route(self, delivery: Delivery) -> None:
        self.log.append(delivery)
        mode = str(self.mode["mode"])
        spoil = mode != "normal" and self._ids.chance() < float(self.mode["share"])
        delivery.spoilt = mode if spoil else None
        if spoil and mode in ("hold", "shuffle"):
            self._hold(delivery, soon=mode == "shuffle")
        elif spoil and mode == "drop":
            delivery.status = "dropped"
        else:
            self._send(delivery, float(self.mode["delay_seconds"]) if spoil and mode == "delay" else 0.0)
        if spoil and mode == "duplicate":
            twice = replace(delivery, answers=[])
            self.log.append(twice)
            self._send(twice)

    def _hold(self, delivery: Delivery, *, soon: bool) -> None:
        delivery.status = "held"
        self._held.append(delivery)
        if soon and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SHUFFLE_SECONDS, self.flush)

    def flush(self) -> int:
        """Send what was held back; in shuffle mode in a random order."""
        held, self._held, self._timer = self._held, [], None
        if self.mode["mode"] == "shuffle":
            self._ids.shuffle(held)
        for delivery in held:
            self._send(delivery)
        return len(held)

    def _send(self, delivery: Delivery, wait_seconds: float = 0.0) -> None:
        lane = self._lanes.get(delivery.endpoint)
        if lane is None:
            lane = self._lanes[delivery.endpoint] = Lane(self._post, self._delivered)
        lane.put(delivery, wait_seconds)

    def _delivered(self, delivery: Delivery) -> None:
        left = self._open.get(delivery.event, set())
        if delivery.endpoint not in left:
            return
        left.discard(delivery.endpoint)
        event = self._world.store["event"].docs.get(delivery.event)
        if event is not None:
            event["pending_webhooks"] = len(left)
        if not left:
            del self._open[delivery.event]
            self._world.undelivered.discard(delivery.event)
            if event is not None and event["type"] == "invoice.created":
                self._announced(event)

    def _announced(self, event: Doc) -> None:
        """Every receiver knows of the draft: an account that waits for that may finalise it."""
        if self._world.account.finalize_after_delivery:
            shown = msgspec.json.decode(
                msgspec.json.encode(self._world.events.shown(event)["data"]["object"])
            )
            invoice = self._world.store["invoice"].docs.get(shown["id"])
            if invoice is not None:
                invoice["webhooks_delivered_at"] = self._world.now_for(invoice["customer"])

    async def _post(self, delivery: Delivery) -> int | str | None:
        receiver = receivers.find(self._world, delivery.endpoint)
        event = self._world.store["event"].docs.get(delivery.event)
        if receiver is None or event is None or not receiver.enabled:
            return None
        payload = self._payload(receiver, self._world.events.shown(event))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": self._signed(delivery, payload),
            "User-Agent": "Stripe/1.0 (twin)",
        }
        limit = aiohttp.ClientTimeout(total=float(self.mode.get("timeout_seconds", RESPONSE_SECONDS)))
        try:
            async with self._client().post(
                receiver.url, data=payload, headers=headers, allow_redirects=False, timeout=limit
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__

    def _payload(self, receiver: Receiver, shown: Doc) -> bytes:
        """A notification, or the snapshot in the receiver's version."""
        version = receiver.version
        made = thin.notification(shown) if receiver.thin else versions.event(self._world, shown, version)
        return msgspec.json.format(msgspec.json.encode(made), indent=2)

    def _signed(self, delivery: Delivery, payload: bytes) -> str:
        wall, spoilt = time.time(), delivery.spoilt if delivery.tries == 1 else None
        at = int(wall) - (3600 if spoilt == "old_timestamp" else 0)
        secrets = receivers.secrets_of(self._world, delivery.endpoint, wall)
        return signature(["wrong"] if spoilt == "bad_signature" else secrets, payload, at)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    def report(self) -> list[dict[str, Any]]:
        """Every delivery with its state, oldest first."""
        return [asdict(d) for d in self.log]

    async def close(self) -> None:
        """Stop sending."""
        if self._timer is not None:
            self._timer.cancel()
        for lane in self._lanes.values():
            await lane.close()
        if self._session is not None:
            await self._session.close()
