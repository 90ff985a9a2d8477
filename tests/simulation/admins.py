"""What people do: admins, support and on-call, through the same flows as the doors use."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from sync import change_requests, changes, parking, quotes, request_decisions, switch, withdrawal
from sync.errors import Code, Refused
from sync.rules.policy_rule import Effective
from sync.rules.terms import parse_partial
from sync.store import accounts as account_store
from tests.simulation.odds import Odds
from tests.simulation.people import ACCOUNTS, ADMIN, OTHER, wish
from tests.simulation.stage import Stage
from tests.simulation.stripe import Stripe
from tests.simulation.wire import Hold


class Admins:
    """The people's part of a life; `late` is a worker that is held up."""

    stage: Stage
    stripe: Stripe
    odds: Odds
    offers: list[dict[str, Any]]
    requests: list[str]
    broken: list[str]
    happened: Counter[str]
    stopped_at: int | None
    late: Any

    async def _try(self, act: Awaitable[Any], crash: int = 0, *, silent: bool = True) -> Any:
        raise NotImplementedError

    async def work(self, crash: int) -> None:
        raise NotImplementedError

    def _crash(self, crash: int) -> int:
        raise NotImplementedError

    def _hold(self, method: str, part: str, *, before: bool) -> Hold:
        raise NotImplementedError

    def _let_go(self, hold: Hold) -> None:
        raise NotImplementedError

    async def quote(self, account: int, which: int) -> None:
        """Somebody asks for a price."""
        account_id = ACCOUNTS[account]
        terms = await account_store.terms(self.stage.billing.pool, account_id)
        wanted = wish(terms, which)
        made = await self._try(quotes.create(self.stage.billing, account_id, ADMIN, parse_partial(wanted)))
        if made is not None and not made["refusals"]:
            self.offers.append(made)
            self.happened["offers"] += 1

    async def confirm(self, newest: int, *, twice: bool, crash: int) -> None:
        """The admin says yes, perhaps twice at once; the process may die on the way."""
        if not self.offers:
            return
        offer = self.offers[-1 - newest % len(self.offers)]
        billing = self.stage.billing
        confirms = [
            changes.confirm(billing, offer["id"], ADMIN, wait_seconds=0) for _ in range(1 + int(twice))
        ]
        said = await asyncio.gather(*(self._try(each, self._crash(crash)) for each in confirms))
        ids = {each["id"] for each in said if each is not None}
        if len(ids) > 1:
            self.broken.append(f"S1: one quote became {sorted(ids)}")
        self.happened["confirms"] += len(ids)

    async def buy(self, account: int, which: int, crash: int) -> None:
        """Somebody asks, says yes, and a worker carries it out."""
        known = len(self.offers)
        await self.quote(account, which)
        if len(self.offers) > known:
            await self.confirm(0, twice=False, crash=0)
            await self.work(crash)

    async def confirm_as_other(self, newest: int) -> None:
        """Somebody who is not the primary admin says yes."""
        if not self.offers:
            return
        offer = self.offers[-1 - newest % len(self.offers)]
        try:
            await changes.confirm(self.stage.billing, offer["id"], OTHER, wait_seconds=0)
        except Refused as error:
            if error.code == Code.NOT_BILLING_ADMIN:
                return
        self.broken.append(f"S4: {OTHER} could confirm {offer['id']}")

    async def replace_admin(self, newest: int) -> None:
        """The primary admin is replaced while the confirm is being checked, and comes back afterwards."""
        if not self.offers:
            return
        offer, pool = self.offers[-1 - newest % len(self.offers)], self.stage.billing.pool
        used = await pool.fetchval("SELECT count(*) FROM change WHERE quote_id = $1", offer["id"])
        hold = self._hold("GET", "/v1/customers/", before=True)
        task = asyncio.create_task(
            self._try(changes.confirm(self.stage.billing, offer["id"], ADMIN, wait_seconds=0))
        )
        await first_of(hold.reached, task)
        await account_store.set_admin(pool, offer["account_id"], OTHER, "bob@acme.example")
        self._let_go(hold)
        said = await task
        await account_store.set_admin(pool, offer["account_id"], ADMIN, "ada@acme.example")
        if said is not None and not used and hold.reached.is_set():
            self.broken.append(f"S4: {offer['id']} was confirmed by somebody who was admin no more")

    async def withdraw(self, newest: int, crash: int) -> None:
        """The admin takes a change back."""
        rows = await self.stage.pool.fetch(
            "SELECT DISTINCT change_id FROM change_leg WHERE ended_at IS NULL ORDER BY 1 DESC"
        )
        if rows:
            change_id = rows[newest % len(rows)]["change_id"]
            await self._try(withdrawal.withdraw(self.stage.billing, change_id, ADMIN), self._crash(crash))

    async def ask(self, account: int, which: int) -> None:
        """What is not self-serve is asked for: a lower tier, the end, or not to end after all."""
        account_id = ACCOUNTS[account]
        terms = parse_partial({"tier": "plus"}) if which % 3 == 0 else None
        made = await self._try(
            change_requests.submit(
                self.stage.billing,
                account_id,
                ADMIN,
                terms=terms,
                cancel=None if terms else which % 3 == 1,
                effective=Effective.RENEWAL if which % 2 else Effective.NOW,
                reason="We are fewer now.",
                contact_email=None,
            )
        )
        if made is not None:
            self.requests.append(made["id"])

    async def decide(self, *, approve: bool, now: bool) -> None:
        """Support decides the oldest request."""
        if not self.requests:
            return
        request_id, billing = self.requests.pop(0), self.stage.billing
        if not approve:
            await self._try(request_decisions.decline(billing, request_id, "olga", "no"))
            return
        when = Effective.NOW if now else Effective.RENEWAL
        said = await self._try(
            request_decisions.approve(billing, request_id, "olga", effective=when, note=None)
        )
        if said is not None and said.get("quote") and not said["quote"]["refusals"]:
            self.offers.append(said["quote"])

    async def stop(self, *, on: bool, everybody: bool, account: int) -> None:
        """On-call throws the stop switch, or lets go."""
        if not self.odds.stops:
            return
        act = switch.stop if on else switch.go
        name = None if everybody else ACCOUNTS[account]
        await self._try(act(self.stage.pool, actor="olga", reason="a test", account_id=name))
        if everybody and self.late is None:
            self.stopped_at = len(self.stripe.effects()) if on else None

    async def park(self, *, on: bool, account: int) -> None:
        """Staff park an account, or let it go on."""
        if not self.odds.stops:
            return
        act = parking.park if on else parking.unpark
        await self._try(act(self.stage.billing, ACCOUNTS[account], actor="olga", reason="a test"))


async def first_of(event: asyncio.Event, task: asyncio.Task[Any]) -> None:
    """Return when the event is set, or the task is over."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
