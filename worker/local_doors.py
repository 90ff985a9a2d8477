"""The doors of a local set-up: our API, Stripe's API, and the control door of the local Stripe.

The demonstration knows nothing but these, like any outsider.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from worker.local import STRIPE_KEY, Local

PATIENCE: Final = aiohttp.ClientTimeout(total=60)
PAGE: Final = 100


class UnexpectedAnswer(Exception):
    """A door answered with another status than was expected; the message shows what it said."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of our API."""

    status: int
    body: dict[str, Any]


class Doors:
    """One client for all three."""

    def __init__(self, session: aiohttp.ClientSession, here: Local) -> None:
        self._session = session
        self._here = here

    # ---- our API

    async def ask(self, method: str, path: str, body: Any = None) -> Said:
        """One request to our API, whatever it answers."""
        headers = {"Authorization": f"Bearer {self._here.secrets.bootstrap_key}"}
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_hex(8)
        url = f"{self._here.http_url}{path}"
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            return Said(answer.status, await answer.json(content_type=None))

    async def get(self, path: str) -> dict[str, Any]:
        """Read something. Raises UnexpectedAnswer."""
        return self._good("GET", path, await self.ask("GET", path))

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """Send something that must work. Raises UnexpectedAnswer."""
        return self._good("POST", path, await self.ask("POST", path, body))

    def _good(self, method: str, path: str, said: Said) -> dict[str, Any]:
        if said.status != 200:
            raise UnexpectedAnswer(f"{method} {path} answered {said.status}: {said.body}")
        return said.body

    # ---- Stripe's API

    async def stripe(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        """A call to the local Stripe's API, as anybody with its key could make. Raises UnexpectedAnswer."""
        url, headers = f"{self._here.stripe_url}/v1/{path}", {"Authorization": f"Bearer {STRIPE_KEY}"}
        form, query = (params, None) if method == "POST" else (None, params)
        async with self._session.request(method, url, headers=headers, data=form, params=query) as answer:
            found: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise UnexpectedAnswer(f"Stripe: {method} {path} answered {answer.status}: {found}")
            return found

    async def stripe_list(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Every entry of one of Stripe's lists, through all its pages."""
        found: list[dict[str, Any]] = []
        more = True
        while more:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = await self.stripe("GET", path, limit=PAGE, **params, **after)
            found += page["data"]
            more = bool(page["has_more"])
        return found

    # ---- what no customer of Stripe has

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the local Stripe's control door. Raises UnexpectedAnswer."""
        async with self._session.request(
            method, f"{self._here.stripe_url}/_twin/{path}", json=body
        ) as answer:
            if answer.status != 200:
                raise UnexpectedAnswer(f"_twin/{path} answered {answer.status}: {await answer.text()}")
            return await answer.json()


@asynccontextmanager
async def doors(here: Local) -> AsyncIterator[Doors]:
    """Open a client."""
    async with aiohttp.ClientSession(timeout=PATIENCE) as session:
        yield Doors(session, here)
