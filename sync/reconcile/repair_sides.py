"""For each kind of finding: whose state may win, what that does, and what is left to a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.rules.drift import FindingKind


class Side(StrEnum):
    """Whose state wins in a repair."""

    OURS = "ours"
    """Stripe is set to what was bought here, without proration: nothing is charged and nothing credited."""
    STRIPE = "stripe"
    """What was bought is set to what Stripe bills, from now on. Nothing is sent to Stripe."""
    REFRESH = "refresh"
    """Stripe is read again, and both are compared anew. Nothing is sent to Stripe."""
    STAFF = "staff"
    """Nobody's: it would move money, or only a person can tell what was meant."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is suggested for a kind, in one sentence, and the sides that may win; any may be read again."""

    side: Side
    what: str
    sides: frozenset[Side] = frozenset()

    @property
    def possible(self) -> tuple[Side, ...]:
        """Every side that may be asked for."""
        return tuple(side for side in Side if side in {*self.sides, self.side, Side.REFRESH} - {Side.STAFF})


_BOTH: Final = frozenset({Side.OURS, Side.STRIPE})
_SET_ITEMS: Final = (
    "Set the items at Stripe to what was bought, without proration. If the edit was meant, let Stripe win."
)
_K: Final = FindingKind

ADVICE: Final[Mapping[FindingKind, Advice]] = {
    _K.MISSING_ITEM: Advice(Side.OURS, _SET_ITEMS, _BOTH),
    _K.EXTRA_ITEM: Advice(Side.OURS, _SET_ITEMS, _BOTH),
    _K.WRONG_PRICE: Advice(Side.OURS, _SET_ITEMS, _BOTH),
    _K.WRONG_QUANTITY: Advice(Side.OURS, _SET_ITEMS, _BOTH),
    _K.WRONG_INTERVAL: Advice(
        Side.STAFF,
        "Another interval is billed at once: agree on it with the customer, then set it in Stripe; or let "
        "Stripe win.",
        frozenset({Side.STRIPE}),
    ),
    _K.DUPLICATE_ITEM: Advice(
        Side.STAFF,
        "Find out which of the two items is meant, and delete the other one in Stripe without proration.",
    ),
    _K.NOT_IN_CATALOG: Advice(
        Side.STAFF, "Items outside the catalog are never edited here: accept it, or remove it in Stripe."
    ),
    _K.TERMS_NOT_IN_CATALOG: Advice(
        Side.STAFF, "Put what was bought back into the catalog file, or agree on other terms."
    ),
    _K.TERMS_MISSING: Advice(Side.STRIPE, "Take over what Stripe bills as what was bought."),
    _K.STATUS_DIFFERS: Advice(
        Side.STAFF,
        "Ask why it was ended. To go on, the customer buys again with complete terms; else accept it.",
    ),
    _K.SUBSCRIPTION_MISSING: Advice(
        Side.STAFF, "Check that the key belongs to the right Stripe account, and look for the subscription."
    ),
    _K.SECOND_SUBSCRIPTION: Advice(
        Side.STAFF, "Find out who made it. Cancel the one that is not meant in Stripe, or accept it."
    ),
    _K.SCHEDULE_FOREIGN: Advice(
        Side.STAFF, "Find out who made it, and release it in Stripe; or accept it until it is over."
    ),
    _K.SCHEDULE_LEFT_OVER: Advice(Side.OURS, "Release our own schedule; the subscription stays as it is."),
    _K.RENEWAL_LEG_MISSING: Advice(
        Side.OURS, "Write the promise to Stripe again, as its schedule; nothing changes before the renewal."
    ),
    _K.PENDING_UPDATE_FOREIGN: Advice(
        Side.STAFF, "Have its invoice paid in Stripe, or void it; or wait, it ends by itself within a day."
    ),
    _K.CUSTOMER_MISSING: Advice(
        Side.STAFF, "Park the account, and make a new customer for it together with its admin."
    ),
    _K.INVOICE_UNEXPLAINED: Advice(
        Side.STAFF, "Ask who made it. Void or credit it in Stripe if it was not meant, else accept it."
    ),
    _K.MIRROR_STALE: Advice(Side.REFRESH, "Read it again; if it comes back, see `prorata doctor`."),
    _K.PORTAL_ALLOWS_UPDATES: Advice(
        Side.STAFF, "Turn off plan changes in the settings of Stripe's customer portal."
    ),
}


def advice(kind: str) -> Advice:
    """What is suggested for a kind of finding, by its stored name."""
    return ADVICE[FindingKind(kind)]
