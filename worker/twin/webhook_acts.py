"""What an account's owner does about webhooks in the dashboard: roll a secret, send an event again.

At the control door: `POST /_twin/dashboard {"act": name, ...}`.
"""

from __future__ import annotations

import time
from typing import Any

from worker.twin import receivers
from worker.twin.exchange import Twin

DAY_SECONDS = 86400


def roll_secret(twin: Twin, body: dict[str, Any]) -> Any:
    """`{endpoint, expire_seconds}`: a new secret; the old one signs too for 24 hours at most."""
    seconds = min(float(body.get("expire_seconds", DAY_SECONDS)), DAY_SECONDS)
    endpoint = str(body.get("endpoint", ""))
    return {"secret": receivers.roll_secret(twin.world, endpoint, seconds, time.time())}


def resend(twin: Twin, body: dict[str, Any]) -> Any:
    """`{event, endpoint}`: send an event once more; without an endpoint to everyone who wants it."""
    return {"sent": twin.deliveries.resend(str(body.get("event", "")), body.get("endpoint"))}
