"""From a list of routes to an application: nothing is opened, nothing is started."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from handlers.auth import Authenticator
from handlers.endpoint import AUTHENTICATOR, BILLING, SETTINGS, endpoint
from handlers.middleware import MIDDLEWARES, add_headers
from handlers.openapi import DESCRIPTION, Description
from handlers.registry import Door, HttpSettings, Route
from sync.billing import Billing


def assemble(
    billing: Billing,
    routes: Sequence[Route],
    doors: Sequence[Door],
    *,
    bootstrap_key: str | None = None,
    settings: HttpSettings | None = None,
) -> web.Application:
    """Return an application that serves these routes and doors."""
    limits = settings or HttpSettings()
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=limits.body_limit_bytes)
    app[BILLING] = billing
    app[SETTINGS] = limits
    app[AUTHENTICATOR] = Authenticator(billing.pool, bootstrap_key)
    for route in routes:
        app.router.add_route(route.method, route.path, endpoint(route), name=route.name)
    for door in doors:
        app.router.add_route(door.method, door.path, door.handler, name=door.name)
    app[DESCRIPTION] = Description(routes, doors)
    app.on_response_prepare.append(add_headers)
    return app
