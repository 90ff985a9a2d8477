"""Takes one subscription over: decides, and writes account, links, prices and terms in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg
import structlog

from sync import audit, clock, failpoints
from sync.adopt.found import Candidate
from sync.adopt.owner import Naming, Owner, owner_of
from sync.billing import Billing
from sync.ids import new_id
from sync.rules.adoption import Mapped, Unmapped, decide
from sync.rules.adoption_prices import Saying
from sync.rules.adoption_reasons import Reason, Why, why
from sync.rules.slots import Slot
from sync.states import Leg
from sync.steps import Chore
from sync.store import accounts as account_store
from sync.store import adoptions as store
from sync.store import changes as change_store
from sync.store.adoptions import ForeignPrice, Owned
from sync.store.db import Connection
from sync.telemetry import LogEvent

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of one subscription."""

    ADOPTED = "adopted"
    WOULD_ADOPT = "would_adopt"  # a dry run
    ALREADY = "already"  # it is an account's here: adopted before, or bought here
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Result:
    """One subscription of the report. `mapped` is there where it maps, `reasons` where it was refused."""

    subscription_id: str
    customer_id: str
    outcome: Outcome
    account_id: str | None = None
    adoption_id: str | None = None
    mapped: Mapped | None = None
    reasons: tuple[Why, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `prorata adopt --json` prints for it."""
        return {
            "subscription_id": self.subscription_id,
            "customer_id": self.customer_id,
            "outcome": str(self.outcome),
            "account_id": self.account_id,
            "adoption_id": self.adoption_id,
            "terms": self.mapped.terms.to_json() if self.mapped else None,
            "items": [item.to_json() for item in self.mapped.items] if self.mapped else [],
            "remarks": [remark.to_json() for remark in self.mapped.remarks] if self.mapped else [],
            "reasons": [reason.to_json() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before any subscription is looked at: who says what, and whose customers they are.

    `owners` gives the account by customer; `shared` are the account ids that more than one customer claims.
    """

    saying: Saying
    naming: Naming
    owners: Mapping[str, Owned]
    shared: frozenset[str] = frozenset()


class _Refusal(Exception):
    """Something that only the locked account could tell; what was written so far is taken back."""

    def __init__(self, said: Why) -> None:
        self.said = said


async def take_over(billing: Billing, found: Candidate, known: Known, *, actor: str, dry_run: bool) -> Result:
    """Adopt one subscription, or say why not. Again it does nothing; with `dry_run` it never writes."""
    subscription = found.subscription
    if (owned := _holder(found, known.owners)) is not None:
        return _already(found, owned)
    judged = _judge(found, known)
    if isinstance(judged, Unmapped):
        return await _refused(billing, found, judged.reasons, dry_run=dry_run)
    decided, owner = judged
    if dry_run:
        said = Outcome.WOULD_ADOPT
        return Result(subscription.id, subscription.customer_id, said, owner.account_id, None, decided)
    try:
        adoption_id = await _write(billing, found, known, decided, owner, actor)
    except _Refusal as refusal:
        owners = await store.owners(billing.pool, [found.customer.id])
        if (owned := _holder(found, owners)) is not None:  # another adoption was faster
            return _already(found, owned)
        return await _refused(billing, found, (refusal.said,), dry_run=False)
    log.info(LogEvent.SUBSCRIPTION_ADOPTED, subscription_id=subscription.id, account_id=owner.account_id)
    return Result(
        subscription.id,
        subscription.customer_id,
        Outcome.ADOPTED,
        owner.account_id,
        adoption_id,
        decided,
    )


def _holder(found: Candidate, owners: Mapping[str, Owned]) -> Owned | None:
    """The account that has this very subscription."""
    owned = owners.get(found.customer.id)
    return owned if owned and owned.subscription_id == found.subscription.id else None


def _already(found: Candidate, owned: Owned) -> Result:
    """It is an account's: by an adoption, whose id is named then, or because it was bought here."""
    subscription, said = found.subscription, Outcome.ALREADY
    return Result(subscription.id, subscription.customer_id, said, owned.account_id, owned.adoption_id)


def _judge(found: Candidate, known: Known) -> tuple[Mapped, Owner] | Unmapped:
    """What it maps to and whose it is; every reason of both together where either is missing."""
    decided, owner = decide(found.subscription, known.saying), _owner(found, known)
    if isinstance(decided, Mapped) and isinstance(owner, Owner):
        return decided, owner
    reasons = decided.reasons if isinstance(decided, Unmapped) else ()
    return Unmapped((*reasons, *(owner if isinstance(owner, tuple) else ())))


def _owner(found: Candidate, known: Known) -> Owner | tuple[Why, ...]:
    """Whose it is. An account that exists already has its admin; nobody has to be named for it."""
    owned = known.owners.get(found.customer.id)
    if owned is not None:
        return Owner(owned.account_id, "", "", "", "", "")
    owner = owner_of(found.customer, known.naming)
    if isinstance(owner, Owner) and owner.account_id in known.shared:
        return (why(Reason.ACCOUNT_ID_SHARED, found.customer.id, owner.account_id),)
    return owner


async def _refused(billing: Billing, found: Candidate, reasons: tuple[Why, ...], *, dry_run: bool) -> Result:
    """Keep why, so that it can be looked up later."""
    subscription = found.subscription
    if not dry_run:
        outcome = store.Outcome(
            subscription.id,
            new_id("ado"),
            subscription.customer_id,
            None,
            [reason.to_json() for reason in reasons],
            [],
            [],
            None,
        )
        await store.record(billing.pool, outcome)
    return Result(subscription.id, subscription.customer_id, Outcome.REFUSED, reasons=reasons)


async def _write(
    billing: Billing, found: Candidate, known: Known, mapped: Mapped, owner: Owner, actor: str
) -> str:
    """Everything or nothing; returns the adoption's id. Raises _Refusal."""
    subscription, customer_id = found.subscription, found.customer.id
    owned = known.owners.get(customer_id)
    async with failpoints.committing(billing.pool, [Chore.ADOPT]) as conn:
        if owned is None:
            await _make_account(conn, owner, customer_id, subscription.currency)
        await _link(conn, owner.account_id, found, owned.subscription_id if owned else None)
        for price in _foreign_prices(mapped, known.saying):
            await store.keep_price(conn, price)
        outcome = store.Outcome(
            subscription.id,
            new_id("ado"),
            customer_id,
            owner.account_id,
            [],
            [remark.to_json() for remark in mapped.remarks],
            [item.to_json() for item in mapped.items],
            mapped.terms.to_json(),
        )
        adoption_id = await store.record(conn, outcome)
        await account_store.begin_terms(
            conn, owner.account_id, mapped.terms, clock.wall(), adoption_id, Leg.NOW
        )
        said = {
            "adoption_id": adoption_id,
            "stripe_customer_id": customer_id,
            "stripe_subscription_id": subscription.id,
            "terms": mapped.terms.to_json(),
        }
        await audit.write(conn, owner.account_id, audit.Act.ACCOUNT_ADOPTED, actor, said)
    return adoption_id


async def _make_account(conn: Connection, owner: Owner, customer_id: str, currency: str) -> None:
    """A new account with this customer; one that is there already is another customer's."""
    columns = {
        "id": owner.account_id,
        "email": owner.email,
        "name": owner.name,
        "locale": owner.locale,
        "currency": currency,
        "primary_admin_user_id": owner.primary_admin_user_id,
        "primary_admin_email": owner.primary_admin_email,
    }
    try:
        is_new = await account_store.insert(conn, columns)
        if is_new and await account_store.set_customer(conn, owner.account_id, customer_id):
            return
    except asyncpg.UniqueViolationError as error:
        said = f"{customer_id} became another account's customer meanwhile"
        raise _Refusal(why(Reason.ACCOUNT_TAKEN, owner.account_id, said)) from error
    raise _Refusal(why(Reason.ACCOUNT_TAKEN, owner.account_id, f"the account {owner.account_id}"))


async def _link(conn: Connection, account_id: str, found: Candidate, before: str | None) -> None:
    """Give the locked account its subscription, unless something is under way there."""
    account = await account_store.lock(conn, account_id)
    if account is not None and account.currency != found.subscription.currency:
        values = f"the account is billed in {account.currency}, {found.subscription.id} in "
        said = why(Reason.CURRENCY_DIFFERS, account_id, values + found.subscription.currency)
        raise _Refusal(said)
    if await change_store.open_legs(conn, [account_id]):
        raise _Refusal(why(Reason.CHANGE_IN_PROGRESS, account_id, advice="Adopt again once it has ended."))
    if not await store.link(conn, account_id, found.subscription.id, before):
        raise _Refusal(why(Reason.CHANGE_IN_PROGRESS, account_id, "it got a subscription meanwhile"))


def _foreign_prices(mapped: Mapped, saying: Saying) -> list[ForeignPrice]:
    """The prices that are not known here yet, in the order of their ids."""
    unknown = [item for item in mapped.items if saying.book.slot_of(item.item.price.id) is None]
    return [
        ForeignPrice(
            slot=each.named.slot.key,
            lookup_key=each.named.lookup_key,
            version=Slot.parse(each.named.lookup_key)[1] if each.named.lookup_key else None,
            stripe_price_id=each.item.price.id,
            stripe_product_id=each.item.price.product_id,
            unit_amount_minor=each.item.price.unit_amount_minor or 0,
            currency=each.item.price.currency,
        )
        for each in sorted(unknown, key=lambda each: each.item.price.id)
    ]
