"""A Stripe with many thousands of subscriptions: real bursts of the local Stripe, copied under new ids.

A few customers change their subscriptions at the local Stripe; what its list of events tells about each is
a life. Lives are copied with fresh ids and other times. What every object is in the end is what its last
event showed, and a small server answers reads and lists accordingly; all other calls go on to the local
Stripe, so that a whole product can work beside the copies.
"""

from __future__ import annotations

import bisect
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from sync.gateway import Gateway
from sync.gateway.shapes import PATHS
from sync.mirror_rows import Kind
from sync.snapshot import render, snapshot
from sync.store import mirror_rows
from sync.store.db import Pool, transaction
from tests.mirror.burst import Burst, Free

LIVES, ROUNDS = 40, 3
# Ids of the local Stripe; products and prices are shared by all copies.
OWN_ID = re.compile(rb'"((?!price_|prod_)[a-z_]{2,12}_twin[A-Za-z0-9]+)"')
KINDS = {str(kind): kind for kind in Kind}
PAGE = 1_000


@dataclass(slots=True)
class Source:
    """Every event in the order in which it happened, and what each object is in the end, as raw JSON."""

    events: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    created: list[int] = field(default_factory=list)
    truth: dict[str, tuple[Kind, bytes]] = field(default_factory=dict)
    reads: int = 0
    subscriptions: int = 0


async def source(twin_url: str, events: int, subscriptions: int, unprovable: int, seed: int) -> Source:
    """Copies of lives for so many subscriptions and so many events, give or take a life.

    `unprovable` pairs are added: two changes of one subscription in one second, and nothing in either says
    which was first.
    """
    lives = await _lives(twin_url, seed)
    dice, told = random.Random(seed), Source(subscriptions=subscriptions)
    happened: list[tuple[int, int, str, bytes]] = []
    for number in range(subscriptions):
        # Of some lives the one after which the number of events is closest to what it should be by now.
        due = (number + 1) * events // subscriptions - len(happened)
        life = min(dice.sample(lives, 4), key=lambda each: abs(len(each) - due))
        happened += _copy(life, number, dice.randrange(7_200), len(happened))
    subscribers = dice.sample(range(subscriptions), min(unprovable, subscriptions))
    happened.sort(key=lambda each: each[:2])
    _tell(told, happened)
    for subscriber in subscribers:
        _add_pair(told, subscriber, dice)
    told.subscriptions = sum(kind is Kind.SUBSCRIPTION for kind, _ in told.truth.values())
    return told


async def _lives(twin_url: str, seed: int) -> list[list[dict[str, Any]]]:
    """What happened to each customer's subscription after it was bought, a minute between two changes."""
    burst = Burst(twin_url, seed)
    try:
        await burst.subscribe(LIVES)
        bought = len(await burst.events())
        for _ in range(ROUNDS):
            async with burst._session.post("/_twin/clock", json={"advance_seconds": 60}) as answer:
                assert answer.status == 200
            await burst.change_each()
        listed = [msgspec.json.decode(body) for body in reversed(await burst.events())][bought:]
    finally:
        await burst.close()
    return list(_by_customer(listed).values())


