"""Everything wired together in one process: our flows on PostgreSQL, the local Stripe, one clock."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import stripe
from tenacity import AsyncRetrying

from handlers.dispatch import EVENT_TYPES, Dispatcher
from handlers.envelope import read_envelope
from handlers.intake import Intake, store_listed
from sync import accounts, catalog_push, catch_up, change_views, changes, failpoints, ids, switch, withdrawal
from sync.accounts import NewAccount
from sync.advance import advance
from sync.billing import Billing
from sync.catch_up import CatchUp
from sync.gateway import STRIPE_API_VERSION, Gateway, transport
from sync.mirror import Mirror
from sync.refresh import Refresh
from sync.rules import catalog, policy
from sync.store.db import Pool, create_pool, transaction
from tests.mirror.burst import Free
from tests.simulation import database
from tests.simulation.fate import Draws, Failpoints
from tests.simulation.moment import BEGINNING, Moment
from tests.simulation.people import ACCOUNTS, ADMIN, FIRST, SOLD
from tests.simulation.wire import Wire
from tests.support import postgres
from worker.applier import Applier
from worker.twin import persistence
from worker.twin.delivery import Deliveries
from worker.twin.engine import new_world
from worker.twin.exchange import Twin
from worker.twin.idempotency import Keys
from worker.twin.ids import Ids


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it was rendered when it happened."""

    id: str
    created: int
    body: bytes


@dataclass
class Stage:
    """One deployment. `twin` is replaced at each new beginning."""

    pool: Pool
    billing: Billing
    moment: Moment
    wire: Wire
    intake: Intake
    applier: Applier
    refresh: Refresh
    catch_up: CatchUp
    twin: Twin
    points: Failpoints
    saved: Path
    draws: Draws = field(default_factory=Draws)
    seed: int = 0
    told: list[Told] = field(default_factory=list)

    @property
    def customers(self) -> dict[str, str]:
        """The accounts' customers at Stripe."""
        found = self.twin.world.store["customer"].docs.values()
        return {doc["metadata"]["prorata_account"]: doc["id"] for doc in found}

    async def begin(self, seed: int) -> None:
        """Go back to the beginning; what is drawn from now on comes from the seed."""
        self.moment.unix, self.moment.skew, self.points.left = BEGINNING + 86_400.0, 0.0, 0
        self.wire.holds.clear()
        self.draws.dice.seed(seed)
        self.billing.gateway._transport._offset_seconds = 0.0
        self.twin = new_twin(seed, self.moment)
        persistence.load(str(self.saved), self.twin.world, self.twin.keys)
        # Never the ids of the beginning once more.
        self.twin.world.ids, self.twin.world.preview_ids = Ids(-seed - 100), Ids(-seed - 101)
        self.twin.world.events._ids = self.twin.world.ids
        self.listen()
        await database.begin_again(self.pool)
        await database.move(self.pool, self.moment.unix)

    def listen(self) -> None:
        """Events are told to us, and nobody delivers them by himself."""
        world, self.told = self.twin.world, []

        def take() -> None:
            events, world.events.pending = world.events.pending, []
            for each in events:
                body = msgspec.json.encode(world.events.shown(each))
                self.told.append(Told(each["id"], each["created"], body))

        world.hand_over = take
        self.twin.deliveries.take = take  # type: ignore[method-assign]

    async def pass_time(self, seconds: float) -> None:
        """All clocks move on, and what falls due at Stripe on the way happens."""
        self.moment.unix += seconds
        await database.move(self.pool, self.moment.unix)
        self.twin.world.run_due()
        self.twin.world.rest()

    async def deliver(self, event: Told) -> None:
        """One delivery of an event; returns once it is acknowledged. Raises IntakeRefused."""
        await self.intake.accept(read_envelope(event.body))

    async def stored(self) -> None:
        """Return when no delivery is on its way into the inbox."""
        while self.intake._queue or self.intake._in_flight:  # noqa: ASYNC110  its flusher has no bell for this
            await asyncio.sleep(0.001)

    async def sweep(self) -> None:
        """Read everything that is mirrored once more."""
        rows = await self.pool.fetch("SELECT id, kind, revision FROM stripe_object ORDER BY id")
        for row in rows:
            read = await self.billing.gateway.read_object(row["kind"], row["id"])
            async with transaction(self.pool) as conn:
                await self.billing.mirror.apply_read(conn, read, revision=row["revision"], insist=True)

    async def jobs(self) -> list[str]:
        """Take everything from the queue: the changes that somebody was nudged to look at."""
        rows = await self.pool.fetch("DELETE FROM queue.pgqueuer RETURNING payload")
        return sorted({msgspec.json.decode(row["payload"])["change_id"] for row in rows})

    async def work(self) -> None:
        """Every job that is due is done by somebody who does not die."""
        await changes.enqueue_due(self.billing)
        for change_id in await self.jobs():
            await advance(self.billing, change_id)


