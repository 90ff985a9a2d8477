"""One local Stripe account: its objects, clock, events, ledger, and the request being executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.twin import contract
from worker.twin.clock import Clock, Runner
from worker.twin.events import EventLog
from worker.twin.facts import Facts
from worker.twin.ids import Ids
from worker.twin.ledger import Effect, Ledger, Origin
from worker.twin.store import Doc, Store, Table


@dataclass(frozen=True)
class Call:
    """One request being executed. `idempotency_key` is None for what the dashboard and the clock do."""

    operation: str
    ids: tuple[str, ...]
    params: dict[str, Any]
    request_id: str = ""
    idempotency_key: str | None = None
    by_hand: bool = False
    version: str = ""  # the API version of the answer; empty is the SDK's

    @property
    def id(self) -> str:
        """The first id in the path."""
        return self.ids[0]


@dataclass
class AccountSettings:
    """What a Stripe user sets in the dashboard, and how strict the twin is (`/_twin/account`)."""

    after_last_retry: str = "cancel"
    retry_days: list[int] = field(default_factory=lambda: [3, 5, 7])
    refuse_declining_cards_on_attach: bool = False
    enforce_subscription_limits: bool = False
    portal_changes_plans: bool = False
    upcoming_invoice_days: int = 7  # `invoice.upcoming` comes so long before a renewal; 0 sends none
    overdue_deadline_days: int = 30  # after the due date of a sent invoice, then `after_last_retry`
    default_api_version: str = ""  # the account's version; empty is the SDK's
    global_rate_per_second: int = 0
    endpoint_rate_per_second: int = 0
    concurrent_requests: int = 0
    lock_customers: bool = False
    finalize_after_delivery: bool = False  # renewals wait for `invoice.created`, up to 72 hours
    automatic_payouts: bool = False
    funds_delay_days: int = 2
    fee_basis_points: int = 290
    fee_fixed: int = 30
    debit_fee_basis_points: int = 80
    debit_days: int = 4
    dispute_fee: int = 1500


class World:
    """Everything behind the doors. All of it runs in one thread; one request is executed at a time.

    `lent`: tables that another world lends.
    """

    def __init__(
        self, seed: int = 0, now: int | None = None, lent: Mapping[str, Table] | None = None
    ) -> None:
        self.clock = Clock()
        if now is not None:
            self.clock.offset = now - int(self.clock.wall())
        self.seed = seed
        self.ids = Ids(seed)
        self.preview_ids = Ids(seed + 1)
        self.base_url = ""
        self.store = Store(lambda price_id: self.facts.prices[price_id].plan, lent)
        self.facts = Facts()
        self.ledger = Ledger()
        self.account = AccountSettings()
        self.undelivered: set[str] = set()
        self.events = EventLog(self.store, self.ids, self.clock.now, contract.api_version(), self.undelivered)
        self.hand_over: Callable[[], None] = lambda: None  # gives the events so far to the deliveries
        self.previews: dict[str, Doc] = {}
        self.waiting: dict[str, dict[str, None]] = {}  # ids of invoice items without an invoice, by customer
        self.portal_sessions: dict[str, str] = {}
        self.deleted_customers = self.store.gone
        self.endpoint_secrets: dict[str, str] = {}
        self.rolled_secrets: dict[str, list[tuple[str, float]]] = {}  # old secret, valid until (wall time)
        self.rate_log: dict[tuple[str, str], list[int]] = {}
        self.runners: dict[str, Runner] = {}
        self.call: Call | None = None

    def domain_of(self, customer_id: str) -> str:
        """The time domain a customer lives in."""
        return self.store["customer"].docs[customer_id]["test_clock"] or ""

    def now_for(self, customer_id: str) -> int:
        """The customer's billing time: its test clock's frozen time, else the twin's."""
        return self.clock.now(self.domain_of(customer_id))

    def run_due(self, domain: str = "") -> int:
        """Do what is due in one time domain; such work belongs to no request."""
        call, self.call, self.events.request = self.call, None, None
        try:
            return self.clock.run_due(self.runners, domain)
        finally:
            self.call = call

    def rest(self) -> None:
        """One piece of work is done: its events go out, and what nobody works with is packed."""
        self.hand_over()
        self.store.room.tidy()

    def origin(self) -> Origin:
        """Who is asking now."""
        if self.call is None:
            return Origin()
        metadata = self.call.params.get("metadata")
        change_id = metadata.get("prorata_change") if isinstance(metadata, dict) else None
        return Origin(self.call.idempotency_key, change_id)

    def effect(
        self,
        kind: str,
        doc: Doc,
        amount_minor: int = 0,
        origin: Origin | None = None,
        subscription: str | None = None,
    ) -> None:
        """Write one effect into the ledger; `origin` names the change that began it, if not this request."""
        asking = self.origin()
        self.ledger.write(
            Effect(
                seq=len(self.ledger.effects) + 1,
                at=self.clock.now(),
                kind=kind,
                object=doc["id"],
                amount_minor=amount_minor,
                currency=doc.get("currency") or "",
                idempotency_key=asking.idempotency_key,
                change_id=asking.change_id or (origin.change_id if origin else None),
                subscription=subscription,
                customer=doc.get("customer"),
                request=self.call.request_id if self.call else None,
            )
        )
