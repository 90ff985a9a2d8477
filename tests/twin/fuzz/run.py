"""One random history from a seed: requests through the whole exchange, faults, repeats, and time."""

from __future__ import annotations

import logging
import random
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.twin.api import NOVEMBER
from tests.twin.fuzz.acts import CARDS, Acts
from tests.twin.fuzz.beginning import KINDS, PRICES, SETTINGS
from tests.twin.fuzz.invariants import broken
from tests.twin.fuzz.spoiling import Pairs, spoil
from tests.twin.fuzz.values import DAY, Filler
from worker.twin import acts, forms, versions
from worker.twin.delivery import Deliveries
from worker.twin.engine import new_world
from worker.twin.errors import ApiError
from worker.twin.exchange import Reply, Twin, perform, refusal, route
from worker.twin.faults import Fault
from worker.twin.idempotency import Keys
from worker.twin.operations import OPERATIONS

JUMPS = (1, 3600, DAY, DAY, 5 * DAY, 32 * DAY)
FAULTY = (500, 500, 503, 429, 409, 402)
OUTCOMES = ("good", "insufficient_funds", "action", "expired_card")
PENDING = ("pending_if_incomplete",) * 2
PLACE = re.compile(r"\{\w+\}")
BROKEN = 599  # an exception that was noted already
REFUSALS = (400, 401, 402, 403, 404, 409, 429)


class Listener(logging.Handler):
    """Due work that fails is only logged: here it counts as a failure."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message and where it comes from."""
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self.heard.append(f"{record.getMessage()}\n{trace}")


@dataclass
class Sent:
    """One request as it was sent, with its answer."""

    method: str
    path: str
    pairs: Pairs
    key: str | None
    reply: Reply
    ordered: bool

    def __str__(self) -> str:
        form = "&".join(f"{k}={v[:60]}" for k, v in self.pairs)
        return f"{self.method} {self.path} {form} -> {self.reply.status} {self.reply.body[:160]!r}"