def _by_customer(listed: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The events of each customer; an invoice payment names its invoice only."""
    owner: dict[str, str] = {}
    lives: dict[str, list[dict[str, Any]]] = {}
    for event in listed:
        shown = event["data"]["object"]
        customer = shown.get("customer") or owner.get(shown.get("invoice") or "")
        if customer:
            owner[shown["id"]] = customer
            lives.setdefault(customer, []).append(event)
    return lives


def _copy(
    life: list[dict[str, Any]], number: int, shift: int, place: int
) -> list[tuple[int, int, str, bytes]]:
    """A life under new ids, some hours earlier: second, place in the order, event id, body."""
    found = []
    for step, event in enumerate(life):
        created = event["created"] - 10_800 + shift
        body = msgspec.json.encode({**event, "created": created})
        body = OWN_ID.sub(rb'"\g<1>c%d"' % number, body)
        found.append((created, place + step, f"{event['id']}c{number}", body))
    return found


class _Data(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    data: _Data


class _Object(msgspec.Struct):
    id: str
    object: str


def _tell(told: Source, happened: list[tuple[int, int, str, bytes]]) -> None:
    for created, _, event_id, body in happened:
        told.events.append(body)
        told.ids.append(event_id)
        told.created.append(created)
        shown = bytes(msgspec.json.decode(body, type=_Event).data.object)
        head = msgspec.json.decode(shown, type=_Object)
        if head.object in KINDS:
            told.truth[head.id] = KINDS[head.object], shown


def _add_pair(told: Source, subscriber: int, dice: random.Random) -> None:
    """Two notes on one subscription within a second, the second one stays."""
    mine = [key for key in told.truth if key.startswith("sub_") and key.endswith(f"c{subscriber}")]
    for subscription_id in mine[:1]:
        _, shown = told.truth[subscription_id]
        document = msgspec.json.decode(shown)
        created = told.created[-1] + dice.randrange(2)
        pair = []
        for note in ("first", "second"):
            event_id = f"evt_pair{note}c{subscriber}"
            changed = {**document, "metadata": {**document["metadata"], "note": note}}
            event = {
                "id": event_id, "object": "event", "api_version": _version(told), "created": created,
                "livemode": False, "type": "customer.subscription.updated", "data": {"object": changed},
                "request": None,
            }  # fmt: skip
            pair.append((created, 0, event_id, msgspec.json.encode(event)))
        _tell(told, pair)


def _version(told: Source) -> str:
    found: str = msgspec.json.decode(told.events[0])["api_version"]
    return found


# ---- the server


@asynccontextmanager
async def serving(told: Source, twin_url: str) -> AsyncIterator[str]:
    """Serve the source over HTTP, and the local Stripe behind it; yields the address."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", _Server(told, twin_url, session).answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield "http://{}:{}".format(*runner.addresses[0][:2])
        finally:
            await runner.cleanup()


class _Server:
    def __init__(self, told: Source, twin_url: str, session: aiohttp.ClientSession) -> None:
        self._told, self._twin_url, self._session = told, twin_url, session
        self._place = {event_id: place for place, event_id in enumerate(told.ids)}
        self._folders = {path.removesuffix("{}") for path in PATHS.values()}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        folder, _, object_id = request.path.rpartition("/")
        if request.method == "GET" and object_id in self._told.truth and f"{folder}/" in self._folders:
            self._told.reads += 1
            return web.Response(body=self._told.truth[object_id][1], content_type="application/json")
        if request.path == "/v1/events":
            return self._list(request)
        return await self._pass_on(request)

    def _list(self, request: web.Request) -> web.Response:
        """A page of events, newest first; the order of the list is that in which they were told."""
        after = request.query.get("starting_after")
        end = self._place[after] if after else len(self._told.events)
        first = bisect.bisect_left(self._told.created, int(request.query.get("created[gte]", "0")))
        start = max(first, end - int(request.query.get("limit", "10")))
        page = b",".join(reversed(self._told.events[start:end]))
        more = b"true" if start > first else b"false"
        body = b'{"object":"list","url":"/v1/events","has_more":%s,"data":[%s]}' % (more, page)
        return web.Response(body=body, content_type="application/json")

    async def _pass_on(self, request: web.Request) -> web.Response:
        kept = {
            name: text for name, text in request.headers.items() if name not in ("Host", "Content-Length")
        }
        body = await request.read()
        url = f"{self._twin_url}{request.raw_path}"
        async with self._session.request(request.method, url, data=body, headers=kept) as answer:
            dropped = ("Content-Length", "Transfer-Encoding", "Connection", "Date", "Server")
            headers = {name: text for name, text in answer.headers.items() if name not in dropped}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)


def gateway(url: str) -> Gateway:
    """Our own door to that server, without a budget."""
    return Gateway(api_key="sk_test_volume", api_base=url, budget=Free())


async def unequal(pool: Pool, told: Source) -> list[str]:
    """The ids of all objects that are not in the mirror as they are at the source."""
    found: list[str] = []
    for kind in Kind:
        ids = [object_id for object_id, (each, _) in told.truth.items() if each is kind]
        for start in range(0, len(ids), PAGE):
            part = ids[start : start + PAGE]
            async with transaction(pool) as conn:
                rows = await mirror_rows.load_rows(conn, kind, part)
                children = await mirror_rows.load_children(conn, kind, part)
            for object_id in part:
                shown = snapshot(render(kind, told.truth[object_id][1]))
                if (rows.get(object_id), tuple(children.get(object_id, ()))) != (shown.row, shown.children):
                    found.append(object_id)
    return found
