"""What the steps of the story act on: the running processes, the doors, the screen and the checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sync.clock import monotonic
from sync.states import LegState
from worker.demo.checks import Check, Checks
from worker.demo.screen import Screen
from worker.local import Child, Local, LocalError, local
from worker.local_database import embedded, scratch
from worker.local_doors import Doors, Said, UnexpectedAnswer, doors
from worker.migrate import migrate

if TYPE_CHECKING:
    from worker.config import Settings

ACCOUNT: Final = "acme"
ADMIN: Final = "ada"
# The longest that our API waits in one answer.
WAIT_SECONDS: Final = 30
# More than anything here needs, even on a machine that has much else to do.
PATIENCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05
MOVING: Final = frozenset({LegState.CONFIRMED, LegState.APPLYING, LegState.APPLIED})


@dataclass(frozen=True, slots=True)
class Item:
    """A subscription item as Stripe has it; `key` is the price's lookup key without prefix and suffix."""

    id: str
    key: str
    quantity: int

    def __str__(self) -> str:
        return f"{self.quantity} x {self.key}"


@dataclass(slots=True)
class Stage:
    """The set-up and what happened on it so far. `quote` is the one that waits for its confirm."""

    here: Local
    doors: Doors
    screen: Screen
    checks: Checks
    server: str
    serve: Child
    work: Child
    step: int = 1
    prices: int = 0
    quote: dict[str, Any] = field(default_factory=dict)

    def check(self, claim: str, expected: Any, found: Any) -> None:
        """Hold a claim against what was found, and say how it went."""
        check = Check(claim, expected, found)
        self.checks.add(self.step, check)
        self.screen.check(check)

    # ---- our API

    async def ask_quote(self, terms: dict[str, Any]) -> dict[str, Any]:
        """A quote for the account."""
        return await self.doors.post(f"/v1/accounts/{ACCOUNT}/quotes", {"terms": terms, "actor": ADMIN})

    async def confirm(self, quote: dict[str, Any], wait: float = WAIT_SECONDS) -> Said:
        """Confirm a quote and wait a little for its outcome."""
        return await self.doors.ask("POST", f"/v1/quotes/{quote['id']}/confirm?wait={wait}", {"actor": ADMIN})

    async def settled(self, change: dict[str, Any]) -> dict[str, Any]:
        """The change once it has come to rest. Raises UnexpectedAnswer when it does not."""
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            found = await self.doors.get(f"/v1/changes/{change['id']}?wait={WAIT_SECONDS}")
            if found["state"] not in MOVING:
                return found
            if not self.work.runs:
                raise UnexpectedAnswer(f"{self.work.name} ended by itself: {self.work.last_words()}")
            if monotonic() > deadline:
                raise UnexpectedAnswer(f"{change['id']} is {found['state']} after {PATIENCE_SECONDS:.0f} s")

    async def account(self) -> dict[str, Any]:
        """The account as our API shows it."""
        return await self.doors.get(f"/v1/accounts/{ACCOUNT}")

    # ---- Stripe

    async def subscription(self) -> dict[str, Any]:
        """The account's subscription, from Stripe."""
        return await self.doors.stripe(
            "GET", f"subscriptions/{(await self.account())['stripe_subscription_id']}"
        )

    async def items(self) -> list[Item]:
        """The subscription's items, from Stripe."""
        found = (await self.subscription())["items"]["data"]
        return [Item(item["id"], _short(item["price"]["lookup_key"]), item["quantity"]) for item in found]

    async def invoice(self, change: dict[str, Any]) -> dict[str, Any]:
        """The change's invoice, from Stripe."""
        return await self.doors.stripe("GET", f"invoices/{change['now']['stripe_invoice_id']}")

    async def use_card(self, token: str) -> None:
        """Make another test card the customer's default, as its owner does on Stripe's own page."""
        customer = (await self.account())["stripe_customer_id"]
        method = await self.doors.stripe("POST", f"payment_methods/{token}/attach", customer=customer)
        await self.doors.stripe(
            "POST", f"customers/{customer}", **{"invoice_settings[default_payment_method]": method["id"]}
        )

    async def pass_days(self, days: int) -> None:
        """Move Stripe's clock on."""
        await self.doors.control("POST", "clock", {"advance_seconds": days * 86_400})

    async def effects(self, change: dict[str, Any], kind: str) -> list[dict[str, Any]]:
        """What a change did of this kind, by the local Stripe's own ledger."""
        found = await self.doors.control("GET", f"ledger?change_id={change['id']}&kind={kind}")
        return list(found["data"])

    async def deliveries(self) -> list[dict[str, Any]]:
        """Every webhook that the local Stripe sent so far, once none is under way."""
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            found: list[dict[str, Any]] = (await self.doors.control("GET", "deliveries"))["data"]
            at_rest = all(each["status"] in ("delivered", "dropped") for each in found)
            if at_rest or monotonic() > deadline:
                return found
            await asyncio.sleep(POLL_SECONDS)

    # ---- processes

    async def start_work(self, name: str = "work", env: dict[str, str] | None = None) -> None:
        """Start a worker in place of the one that ended."""
        self.work = await self.here.spawn(name, "work", env=env)


def _short(lookup_key: str) -> str:
    """`prorata:contacts:marketing:plus:1000:month:usd:1` as `contacts:marketing:plus:1000`."""
    return ":".join(part for part in lookup_key.split(":")[1:5] if part != "-")


@asynccontextmanager
async def opened(settings: Settings, folder: Path, screen: Screen, checks: Checks) -> AsyncIterator[Stage]:
    """Start everything that the story needs; all of it is gone afterwards. Raises LocalError."""
    given = settings.database_url
    database = scratch(given.get_secret_value()) if given else embedded(folder, durable=False)
    words = (
        "a database of its own on the server of DATABASE_URL" if given else f"embedded, in {folder}/postgres"
    )
    async with database as database_url, local(database_url, folder) as here, doors(here) as open_doors:
        stripe = await here.start_stripe()
        await migrate(database_url)
        serve, work = await here.spawn("serve", "serve"), await here.spawn("work", "work")
        await here.wait_for_stripe(stripe)
        await here.wait_for_doors(serve)
        if not work.runs:
            raise LocalError(f"work did not come up:\n{work.last_words()}")
        yield Stage(here, open_doors, screen, checks, words, serve, work)