@dataclass
class History:
    """A twin and the dice that decide what happens to it."""

    seed: int
    requests: int = 0
    log: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pick = random.Random(self.seed)
        self.world = new_world(self.seed)
        self.world.clock.wall = lambda: float(NOVEMBER)
        self.twin = Twin(self.world, Keys(lambda: float(NOVEMBER)), Deliveries(self.world))
        self.twin.deliveries.mode = {"mode": "drop", "share": 1.0, "delay_seconds": 0.0}
        # Hardly any room: objects are packed and unpacked all the time.
        self.world.store.room.limit = self.pick.choice((5, 50, 2000))
        self.acts, self.filler = Acts(self.pick, self.world), Filler(self.pick, self.world)
        self.repeatable: list[Sent] = []
        self.last_ok = self.looks_closely = False
        self.listener = Listener()

    async def run(self, steps: int, every: int = 25) -> History:
        """Do `steps` things; look at the whole world after each `every` of them, and at the end."""
        logger = logging.getLogger("worker.twin")
        logger.addHandler(self.listener)
        try:
            await self.begin()
            for number in range(steps):
                await self.step()
                if number % every == 0 or number == steps - 1:
                    self.fail(broken(self.world))
                self.fail(self.listener.heard)
                if self.failures:
                    break
        finally:
            logger.removeHandler(self.listener)
        return self

    def fail(self, reasons: Iterable[str]) -> None:
        """Note what is wrong."""
        self.failures += list(reasons)

    def report(self) -> str:
        """What is wrong, and what led to it."""
        wrong, last = "\n".join(self.failures[:5]), "\n".join(self.log[-8:])
        return f"seed {self.seed}, after {self.requests} requests:\n{wrong}\nthe last that happened:\n{last}"

    async def begin(self) -> None:
        """Three customers with a subscription each, one of them classic, one on a test clock."""
        for name, values in SETTINGS.items():
            setattr(self.world.account, name, self.pick.choice(values))
        prices = [await self.made("price_create", **worth) for worth in PRICES]
        clock = await self.made("test_helpers.test_clock_create", frozen_time=NOVEMBER)
        card = {"payment_method": CARDS[0], "invoice_settings": {"default_payment_method": CARDS[0]}}
        for mode, more in (("flexible", {}), ("flexible", {"test_clock": clock}), ("classic", {})):
            customer = await self.made("customer_create", **card, **more)
            items = [{"price": p, "quantity": 3} for p in prices[:2]]
            mode_of = {"billing_mode": {"type": mode}}
            await self.made("subscription_create", customer=customer, items=items, **mode_of)

    async def made(self, operation: str, **params: Any) -> str:
        """Create something that must succeed; returns its id."""
        sent = await self.send(operation, (), forms.flatten(params))
        assert sent.reply.status == 200, str(sent)
        return str(list(self.world.store[KINDS[operation]].docs)[-1])

    async def step(self) -> None:
        """One thing happens."""
        await self.pick.choices(
            (self.sensible, self.by_schema, self.malformed, self.repeat, self.time, self.act, self.compare),
            (45, 20, 8, 5, 8, 5, 9),
        )[0]()

    async def sensible(self) -> None:
        """What a good client does."""
        operation, ids, params = self.acts.next()
        await self.send(operation, ids, forms.flatten(params), faulty=0.06)

    async def by_schema(self) -> None:
        """Any operation with anything that its schema allows."""
        operation = self.pick.choice(list(OPERATIONS))
        ids, params = self.filler.request(operation)
        await self.send(operation, ids, forms.flatten(params), faulty=0.02)

    async def malformed(self) -> None:
        """A good or a random request, spoilt."""
        operation, ids, params = self.acts.next()
        if self.pick.random() < 0.5:
            operation = self.pick.choice(list(OPERATIONS))
            ids, params = self.filler.request(operation)
        await self.send(operation, ids, spoil(self.pick, forms.flatten(params)))

    async def repeat(self) -> None:
        """An earlier POST again: the same answer, and nothing else happens."""
        if not self.repeatable:
            return
        first = self.pick.choice(self.repeatable)
        self.looks_closely = True
        before = self.trace()
        again = await self.perform(first.method, first.path, first.pairs, first.key, None)
        if (again.status, again.body) != (first.reply.status, first.reply.body) or before != self.trace():
            self.fail([f"a repeat was not a repeat: {first}, then {again.status} {again.body[:300]!r}"])

    async def time(self) -> None:
        """The clock moves on by a second, days, or more than a month."""
        jump = self.pick.choice(JUMPS)
        self.log.append(f"clock +{jump}")
        self.world.clock.offset += jump
        self.world.run_due()
        self.twin.deliveries.take()
        if jump > DAY:
            self.twin.keys.age(jump)
            self.repeatable.clear()

    async def act(self) -> None:
        """What a customer does on a hosted page, or a bank on its own."""
        body: dict[str, Any] = {
            "act": self.pick.choice(list(acts.ACTS)),
            "outcome": self.pick.choice(OUTCOMES),
        }
        for kind in ("invoice", "charge", "payment_method"):
            if kind != "payment_method" or body["act"] == "set_card":
                body[kind] = self.filler.known(kind)
        self.log.append(f"act {body}")
        try:
            acts.act(self.twin, body)
        except ApiError:
            return
        except (KeyError, TypeError, ValueError):
            self.fail([f"act {body}: {traceback.format_exc()}"])

    async def compare(self) -> None:
        """A preview, then the same update: the invoice is what was shown."""
        subscription = self.acts.any("subscription")
        details = self.acts.details(subscription)
        asked = {"subscription": subscription["id"], "subscription_details": details}
        await self.send("invoice_create_preview", (), forms.flatten(asked))
        preview = list(self.world.previews.values())[-1:] if self.last_ok else []
        known = set(self.world.store["invoice"].docs)
        held = self.acts.maybe(0.5, payment_behavior=self.pick.choice(("default_incomplete", *PENDING)))
        sent = await self.send("subscription_update", (subscription["id"],), forms.flatten(details | held))
        made = [i for name, i in self.world.store["invoice"].docs.items() if name not in known]
        if preview and made and self.last_ok and essence(preview[0]) != essence(made[-1]):
            self.fail([f"{sent}\npreview {essence(preview[0])}\ninvoice {essence(made[-1])}"])

    async def send(self, operation: str, ids: tuple[str, ...], pairs: Pairs, faulty: float = 0.0) -> Sent:
        """One request, perhaps under a key and with a fault; its answer is judged."""
        method, path = OPERATIONS[operation]
        for value in ids:
            path = PLACE.sub(value, path, count=1)
        key = None
        if method == "POST" and self.pick.random() < 0.4:
            key = f"key-{self.seed}-{self.requests}"
        fault = self.fault() if self.pick.random() < faulty else None
        self.looks_closely = self.pick.random() < 0.07
        before = self.trace()
        reply = await self.perform(method, path, pairs, key, fault)
        sent = Sent(method, path, pairs, key, reply, fault is not None)
        self.last_ok = reply.status == 200
        self.log.append(str(sent))
        self.judge(sent, before, fault)
        if key and fault is None and reply.status != 429 and self.stored(key):
            self.repeatable.append(sent)
        return sent

    async def perform(
        self, method: str, path: str, pairs: Pairs, key: str | None, fault: Fault | None
    ) -> Reply:
        """The request as the door would carry it out; what the door would answer with a 500 is a failure."""
        self.requests += 1
        try:
            name = f"req_{self.requests}"
            request = route(method, path, pairs, request_id=name, key=key, version=self.version())
            return await perform(self.twin, request, fault)
        except ApiError as error:
            return refusal(error, f"req_{self.requests}", self.world.clock.now())
        except Exception:
            self.fail([f"{method} {path} {pairs}\n{traceback.format_exc()}"])
            return Reply(BROKEN, b"")

    def judge(self, sent: Sent, before: tuple[int, ...], fault: Fault | None) -> None:
        """A status that Stripe answers; a refusal has Stripe's shape and no effect."""
        status = sent.reply.status
        if status == 200:
            return
        if status == BROKEN:
            return
        if status not in REFUSALS and fault is None:
            self.fail([f"status {status}: {sent}"])
        error = msgspec.json.decode(sent.reply.body or b"{}").get("error", {})
        if not error.get("type") or not error.get("message"):
            self.fail([f"an error without a type or a message: {sent}"])
        traceless = status in (400, 404) and (fault is None or fault.when == "before")
        if sent.path.endswith("/pay"):
            traceless = False  # a draft is finalised first, whatever becomes of the payment
        if traceless and before != self.trace():
            self.fail([f"refused, but not without an effect: {sent}"])

    def trace(self) -> tuple[int, ...]:
        """Grows with every effect, event and object; now and then it holds every object whole."""
        tables = self.world.store.tables.values()
        whole = [hash(line) for t in tables for line in t.docs.dump()] if self.looks_closely else []
        return (len(self.world.ledger.effects), *(len(t.docs) for t in tables), *whole)

    def version(self) -> str:
        """The version that a request asks for: the SDK's own, or rarely an older one."""
        return self.pick.choice(sorted(versions.known())) if self.pick.random() < 0.03 else ""

    def fault(self) -> Fault:
        """A planned failure, before or after the effect."""
        when = self.pick.choice(("before", "after"))
        if self.pick.random() < 0.2:
            return Fault(when=when, stale=True)
        return Fault(when=when, status=self.pick.choice(FAULTY))

    def stored(self, key: str) -> bool:
        """Whether the answer under a key is kept for repeats."""
        found = self.twin.keys.stored.get(key)
        return found is not None and found.status != 0


def essence(invoice: dict[str, Any]) -> Any:
    """What a buyer is shown and charged."""
    lines = [(line["amount"], line["description"], line["period"]) for line in invoice["lines"]["data"]]
    return lines, invoice["total"], invoice["amount_due"], invoice["starting_balance"]
