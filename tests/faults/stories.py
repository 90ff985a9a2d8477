"""Every step of a change in a story that passes it: what comes before, what begins it, how it has to end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sync.failpoints import Side
from sync.states import Leg
from sync.steps import Call, Chore, Step, commit_name
from tests.faults.places import OVERDUE, SCHEDULES, TOO_LATE, Place

Act = Callable[[Place], Awaitable[None]]


def around(*whats: str) -> tuple[str, ...]:
    """Both sides of these commits and calls; a call is written `name()`."""
    return tuple(
        f"{what.removesuffix('()')}.{side}"
        for what in whats
        for side in (
            (Side.BEFORE_CALL, Side.AFTER_CALL)
            if what.endswith("()")
            else (Side.BEFORE_COMMIT, Side.AFTER_COMMIT)
        )
    )


def now(step: Step) -> str:
    return commit_name(Leg.NOW, step)


def later(step: Step) -> str:
    return commit_name(Leg.AT_RENEWAL, step)


def call(name: Call) -> str:
    return f"{name}()"


async def nothing(_: Place) -> None:
    """Nothing happens."""


@dataclass(frozen=True)
class Story:
    """`prepare` comes with a worker that lives, `begin` while nobody works, `then` when somebody works again.

    `ends` are the states of the leg that it may end in. If a renewal comes in between, they are `renewed`;
    or `kept`, if it died at `done_at` or later, when Stripe had done already what was wanted.
    """

    name: str
    points: tuple[str, ...]
    begin: Act
    ends: tuple[str, ...]
    prepare: Act = nothing
    then: Act = nothing
    renewed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    done_at: str = ""

    def ends_after(self, point: str, *, is_renewed: bool) -> tuple[str, ...]:
        """How the leg may end whose worker died there."""
        if not is_renewed:
            return self.ends
        is_done = self.done_at and self.points.index(point) >= self.points.index(self.done_at)
        return self.kept if is_done else self.renewed


# ---- the now-leg


async def declined(place: Place) -> None:
    await place.card("pm_card_chargeCustomerFail")
    await place.more()


async def needs_the_bank(place: Place) -> None:
    await place.card("pm_card_authenticationRequired")
    await place.more()


async def paid_while_taken_back(place: Place) -> None:
    await place.withdraw()
    await place.authenticate()
    await place.hurry()


async def overdue(place: Place) -> None:
    await place.execute(OVERDUE)
    await place.hurry()


async def refused(place: Place) -> None:
    await place.fault(status=400, times=-1)
    await place.more()


async def not_let_in(place: Place) -> None:
    await place.fault(status=401)
    await place.more()


async def answer_lost(place: Place) -> None:
    await place.fault(reset=True, when="after")
    await place.more()


async def never_left_and_too_late(place: Place) -> None:
    await place.more()
    await place.died_before("send.before_call")
    await place.execute(TOO_LATE)


async def stopped(place: Place) -> None:
    await place.more()
    await place.stop()


PAID = around(now(Step.SEND), call(Call.SEND), now(Step.APPLY), Chore.READ_INVOICE, now(Step.SETTLE))
DECLINED = around(now(Step.DECLINE), now(Step.VOID), call(Call.VOID), now(Step.END))
AFTER_ALL = around(now(Step.PAID_AFTER_ALL))

# Too late, or not what was quoted any more: either way without an effect.
NOT_ANY_MORE = ("expired", "failed")

NOW = (
    Story(
        "paid",
        PAID,
        Place.more,
        ("settled",),
        renewed=NOT_ANY_MORE,
        kept=("settled",),
        done_at=f"{Call.SEND}.{Side.AFTER_CALL}",
    ),
    Story("declined", DECLINED, declined, ("failed",), renewed=NOT_ANY_MORE),
    Story(
        "awaiting",
        around(now(Step.AWAIT_PAYMENT)),
        needs_the_bank,
        ("settled",),
        then=Place.authenticate,
        renewed=("expired",),
    ),
    Story(
        "paid after all",
        AFTER_ALL,
        paid_while_taken_back,
        ("settled",),
        Place.awaiting,
        renewed=("settled",),
    ),
    Story("overdue", around(now(Step.LET_GO)), overdue, ("expired",), Place.awaiting, renewed=("expired",)),
    Story("refused", around(now(Step.REFUSE)), refused, ("failed",), renewed=NOT_ANY_MORE),
    Story("postponed", around(now(Step.POSTPONE)), not_let_in, ("settled",), renewed=NOT_ANY_MORE),
    Story("answer lost", around(now(Step.LOSE_ANSWER)), answer_lost, ("settled",), renewed=("settled",)),
    Story(
        "too late", around(now(Step.READ_BACK)), never_left_and_too_late, ("expired",), renewed=("expired",)
    ),
    Story("stopped", around(now(Step.WAIT)), stopped, ("settled",), then=Place.go, renewed=NOT_ANY_MORE),
)


# ---- the renewal leg


async def edited_by_hand(place: Place) -> None:
    """Somebody adds a seat in the dashboard, after the admin has confirmed."""
    await place.fewer()
    items = (await place.world.subscription(place.account))["items"]["data"]
    seats = next(item for item in items if ":seats:" in item["price"]["lookup_key"])
    edit = {"items": [{"id": seats["id"], "quantity": seats["quantity"] + 1}], "proration_behavior": "none"}
    await place.by_hand(await place.subscription_path(), **edit)


async def released(place: Place) -> None:
    await place.release_by_hand()
    await place.hurry()


async def driven_by_somebody_else(place: Place) -> None:
    await place.release_by_hand()
    subscription = (await place.world.subscription(place.account))["id"]
    await place.by_hand(SCHEDULES, from_subscription=subscription)
    await place.hurry()


async def given_back(place: Place) -> None:
    """On-call is told, and the other schedule goes."""
    await place.until(lambda change: str(change["at_renewal"]["reason"]).startswith("renewal_"))
    await place.release_by_hand()
    await place.hurry()


async def cancelled(place: Place) -> None:
    await place.by_hand(await place.subscription_path(), "DELETE")
    await place.hurry()


async def fewer_but_stopped(place: Place) -> None:
    await place.fewer()
    await place.stop()


PLACED = around(
    later(Step.STORE_CREATE),
    call(Call.CREATE),
    later(Step.OWN),
    later(Step.STORE_PHASES),
    call(Call.PHASES),
    later(Step.SCHEDULE),
)
AT_RISK = around(later(Step.RISK))
TAKEN_BACK = around(later(Step.STORE_RELEASE), call(Call.RELEASE), later(Step.RELEASE))

LATER = (
    Story(
        "promised",
        PLACED,
        Place.fewer,
        ("scheduled",),
        renewed=("failed",),
        kept=("settled",),
        done_at=f"{Call.PHASES}.{Side.AFTER_CALL}",
    ),
    Story(
        "edited by hand",
        around(later(Step.LOOK_AGAIN)),
        edited_by_hand,
        ("scheduled",),
        renewed=("failed",),
    ),
    Story("mended", around(later(Step.MEND)), released, ("scheduled",), Place.promised, renewed=("failed",)),
    Story(
        "at risk",
        AT_RISK,
        driven_by_somebody_else,
        ("scheduled",),
        Place.promised,
        given_back,
        renewed=("failed",),
    ),
    Story(
        "taken back",
        TAKEN_BACK,
        Place.withdraw,
        ("withdrawn",),
        Place.promised,
        renewed=("settled",),
        kept=("withdrawn",),
        done_at=f"{Call.RELEASE}.{Side.AFTER_CALL}",
    ),
    Story("cancelled", around(later(Step.END)), cancelled, ("failed",), Place.promised, renewed=("failed",)),
    Story(
        "promise stopped",
        around(later(Step.WAIT)),
        fewer_but_stopped,
        ("scheduled",),
        then=Place.go,
        renewed=("failed",),
    ),
)


# ---- the renewal itself


async def placed_but_not_noted(place: Place) -> None:
    await place.fewer()
    await place.died_before(f"{later(Step.SCHEDULE)}.{Side.BEFORE_COMMIT}")


KEPT = around(later(Step.RENEW), later(Step.STORE_RELEASE), call(Call.RELEASE), later(Step.SETTLE))

# The renewal comes after `begin`, and nobody works while it does.
AT_RENEWAL = (
    Story("kept", KEPT, nothing, ("settled",), Place.promised),
    Story("not noted", around(later(Step.READ_BACK)), placed_but_not_noted, ("settled",)),
    Story("missed", around(later(Step.MISS)), Place.release_by_hand, ("failed",), Place.promised),
)
