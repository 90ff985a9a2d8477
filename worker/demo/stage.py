"""What the steps of the story act on: the running processes, the doors, the screen and the checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from worker.demo.checks import Check, Checks
from worker.local_doors import Doors, Said, doors
from worker.demo.screen import Screen
from worker.local import Child, Local, LocalError, local
from worker.local_database import embedded, scratch
from worker.migrate import migrate

if TYPE_CHECKING:
    from worker.config import Settings

ACCOUNT: Final = "acme"
ADMIN: Final = "ada"
# More than any change needs, less than anybody waits.
SETTLE_SECONDS: Final = 25
PATIENCE_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05


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

    async def confirm(self, quote: dict[str, Any], wait: float = 10) -> Said:
        """Confirm a quote and wait a little for its outcome."""
        return await self.doors.ask("POST", f"/v1/quotes/{quote['id']}/confirm?wait={wait}", {"actor": ADMIN})

    async def settled(self, change: dict[str, Any]) -> dict[str, Any]:
        """The change once it has come to rest."""
        return await self.doors.get(f"/v1/changes/{change['id']}?wait={SETTLE_SECONDS}")

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

    async def effects(self, change: dict[str, Any], kind: str) -> int:
        """How often a change had an effect of this kind, by the local Stripe's own ledger."""
        found = await self.doors.control("GET", f"ledger?change_id={change['id']}&kind={kind}")
        return len(found["data"])

    async def deliveries(self) -> list[dict[str, Any]]:
        """Every webhook that the local Stripe sent so far, once none is under way."""
        for _ in range(int(PATIENCE_SECONDS / POLL_SECONDS)):
            found: list[dict[str, Any]] = (await self.doors.control("GET", "deliveries"))["data"]
            if all(each["status"] in ("delivered", "dropped") for each in found):
                return found
            await asyncio.sleep(POLL_SECONDS)
        return found

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
