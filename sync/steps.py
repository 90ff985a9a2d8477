"""What may be half done, as tables: every commit that a leg may make, every call that may leave, and the
other commits that money or a decision depends on.

A process can die on either side of each. `sync.failpoints` makes its names from these tables, and
tests/faults kills at every one of them.
"""

from __future__ import annotations

from enum import StrEnum

from sync.states import Leg


class Step(StrEnum):
    """One commit of a leg; the word stands in the change's story."""

    CONFIRM = "confirm"
    """The admin agreed: intent, key, body and job are stored, for both legs."""
    SEND = "send"
    """The call is about to leave."""
    POSTPONE = "postpone"
    """Stripe did not begin to execute it; later again."""
    LOSE_ANSWER = "lose_answer"
    """It left, and nobody knows what it did."""
    READ_BACK = "read_back"
    """A clean read: no trace of it at Stripe so far, or only its outcome was seen."""
    APPLY = "apply"
    """Paid and read back: the new terms are in force, and the rest of the cart is promised."""
    AWAIT_PAYMENT = "await_payment"
    """The payer's bank wants a confirmation first."""
    DECLINE = "decline"
    """The payment failed; the open invoice is to be voided."""
    REFUSE = "refuse"
    """Stripe said a definite no."""
    LET_GO = "let_go"
    """Stripe should have dropped it by now; we begin to."""
    VOID = "void"
    """The void of the change's own invoice is about to leave."""
    PAID_AFTER_ALL = "paid_after_all"
    """Paid while it was being taken back."""
    END = "end"
    """It ends without effect."""
    SETTLE = "settle"
    """The invoice was compared with the promise."""
    WAIT = "wait"
    """Nothing may leave now: stopped, or parked."""
    WITHDRAW = "withdraw"
    """The admin takes it back."""
    STORE_CREATE = "store_create"
    """The call that makes a schedule is stored."""
    OWN = "own"
    """The schedule's id is stored with the account."""
    STORE_PHASES = "store_phases"
    """The call that writes the schedule's phases is stored."""
    LOOK_AGAIN = "look_again"
    """The reads do not agree; a second look in a moment."""
    SCHEDULE = "schedule"
    """The promise stands at Stripe."""
    MEND = "mend"
    """Somebody changed the schedule; it is written again."""
    RISK = "risk"
    """Something keeps the promise from Stripe; people are told."""
    RENEW = "renew"
    """The renewal brought what was promised."""
    MISS = "miss"
    """The renewal came without it; the account is parked."""
    STORE_RELEASE = "store_release"
    """The call that lets a schedule go is stored."""
    RELEASE = "release"
    """The schedule is gone, and the promise with it."""
    RESOLVE = "resolve"
    """A person says what became of what was stuck."""
    PROMISE = "promise"
    """What is left for the renewal begins, in the commit that decides it."""
    REPLACE = "replace"
    """A later promise takes its place, in the commit that makes that one."""


# Told of a leg by the commit of another one.
TOLD_BY_OTHERS = frozenset({Step.PROMISE, Step.REPLACE})


class Call(StrEnum):
    """One kind of write that leaves for somebody else; of Stripe's the name is stored with the call."""

    SEND = "send"
    VOID = "void"
    CREATE = "renewal_create"
    PHASES = "renewal_phases"
    RELEASE = "renewal_release"
    CUSTOMER = "customer"
    PRODUCT = "product"
    PRICE = "price"
    NOTICE = "notice"
    REPAIR = "repair"


class Chore(StrEnum):
    """One commit of what is no step of a leg."""

    WRITE_ACCOUNT = "write_account"
    """An account, before it has a customer at Stripe."""
    LINK_ACCOUNT = "link_account"
    """An account with a customer that existed before."""
    NAME_ADMIN = "name_admin"
    """Somebody else may buy from now on."""
    TAKE_CUSTOMER = "take_customer"
    """The call that makes a customer is stored."""
    KEEP_CUSTOMER = "keep_customer"
    """The customer is the account's."""
    STORE_CATALOG = "store_catalog"
    """The calls that make products, or prices, are stored."""
    SELL = "sell"
    """These prices are sold from now on."""
    STOP = "stop"
    """Nothing is written to Stripe any more."""
    GO = "go"
    """Stripe may be written to again; what waited is woken."""
    PARK = "park"
    """An account waits for somebody to look."""
    UNPARK = "unpark"
    """Somebody has looked; what waited is woken."""
    SUBMIT_REQUEST = "submit_request"
    """A wish that support decides."""
    ASK_ADMIN = "ask_admin"
    """Support agrees; the primary admin has to confirm what it costs."""
    CLOSE_REQUEST = "close_request"
    """A wish ends without a change."""
    RESUME = "resume"
    """Somebody wants a change to go on now."""
    NUDGE = "nudge"
    """Whatever is due is in the queue."""
    READ_INVOICE = "read_invoice"
    """A change's own invoice in the mirror, right before it is settled."""
    STORE_EVENTS = "store_events"
    """A batch of deliveries; their senders get 200 afterwards."""
    APPLY_EVENTS = "apply_events"
    """A batch of events in the mirror."""
    READ_OBJECT = "read_object"
    """An object in doubt, as it was read at Stripe."""
    SWEEP_PAGE = "sweep_page"
    """A page of Stripe's lists in the mirror; what differs in it is looked at afterwards."""
    BACKFILL_PAGE = "backfill_page"
    """A page of an import, and how far it came."""
    ADOPT = "adopt"
    """A subscription that existed before becomes an account's."""
    BEGIN_REPAIR = "begin_repair"
    """Somebody wants a finding repaired: intent, key and body are stored."""
    END_REPAIR = "end_repair"
    """How the repair ended, and its finding with it."""
    TAKE_OVER = "take_over"
    """What Stripe bills begins to be what was bought."""
    CLOSE_REPAIR = "close_repair"
    """What was repaired by looking, or already before, with its finding."""


_S = Step

STEPS: dict[Leg, frozenset[Step]] = {
    Leg.NOW: frozenset(
        {
            _S.CONFIRM,
            _S.SEND,
            _S.POSTPONE,
            _S.LOSE_ANSWER,
            _S.READ_BACK,
            _S.APPLY,
            _S.AWAIT_PAYMENT,
            _S.DECLINE,
            _S.REFUSE,
            _S.LET_GO,
            _S.VOID,
            _S.PAID_AFTER_ALL,
            _S.END,
            _S.SETTLE,
            _S.WAIT,
            _S.WITHDRAW,
            _S.RESOLVE,
        }
    ),
    Leg.AT_RENEWAL: frozenset(
        {
            _S.STORE_CREATE,
            _S.OWN,
            _S.STORE_PHASES,
            _S.LOOK_AGAIN,
            _S.SCHEDULE,
            _S.MEND,
            _S.RISK,
            _S.READ_BACK,
            _S.RENEW,
            _S.MISS,
            _S.STORE_RELEASE,
            _S.RELEASE,
            _S.END,
            _S.SETTLE,
            _S.WAIT,
        }
    ),
}


def commit_name(leg: Leg, step: Step) -> str:
    """The name of a step's commit; the now-leg has the plain word."""
    return step if leg is Leg.NOW else f"renewal_{step}"
