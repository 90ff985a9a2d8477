"""Webhook deliveries: signed, retried with back-off until 2xx, and spoilt on request.

Modes (at `/_twin/delivery`): normal, hold (until flushed), drop, duplicate, shuffle, delay, bad_signature,
old_timestamp; `share` is the part of the deliveries that is spoilt. Signatures use wall time at each send,
because receivers check their age (Stripe docs "Receive Stripe events in your webhook endpoint").
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import deque
from dataclasses import asdict, replace
from typing import Any

import aiohttp
import msgspec

from worker.twin.ids import Ids
from worker.twin.lanes import Delivery, Lane
from worker.twin.resources.account import type_matches
from worker.twin.store import Doc
from worker.twin.world import World

MODES = ("normal", "hold", "drop", "duplicate", "shuffle", "delay", "bad_signature", "old_timestamp")
RESPONSE_SECONDS = 10
SHUFFLE_SECONDS = 0.2
LOGGED = 100_000


def signature(secret: str, payload: bytes, at: int) -> str:
    """The `Stripe-Signature` header."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Deliveries:
    """Takes events from the world and brings them to the endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = Ids(world.seed + 2)
        self._session: aiohttp.ClientSession | None = None
        self._lanes: dict[str, Lane] = {}
        self._held: list[Delivery] = []
        self._timer: asyncio.TimerHandle | None = None
        self.mode: dict[str, Any] = {"mode": "normal", "share": 1.0, "delay_seconds": 0.0}
        self.log: deque[Delivery] = deque(maxlen=LOGGED)

    def take(self) -> None:
        """Send off every event that happened since the last call."""
        events, self._world.events.pending = self._world.events.pending, []
        if not self._world.store["webhook_endpoint"].docs:
            return
        for event in events:
            self._dispatch(event)

    def _dispatch(self, event: Doc) -> None:
        receivers = [
            e
            for e in self._world.store["webhook_endpoint"].docs.values()
            if e["status"] == "enabled" and any(type_matches(event["type"], k) for k in e["enabled_events"])
        ]
        if not receivers:
            return
        event["pending_webhooks"] = len(receivers)
        for endpoint in receivers:
            self._world.undelivered.add(event["id"])
            self._route(Delivery(event["id"], event["type"], endpoint["id"], endpoint["url"]))

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
        self._world.undelivered.discard(delivery.event)
        event = self._world.store["event"].docs.get(delivery.event)
        if event is not None and event["pending_webhooks"] > 0:
            event["pending_webhooks"] -= 1

    async def _post(self, delivery: Delivery) -> int | str:
        event = self._world.events.shown(self._world.store["event"].docs[delivery.event])
        payload = msgspec.json.format(msgspec.json.encode(event), indent=2)
        secret = self._world.endpoint_secrets[delivery.endpoint]
        at, first = int(time.time()), delivery.tries == 1
        if first and delivery.spoilt == "old_timestamp":
            at -= 3600
        header = signature("wrong" if first and delivery.spoilt == "bad_signature" else secret, payload, at)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": header,
            "User-Agent": "Stripe/1.0 (twin)",
        }
        try:
            async with self._client().post(
                delivery.url, data=payload, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
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