def new_twin(seed: int, moment: Moment) -> Twin:
    """A local Stripe with the simulation's clock."""
    world = new_world(seed)
    world.clock.wall = moment.world
    world.clock.offset = 0
    return Twin(world, Keys(moment.world), Deliveries(world), draws=Ids(seed + 3))


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """A stage at its beginning: two accounts that have bought, one that has not."""
    postgres.template_url()
    async with postgres.fresh_database(postgres.template_name()) as url:
        await database.still(url)
        pool = await create_pool(url, min_size=4, max_size=12, application_name="prorata-simulation")
        moment, points = Moment(), Failpoints()
        with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
            made = _wired(pool, moment, points, Path(folder) / "twin")
            for patch in _time_and_death(made):
                patches.enter_context(patch)
            await made.intake.start()
            try:
                await database.move(pool, moment.unix)
                await _bought(made)
                persistence.save(str(made.saved), made.twin.world, made.twin.keys)
                await database.keep(pool)
                yield made
            finally:
                await made.intake.stop()
                await made.billing.gateway.close()
                await pool.close()


def _wired(pool: Pool, moment: Moment, points: Failpoints, saved: Path) -> Stage:
    made: Stage
    wire = Wire(lambda: made.twin, lambda seconds: made.pass_time(seconds))
    wire.now = moment.world
    gateway = Gateway(
        api_key="sk_test_simulation",
        api_base="http://stripe.invalid",
        budget=Free(),
        gate=switch.gate(pool),
    )
    client = stripe.StripeClient(
        "sk_test_simulation",
        max_network_retries=0,
        http_client=wire,
        base_addresses={"api": "http://stripe.invalid"},
    )
    gateway._transport._http = {0: wire}  # type: ignore[dict-item]
    gateway._transport._client = lambda _: client  # type: ignore[method-assign]
    mirror = Mirror(wake=changes.wake)
    billing = Billing(pool, gateway, catalog.packaged(), policy.packaged(), mirror)
    made = Stage(
        pool=pool,
        billing=billing,
        moment=moment,
        wire=wire,
        # Nobody waits for a busy machine here.
        intake=Intake(pool, wait_seconds=60),
        applier=Applier(pool, Dispatcher(STRIPE_API_VERSION, livemode=False), mirror),
        refresh=Refresh(pool, gateway, mirror),
        catch_up=CatchUp(pool, gateway, store_listed(pool), types=EVENT_TYPES),
        twin=new_twin(1, moment),
        points=points,
        saved=saved,
    )
    made.listen()
    return made


def _time_and_death(made: Stage) -> list[Any]:
    """Time and the end of a process are the only things of the product's that are not its own here."""
    moment = made.moment
    patch: Callable[..., Any] = mock.patch.object

    async def view(billing: Billing, change_id: str, seconds: float = 0) -> dict[str, Any]:
        return await change_views.get(billing, change_id)

    return [
        mock.patch("sync.clock.wall", moment.ours),
        mock.patch("sync.clock.wall_seconds", moment.our_second),
        patch(catch_up, "wall_seconds", moment.our_second),
        patch(transport, "AsyncRetrying", partial(AsyncRetrying, sleep=made.pass_time)),
        patch(ids, "secrets", made.draws),
        patch(failpoints, "reach", made.points.reach),
        # Nobody else is at work while somebody waits.
        patch(withdrawal, "_wait_for_end", view),
    ]


async def _bought(made: Stage) -> None:
    billing = made.billing
    slots = {slot for terms in SOLD for slot in billing.catalog.items_for(terms, "usd")}
    await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"], only=slots))
    for account_id in ACCOUNTS:
        await accounts.create(billing, new_account(account_id))
    from tests.simulation.life import buy

    for account_id, terms in FIRST.items():
        await buy(made, account_id, terms)
    await calm(made)


async def calm(made: Stage) -> None:
    """Deliver everything that was told, and let everybody work until there is nothing to do."""
    for _ in range(3):
        events, made.told = made.told, []
        await asyncio.gather(*(made.deliver(event) for event in events))
        await made.applier.drain()
        await made.work()
        await made.pass_time(11)


def new_account(account_id: str) -> NewAccount:
    """An account with a card."""
    return NewAccount(
        account_id=account_id,
        email=f"billing@{account_id}.example",
        name=account_id.capitalize(),
        primary_admin_user_id=ADMIN,
        primary_admin_email=f"ada@{account_id}.example",
        locale="en",
        currency="usd",
        payment_method="pm_card_visa",
    )
