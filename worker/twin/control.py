"""The control door under `/_twin/`: what no customer of Stripe has. JSON in, JSON out, no key needed.

Every path and body is described at the function behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from worker.twin import versions
from worker.twin.acts import act
from worker.twin.billing import funds
from worker.twin.delivery import MODES
from worker.twin.door import TWIN
from worker.twin.errors import ApiError
from worker.twin.exchange import Twin, run_by_hand
from worker.twin.store import Table


async def clock(twin: Twin, body: dict[str, Any]) -> Any:
    """GET shows the clock; POST moves it forward and runs what falls due on the way, in time order."""
    world = twin.world
    if "advance_seconds" in body:
        wanted = int(body["advance_seconds"])
    else:
        wanted = int(body["now"]) - world.clock.now() if "now" in body else 0
    if wanted < 0:
        raise ApiError(400, "The clock only moves forward.")
    world.clock.offset += wanted
    ran = world.run_due()
    twin.deliveries.take()
    return {"now": world.clock.now(), "offset_seconds": world.clock.offset, "ran": ran}


async def faults(twin: Twin, body: dict[str, Any]) -> Any:
    """POST plans a fault; GET lists the planned and the fired ones."""
    if body:
        return asdict(twin.faults.plan(body))
    return {"planned": [asdict(f) for f in twin.faults.planned], "fired": twin.faults.fired}


async def clear_faults(twin: Twin, body: dict[str, Any]) -> Any:
    """DELETE forgets every planned fault."""
    twin.faults.clear()
    return {"planned": []}


async def movers(twin: Twin, body: dict[str, Any]) -> Any:
    """POST plans a mover (see `movers.py`); GET lists the planned and the fired ones."""
    if body:
        return asdict(twin.movers.plan(twin.world, body))
    return {"planned": [asdict(m) for m in twin.movers.planned], "fired": twin.movers.fired}


async def clear_movers(twin: Twin, body: dict[str, Any]) -> Any:
    """DELETE forgets every planned mover."""
    twin.movers.planned.clear()
    return {"planned": []}


async def delivery(twin: Twin, body: dict[str, Any]) -> Any:
    """POST sets how webhooks are delivered from now on; GET shows it."""
    if body:
        if body.get("mode", "normal") not in MODES:
            raise ApiError(400, f"`mode` is one of {', '.join(MODES)}.", param="mode")
        twin.deliveries.mode = {"mode": "normal", "share": 1.0, "delay_seconds": 0.0, **body}
    return twin.deliveries.mode


async def flush(twin: Twin, body: dict[str, Any]) -> Any:
    """POST sends what was held back."""
    return {"sent": twin.deliveries.flush()}


async def deliveries(twin: Twin, body: dict[str, Any]) -> Any:
    """GET lists every delivery with its state."""
    return {"data": twin.deliveries.report()}


async def ledger(twin: Twin, body: dict[str, Any]) -> Any:
    """GET lists the effects; query parameters filter by equality (`?change_id=...&kind=charge`)."""
    return {"data": [msgspec.to_builtins(e) for e in twin.world.ledger.read(**body)]}


async def state(twin: Twin, body: dict[str, Any]) -> Any:
    """GET shows every object (events aside) and the twin's own facts, for debugging."""
    world = twin.world
    tables = {kind: _encoded(t) for kind, t in world.store.tables.items() if kind != "event"}
    facts = {name: msgspec.to_builtins(value) for name, value in vars(world.facts).items()}
    return {
        "now": world.clock.now(),
        "objects": tables,
        "facts": facts,
        "requests": list(twin.requests)[-1000:],
    }


def _encoded(table: Table) -> list[msgspec.Raw]:
    return [msgspec.Raw(msgspec.json.encode(doc)) for doc in table.docs.read(table.docs)]


async def account(twin: Twin, body: dict[str, Any]) -> Any:
    """POST changes account settings and strictness; GET shows them."""
    for name, value in body.items():
        if not hasattr(twin.world.account, name):
            raise ApiError(400, f"No such setting: {name}", param=name)
        if name == "default_api_version" and value:
            versions.checked(str(value), name)
        setattr(twin.world.account, name, value)
    funds.plan_payout(twin.world)
    twin.world.events.api_version = versions.default(twin.world)
    return asdict(twin.world.account)


async def idempotency(twin: Twin, body: dict[str, Any]) -> Any:
    """POST `{"age_seconds": n}` makes every idempotency key older (they live 24 hours of wall time)."""
    twin.keys.age(float(body.get("age_seconds", 0)))
    return {"now": twin.keys.now()}


async def dashboard(twin: Twin, body: dict[str, Any]) -> Any:
    """POST: an edit by hand, `{method, path, params}`, or an act of a customer or a bank, `{act, ...}`."""
    if "act" in body:
        return act(twin, body)
    reply = run_by_hand(
        twin, str(body.get("method", "POST")).upper(), str(body["path"]), body.get("params") or {}
    )
    return msgspec.json.decode(reply.body)


def _handler(
    control: Callable[[Twin, dict[str, Any]], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        raw = await request.read() if request.method == "POST" else b""
        try:
            body = msgspec.json.decode(raw) if raw.strip() else dict(request.query)
            result, status = await control(request.app[TWIN], body), 200
        except ApiError as error:
            result, status = error.body, error.status
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            result, status = {"error": {"message": f"{type(error).__name__}: {error}"}}, 400
        return web.Response(status=status, body=msgspec.json.encode(result), content_type="application/json")

    return handle


def routes() -> list[web.RouteDef]:
    """Every control, except reset, which belongs to the server."""
    table = [
        ("GET", "clock", clock), ("POST", "clock", clock),
        ("GET", "faults", faults), ("POST", "faults", faults), ("DELETE", "faults", clear_faults),
        ("GET", "movers", movers), ("POST", "movers", movers), ("DELETE", "movers", clear_movers),
        ("GET", "delivery", delivery), ("POST", "delivery", delivery), ("POST", "delivery/flush", flush),
        ("GET", "deliveries", deliveries), ("GET", "ledger", ledger), ("GET", "state", state),
        ("GET", "account", account), ("POST", "account", account), ("POST", "idempotency", idempotency),
        ("POST", "dashboard", dashboard),
    ]  # fmt: skip
    return [web.route(method, f"/_twin/{path}", _handler(control)) for method, path, control in table]
