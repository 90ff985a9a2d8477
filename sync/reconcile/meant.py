"""What accounts mean to have, from one moment of our tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sync.rules.drift_compare import Meant, PromiseMeant
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.store import accounts as account_store
from sync.store import changes as change_store
from sync.store import sweeps
from sync.store.accounts import AccountRow
from sync.store.changes import LegRow
from sync.store.db import Pool

# For so long a read of Stripe may show what was before.
LAG_SECONDS: Final = 60.0
# Their call may be at Stripe at this moment, or may arrive there.
_IN_FLIGHT: Final = (LegState.CONFIRMED, LegState.APPLYING, LegState.AWAITING_PAYMENT)


@dataclass(frozen=True, slots=True)
class Intent:
    """An account and what it means to have; `legs` are its open ones, `promise_id` the promise's change."""

    account: AccountRow
    meant: Meant
    legs: Sequence[tuple[str, str, str, str | None]]
    promise_id: str | None

    def is_as(self, other: Intent | None) -> bool:
        """Whether nothing moved between the two that a comparison depends on."""
        return other is not None and self._facts() == other._facts()

    def _facts(self) -> tuple[object, ...]:
        account = self.account
        ids = (account.stripe_customer_id, account.stripe_subscription_id, account.stripe_schedule_id)
        return (self.meant, self.legs, ids)


async def intents(pool: Pool, account_ids: Collection[str]) -> dict[str, Intent]:
    """What each of these accounts means to have, all at one moment; unknown accounts are absent."""
    wanted = sorted(account_ids)
    async with (
        pool.acquire() as conn,
        # A change that ends in between would show with its old terms and without its leg.
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        accounts = await account_store.get_many(conn, wanted)
        terms = await account_store.terms_of(conn, wanted)
        open_legs = await change_store.open_legs(conn, wanted)
        ended = await sweeps.just_ended(conn, wanted, LAG_SECONDS)
        repairing = await sweeps.repairing(conn, wanted)
    legs: dict[str, list[LegRow]] = {}
    for leg in open_legs:
        legs.setdefault(leg.account_id, []).append(leg)
    return {
        account_id: _intent(
            account,
            terms.get(account_id),
            ended.get(account_id),
            legs.get(account_id, []),
            repairs=account_id in repairing,
        )
        for account_id, account in accounts.items()
    }


def _intent(
    account: AccountRow, terms: Terms | None, ended: Terms | None, legs: Sequence[LegRow], *, repairs: bool
) -> Intent:
    now = next((leg for leg in legs if leg.leg == Leg.NOW and leg.state in _IN_FLIGHT), None)
    # One that is in force only waits for its invoice.
    later = next((leg for leg in legs if leg.leg == Leg.AT_RENEWAL and leg.state != LegState.APPLIED), None)
    meant = Meant(
        account_id=account.id,
        currency=account.currency,
        terms=terms,
        in_flight=Terms.from_json(now.terms) if now else None,
        just_before=ended,
        promise=_promise(later) if later else None,
        moves=repairs or any(not _stands(leg) for leg in legs),
    )
    moved = tuple((leg.change_id, leg.leg, leg.state, leg.ending) for leg in legs)
    return Intent(account, meant, moved, later.change_id if later else None)


def _promise(leg: LegRow) -> PromiseMeant | None:
    if leg.effective_on is None:
        return None
    return PromiseMeant(Terms.from_json(leg.terms), int(leg.effective_on.timestamp()), _stands(leg))


def _stands(leg: LegRow) -> bool:
    """Whether it rests until the renewal, with its schedule written."""
    return leg.leg == Leg.AT_RENEWAL and leg.state == LegState.SCHEDULED and leg.ending is None
