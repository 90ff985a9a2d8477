"""Tiny routes for the tests of the doors themselves: what they do is visible in `Toys.effects`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

from handlers.auth import EVERYBODY, Role
from handlers.registry import Answer, Call, HttpSettings, Idempotency, Nothing, Route
from sync.errors import Code, Conflict


class Wish(BaseModel):
    """A small body with one of everything that can be wrong."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    count: Annotated[int, Field(ge=1, le=9)] = 1
    free: Any = None


class Paging(BaseModel):
    """A small query string."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 20


# Only for tests of these limits themselves: any other request may take longer on a loaded machine.
QUICK = HttpSettings(body_seconds=0.3, idempotency_lease_seconds=0.2)


@dataclass
class Toys:
    """The toys' memory: which effects took place, and what the next ones shall do."""

    effects: list[str] = field(default_factory=list)
    fails_with: BaseException | None = None
    gate: asyncio.Event | None = None
    seconds: float = 0

    def routes(self) -> tuple[Route, ...]:
        """Return one route for each kind of idempotency, a slow one, and one for support only."""

        async def act(call: Call[Wish, Nothing]) -> Answer:
            return await self._act(call.body.name)

        async def show(call: Call[Nothing, Paging]) -> Answer:
            return Answer.json({"limit": call.query.limit, **call.path, "by": call.principal.name})

        answers: dict[int, type[BaseModel]] = {200: Wish}
        make = [
            Route("POST", f"/toys/{kind.value}", _named(act, kind.value), "Act", answers, EVERYBODY, (), kind)
            for kind in Idempotency
        ]
        return (
            *make,
            Route("GET", "/toys/{account_id}", show, "Show", answers, EVERYBODY),
            Route(
                "GET", "/support/{quote_id}", _named(show, "peek"), "Peek", answers, frozenset({Role.SUPPORT})
            ),
        )

    async def _act(self, name: str) -> Answer:
        self.effects.append(name)
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(self.seconds)
        if self.fails_with is not None:
            raise self.fails_with
        return Answer.json({"name": name, "count": len(self.effects)})


def stale() -> Conflict:
    """Return a refusal that carries an extension member."""
    return Conflict(Code.QUOTE_STALE, "It moved. Nothing was charged.", extra={"new_quote": {"id": "quo_2"}})


def _named(handler: Any, name: str) -> Any:
    """Return a copy of a handler under another name, since names tell operations apart."""

    async def copy(call: Any) -> Answer:
        answer: Answer = await handler(call)
        return answer

    copy.__annotations__ = dict(handler.__annotations__)
    copy.__annotations__["call"] = _resolved(handler)
    copy.__name__ = name
    copy.__module__ = handler.__module__
    return copy


def _resolved(handler: Any) -> Any:
    return get_type_hints(handler)["call"]
