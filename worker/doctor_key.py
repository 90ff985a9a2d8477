"""The doctor's look at what a restricted key may read: what is missing is named before a sweep misses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final

from sync.gateway import Gateway, StripeCallFailed
from sync.gateway.shapes import PATHS
from worker.findings import Area, Finding, Status

# Stripe looks at the permission before it looks for the object.
NOBODYS_ID: Final = "prorata_doctor"


async def permissions(gateway: Gateway) -> Finding:
    """Ask for what nobody has of each kind, and for the portal's settings. Raises StripeCallFailed."""
    asked: dict[str, Awaitable[object]] = {
        kind: gateway.read_object(kind, NOBODYS_ID, urgent=True) for kind in sorted(PATHS)
    }
    asked["portal configuration"] = gateway.portals_that_change_plans()
    denied = await asyncio.gather(*(_is_denied(read) for read in asked.values()))
    missing = [kind.replace("_", " ") for kind, is_denied in zip(asked, denied, strict=True) if is_denied]
    if not missing:
        return Finding("permissions", Area.STRIPE, Status.OK, "the key may read all that is read")
    return Finding(
        "permissions",
        Area.STRIPE,
        Status.WARN,
        f"the key may not read: {', '.join(missing)}",
        "give the restricted key these permissions in the Dashboard; `deploy/env.example` lists all of them",
    )


async def _is_denied(read: Awaitable[object]) -> bool:
    try:
        await read
    except StripeCallFailed as error:
        if error.failure.http_status != HTTPStatus.FORBIDDEN:
            raise
        return True
    return False
