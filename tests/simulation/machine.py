"""The rules as a state machine of hypothesis: any of them, in any order, and a look after each.

Hypothesis has no asynchronous rules, so each rule runs to its end on one event loop. The first example of
every seed is the simplest there is, which nothing could come of; it is passed over.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.simulation.life import JUMPS, Life
from tests.simulation.odds import Odds
from tests.simulation.people import ACCOUNTS, WISHES
from tests.simulation.rest import come_to_rest
from tests.simulation.stage import Stage
from tests.simulation.stripe import ASKS, DECLINES, GOOD, Stripe
from tests.simulation.watch import Watch

account = st.integers(0, len(ACCOUNTS) - 1)
newest = st.integers(0, 3)
# Mostly nobody dies.
crash = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 6, 8])
yes_or_no = st.booleans()
WRITES = ("/v1/subscriptions*", "/v1/subscription_schedules*", "/v1/invoices/*/void")
FAULTS: list[dict[str, Any]] = [
    *(
        {"method": "POST", "path": path, "when": when, "reset": True}
        for path in WRITES
        for when in ("before", "after")
    ),
    {"method": "POST", "path": "/v1/subscriptions*", "when": "after", "timeout": True},
    {"method": "POST", "path": "/v1/subscriptions*", "when": "before", "timeout": True},
    {"method": "POST", "path": "/v1/subscriptions*", "when": "after", "status": 500},
    {"method": "POST", "path": "/v1/subscription*", "when": "after", "garbage": True},
    {"method": "POST", "path": "/v1/subscription*", "status": 429},
    {"method": "POST", "path": "/v1/subscription*", "status": 409, "times": 2},
    {"method": "GET", "path": "/v1/subscriptions/*", "stale": True},
    {"method": "GET", "path": "/v1/invoices*", "status": 500, "times": 6},
    {"method": "GET", "path": "/v1/*", "timeout": True},
    {"method": "*", "path": "/v1/*", "status": 503, "times": 3},
]


# What all runs of this process did, by name.
TALLY: Counter[str] = Counter()


class Theatre:
    """The stage and the loop that all machines of a process share."""

    stage: Stage
    loop: asyncio.AbstractEventLoop
    number: int = 0

    @classmethod
    def run(cls, act: Awaitable[Any]) -> Any:
        """Run an act to its end."""
        return cls.loop.run_until_complete(act)  # type: ignore[arg-type]


class Machine(RuleBasedStateMachine):
    """One run."""

    life: Life | None = None
    watch: Watch

    @initialize(life_of=st.integers(0, 2**40))
    def begin(self, life_of: int) -> None:
        """Everything is drawn from this number, apart from which rule comes next."""
        if not life_of:
            return
        stage, dice = Theatre.stage, random.Random(f"{Theatre.number} {life_of}")
        Theatre.run(stage.begin(life_of))
        odds = Odds.draw(dice)
        stage.moment.skew = odds.skew
        self.life = Life(stage, odds, dice, Stripe(stage, stage.customers))
        self.watch = Watch(self.life)
        Theatre.run(self.watch.begin())

    def do(self, act: Awaitable[Any]) -> None:
        """Run an act, and look at what it did."""
        assert self.life is not None
        Theatre.run(act)
        self.life.gather()
        broken = Theatre.run(self.watch.look())
        assert not broken, broken

    @precondition(lambda self: self.life is None)
    @rule()
    def nothing(self) -> None:
        """The simplest example of all."""

    # ---- people

    @precondition(lambda self: self.life)
    @rule(account=account, which=st.integers(0, WISHES - 1))
    def quote(self, account: int, which: int) -> None:
        self.do(self.life.quote(account, which))

    @precondition(lambda self: self.life and self.life.offers)
    @rule(newest=newest, twice=yes_or_no, crash=crash)
    def confirm(self, newest: int, twice: bool, crash: int) -> None:
        self.do(self.life.confirm(newest, twice=twice, crash=crash))

    @precondition(lambda self: self.life)
    @rule(account=account, which=st.integers(0, WISHES - 1), crash=crash)
    def buy(self, account: int, which: int, crash: int) -> None:
        self.do(self.life.buy(account, which, crash))

    @precondition(lambda self: self.life)
    @rule(account=account, which=st.integers(0, WISHES - 1), crash=crash)
    def buy_and_hear_of_it(self, account: int, which: int, crash: int) -> None:
        self.do(self.life.buy(account, which, crash))
        self.do(self.life.good_day())

    @precondition(lambda self: self.life and self.life.offers)
    @rule(newest=newest, replaced=yes_or_no)
    def somebody_else_confirms(self, newest: int, replaced: bool) -> None:
        self.do(self.life.replace_admin(newest) if replaced else self.life.confirm_as_other(newest))

    @precondition(lambda self: self.life)
    @rule(newest=newest, crash=crash)
    def withdraw(self, newest: int, crash: int) -> None:
        self.do(self.life.withdraw(newest, crash))

    @precondition(lambda self: self.life)
    @rule(account=account, which=st.integers(0, 5), approve=yes_or_no, now=yes_or_no)
    def request(self, account: int, which: int, approve: bool, now: bool) -> None:
        if self.life.requests:
            self.do(self.life.decide(approve=approve, now=now))
        else:
            self.do(self.life.ask(account, which))

    # ---- our processes

    @precondition(lambda self: self.life)
    @rule(crash=crash)
    def work(self, crash: int) -> None:
        self.do(self.life.work(crash))

    @precondition(lambda self: self.life)
    @rule(crash=crash)
    def sweep(self, crash: int) -> None:
        self.do(self.life.sweep(crash))

    @precondition(lambda self: self.life and self.life.odds.late)
    @rule(write=yes_or_no, before=yes_or_no)
    def hold_up(self, write: bool, before: bool) -> None:
        if self.life.late is None:
            self.do(self.life.be_late(write=write, before=before))
        else:
            self.do(self.life.go_on())

    @precondition(lambda self: self.life)
    @rule(count=st.integers(1, 12), which=st.integers(0, 2), lost_commit=st.sampled_from([0, 0, 0, 1, 2]))
    def deliver(self, count: int, which: int, lost_commit: int) -> None:
        self.do(self.life.deliver(count, which, lost_commit=lost_commit))

    @precondition(lambda self: self.life)
    @rule(crash=crash)
    def apply_events(self, crash: int) -> None:
        self.do(self.life.apply(crash))

    @precondition(lambda self: self.life)
    @rule()
    def good_day(self) -> None:
        self.do(self.life.good_day())

    @precondition(lambda self: self.life)
    @rule(listed=yes_or_no)
    def read(self, listed: bool) -> None:
        self.do(self.life.catch_up() if listed else self.life.refresh())

    # ---- time, network, bank, dashboard, switches

    @precondition(lambda self: self.life)
    @rule(jump=st.integers(0, len(JUMPS) - 1))
    def time(self, jump: int) -> None:
        self.do(self.life.time(jump))

    @precondition(lambda self: self.life)
    @rule(account=account, seconds=st.sampled_from([-4_000, -600, 5, 700, 4_000]))
    def renew(self, account: int, seconds: int) -> None:
        self.do(self.life.renewal(account, seconds))

    @precondition(lambda self: self.life and self.life.odds.answers_lost)
    @rule(fault=st.sampled_from(FAULTS))
    def fault(self, fault: dict[str, Any]) -> None:
        self.life.fault(fault)

    @precondition(lambda self: self.life and self.life.odds.bank)
    @rule(account=account, outcome=st.sampled_from([GOOD, ASKS, ASKS, DECLINES]))
    def card(self, account: int, outcome: str) -> None:
        self.life.stripe.card(ACCOUNTS[account], outcome)

    @precondition(lambda self: self.life and self.life.odds.bank)
    @rule(account=account, yes=yes_or_no)
    def bank(self, account: int, yes: bool) -> None:
        self.life.stripe.answer_bank(ACCOUNTS[account], yes=yes)

    @precondition(lambda self: self.life and self.life.odds.by_hand)
    @rule(account=account, what=st.integers(0, 9), number=st.integers(1, 9))
    def dashboard(self, account: int, what: int, number: int) -> None:
        self.life.stripe.by_hand(ACCOUNTS[account], what, number)

    @precondition(lambda self: self.life)
    @rule(account=account, number=st.integers(1, 9))
    def harmless_edit(self, account: int, number: int) -> None:
        self.life.stripe.harmless(ACCOUNTS[account], number)

    @precondition(lambda self: self.life and self.life.odds.stops)
    @rule(on=yes_or_no, everybody=yes_or_no, account=account, parks=yes_or_no)
    def switch(self, on: bool, everybody: bool, account: int, parks: bool) -> None:
        if parks:
            self.do(self.life.park(on=on, account=account))
        else:
            self.do(self.life.stop(on=on, everybody=everybody, account=account))

    def teardown(self) -> None:
        """Faults off: everything ends, and ends right."""
        if self.life is None:
            return
        life, self.life = self.life, None
        if not life.broken:
            broken = Theatre.run(come_to_rest(life)) + Theatre.run(self.watch.look())
            assert not broken, broken
        TALLY.update(life.happened)
